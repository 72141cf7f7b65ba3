"""The capacity plan: replicas per option and interval over the next hours, for machines.

A workload whose history says how it moves gets a floor and a loop that adds replicas minute by minute, up to
`max_replicas` (`optimizer.minute_plan`). For others, and for announced events, capacity covers a calibrated
upper quantile of demand, a boot time ahead, plus the room that bursts need.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import pandas as pd

from optimizer.beforehand import beforehand, stored_as
from optimizer.calibration import Fitted
from optimizer.capacity_plan_rows import (
    LEVELS,
    Made,
    allocations,
    forecast_rows,
    held_rows,
    quotas_held,
    reacting,
    workload_names,
)
from optimizer.config import Settings
from optimizer.coverage import best_cover
from optimizer.demand import over_intervals
from optimizer.describe import missing_rows, proof, reasons, scale_actions
from optimizer.faster_boot import faster_boot_text
from optimizer.floors import Timeline, to_the_minute, with_floor
from optimizer.formulate import Policy, assemble
from optimizer.hand_over import HandOver, hand_overs
from optimizer.inputs import Inputs
from optimizer.loops import loops_of
from optimizer.minute_load import MINUTE
from optimizer.minute_plan import Loop, sharing
from optimizer.needs import Candidate, Outlook, forecasting, needs, to_plan
from optimizer.node_shares import as_instances, instances
from optimizer.plan import CapacityPlan, sealed
from optimizer.plan_nodes import node_actions
from optimizer.plan_parts import Action, AutoscaleRule, Reason
from optimizer.problem import Floats, Placement, Problem
from optimizer.processes import HERE
from optimizer.running_cost import beside_held, held_usd_per_hour, present_cost, running_cost
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.spend_limits import paid

SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24
# Where no history says how load moves.
UNFITTED = AutoscaleRule(target_utilization=0.6, scale_down_window_s=900)


def plan_capacity(
    inputs: Inputs, horizon: pd.Timedelta, settings: Settings, *, beside: Executor = HERE
) -> tuple[CapacityPlan, Outlook]:
    """Plan the next hours; also gives the forecasts it stands on, which `beside` makes.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    made = make(inputs, horizon, settings, beside=beside)
    return document(made), made.outlook


