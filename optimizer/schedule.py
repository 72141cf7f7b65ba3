"""Spikes by the clock: minutes of the hour, of its quarter or of the day at which load jumps again and again.

What a timer starts comes to the minute and is gone before a replica has booted; no look at the last minutes
serves it. Where load has jumped at the same minute nearly every time, far more often than at any other,
capacity for as many times the level as it reached then is wished from a boot time before. Everything is read
off earlier minutes, anew every six hours, so that a replay sees what a plan of the time would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import bdtrc

from optimizer.problem import Bools, Floats, Ints

HOUR, DAY = 60, 1440  # minutes
LEAST_TIMES = {15: 8, HOUR: 5, DAY: 4}  # that a minute of a period must have passed before anything is said
ALIKE = {15: 1, HOUR: 15, DAY: HOUR}  # minutes of a period that far apart are alike
ANEW = 360  # minutes after which the history is read again
LOOKED_BACK = 14 * DAY
BEFORE = 10  # minutes whose median is the level that load jumps from
JUMP = 1.5  # times the level
NEARLY = 0.8  # share of the times that load must have jumped
CHANCE = 1e-3  # that any minute of a period looks like that for no reason
LONGEST = 20  # minutes of a spike
OVER = 1.25  # times the level: below that a spike has ended
REACHED = 0.95  # quantile of what earlier spikes reached
LEAST_LEVEL = 1e-9


@dataclass(frozen=True)
class Jumps:
    """A load and where it jumps: every array is (t), requests/s.

    Attributes:
        load: NaN where nobody counted.
        level: median of the minutes before, of which spikes are a few; NaN where nothing is known.
        begins: 1 where a jump begins, 0 where not; NaN where nobody knows.
    """

    load: Floats
    level: Floats
    begins: Floats

    @classmethod
    def of(cls, load: Floats) -> Jumps:
        """Reads them off a load."""
        known = pd.Series(load).shift(1).rolling(BEFORE, min_periods=BEFORE // 2).median()
        level = np.asarray(known.where(known > LEAST_LEVEL), dtype=np.float64)
        is_high = load >= JUMP * level
        begins = is_high & ~np.append(False, is_high[:-1])
        return cls(load, level, np.where(np.isnan(load) | np.isnan(level), np.nan, begins))


@dataclass(frozen=True)
class Clock:
    """What is known of spikes to come.

    Attributes:
        reached: (2, t) how many times the level a minute will reach, and how many requests/s at most, as
            known in it; 0 where nothing is scheduled.
        coming: (2, minute of the day) the same of the minutes after the last one; minutes of the day count
            from the first of the history.
    """

    reached: Floats
    coming: Floats

    @classmethod
    def of(cls, load: Floats) -> Clock:
        """Reads it off a load [requests/s]; NaN where nobody counted."""
        jumps, reached = Jumps.of(load), np.zeros((2, len(load)))
        for begin in range(0, len(load), ANEW):
            minutes = np.arange(begin, min(begin + ANEW, len(load)))
            reached[:, minutes] = scheduled(jumps, begin)[:, minutes % DAY]
        return cls(reached, scheduled(jumps, len(load)))

    @property
    def is_spike(self) -> Bools:
        """(t) minutes that a spike was scheduled for."""
        return np.asarray(self.reached[0] > 0)

    def wanted(self, load: Floats, boot_minutes: int) -> Floats:
        """(t) requests/s to be served by schedule, from a boot time before; the level is renewed hourly."""
        end = len(load)
        if not (self.is_spike.any() or self.coming.any()):
            return np.zeros(end)
        after = np.arange(end, end + boot_minutes + 1) % DAY
        level = np.repeat(self.level(load)[::HOUR], HOUR)[:end]
        reached = np.hstack([self.reached, self.coming[:, after]])
        return from_before(least(reached, np.append(level, np.full(len(after), level[-1]))), boot_minutes)[
            :end
        ]

    def day_ahead(self, load: Floats, boot_minutes: int) -> Floats:
        """(DAY) the same of the minutes after the load, at the level of now or of yesterday."""
        if not self.coming.any() or not len(load):
            return np.zeros(DAY)
        level, minutes = self.level(load), np.arange(len(load), len(load) + DAY)
        then = np.maximum(level[-1], np.resize(level[-DAY:], DAY))
        wanted = least(self.coming[:, minutes % DAY], then)
        return from_before(np.append(wanted, wanted[: boot_minutes + 1]), boot_minutes)[:DAY]

    def level(self, load: Floats) -> Floats:
        """(t) requests/s that spikes stand on: mean of the hour before or of its last quarter."""
        calm = pd.Series(np.where(self.is_spike[: len(load)], np.nan, load)).shift(1)
        means = [calm.rolling(minutes, min_periods=1).mean() for minutes in (HOUR, HOUR // 4)]
        return np.asarray(means[0].combine(means[1], np.fmax).ffill().fillna(0.0), dtype=np.float64)


def least(reached: Floats, level: Floats) -> Floats:
    """(t) requests/s of spikes on a level: a job that comes at any level is no larger for a high one."""
    return np.asarray(np.minimum(reached[0] * level, reached[1]), dtype=np.float64)


def from_before(wanted: Floats, minutes: int) -> Floats:
    """(t) the most that is wanted now or within so many minutes and one more."""
    backwards = pd.Series(wanted[::-1]).rolling(minutes + 2, min_periods=1).max()
    return np.asarray(backwards, dtype=np.float64)[::-1]


def scheduled(jumps: Jumps, now: int) -> Floats:
    """(2, minute of the day) times the level, and requests/s, that load will reach by schedule; 0 without.

    Args:
        jumps: of which those before `now` are used.
        now: minute.
    """
    seen, found = slice(max(0, now - LOOKED_BACK) // DAY * DAY, now), np.zeros((2, DAY))
    begins, load, level = jumps.begins[seen], jumps.load[seen], jumps.level[seen]
    if np.nansum(begins) < min(LEAST_TIMES.values()):
        return found
    for period in LEAST_TIMES:
        for minute in (int(minute) for minute in regular(begins, period) if not found[0, minute]):
            for later, reached in enumerate(profile(load, level, minute, period)):
                at = np.arange(minute + later, DAY + minute + later, period) % DAY
                found[:, at] = np.maximum(found[:, at], np.array(reached)[:, None])
    return found


def regular(begins: Floats, period: int) -> Ints:
    """Minutes of a period at which jumps begin nearly every time and more often than chance allows.

    Chance is how often they begin at minutes that are alike: of a day the same minute of other hours, of an
    hour that of its other quarters, of a quarter all others. What changes hourly is no schedule of a day.
    """
    rows = np.pad(begins, (0, -len(begins) % period), constant_values=np.nan).reshape(-1, period)
    times, hits = (~np.isnan(rows)).sum(axis=0), np.nansum(rows, axis=0)
    minutes = np.flatnonzero((times >= LEAST_TIMES[period]) & (hits >= NEARLY * times))
    if not len(minutes):
        return minutes
    alike = ALIKE[period]
    others = [np.resize(each.reshape(-1, alike).sum(axis=0), period) - each for each in (hits, times)]
    chance = (others[0][minutes] + 1.0) / (others[1][minutes] + 2.0)
    by_chance = np.asarray(bdtrc(hits[minutes] - 1, times[minutes], chance))
    return np.asarray(minutes[by_chance * period < CHANCE], dtype=np.int64)


def profile(load: Floats, level: Floats, minute: int, period: int) -> Iterator[tuple[float, float]]:
    """What spikes that begin at a minute of a period reach, each minute: times the level, and requests/s."""
    starts = np.arange(minute, len(load), period)
    for later in range(min(LONGEST, period)):
        inside = starts[starts + later < len(load)]
        served, times = load[inside + later], load[inside + later] / level[inside]
        known = ~np.isnan(times)
        if not known.any() or np.median(times[known]) < OVER:
            return
        yield float(np.quantile(times[known], REACHED)), float(np.quantile(served[known], REACHED))
