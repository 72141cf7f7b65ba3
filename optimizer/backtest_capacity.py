"""Backtest of capacity: the workspace's own days replayed under Trimtab and others, beside the optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from data.nearest import hint
from optimizer.backtest_cases import (
    Group,
    Question,
    WorkloadCase,
    cases,
    interactive,
    question,
    said,
    shared,
    together,
)
from optimizer.backtest_runs import Played, Progress, run, task_of
from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs
from optimizer.replay.entrants import CLAIRVOYANT, NAMES, OURS, Entrant, entrants, without_levers

__all__ = [
    "CapacityBacktest",
    "Question",
    "WorkloadCase",
    "backtest",
    "question",
    "ratio",
    "row",
    "unknown_policies",
]
RESULTS = ("cost_usd", "requests", "late", "dropped", "worst_hour", "launches", "actions", "preemptions")
BOTH = 0.6  # of the time: replays of policies, where levers are taken away too


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
    served: tuple[WorkloadCase, ...]
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
    faults = [*faults_of(asked), *unknown_workloads(inputs, asked), *missing(inputs, asked)]
    if faults:
        raise InputError(faults)
    served, notes = cases(inputs, fleet, asked)
    groups = together(served, inputs, asked)
    made = Made(asked, folder, jobs)
    share = BOTH if asked.ablation else 1.0
    made.play(groups, lambda group: everyone(group, asked), lambda done: progress(share * done))
    if asked.ablation:
        made.play(
            groups,
            lambda group: without_levers(group.usual, goal_of(group, made.played)),
            lambda done: progress(share + (1.0 - share) * done),
        )
    rows = [row(one, made.played, target, name) for one in served for name, target in made.of(one).items()]
    notes = [*notes, *said(groups, asked), *shared(groups)]
    return CapacityBacktest(asked, tuple(served), pd.DataFrame(rows), made.played, tuple(notes))


@dataclass(frozen=True)
class Made:
    """Replays as they are made.

    Attributes:
        asked: seed of all of them.
        folder, jobs: as in `backtest`.
        played: by workload and policy.
        targets: that the policy aimed at.
    """

    asked: Question
    folder: Path
    jobs: int
    played: dict[tuple[str, str], Played] = field(default_factory=dict)
    targets: dict[tuple[str, str], float] = field(default_factory=dict)

    def play(
        self, groups: Sequence[Group], who: Callable[[Group], list[Entrant]], progress: Progress
    ) -> None:
        """Adds what came of entrants in every group."""
        tasks = [
            (group, task_of(group.case, entrant, self.asked.seed))
            for group in groups
            for entrant in who(group)
        ]
        done = run([task for _, task in tasks], self.folder, jobs=self.jobs, progress=progress)
        for group, task in tasks:
            for one, target, found in zip(group.served, task.case.target, done[task.key], strict=True):
                place = one.name, task.entrant.name
                self.played[place], self.targets[place] = found, float(target)

    def of(self, served: WorkloadCase) -> dict[str, float]:
        """Policies that were replayed for a workload, and the targets they aimed at."""
        return {policy: target for (name, policy), target in self.targets.items() if name == served.name}


def everyone(group: Group, asked: Question) -> list[Entrant]:
    """Who takes part for a group."""
    return entrants(asked.names, group.usual, has_spot=group.has_spot)


def goal_of(group: Group, played: Mapping[tuple[str, str], Played]) -> tuple[float, ...]:
    """(w) share in time at which costs are compared: the target, or what Trimtab kept where that is less."""
    return tuple(min(one.target, in_time(played[one.name, OURS])) for one in group.served)


def in_time(played: Played) -> float:
    """Share of requests; 1 where there were none."""
    return 1.0 - played.late / played.requests if played.requests > 0 else 1.0


def row(
    served: WorkloadCase, played: Mapping[tuple[str, str], Played], target: float, policy: str
) -> dict[str, object]:
    """One policy's numbers for one workload; ratios are missing where the optimum costs nothing."""
    mine, best = played[served.name, policy], played[served.name, CLAIRVOYANT]
    return {
        "workload": served.name,
        "policy": policy,
        "target": target,
        "attainment": in_time(mine),
        **{name: getattr(mine, name) for name in RESULTS},
        "cost_over_clairvoyant": ratio(mine.cost_usd, best.cost_usd),
        "cost_over_bound": ratio(mine.cost_usd, best.bound_usd),
        "scale": missing_as_nan(mine.scale),
        "cost_at_goal_usd": missing_as_nan(mine.cost_at_goal_usd),
    }


def missing_as_nan(value: float | None) -> float:
    """A number of a column."""
    return float("nan") if value is None else value


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


def unknown_workloads(inputs: Inputs, asked: Question) -> list[Fault]:
    """A fault for each name that no workload with users has."""
    every = [workload.name for workload, _ in interactive(inputs, replace(asked, workloads=()))]
    return [
        Fault("--workload", repr(name), "the name of an interactive workload", hint(name, every))
        for name in dict.fromkeys(asked.workloads)
        if every and name not in every
    ]


def missing(inputs: Inputs, asked: Question) -> list[Fault]:
    """Nothing to replay: no interactive workload, or no demand in the window."""
    names = [workload.name for workload, _ in interactive(inputs, asked)]
    if not names and asked.workloads:
        return []  # told above
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
