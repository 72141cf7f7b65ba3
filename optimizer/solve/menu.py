"""A plan under uncertainty from a menu: many simple plans, each scored on the same scenarios, the best taken.

A pattern covers a quantile of demand over the scenarios, with a floor of capacity that is not spot, and
counts each option for what scenarios leave of it on average. Each is a small problem without scenarios. From
the best one on, counts move one at a time while that saves: where losses come all at once, the best is beyond
every quantile. The exact model with all scenarios (`optimizer.solve.compact`) is what this is held against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from optimizer.check import check
from optimizer.losses import Scenarios
from optimizer.problem import Floats, Ints, Placement, Problem, cost
from optimizer.solve.small import servable, share_out
from optimizer.solve.solver import solve

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
STEPS = (8, 4, 2, 1)  # replicas
FLOORS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class Choice:
    """A pattern for a workload and what it costs over the scenarios."""

    quantile: float
    floor: float
    placement: Placement
    cost_usd: float


def best_of_menu(
    problem: Problem, quantiles: tuple[float, ...] = QUANTILES, floors: tuple[float, ...] = FLOORS
) -> Choice:
    """The cheapest pattern over the scenarios, moved; for one workload, or several with one in common."""
    return moved(problem, min(scored(problem, quantiles, floors), key=lambda choice: choice.cost_usd))


def moved(problem: Problem, choice: Choice) -> Choice:
    """The choice with counts raised and lowered one at a time, in ever smaller steps, while that saves."""
    best = choice
    for step in STEPS:
        while True:
            replicas = best.placement.replicas
            moves = (
                shifted(replicas, place, by) for place in np.ndindex(replicas.shape) for by in (step, -step)
            )
            tried = (serving(problem, counts) for counts in moves if counts.min() >= 0)
            costs = [(cost(problem, each), each) for each in tried if not check(problem, each)]
            usd, placement = min(costs, key=lambda pair: pair[0], default=(best.cost_usd, best.placement))
            if usd >= best.cost_usd - 1e-9:
                break
            best = replace(best, placement=placement, cost_usd=usd)
    return best


def shifted(replicas: Ints, place: tuple[int, ...], by: int) -> Ints:
    """Counts with one of them changed."""
    counts = replicas.copy()
    counts[place] += by
    return counts


def scored(problem: Problem, quantiles: tuple[float, ...], floors: tuple[float, ...]) -> Iterator[Choice]:
    """Every pattern with its cost over the scenarios."""
    for quantile, floor in product(quantiles, floors):
        replicas = solve(pattern(problem, quantile, floor), gap_share=1e-4).placement.replicas
        placement = serving(problem, replicas)
        yield Choice(quantile, floor, placement, cost(problem, placement))


def pattern(problem: Problem, quantile: float, floor: float) -> Problem:
    """The problem without scenarios: a quantile of demand, options derated, a floor of what is not spot."""
    workloads, _, periods = problem.shape
    scenarios = problem.scenarios
    asked = weighted_quantile(scenarios.demand_factor * problem.demand, scenarios.probability, quantile)
    share = problem.hours / problem.hours.sum()
    left = np.einsum("s,sit,t->i", scenarios.probability, scenarios.kept_share(problem.pool), share)
    return replace(
        problem,
        demand=np.maximum(asked, problem.demand),
        capacity=problem.capacity * np.maximum(left, 1e-6),
        max_spot_share=np.minimum(problem.max_spot_share, 1.0 - floor),
        scenarios=Scenarios.none(workloads, len(problem.pools), periods),
    )


def weighted_quantile(values: Floats, weight: Floats, quantile: float) -> Floats:
    """(W, T) least value of (S, W, T) that this share of the weight does not exceed."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(weight[order], axis=0) >= quantile - 1e-12
    first = np.argmax(reached, axis=0)[None]
    return np.asarray(np.take_along_axis(np.take_along_axis(values, order, axis=0), first, axis=0)[0])


def serving(problem: Problem, replicas: Ints) -> Placement:
    """Replicas with the demand that they serve when nothing is lost."""
    served = share_out(problem, replicas, servable(problem, replicas))
    nothing = np.zeros((len(problem.commitments), len(problem.pools), replicas.shape[1]))
    return Placement(replicas, served, nothing, np.zeros(len(problem.commitments)))
