"""Capacity policies replayed on real traffic: cost over a clairvoyant's, and how many requests came too late.

The amount of a size is the number of seeds (of minute noise, bursts, failures). Policies learn on the days
before the judged ones. Rivals run with their usual settings, with the one setting that is best over all
traces in hindsight, and with the best per trace in hindsight; Trimtab has one setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.capacity_cases import (
    Made,
    Posed,
    actions_judged,
    judge,
    load,
    losses,
    played,
    prepare,
    tenants_judged,
)
from benchmarks.registry import Benchmark, Contender
from benchmarks.traces import Trace, llm, tenants, web

USUAL = "azure-eastus-nca100-od"  # the accelerator that most teams are used to
FRONTIER = (0.99, 0.995, 0.999, 0.9995)  # shares of requests in time


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


def at_target(posed: Sequence[Posed], *, target: float, run: Callable[[Sequence[Posed]], Made]) -> Made:
    """A policy where another share of requests has to be in time."""
    goal = np.array([target])
    return run([replace(p, case=replace(p.case, target=goal)) for p in posed])


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


def main_traces(seed: int) -> Sequence[Trace]:
    """Two models with all their tenants, and a web server."""
    return [llm("servegen_m-small", seed), llm("servegen_m-mid", seed + 100), web(seed)]


def single_tenants(seed: int) -> Sequence[Trace]:
    """The ten largest tenants of both models."""
    return [*tenants("servegen_m-small", 10, seed), *tenants("servegen_m-mid", 10, seed)]


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


def frontier(target: float) -> tuple[Contender[Any, Any], ...]:
    """Trimtab and rivals where so many requests have to be in time."""
    runs: Mapping[str, Callable[[Sequence[Posed]], Made]] = {
        "trimtab, terms": partial(ours, kind="terms"),
        "trimtab, target + window": partial(ours, kind="target"),
        "autoscaler, one setting": partial(one_setting, name="Autoscaler"),
        "SageServe, one setting": partial(one_setting, name="SageServe"),
    }
    return tuple(
        Contender(f"{label}, {100 * target:g} %", partial(at_target, target=target, run=run))
        for label, run in runs.items()
    )


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
    row(
        "capacity-frontier",
        "the same traces where more or fewer requests have to be in time",
        main_traces,
        sizes={"small": 0, "medium": 1, "large": 3},
        judge=judge,
        peers=tuple(each for target in FRONTIER for each in frontier(target)),
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
