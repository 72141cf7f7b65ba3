"""The placement plan: types, regions, replicas and purchase over a typical day, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer.beforehand import beforehand, stored_as
from optimizer.capacity import pods_left
from optimizer.certificate import certify
from optimizer.commitments import advise
from optimizer.config import Settings
from optimizer.describe import missing_rows, proof, reasons, scale_actions
from optimizer.explanation import explained, short_workloads
from optimizer.filter_prices import FilterPrices, with_barred
from optimizer.inputs import Inputs
from optimizer.loss_history import lost_days
from optimizer.needs import Outlook, look_ahead
from optimizer.node_parts import Sharing
from optimizer.node_shares import (
    as_instances,
    instances,
    nodes_of_no_option,
    present_instances,
    shares_of_nodes,
)
from optimizer.placement_parts import (
    CommitmentAdvice,
    Explanation,
    MissCost,
    Period,
    WorkloadCost,
)
from optimizer.placement_rows import miss_rows, over_budget, route_rows, rows, work_rows
from optimizer.plan import PlacementPlan, sealed
from optimizer.plan_nodes import node_actions, node_rows, sharing
from optimizer.problem import Floats, Ints, Problem, sunk_usd
from optimizer.problem_files import write_problem
from optimizer.processes import HERE
from optimizer.running_cost import (
    beside_held,
    fleet_usd_per_hour,
    held_usd_per_hour,
    listed_usd,
    present_cost,
    running_cost,
)
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.spend_limits import (
    SpendLimit,
    paid,
    spend_limits,
    with_limits,
    within_limits,
)
from optimizer.typical_day import HIGH, LOW, day_to_day, levels_of, typical_day, typical_needs


def plan_placement(
    inputs: Inputs, settings: Settings, *, save_problem: Path | None = None, beside: Executor = HERE
) -> tuple[PlacementPlan, Outlook]:
    """Place every workload over a typical day; also gives the forecasts the plan stands on, made `beside`.

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
        beside=beside,
    )
    if not outlook.candidates:
        return document(inputs, outlook, settings, None), outlook
    limits = limits_beside_held(inputs, outlook, settings)
    whole = typical_day(inputs, outlook, settings)
    problem, solution, kept = within_limits(whole, limits, gap_share=choice.gap_share)
    solved = problem, solution
    if save_problem is not None:
        write_problem(with_limits(whole, kept), save_problem)
    why = explain_day(inputs, outlook, settings, solved, limits=kept)
    shared = sharing(*solved, on_own_nodes(inputs, outlook, settings, kept))
    return document(inputs, outlook, settings, solved, why=why, limits=limits, shared=shared), outlook


def on_own_nodes(
    inputs: Inputs, outlook: Outlook, settings: Settings, limits: Sequence[SpendLimit]
) -> tuple[Problem, Solution] | None:
    """The workloads that may share nodes, each on nodes of its own, solved; None where there are none."""
    able = tuple(c for c in outlook.candidates if c.workload.shares_nodes)
    if not able:
        return None
    apart = replace(outlook, candidates=able)
    problem = prune_dominated(typical_day(inputs, apart, settings, limits, shares_nodes=False))
    return problem, solve(problem, gap_share=settings.placement.gap_share)


def limits_beside_held(inputs: Inputs, outlook: Outlook, settings: Settings) -> list[SpendLimit]:
    """Budgets, less what workloads that stay as they are cost of them."""
    left = []
    for limit in spend_limits(inputs.workloads, settings.budgets, inputs.as_of):
        held = 24.0 * held_usd_per_hour(inputs, sorted(limit.workloads & set(outlook.held)))
        if not limit.workloads <= set(outlook.held):
            left.append(replace(limit, usd_per_day=max(0.0, limit.usd_per_day - held)))
    return left


def explain_day(
    inputs: Inputs,
    outlook: Outlook,
    settings: Settings,
    solved: tuple[Problem, Solution],
    *,
    limits: Sequence[SpendLimit],
) -> Explanation:
    """Why the placement is as it is; what filters keep out is priced, or let in by a repair."""
    problem, solution = solved
    day = partial(typical_day, inputs, settings=settings, limits=limits)
    short = short_workloads(problem, solution)
    return explained(
        problem,
        solution,
        filters=FilterPrices(inputs, outlook, day),
        repair_of=with_barred(inputs, outlook, day, short) if short else None,
    )


