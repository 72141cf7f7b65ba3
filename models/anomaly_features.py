"""What is unusual about each row of one series, told from the rows before it alone.

Three signs, each from 0 (ordinary) up, in logarithmic units:

- point: the row against what its slot usually holds, over how far rows usually miss that;
- slow: the same of the mean of the last rows, so that a small shift that lasts counts;
- novelty: how far outside the range of all before, over how often and how far that happened.

The forecast behind the first two is the median of the same slot 1, 2, 3 and 7 days ago (daily data: 1 to 4
weeks), or of the last day (week) where none of these is known. Rows are found by time, the nearest within a
step, so a series may be irregular, jump or have gaps. A slot that comes a step late or early is not unusual,
nor is what the same day of the month brought a month ago, in daily data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.frames import FloatArray
from models.grid import IntArray, from_us
from models.samples import quantiles

BoolArray = npt.NDArray[np.bool_]

DAY_US = 24 * 3_600_000_000
DAILY_FROM_US = DAY_US // 2  # a step from which data counts as daily
DAYS_BACK = (1, 2, 3, 7)
WEEKS_BACK = (7, 14, 21, 28)  # in days, for daily data
LEAST_KNOWN = 5  # rows about the slots, below which their spread is not known
NEIGHBOURS = 2  # rows on either side of a slot that tell how much it varies
MEMORY_ROWS = 4000  # two weeks of 5-minute rows: older misses say little about how far a row may miss
FIRST_ROWS = 10  # before so many rows nothing is unusual
USUAL = 0.95  # the miss that counts as 1 is as large as all but one in twenty
OWN_SHARE = 0.5  # weight of the series' own usual miss beside the spread of the slot
SLOW_ROWS, SLOW_DAYS = 36, 3  # rows of the slow sign; of daily data
LARGEST = 1e3  # times the usual miss: more is not more unusual
FEW = 5.0  # rows of which little is known yet count as missing by more: n rows by 1 + 5/n
FLOOR_SHARE = 0.1  # of the mean miss so far: the least that is usual
MONTHLY = 4.0  # relative miss from which a day counts as one with a monthly charge
NOVEL, FIRST_NOVEL = 10.0, 0.1  # scale of the novelty; range that is taken as exceeded once beforehand
ROUNDING = 1e-9  # of the largest size so far: smaller changes are those of floating point


@dataclass(frozen=True, eq=False)
class Signs:
    """(row) what was expected, and how unusual the row is in each way."""

    expected: FloatArray
    miss: (
        FloatArray  # observation less expected, as far as a slot that comes early or late does not explain it
    )
    point: FloatArray
    slow: FloatArray
    novelty: FloatArray
    step_us: IntArray  # length of a step as far as it was known by then


def signs_of(times_us: IntArray, y: FloatArray) -> Signs:
    """The signs of one series.

    Args:
        times_us: (row) times, not falling, in microseconds.
        y: (row) observations, all finite.
    """
    step_us = steps(times_us)
    is_daily = step_us >= DAILY_FROM_US
    expected, low, high, spread = slots(times_us, y, step_us, is_daily)
    miss = y - np.clip(y, low, high)
    miss[np.abs(miss) <= ROUNDING * np.maximum.accumulate(np.abs(y))] = 0.0
    typical = before(np.abs(miss)).expanding(FIRST_ROWS).median().to_numpy()
    has_slot = np.isfinite(spread)
    scale = np.where(has_slot, spread, typical) + OWN_SHARE * typical
    relative = over(miss, scale)
    if is_daily.any():
        monthly = explained_by_last_month(times_us, miss, relative)
        relative = np.where(is_daily, over(miss - monthly, scale), relative)
    relative[~has_slot & np.maximum.accumulate(has_slot)] = 0.0  # behind a long gap nothing is known to miss
    slow = running_mean(relative, SLOW_ROWS)
    if is_daily.any():
        slow = np.where(is_daily, running_mean(relative, SLOW_DAYS), slow)
    return Signs(expected, miss, unusual(relative), unusual(slow), novelty(y), step_us)


def steps(times_us: IntArray) -> IntArray:
    """(row) median distance of neighbouring rows so far; a day until there are two."""
    gaps = pd.Series(times_us).diff().expanding(1).median().fillna(float(DAY_US))
    return np.maximum(gaps.to_numpy().astype(np.int64), 1)


def slots(
    times_us: IntArray, y: FloatArray, step_us: IntArray, is_daily: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(row) expected value, the lowest and highest it takes a step early or late, and spread about it.

    The spread is missing where too few rows are known to tell it.
    """
    lags = np.where(is_daily, np.array(WEEKS_BACK)[:, None], np.array(DAYS_BACK)[:, None]) * DAY_US
    places = np.stack([nearest(times_us, lag, step_us) for lag in lags])
    offsets = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    around = places[:, None, :] + offsets[:, None]
    known = (places[:, None, :] >= 0) & (around >= 0) & (around < np.arange(y.size))
    values = np.where(known, y[np.where(known, around, 0)], np.nan)  # (lag, offset, row)
    shifted = medians(values[:, 1:-1].transpose(1, 2, 0))  # of the slot a step early, at its time, late
    expected = shifted[NEIGHBOURS - 1]
    whole = medians(values.reshape(-1, y.size).T)
    spread = medians(np.abs(values.reshape(-1, y.size) - whole).T)
    spread[known.reshape(-1, y.size).sum(axis=0) < LEAST_KNOWN] = np.nan
    missing = ~np.isfinite(expected)
    if missing.any():
        expected = np.where(missing, last_season(times_us, y, is_daily), expected)
    sides = np.where(np.isfinite(shifted) & ~is_daily, shifted, expected)  # a day does not come late
    return expected, sides.min(axis=0), sides.max(axis=0), spread


