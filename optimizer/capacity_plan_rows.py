"""The rows of a capacity plan: what is wished of each option, how far the loop may go, what is forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from optimizer.config import Settings
from optimizer.demand import over_intervals
from optimizer.floors import Timeline
from optimizer.hand_over import HandOver, Key, Planned, with_hand_overs
from optimizer.inputs import Inputs
from optimizer.minute_plan import Loop
from optimizer.needs import Candidate, Outlook
from optimizer.node_shares import as_instances, instances
from optimizer.plan_parts import Allocation, ForecastRow
from optimizer.problem import Floats, Ints, Problem
from optimizer.promise_record import TYPES
from optimizer.quota_shares import divided
from optimizer.rows import rows_of
from optimizer.solve import Solution

LEVELS = (0.1, 0.5, 0.9)
T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """Everything that a plan is written from.

    Attributes:
        times: intervals of the plan.
        hours: those that forecasts are told for.
        solved: the floors as a problem and what solves it; None where nothing is planned.
        loops: of workloads whose history says how they move.
        handed: what stays of workloads that move, until what takes its place serves.
    """

    inputs: Inputs
    outlook: Outlook
    settings: Settings
    times: Timeline
    hours: Timeline
    solved: tuple[Problem, Solution] | None
    loops: Mapping[str, Loop]
    handed: Mapping[str, HandOver]

    @cached_property
    def planned(self) -> Planned:
        """What is planned of each option, hand-overs included."""
        return counts_of(*self.solved, self) if self.solved else Planned(self.times, {}, {})

    @cached_property
    def limits(self) -> dict[Key, Ints]:
        """How far loops may go, for the times of what is planned."""
        return limits(self, self.planned)

    def room(self, name: str, loop: Loop) -> Floats:
        """(T) replicas of its option that a loop may add; dearer ones count as what they serve."""
        planned = self.planned
        found = np.zeros(len(planned.times.starts))
        for option_id, capacity in loop.capacities.items():
            most = self.limits.get((name, option_id), 0)
            more = np.maximum(0, most - planned.instances.get((name, option_id), 0))
            found += more * capacity / loop.capacity
        last = np.searchsorted(planned.times.starts, self.times.ends) - 1  # what is cut goes on as it ends
        return np.asarray(found[last], dtype=float)

    def most_replicas(self, name: str) -> float:
        """Replicas that a workload may have at any time."""
        own = self._most_replicas[name]
        return np.inf if own is None else own

    @cached_property
    def _most_replicas(self) -> Mapping[str, float | None]:
        return {c.workload.name: c.workload.max_replicas for c in self.outlook.candidates}

    def standby(self, name: str, option_id: str) -> int | None:
        """Replicas of an option that should stand by for a workload; None where it has no standby."""
        loop = self.loops.get(name)
        if loop is None or not loop.has_standby(option_id):
            return None
        own = loop.standby if option_id == loop.option_id else 0
        return int(min(own, self.most_replicas(name)))


def allocations(made: Made) -> Iterator[Allocation]:
    """Rows of every option in use, intervals of equal count joined; options of the loop always have one.

    Replicas are instances; of workloads with resources, the nodes its pods have to themselves.
    """
    if made.solved is None:
        return
    planned, most = made.planned, made.limits
    times = planned.times
    idle = np.zeros(len(times.starts), dtype=np.int64)
    for workload, option_id in sorted({*most, *(key for key, row in planned.instances.items() if row.any())}):
        key = workload, option_id
        count, highest = planned.instances.get(key, idle), most.get(key, idle)
        pods = planned.pods.get(key)
        inside = idle if pods is None else pods
        row = list(zip(count.tolist(), inside.tolist(), np.maximum(count, highest).tolist(), strict=True))
        for (replicas, held, at_most), steps in runs(row):
            yield Allocation(
                workload=workload,
                option_id=option_id,
                start=times.starts[steps[0]].to_pydatetime(),
                end=times.ends[steps[-1]].to_pydatetime(),
                replicas=replicas,
                max_replicas=at_most,
                pods=None if pods is None else held,
                standby=made.standby(workload, option_id),
            )


def counts_of(problem: Problem, solution: Solution, made: Made) -> Planned:
    """What the solution plans of each option, and what stays beside it until that serves."""
    pods = solution.placement.replicas
    counts = np.rint(instances(problem, solution.placement)).astype(np.int64)
    keys = list(enumerate(zip(workload_names(problem), problem.option_id, strict=True)))
    solved = Planned(
        made.times,
        {key: counts[i] for i, key in keys},
        {key: pods[i] for i, key in keys if problem.nodes.is_shared[i]},
    )
    return with_hand_overs(solved, made.handed, pd.Timestamp(made.inputs.as_of))


def promised_rows(made: Made) -> pd.DataFrame:
    """What the plan's loops promise, as `optimizer.promise_record` keeps it.

    Loops beside a standby pool are not judged, so not kept either.
    """
    target = {c.workload.name: c.workload.slo.target for c in made.outlook.candidates if c.workload.slo}
    rows = [
        {
            "as_of": pd.Timestamp(made.inputs.as_of), "ends": made.times.ends[-1], "workload": name,
            "option_id": loop.option_id, "form": loop.fitted.form.name, "window_s": loop.fitted.form.window_s,
            "factor": loop.fitted.factor, "more": loop.judged.more if loop.judged else 0.0,
            "target": target[name], "version": version("trimtab"),
        }
        for name, loop in made.loops.items()
        if not loop.standby
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)


def workload_names(problem: Problem) -> list[str]:
    """(I) the workload of each option."""
    return [problem.workloads[w] for w in problem.option_workload]


def runs(counts: Sequence[Any]) -> Iterator[tuple[Any, list[int]]]:
    """Stretches of equal counts: the count and the positions it holds for."""
    for count, run in groupby(range(len(counts)), key=lambda t: counts[t]):
        yield count, list(run)


def limits(made: Made, planned: Planned) -> dict[Key, Ints]:
    """(T) how far the loop may go, by workload and option: machines that no provider reclaims take surprises.

    The limits let a workload reach headroom_factor times what its busiest minute needed, so that they bind
    only where a quota or max_replicas does. They add up: max_replicas leaves room for what else is planned,
    and those of all workloads are within quotas. They are the same throughout, unless shares have to give way
    to what is planned of an option for others, or a workload with max_replicas moves or changes options.
    """
    quotas = {
        option_id: int(quota)
        for option_id, quota in rows_of(made.inputs.options.dropna(subset=["quota"]), "option_id", "quota")
    }
    rows, length = planned.instances, len(planned.times.starts)
    whole = reached(made, rows, {})
    if not changing(made, rows) and not beyond(
        {key: int(row.max()) for key, row in rows.items()} | whole, quotas
    ):
        return {key: np.full(length, count) for key, count in whole.items()}
    steps = [
        within_quotas(made, {key: row[t : t + 1] for key, row in rows.items()}, quotas) for t in range(length)
    ]
    keys = {key for step in steps for key in step}
    return {key: np.array([step.get(key, 0) for step in steps]) for key in sorted(keys)}


def changing(made: Made, rows: Mapping[Key, Ints]) -> bool:
    """Whether a workload with max_replicas moves, or is planned on other options at other times.

    One limit for all times would then leave too much room, or too little.
    """
    most = {c.workload.name: made.most_replicas(c.workload.name) for c in made.outlook.candidates}
    highest = dict.fromkeys(most, 0)
    for (name, _), row in rows.items():
        highest[name] += int(row.max())
    return any(
        highest[name] > count or (name in made.handed and count < np.inf) for name, count in most.items()
    )


def within_quotas(made: Made, planned: Mapping[Key, Ints], quotas: Mapping[str, int]) -> dict[Key, int]:
    """The same of one interval; what a quota leaves beside all that is planned is divided by wishes."""
    least = {key: int(row[0]) for key, row in planned.items()}
    granted: dict[Key, int] = {}
    open_quotas = dict(quotas)
    while True:
        found = reached(made, planned, granted)
        over = beyond(least | found, open_quotas)
        for option_id in over:  # what it grants no more may be wished of the next option
            taken = sum(count for key, count in least.items() if key[1] == option_id)
            more = {key: n - least.get(key, 0) for key, n in found.items() if key[1] == option_id}
            users = [key for key, count in more.items() if count > 0]
            parts = divided(max(0, open_quotas.pop(option_id) - taken), [more[key] for key in users])
            added = dict(zip(users, parts, strict=True))
            granted |= {key: least.get(key, 0) + added.get(key, 0) for key in more}
        if not over:
            return found


def beyond(counts: Mapping[Key, int], quotas: Mapping[str, int]) -> list[str]:
    """Options of which all workloads together have more than the quota."""
    total = dict.fromkeys(quotas, 0)
    for (_, option_id), count in counts.items():
        if option_id in total:
            total[option_id] += count
    return [option_id for option_id, count in total.items() if count > quotas[option_id]]


def reached(made: Made, planned: Mapping[Key, Ints], granted: Mapping[Key, int]) -> dict[Key, int]:
    """How far the loop may go beside what is planned; `granted` limits some options of some workloads."""
    factor = made.settings.planning.autoscale.headroom_factor
    granted_to, planned_for = by_workload(granted), by_workload(planned)
    found: dict[Key, int] = {}
    for c in made.outlook.candidates:
        name = c.workload.name
        loop = made.loops.get(name)
        own = granted_to.get(name, {})
        if loop:
            wished = loop.within(own, loop.standby).most(factor)
        else:
            wished = {o: min(n, own.get(o, n)) for o, n in most_on_cheapest(c, made, factor).items()}
        least = {option: int(row.max()) for option, row in planned_for.get(name, {}).items()}
        left = made.most_replicas(name) - sum(least.values())
        for option, count in wished.items():
            highest = least.get(option, 0)
            more = max(0, min(count - highest, left))
            found[name, option] = int(highest + more)
            left -= more
    return {key: count for key, count in found.items() if count > 0}


def by_workload(counts: Mapping[Key, T]) -> dict[str, dict[str, T]]:
    """What holds of options, by workload: of thousands, none is looked for among all."""
    found: dict[str, dict[str, T]] = {}
    for (workload, option_id), count in counts.items():
        found.setdefault(workload, {})[option_id] = count
    return found


def most_on_cheapest(c: Candidate, made: Made, factor: float) -> dict[str, int]:
    """The same for a workload without a loop of its own: headroom over its highest planned need."""
    if made.solved is None:
        return {}
    problem = as_instances(made.solved[0])
    w = problem.workloads.index(c.workload.name)
    options = problem.options_of(w)
    firm = [i for i in options if not problem.is_spot[i]] or list(options)
    best = min(firm, key=lambda i: (problem.price_hourly[i] / problem.capacity[i], problem.option_id[i]))
    wish = int(np.ceil(factor * float(problem.demand[w].max(initial=0.0)) / problem.capacity[best]))
    quota = problem.quota_pool[best]
    limit = problem.pool_limit[quota].min() if quota >= 0 else np.inf
    return {problem.option_id[best]: int(min(wish, limit))}


def quotas_held(rows: Sequence[Allocation], held: Sequence[Allocation], inputs: Inputs) -> Iterator[str]:
    """Options of which planned workloads may want what workloads that stay as they are run of the quota."""
    kept: dict[str, int] = {}
    for row in held:
        kept[row.option_id] = kept.get(row.option_id, 0) + row.max_replicas
    for option_id, quota in rows_of(inputs.options.dropna(subset=["quota"]), "option_id", "quota"):
        own = [row for row in rows if row.option_id == option_id and row.max_replicas > 0]
        most = max((sum(r.max_replicas for r in own if r.start <= at.start < r.end) for at in own), default=0)
        if kept.get(option_id, 0) > 0 and most > 0 and most + kept[option_id] > quota:
            names = ", ".join(sorted({row.workload for row in held if row.option_id == option_id}))
            yield (
                f"{option_id}: {names} stays as it is with {kept[option_id]} of a quota of {quota:g}, of "
                f"which others may want {most}; beyond it launches are denied to whoever asks last"
            )


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


def forecast_rows(outlook: Outlook, times: Timeline) -> Iterator[ForecastRow]:
    """Requests per interval. Quantiles of slots are added up, which overstates the spread of the sum."""
    starts, ends = times.starts, times.ends
    for c in outlook.candidates:
        if c.series is None:
            continue
        own = outlook.forecast_of(c.workload.name)
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
