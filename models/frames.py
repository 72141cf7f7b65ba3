"""The door of the forecasters: one long frame in, one regular panel inside, one quantile frame out.

In:   `unique_id, ds, y`, a row per series and time step; times are aware; a missing row is a gap, never a
zero. Out:  `unique_id, ds, model` and one column per quantile level, `q0.5`, `q0.9` …

Everything is checked once, here, and all faults of a frame are raised together. Behind the door the code
works on a `Panel`, where a fault cannot exist any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import grid
from models.faults import Faults, FrameError, FrameFault

__all__ = [
    "FloatArray",
    "FrameError",
    "FrameFault",
    "Panel",
    "check_levels",
    "check_quantiles",
    "check_series",
    "from_long",
    "infer_freq",
    "level_column",
    "quantile_frame",
    "to_long",
]

FloatArray = npt.NDArray[np.float64]
LONG_COLUMNS = ("unique_id", "ds", "model", "quantile", "value")


@dataclass(frozen=True, eq=False)
class Panel:
    """Series on regular UTC grids, aligned at their ends: the last column is each series' own last row.

    So a lag is a shift of columns for every series at once, whatever its clock time, and the horizon begins
    right of the last column. Rows before a series' own start and gaps inside it are NaN.

    Attributes:
        ids: (series) names, sorted, in the type they came in.
        y: (series, step) observations, in the unit of `y`.
        start: (series) time of the first row, UTC.
        end: (series) time of the last row, UTC; it may be a gap.
        freq: length of a step.
    """

    ids: pd.Index
    y: FloatArray
    start: pd.DatetimeIndex
    end: pd.DatetimeIndex
    freq: pd.Timedelta

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def steps(self) -> int:
        """Columns: the length of the longest series."""
        return int(self.y.shape[1])

    def observed(self) -> npt.NDArray[np.int64]:
        """(series) number of steps that hold an observation."""
        return np.asarray(np.isfinite(self.y).sum(axis=1))

    def before(self, steps: int) -> Panel:
        """The panel as it was `steps` steps ago; a series that had not begun is all NaN."""
        values = self.y[:, : max(self.steps - steps, 0)]
        return replace(self, y=values, end=self.end - steps * self.freq)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Panel:
        """Some of the series, without the columns that none of them needs."""
        start, end = self.start[rows], self.end[rows]
        longest = int(((end - start) // self.freq).max()) + 1 if len(start) else 0
        values = self.y[rows][:, self.steps - min(longest, self.steps) :]
        return Panel(self.ids[rows], values, start, end, self.freq)

    def masked(self, mask: npt.NDArray[np.bool_]) -> Panel:
        """The panel with the marked observations taken out."""
        return replace(self, y=np.where(mask, np.nan, self.y))

    def horizon(self, horizon_steps: int) -> pd.DatetimeIndex:
        """Times of the next steps after each series' own end, series by series."""
        ends, step = grid.to_us(self.end), grid.freq_us(self.freq)
        return grid.from_us((ends[:, None] + step * np.arange(1, horizon_steps + 1)).ravel())


def check_series(
    frame: pd.DataFrame, freq: str | pd.Timedelta, *, assume_utc: bool = False, non_negative: bool = False
) -> Panel:
    """Validate a long frame and lay it on regular grids.

    Args:
        frame: columns `unique_id, ds, y`, rows in any order; further columns are ignored. `ds` is aware
            times or ISO 8601 text with offset; `y` is a number or missing (a gap).
        freq: length of a step, such as "1h" or "5min". A series may stand off the full hour (00:02, 00:07
            …): its grid is the one most of its rows are on.
        assume_utc: read times without zone as UTC instead of refusing them.
        non_negative: refuse negative `y`.

    Raises:
        FrameError: with every fault found; rows are counted from 1.
    """
    faults = Faults()
    step = grid.parse_freq(freq, faults)
    missing = [name for name in ("unique_id", "ds", "y") if name not in frame.columns]
    for name in missing:
        found = ", ".join(map(str, frame.columns)) or "no columns"
        faults.add(
            f"no column {name} in ({found})", "columns unique_id, ds, y", "rename or add it", column=name
        )
    if not missing and frame.empty:
        faults.add("no rows", "at least one observation", "check the query or file that made the frame")
    faults.stop()
    ids, codes = grid.check_ids(frame["unique_id"], faults)
    times_us, ok = grid.check_times(frame["ds"], faults, assume_utc=assume_utc)
    y = grid.check_values(frame["y"], faults, non_negative=non_negative)
    ok = ok & (codes >= 0)
    grid.check_grid(ids, codes, times_us, ok, step_us=grid.freq_us(step), faults=faults)
    faults.stop()
    return _lay_out(ids, codes, times_us, y, step)


