"""Capacity policies replayed on real traffic: cost over a clairvoyant's, and how many requests came too late.

The amount of a size is the number of seeds (of minute noise, bursts, failures). Policies learn on the days
before the judged ones. Rivals run with their usual settings, with the one setting that is best over all
traces in hindsight, and with the best per trace in hindsight; Trimtab has one setting.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.compare import Losses
from benchmarks.inputs import GENERATED, shared
from benchmarks.plan import invented_workspace
from benchmarks.registry import Benchmark, Contender, Prepared
from benchmarks.traces import NEEDED, Trace, invented, llm, tenants, web

TARGET = 0.999
USUAL = "azure-eastus-nca100-od"  # the accelerator that most teams are used to
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


def ours(posed: Sequence[Posed], *, kind: str, **changes: float) -> Made:
    """Trimtab on demand: the minute loop of weighted statistics, or what a plain autoscaler can do.

    Args:
        posed: cases.
        kind: `terms` or `target`.
        changes: arrays of the world by name, with what stands in all of them instead.
    """
    from optimizer.minute_plan import KINDS  # noqa: PLC0415
    from optimizer.replay.ours import minute_loop  # noqa: PLC0415

    return played(partial(minute_loop, forms=KINDS[kind]), [changed(p, changes) for p in posed])


def changed(posed: Posed, changes: Mapping[str, float]) -> Posed:
    """A case in another world."""
    whole = posed.case.whole
    other = {name: np.full_like(getattr(whole, name), value) for name, value in changes.items()}
    return replace(posed, case=replace(posed.case, whole=replace(whole, **other)))


def standing(posed: Sequence[Posed], *, share: float, call_s: float) -> Made:
    """Trimtab where every option offers standby at a share of its price."""
    prices = [share * p.case.whole.price_hourly for p in posed]
    found = [changed(p, {"standby_boot_s": call_s}) for p in posed]
    offered = [
        replace(p, case=replace(p.case, whole=replace(p.case.whole, standby_price_hourly=price)))
        for p, price in zip(found, prices, strict=True)
    ]
    return ours(offered, kind="terms")


def rival(name: str, **knobs: Any) -> Any:
    """A rival at its usual settings."""
    from optimizer.replay import (  # noqa: PLC0415
        hourly_rivals,
        predictive_scaling,
        reactive_rivals,
        spot_rivals,
    )

    for module in (reactive_rivals, predictive_scaling, hourly_rivals, spot_rivals):
        if hasattr(module, name):
            return getattr(module, name)(**knobs)
    raise KeyError(name)


def usual(posed: Sequence[Posed], *, name: str, knobs: Mapping[str, Any]) -> Made:
    """A rival as it comes."""
    return played(rival(name, **knobs), posed)


def one_setting(posed: Sequence[Posed], *, name: str) -> Made:
    """A rival at the one setting that is best over all traces; chosen on the first seed."""
    from optimizer.replay.tuning import Trials, tuned  # noqa: PLC0415

    first = [p.case for p in posed if p.seed == 0]
    return played(tuned(rival(name), Trials(first)).rival, posed)


def each_setting(posed: Sequence[Posed], *, name: str) -> Made:
    """A rival at the best setting of each trace; chosen on the first seed."""
    from optimizer.replay.tuning import Trials, tuned_each  # noqa: PLC0415

    first = [p for p in posed if p.seed == 0]
    found = tuned_each(rival(name), Trials([p.case for p in first]))
    best = {p.trace: outcome.rival for p, outcome in zip(first, found, strict=True)}
    return [played(best[p.trace], [p])[0] for p in posed]


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


def main_traces(seed: int) -> Sequence[Trace]:
    """Two models with all their tenants, and a web server."""
    return [llm("servegen_m-small", seed), llm("servegen_m-mid", seed + 100), web(seed)]


def single_tenants(seed: int) -> Sequence[Trace]:
    """The ten largest tenants of both models."""
    return [*tenants("servegen_m-small", 10, seed), *tenants("servegen_m-mid", 10, seed)]


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


TUNED = ("Autoscaler", "CarefulOperator", "PredictiveScaling", "SageServe", "Melange")
PLAIN = (
    ("peak x 1.2, usual GPU", "StaticPeak", {"option_id": USUAL}),
    ("peak x 1.2, best GPU", "StaticPeak", {}),
    ("autoscaler, 70 %, 5 min", "Autoscaler", {}),
    ("careful operator", "CarefulOperator", {}),
    ("predictive scaling", "PredictiveScaling", {}),
    ("Mélange, hourly", "Melange", {}),
    ("SageServe", "SageServe", {}),
)
AS_THEY_COME = tuple(Contender(label, partial(usual, name=name, knobs=knobs)) for label, name, knobs in PLAIN)
SPOKEN = {
    "Autoscaler": "autoscaler",
    "CarefulOperator": "careful operator",
    "PredictiveScaling": "predictive scaling",
}


def known_before(posed: Sequence[Posed]) -> Made:
    """The clairvoyant's plans."""
    return [p.best for p in posed]


