"""Rows of a placement plan: what runs, for whom, when work is done, budgets missed, what misses cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from optimizer.batch_work import turn_of
from optimizer.caps import EVERY_PERIOD
from optimizer.inputs import Inputs
from optimizer.loss_history import UNITS
from optimizer.node_shares import as_instances, instances
from optimizer.placement_parts import MissCost, PlacementRow, RouteRow, WorkRow, WorkRun
from optimizer.plan_parts import Missing
from optimizer.problem import Problem, slo_usd
from optimizer.solve import Solution
from optimizer.spend_limits import SpendLimit, exceeded, usd_per_day
from optimizer.typical_day import Days
from optimizer.violations import TOLERANCE


def rows(problem: Problem, solution: Solution, inputs: Inputs) -> Iterator[PlacementRow]:
    """What runs in each block, with the age of its price."""
    prices = inputs.options.set_index("option_id")
    paid, alone = instances(problem, solution.placement), as_instances(problem)
    for i, t in np.argwhere(solution.placement.replicas > 0):
        price = prices.loc[problem.option_id[i]]
        as_of = price.get("price_as_of")
        yield PlacementRow(
            workload=problem.workloads[problem.option_workload[i]],
            period=problem.periods[t],
            option_id=problem.option_id[i],
            provider=problem.provider[i],
            region=problem.region[i],
            instance_type=problem.instance_type[i],
            purchase=problem.purchase[i],
            replicas=int(solution.placement.replicas[i, t]),
            nodes=float(paid[i, t]) if problem.nodes.is_shared[i] else None,
            price_hourly_usd=float(alone.price_hourly[i]),
            price_as_of=None if pd.isna(as_of) else pd.Timestamp(as_of).to_pydatetime(),
            is_estimated_price=bool(price.get("is_estimated", False)),
        )


def route_rows(problem: Problem, solution: Solution) -> Iterator[RouteRow]:
    """Which regions serve which origin, for workloads in several regions."""
    r, placed = problem.routes, solution.placement
    asked = r.share[r.source][:, None] * problem.demand[r.workload[r.source]]
    shares = np.divide(placed.routed, asked, out=np.zeros_like(asked), where=asked > 0)
    total: dict[tuple[int, int, str, str], float] = {}
    for n, t in np.argwhere(shares > TOLERANCE).tolist():
        key = (int(r.source[n]), t, problem.provider[r.option[n]], problem.region[r.option[n]])
        total[key] = total.get(key, 0.0) + float(shares[n, t])
    regions: dict[int, set[tuple[str, str]]] = {}
    for g, _, *place in total:
        regions.setdefault(int(r.workload[g]), set()).add((place[0], place[1]))
    for (g, t, provider, region), share in sorted(total.items()):
        w = int(r.workload[g])
        if len(regions[w]) > 1:
            yield RouteRow(
                workload=problem.workloads[w],
                origin=r.origin[g],
                period=problem.periods[t],
                provider=provider,
                region=region,
                served_share=min(share, 1.0),
            )


def over_budget(problem: Problem, solution: Solution, limits: Sequence[SpendLimit]) -> Iterator[Missing]:
    """Budgets that do not pay for what must be served; demand and every other rule come first."""
    spent = usd_per_day(problem, solution.placement)
    for limit in exceeded(limits, spent):
        cost = sum(spent.get(name, 0.0) for name in sorted(limit.workloads))
        over = cost - limit.usd_per_day
        yield Missing(
            rule="budget_usd_per_day",
            workload=limit.name,
            period=EVERY_PERIOD,
            missing=round(over, 6),
            wanted=round(limit.usd_per_day, 6),
            text=f"{limit.name}: what serves its demand costs {cost:,.2f} USD per day, {over:,.2f} above its "
            f"budget of {limit.usd_per_day:,.2f}; demand comes first",
        )


def work_rows(problem: Problem, solution: Solution, inputs: Inputs) -> Iterator[WorkRow]:
    """When work with a deadline is done, and how much of it on this day."""
    rates = problem.sum_by_workload(solution.placement.served)
    for workload in inputs.workloads:
        if workload.deadline is None or workload.name not in problem.workloads:
            continue
        turn = turn_of(workload, inputs.as_of, len(problem.periods))
        hours = problem.hours if turn.is_whole else turn.hours
        done = rates[problem.workloads.index(workload.name)] * hours * 3600.0
        yield WorkRow(
            workload=workload.name,
            deadline=workload.deadline,
            work_units=float(workload.work_units or 0.0),
            units_per_day=float(done.sum()),
            runs=tuple(
                WorkRun(period=problem.periods[t], units=float(done[t]))
                for t in np.flatnonzero(done > TOLERANCE)
            ),
        )


def miss_rows(problem: Problem, solution: Solution, days: Days, *, watched: int) -> Iterator[MissCost]:
    """What misses are expected to cost over demand and losses, where they have a price."""
    paid, placed = problem.scenarios.slo_usd_per_unit, solution.placement
    room = problem.sum_by_workload(problem.capacity[:, None] * placed.replicas)
    for w in np.flatnonzero(paid > 0):
        alone = replace(problem.scenarios, slo_usd_per_unit=np.where(np.arange(len(paid)) == w, paid, 0.0))
        calm = replace(alone, lost_share=np.zeros_like(alone.lost_share))
        need = days.ratio[w] * problem.demand[w][:, None]
        covered = days.levels[(need <= room[w][:, None] + TOLERANCE).all(axis=0)]
        yield MissCost(
            workload=problem.workloads[w],
            usd_per_1000_missed=float(paid[w] / UNITS),
            days=watched,
            covered_quantile=float(covered.max()) if len(covered) else None,
            expected_usd_per_day=slo_usd(replace(problem, scenarios=alone), placed),
            expected_usd_per_day_of_demand=slo_usd(replace(problem, scenarios=calm), placed),
        )
