"""What the learner sees of a series at one origin: its past by slot, its level and spread, and the calendar.

Everything is a share of the series' own size, so that one model serves series of any unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import grid
from models.forecaster import WEEK, lag_steps, season, season_steps, seasons_ahead
from models.frames import FloatArray, Panel
from models.grid import IntArray
from models.samples import gather, mean, quantiles

HOUR = pd.Timedelta(1, unit="h")
SEASONS = 7  # slots of so many seasons back are features; level and spread are of as many
BASE_SEASONS = 3  # the base is the median of the slot over so many
HOURS_BACK = 3


@dataclass(frozen=True, eq=False)
class Seen:
    """Features of some steps ahead of one origin.

    Attributes:
        x: (series, step, feature), NaN where unknown.
        base: (series, step) simple forecast in the unit of y, to which the learner adds.
        scale: (series) mean size over the last seasons, in the unit of y; NaN without one.
    """

    x: npt.NDArray[np.float32]
    base: FloatArray
    scale: FloatArray


def seen(panel: Panel, ahead: IntArray) -> Seen:
    """Features for the steps `ahead` (1 = the next) of the end of the panel."""
    period = season_steps(panel.freq)
    memory = panel.y[:, max(panel.steps - SEASONS * period, 0) :]
    scale = mean(np.abs(memory))
    scale[~(scale > 0)] = np.nan
    slots = _same_slot(panel, ahead)
    level = _level(panel, memory, period)
    base = _base(slots, level)
    parts = [slots, base[:, :, None], _near_slot(panel, ahead), _same_hour(panel, ahead)]
    with np.errstate(invalid="ignore"):
        of_step = np.concatenate(parts, axis=-1) / scale[:, None, None]
        of_series = np.concatenate([level / scale[:, None], mean((memory == 0) * 1.0)[:, None]], axis=-1)
    repeated = np.broadcast_to(of_series[:, None, :], (len(panel), ahead.size, of_series.shape[1]))
    x = np.concatenate([of_step, repeated, _clock(panel, ahead)], axis=-1)
    return Seen(x.astype(np.float32), base, scale)


def _same_slot(panel: Panel, ahead: IntArray) -> FloatArray:
    """(series, step, season) the slot in the last seasons that are known, and the week before."""
    length = season(panel.freq)
    whole = _seasons_of(ahead, panel, length)[:, None] + np.arange(SEASONS)
    days = panel.steps - 1 + ahead[:, None] - lag_steps(whole, length, panel.freq)
    weeks = _seasons_of(ahead, panel, WEEK)[:, None]
    week = panel.steps - 1 + ahead[:, None] - lag_steps(weeks, WEEK, panel.freq)
    return gather(panel.y, np.concatenate([days, week], axis=1))


def _seasons_of(ahead: IntArray, panel: Panel, length: pd.Timedelta) -> IntArray:
    return seasons_ahead(int(ahead.max()), length, panel.freq)[ahead - 1]


def _near_slot(panel: Panel, ahead: IntArray) -> FloatArray:
    """(series, step, 2) the slots before and after, a season ago."""
    length = season(panel.freq)
    slot = panel.steps - 1 + ahead - lag_steps(_seasons_of(ahead, panel, length), length, panel.freq)
    return gather(panel.y, np.stack([slot - 1, np.minimum(slot + 1, panel.steps - 1)], axis=1))


def _same_hour(panel: Panel, ahead: IntArray) -> FloatArray:
    """(series, step, hour) the same minute in the last hours: jobs that start on the hour."""
    if panel.freq >= HOUR:
        return np.zeros((len(panel), ahead.size, 0))
    whole = _seasons_of(ahead, panel, HOUR)[:, None] + np.arange(HOURS_BACK)
    return gather(panel.y, panel.steps - 1 + ahead[:, None] - lag_steps(whole, HOUR, panel.freq))


def _level(panel: Panel, memory: FloatArray, period: int) -> FloatArray:
    """(series, statistic) last value, means, spreads and extremes of an eighth, one and seven seasons."""
    day = memory[:, -period:]
    last = memory[:, -1]
    before = gather(panel.y, np.array([panel.steps - 1 - period]))[:, 0]
    columns = [
        last, last - before, mean(memory[:, -max(period // 8, 1) :]),
        mean(memory[:, -max(period // 24, 1) :]), mean(day), _spread(day), _spread(memory),
    ]  # fmt: skip
    ranks = [quantiles(day, [0.0, 1.0]), quantiles(memory, [0.5, 0.9, 1.0])]
    return np.concatenate([np.stack(columns, axis=-1), *ranks], axis=-1)


def _base(slots: FloatArray, level: FloatArray) -> FloatArray:
    """(series, step) median of the slot over the last seasons, else over all of them, else the mean."""
    near = quantiles(slots[..., :BASE_SEASONS], [0.5])[..., 0]
    far = quantiles(slots[..., :SEASONS], [0.5])[..., 0]
    usual = np.where(np.isfinite(level[:, 4]), level[:, 4], level[:, 8])[:, None]
    known = np.where(np.isfinite(near), near, np.where(np.isfinite(far), far, usual))
    return np.asarray(known)


def _clock(panel: Panel, ahead: IntArray) -> FloatArray:
    """(series, step, 4) steps ahead, place in the day, minute of the hour, day of the week."""
    us = grid.to_us(panel.end)[:, None] + ahead * grid.freq_us(panel.freq)
    day, hour = 86_400_000_000, 3_600_000_000
    weekday = (us // day + 3) % 7  # 1970 began on a Thursday
    steps = np.broadcast_to(ahead, us.shape)
    return np.stack([steps, us % day / day, us % hour / hour, weekday], axis=-1).astype(np.float64)


def _spread(values: FloatArray) -> FloatArray:
    """(series) standard deviation."""
    centred = values - mean(values)[:, None]
    return np.sqrt(mean(centred**2))
