"""The ladder of `models.ladder` against plain forecasters: time, and what a plan made from it would cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.inputs import traffic_panel
from benchmarks.registry import Benchmark, Contender, Prepared
from models.forecaster import Forecaster
from models.frames import FloatArray, check_series
from models.ladder import forecast
from models.metrics import coverage, plan_cost
from models.seasonal import LastWindow, Persistence, SeasonalNaive

FREQ = "10min"
STEPS = 144  # one day
DAYS_BACK = (3, 2, 1)  # each a forecast of the day that follows, made from what was known then
LEVELS = (0.5, 0.9, 0.99)
PLANNED = "q0.99"  # the quantile that a shortfall 99 times as dear as idle capacity asks for


@dataclass(frozen=True)
class Replay:
    """The history known at one origin and what came true on the day after."""

    history: pd.DataFrame
    actual: pd.DataFrame


def prepare(folder: Path, series: int) -> Prepared:
    """A long table of so many series."""
    panel, source = traffic_panel(series)
    panel.to_parquet(folder / "panel.parquet", index=False)
    return Prepared(source, float(series * STEPS * len(DAYS_BACK)), "steps")


def load(folder: Path) -> list[Replay]:
    """The panel cut at each origin; clients that had not begun by then are left out."""
    panel = pd.read_parquet(folder / "panel.parquet")
    end = panel["ds"].max() + pd.Timedelta(FREQ)
    replays = []
    for days in DAYS_BACK:
        origin = end - pd.Timedelta(days=days)
        history = panel.loc[panel["ds"] < origin]
        seen = history.loc[history["y"].notna(), "unique_id"].unique()
        ahead = panel["ds"].ge(origin) & panel["ds"].lt(origin + pd.Timedelta(days=1))
        known = panel["unique_id"].isin(seen)
        replays.append(Replay(history.loc[known], panel.loc[ahead & known]))
    return replays


def ladder(replays: list[Replay]) -> list[pd.DataFrame]:
    """What Trimtab forecasts with."""
    return [forecast(r.history, freq=FREQ, horizon_steps=STEPS, levels=LEVELS) for r in replays]


def plain(model: Forecaster) -> Callable[[list[Replay]], list[pd.DataFrame]]:
    """One forecaster alone, not calibrated."""

    def run(replays: list[Replay]) -> list[pd.DataFrame]:
        return [model.fit(check_series(r.history, FREQ)).predict(STEPS, LEVELS) for r in replays]

    return run


def judge(replays: list[Replay], forecasts: list[pd.DataFrame]) -> dict[str, float]:
    """Plan cost 99:1 over mean demand: median and 90 % of series, and of all demand; the share not covered.

    The three days of a series are judged together, so that a silent day does not make its ratio explode.
    """
    made = pd.concat(forecasts, ignore_index=True)
    actual = pd.concat([replay.actual for replay in replays], ignore_index=True)
    y, capacity = wide(actual, made)
    cost = plan_cost(y, capacity)
    return {
        "cost p50": float(np.nanmedian(cost)),
        "cost p90": float(np.nanquantile(cost, 0.9)),
        "cost all": float(plan_cost(y.ravel(), capacity.ravel())),
        "uncovered": 1.0 - float(np.nanmean(coverage(y, capacity))),
    }


def wide(actual: pd.DataFrame, made: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """(series, step) demand and planned capacity, on the same rows."""
    both = made.merge(actual, on=["unique_id", "ds"], how="inner")
    table = both.pivot_table(index="unique_id", columns="ds", values=["y", PLANNED], dropna=False)
    return table["y"].to_numpy(dtype=float), table[PLANNED].to_numpy(dtype=float)


BENCHMARKS = (
    Benchmark(
        name="forecast",
        about="Quantiles of the next day in 10-minute steps, from three origins; judged by the 0.99.",
        sizes={"small": 8, "medium": 150, "large": 1_500},
        prepare=prepare,
        load=load,
        judge=judge,
        subject=Contender("trimtab ladder", ladder),
        peers=(
            Contender("seasonal naive", plain(SeasonalNaive())),
            Contender("last value", plain(Persistence())),
            Contender("7-day window", plain(LastWindow(seasons=7))),
        ),
    ),
)
