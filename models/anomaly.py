"""Anomalies of long frames: a score for every row that uses nothing after it, and few alerts.

    signs (models.anomaly_features) → the strongest → p-value → score = 1 - p^(1/4), halved where it repeats

The signs are held against each other with fixed weights; novelty is left out of daily data, whose range is
told by too few rows. The p-value, the share of ordinary rows at least so unusual, is read from a curve of two
straight lines in log p, a body and a heavy tail, measured on rows outside the labelled windows of real series
(docs/anomalies.md). The fourth root spreads what is small: p of 0.01 scores 0.68.

An alert (`is_anomaly`) is a row less likely than one chance in as many as a month has independent looks, so
that an ordinary real series has at most about one a month (noise without memory in steps of minutes has more
at first: docs/anomalies.md). After one, the next waits for the refractory period to
end, or for a row that is much more unusual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import grid
from models.anomaly_features import DAILY_FROM_US, DAY_US, MEMORY_ROWS, Signs, before, signs_of
from models.faults import Faults
from models.frames import FloatArray
from models.grid import IntArray

BoolArray = npt.NDArray[np.bool_]

POINT, SLOW, NOVELTY = 0.25, 1.0, 0.3  # weights of the signs
POINT_DAILY, SLOW_DAILY = 1.0, 1.0
BODY, BEND = 4.6, 1.0  # slope of -log p, and the strength from which the tail's holds
TAIL, TAIL_DAILY = 1.2, 3.0  # of daily data that of Student's t with 3 degrees of freedom
ROOT = 0.25
ALERTS_PER_MONTH = 0.75  # one is promised; the p-value is a curve, not the truth
LOOKS_PER_MONTH = 225.0  # rows closer than some three hours are no independent looks
MONTH_US = 30 * DAY_US
QUIET_SHARE, QUIET_ROWS = 0.06, 30  # refractory period: share of the rows so far, at least so many,
QUIET_US, QUIET_DAILY_US = 3 * DAY_US, 3 * DAY_US  # at most this long; of daily data always the second
MUCH_MORE = 4.5  # times as strong as the last must a row be to count in the refractory period;
MORE = 2.0  # to be an alert of its own
REPEATED = 0.5  # factor on the score of what repeats
MATTERS = (0.1, 0.9)  # quantiles of past misses around the expected value: excess beyond them is counted


@dataclass(frozen=True, eq=False)
class Judged:
    """(row) of one series without its gaps."""

    score: FloatArray
    is_anomaly: BoolArray
    p_value: FloatArray
    expected: FloatArray
    low: FloatArray
    high: FloatArray


def detect(series: pd.DataFrame, *, assume_utc: bool = False) -> pd.DataFrame:
    """Every row with `score` (0..1, higher is more unusual) and `is_anomaly`.

    Args:
        series: long frame `unique_id, ds, y`, rows in any order, further columns are kept. A missing row or
            `y` is a gap: a row without `y` scores 0. Rows of one series and time are judged in the order they
            stand, as a clock that is set back writes them.
        assume_utc: read times without zone as UTC instead of refusing them.

    Returns:
        The rows as they stand, with two more columns. Rows that come later change nothing for earlier ones.

    Raises:
        FrameError: with every fault found; rows are counted from 1.
    """
    return judge(series, assume_utc=assume_utc)[[*series.columns.drop(COLUMNS, errors="ignore"), *COLUMNS]]


COLUMNS = ["score", "is_anomaly"]


def judge(series: pd.DataFrame, *, assume_utc: bool = False) -> pd.DataFrame:
    """As `detect`, with `p_value`, `expected`, `low` and `high` too.

    `low` and `high` are the expected value and the 0.1 and 0.9 quantile of how far rows missed theirs before;
    missing where there is no past.
    """
    codes, times_us, y = checked(series, assume_utc=assume_utc)
    made = {name: np.zeros(y.size) for name in ("score", "p_value", "expected", "low", "high")}
    for name, value in {"p_value": 1.0, "expected": np.nan, "low": np.nan, "high": np.nan}.items():
        made[name][:] = value
    flags = np.zeros(y.size, dtype=bool)
    for rows in rows_of_series(codes, times_us, np.isfinite(y)):
        judged = judge_one(times_us[rows], y[rows])
        flags[rows] = judged.is_anomaly
        for name, column in made.items():
            column[rows] = getattr(judged, name)
    return series.assign(**made, is_anomaly=flags)


def checked(series: pd.DataFrame, *, assume_utc: bool) -> tuple[IntArray, IntArray, FloatArray]:
    """Codes of the series, times in microseconds and values of the rows, or every fault of them."""
    faults = Faults()
    for name in [name for name in ("unique_id", "ds", "y") if name not in series.columns]:
        found = f"no column {name} in ({', '.join(map(str, series.columns)) or 'no columns'})"
        faults.add(found, "columns unique_id, ds, y", "rename or add it", column=name)
    faults.stop()
    _, codes = grid.check_ids(series["unique_id"], faults)
    times_us, _ = grid.check_times(series["ds"], faults, assume_utc=assume_utc)
    y = grid.check_values(series["y"], faults, non_negative=False)
    faults.stop()
    return codes, times_us, y


def repeated_times(series: pd.DataFrame) -> IntArray:
    """Numbers, from 0, of the rows that stand at the time of an earlier row of their series."""
    return np.flatnonzero(series.duplicated(["unique_id", "ds"]).to_numpy())


def rows_of_series(codes: IntArray, times_us: IntArray, known: BoolArray) -> list[IntArray]:
    """For each series the numbers of its rows that have a value, in the order of time, then as they stand."""
    order = np.lexsort((times_us, codes))
    order = order[known[order]]
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if order.size else []


def judge_one(times_us: IntArray, y: FloatArray) -> Judged:
    """One series: times not falling, values finite."""
    signs = signs_of(times_us, y)
    is_daily = signs.step_us >= DAILY_FROM_US
    strength = np.where(
        is_daily,
        np.maximum(POINT_DAILY * signs.point, SLOW_DAILY * signs.slow),
        np.maximum(np.maximum(POINT * signs.point, SLOW * signs.slow), NOVELTY * signs.novelty),
    )
    p_value = tail(strength, np.where(is_daily, TAIL_DAILY, TAIL))
    quiet_us = refractory(signs.step_us, is_daily)
    looks = np.minimum(MONTH_US / signs.step_us, LOOKS_PER_MONTH)
    alert = stands_out(times_us, np.where(p_value * looks <= ALERTS_PER_MONTH, strength, 0.0), quiet_us, MORE)
    first = stands_out(times_us, strength, quiet_us, MUCH_MORE) | alert
    score = (1.0 - p_value**ROOT) * np.where(first, 1.0, REPEATED)
    return Judged(score, alert, p_value, signs.expected, *band(y, signs))


def tail(strength: FloatArray, slope: FloatArray) -> FloatArray:
    """(row) share of ordinary rows at least so unusual; `slope` is that of -log p behind the bend."""
    body, beyond = np.minimum(strength, BEND), np.maximum(strength - BEND, 0.0)
    return np.asarray(np.exp(-BODY * body - slope * beyond))


def refractory(step_us: IntArray, is_daily: BoolArray) -> IntArray:
    """(row) how long after an alarm the same one is not raised again, in microseconds."""
    rows = np.maximum(QUIET_SHARE * np.arange(step_us.size), QUIET_ROWS)
    return np.where(is_daily, QUIET_DAILY_US, np.minimum(rows * step_us, QUIET_US)).astype(np.int64)


def stands_out(times_us: IntArray, strength: FloatArray, quiet_us: IntArray, more: float) -> BoolArray:
    """(row) not 0, and no row before it in the refractory period stood out nearly as strongly."""
    out = np.zeros(strength.size, dtype=bool)
    rows = np.flatnonzero(strength > 0)
    size = np.expm1(strength[rows]).tolist()
    last_us, limit = -(2**62), 0.0
    for row, at_us, quiet, value in zip(
        rows.tolist(), times_us[rows].tolist(), quiet_us[rows].tolist(), size, strict=True
    ):
        if value > limit or at_us - last_us > quiet:
            out[row] = True
            last_us, limit = at_us, value * more
    return out


def band(y: FloatArray, signs: Signs) -> tuple[FloatArray, FloatArray]:
    """(row) low and high quantile of what was to be expected."""
    past = before(y - signs.expected).rolling(MEMORY_ROWS, min_periods=1)
    low, high = (signs.expected + past.quantile(share).to_numpy() for share in MATTERS)
    return low, high
