"""Backtest of capacity: the workspace's own days replayed under Trimtab and under others, beside the optimum.

Each interactive workload is a case of its own. Policies see what came before the window and, of the window,
only minutes that are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from data.nearest import hint
from data.workloads import Workload
from optimizer.backtest_runs import Played, Progress, Task, run, task_of
from optimizer.calibration import LEAST_DAYS
from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.replay.case import Case
from optimizer.replay.entrants import CLAIRVOYANT, NAMES, SPOT, Usual, entrants, usual_of
from optimizer.replay.history import world_of
from optimizer.replay.wishes import firm_options
from optimizer.replay.world import NONE, UNLIMITED, World

HISTORY = pd.Timedelta(days=28)  # before the window; Trimtab's fit looks back no further
HOUR = pd.Timedelta(hours=1)
RESULTS = ("cost_usd", "requests", "late", "dropped", "worst_hour", "launches", "actions", "preemptions")


@dataclass(frozen=True)
class Question:
    """What is replayed.

    Attributes:
        since, until: whole minutes; the window [since, until).
        policies: of `optimizer.replay.entrants.NAMES`; none = all.
        seed: of bursts, failures and reclaims.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    policies: tuple[str, ...] = ()
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The policies in the order of the table."""
        return tuple(name for name in NAMES if name in (self.policies or NAMES))


def question(since: datetime, until: datetime, policies: Sequence[str], seed: int) -> Question:
    """The question, its moments cut to whole minutes."""
    begin, end = (pd.Timestamp(moment).tz_convert("UTC").floor(MINUTE) for moment in (since, until))
    return Question(begin, end, tuple(policies), seed)


@dataclass(frozen=True)
class Served:
    """A workload that is replayed.

    Attributes:
        workload: as declared.
        case: its history and the window.
        usual: hardware of the static peak.
    """

    workload: Workload
    case: Case
    usual: Usual

    @property
    def name(self) -> str:
        """Of the workload."""
        return self.workload.name

    @property
    def target(self) -> float:
        """Share of requests that must keep their objective."""
        return float(self.case.target[0])

    @property
    def history_days(self) -> float:
        """Counted minutes before the window."""
        return float((~np.isnan(self.case.whole.requests[0, : self.case.begin])).sum()) * (
            MINUTE / (24 * HOUR)
        )

    @property
    def counted_share(self) -> float:
        """Of the window's minutes."""
        return float((~np.isnan(self.case.world.requests)).mean())


@dataclass(frozen=True, eq=False)
class CapacityBacktest:
    """What came of every policy.

    Attributes:
        question: that was asked.
        served: workloads.
        rows: one per workload and policy; see `row`.
        played: by workload and policy.
        notes: what a reader must know.
    """

    question: Question
    served: tuple[Served, ...]
    rows: pd.DataFrame
    played: dict[tuple[str, str], Played]
    notes: tuple[str, ...]


def backtest(
    inputs: Inputs, fleet: pd.DataFrame, asked: Question, folder: Path, *, jobs: int, progress: Progress
) -> CapacityBacktest:
    """Replay every interactive workload under every policy.

    Args:
        inputs: as known at the end of the window.
        fleet: what runs now.
        asked: window, policies and seed.
        folder: where results are kept.
        jobs: processes at once.
        progress: told how far it is (0..1).

    Raises:
        InputError: there is nothing to replay; every fault at once.
        InfeasibleError: a workload has no admissible option.
    """
    faults = [*faults_of(asked), *missing(inputs, asked)]
    if faults:
        raise InputError(faults)
    served, notes = cases(inputs, fleet, asked)
    tasks = {
        (one.name, entrant.name): task_of(one.case, entrant, asked.seed)
        for one in served
        for entrant in entrants(asked.names, one.usual.option_id, has_spot=bool(one.case.whole.is_spot.any()))
    }
    done = run(list(tasks.values()), folder, jobs=jobs, progress=progress)
    played = {place: done[task.key] for place, task in tasks.items()}
    rows = pd.DataFrame([row(one, played, tasks, name) for one in served for name in of(one, tasks)])
    return CapacityBacktest(
        asked, tuple(served), rows, played, (*notes, *said(served, asked), *shared(served, inputs))
    )


def of(served: Served, tasks: dict[tuple[str, str], Task]) -> list[str]:
    """Policies that were replayed for a workload."""
    return [policy for workload, policy in tasks if workload == served.name]


def row(
    served: Served, played: dict[tuple[str, str], Played], tasks: dict[tuple[str, str], Task], policy: str
) -> dict[str, object]:
    """One policy's numbers for one workload; ratios are missing where the optimum costs nothing."""
    mine, best = played[served.name, policy], played[served.name, CLAIRVOYANT]
    late_share = mine.late / mine.requests if mine.requests > 0 else 0.0
    return {
        "workload": served.name,
        "policy": policy,
        "target": float(tasks[served.name, policy].case.target[0]),
        "attainment": 1.0 - late_share,
        **{name: getattr(mine, name) for name in RESULTS},
        "cost_over_clairvoyant": ratio(mine.cost_usd, best.cost_usd),
        "cost_over_bound": ratio(mine.cost_usd, best.bound_usd),
    }


def ratio(cost: float, to: float | None) -> float:
    """A cost over another; NaN where that is nothing."""
    return cost / to if to else float("nan")


# -- what is wrong with a question -----------------------------------------------------------------------


def faults_of(asked: Question) -> list[Fault]:
    """What can be said without looking at the workspace."""
    faults = unknown_policies(asked.policies)
    if asked.since >= asked.until:
        found = f"--from {asked.since:%Y-%m-%d %H:%M} and --to {asked.until:%Y-%m-%d %H:%M}"
        faults.append(Fault("window", found, "a --from at least a minute before --to", "correct them"))
    return faults


