"""How long forecasts take: many series at once, and one workload again inside a process that is warm."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from joblib.externals.loky import get_reusable_executor

from benchmarks.child import cpu_seconds
from benchmarks.inputs import START, invented_trace
from benchmarks.peers import Local, auto_ets
from benchmarks.registry import Benchmark, Contender, Prepared
from benchmarks.replays import LEVELS
from models.frames import Panel, check_series
from models.ladder import forecast

HOURS = 14 * 24
SAMPLE = 20  # series that AutoETS is timed on
MINUTES = 14 * 1440
REPEATS = 3


@dataclass(frozen=True)
class Timed:
    """A forecast, seconds per series by the clock and of processors, and the memory of all processes.

    Per series, because a slow peer forecasts a sample only.
    """

    frame: pd.DataFrame
    seconds: float
    cpu_seconds: float = float("nan")
    mib: float = float("nan")


class Memory:
    """Watches the resident memory of this process and all its children; pages they share count for each."""

    def __init__(self) -> None:
        self.most, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self, every_s: float = 0.1) -> None:
        """Look again and again until told to stop."""
        own = psutil.Process()
        while not self.over.wait(every_s):
            total = 0
            for process in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            self.most = max(self.most, total / 2**20)

    def stop(self) -> float:
        """The most that was seen, in MiB."""
        self.over.set()
        self.thread.join()
        return self.most


def many_series(series: int, hours: int = HOURS, seed: int = 7) -> pd.DataFrame:
    """Hourly demand with a day's rhythm, a week's, and noise; sizes over six orders, some often idle."""
    random = np.random.default_rng(seed)
    hour = np.arange(hours)
    size = 10 ** random.uniform(-1, 5, (series, 1))
    phase, depth = random.uniform(0, 24, (series, 1)), random.uniform(0, 0.8, (series, 1))
    rhythm = 1 + depth * np.sin(2 * np.pi * (hour + phase) / 24)
    week = np.where(hour // 24 % 7 >= 5, random.uniform(0.4, 1.2, (series, 1)), 1.0)
    noise = np.exp(random.uniform(0.05, 0.6, (series, 1)) * random.standard_normal((series, hours)))
    idle = random.random((series, hours)) < np.where(random.random((series, 1)) < 0.2, 0.6, 0.0)
    y = np.where(idle, 0.0, size * rhythm * week * noise)
    names = np.char.mod("s%06d", np.arange(series))
    ds = (START + pd.to_timedelta(hour, unit="h")).as_unit("us")
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical(np.repeat(names, hours)),
            "ds": np.tile(ds, series),
            "y": y.ravel(),
        }
    )


def write_many(folder: Path, series: int) -> Prepared:
    many_series(series).to_parquet(folder / "series.parquet", index=False)
    return Prepared(f"generated, {HOURS // 24} days of hours", float(series), "series")


def read(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "series.parquet")


def ladder_day(frame: pd.DataFrame) -> Timed:
    """Three quantiles of the next 24 hours of every series."""
    memory, cpu, began = Memory(), cpu_seconds(), time.perf_counter()
    made = forecast(frame, freq="1h", horizon_steps=24, levels=LEVELS)
    seconds = time.perf_counter() - began
    get_reusable_executor().shutdown(
        wait=True
    )  # the processor time of processes is known once they have ended
    series = len(made) / 24
    return Timed(made, seconds / series, (cpu_seconds() - cpu) / series, memory.stop())


def auto_ets_day(frame: pd.DataFrame) -> Timed:
    """The same for a few series, on one processor; what all would take is that many times as long."""
    panel: Panel = check_series(frame[frame["unique_id"].isin(sample_of(frame))], "1h")
    model = Local("AutoETS", auto_ets, "statsforecast").fit(panel.take(np.arange(1)))
    model.predict(24, LEVELS)  # imports and compiles
    model = Local("AutoETS", auto_ets, "statsforecast", processes=1).fit(panel)
    cpu, began = cpu_seconds(), time.perf_counter()
    made = model.predict(24, LEVELS)
    return Timed(made, (time.perf_counter() - began) / len(panel), (cpu_seconds() - cpu) / len(panel))


def sample_of(frame: pd.DataFrame) -> pd.Index:
    names = frame["unique_id"].cat.categories
    return names[np.linspace(0, len(names) - 1, min(SAMPLE, len(names))).astype(int)]


def per_thousand(_: pd.DataFrame, made: Timed) -> dict[str, float]:
    """The same of a sample is what all would take."""
    return {
        "s per 1,000": 1_000 * made.seconds,
        "CPU s per 1,000": 1_000 * made.cpu_seconds,
        "MiB, all": made.mib,
    }


def write_minutes(folder: Path, days: int) -> Prepared:
    steps = days * 1440
    trace = np.interp(np.arange(steps) / 10, np.arange(steps // 10), invented_trace(steps // 10)["requests"])
    noise = np.exp(0.2 * np.random.default_rng(1).standard_normal(steps))
    ds = (START + pd.to_timedelta(np.arange(steps), unit="min")).as_unit("us")
    y = np.round(trace / 10 * noise)
    pd.DataFrame({"unique_id": "llm", "ds": ds, "y": y}).to_parquet(folder / "series.parquet", index=False)
    return Prepared(f"generated, one series, {days} days of minutes", float(steps), "minutes")


def again(horizon_steps: int) -> Contender[pd.DataFrame, Timed]:
    """The same forecast again and again in one process; the first one, which imports, is not counted."""

    def run(frame: pd.DataFrame) -> Timed:
        seconds = []
        for _ in range(1 + REPEATS):
            began = time.perf_counter()
            made = forecast(frame, freq="1min", horizon_steps=horizon_steps, levels=LEVELS)
            seconds.append(time.perf_counter() - began)
        return Timed(made, float(np.median(seconds[1:])))

    return Contender(f"{horizon_steps} minutes ahead", run)


BENCHMARKS = (
    Benchmark(
        name="forecast-many",
        about="Three quantiles of the next 24 hours of many series by one call; AutoETS on one processor.",
        sizes={"small": 1_000, "medium": 10_000, "large": 100_000},
        prepare=write_many,
        load=read,
        judge=per_thousand,
        subject=Contender("trimtab ladder", ladder_day),
        peers=(Contender(f"AutoETS, {SAMPLE} series", auto_ets_day),),
        most_repeats=1,
    ),
    Benchmark(
        name="forecast-again",
        about="One workload forecast again in a process that has done so before.",
        sizes={"small": 14, "medium": 14, "large": 28},
        prepare=write_minutes,
        load=read,
        judge=lambda _, made: {"warm s": made.seconds},
        subject=again(60),
        peers=(again(1440),),
        most_repeats=1,
    ),
)
