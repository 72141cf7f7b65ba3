"""The placement plan: types, regions, replicas and purchase over a typical day, for people.

The typical day is cut into blocks. A block's demand is the median, over the forecast days, of the highest
need inside it at the chosen quantile; batch work is spread until its deadline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer.beforehand import beforehand, stored_as
from optimizer.capacity import (
    beside_held,
    fleet_usd_per_hour,
    held_usd_per_hour,
    present_cost,
    running_cost,
)
from optimizer.certificate import certify
from optimizer.commitments import Days, advise
from optimizer.config import Settings
from optimizer.coverage import best_cover, saved_per_unit_hour
from optimizer.describe import missing_rows, proof, reasons, scale_actions
from optimizer.explanation import explained
from optimizer.filter_prices import FilterPrices, with_barred
from optimizer.formulate import Need, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.needs import Outlook, look_ahead, needs, work_rate
from optimizer.placement_parts import (
    CommitmentAdvice,
    Explanation,
    Period,
    PlacementRow,
    RouteRow,
    WorkloadCost,
)
from optimizer.plan import PlacementPlan, sealed
from optimizer.problem import Floats, Ints, Problem, sunk_usd
from optimizer.problem_files import write_problem
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.violations import TOLERANCE

LOW, HIGH = 0.1, 0.99  # quantiles that bound a saving
PAYBACK_DAYS = 30.0  # one-off costs of a change are weighed against this many days of saving


def plan_placement(
    inputs: Inputs, settings: Settings, *, save_problem: Path | None = None
) -> tuple[PlacementPlan, Outlook]:
    """Place every workload over a typical day; also gives the forecasts the plan stands on.

    The problem is written as tables to `save_problem`, where that is given.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    choice = settings.placement
    inputs = replace(inputs, spot_capacity=inputs.usual_spot_capacity)
    horizon = pd.Timedelta(days=choice.forecast_days + 1)
    before = beforehand(inputs, settings, stored_as("placement"))
    outlook = look_ahead(
        inputs,
        horizon=horizon,
        levels=levels_of(settings),
        beforehand=before,
    )
    if not outlook.candidates:
        return document(inputs, outlook, settings, None), outlook
    whole = typical_day(inputs, outlook, settings)
    if save_problem is not None:
        write_problem(whole, save_problem)
    problem = prune_dominated(whole)
    solution = solve(problem, gap_share=choice.gap_share)
    why = explain_day(inputs, outlook, settings, problem, solution)
    return document(inputs, outlook, settings, (problem, solution), why), outlook


