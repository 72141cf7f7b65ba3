"""Columns of a long frame, checked and made arrays: names into codes, times into microseconds, y into floats.

Times are int64 microseconds since 1970 UTC inside; times that cannot be read keep the value 0 and `ok` False.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.faults import Faults

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OFFSET = r"([Zz]|[+-]\d\d:?\d\d)$"  # how ISO 8601 text ends when it names its zone
SPARSE = 200  # a grid with more than this many steps per row is a wrong step or a wrong date
LARGEST = 1e100  # sums of much larger numbers overflow
SMALL = 100_000  # … unless it is small anyway
LAST_US = 253_402_300_800_000_000  # the end of the year 9999, which no calendar goes beyond


def parse_freq(freq: str | pd.Timedelta, faults: Faults | None = None) -> pd.Timedelta:
    """A step length from "1h", "5min", "h", "1D" … or a Timedelta; raises where no `faults` collects."""
    collected = faults if faults is not None else Faults()
    try:
        step = pd.Timedelta(_spell(freq) if isinstance(freq, str) else freq)
    except ValueError:
        step = pd.Timedelta(0)
    if not step > pd.Timedelta(0):
        collected.add(f"freq {freq!r}", "a positive fixed length of time", 'write it like "1h" or "5min"')
        step = pd.Timedelta(1, unit="h")
    elif step % pd.Timedelta(1, unit="us"):
        collected.add(f"freq {freq!r}", "whole microseconds", "take a longer step")
        step = pd.Timedelta(1, unit="h")
    if faults is None:
        collected.stop()
    return step


def _spell(freq: str) -> str:
    """As pandas wants it: "h" → "1h", and the old "H" and "d" in today's spelling."""
    text = freq.strip()
    text = f"1{text}" if text[:1].isalpha() else text
    return text.replace("H", "h").removesuffix("d") + ("D" if text.endswith("d") else "")


