"""The capacity plan: replicas per option and interval over the next hours, for machines.

A workload whose history says how it moves gets a floor and a loop that adds replicas minute by minute, up to
`max_replicas` (`optimizer.minute_plan`). For others, and for announced events, capacity covers a calibrated
upper quantile of demand, a boot time ahead, plus the room that bursts need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.beforehand import beforehand, stored_as
from optimizer.config import Settings
from optimizer.coverage import best_cover
from optimizer.demand import over_intervals
from optimizer.describe import missing_rows, proof, reasons, scale_actions
from optimizer.formulate import Need, Offer, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.minute_plan import Loop, loop_of
from optimizer.needs import Candidate, Outlook, look_ahead, needs
from optimizer.plan import CapacityPlan, sealed
from optimizer.plan_parts import Allocation, AutoscaleRule, ForecastRow
from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.rows import rows_of
from optimizer.running_cost import beside_held, held_usd_per_hour, present_cost, running_cost
from optimizer.solve import Solution, prune_dominated, solve

SECONDS_PER_HOUR = 3600
BEFORE_EVENTS = pd.Timedelta(minutes=15)  # capacity is there before an event begins
UNFITTED = AutoscaleRule(
    target_utilization=0.6, scale_down_window_s=900
)  # where no history says how load moves
LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Timeline:
    """The planned intervals: equal in length but for the last, which ends with the horizon."""

    starts: pd.DatetimeIndex
    ends: pd.DatetimeIndex

    @classmethod
    def of(cls, begin: pd.Timestamp, horizon: pd.Timedelta, length: pd.Timedelta) -> Timeline:
        """Intervals of a length from `begin` on."""
        starts = pd.date_range(begin, begin + horizon, freq=length, inclusive="left", unit="us")
        return cls(starts, pd.DatetimeIndex([*starts[1:], begin + horizon]).as_unit("us"))

    def beginning_with(self, length: pd.Timedelta) -> Timeline:
        """The same, the first interval cut in two where it is longer than that."""
        cut = self.starts[0] + length
        if cut >= self.ends[0]:
            return self
        starts = pd.DatetimeIndex([self.starts[0], cut, *self.starts[1:]]).as_unit("us")
        return Timeline(starts, pd.DatetimeIndex([cut, *self.ends]).as_unit("us"))

    @property
    def hours(self) -> Floats:
        """(T,) length of each interval."""
        return np.asarray((self.ends - self.starts) / pd.Timedelta(hours=1), dtype=float)


def plan_capacity(inputs: Inputs, horizon: pd.Timedelta, settings: Settings) -> tuple[CapacityPlan, Outlook]:
    """Plan the next hours; also gives the forecasts it stands on.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    level = settings.planning.demand_quantile
    length = pd.Timedelta(minutes=settings.planning.interval_minutes)
    hours = Timeline.of(pd.Timestamp(inputs.as_of), horizon, length)
    before = beforehand(inputs, settings, stored_as("capacity"))
    outlook = look_ahead(
        inputs,
        horizon=horizon + length,
        levels=sorted({*LEVELS, level}),
        beforehand=before,
    )
    loops = {
        c.workload.name: loop_of(c, inputs, settings.planning.autoscale.kind) for c in outlook.candidates
    }
    known = {name: loop for name, loop in loops.items() if loop is not None}
    times = hours.beginning_with(MINUTE) if known else hours
    solved = None
    if outlook.candidates:
        offers = beside_held(inputs, list(outlook.held))[0]
        needed = needs(outlook, times.starts, length, level=level)
        whole = assemble(
            tuple(with_floor(need, known.get(need.workload.name), times, offers) for need in needed),
            periods=[start.isoformat() for start in times.starts],
            hours=times.hours,
            fleet=inputs.fleet,
            offers=offers,
            policy=Policy(spot_capacity=inputs.spot_capacity),
            context=inputs.context,
        )
        problem = prune_dominated(whole)
        solved = problem, solve(problem, gap_share=settings.planning.gap_share)
    return document(Made(inputs, outlook, settings, times, hours, solved, known)), outlook


@dataclass(frozen=True)
class Made:
    """Everything that a plan is written from.

    Attributes:
        times: intervals of the plan.
        hours: those that forecasts are told for.
        solved: the floors as a problem and what solves it; None where nothing is planned.
        loops: of workloads whose history says how they move.
    """

    inputs: Inputs
    outlook: Outlook
    settings: Settings
    times: Timeline
    hours: Timeline
    solved: tuple[Problem, Solution] | None
    loops: Mapping[str, Loop]


