"""Local wall time: demand follows the clock on the wall, grids are in UTC.

Twice a year the two move against each other. A panel is therefore laid on its zone's wall clock before any
model sees it, so that a slot is the same hour of the day throughout: the hour that a spring skips is a gap,
the hour that an autumn repeats is the mean of the two. Forecasts are read back at the wall time of each UTC
step. Steps of a day and more, and zones without a change in sight, are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models import grid
from models.forecaster import DAY
from models.frames import FloatArray, Panel
from models.grid import IntArray


@dataclass(frozen=True, eq=False)
class Wall:
    """Series of one zone and one end, on the wall clock.

    Attributes:
        rows: (series) their places in the panel they came from.
        panel: the series; `end` is wall time, as if it were UTC.
        steps: (step) which step of the wall panel's horizon each UTC step ahead is; not before the first.
    """

    rows: IntArray
    panel: Panel
    steps: IntArray

    @property
    def horizon_steps(self) -> int:
        """Steps to forecast on the wall clock."""
        return int(self.steps.max())

    def in_utc(self, quantiles: FloatArray) -> FloatArray:
        """(series, step, level) of the wall clock as those of the UTC steps."""
        return quantiles[:, self.steps - 1]


def walls(panel: Panel, zones: list[str], horizon_steps: int) -> Iterator[Wall]:
    """Split a panel by zone (an IANA name per series) and end, and put each part on its wall clock."""
    ends = grid.to_us(panel.end)
    keys = pd.MultiIndex.from_arrays([zones, ends])
    codes, uniques = pd.factorize(keys)
    for code, (zone, _) in enumerate(uniques):
        rows = np.flatnonzero(codes == code)
        yield _wall(rows, panel.take(rows), str(zone), horizon_steps)


def _wall(rows: IntArray, panel: Panel, zone: str, horizon_steps: int) -> Wall:
    step = grid.freq_us(panel.freq)
    times = grid.to_us(panel.end)[0] + step * np.arange(1 - panel.steps, horizon_steps + 1)
    offsets = _offsets(times, zone)
    now = offsets[panel.steps - 1]
    shifts = (offsets - now) // step  # a change shorter than a step moves nothing
    own = shifts if panel.freq < DAY else np.zeros_like(shifts)
    ahead = np.arange(1, horizon_steps + 1) + own[panel.steps :]
    local = replace(
        panel,
        start=grid.from_us(grid.to_us(panel.start) + now),
        end=grid.from_us(grid.to_us(panel.end) + now),
    )
    return Wall(rows, _laid(local, own[: panel.steps]), np.maximum(ahead, 1))


def _offsets(times_us: IntArray, zone: str) -> IntArray:
    """(time) what local time is ahead of UTC, in microseconds."""
    stamps = grid.from_us(times_us)
    local = stamps.tz_convert(ZoneInfo(zone)).tz_localize(None)
    return np.asarray(local.as_unit("us").asi8 - times_us, dtype=np.int64)


def _laid(panel: Panel, shifts: IntArray) -> Panel:
    """The panel with each column moved by so many steps; columns that meet are averaged."""
    if not shifts.any():
        return panel
    places = np.arange(panel.steps) + shifts
    first = int(places.min())
    width = panel.steps - min(first, 0)
    places = places - min(first, 0)
    kept = places < width  # the repeated hour at the very end has no later column to go to
    total, count = np.zeros((width, len(panel))), np.zeros((width, len(panel)))
    finite = np.isfinite(panel.y)
    np.add.at(total, places[kept], np.where(finite, panel.y, 0.0).T[kept])
    np.add.at(count, places[kept], finite.T[kept])
    values = np.where(count > 0, total / np.maximum(count, 1.0), np.nan).T
    return replace(panel, y=values)
