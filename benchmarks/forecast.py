"""The ladder of `models.ladder` against its peers: what a plan from each would cost, and how long it takes.

Judged on the panel its parameters were chosen on, and on one they were not (`benchmarks.panels`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import forecast_speed, panels
from benchmarks.peers import DayMax, LastValue, Local, auto_ets, mstl, prophet
from benchmarks.registry import Benchmark, Contender, Prepared
from benchmarks.replays import Case, Made, Task, case, fitted, judge, ladder, losses, plain
from models.seasonal import LastWindow, Persistence, SeasonalNaive

DAY = Task(
    freq="1h",
    horizon_steps=24,
    backs=tuple(range(24, 168, 12)),  # those that the tuned panel was tuned on
    before=(168, 180, 192),
    few=(24, 48, 72, 96),
    few_before=(120, 144, 168, 192),
)
# Some hours and a step apart, so that they fall on other times of the day and minutes of the hour.
FIVE_MINUTES = Task("5min", 12, tuple(range(12, 12 + 12 * 169, 169)))
TEN_MINUTES = Task("10min", 6, tuple(range(6, 6 + 12 * 61, 61)))
TEN_MINUTES_DAY = Task("10min", 144, tuple(range(144, 144 + 12 * 121, 121)))

QUICK = (
    Contender("seasonal naive", plain(SeasonalNaive())),
    Contender("last value", plain(LastValue())),
    Contender("7-day p99 window", plain(LastWindow(seasons=7))),
    Contender("day-max window", plain(DayMax())),
)
SLOW = (
    Contender("AutoETS", fitted(Local("AutoETS", auto_ets, "statsforecast"), few=True)),
    Contender("MSTL", fitted(Local("MSTL", mstl, "statsforecast"))),
    Contender("Prophet", fitted(Local("Prophet", prophet, "prophet"), few=True)),
)
SHORT = (
    Contender("last value", plain(LastValue())),
    Contender("persistence, spread of its changes", plain(Persistence())),
    Contender("day-max window", plain(DayMax())),
    Contender("seasonal naive", plain(SeasonalNaive())),
)


def quality(
    name: str,
    about: str,
    *,
    panel: Callable[[], panels.Panel],
    task: Task,
    series: int,
    peers: tuple[Contender[Case, Made], ...],
) -> Benchmark[Case, Made]:
    """A panel and a task; all series at every size, since a part of a panel says little about the whole."""

    def prepare(folder: Path, amount: int) -> Prepared:
        source = panels.write(panel, folder, amount)
        given = case(folder, task)
        days = given.panel.observed().mean() * given.panel.freq.total_seconds() / 86_400
        told = f"{source}; {len(given.panel)} series, {days:.0f} days on average, {len(task.backs)} origins"
        return Prepared(told, float(len(given.panel) * task.horizon_steps * len(task.backs)), "steps")

    return Benchmark(
        name=name,
        about=about,
        sizes=dict.fromkeys(("small", "medium", "large"), series),
        prepare=prepare,
        load=lambda folder: case(folder, task),
        judge=judge,
        losses=losses,
        subject=Contender("trimtab ladder", ladder),
        peers=peers,
        most_repeats=1,
    )


PLAN = "Quantiles of the next {}; plan cost 99:1 of the 0.99."

BENCHMARKS = (
    quality(
        "forecast-tuned",
        PLAN.format("24 hours, on the series that parameters were chosen on"),
        panel=panels.tuned,
        task=DAY,
        series=52,
        peers=QUICK + SLOW,
    ),
    quality(
        "forecast-held-out",
        PLAN.format("24 hours, on series that no parameter was chosen on"),
        panel=panels.held_out,
        task=DAY,
        series=91,
        peers=QUICK + SLOW,
    ),
    quality(
        "forecast-5min",
        PLAN.format("hour"),
        panel=panels.five_minutes,
        task=FIVE_MINUTES,
        series=59,
        peers=SHORT,
    ),
    quality(
        "forecast-10min",
        PLAN.format("hour"),
        panel=panels.ten_minutes,
        task=TEN_MINUTES,
        series=98,
        peers=SHORT,
    ),
    quality(
        "forecast-10min-day",
        PLAN.format("24 hours"),
        panel=panels.ten_minutes,
        task=TEN_MINUTES_DAY,
        series=98,
        peers=QUICK,
    ),
    *forecast_speed.BENCHMARKS,
)
