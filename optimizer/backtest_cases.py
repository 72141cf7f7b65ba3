"""What a backtest of capacity replays: a question, and each interactive workload with its history.

Policies see what came before the window and, of the window, only minutes that are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.calibration import LEAST_DAYS
from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.replay.case import Case
from optimizer.replay.entrants import NAMES, OURS, SPOT, Usual, usual_of
from optimizer.replay.history import world_of
from optimizer.replay.wishes import firm_options
from optimizer.replay.world import NONE, UNLIMITED, World

HISTORY = pd.Timedelta(days=28)  # before the window; Trimtab's fit looks back no further
HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Question:
    """What is replayed.

    Attributes:
        since, until: whole minutes; the window [since, until).
        policies: of `optimizer.replay.entrants.NAMES`; none = all.
        seed: of bursts, failures and reclaims.
        ablation: whether Trimtab is also replayed without each of its levers.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    policies: tuple[str, ...] = ()
    seed: int = 0
    ablation: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The policies in the order of the table."""
        asked = {*(self.policies or NAMES), *((OURS,) if self.ablation else ())}
        return tuple(name for name in NAMES if name in asked)


def question(
    since: datetime, until: datetime, policies: Sequence[str], seed: int, *, ablation: bool = False
) -> Question:
    """The question, its moments cut to whole minutes."""
    begin, end = (pd.Timestamp(moment).tz_convert("UTC").floor(MINUTE) for moment in (since, until))
    return Question(begin, end, tuple(policies), seed, ablation)


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


@dataclass(frozen=True)
class Group:
    """Workloads that are replayed together.

    Attributes:
        served: in the order of the case.
        case: of all of them.
    """

    served: tuple[Served, ...]
    case: Case

    @property
    def usual(self) -> tuple[str | None, ...]:
        """(w) hardware of the static peak."""
        return tuple(one.usual.option_id for one in self.served)

    @property
    def has_spot(self) -> bool:
        """Whether spot pools with history may serve any of them."""
        return bool(self.case.whole.is_spot.any())


def alone(served: Sequence[Served]) -> list[Group]:
    """Every workload by itself."""
    return [Group((one,), one.case) for one in served]


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