def unknown_policies(names: Sequence[str]) -> list[Fault]:
    """A fault for each name that is none."""
    return [
        Fault("--policy", repr(name), "the name of a policy", hint(name, NAMES))
        for name in dict.fromkeys(names)
        if name not in NAMES
    ]


def missing(inputs: Inputs, asked: Question) -> list[Fault]:
    """Nothing to replay: no interactive workload, or no demand in the window."""
    names = [workload.name for workload, _ in interactive(inputs)]
    if not names:
        found, expected = "no interactive workload", "one with `tier: interactive`, which is the default"
        return [Fault("workloads.yaml", found, expected, "add one: work with a deadline has no traffic")]
    rows = inputs.demand.loc[inputs.demand["workload"].isin(names) & ~inputs.demand["is_gap"].astype(bool)]
    if rows.empty:
        found, expected = (
            f"no demand before {asked.until:%Y-%m-%d %H:%M}",
            "demand of an interactive workload",
        )
        action = "take a later --to, add history/usage.parquet, or `trimtab ingest` demand"
        return [Fault("demand", found, expected, action)]
    first = rows["ts"].min()
    last = (rows["ts"] + pd.to_timedelta(rows["interval_s"], unit="s")).max()
    if asked.since >= asked.until or (first <= asked.since and asked.until <= last):
        return []
    found = f"{asked.since:%Y-%m-%d %H:%M} to {asked.until:%Y-%m-%d %H:%M}"
    known = f"a window within the demand, which is known from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
    return [Fault("window", found, known, "correct --from and --to")]


# -- cases -----------------------------------------------------------------------------------------------


def interactive(inputs: Inputs) -> list[tuple[Workload, float]]:
    """Workloads with users, and the share of requests that must keep their objective."""
    return [(w, w.slo.target) for w in inputs.workloads if w.tier == "interactive" and w.slo is not None]


def cases(inputs: Inputs, fleet: pd.DataFrame, asked: Question) -> tuple[list[Served], list[str]]:
    """Every workload that can be replayed, and why others cannot."""
    served, notes = [], []
    for workload, target in interactive(inputs):
        case = case_of(inputs, workload, target, asked)
        if not np.nansum(case.world.requests) > 0:
            notes.append(f"{workload.name} is left out: nothing of it was counted in the window")
        elif not is_firm(case.whole)[firm_options(case, 0)].any():
            notes.append(f"{workload.name} is left out: nothing on demand may serve it")
        else:
            served.append(Served(workload, case, usual_of(case, inputs.options, fleet)))
    if not served:
        raise InputError([Fault("window", "; ".join(notes), "traffic to replay", "choose another window")])
    return served, notes


def is_firm(world: World) -> np.ndarray:
    """(o) whether it is bought on demand."""
    return ~world.is_spot & ~world.is_committed


def case_of(inputs: Inputs, workload: Workload, target: float, asked: Question) -> Case:
    """One workload with its history, which is whole hours: the hours of forms are those of the window."""
    first = inputs.demand.loc[inputs.demand["workload"].eq(workload.name), "ts"].min()
    known = HISTORY if pd.isna(first) else min(HISTORY, max(pd.Timedelta(0), asked.since - first))
    history = known // HOUR * HOUR
    world = world_of(inputs, (workload.name,), asked.since - history, asked.until)
    return Case(world, round(history / MINUTE), np.array([target]))


def said(served: Sequence[Served], asked: Question) -> list[str]:
    """What a reader must know of the cases; what is true of several is said once."""
    names: dict[str, list[str]] = {}
    for one in served:
        for text in said_of(one, asked):
            names.setdefault(text, []).append(one.name)
    return [f"{', '.join(mine)}: {text}" for text, mine in names.items()]


def said_of(one: Served, asked: Question) -> Iterator[str]:
    """What a reader must know of one case."""
    if one.history_days < LEAST_DAYS:
        hours = round(one.history_days * 24)
        known = f"only {hours} hours were" if hours else "nothing was"
        yield f"{known} counted before --from; Trimtab's forms are used as they are"
    if one.counted_share < 1.0:
        missing_share = f"{100 * (1 - one.counted_share):.2g} %"
        yield f"{missing_share} of the window was not counted; it costs, but nobody misses it"
    if "static-peak" in asked.names and one.usual.option_id:
        yield f"usual hardware is {one.usual.option_id} ({one.usual.why})"
    if SPOT in asked.names and not one.case.whole.is_spot.any():
        yield "no spot pool with history may serve it, so SpotHedge is left out"


def shared(served: Sequence[Served], inputs: Inputs) -> list[str]:
    """A note that names the workloads with a quota or a spot pool in common, where there are any."""
    pools = dict(zip(inputs.options["option_id"], inputs.options["pool"], strict=True))
    scarce = [scarce_names(one.case.whole, pools) for one in served]
    names = [
        one.name
        for k, one in enumerate(served)
        if any(scarce[k] & other for j, other in enumerate(scarce) if j != k)
    ]
    told = "share quotas or spot pools; each is replayed as if it had them to itself"
    return [f"{', '.join(names)} {told}"] if names else []


def scarce_names(world: World, pools: Mapping[str, object]) -> set[tuple[str, str]]:
    """Spot pools of its options, and its options with a quota."""
    limited = np.append(world.quota < UNLIMITED, False)[world.quota_pool]  # the last is that of no quota
    quotas = {("quota", world.option_id[i]) for i in np.flatnonzero(limited)}
    return quotas | {("pool", str(pools[world.option_id[i]])) for i in np.flatnonzero(world.pool != NONE)}
