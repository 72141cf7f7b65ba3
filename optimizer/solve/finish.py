"""The integer program over few plans of the workloads that are not sure, everything else fixed.

Column generation leaves most workloads with one plan. For the rest, the cheapest plans of different options
near the proof's prices enter a restricted master with whole shares; HiGHS picks one each, the limits and the
commitments exact. It starts from the plans there are, so that it never ends dearer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.columns import Columns, drawn_by
from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.program import Blocks, Program, Rows, Term, along, everywhere, numbered
from optimizer.solve.terms import Kinds

MOST_CHOICES = 12_000  # plans of all workloads together
PLANS_EACH = (8, 60)  # least and most of a workload
NEAR_SHARE = 0.02  # of the bound: a plan so much dearer than the workload's best is not worth a choice
# A minute is a safety net: nodes end it.
LIMITS = Limits(gap_share=1e-4, nodes=400, seconds=60.0)


def finished(pricing: Pricing, shared: Shared, proof: Proof, plans: Plans, unsure: Ints) -> Plans:
    """Plans at least as cheap as those given: workloads placed anew together, all or the unsure ones.

    The plans as they are where even those are too many, and where there are several periods: measured on 100
    and 1,000 workloads over 24 periods, a minute of HiGHS gains less than a tenth of the gap.
    """
    terms = pricing.terms
    room = MOST_CHOICES // PLANS_EACH[0] if len(shared.hours) == 1 else 0
    free = np.arange(len(terms.demand)) if len(terms.demand) <= room else unsure
    if not 0 < len(free) <= room:
        return plans
    is_free = np.isin(plans.workload, free)
    fixed, now = plans.take(np.flatnonzero(~is_free)), plans.take(np.flatnonzero(is_free))
    on_limits, under_cover = drawn_by(pricing, fixed)
    left = shared.limit - on_limits
    near = nearby(pricing, shared, proof, now.workload, left)
    columns = Columns.of(terms, now.and_also(near))
    program = restricted_program(pricing, shared, columns, left, under_cover)
    start = starting(columns, now, program)
    chosen = minimise(program, LIMITS, start).values
    if chosen is None:
        return plans
    taken = columns.plans.take(np.flatnonzero(program.spread(chosen, "take") > 0.5))
    whole = fixed.and_also(taken)
    return whole.take(np.argsort(whole.workload, kind="stable").astype(np.int64))


def nearby(pricing: Pricing, shared: Shared, proof: Proof, among: Ints, left: Floats) -> Plans:
    """Plans worth a choice: the cheapest at the proof's prices, and what column generation found."""
    most = int(np.clip(MOST_CHOICES // len(among), *PLANS_EACH))
    slack = NEAR_SHARE * abs(proof.bound_usd)
    near = pricing.near(shared.added(proof.prices), among=among, left=left, most=most, slack=slack)
    found = proof.columns.plans
    return near.and_also(found.take(np.flatnonzero(np.isin(found.workload, among))))


def restricted_program(
    pricing: Pricing, shared: Shared, columns: Columns, left: Floats, covered_anyway: Floats
) -> Program:
    """One plan for each workload; limits, cover and commitments exact.

    Args:
        pricing: with the kinds of options.
        shared: limits and commitments.
        columns: plans to choose from.
        left: (L, T) units that fixed plans leave of limits.
        covered_anyway: (O, T) on-demand units of fixed plans.
    """
    v = Blocks()
    v.add("take", everywhere(len(columns.usd)), upper=1.0, whole=True)
    v.add("y", np.repeat((shared.rate > 0)[:, :, None], len(shared.hours), axis=2))
    v.add("b", everywhere(len(shared.held)), upper=shared.offered)
    v.pay("take", columns.usd)
    v.pay("y", -shared.listed[:, :, None] * shared.hours)
    v.pay("b", shared.fee * shared.hours.sum())
    kinds = pricing.kinds
    return v.program(
        [
            take_one(columns, v),
            within_limits(kinds, columns, left, v),
            *honour_commitments(kinds, shared, columns, covered_anyway, v),
        ]
    )


def take_one(columns: Columns, v: Blocks) -> Rows:
    r"""$\sum_j \lambda_{wj} = 1$."""
    workloads, of = np.unique(columns.plans.workload, return_inverse=True)
    row = np.arange(len(workloads))
    return Rows("take_one", row, [(row[of], v["take"], 1.0)], lower=1.0, upper=1.0)


def within_limits(kinds: Kinds, columns: Columns, left: Floats, v: Blocks) -> Rows:
    r"""$\sum_{wj} u_{wjrt} \lambda_{wj} \le Q_{rt}$ less what fixed plans draw."""
    row = numbered(np.isfinite(left))
    terms = [*drawn(row, kinds.limit, columns, v), *drawn(row, kinds.quota, columns, v)]
    return Rows("within_limit", row, terms, upper=left)


def honour_commitments(
    kinds: Kinds, shared: Shared, columns: Columns, covered_anyway: Floats, v: Blocks
) -> Iterator[Rows]:
    r"""$\sum_c y_{cot} \le$ on-demand units that run, and $\sum_o r_{co} y_{cot} \le B_c + b_c$."""
    row = numbered(everywhere(*covered_anyway.shape))
    running = drawn(row, kinds.cover, columns, v, sign=-1.0)
    yield Rows("cover_running", row, [(row, v["y"], 1.0), *running], upper=covered_anyway)
    row = numbered(everywhere(len(shared.held), len(shared.hours)))
    spent: list[Term] = [(row[:, None, :], v["y"], shared.rate[:, :, None]), (row, v["b"][:, None], -1.0)]
    yield Rows("within_commitment", row, spent, upper=shared.held[:, None])


def drawn(row: Ints, of_kind: Ints, columns: Columns, v: Blocks, sign: float = 1.0) -> Iterator[Term]:
    """What plans draw on (rows, T): each of a plan's two options is of a kind that is in one row or none."""
    for j in range(columns.kind.shape[1]):
        mine = along(row, along(of_kind, columns.kind[:, j]))
        yield mine, v["take"][:, None], sign * columns.units[:, :, j]


def starting(columns: Columns, now: Plans, program: Program) -> Floats:
    """The plans there are, as values of the program's variables; HiGHS fills in the rest."""
    start = np.zeros(len(program.cost))
    for w, option, count in zip(now.workload, now.option, now.count, strict=True):
        places = np.arange(columns.begin[w], columns.begin[w + 1])
        same = (columns.plans.option[places] == option).all(axis=1)
        same &= (columns.plans.count[places] == count).all(axis=(1, 2))
        start[places[same][0]] = 1.0
    return start