def explain_day(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> Explanation:
    """Why the placement is as it is; what filters keep out is priced, or let in by a repair."""
    day = partial(typical_day, inputs, settings=settings)
    short = {shortfall.workload for shortfall in solution.shortfalls}
    return explained(
        problem,
        solution,
        filters=FilterPrices(inputs, outlook, day),
        repair_of=with_barred(inputs, outlook, day, short) if short else None,
    )


def levels_of(settings: Settings) -> list[float]:
    """Quantile levels a placement needs."""
    return sorted({LOW, 0.5, 0.9, HIGH, settings.placement.demand_quantile})


def typical_day(inputs: Inputs, outlook: Outlook, settings: Settings) -> Problem:
    """The problem of one typical day."""
    choice = settings.placement
    return assemble(
        typical_needs(inputs, outlook, settings, choice.demand_quantile),
        periods=[f"{block:%H:%M}" for block in block_starts(inputs, settings)[: choice.blocks_per_day]],
        hours=np.full(choice.blocks_per_day, 24.0 / choice.blocks_per_day),
        fleet=inputs.fleet,
        offers=beside_held(inputs, list(outlook.held))[0],
        policy=Policy(
            activation_cost_usd=choice.activation_cost_usd / PAYBACK_DAYS,
            max_options=choice.max_options,
            spot_capacity=inputs.spot_capacity,
            has_ramps=True,
        ),
        context=inputs.context,
    )


def block_starts(inputs: Inputs, settings: Settings) -> pd.DatetimeIndex:
    """Beginnings of every block of the forecast days, from the first midnight (UTC) after as-of."""
    choice = settings.placement
    begin = pd.Timestamp(inputs.as_of).ceil("D")
    length = pd.Timedelta(hours=24) / choice.blocks_per_day
    count = choice.forecast_days * choice.blocks_per_day
    return pd.date_range(begin, periods=count, freq=length, unit="us")


def typical_needs(inputs: Inputs, outlook: Outlook, settings: Settings, level: float) -> list[Need]:
    """Needs of one typical day: the median over days of each block's need."""
    choice = settings.placement
    starts = block_starts(inputs, settings)
    length = pd.Timedelta(hours=24) / choice.blocks_per_day
    shape = (choice.forecast_days, choice.blocks_per_day)
    from_now = starts[: choice.blocks_per_day] - (starts[0] - pd.Timestamp(inputs.as_of))
    return [
        Need(need.workload, need.pairs, typical_profile(need, shape, from_now))
        for need in needs(outlook, starts, length, level=level)
    ]


def typical_profile(need: Need, shape: tuple[int, int], from_now: pd.DatetimeIndex) -> Floats:
    """(blocks,) need of a typical day; work with a deadline is done once, in the 24 hours from as-of on."""
    if need.workload.work_units is not None:
        return work_rate(need.workload, from_now)
    return np.asarray(np.median(need.demand.reshape(shape), axis=0), dtype=float)


def document(
    inputs: Inputs,
    outlook: Outlook,
    settings: Settings,
    solved: tuple[Problem, Solution] | None,
    why: Explanation | None = None,
) -> PlacementPlan:
    """The plan as a document with its hash; costs are USD per typical day."""
    held_cost = held_usd_per_hour(inputs, list(outlook.held)) * 24.0
    problem = solved[0] if solved else None
    costs = tuple(workload_costs(inputs, outlook, settings, *solved)) if solved else ()
    return sealed(
        PlacementPlan(
            as_of=inputs.as_of,
            demand_quantile=settings.placement.demand_quantile,
            expected_cost_usd=(running_cost(*solved) if solved else 0.0) + held_cost,
            current_cost_usd=present_cost(inputs, list(outlook.held), problem, 24.0),
            periods=tuple(
                Period(name=name, hours=float(hours))
                for name, hours in zip(problem.periods, problem.hours, strict=True)
            )
            if problem
            else (),
            placements=tuple(rows(*solved, inputs)) if solved else (),
            workload_costs=costs,
            commitments=advice(inputs, outlook, settings, *solved)
            if solved and settings.placement.offer_commitments
            else (),
            sunk_usd=sunk_usd(problem) if problem else 0.0,
            routes=tuple(route_rows(*solved)) if solved else (),
            certificate=tuple(certify(solved[0], solved[1].placement)) if solved else (),
            explanation=why,
            proof=proof(solved[1] if solved else None),
            actions=tuple(scale_actions(*solved, inputs)) if solved else (),
            shortfalls=missing_rows(solved[1] if solved else None),
            reasons=tuple(reasons(outlook)),
            notes=(*inputs.notes, *over_budget(inputs, costs)),
            fingerprint=inputs.fingerprint,
        )
    )


def rows(problem: Problem, solution: Solution, inputs: Inputs) -> Iterator[PlacementRow]:
    """What runs in each block, with the age of its price."""
    prices = inputs.options.set_index("option_id")
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
            price_hourly_usd=float(problem.price_hourly[i]),
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


def workload_costs(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> Iterator[WorkloadCost]:
    """Cost of each planned workload, with what existing commitments cover shared by use.

    New commitments are left out: they are advice of their own, with a saving of their own.
    """
    scale = {level: typical_needs(inputs, outlook, settings, level) for level in (LOW, HIGH)}
    present = np.repeat(problem.current_replicas[:, None], len(problem.periods), axis=1)
    nothing = np.zeros(len(problem.commitments))
    now = option_cost(problem, present, best_cover(problem, present, nothing))
    running = solution.placement.replicas
    planned = option_cost(problem, running, best_cover(problem, running, nothing))
    for w, name in enumerate(problem.workloads):
        options = problem.options_of(w)
        cost = float(planned[options].sum())
        base = problem.demand[w] @ problem.hours
        low, high = (
            float(scale[level][w].demand @ problem.hours / base) if base > 0 else 1.0 for level in (LOW, HIGH)
        )
        elsewhere = fleet_usd_per_hour(inputs, [name], beyond=set(np.array(problem.option_id)[options]))
        yield WorkloadCost(
            workload=name,
            current_usd_per_day=float(now[options].sum()) + 24.0 * elsewhere if len(inputs.fleet) else None,
            planned_usd_per_day=cost,
            planned_usd_per_day_low=cost * min(low, 1.0),
            planned_usd_per_day_high=cost * max(high, 1.0),
        )


def over_budget(inputs: Inputs, costs: Sequence[WorkloadCost]) -> Iterator[str]:
    """A note for each workload whose budget does not pay for what its demand needs."""
    budgets = {w.name: w.budget_usd_per_day for w in inputs.workloads}
    for cost in costs:
        budget = budgets[cost.workload]
        if budget is not None and cost.planned_usd_per_day > budget:
            planned = f"planned at {cost.planned_usd_per_day:,.2f} USD per day"
            yield f"{cost.workload}: {planned}, above its budget of {budget:,.2f}; demand comes first"


def option_cost(problem: Problem, replicas: Floats | Ints, covered: Floats) -> Floats:
    """(I,) USD per day of each option after cover, before fees of new commitments."""
    saved = saved_per_unit_hour(problem, replicas, covered)[problem.pool]
    per_hour = problem.price_hourly[:, None] - (problem.pool_units * problem.is_coverable)[:, None] * saved
    return np.asarray((per_hour * replicas) @ problem.hours, dtype=float)


def advice(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> tuple[CommitmentAdvice, ...]:
    """New commitments that pay for this plan beside the existing ones."""
    left, _ = beside_held(inputs, list(outlook.held))
    days = day_to_day(inputs, outlook, settings, problem)
    return advise(inputs, problem, solution.placement.replicas, existing=left, days=days, settings=settings)


def day_to_day(inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem) -> Days:
    """How much each workload needs on a day at each quantile level, over what is planned."""
    levels = levels_of(settings)
    needed = [typical_needs(inputs, outlook, settings, level) for level in levels]
    need = np.stack([np.array([n.demand for n in at_level]) for at_level in needed], axis=2)
    planned = problem.demand[:, :, None]
    ratio = np.divide(need, planned, out=np.ones_like(need), where=planned > 0)
    return Days(np.array(levels), np.maximum.accumulate(ratio, axis=2))
