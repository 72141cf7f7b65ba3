"""What a backtest of capacity replays: a question, and each interactive workload with its history.

Policies see what came before the window and, of the window, only minutes that are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.calibration import LEAST_DAYS
from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.problem import Floats
from optimizer.quota_shares import LEAST_CAPACITY
from optimizer.replay.case import Case
from optimizer.replay.entrants import LABELS, NAMES, ON_SPOT, OURS, Usual, usual_of
from optimizer.replay.history import world_of
from optimizer.replay.wishes import firm_options
from optimizer.replay.world import NONE, UNLIMITED, World

HISTORY = pd.Timedelta(days=28)  # before the window; Trimtab's fit looks back no further
HOUR = pd.Timedelta(hours=1)
NOT_KEPT = (
    "min_replicas", "max_replicas", "min_regions", "max_region_share", "survive_region_loss",
    "survive_zone_loss",
)  # fmt: skip
AMPLE = 3.0  # factors of the minute loop are capped there


@dataclass(frozen=True)
class Question:
    """What is replayed.

    Attributes:
        since, until: whole minutes; the window [since, until).
        policies: of `optimizer.replay.entrants.NAMES`; none = all.
        seed: of bursts, failures and reclaims.
        ablation: whether Trimtab is also replayed without each of its levers.
        workloads: names; none = all that have users.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    policies: tuple[str, ...] = ()
    seed: int = 0
    ablation: bool = False
    workloads: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The policies in the order of the table."""
        asked = {*(self.policies or NAMES), *((OURS,) if self.ablation else ())}
        return tuple(name for name in NAMES if name in asked)


def question(
    since: datetime,
    until: datetime,
    policies: Sequence[str],
    seed: int,
    *,
    ablation: bool = False,
    workloads: Sequence[str] = (),
) -> Question:
    """The question, its moments cut to whole minutes."""
    begin, end = (pd.Timestamp(moment).tz_convert("UTC").floor(MINUTE) for moment in (since, until))
    return Question(begin, end, tuple(policies), seed, ablation, tuple(workloads))


@dataclass(frozen=True)
class WorkloadCase:
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


@dataclass(frozen=True)
class Group:
    """Workloads that are replayed together.

    Attributes:
        served: in the order of the case.
        case: of all of them.
    """

    served: tuple[WorkloadCase, ...]
    case: Case

    @property
    def usual(self) -> tuple[str | None, ...]:
        """(w) hardware of the static peak."""
        return tuple(one.usual.option_id for one in self.served)

    @property
    def has_spot(self) -> bool:
        """Whether spot pools with history may serve any of them."""
        return bool(self.case.whole.is_spot.any())


def together(served: Sequence[WorkloadCase], inputs: Inputs, asked: Question) -> list[Group]:
    """Workloads that can take a quota or a spot pool from each other as one case, all others alone."""
    found = []
    for members in joined(scarce(served, inputs.options)):
        own = tuple(served[k] for k in members)
        found.append(Group(own, own[0].case if len(own) == 1 else joint(own, inputs, asked)))
    return found


def joint(own: Sequence[WorkloadCase], inputs: Inputs, asked: Question) -> Case:
    """One case of several workloads, as long as the longest history of them."""
    begin = max(one.case.begin for one in own)
    names = tuple(one.name for one in own)
    world = world_of(inputs, names, asked.since - begin * MINUTE, asked.until)
    capacity, wait_s = world.capacity.copy(), world.wait_s.copy()
    for w, one in enumerate(own):
        before = begin - one.case.begin  # minutes in which this one was not known yet
        for values, known in ((capacity, one.case.whole.capacity), (wait_s, one.case.whole.wait_s)):
            values[world.options_of(w), :before] = np.median(known, axis=1)[:, None]
    return Case(
        replace(world, capacity=capacity, wait_s=wait_s), begin, np.array([one.target for one in own])
    )


def interactive(inputs: Inputs, asked: Question) -> list[tuple[Workload, float]]:
    """Workloads with users that are asked for, and the share of requests that must keep their objective."""
    found = [(w, w.slo.target) for w in inputs.workloads if w.tier == "interactive" and w.slo is not None]
    return [(w, target) for w, target in found if w.name in asked.workloads or not asked.workloads]


def cases(inputs: Inputs, fleet: pd.DataFrame, asked: Question) -> tuple[list[WorkloadCase], list[str]]:
    """Every workload that can be replayed, and why others cannot."""
    served, notes = [], []
    for workload, target in interactive(inputs, asked):
        case = case_of(inputs, workload, target, asked)
        if not np.nansum(case.world.requests) > 0:
            notes.append(f"{workload.name} is left out: nothing of it was counted in the window")
        elif not is_firm(case.whole)[firm_options(case, 0)].any():
            notes.append(f"{workload.name} is left out: nothing on demand may serve it")
        else:
            served.append(WorkloadCase(workload, case, usual_of(case, inputs.options, fleet)))
    if not served:
        expected, action = "traffic, and an option on demand for it", "choose another window or add an option"
        raise InputError([Fault("window", "; ".join(notes), expected, action)])
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


def said(groups: Sequence[Group], asked: Question) -> list[str]:
    """What a reader must know of the cases; what is true of several is said once."""
    names: dict[str, list[str]] = {}
    for group, one in ((each, one) for each in groups for one in each.served):
        for text in said_of(one, asked, has_spot=group.has_spot):
            names.setdefault(text, []).append(one.name)
    return [f"{', '.join(mine)}: {text}" for text, mine in names.items()]


def said_of(one: WorkloadCase, asked: Question, *, has_spot: bool) -> Iterator[str]:
    """What a reader must know of one case."""
    if one.history_days < 2 * LEAST_DAYS:  # half of a history is judged
        hours = round(one.history_days * 24)
        known = f"only {hours} hours were" if hours else "nothing was"
        yield f"{known} counted before --from; Trimtab's forms are used as they are"
    if one.counted_share < 1.0:
        missing_share = f"{100 * (1 - one.counted_share):.2g} %"
        yield f"{missing_share} of the window was not counted; it costs, but nobody misses it"
    if "static-peak" in asked.names and one.usual.option_id:
        yield f"usual hardware is {one.usual.option_id} ({one.usual.why})"
    unkept = [key for key in NOT_KEPT if getattr(one.workload, key) != Workload.model_fields[key].default]
    if unkept:
        verb = "is" if len(unkept) == 1 else "are"
        yield f"{' and '.join(unkept)} of workloads.yaml {verb} kept by no policy of a replay"
    left_out = [LABELS[name] for name in asked.names if name in ON_SPOT]
    if left_out and not has_spot:
        verb = "is" if len(left_out) == 1 else "are"
        yield f"no spot pool with history may serve it, so {' and '.join(left_out)} {verb} left out"


def shared(groups: Sequence[Group]) -> list[str]:
    """Notes that name workloads which were replayed together."""
    names = [", ".join(one.name for one in group.served) for group in groups if len(group.served) > 1]
    return [f"{each} share quotas or spot pools and were replayed together" for each in names]


def joined(scarce: Sequence[set[str]]) -> list[list[int]]:
    """Positions whose sets are linked, directly or through others, in order of the first of each."""
    groups: list[tuple[list[int], set[str]]] = []
    for k, names in enumerate(scarce):
        linked = [group for group in groups if group[1] & names]
        members = sorted([k, *(i for group in linked for i in group[0])])
        groups = [group for group in groups if not group[1] & names]
        groups.append((members, names.union(*(group[1] for group in linked))))
    return sorted(members for members, _ in groups)


def scarce(served: Sequence[WorkloadCase], options: pd.DataFrame) -> list[set[str]]:
    """(served) spot pools of its options, and those of its options whose quota others could feel.

    A quota that holds `AMPLE` times the busiest minutes of all that may use it is felt by nobody.
    """
    pools = dict(zip(options["option_id"], options["pool"], strict=True))
    wanted: dict[str, float] = {}
    for one in served:
        for name, peak in zip(one.case.whole.option_id, peaks(one.case.whole), strict=True):
            wanted[name] = wanted.get(name, 0.0) + float(peak)
    return [scarce_names(one.case.whole, pools, wanted) for one in served]


def peaks(world: World) -> Floats:
    """(o) replicas that serve the busiest minute, of history and window."""
    busy = np.nan_to_num(world.load)[world.option_workload] / np.maximum(world.capacity, LEAST_CAPACITY)
    return np.asarray(np.ceil(busy).max(axis=1, initial=0.0))


def scarce_names(world: World, pools: Mapping[str, object], wanted: Mapping[str, float]) -> set[str]:
    """Spot pools of one workload's options, and its options with a quota that is not ample."""
    quota = np.append(world.quota, UNLIMITED)[world.quota_pool]  # the last is that of no quota
    found = set()
    for i, name in enumerate(world.option_id):
        if quota[i] < UNLIMITED and quota[i] < AMPLE * wanted[name]:
            found.add(f"quota {name}")
        if world.pool[i] != NONE:
            found.add(f"pool {pools[name]}")
    return found
