"""Budgets as caps of a placement: what a workload, or the workloads of an owner, may cost in a day.

A cap counts list prices, a budget what is left of them after commitments. So a budget becomes a cap only once
the placement without it costs more than it allows: commitments that pay for a placement never push it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.caps import USD, Caps
from optimizer.cost_settings import Budget, has_filter
from optimizer.coverage import best_cover, saved_per_unit_hour
from optimizer.node_shares import as_instances, instances
from optimizer.problem import Floats, Ints, Placement, Problem
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.violations import TOLERANCE

BUDGET_PRIORITY = 1000.0  # missed before anything else


@dataclass(frozen=True)
class SpendLimit:
    """What some workloads together may cost in a day; called by the one workload, or budget/<name>."""

    name: str
    usd_per_day: float
    workloads: frozenset[str]


def spend_limits(
    workloads: Sequence[Workload], budgets: Sequence[Budget], as_of: datetime
) -> list[SpendLimit]:
    """Budgets of workloads, then those of owners in USD, a day's share of the month.

    Budgets of a filter of charges, or of everything, are about bills: no workload says what it is billed as.
    """
    own = [
        SpendLimit(w.name, w.budget_usd_per_day, frozenset({w.name}))
        for w in workloads
        if w.budget_usd_per_day is not None
    ]
    days = pd.Timestamp(as_of).days_in_month
    for budget in budgets:
        members = frozenset(w.name for w in workloads if w.owner is not None and w.owner == budget.owner)
        if members and budget.currency == "USD" and not has_filter(budget):
            own.append(SpendLimit(f"budget/{budget.name}", budget.monthly_amount / days, members))
    return own


def caps_of(limits: Sequence[SpendLimit], problem: Problem) -> Caps:
    """One soft cap of money per limit, over all periods."""
    days = float(problem.hours.sum()) / 24.0
    members = [[name in limit.workloads for name in problem.workloads] for limit in limits]
    return Caps(
        name=tuple(f"budget of {limit.name}" for limit in limits),
        kind=(USD,) * len(limits),
        limit=np.array([limit.usd_per_day * days for limit in limits], dtype=float),
        priority=np.full(len(limits), BUDGET_PRIORITY),
        usd_per_unit=np.full(len(limits), np.nan),
        member=np.array(members, dtype=bool).reshape(len(limits), len(problem.workloads)),
        kg_co2e_hourly=np.zeros(len(problem.option_id)),
    )


def within_limits(
    whole: Problem, limits: Sequence[SpendLimit], *, gap_share: float
) -> tuple[Problem, Solution, tuple[SpendLimit, ...]]:
    """Solve with the limits that turn out to be exceeded, one round after the other.

    Also gives the problem that was solved, and the limits in it as caps.
    """
    kept: tuple[SpendLimit, ...] = ()
    while True:
        problem = prune_dominated(with_limits(whole, kept))
        solution = solve(problem, gap_share=gap_share)
        spent = usd_per_day(problem, solution.placement)
        new = tuple(limit for limit in exceeded(limits, spent) if limit not in kept)
        if not new:
            return problem, solution, kept
        kept += new


def exceeded(limits: Sequence[SpendLimit], usd: Mapping[str, float]) -> Iterator[SpendLimit]:
    """Limits below what their workloads cost in a day."""
    for limit in limits:
        if sum(usd.get(name, 0.0) for name in limit.workloads) > limit.usd_per_day * (1.0 + TOLERANCE):
            yield limit


def usd_per_day(problem: Problem, placement: Placement) -> dict[str, float]:
    """USD per day of each workload after what existing commitments cover, shared by use, as nodes are."""
    cost = paid(as_instances(problem), instances(problem, placement))
    by_workload = problem.sum_by_workload(cost[:, None])[:, 0] * 24.0 / float(problem.hours.sum())
    return dict(zip(problem.workloads, by_workload.tolist(), strict=True))


def paid(problem: Problem, replicas: Floats | Ints) -> Floats:
    """(I,) USD over the periods of each option after what existing commitments cover of (I, T) instances."""
    nothing = np.zeros(len(problem.commitments))
    return option_cost(problem, replicas, best_cover(problem, replicas, nothing))


def option_cost(problem: Problem, replicas: Floats | Ints, covered: Floats) -> Floats:
    """(I,) USD over the periods of each option after cover, before fees of new commitments."""
    saved = saved_per_unit_hour(problem, replicas, covered)[problem.pool]
    per_hour = problem.price_hourly[:, None] - (problem.pool_units * problem.is_coverable)[:, None] * saved
    return np.asarray((per_hour * replicas) @ problem.hours, dtype=float)


def with_limits(problem: Problem, limits: Sequence[SpendLimit]) -> Problem:
    """The problem with these limits as its caps."""
    return replace(problem, caps=caps_of(limits, problem))
