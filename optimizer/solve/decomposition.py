"""A whole problem by Dantzig–Wolfe decomposition: prices, plans, a bound, one plan each, commitments last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from optimizer.coverage import best_cover, best_purchase
from optimizer.problem import Floats, Placement, Problem
from optimizer.solve.duals import Shared
from optimizer.solve.finish import chosen_at_once, finished
from optimizer.solve.generation import Proof, generate
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.rounding import rounded
from optimizer.solve.routing import freely_routed
from optimizer.solve.solution import ShadowPrice
from optimizer.solve.terms import Terms, terms_of

BOUND_SHARE = 0.4  # of the gap asked for that may be left between bound and restricted master
LEAST_BOUND_GAP = 1e-5
ENOUGH = 0.6  # of the gap asked for: rounding goes on until it has reached this


@dataclass(frozen=True)
class Decomposed:
    """A placement and the bound it is held against; `placement` is None where a workload found no room."""

    placement: Placement | None
    bound_usd: float
    proof: Proof
    shared: Shared


def decompose(problem: Problem, *, gap_share: float, start: Sequence[ShadowPrice] = ()) -> Decomposed | None:
    """Place plain workloads (`terms.is_plain`) that share pools and commitments.

    None where a workload has no plan that keeps its own rules.

    Args:
        problem: options in the order of workloads; every workload has one.
        gap_share: gap wanted between cost and bound.
        start: shadow prices to begin with, such as those of a problem much alike.
    """
    with threadpool_limits(1, user_api="blas"):  # arrays this small: a second thread only spins
        return decomposed(problem, gap_share, start)


def decomposed(problem: Problem, gap_share: float, start: Sequence[ShadowPrice]) -> Decomposed | None:
    """The steps, one after the other."""
    terms, kinds = terms_of(problem)
    shared = Shared.of(problem, kinds)
    pricing = Pricing(terms, kinds)
    bound_gap = max(BOUND_SHARE * gap_share, LEAST_BOUND_GAP)
    begin = as_prices(problem, shared, start)
    proof = generate(pricing, shared, gap_share=bound_gap, start=begin)
    if proof is None:
        return None
    enough = proof.bound_usd + ENOUGH * gap_share * abs(proof.bound_usd)
    plans = chosen_at_once(pricing, shared, proof, gap_share)
    if plans is None:
        plans = rounded(pricing, shared, proof, enough_usd=enough)
    whole, bound = len(plans) == len(problem.workloads), proof.bound_usd
    if whole:
        plans, bound = finished(pricing, shared, proof, plans, gap_share)
    dropped = float(problem.migration_cost_usd @ problem.current_replicas)
    placement = with_cover(problem, placed(problem, terms, plans)) if whole else None
    return Decomposed(placement, bound + dropped, proof, shared)


def as_prices(problem: Problem, shared: Shared, known: Sequence[ShadowPrice]) -> Floats | None:
    """Shadow prices of a problem much alike as prices to begin with; None where there are none.

    Names that this problem does not have are left aside, what they do not name begins at nothing.
    """
    if not known:
        return None
    usd = {(price.kind, price.name, price.period): price.usd_per_unit for price in known}
    rows = [("pool", problem.pools[k]) for k in shared.kinds.limited]
    rows += [("commitment", name) for name in problem.commitments]
    return np.array([usd.get((*row, period), 0.0) for row in rows for period in problem.periods], dtype=float)


def shadow_prices(problem: Problem, found: Decomposed) -> Iterator[ShadowPrice]:
    """Rents of limits and worths of committed dollars, period by period."""
    rent, worth = found.shared.split(found.proof.prices)
    for t, period in enumerate(problem.periods):
        for row, k in enumerate(found.shared.kinds.limited):
            yield ShadowPrice("pool", problem.pools[k], period, float(rent[row, t]))
        for c, name in enumerate(problem.commitments):
            yield ShadowPrice("commitment", name, period, float(worth[c, t]))


def placed(problem: Problem, terms: Terms, plans: Plans) -> Placement:
    """Plans as arrays, nothing covered yet."""
    _, options, periods = problem.shape
    replicas, served = np.zeros((options, periods), dtype=np.int64), np.zeros((options, periods))
    routed = plans.routed(terms)
    for j in range(plans.option.shape[1]):
        used = plans.option[:, j] >= 0
        at = plans.option[used, j]
        replicas[at] = np.rint(plans.count[used, :, j]).astype(np.int64)
        served[at] = routed[used, :, j]
    nothing = np.zeros((len(problem.commitments), len(problem.pools), periods))
    routed = freely_routed(problem, served, np.zeros((len(problem.routes), periods)))
    return Placement(replicas, served, nothing, np.zeros(len(problem.commitments)), routed)


def with_cover(problem: Problem, placement: Placement) -> Placement:
    """The placement with the commitments that pay for it bought, and all of them used at their best."""
    bought: Floats = best_purchase(problem, placement.replicas)
    covered = best_cover(problem, placement.replicas, bought)
    return replace(placement, covered=covered, bought_usd_per_hour=bought)
