"""The minute loop with spot, on pools that vanish: cost over a clairvoyant's on demand, requests too late.

The traffic of `benchmarks.capacity`, and four pools that are each up for four hours and down for two in the
mean, at random; while up a pool grants half as much again as the mean load needs. In one benchmark pools are
independent, in the other every second loss of one takes another with it, as in one region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.capacity import USUAL, main_traces, one_setting, ours, usual
from benchmarks.capacity_cases import Made, Posed, judge, load, losses, played, prepare
from benchmarks.inputs import START
from benchmarks.registry import Benchmark, Contender
from benchmarks.traces import L40S, Trace

POOLS = ("spot-a", "spot-b", "spot-c", "spot-d")
TOGETHER = (1, 2)  # of one region: the second follows the first
STEP = 5  # minutes
UP_MINUTES, DOWN_MINUTES = 240.0, 120.0
GRANTED = 1.5  # times the mean need
DRIFT, NOISE = 0.99, 0.02  # of the logarithm of what a pool grants, from step to step
POOL_SEEDS = 1000


def spot_history(trace: Trace, seed: int, *, correlated: bool) -> pd.DataFrame:
    """As history/spot_capacity.parquet: what each pool grants, every five minutes."""
    rng = np.random.default_rng(POOL_SEEDS + seed)
    steps = len(trace.requests) // STEP + 1
    is_up = np.stack([up_and_down(rng, steps) for _ in POOLS])
    if correlated:
        follow(is_up[TOGETHER[0]], is_up[TOGETHER[1]], rng)
    wander = np.zeros(is_up.shape)
    for step in range(1, steps):
        wander[:, step] = DRIFT * wander[:, step - 1] + NOISE * rng.standard_normal(len(POOLS))
    busy = trace.requests / 60.0 * (trace.prompt / L40S[0] + trace.output / L40S[1])
    granted = np.where(is_up, np.round(GRANTED * busy.mean() * np.exp(wander)), 0.0)
    ts = pd.date_range(START, periods=steps, freq=f"{STEP}min", unit="us")
    return pd.concat(
        [pd.DataFrame({"ts": ts, "pool": pool, "capacity": granted[p]}) for p, pool in enumerate(POOLS)]
    )


def up_and_down(rng: np.random.Generator, steps: int) -> npt.NDArray[np.bool_]:
    """(step) whether a pool is up; exponential times."""
    found, at = np.zeros(steps, dtype=bool), 0
    is_up = bool(rng.random() < UP_MINUTES / (UP_MINUTES + DOWN_MINUTES))
    while at < steps:
        end = at + max(1, round(rng.exponential(UP_MINUTES if is_up else DOWN_MINUTES) / STEP))
        found[at:end] = is_up
        at, is_up = end, not is_up
    return found


def follow(leader: npt.NDArray[np.bool_], pool: npt.NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Takes a pool down with another one in half of its losses, as long as that is down; in place."""
    for lost in np.flatnonzero(leader[:-1] & ~leader[1:]) + 1:
        if rng.random() < 1 / 2:
            back = lost + int(np.argmax(np.append(leader[lost:], True)))
            pool[lost:back] = False


def with_spot(posed: Sequence[Posed]) -> Made:
    """Trimtab with spot."""
    from optimizer.replay.spot_loop import SpotLoop  # noqa: PLC0415 - the product, imported where it is used

    return played(SpotLoop(), posed)


def both_judged(posed: Sequence[Posed], made: Made) -> Mapping[str, float]:
    """As on demand, and in the mean: a pool lost at a bad time decides single cases."""
    late = 100 * np.array([m.late_share for m in made])
    return {**judge(posed, made), "% late, mean": float(late.mean())}


def row(name: str, about: str, pools: Callable[[Trace, int], pd.DataFrame]) -> Benchmark[Any, Any]:
    """One benchmark."""
    return Benchmark(
        name=name,
        about=about,
        prepare=prepare(main_traces, pools),
        load=load,
        subject=Contender("trimtab, spot", with_spot),
        judge=both_judged,
        losses=losses,
        most_repeats=1,
        sizes={"small": 1, "medium": 3, "large": 12},
        peers=(
            Contender("trimtab, on demand", partial(ours, kind="terms")),
            Contender("SpotHedge", partial(usual, name="SpotHedge", knobs={})),
            Contender("SpotHedge, one setting", partial(one_setting, name="SpotHedge")),
            Contender("peak x 1.2, usual GPU", partial(usual, name="StaticPeak", knobs={"option_id": USUAL})),
        ),
    )


BENCHMARKS: tuple[Benchmark[Any, Any], ...] = (
    row(
        "spot-pools",
        "the minute loop on four spot pools that vanish a third of the time, independent of each other",
        partial(spot_history, correlated=False),
    ),
    row(
        "spot-correlated",
        "the same where one pool takes another with it in half of its losses",
        partial(spot_history, correlated=True),
    ),
)