def _lay_out(
    ids: pd.Index,
    codes: npt.NDArray[np.int64],
    times_us: npt.NDArray[np.int64],
    y: FloatArray,
    freq: pd.Timedelta,
) -> Panel:
    step = grid.freq_us(freq)
    first, last = grid.spans(codes, times_us, len(ids))
    width = int(((last - first) // step).max()) + 1
    values = np.full((len(ids), width), np.nan)
    values[codes, width - 1 - (last[codes] - times_us) // step] = y
    return Panel(ids, values, grid.from_us(first), grid.from_us(last), freq)


def infer_freq(frame: pd.DataFrame, *, assume_utc: bool = False) -> pd.Timedelta:
    """The most common step between neighbouring rows of a series; the shorter one on a tie.

    Raises:
        FrameError: when no series has two different times.
    """
    faults = Faults()
    _, codes = grid.check_ids(frame["unique_id"], faults)
    times_us, _ = grid.check_times(frame["ds"], faults, assume_utc=assume_utc)
    faults.stop()
    order = np.lexsort((times_us, codes))
    gaps = np.diff(times_us[order])[np.diff(codes[order]) == 0]
    gaps = gaps[gaps > 0]
    if not gaps.size:
        faults.add(
            "no series with two different times", "two rows or more in a series", "give the step itself"
        )
        faults.stop()
    steps, counts = np.unique(gaps, return_counts=True)
    return pd.Timedelta(int(steps[counts.argmax()]), unit="us")


def level_column(level: float) -> str:
    """Name of the column of a quantile level: 0.99 → `q0.99`."""
    return f"q{level:g}"


def check_levels(levels: Sequence[float]) -> FloatArray:
    """The levels as an array, in the order asked for; refuses none, doubles and those outside (0, 1)."""
    faults = Faults()
    if not len(levels):
        faults.add("no quantile levels", "at least one", "ask for 0.5, 0.9 …")
    for level in levels:
        if not 0 < level < 1:
            faults.add(
                f"quantile level {level}", "a number above 0 and below 1", "write the 99th percentile as 0.99"
            )
    names = [level_column(level) for level in levels]
    for level, name in zip(levels, names, strict=True):
        if 0 < level < 1 and name == "q1":  # a column that says the largest there can be
            faults.add(f"quantile level {level}", "at most 0.999999", "ask for one less extreme")
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(f"two quantile levels named {name}", "different levels", "ask for each once")
    faults.stop()
    return np.asarray(levels, dtype=np.float64)


def quantile_frame(
    panel: Panel, quantiles: FloatArray, levels: Sequence[float], model: str | npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Lay (series, step, level) quantiles out as the output frame; `model` is one name or one per series."""
    horizon_steps = quantiles.shape[1]
    names = np.broadcast_to(np.asarray(model, dtype=object), (len(panel),))
    head = {
        "unique_id": panel.ids.repeat(horizon_steps),
        "ds": panel.horizon(horizon_steps),
        "model": pd.array(names.repeat(horizon_steps), dtype="str"),
    }
    return pd.DataFrame(head | {level_column(p): quantiles[:, :, i].ravel() for i, p in enumerate(levels)})


def check_quantiles(
    frame: pd.DataFrame, levels: Sequence[float], *, non_negative: bool = True, cap: pd.Series | None = None
) -> pd.DataFrame:
    """Hold a forecast against the output contract and return it unchanged.

    Args:
        frame: `unique_id, ds, model` and a column per level.
        levels: the levels asked for.
        non_negative: also refuse negative quantiles.
        cap: largest allowed value, by unique_id.

    Raises:
        FrameError: a column is missing, a quantile is missing, not finite, negative or above the cap,
            quantiles cross, or a (unique_id, ds, model) stands twice.
    """
    faults = Faults()
    order = sorted(check_levels(levels).tolist())
    wanted = ["unique_id", "ds", "model", *map(level_column, order)]
    for name in [name for name in wanted if name not in frame.columns]:
        faults.add(
            f"no column {name}", "unique_id, ds, model and a column per level", "forecast again", column=name
        )
    faults.stop()
    q = frame[wanted[3:]].to_numpy(dtype=np.float64)
    finite = np.isfinite(q).all(axis=1)
    faults.rows(~finite, "a missing or infinite quantile", "finite numbers", "report the series that made it")
    faults.rows(
        finite & (np.diff(q, axis=1) < 0).any(axis=1),
        "quantiles that cross",
        "q rising with its level",
        "sort",
    )
    if non_negative:
        faults.rows(finite & (q < 0).any(axis=1), "a negative quantile", "0 or more", "cut at 0")
    if cap is not None:
        limit = frame["unique_id"].map(cap).to_numpy(dtype=np.float64)
        faults.rows(
            finite & (q[:, -1] > limit), "a quantile above its cap", "at most the cap", "cut at the cap"
        )
    twice = frame.duplicated(["unique_id", "ds", "model"]).to_numpy()
    faults.rows(twice, "a second row for one series, time and model", "one", "drop it")
    faults.stop()
    return frame


def to_long(frame: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """One row per quantile: `unique_id, ds, model, quantile, value`; ordered by row, then level."""
    names = [level_column(level) for level in check_levels(levels)]
    head = frame[["unique_id", "ds", "model"]]
    long = head.loc[head.index.repeat(len(names))].reset_index(drop=True)
    return long.assign(quantile=np.tile(levels, len(frame)), value=frame[names].to_numpy(np.float64).ravel())


def from_long(long: pd.DataFrame) -> pd.DataFrame:
    """The inverse of `to_long`: one row per (unique_id, ds, model), a column per quantile, rising; sorted.

    Raises:
        FrameError: a column is missing, or a quantile stands twice.
    """
    faults = Faults()
    for name in [name for name in LONG_COLUMNS if name not in long.columns]:
        faults.add(f"no column {name}", f"columns {', '.join(LONG_COLUMNS)}", "add it", column=name)
    faults.stop()
    twice = long.duplicated(list(LONG_COLUMNS[:4])).to_numpy()
    faults.rows(twice, "a second value for one series, time, model and quantile", "one", "drop it")
    faults.stop()
    wide = long.set_index(list(LONG_COLUMNS[:4]))["value"].unstack("quantile")  # noqa: PD010 - keys are unique
    wide.columns = pd.Index([level_column(float(level)) for level in wide.columns.to_numpy()])
    return wide.reset_index()