def document(made: Made) -> CapacityPlan:
    """The plan as a document with its hash."""
    inputs, outlook, solved = made.inputs, made.outlook, made.solved
    hours, held = float(made.times.hours.sum()), list(outlook.held)
    return sealed(
        CapacityPlan(
            as_of=inputs.as_of,
            horizon_hours=hours,
            demand_quantile=made.settings.planning.demand_quantile,
            expected_cost_usd=expected_cost(made) + held_usd_per_hour(inputs, held) * hours,
            current_cost_usd=present_cost(inputs, held, solved[0] if solved else None, hours),
            allocations=(*allocations(made), *held_rows(inputs, outlook, made.times)),
            autoscale={c.workload.name: rule_of(c, made) for c in reacting(outlook)},
            forecast=tuple(forecast_rows(outlook, made.hours)),
            proof=proof(solved[1] if solved else None),
            actions=tuple(scale_actions(*solved, inputs) if solved else ()),
            shortfalls=missing_rows(solved[1] if solved else None),
            reasons=tuple(reasons(outlook, solved)),
            notes=inputs.notes,
            unpriced=inputs.unpriced,
            fingerprint=inputs.fingerprint,
        )
    )


def with_floor(need: Need, loop: Loop | None, times: Timeline, offers: Sequence[Offer]) -> Need:
    """A need that leaves to the loop what the loop adds: the floor of each interval is left to plan.

    What a forecast says is planned as a whole where an announced event multiplies demand, and where the loop
    could not reach it: then all there is should run, and the rest is told as missing.
    """
    if loop is None:
        return need
    minutes = round((times.ends[-1] - times.starts[0]) / MINUTE)
    path = loop.floor(max(1, minutes))
    begins = np.minimum(((times.starts - times.starts[0]) / MINUTE).astype(int), len(path) - 1)
    floor = np.maximum.reduceat(path, begins)
    own = need.pairs.loc[need.pairs["option_id"].eq(loop.option_id), "capacity"]
    counted = floor * float(own.iloc[0]) / loop.capacity  # the need counts standard requests
    whole = is_announced(need.workload, times) | (need.demand > reachable(need, loop))
    demand = np.where(whole, need.demand, counted)
    return replace(need, demand=demand, pairs=worth_it(need.pairs, loop, offers))


def reachable(need: Need, loop: Loop) -> float:
    """What the loop's options can serve within quotas and max_replicas, in the unit of the need."""
    capacity = need.pairs.set_index("option_id")["capacity"]
    limits = loop.limits()
    counts = pd.Series(limits, dtype=float).clip(upper=need.workload.max_replicas or np.inf)
    return float((counts * capacity.reindex(counts.index)).sum())


def worth_it(pairs: pd.DataFrame, loop: Loop, offers: Sequence[Offer]) -> pd.DataFrame:
    """Options for a floor: the loop's own, what is bought already, spot, and dearer ones if a quota is short.

    Any other would only round a floor to which the loop adds replicas within the minute.
    """
    bought = {place for offer in offers if offer.existing_usd_per_hour > 0 for place in offer.rates}
    places = zip(pairs["provider"], pairs["region"], pairs["instance_type"], strict=True)
    kept = pairs["option_id"].isin({loop.option_id, *loop.most(1.0)}) | pairs["purchase"].eq("spot")
    return pairs.loc[kept | pd.Series([place in bought for place in places], index=pairs.index, dtype=bool)]


def is_announced(workload: Workload, times: Timeline) -> Bools:
    """(T) intervals in which an event multiplies demand that yesterday does not know of."""
    found = np.zeros(len(times.starts), dtype=bool)
    for event in workload.known_events:
        if event.factor > 1:
            found |= np.asarray(
                (times.starts < pd.Timestamp(event.end))
                & (times.ends > pd.Timestamp(event.start) - BEFORE_EVENTS)
            )
    return found


def allocations(made: Made) -> Iterator[Allocation]:
    """Rows of every option in use, intervals of equal count joined; options of the loop always have one."""
    if made.solved is None:
        return
    problem, solution = made.solved
    counts = solution.placement.replicas
    planned = {
        key: counts[i] for i, key in enumerate(zip(workload_names(problem), problem.option_id, strict=True))
    }
    most = limits(made, planned)
    for workload, option_id in sorted({*most, *(key for key, row in planned.items() if row.max() > 0)}):
        row = planned.get((workload, option_id), np.zeros(len(made.times.starts), dtype=np.int64))
        for count, steps in runs(row):
            yield Allocation(
                workload=workload,
                option_id=option_id,
                start=made.times.starts[steps[0]].to_pydatetime(),
                end=made.times.ends[steps[-1]].to_pydatetime(),
                replicas=count,
                max_replicas=max(count, most.get((workload, option_id), 0)),
            )


def workload_names(problem: Problem) -> list[str]:
    """(I) the workload of each option."""
    return [problem.workloads[w] for w in problem.option_workload]


def runs(counts: Ints) -> Iterator[tuple[int, list[int]]]:
    """Stretches of equal counts: the count and the positions it holds for."""
    for count, run in groupby(range(len(counts)), key=lambda t: int(counts[t])):
        yield count, list(run)