def make(inputs: Inputs, horizon: pd.Timedelta, settings: Settings, *, beside: Executor = HERE) -> Made:
    """Everything that the plan of the next hours is written from; loops are fitted while `beside` forecasts.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    level = settings.planning.demand_quantile
    length = pd.Timedelta(minutes=settings.planning.interval_minutes)
    hours = Timeline.of(pd.Timestamp(inputs.as_of), horizon, length)
    before = beforehand(inputs, settings, stored_as("capacity"))
    candidates, held = to_plan(inputs)
    coming = forecasting(
        candidates,
        beside,
        horizon=horizon + length,
        levels=sorted({*LEVELS, level}),
        beforehand=before,
    )
    known = sharing(loops_of(candidates, inputs, settings.planning.autoscale.kind))
    outlook = Outlook(candidates, held, coming.result())
    times = to_the_minute(hours.cut_after(MINUTE), known.values()) if known else hours
    solved = None
    handed: dict[str, HandOver] = {}
    if outlook.candidates:
        offers = beside_held(inputs, list(outlook.held))[0]
        needed = needs(outlook, times.starts, length, level=level)
        whole = assemble(
            tuple(with_floor(need, known.get(need.workload.name), times, offers) for need in needed),
            periods=[start.isoformat() for start in times.starts],
            hours=times.hours,
            fleet=inputs.fleet,
            offers=offers,
            policy=Policy(spot_capacity=inputs.spot_capacity, shares_nodes=False),
            context=inputs.context,
        )
        problem = prune_dominated(whole)
        solved = problem, solve(problem, gap_share=settings.planning.gap_share, jobs=os.cpu_count() or 1)
        handed = hand_overs(*solved, outlook.candidates, inputs)
    return Made(inputs, outlook, settings, times, hours, solved, known, handed)


def document(made: Made) -> CapacityPlan:
    """The plan as a document with its hash."""
    inputs, outlook, solved = made.inputs, made.outlook, made.solved
    hours, held = float(made.times.hours.sum()), list(outlook.held)
    rows, kept = list(allocations(made)), held_rows(inputs, outlook, made.times)
    return sealed(
        CapacityPlan(
            as_of=inputs.as_of,
            horizon_hours=hours,
            demand_quantile=made.settings.planning.demand_quantile,
            expected_cost_usd=expected_cost(made) + held_usd_per_hour(inputs, held) * hours,
            current_cost_usd=present_cost(inputs, held, solved, hours),
            allocations=(*rows, *kept),
            autoscale={c.workload.name: rule_of(c, made) for c in reacting(outlook)},
            forecast=tuple(forecast_rows(outlook, made.hours)),
            proof=proof(solved[1] if solved else None),
            actions=tuple(actions(made)),
            shortfalls=missing_rows(solved[1] if solved else None),
            reasons=(*reasons(outlook, solved), *loop_reasons(made)),
            notes=(
                *inputs.notes,
                *own_nodes(outlook),
                *pods_left(inputs, outlook),
                *quotas_held(rows, kept, inputs),
                *over_budget(made, hours),
            ),
            unpriced=inputs.unpriced,
            fingerprint=inputs.fingerprint,
        )
    )


def actions(made: Made) -> Iterator[Action]:
    """What changes at once; what stays beside what is planned is stopped by a later plan."""
    if made.solved is not None:
        staying = {(own.workload, o): n for own in made.handed.values() for o, n in own.kept.items()}
        yield from scale_actions(*made.solved, made.inputs, staying)
        yield from node_actions(*made.solved, made.inputs)


def loop_reasons(made: Made) -> Iterator[Reason]:
    """How the minute loop serves each workload, and what that would have kept of its history."""
    for c in reacting(made.outlook):
        loop = made.loops.get(c.workload.name)
        if loop is None:
            quantile = made.settings.planning.demand_quantile
            text = (
                f"a short history, or rules that spread it: capacity covers the {quantile:.1%} quantile of "
                f"the forecast, and the minute loop aims at {UNFITTED.target_utilization:.0%} of what runs"
            )
        else:
            text = loop_text(loop.fitted) + judged_text(loop) + clock_text(loop)
            yield from (pool_reasons if loop.standby else faster_boot_reasons)(c, loop)
        yield Reason(workload=c.workload.name, text=text)
    for own in made.handed.values():
        yield Reason(workload=own.workload, text=own.text)


def faster_boot_reasons(c: Candidate, loop: Loop) -> Iterator[Reason]:
    """What launches that boot faster would save, where that is worth a word."""
    text = faster_boot_text(loop)
    if text:
        yield Reason(workload=c.workload.name, text=text)


def pool_reasons(c: Candidate, loop: Loop) -> Iterator[Reason]:
    """What the standby pool is for and what it saves."""
    if loop.without is not None:
        less = 1.0 - loop.fitted.whole_usd_per_hour / loop.without.whole_usd_per_hour
        text = (
            f"{loop.standby} replicas of {loop.option_id} stand by at {loop.standby_price_hourly:.4g} USD an "
            f"hour each, as many as load ever asked for within a boot; they allow less head-room, which "
            f"saves {less:.0%}"
        )
        yield Reason(workload=c.workload.name, text=text)


def loop_text(fitted: Fitted) -> str:
    """A form and its factor as a sentence."""
    said = f"the minute loop follows the load by the form {fitted.form.name!r}, times {fitted.factor:.2f}"
    if np.isnan(fitted.attainment):
        return f"{said}; the history is too short to say how well"
    kept = f"{fitted.attainment:.2%} of requests in time at {fitted.usd_per_hour:.2f} USD an hour"
    return f"{said}: over the last {long(fitted.days)} that would have kept {kept}{actions_text(fitted)}"


def long(days: float) -> str:
    """A stretch of time in words: hours where it is less than two days."""
    return f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"


def clock_text(loop: Loop) -> str:
    """How often load jumps by the clock, and what is there for it."""
    wanted = loop.by_clock > 0
    if not wanted.any():
        return ""
    often = int(np.count_nonzero(wanted & ~np.roll(wanted, 1)))
    spikes = "one spike a day comes" if often == 1 else f"{often} spikes a day come"
    most = int(np.ceil(loop.fitted.factor * loop.by_clock.max() / loop.capacity))
    return f"; {spikes} by the clock: up to {most} replicas of {loop.option_id} are there before"


def judged_text(loop: Loop) -> str:
    """What came of the loops of the last days, and what was learned of that."""
    found = loop.judged
    if found is None:
        return ""
    source = "as plans of the time ordered"
    if found.kept_days < found.days / 2:
        source = "fitted by what was known at the time"
    text = f"; {source}, loops kept {found.attainment:.2%} of the last {long(found.days)}"
    return f"{text}, less than asked for: the factor is raised by {found.more:.0%}" if found.more else text


def actions_text(fitted: Fitted) -> str:
    """How often it scales, where that costs anything."""
    if not fitted.action_cost_usd > 0:
        return ""
    often = f"{24 * fitted.actions_per_hour:.0f} actions a day at {fitted.action_cost_usd:g} USD each"
    held = f"needs are held for {fitted.form.window_s / 60:g} minutes, which costs least"
    return f" and {often}; {held}"


def rule_of(c: Candidate, made: Made) -> AutoscaleRule:
    """The loop's rule: fitted to the history, or what serves most where there is too little of it."""
    loop = made.loops.get(c.workload.name)
    return loop.rule() if loop else UNFITTED


