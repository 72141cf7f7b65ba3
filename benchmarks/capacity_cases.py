"""Cases of the capacity benchmarks: traces in the example workspace, how they are played and judged."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.compare import Losses
from benchmarks.inputs import GENERATED, shared
from benchmarks.plan import invented_workspace
from benchmarks.registry import Prepared
from benchmarks.traces import NEEDED, Trace, invented

TARGET = 0.999
MINUTE = pd.Timedelta(minutes=1)
FILES = ("catalog.parquet", "profiles.parquet", "workloads.yaml")


@dataclass(frozen=True)
class Played:
    """What one case came to."""

    cost_usd: float
    late_share: float
    worst_hour_late_share: float
    actions: int


@dataclass(frozen=True)
class Posed:
    """A case of a trace and a seed, with what the clairvoyant needs for it.

    Attributes:
        case: `optimizer.replay.case.Case`.
        best: the clairvoyant's plan, replayed.
        bound_usd: of its linear program.
    """

    trace: str
    seed: int
    case: Any
    best: Played
    bound_usd: float


Made = Sequence[Played]


def prepare(
    traces: Callable[[int], Sequence[Trace]], spot: Callable[[Trace, int], pd.DataFrame] | None = None
) -> Callable[[Path, int], Prepared]:
    """Cases of every trace and seed, with the clairvoyant's cost; `spot` gives the history of spot pools."""

    def write(folder: Path, seeds: int) -> Prepared:
        minutes, names = 0, []
        real = bool(shared(*NEEDED))
        for seed in range(seeds):
            for trace in traces(seed) if real else invented(seed):
                pools = None if spot is None else spot(trace, seed)
                posed = pose(folder / f"{len(names)}", trace, seed, pools)
                (folder / f"{len(names):03d}.pickle").write_bytes(pickle.dumps(posed))
                minutes += posed.case.world.minutes
                names.append(trace.name)
        named = ", ".join(dict.fromkeys(names)) if real else GENERATED
        source = f"{named}; {seeds} seeds; boot 5 min, TTFT 2 s, target {TARGET:.1%}"
        return Prepared(source, float(minutes), "minutes")

    return write


def pose(root: Path, trace: Trace, seed: int, pools: pd.DataFrame | None = None) -> Posed:
    """A trace in the example workspace, as the product reads it, with a history of its spot pools."""
    from optimizer.inputs import read_inputs  # noqa: PLC0415 - the product, imported where it is used
    from optimizer.replay.case import Case  # noqa: PLC0415
    from optimizer.replay.clairvoyant import clairvoyant  # noqa: PLC0415
    from optimizer.replay.history import world_of  # noqa: PLC0415

    (root / "history").mkdir(parents=True)
    files = shared(*(f"workspaces/llm-8b/{name}" for name in FILES))
    for path in files:
        shutil.copy(path, root / path.name)
    if not files:
        invented_workspace(root)
    usage = trace.usage()
    usage.to_parquet(root / "history/usage.parquet")
    if pools is not None:
        pools.to_parquet(root / "history/spot_capacity.parquet")
    begin, end = usage["ts"].iloc[0], usage["ts"].iloc[-1] + MINUTE
    world = world_of(read_inputs(root, end.to_pydatetime()), ("chat",), begin, end)
    case = Case(world, trace.begin, np.array([TARGET]))
    known = clairvoyant(case, seed=seed)
    return Posed(trace.name, seed, case, summary(known.replayed), known.bound_usd)


def summary(replayed: Any) -> Played:
    """The numbers of a replay of one workload."""
    late, hour = 1.0 - replayed.attainment(), 1.0 - replayed.worst_hour()
    return Played(replayed.cost_usd, late, hour, replayed.actions)


def load(folder: Path) -> list[Posed]:
    """All cases; what is compiled is compiled."""
    from optimizer.replay.ours import minute_loop  # noqa: PLC0415
    from optimizer.simulate import simulate  # noqa: PLC0415

    found = [pickle.loads(path.read_bytes()) for path in sorted(folder.glob("*.pickle"))]
    simulate(found[0].case.world.between(0, 10), minute_loop(found[0].case))
    return found


def played(make: Callable[[Any], Any], posed: Sequence[Posed]) -> Made:
    """One policy in every case."""
    from optimizer.simulate import simulate  # noqa: PLC0415

    return [summary(simulate(p.case.world, make(p.case), seed=p.seed)) for p in posed]


def judge(posed: Sequence[Posed], made: Made) -> Mapping[str, float]:
    """Cost over the clairvoyant's, requests late, and scaling actions over the clairvoyant's."""
    over = np.array([m.cost_usd / p.best.cost_usd for p, m in zip(posed, made, strict=True)])
    late = np.array([m.late_share for m in made])
    numbers = {"cost over clairvoyant, mean": float(over.mean())}
    for trace in dict.fromkeys(p.trace for p in posed):
        own = [p.trace == trace for p in posed]
        numbers[f"cost, {trace}"] = float(np.median(over[own]))
        numbers[f"% late, {trace}, worst"] = 100 * float(late[own].max())
    numbers["% late in the worst hour"] = 100 * max(m.worst_hour_late_share for m in made)
    actions = sum(m.actions for m in made) / max(1, sum(p.best.actions for p in posed))
    return numbers | {"actions over clairvoyant's": actions}


def actions_judged(posed: Sequence[Posed], made: Made) -> Mapping[str, float]:
    """How often each trace scales, beside what its capacity costs and whom it fails."""
    found: dict[str, float] = {}
    for p, m in zip(posed, made, strict=True):
        days = p.case.world.minutes / 1440
        found[f"actions a day, {p.trace}"] = m.actions / days
        found[f"cost, {p.trace}"] = m.cost_usd / p.best.cost_usd
        found[f"% late, {p.trace}"] = 100 * m.late_share
    return found


def losses(posed: Sequence[Posed], made: Made) -> Sequence[Losses]:
    """Costs case by case."""
    return [
        Losses(
            "",
            "cost over clairvoyant",
            [m.cost_usd / p.best.cost_usd for p, m in zip(posed, made, strict=True)],
        )
    ]


def tenants_judged(posed: Sequence[Posed], made: Made) -> Mapping[str, float]:
    """The same over many small services: quantiles, and how many missed the target."""
    over = np.array([m.cost_usd / p.best.cost_usd for p, m in zip(posed, made, strict=True)])
    late = np.array([m.late_share for m in made])
    return {
        "cost over clairvoyant, median": float(np.median(over)),
        "cost, 90 % quantile": float(np.quantile(over, 0.9)),
        "services below 99.9 %": float((late > 1.0 - TARGET).sum()),
        "% late, median": 100 * float(np.median(late)),
        "% late, worst": 100 * float(late.max()),
    }
