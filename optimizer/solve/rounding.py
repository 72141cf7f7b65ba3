"""From shares of mixes to one plan each: a dive, counts together, then each workload anew beside the others.

The dive fixes the mixes of largest share and lets the restricted master find new prices for the rest, until
every workload has its mix; counts stay open, so that what is fixed still bends to what limits and commitments
leave. Few workloads have more than one mix in the restricted master, at most one for each shared row that
binds, so that most are fixed at once. With a mix each, periods are apart and their counts are chosen together
(`optimizer.solve.joint`). Then workloads are placed anew one by one; rents fall to nothing from sweep to
sweep, for what is left unused in the end is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.errors import SolverError
from optimizer.problem import Floats, Ints
from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof, better_plans, reprice
from optimizer.solve.highs import Limits
from optimizer.solve.joint import choose
from optimizer.solve.mixes import Mixes
from optimizer.solve.moves import improve, take
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.restricted import Climbed
from optimizer.solve.terms import PAIR, Terms

SURE = 0.9  # share from which a plan is fixed
LEAST_FIXED = 0.3  # of the open workloads that are fixed in a step of the dive, sure or not
NEAR_PATTERN = 0.05  # of a mean plan: patterns so much dearer than the best of their period are left out
COUNTING = Limits(gap_share=1e-5, nodes=100, seconds=20.0)
MOST_STEPS = 40
MOST_TURNS = 3  # of counts together and workloads one by one
LEAST_GAIN = 1e-4  # share of the cost that a turn must gain for another one
RENT_LEFT = (1.0, 0.5, 0.25, 0.1, 0.0, 0.0)  # of the rents, sweep by sweep
SWEPT_WHOLE = 48_000  # workloads times periods; of larger problems those are swept that were open longest


@dataclass
class Fixed:
    """Settled plans: (W, 2) options `chosen`, -1 where open; (W, T, 2) counts; (L, T) units left."""

    chosen: Ints
    count: Floats
    left: Floats

    @classmethod
    def nothing(cls, terms: Terms, shared: Shared) -> Fixed:
        """No plan yet."""
        workloads, periods = terms.demand.shape
        chosen = np.full((workloads, PAIR), -1, dtype=np.int64)
        return cls(chosen, np.zeros((workloads, periods, PAIR)), shared.limit.copy())

    @property
    def open(self) -> Ints:
        """Workloads without a plan."""
        return np.flatnonzero(self.chosen[:, 0] < 0)

    def copy(self) -> Fixed:
        """The same, to come back to."""
        return Fixed(self.chosen.copy(), self.count.copy(), self.left.copy())

    @property
    def plans(self) -> Plans:
        """Those that are settled."""
        found = np.flatnonzero(self.chosen[:, 0] >= 0)
        return Plans(found, self.chosen[found], self.count[found])


def rounded(pricing: Pricing, shared: Shared, proof: Proof, *, enough_usd: float) -> Plans:
    """At most one plan for each workload, within all limits; none for one that found no room.

    Args:
        pricing: finds cheapest plans.
        shared: what workloads share.
        proof: of column generation.
        enough_usd: a cost that is low enough to stop at.
    """
    fixed = Fixed.nothing(pricing.terms, shared)
    prices, late = dive(pricing, shared, proof, fixed)
    for _ in range(MOST_TURNS):
        before = settled_usd(pricing, shared, fixed)
        if before <= enough_usd:
            break
        sweep(pricing, shared, prices, fixed, late)
        if fixed.open.size or settled_usd(pricing, shared, fixed) <= enough_usd:
            break
        recount(pricing, shared, prices, fixed)
        if not settled_usd(pricing, shared, fixed) < before - LEAST_GAIN * abs(before):
            break
    return fixed.plans


def dive(pricing: Pricing, shared: Shared, proof: Proof, fixed: Fixed) -> tuple[Floats, Ints]:
    """Fix plans step by step; the last prices, and the workloads that were open after the first step."""
    mixes, climbed = proof.mixes, proof.climbed
    late = fixed.open
    for step in range(MOST_STEPS):
        fix_largest(pricing, mixes, climbed, fixed)
        late = fixed.open if step == 0 else late
        if not fixed.open.size:
            break
        rest = shared.less(*fixed.plans.drawn(pricing))
        mixes = mixes.take(np.flatnonzero(fixed.chosen[mixes.workload, 0] < 0))
        mixes = mixes.fitting(pricing.kinds.draws, rest.limit)
        _, plans = better_plans(pricing, rest, mixes, climbed.prices, fixed.open)
        mixes = mixes.and_also(Mixes.of(pricing, plans, rest.limit))
        if len(np.unique(mixes.workload)) < fixed.open.size:
            break  # some workload has no plan that fits: the sweep has to make room
        mixes, climbed = reprice(pricing, rest, mixes, prices=climbed.prices, among=fixed.open)
    return climbed.prices, late


def fix_largest(pricing: Pricing, mixes: Mixes, climbed: Climbed, fixed: Fixed) -> None:
    """Settle the surest of the open workloads on their mix of largest share, if it fits."""
    begin, share = mixes.begin, climbed.share
    best = np.lexsort((-share, mixes.workload))[np.minimum(begin[:-1], len(mixes) - 1)]
    candidates = fixed.open[np.argsort(-share[best[fixed.open]], kind="stable")]
    sure = int((share[best[candidates]] >= SURE).sum())
    order = candidates[: max(sure, int(np.ceil(LEAST_FIXED * len(candidates))))]
    chosen = np.sort(best[order])
    few = mixes.take(chosen)
    places = np.lexsort((-climbed.weight, mixes.cell))[mixes.first[:-1]].reshape(-1, mixes.periods)
    settle(pricing, Plans(few.workload, few.option, mixes.count[places[chosen]]), fixed, order)


def counted(shared: Shared, mixes: Mixes, prices: Floats) -> Plans:
    """Plans of one mix each: counts of all workloads together, period by period."""
    added = shared.added(prices)
    few = mixes.near(added, NEAR_PATTERN * max(abs(float(mixes.values(added)[0].mean())), 1e-9))
    count = np.empty((len(mixes), mixes.periods, PAIR))
    for t in range(mixes.periods):
        one = few.at(t)
        found = choose(one, shared.at(t), COUNTING)
        if found is None:
            raise SolverError(f"HiGHS found no counts for {len(one)} workloads in period {t}")
        count[:, t] = found.plans.count[:, 0]
    return Plans(mixes.workload, mixes.option, count)


def settle(pricing: Pricing, plans: Plans, fixed: Fixed, order: Ints | None = None) -> None:
    """Give workloads in turn their plan, if it fits what is left."""
    terms = pricing.terms
    begin = np.searchsorted(plans.workload, np.arange(len(terms.demand) + 1)).astype(np.int64)
    take(
        plans.workload if order is None else order, begin, np.arange(len(plans)), terms.kind, terms.options,
        pricing.kinds.draws, plans.option, plans.count, fixed.left, fixed.chosen, fixed.count,
    )  # fmt: skip


def recount(pricing: Pricing, shared: Shared, prices: Floats, fixed: Fixed) -> None:
    """Choose the counts of settled mixes anew, all workloads together; kept where that is cheaper."""
    mixes = Mixes.of(pricing, fixed.plans, shared.limit)
    other = Fixed.nothing(pricing.terms, shared)
    settle(pricing, counted(shared, mixes, prices), other)
    if settled_usd(pricing, shared, other) < settled_usd(pricing, shared, fixed):
        fixed.chosen, fixed.count, fixed.left = other.chosen, other.count, other.left


def sweep(pricing: Pricing, shared: Shared, prices: Floats, fixed: Fixed, late: Ints) -> None:
    """Place workloads anew one by one at falling rents, those without a plan first."""
    terms, kinds = pricing.terms, pricing.kinds
    rent, worth = shared.split(prices)
    which = np.arange(len(terms.demand)) if terms.demand.size <= SWEPT_WHOLE else late
    which = np.union1d(which, fixed.open)
    best, best_usd = fixed.copy(), settled_usd(pricing, shared, fixed)
    for part in RENT_LEFT:
        order = which[np.argsort(fixed.chosen[which, 0] >= 0, kind="stable")].astype(np.int64)
        _, used = fixed.plans.drawn(pricing)
        within, beyond, room = shared.room(used, worth)
        changed = improve(
            order, terms.begin, terms.kind, terms.options, terms.rules, terms.demand, terms.hours,
            kinds.prices(part * rent, within), kinds.draws, kinds.shared, fixed.left,
            kinds.cover, within - beyond, room, fixed.chosen, fixed.count,
        )  # fmt: skip
        usd = settled_usd(pricing, shared, fixed)
        if usd < best_usd:
            best, best_usd = fixed.copy(), usd
        if part == 0.0 and not changed:
            break
    if best_usd < float("inf"):
        fixed.chosen, fixed.count, fixed.left = best.chosen, best.count, best.left


def settled_usd(pricing: Pricing, shared: Shared, fixed: Fixed) -> float:
    """What the plans cost under the commitments there are; infinite while a workload has none."""
    return float("inf") if fixed.open.size else cost_usd(pricing, shared, fixed.plans)


def cost_usd(pricing: Pricing, shared: Shared, plans: Plans) -> float:
    """What plans cost under the commitments there are."""
    _, used = plans.drawn(pricing)
    return float(plans.usd(pricing.terms).sum()) - shared.cover_usd(used)