def row(
    name: str, about: str, traces: Callable[[int], Sequence[Trace]], **changes: Any
) -> Benchmark[Any, Any]:
    """One benchmark."""
    return Benchmark(
        name=name,
        about=about,
        prepare=prepare(traces),
        load=load,
        subject=Contender("trimtab, terms", partial(ours, kind="terms")),
        losses=losses,
        most_repeats=1,
        **changes,
    )


def actions_at(usd: float) -> Contender[Any, Any]:
    """Trimtab where a scaling action costs something."""
    return Contender(f"trimtab, {usd:g} USD an action", partial(ours, kind="terms", action_cost_usd=usd))


def booting(seconds: float) -> Contender[Any, Any]:
    """Trimtab where launches boot in so long."""
    return Contender(f"trimtab, boot {seconds / 60:g} min", partial(ours, kind="terms", boot_s=seconds))


def standing_at(share: float, call_s: int) -> Contender[Any, Any]:
    """Trimtab with standby at a share of the price."""
    run = partial(standing, share=share, call_s=float(call_s))
    return Contender(f"trimtab, standby {share:.0%}, {call_s} s", run)


def choices(name: str, about: str, *peers: Contender[Any, Any]) -> Benchmark[Any, Any]:
    """Trimtab beside itself in other worlds."""
    sizes = {"small": 0, "medium": 1, "large": 1}
    return row(name, about, main_traces, sizes=sizes, judge=actions_judged, peers=peers)


BENCHMARKS: tuple[Benchmark[Any, Any], ...] = (
    row(
        "capacity-traffic",
        "policies on real traffic, learned on the first days, replayed on the last four",
        main_traces,
        sizes={"small": 1, "medium": 3, "large": 3},
        judge=judge,
        peers=(
            Contender("trimtab, target + window", partial(ours, kind="target")),
            *AS_THEY_COME,
            *(Contender(f"{SPOKEN.get(n, n)}, one setting", partial(one_setting, name=n)) for n in TUNED),
            *(Contender(f"{SPOKEN.get(n, n)}, best per trace", partial(each_setting, name=n)) for n in TUNED),
        ),
    ),
    row(
        "capacity-tenants",
        "the same for twenty single tenants, from half a replica to seventy",
        single_tenants,
        sizes={"small": 0, "medium": 1, "large": 3},
        judge=tenants_judged,
        peers=(Contender("trimtab, target + window", partial(ours, kind="target")), *AS_THEY_COME[1:5]),
    ),
    choices(
        "capacity-actions",
        "how often capacity is scaled, and what it costs, by what an action costs",
        *(actions_at(usd) for usd in (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)),
        Contender("clairvoyant, which does not care", known_before),
    ),
    choices(
        "capacity-standby",
        "what faster boots and pools of replicas that stand by save",
        *(booting(seconds) for seconds in (120.0, 60.0)),
        *(standing_at(share, s) for share, s in ((0.05, 60), (0.1, 60), (0.2, 60), (0.3, 60), (0.1, 120))),
    ),
)
