"""Forecasters that learn nothing: the last season, the last window, the same slot, the last moment.

Bad point forecasters can be good tail members: measured on LLM traffic, ranking by MASE and ranking by the
cost of the capacity plan differ (see `models.metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.forecaster import DAY, WEEK, Forecaster, lag_steps, season, season_steps, seasons_ahead
from models.frames import FloatArray, Panel
from models.samples import gather, quantiles

MEMORY_SEASONS = 28  # changes and slots older than this say little about tomorrow
HALF_HOUR = pd.Timedelta(30, unit="min")
CHUNK_CELLS = 4_000_000  # samples sorted at a time: 32 MB


def _recent(values: FloatArray, steps: int) -> FloatArray:
    """The last columns; for a series without any observation there, its whole history."""
    window = values[:, max(values.shape[1] - steps, 0) :]
    empty = np.isfinite(window).sum(axis=1) == 0
    if not empty.any():
        return window
    return np.where(empty[:, None], values, np.pad(window, _left(values, window), constant_values=np.nan))


def _left(values: FloatArray, window: FloatArray) -> tuple[tuple[int, int], tuple[int, int]]:
    return (0, 0), (values.shape[1] - window.shape[1], 0)


@dataclass(frozen=True)
class LastWindow(Forecaster):
    """Empirical quantiles of the last season, whatever the slot: what a moving-window autoscaler knows.

    A series silent through the whole window (a long gap) is given the quantiles of all its history.
    """

    seasons: float = 1.0
    name: str = "last_window"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The same quantiles at every step."""
        steps = max(round(self.seasons * season_steps(panel.freq)), 1)
        window = quantiles(_recent(panel.y, steps), levels)
        return np.repeat(window[:, None, :], horizon_steps, axis=1)