def expected_cost(made: Made) -> float:
    """USD of the planned floors and of what loops are expected to add to them, after commitments."""
    if made.solved is None:
        return 0.0
    problem, solution = made.solved
    whole, beside = usually_running(made, problem, solution)
    covered = best_cover(as_instances(problem), instances(problem, whole), whole.bought_usd_per_hour)
    handed = sum(own.usd for own in made.handed.values())
    return running_cost(problem, replace(whole, covered=covered)) + sum(beside.values()) + handed


def expected_costs(made: Made) -> dict[str, float]:
    """The same by workload: what commitments cover is shared by use."""
    if made.solved is None:
        return {}
    problem, solution = made.solved
    whole, beside = usually_running(made, problem, solution)
    cost = paid(as_instances(problem), instances(problem, whole))
    by_workload = problem.sum_by_workload(cost[:, None])[:, 0].tolist()
    handed = {name: own.usd for name, own in made.handed.items()}
    return {
        name: usd + beside.get(name, 0.0) + handed.get(name, 0.0)
        for name, usd in zip(problem.workloads, by_workload, strict=True)
    }


def over_budget(made: Made, hours: float) -> Iterator[str]:
    """Workloads that are expected to cost more than they may: machines keep the objective, people decide."""
    costs = expected_costs(made)
    for workload in (c.workload for c in made.outlook.candidates):
        most, daily = workload.budget_usd_per_day, costs.get(workload.name, 0.0) * HOURS_PER_DAY / hours
        if most is not None and daily > most:
            yield (
                f"{workload.name}: {daily:,.2f} USD a day are expected, budget_usd_per_day is {most:,.2f}; a "
                f"capacity plan keeps the objective all the same, `trimtab plan --kind placement` the budget"
            )


def usually_running(made: Made, problem: Problem, solution: Solution) -> tuple[Placement, dict[str, float]]:
    """Floors with what loops add at the median forecast, and USD of loops on options beside those."""
    names = workload_names(problem)
    position = {key: i for i, key in enumerate(zip(names, problem.option_id, strict=True))}
    running = solution.placement.replicas.astype(float)
    beside: dict[str, float] = {}
    for name, loop in made.loops.items():
        own = np.array(names) == name
        planned = problem.capacity[own] @ running[own] / problem.capacity[own].max() if own.any() else 0.0
        wished = np.maximum(0.0, usual_replicas(made, name, loop) - planned)
        added = np.minimum(wished, made.room(name, loop))
        i = position.get((name, loop.option_id))
        if i is None:
            beside[name] = loop.price_hourly * float(added @ problem.hours)
        else:
            running[i] += added
    return replace(solution.placement, replicas=running), beside


def usual_replicas(made: Made, name: str, loop: Loop) -> Floats:
    """(T) replicas that a loop is expected to run at the median forecast, as it ran on the history."""
    own = made.outlook.forecast_of(name)
    requests = over_intervals(own, made.times.starts, made.times.ends, "q0.5", how="total")
    if not loop.price_hourly > 0:
        return np.zeros(len(requests))  # what is free costs nothing, however many run
    per_unit = np.nan_to_num(loop.usd_per_unit / loop.price_hourly)
    return np.asarray(per_unit * requests / (made.times.hours * SECONDS_PER_HOUR))


def own_nodes(outlook: Outlook) -> list[str]:
    """What a capacity plan takes for granted of workloads with resources."""
    names = [c.workload.name for c in outlook.candidates if c.workload.resources is not None]
    if not names:
        return []
    own = f"{', '.join(names)}: replicas are nodes of their own, with `pods` on them"
    return [f"{own}; `trimtab plan --kind placement` shares nodes"]


def pods_left(inputs: Inputs, outlook: Outlook) -> list[str]:
    """Pods of workloads that stay as they are may be on shared nodes, which plans count without them."""
    names = [w.name for w in inputs.workloads if w.shares_nodes and w.name in outlook.held]
    if not names or inputs.nodes.empty:
        return []
    return [f"{', '.join(names)} stays as it is: add the nodes that its pods need to the shared ones planned"]
