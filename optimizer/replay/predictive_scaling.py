"""Predictive scaling as AWS documents it for EC2 Auto Scaling: an hourly forecast above target tracking.

The last 14 days give a forecast of each of the next 48 hours, made anew every 6 hours; capacity is the
larger of what the forecast and what the last minute asks for, and instances are launched some minutes before
their hour begins. How AWS forecasts is not told. Here: the mean of the same hour of the days (of the
weeks, once 14 days are known), times how far the last day was above what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from optimizer.problem import Floats
from optimizer.replay.case import Case
from optimizer.replay.hours import DAY, HOUR, hourly
from optimizer.replay.reactive_rivals import reactive
from optimizer.replay.rivals import Knobs, LoadRival
from optimizer.replay.wishes import Need, busy, firm_options

HISTORY_HOURS, WEEK, RENEWED_HOURS = 14 * DAY, 7 * DAY, 6


@dataclass(frozen=True)
class PredictiveScaling(LoadRival):
    """The larger of an hourly forecast and target tracking.

    Attributes:
        target: utilisation of both.
        window_s: scale-down window of target tracking.
        buffer_s: how long before its hour an instance is launched; 300 is the default of AWS.
        of: what of an hour is forecast.
    """

    KNOBS: ClassVar[Knobs] = {
        "target": (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85),
        "window_s": (0, 300, 900, 1800, 3600),
        "buffer_s": (300, 900),
        "of": ("mean", "max"),
    }

    target: float = 0.7
    window_s: int = 300
    buffer_s: int = 300
    of: Literal["mean", "max"] = "mean"

    def need(self, case: Case, workload: int) -> Need:
        """The larger of both."""
        options = firm_options(case, workload, self.option_id)
        load = hourly(busy(case, options[0]), case.begin, self.of)
        forecast = scheduled(load, case, self.buffer_s // 60) / self.target
        return Need(options, np.maximum(forecast, reactive(case, options[0], self.target, self.window_s)))


def scheduled(load: Floats, case: Case, ahead: int) -> Floats:
    """(t) forecast load of each minute of the replay or of one up to `ahead` minutes later, the larger.

    Args:
        load: of each hour of history and replay.
        case: what is replayed.
        ahead: minutes, less than an hour.
    """
    past, minutes = case.begin // HOUR, case.world.minutes
    path = np.zeros(minutes)
    for first in range(0, minutes, RENEWED_HOURS * HOUR):
        known = load[: past + first // HOUR]
        told = np.repeat(forecast_hours(known, RENEWED_HOURS + 1), HOUR)
        part = path[first : first + RENEWED_HOURS * HOUR]
        part[:] = np.lib.stride_tricks.sliding_window_view(told, ahead + 1).max(axis=1)[: len(part)]
    return path


def forecast_hours(known: Floats, count: int) -> Floats:
    """Load of the hours after those known."""
    known = known[-HISTORY_HOURS:]
    season = WEEK if len(known) >= HISTORY_HOURS else DAY
    usual = np.nan_to_num(same_hour(known, season))
    day = np.arange(-min(DAY, len(known)), 0)
    seen, expected = known[day], usual[day % season]
    counted = ~np.isnan(seen)
    drift = seen[counted].sum() / max(float(expected[counted].sum()), 1e-12) if counted.any() else 1.0
    return np.asarray(usual[np.arange(count) % season] * drift)


def same_hour(known: Floats, season: int) -> Floats:
    """(season) mean of what was counted at each place of the season, which begins where the known ends."""
    place = (np.arange(len(known)) - len(known)) % season
    counted = ~np.isnan(known)
    total = np.bincount(place[counted], known[counted], season)
    return total / np.maximum(np.bincount(place[counted], minlength=season), 1)