@dataclass(frozen=True)
class SameSlot(Forecaster):
    """Empirical quantiles of the same slot of the season over the past, neighbouring slots included.

    Attributes:
        reach: how far from the slot a neighbour may be; at least one step.
        neighbours: at most so many on either side; evenly spread when the step is short.
    """

    reach: pd.Timedelta = HALF_HOUR
    neighbours: int = 3
    name: str = "same_slot"

    def offsets(self, freq: pd.Timedelta) -> npt.NDArray[np.int64]:
        """(neighbour) distances in steps, the slot itself among them."""
        width = max(int(self.reach // freq), 1) if season(freq) > freq else 0
        side = np.unique(np.rint(np.linspace(0, width, min(width, self.neighbours) + 1)).astype(np.int64))
        return np.unique(np.concatenate([-side, side]))

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """What the slot held before, today's neighbours included."""
        length, freq = season(panel.freq), panel.freq
        ahead = seasons_ahead(horizon_steps, length, freq)
        slot = np.arange(1, horizon_steps + 1) - lag_steps(ahead - 1, length, freq)  # 1 = the next step
        depth = min(-(-panel.steps // season_steps(freq)), MEMORY_SEASONS) + 2
        back = lag_steps(np.arange(depth), length, freq)
        shifts = (self.offsets(freq)[None, :] - back[:, None]).ravel()
        distinct, position = np.unique(slot, return_inverse=True)
        columns = panel.steps - 1 + distinct[:, None] + shifts[None, :]
        chunk = max(CHUNK_CELLS // max(columns.size, 1), 1)
        parts = [
            quantiles(gather(panel.y[i : i + chunk], columns), levels) for i in range(0, len(panel), chunk)
        ]
        found = np.concatenate(parts)[:, position]
        return np.where(np.isfinite(found), found, LastWindow().quantiles(panel, horizon_steps, levels))


@dataclass(frozen=True)
class SeasonalNaive(Forecaster):
    """The last season again, spread by how wrong that was before.

    The season is the day; the week for series of two weeks and more. A gap in the last season is filled
    from the season before it, up to four back. Quantiles are those of past seasonal differences over the
    same distance.
    """

    name: str = "seasonal_naive"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """Each series by the day or by the week."""
        daily = self._with_season(panel, season(panel.freq), horizon_steps, levels)
        long = (panel.end - panel.start + panel.freq) >= 2 * WEEK
        if season(panel.freq) != DAY or not long.any():
            return daily
        weekly = daily.copy()
        weekly[long] = self._with_season(panel.take(long), WEEK, horizon_steps, levels)
        return weekly

    def _with_season(
        self, panel: Panel, length: pd.Timedelta, horizon_steps: int, levels: FloatArray
    ) -> FloatArray:
        ahead = seasons_ahead(horizon_steps, length, panel.freq)
        back = lag_steps(ahead[:, None] + np.arange(4), length, panel.freq)
        columns = panel.steps - 1 + np.arange(1, horizon_steps + 1)[:, None] - back
        base = _first_finite(gather(panel.y, columns))
        fallback = LastWindow().quantiles(panel, horizon_steps, levels)
        spread = np.zeros((len(panel), horizon_steps, levels.size))
        for seasons in np.unique(ahead):
            lag = int(lag_steps(np.array([seasons]), length, panel.freq)[0])
            spread[:, ahead == seasons] = _change_quantiles(panel, lag, levels)[:, None, :]
        found = base[:, :, None] + spread
        return np.where(np.isfinite(found), found, fallback)


@dataclass(frozen=True)
class Persistence(Forecaster):
    """The last observation, spread by how much the series used to change over the same time.

    Spreads are taken at a few distances and interpolated; a gap before the end counts as further distance.
    """

    knots: int = 8
    name: str = "persistence"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The last value, wherever it is, and changes over the distance from it."""
        fallback = LastWindow().quantiles(panel, horizon_steps, levels)
        if not panel.steps:
            return fallback
        silent = np.isfinite(panel.y)[:, ::-1].argmax(axis=1)  # steps since the last value
        last = panel.y[np.arange(len(panel)), panel.steps - 1 - silent]
        silent = np.minimum(silent, season_steps(panel.freq))
        farthest = horizon_steps + int(silent.max(initial=0))
        knots = np.unique(np.rint(np.geomspace(1, max(farthest, 2), self.knots)).astype(np.int64))
        changes = np.stack([_change_quantiles(panel, int(lag), levels) for lag in knots], axis=1)
        distance = silent[:, None] + np.arange(1, horizon_steps + 1)
        found = last[:, None, None] + _interpolate(changes, knots, distance)
        return np.where(np.isfinite(found), found, fallback)


def _first_finite(candidates: FloatArray) -> FloatArray:
    """The first finite value along the last axis, NaN if there is none."""
    place = np.isfinite(candidates).argmax(axis=-1)
    return np.asarray(np.take_along_axis(candidates, place[..., None], -1)[..., 0])


def _change_quantiles(panel: Panel, lag: int, levels: FloatArray) -> FloatArray:
    """(series, level) quantiles of past changes over `lag` steps; 0 where none was seen."""
    memory = max(MEMORY_SEASONS * season_steps(panel.freq), 2 * lag)
    values = panel.y[:, max(panel.steps - memory - lag, 0) :]
    if values.shape[1] <= lag:
        return np.zeros((len(panel), levels.size))
    found = quantiles(values[:, lag:] - values[:, :-lag], levels)
    return np.where(np.isfinite(found), found, 0.0)


def _interpolate(
    changes: FloatArray, knots: npt.NDArray[np.int64], distance: npt.NDArray[np.int64]
) -> FloatArray:
    """(series, step, level) values between those of (series, knot, level), at (series, step) distances."""
    right = np.clip(np.searchsorted(knots, distance), 1, max(knots.size - 1, 1))
    if knots.size == 1:
        return np.broadcast_to(changes, (*distance.shape, changes.shape[-1]))
    weight = (distance - knots[right - 1]) / (knots[right] - knots[right - 1])
    rows = np.arange(changes.shape[0])[:, None]
    low, high = changes[rows, right - 1], changes[rows, right]
    return np.asarray(low + (high - low) * np.clip(weight, 0.0, 1.0)[..., None])