def limits(made: Made, planned: Mapping[tuple[str, str], Ints]) -> dict[tuple[str, str], int]:
    """How far the loop may go, by workload and option: machines that no provider reclaims take surprises.

    The limits let a workload reach headroom_factor times what its busiest minute needed, so that they bind
    only where a quota or max_replicas does. They add up: max_replicas leaves room for what else is planned.
    """
    factor = made.settings.planning.autoscale.headroom_factor
    found: dict[tuple[str, str], int] = {}
    for c in made.outlook.candidates:
        name = c.workload.name
        loop = made.loops.get(name)
        wished = loop.most(factor) if loop else most_on_cheapest(c, made, factor)
        left = np.inf if c.workload.max_replicas is None else c.workload.max_replicas
        beside = sum(
            (row for (w, option), row in planned.items() if w == name and option not in wished), np.zeros(1)
        )
        left -= int(np.max(beside))
        for option, count in wished.items():
            highest = int(planned[name, option].max()) if (name, option) in planned else 0
            found[name, option] = int(max(highest, min(count, left)))
            left -= found[name, option]
    return {key: count for key, count in found.items() if count > 0}


def most_on_cheapest(c: Candidate, made: Made, factor: float) -> dict[str, int]:
    """The same for a workload without a loop of its own: headroom over its highest planned need."""
    if made.solved is None:
        return {}
    problem = made.solved[0]
    w = problem.workloads.index(c.workload.name)
    options = problem.options_of(w)
    firm = [i for i in options if not problem.is_spot[i]] or list(options)
    best = min(firm, key=lambda i: (problem.price_hourly[i] / problem.capacity[i], problem.option_id[i]))
    wish = int(np.ceil(factor * float(problem.demand[w].max(initial=0.0)) / problem.capacity[best]))
    quota = problem.quota_pool[best]
    limit = problem.pool_limit[quota].min() if quota >= 0 else np.inf
    return {problem.option_id[best]: int(min(wish, limit))}


def held_rows(inputs: Inputs, outlook: Outlook, times: Timeline) -> list[Allocation]:
    """Workloads that are not planned keep what they run."""
    rows = inputs.fleet.loc[inputs.fleet["workload"].isin(outlook.held)]
    return [
        Allocation(
            workload=workload,
            option_id=option_id,
            start=times.starts[0].to_pydatetime(),
            end=times.ends[-1].to_pydatetime(),
            replicas=int(desired),
            max_replicas=int(desired),
        )
        for workload, option_id, desired in rows_of(rows, "workload", "option_id", "desired")
    ]


def reacting(outlook: Outlook) -> list[Candidate]:
    """Workloads that the reactive loop serves between plans."""
    return [c for c in outlook.candidates if c.workload.tier == "interactive"]


def rule_of(c: Candidate, made: Made) -> AutoscaleRule:
    """The loop's rule: fitted to the history, or what serves most where there is too little of it."""
    loop = made.loops.get(c.workload.name)
    return loop.rule() if loop else UNFITTED


def expected_cost(made: Made) -> float:
    """USD of the planned floors and of what loops are expected to add to them, after commitments."""
    if made.solved is None:
        return 0.0
    problem, solution = made.solved
    names = workload_names(problem)
    position = {key: i for i, key in enumerate(zip(names, problem.option_id, strict=True))}
    running, beside = solution.placement.replicas.astype(float), 0.0
    for name, loop in made.loops.items():
        own = np.array(names) == name
        planned = problem.capacity[own] @ running[own] / problem.capacity[own].max() if own.any() else 0.0
        added = np.maximum(0.0, usual_replicas(made, name, loop) - planned)
        i = position.get((name, loop.option_id))
        if i is None:
            beside += loop.price_hourly * float(added @ problem.hours)
        else:
            running[i] += added
    bought = solution.placement.bought_usd_per_hour
    covered = best_cover(problem, running, bought)
    return running_cost(problem, replace(solution.placement, replicas=running, covered=covered)) + beside


def usual_replicas(made: Made, name: str, loop: Loop) -> Floats:
    """(T) replicas that a loop is expected to run at the median forecast, as it ran on the history."""
    own = made.outlook.forecasts.loc[made.outlook.forecasts["unique_id"].eq(name)]
    requests = over_intervals(own, made.times.starts, made.times.ends, "q0.5", how="total")
    per_unit = np.nan_to_num(loop.usd_per_unit / loop.price_hourly)
    return np.asarray(per_unit * requests / (made.times.hours * SECONDS_PER_HOUR))


def forecast_rows(outlook: Outlook, times: Timeline) -> Iterator[ForecastRow]:
    """Requests per interval. Quantiles of slots are added up, which overstates the spread of the sum."""
    starts, ends = times.starts, times.ends
    for c in outlook.candidates:
        if c.series is None:
            continue
        own = outlook.forecasts.loc[outlook.forecasts["unique_id"].eq(c.workload.name)]
        totals = {level: over_intervals(own, starts, ends, f"q{level:g}", how="total") for level in LEVELS}
        for t, (start, end) in enumerate(zip(starts, ends, strict=True)):
            yield ForecastRow(
                workload=c.workload.name,
                start=start.to_pydatetime(),
                end=end.to_pydatetime(),
                requests_p10=round(float(totals[0.1][t]), 3),
                requests_p50=round(float(totals[0.5][t]), 3),
                requests_p90=round(float(totals[0.9][t]), 3),
            )