def nearest(times_us: IntArray, lag_us: IntArray, step_us: IntArray) -> IntArray:
    """(row) the earlier row nearest in time to the row's own less a lag; -1 if none is within a step."""
    wanted = times_us - lag_us
    after = np.searchsorted(times_us, wanted, side="left")
    after = np.minimum(after, np.arange(times_us.size))  # a row knows none behind itself
    ahead = np.maximum(after - 1, 0)
    closer = np.where(np.abs(times_us[ahead] - wanted) < np.abs(times_us[after] - wanted), ahead, after)
    found = (np.abs(times_us[closer] - wanted) <= step_us) & (closer < np.arange(times_us.size))
    return np.where(found, closer, -1)


def medians(samples: FloatArray) -> FloatArray:
    """Median along the last axis, NaN left out."""
    return np.asarray(quantiles(samples, [0.5])[..., 0])


def last_season(times_us: IntArray, y: FloatArray, is_daily: BoolArray) -> FloatArray:
    """(row) median of the day before, for daily data of the week before; of all before, if that is silent.

    The first row expects itself.
    """
    past = pd.Series(y, index=from_us(times_us))
    day = past.rolling("1D", closed="left").median().to_numpy()
    week = past.rolling("7D", closed="left").median().to_numpy() if is_daily.any() else day
    found = np.where(is_daily, week, day)
    found = np.where(np.isfinite(found), found, before(y).expanding(1).median().to_numpy())
    return np.where(np.isfinite(found), found, y)


def explained_by_last_month(times_us: IntArray, miss: FloatArray, relative: FloatArray) -> FloatArray:
    """(row) the part of a daily miss that the same day of the month before missed likewise.

    The same day is the one of the same number or, at the end of a month, of the same distance to its end.
    Only a miss that was large then counts: a monthly charge, not noise.
    """
    days = from_us(times_us).tz_localize(None).to_numpy().astype("datetime64[D]")
    month = days.astype("datetime64[M]")
    begins, ended_before = (month - 1).astype("datetime64[D]"), month.astype("datetime64[D]")
    length = ended_before - begins
    number = begins + np.minimum(days - ended_before, length - 1)
    from_end = ended_before - np.minimum((month + 1).astype("datetime64[D]") - days, length)
    misses = []
    for day in (number, from_end):
        lag_us = (days - day).astype(np.int64) * DAY_US
        place = nearest(times_us, lag_us, np.full(times_us.size, DAILY_FROM_US))
        was_large = (place >= 0) & (np.abs(relative[place]) > MONTHLY)
        misses.append(np.where(was_large, miss[place], 0.0))
    low, high = np.minimum(np.minimum(*misses), 0.0), np.maximum(np.maximum(*misses), 0.0)
    return np.clip(miss, low, high)


def running_mean(values: FloatArray, rows: int) -> FloatArray:
    """(row) mean of the last rows, of fewer at the start."""
    return pd.Series(values).rolling(rows, min_periods=1).mean().to_numpy()


def before(values: FloatArray) -> pd.Series[float]:
    """Each row as the next one sees it."""
    return pd.Series(values).shift(1)


def over(values: FloatArray, scale: FloatArray) -> FloatArray:
    """Values over a scale, at most LARGEST, as all but 0 are where the scale is 0; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(values == 0, 0.0 * scale, values / scale)
    return np.clip(ratio, -LARGEST, LARGEST)


def unusual(misses: FloatArray) -> FloatArray:
    """(row) log(1 + size of the miss over the usual size of those before), 0 for the first rows."""
    size = np.abs(misses)
    past = before(size)
    usual = past.rolling(MEMORY_ROWS, min_periods=FIRST_ROWS).quantile(USUAL).to_numpy()
    usual = np.maximum(usual, FLOOR_SHARE * past.expanding(FIRST_ROWS).mean().to_numpy())
    usual = usual * (1.0 + FEW / np.arange(1, size.size + 1))
    return np.asarray(np.log1p(np.nan_to_num(over(size, usual))))


def novelty(y: FloatArray) -> FloatArray:
    """(row) log(1 + how far outside the range so far, in ranges, over the mean such excess of a row)."""
    past = before(y).expanding(FIRST_ROWS)
    lowest, highest = past.min().to_numpy(), past.max().to_numpy()
    outside = np.maximum(np.nan_to_num(np.maximum(y - highest, lowest - y)), 0.0)
    excess = np.minimum(np.nan_to_num(over(outside, highest - lowest)), 1.0)
    count = np.arange(1, y.size + 1)
    sum_before = FIRST_NOVEL + np.concatenate([[0.0], np.cumsum(excess)[:-1]])
    return np.asarray(np.log1p(NOVEL * excess * count / sum_before))