def document(
    inputs: Inputs,
    outlook: Outlook,
    settings: Settings,
    solved: tuple[Problem, Solution] | None,
    *,
    why: Explanation | None = None,
    limits: Sequence[SpendLimit] = (),
    shared: Sharing | None = None,
) -> PlacementPlan:
    """The plan as a document with its hash; costs are USD per typical day."""
    held_cost = held_usd_per_hour(inputs, list(outlook.held)) * 24.0
    problem = solved[0] if solved else None
    return sealed(
        PlacementPlan(
            as_of=inputs.as_of,
            demand_quantile=settings.placement.demand_quantile,
            expected_cost_usd=(running_cost(solved[0], solved[1].placement) if solved else 0.0) + held_cost,
            current_cost_usd=present_cost(inputs, list(outlook.held), solved, 24.0),
            periods=tuple(
                Period(name=name, hours=float(hours))
                for name, hours in zip(problem.periods, problem.hours, strict=True)
            )
            if problem
            else (),
            placements=tuple(rows(*solved, inputs)) if solved else (),
            workload_costs=tuple(workload_costs(inputs, outlook, settings, *solved)) if solved else (),
            commitments=advice(inputs, outlook, settings, *solved)
            if solved and settings.placement.offer_commitments
            else (),
            sunk_usd=sunk_usd(problem) if problem else 0.0,
            routes=tuple(route_rows(*solved)) if solved else (),
            certificate=tuple(certify(solved[0], solved[1].placement)) if solved else (),
            explanation=why,
            proof=proof(solved[1] if solved else None),
            actions=(*scale_actions(*solved, inputs), *node_actions(*solved, inputs)) if solved else (),
            shortfalls=(
                *missing_rows(solved[1] if solved else None),
                *(over_budget(*solved, limits) if solved else ()),
            ),
            work=tuple(work_rows(*solved, inputs)) if solved else (),
            miss_costs=tuple(misses(inputs, outlook, settings, *solved)) if solved else (),
            nodes=tuple(node_rows(*solved, inputs)) if solved else (),
            sharing=shared,
            reasons=tuple(reasons(outlook, solved, shared)),
            notes=(*inputs.notes, *pods_left(inputs, outlook)),
            unpriced=inputs.unpriced,
            fingerprint=inputs.fingerprint,
        )
    )


def workload_costs(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> Iterator[WorkloadCost]:
    """Cost of each planned workload, with what existing commitments cover shared by use.

    New commitments are left out: they are advice of their own, with a saving of their own.
    """
    scale = {level: typical_needs(inputs, outlook, settings, level) for level in (LOW, HIGH)}
    alone = as_instances(problem)
    present = present_instances(problem, solution.placement, inputs.nodes)
    now = paid(alone, np.repeat(present[:, None], len(problem.periods), axis=1))
    running = solution.placement.replicas
    planned = paid(alone, instances(problem, solution.placement))
    left = listed_usd(nodes_of_no_option(problem, inputs.nodes), inputs.options)
    shared = left * shares_of_nodes(problem, solution.placement)
    for w, name in enumerate(problem.workloads):
        options = problem.options_of(w)
        cost = float(planned[options].sum())
        base = problem.demand[w] @ problem.hours
        low, high = (
            float(scale[level][w].demand @ problem.hours / base) if base > 0 else 1.0 for level in (LOW, HIGH)
        )
        is_known = len(inputs.fleet) + len(inputs.nodes) > 0 and name not in inputs.unpriced
        elsewhere = fleet_usd_per_hour(inputs, [name], beyond=set(np.array(problem.option_id)[options]))
        elsewhere += float(shared[w])
        yield WorkloadCost(
            workload=name,
            current_usd_per_day=float(now[options].sum()) + 24.0 * elsewhere if is_known else None,
            planned_usd_per_day=cost,
            planned_usd_per_day_low=max(cost * min(low, 1.0), least_usd(problem, running, planned, w)),
            planned_usd_per_day_high=cost * max(high, 1.0),
        )


def misses(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> Iterator[MissCost]:
    """What misses are expected to cost where a workload says what one costs."""
    if problem.scenarios.is_paid.any():
        days = day_to_day(inputs, outlook, settings, problem)
        yield from miss_rows(problem, solution, days, watched=lost_days(problem, inputs).watched)


def least_usd(problem: Problem, replicas: Ints, planned: Floats, w: int) -> float:
    """What the fewest replicas a workload keeps cost, the cheapest of those planned; no more than all."""
    options = problem.options_of(w)
    hours = replicas[options] @ problem.hours
    used = hours > 0
    if not used.any():
        return 0.0
    per_hour = float((planned[options][used] / hours[used]).min())
    least = float(problem.min_replicas[w] * problem.hours.sum()) * per_hour
    return min(float(planned[options].sum()), least)


def advice(
    inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem, solution: Solution
) -> tuple[CommitmentAdvice, ...]:
    """New commitments that pay for this plan beside the existing ones."""
    left, _ = beside_held(inputs, list(outlook.held))
    days = day_to_day(inputs, outlook, settings, problem)
    running = instances(problem, solution.placement)
    return advise(inputs, as_instances(problem), running, existing=left, days=days, settings=settings)