def freq_us(freq: pd.Timedelta) -> int:
    """Length of a step in microseconds."""
    return int(freq // pd.Timedelta(1, unit="us"))


def to_us(times: pd.DatetimeIndex) -> IntArray:
    """Microseconds since 1970 UTC."""
    return cast("IntArray", times.as_unit("us").asi8)


def from_us(us: IntArray) -> pd.DatetimeIndex:
    """UTC times from microseconds since 1970."""
    return pd.DatetimeIndex(us.astype("datetime64[us]")).tz_localize("UTC")


def check_ids(column: pd.Series, faults: Faults) -> tuple[pd.Index, IntArray]:
    """Sorted distinct names and the code of each row, -1 where the name is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        ids, codes = _check_categories(column)
    else:
        ids, codes = _sorted_names(column)
    faults.rows(codes < 0, "no name", "the name of the series", "fill it in or drop the row", "unique_id")
    return ids, codes


def _check_categories(column: pd.Series) -> tuple[pd.Index, IntArray]:
    """The same of categories, each name looked at once: written out, they are most of a large frame."""
    place = column.cat.codes.to_numpy()
    used = np.unique(place[place >= 0])
    ids, codes = _sorted_names(pd.Series(column.cat.categories[used]))
    of_place = np.full(len(column.cat.categories) + 1, -1, dtype=np.int64)  # the last one is for -1, no name
    of_place[used] = codes
    return ids, of_place[place]


def _sorted_names(column: pd.Series) -> tuple[pd.Index, IntArray]:
    if column.dtype == object or not (
        pd.api.types.is_integer_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)
    ):  # objects may be of different types, which cannot be sorted
        column = column.astype("str").where(column.notna())
    codes, ids = pd.factorize(column, sort=True)
    return pd.Index(ids), codes.astype(np.int64, copy=False)


def check_times(column: pd.Series, faults: Faults, *, assume_utc: bool) -> tuple[IntArray, BoolArray]:
    """Times as microseconds UTC, and which rows could be read."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.dt.tz_convert("UTC")
    elif pd.api.types.is_datetime64_dtype(column.dtype):
        if not assume_utc:
            _refuse_naive(np.ones(len(column), dtype=bool), faults)
        times = column.dt.tz_localize("UTC")
    elif pd.api.types.is_numeric_dtype(column.dtype):
        faults.add(f"numbers ({column.dtype})", "times with a zone", "convert them to UTC times", column="ds")
        return np.zeros(len(column), dtype=np.int64), np.zeros(len(column), dtype=bool)
    else:
        times = _parse_text(column, faults, assume_utc=assume_utc)
    ok = times.notna().to_numpy(dtype=bool)
    faults.rows(~ok, "no readable time", "ISO 8601 with offset", "correct it or drop the row", "ds")
    stamps = pd.DatetimeIndex(times.where(ok, pd.Timestamp(0, tz="UTC")))
    return to_us(stamps), ok


def _parse_text(column: pd.Series, faults: Faults, *, assume_utc: bool) -> pd.Series:
    """Times from text or mixed objects; text without zone, or with different offsets, is a fault."""
    text = column.astype("str").where(column.notna()).str.strip()
    offsets = text.str.extract(OFFSET, expand=False)
    times = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    readable = times.notna().to_numpy(dtype=bool)
    naive = readable & offsets.isna().to_numpy(dtype=bool)
    if naive.any() and not (assume_utc and naive.sum() == readable.sum()):
        _refuse_naive(naive, faults)
    zones = offsets[readable].dropna().replace({"Z": "+00:00", "z": "+00:00"}).str.replace(":", "")
    if len(zones.unique()) > 1:
        found = "times of different zones: " + ", ".join(sorted(zones.unique())[:5])
        faults.add(found, "one zone throughout", "convert the column to UTC", column="ds")
    return times


def _refuse_naive(rows: BoolArray, faults: Faults) -> None:
    first = int(np.flatnonzero(rows)[0]) + 1 if rows.any() else None
    found = f"a time without zone ({int(rows.sum())} of {rows.size} rows)"
    faults.add(found, "times with a zone", "convert the column to UTC", row=first, column="ds")


def check_values(column: pd.Series, faults: Faults, *, non_negative: bool) -> npt.NDArray[np.float64]:
    """Observations as floats, NaN where missing."""
    numbers = pd.to_numeric(column, errors="coerce")
    y = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.isnan(y) & column.notna().to_numpy(dtype=bool)
    faults.rows(text, "a value that is no number", "a number, or nothing for a gap", "correct it", "y")
    faults.rows(np.isinf(y), "an infinite value", "a finite number", "correct it or leave it empty", "y")
    vast = np.isfinite(y) & (np.abs(y) > LARGEST)
    faults.rows(vast, f"a value beyond {LARGEST:g}", "a quantity", "correct it or change its unit", "y")
    if non_negative:
        wrong = np.isfinite(y) & (y < 0)
        faults.rows(wrong, "a negative value", "0 or more", "correct it or leave it empty", "y")
    return y


def check_grid(
    ids: pd.Index, codes: IntArray, times_us: IntArray, ok: BoolArray, *, step_us: int, faults: Faults
) -> None:
    """Note times off their series' grid, times that stand twice, and grids far wider than their rows."""
    rows = np.flatnonzero(ok)
    if rows.size < ok.size:
        codes, times_us = codes[rows], times_us[rows]
    _check_phase(ids, codes, times_us, rows, step_us=step_us, faults=faults)
    twice = _repeated(codes, times_us)
    for i in np.flatnonzero(twice)[:10]:
        found = f"a second row at {_show(times_us[i])}"
        where = {"series": str(ids[codes[i]]), "row": int(rows[i]) + 1, "column": "ds"}
        faults.add(found, "one row per series and time", "add the two up or drop one", **where)
    if twice.sum() > 10:
        found = f"times that stand twice in {int(twice.sum()) - 10} more rows"
        faults.add(found, "one row per series and time", "add them up or drop them", column="ds")
    first, last = spans(codes, times_us, len(ids))
    counts = np.bincount(codes, minlength=len(ids))
    for code in np.flatnonzero(counts).tolist():
        steps = int(last[code] - first[code]) // step_us + 1
        if steps > max(SMALL, SPARSE * int(counts[code])):
            found = f"{counts[code]} rows over {steps} steps from {_show(first[code])} to {_show(last[code])}"
            action = "correct the outlying time or give the right step"
            faults.add(
                found, f"at least a row per {SPARSE} steps", action, series=str(ids[code]), column="ds"
            )


def _repeated(codes: IntArray, times_us: IntArray) -> BoolArray:
    """(row) whether its series and time stood before; in order, as most frames are, neighbours tell."""
    same = codes[1:] == codes[:-1]
    in_order = (codes[1:] > codes[:-1]) | (same & (times_us[1:] > times_us[:-1]))
    if in_order.all():
        return np.zeros(codes.size, dtype=bool)
    return np.asarray(pd.DataFrame({"code": codes, "us": times_us}).duplicated().to_numpy(dtype=bool))


def _check_phase(
    ids: pd.Index, codes: IntArray, times_us: IntArray, rows: IntArray, *, step_us: int, faults: Faults
) -> None:
    """A series' grid is the one that most of its rows are on."""
    rest = times_us % step_us
    any_of_series = np.zeros(len(ids), dtype=np.int64)
    any_of_series[codes] = rest
    if (rest == any_of_series[codes]).all():
        return
    phase = pd.Series(rest)
    grouped = phase.groupby(codes)
    uneven = grouped.transform("nunique").to_numpy() > 1
    majority = phase.copy()
    majority[uneven] = phase[uneven].groupby(codes[uneven]).transform(lambda p: p.value_counts().idxmax())
    off = np.flatnonzero(phase.to_numpy() != majority.to_numpy())
    for i in off[:10]:
        late = int((phase[i] - majority[i]) % step_us)
        nearest = times_us[i] - late + (step_us if 2 * late > step_us else 0)
        found = f"{_show(times_us[i])}, which is off the grid"
        where = {"series": str(ids[codes[i]]), "row": int(rows[i]) + 1, "column": "ds"}
        faults.add(
            found, f"the nearest grid time {_show(nearest)}", "resample the series to the step", **where
        )
    if off.size > 10:
        found = f"times off the grid in {off.size - 10} more rows"
        faults.add(found, "times one step apart", "resample or give the right step", column="ds")


def spans(codes: IntArray, times_us: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """First and last time of each series, in microseconds."""
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, codes, times_us)
    np.maximum.at(last, codes, times_us)
    return first, last


def _show(us: int | np.int64) -> str:
    return pd.Timestamp(int(us), unit="us", tz="UTC").isoformat()
