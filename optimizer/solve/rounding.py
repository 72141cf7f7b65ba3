"""From shares of plans to one plan each: a dive, then each workload anew beside the others.

The dive fixes the plans of largest share, prices the rest of the workloads anew under what limits leave, and
lets the restricted master find new prices, until every workload has its plan. Few workloads have more than
one plan in the restricted master, at most one for each shared row that binds, so that most are fixed at once.
Then workloads are placed anew one by one; rents fall to nothing from sweep to sweep, for what is left unused
in the end is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.columns import Columns, drawn_by
from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof, reprice
from optimizer.solve.moves import fitting, improve, take
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.terms import PAIR, Terms

SURE = 0.9  # share from which a plan is fixed
LEAST_FIXED = 0.2  # of the open workloads that are fixed in a step of the dive, sure or not
MOST_STEPS = 40
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


def rounded(pricing: Pricing, shared: Shared, proof: Proof) -> tuple[Plans, Ints]:
    """At most one plan for each workload, within all limits, and the workloads whose plan was not sure.

    A workload that found no room has none.
    """
    fixed = Fixed.nothing(pricing.terms, shared)
    prices, late = dive(pricing, shared, proof, fixed)
    sweep(pricing, shared, prices, fixed, late)
    return fixed.plans, late


def dive(pricing: Pricing, shared: Shared, proof: Proof, fixed: Fixed) -> tuple[Floats, Ints]:
    """Fix plans step by step; the last prices, and the workloads that were open after the first step."""
    terms, columns, share, prices = pricing.terms, proof.columns, proof.share, proof.prices
    late = np.arange(len(terms.demand))
    for step in range(MOST_STEPS):
        fix_largest(terms, columns, share, pricing.kinds.draws, fixed)
        late = fixed.open if step == 0 else late
        if not fixed.open.size:
            break
        columns = fitting_columns(pricing, shared, columns, prices, fixed)
        if len(np.unique(columns.plans.workload)) < len(terms.demand):
            break  # some workload has no plan that fits: the sweep has to make room
        prices, share, columns = reprice(
            pricing, shared, columns, prices=prices, among=fixed.open, left=fixed.left
        )
    return prices, late


def fix_largest(terms: Terms, columns: Columns, share: Floats, draws: Ints, fixed: Fixed) -> None:
    """Settle the surest of the open workloads on their plan of largest share, if it fits."""
    largest = np.full(len(terms.demand), -1.0)
    np.maximum.at(largest, columns.plans.workload, share)
    candidates = fixed.open[np.argsort(-largest[fixed.open], kind="stable")]
    sure = int((largest[candidates] >= SURE).sum())
    order = candidates[: max(sure, int(np.ceil(LEAST_FIXED * len(candidates))))]
    by_share = np.lexsort((-share, columns.plans.workload)).astype(np.int64)
    take(
        order, columns.begin, by_share, terms.kind, terms.options, draws,
        columns.plans.option, columns.plans.count, fixed.left, fixed.chosen, fixed.count,
    )  # fmt: skip


def fitting_columns(
    pricing: Pricing, shared: Shared, columns: Columns, prices: Floats, fixed: Fixed
) -> Columns:
    """Settled plans alone, and of open workloads what fits, the best plan that does among them."""
    terms = pricing.terms
    is_open = fixed.chosen[columns.plans.workload, 0] < 0
    fits = np.zeros(len(is_open), dtype=bool)
    fitting(
        columns.plans.option, columns.plans.count, terms.kind, terms.options, pricing.kinds.draws,
        fixed.left, is_open, fits,
    )  # fmt: skip
    kept = columns.only(np.flatnonzero(fits))
    added = shared.added(prices)
    _, best = pricing(added, kept.least(added), among=fixed.open, left=fixed.left)
    return kept.with_plans(terms, fixed.plans).with_plans(terms, best)


def sweep(pricing: Pricing, shared: Shared, prices: Floats, fixed: Fixed, late: Ints) -> None:
    """Place workloads anew one by one at falling rents, those without a plan first."""
    terms, kinds = pricing.terms, pricing.kinds
    rent, worth = shared.split(prices)
    which = np.arange(len(terms.demand)) if terms.demand.size <= SWEPT_WHOLE else late
    which = np.union1d(which, fixed.open)
    best, best_usd = fixed.copy(), cost_usd(pricing, shared, fixed)
    for part in RENT_LEFT:
        order = which[np.argsort(fixed.chosen[which, 0] >= 0, kind="stable")].astype(np.int64)
        _, used = drawn_by(pricing, fixed.plans)
        within, beyond, room = shared.room(used, worth)
        changed = improve(
            order, terms.begin, terms.kind, terms.options, terms.rules, terms.demand, terms.hours,
            kinds.prices(part * rent, within), kinds.draws, kinds.shared, fixed.left,
            kinds.cover, within - beyond, room, fixed.chosen, fixed.count,
        )  # fmt: skip
        usd = cost_usd(pricing, shared, fixed)
        if usd < best_usd:
            best, best_usd = fixed.copy(), usd
        if part == 0.0 and not changed:
            break
    if best_usd < float("inf"):
        fixed.chosen, fixed.count, fixed.left = best.chosen, best.count, best.left


def cost_usd(pricing: Pricing, shared: Shared, fixed: Fixed) -> float:
    """What the plans cost under the commitments there are; infinite while a workload has none."""
    if fixed.open.size:
        return float("inf")
    _, used = drawn_by(pricing, fixed.plans)
    return float(fixed.plans.usd(pricing.terms).sum()) - shared.cover_usd(used)
