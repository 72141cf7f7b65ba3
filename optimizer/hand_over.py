"""Handing over: what serves a workload now stays until what takes its place has booted.

A plan may move a workload to other options: cheaper ones, spot that has become calm. Launches serve nothing
until they have booted, and stops are immediate; so as far as what is planned does not serve yet, what serves
runs on for that long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from optimizer.floors import Timeline
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.needs import Candidate
from optimizer.node_shares import instances
from optimizer.problem import Ints, Problem
from optimizer.rows import rows_of
from optimizer.solve import Solution

Key: TypeAlias = tuple[str, str]  # a workload and an option
MARGIN_MINUTES = 1  # launches are ordered a little after the plan was made
NEAR = 1e-9


@dataclass(frozen=True)
class HandOver:
    """What of a workload runs on beside what is planned.

    Attributes:
        workload: its name.
        minutes: from as-of on, until the last launch serves.
        kept: instances that run on, by option.
        pods: on each of them; empty for workloads without `resources`.
        usd: what they cost until they end, or the plan does.
        lost_share: of what has to be served now, what runs and may not stay for want of room.
    """

    workload: str
    minutes: int
    kept: Mapping[str, int]
    pods: Mapping[str, int]
    usd: float
    lost_share: float = 0.0

    @property
    def text(self) -> str:
        """What stays, as a sentence."""
        counts = " and ".join(f"{count} of {option_id}" for option_id, count in self.kept.items())
        verb, its = ("stay", "their") if sum(self.kept.values()) > 1 else ("stays", "its")
        text = f"{counts} {verb} for {self.minutes} minutes, until what takes {its} place serves"
        if not self.lost_share > NEAR:
            return text
        text = text if self.kept else f"for {self.minutes} minutes nothing stays of what runs"
        return f"{text}; max_replicas or a quota leaves no room for {self.lost_share:.0%} of what is needed"


@dataclass(frozen=True)
class Planned:
    """What is planned of each option, rows of the same length.

    Attributes:
        times: T intervals; one ends with each hand-over.
        instances: (T) by workload and option.
        pods: (T) on them; of workloads with `resources` only.
    """

    times: Timeline
    instances: Mapping[Key, Ints]
    pods: Mapping[Key, Ints]


@dataclass(frozen=True)
class Move:
    """One workload between what runs and what is planned.

    Attributes:
        c: the workload and its options.
        ready, planned: instances by option, now and in the first interval.
        need: units/s that have to be served now.
        used: replicas that are planned for that.
    """

    c: Candidate
    ready: Mapping[str, int]
    planned: Mapping[str, int]
    need: float
    used: float

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """What its options cost and do."""
        return self.c.pairs.set_index("option_id")

    @property
    def launched(self) -> list[str]:
        """Options of which more is planned than serves."""
        return [
            option_id for option_id, count in self.planned.items() if count > self.ready.get(option_id, 0)
        ]

    @property
    def missing(self) -> float:
        """Units/s of the need that nothing planned serves yet."""
        serving = {o: min(count, self.ready.get(o, 0)) for o, count in self.planned.items()}
        return self.need - float(sum(count * self.pairs["capacity"][o] for o, count in serving.items()))

    @property
    def spare(self) -> dict[str, int]:
        """Instances that run and are unplanned, of options that may serve it, the cheapest per unit first."""
        known = [option_id for option_id in self.ready if option_id in self.pairs.index]
        usd = self.pairs["price_hourly"] / self.pairs["capacity"]
        beyond = {o: self.ready[o] - self.planned.get(o, 0) for o in sorted(known, key=lambda o: (usd[o], o))}
        return {option_id: count for option_id, count in beyond.items() if count > 0}

    def pods(self, option_id: str) -> int:
        """Replicas on an instance full of them."""
        return 1 if self.c.workload.resources is None else int(self.pairs["pods"][option_id])

    def kept(self, left: Mapping[str, float]) -> dict[str, int]:
        """Instances that stay, by option, as far as quotas and max_replicas leave room beside the plan."""
        most = self.c.workload.max_replicas
        missing, room = self.missing, np.inf if most is None else most - self.used
        found = {}
        for option_id, running in self.spare.items():
            wanted = np.ceil(max(0.0, missing) / self.pairs["capacity"][option_id] - NEAR)
            allowed = min(left.get(option_id, np.inf), room // self.pods(option_id))
            count = int(min(running, wanted, max(0, allowed)))
            if count > 0:
                found[option_id] = count
                missing -= count * self.pairs["capacity"][option_id]
                room -= count * self.pods(option_id)
        return found

    def hand_over(self, left: Mapping[str, float], horizon_hours: float) -> HandOver | None:
        """None where nothing has to boot, or nothing else runs."""
        boot_s = float(self.pairs["boot_seconds"].reindex(self.launched).max())
        kept = self.kept(left) if boot_s > 0 else {}
        lost = self.lost(kept) if boot_s > 0 else 0.0
        if not kept and not lost > NEAR:
            return None
        minutes = int(np.ceil(boot_s / MINUTE.total_seconds())) + MARGIN_MINUTES
        hours = min(minutes / 60, horizon_hours)
        usd = sum(count * float(self.pairs["price_hourly"][o]) for o, count in kept.items()) * hours
        pods = {} if self.c.workload.resources is None else {o: self.pods(o) for o in kept}
        return HandOver(self.c.workload.name, minutes, kept, pods, usd, lost)

    def lost(self, kept: Mapping[str, int]) -> float:
        """The share of the need that runs unplanned and is not kept."""
        capacity = self.pairs["capacity"]
        running, staying = (
            sum(count * float(capacity[o]) for o, count in counts.items()) for counts in (self.spare, kept)
        )
        return max(0.0, min(self.missing, running) - staying) / self.need if self.need > 0 else 0.0


def hand_overs(
    problem: Problem, solution: Solution, candidates: Sequence[Candidate], inputs: Inputs
) -> dict[str, HandOver]:
    """By workload, what stays beside what is planned for the first interval, within quotas."""
    moves = list(moves_of(problem, solution, candidates, inputs))
    left = quotas_left(inputs, problem, solution)
    found = {}
    for move in moves:
        own = move.hand_over(left, float(problem.hours.sum()))
        if own is not None:
            found[own.workload] = own
            left |= {o: left[o] - count for o, count in own.kept.items() if o in left}
    return found


def moves_of(
    problem: Problem, solution: Solution, candidates: Sequence[Candidate], inputs: Inputs
) -> Iterator[Move]:
    """Interactive workloads of which something serves; batch work may wait."""
    counts = np.rint(instances(problem, solution.placement)[:, 0]).astype(np.int64)
    replicas = solution.placement.replicas[:, 0]
    ready: dict[str, dict[str, int]] = {}
    for name, option_id, count in rows_of(inputs.fleet, "workload", "option_id", "ready"):
        ready.setdefault(name, {})[option_id] = int(count)
    for c in candidates:
        if c.workload.tier == "interactive" and c.workload.name in ready:
            w = problem.workloads.index(c.workload.name)
            own = problem.options_of(w)
            planned = {problem.option_id[i]: int(counts[i]) for i in own}
            used, need = float(replicas[own].sum()), float(problem.demand[w, 0])
            yield Move(c, ready[c.workload.name], planned, need, used)


def quotas_left(inputs: Inputs, problem: Problem, solution: Solution) -> dict[str, float]:
    """Instances that quotas leave beside what is planned first, by option that has one."""
    limited = inputs.options.dropna(subset=["quota"])
    left = {option_id: float(quota) for option_id, quota in rows_of(limited, "option_id", "quota")}
    planned = instances(problem, solution.placement)[:, 0]
    for option_id, count in zip(problem.option_id, planned.tolist(), strict=True):
        if option_id in left:
            left[option_id] -= round(count)
    return left


def with_hand_overs(planned: Planned, found: Mapping[str, HandOver], as_of: pd.Timestamp) -> Planned:
    """The same with what stays; what a workload is to have at once, it has until that is over.

    For a loop counts all that runs: with less planned than is needed, it would launch only once the old
    replicas are gone.
    """
    if not found:
        return planned
    times = planned.times
    for minutes in sorted({own.minutes for own in found.values()}):
        times = times.cut_after(minutes * MINUTE)
    into = np.searchsorted(planned.times.starts, times.starts, side="right") - 1
    counts = {key: row[into] for key, row in planned.instances.items()}
    pods = {key: row[into] for key, row in planned.pods.items()}
    for own in found.values():
        meanwhile = np.asarray(times.starts < as_of + own.minutes * MINUTE)
        for rows in (counts, pods):
            for key in (key for key in rows if key[0] == own.workload):
                rows[key][meanwhile] = np.maximum(rows[key][meanwhile], rows[key][0])
        for option_id, count in own.kept.items():
            add(counts, (own.workload, option_id), count * meanwhile)
            if own.pods:
                add(pods, (own.workload, option_id), own.pods[option_id] * count * meanwhile)
    return Planned(times, counts, pods)


def add(rows: dict[Key, Ints], key: Key, more: Ints) -> None:
    """Adds a row to the one that is there."""
    rows[key] = rows[key] + more if key in rows else more
