"""What a history of daily cost holds: level, damped trend, weekday pattern, billing cycle.

Decomposition: STL (Cleveland et al. 1990), robust, over the last 18 weeks. Damped trend: Gardner and McKenzie
1985. How much of it a history carries is told in `models.monthly`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.tsa.seasonal import STL

from models.frames import FloatArray

WEEK = 7
FEW_DAYS, TREND_DAYS, CYCLE_DAYS = 14, 56, 63
MEMORY_DAYS = 126
DAMPING_DAYS = (30.0, 240.0)  # a trend goes on for about half as long as it has been watched
CYCLE_POSITIONS = (*range(1, 29), -1, -2, -3)


@dataclass(frozen=True, eq=False)
class Shape:
    """A decomposed history: everything relative to the level, which is in the unit of `y`.

    Attributes:
        level: cost of a usual day at the end.
        scale: what errors are measured in: the usual size of a day, never negative.
        slope: change of the level per day at the end.
        weekday: (7) cost on top of the level, Monday first, as a share of `scale`.
        cycle: the same by day of the month, 1 … 28 and −1 … −3 from its end; absent where there is none.
        name: the rung it stands on.
        damping_days: how long the trend goes on.
    """

    level: float
    scale: float
    slope: float
    weekday: FloatArray
    cycle: dict[int, float]
    name: str
    damping_days: float = DAMPING_DAYS[0]

    def ahead(self, days: pd.DatetimeIndex, endurance: FloatArray | float = 1.0) -> FloatArray:
        """(…, day) expected cost of the days after the history; the trend goes on `endurance` times as long.

        Args:
            days: the days, beginning right after the history.
            endurance: one factor, or (path, 1) of them.
        """
        damping = self.damping_days * endurance
        level = self.level + self.slope * damping * (1 - np.exp(-np.arange(1, len(days) + 1) / damping))
        growth = np.clip(level / self.level, 0, None) if self.level > 0 else 1.0
        effects = self.weekday[days.day_of_week.to_numpy()] + cycle_of(days, self.cycle)
        return np.asarray(level + self.scale * growth * effects)


def decompose(y: FloatArray, days: pd.DatetimeIndex) -> Shape:
    """The shape of a history that ends with its last element; at least one observation."""
    seen = int(np.isfinite(y).sum())
    size = np.abs(y)
    scale = float(max(_mean(size[-4 * WEEK :]), 0.1 * _mean(size)))
    if seen < FEW_DAYS:
        return Shape(float(_mean(y)), scale, 0.0, np.zeros(WEEK), {}, "mean of few days")
    recent, when = y[-MEMORY_DAYS:], days[-MEMORY_DAYS:]
    filled = _filled(recent)
    parts = STL(filled, period=WEEK, robust=True).fit(inner_iter=1, outer_iter=3)
    trend = np.asarray(parts.trend)
    weekday = _weekday(np.asarray(parts.seasonal), when) / scale if scale > 0 else np.zeros(WEEK)
    bare = recent - scale * weekday[when.day_of_week.to_numpy()]
    if seen < TREND_DAYS:
        return Shape(_level(bare, trend), scale, 0.0, weekday, {}, "level and weekday")
    slope = _slope(trend)
    damping = float(np.clip(seen / 2, *DAMPING_DAYS))
    if seen < CYCLE_DAYS:
        return Shape(_level(bare, trend), scale, slope, weekday, {}, "damped trend and weekday", damping)
    cycle = billing_cycle(y, days, weekday, scale)
    bare = bare - scale * cycle_of(when, cycle)
    name = "damped trend, weekday, billing cycle"
    return Shape(_level(bare, trend), scale, slope, weekday, cycle, name, damping)


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _filled(y: FloatArray) -> FloatArray:
    """Gaps as the line between their neighbours: STL knows no gaps, and its weights forget single days."""
    known = np.isfinite(y)
    if not known.any():
        return np.zeros_like(y)
    return np.asarray(np.interp(np.arange(len(y)), np.flatnonzero(known), y[known]))


def _weekday(seasonal: FloatArray, days: pd.DatetimeIndex) -> FloatArray:
    """(7) median of the last eight weeks' seasonal part per weekday, centred."""
    of_day = days.day_of_week.to_numpy()[-8 * WEEK :]
    found = np.asarray([np.median(seasonal[-8 * WEEK :][of_day == day]) for day in range(WEEK)])
    return np.asarray(found - found.mean())


def _level(bare: FloatArray, trend: FloatArray) -> float:
    """The last days' mean, newer ones heavier, single outliers pulled in: a step is believed after days."""
    known = np.flatnonzero(np.isfinite(bare))[-4 * WEEK :]
    spread = 3 * 1.4826 * float(np.median(np.abs(bare[known] - trend[known])))
    last = known[-3:]  # three days that agree are a new level, however far from the old one
    calm = np.clip(bare[known], trend[known] - spread, trend[known] + spread)
    if np.ptp(bare[last]) <= spread / 2 and spread > 0:
        calm[-3:] = bare[last]
    age = known[-1] - known
    weight = np.exp(-age / 3.0) / 3 + np.exp(-age / 10.0) / 10
    return float(np.average(calm, weights=weight))


def _slope(trend: FloatArray) -> float:
    """Change per day: median over weeks, so that one step is no trend, and less the more weeks disagree."""
    lag = 4 * WEEK if len(trend) >= 16 * WEEK else WEEK  # a step must touch less than half of the differences
    changes = (trend[lag:] - trend[:-lag])[-13 * WEEK :] / lag
    middle = float(np.median(changes))
    doubt = 1.4826 * float(np.median(np.abs(changes - middle))) / np.sqrt(max(len(changes) / lag, 1))
    return middle**3 / (middle**2 + doubt**2) if middle else 0.0


def billing_cycle(
    y: FloatArray, days: pd.DatetimeIndex, weekday: FloatArray, scale: float
) -> dict[int, float]:
    """Days of the month that cost more, or less, in each of three months or more: share of the scale."""
    usual = pd.Series(y).rolling(2 * WEEK + 1, center=True, min_periods=WEEK).median().to_numpy()
    left = (y - usual) / scale - weekday[days.day_of_week.to_numpy()] if scale > 0 else np.zeros(len(y))
    noise = 1.4826 * float(np.nanmedian(np.abs(left)))
    found = {}
    for position in CYCLE_POSITIONS:
        at = left[position_of(days, position)]
        at = at[np.isfinite(at)][-12:]
        if len(at) >= 3 and np.abs(at).min() > 3 * noise and abs(np.sign(at).sum()) == len(at):
            found[position] = float(np.median(at))
    return found


def position_of(days: pd.DatetimeIndex, position: int) -> npt.NDArray[np.bool_]:
    """(day) whether it is that day of its month, counted from the end where negative."""
    number = days.day.to_numpy()
    from_end = number - days.days_in_month.to_numpy() - 1
    return np.asarray(from_end == position if position < 0 else (number == position) & (from_end < -3))


def cycle_of(days: pd.DatetimeIndex, cycle: dict[int, float]) -> FloatArray:
    """(day) the billing cycle's share of the scale."""
    effects = np.zeros(len(days))
    for position, share in cycle.items():
        effects[position_of(days, position)] = share
    return effects
