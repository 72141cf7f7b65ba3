"""Upper quantiles that hold: past forecasts are replayed, and the quantile is moved by how far off they were.

Split conformal prediction (Vovk et al. 2005; conformalised quantile regression, Romano et al. 2019) made
safe for few, overlapping and heavy-tailed scores:

- An origin's forecast uses only what was known then; a score counts only when its whole part of the horizon
  had been observed.
- A score is (actual − quantile) / scale, the scale being the usual change from season to season and never
  near zero. Dividing by the predicted spread instead explodes where that spread is small.
- A series' own quantile of n scores at level τ is shrunk to the pool of all series with weight
  n(1 − τ) / (n(1 − τ) + 4): below some hundred scores, a series' own 0.99 means little.
- The move is additive and capped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.forecaster import Forecaster, season_steps
from models.frames import FloatArray, Panel
from models.samples import gather

SHRINKAGE = 4.0
THIRDS = 3
MEMORY_SEASONS = 14
FLOOR_SHARE = 0.2  # of the mean size: least scale of a series that repeats itself
QUIET_SHARE = 0.1  # of the mean size over all history: least mean size of a series that has just gone quiet


@dataclass(frozen=True)
class Conformal(Forecaster):
    """A forecaster whose levels from 0.5 up are calibrated on its own past.

    Attributes:
        inner: the forecaster.
        min_origins: with fewer replays than this the quantiles stay as they are.
        max_origins: most replays.
        max_move: most that a quantile is moved, in scales of the series.
    """

    inner: Forecaster
    min_origins: int = 4
    max_origins: int = 40
    max_move: float = 5.0

    @property
    def name(self) -> str:  # type: ignore[override]
        """The inner name and what was done to it."""
        return f"{self.inner.name}+conformal"

    def origins(self, panel: Panel, horizon_steps: int) -> npt.NDArray[np.int64]:
        """Steps back from the end at which the past is replayed, nearest first; none if too few.

        A third of a season apart, so that they fall on different times of day. The nearest ones only: what a
        series' neighbours have of older history does not change its own origins.
        """
        period = season_steps(panel.freq)
        nearest = -(-horizon_steps // THIRDS)
        longest = int(panel.observed().max(initial=0))
        room = min(panel.steps, longest) - 2 * period - nearest
        if room < 0:
            return np.zeros(0, dtype=np.int64)
        stride = -(-period // 3)
        found = nearest + stride * np.arange(min(room // stride + 1, self.max_origins))
        return found if found.size >= self.min_origins else np.zeros(0, dtype=np.int64)

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The inner quantiles, moved by the shrunk quantile of their past errors, third by third."""
        raw = self.inner.quantiles(panel, horizon_steps, levels)
        upper = levels >= 0.5
        origins = self.origins(panel, horizon_steps)
        if not origins.size or not upper.any():
            return raw
        scores = np.stack(
            [self._scores(panel, int(b), horizon_steps, levels[upper]) for b in origins], axis=1
        )
        scale = series_scale(panel)
        moves = np.zeros((len(panel), int(upper.sum())))
        for third in np.array_split(np.arange(horizon_steps), THIRDS):
            known = origins > third.max(initial=0)
            if (
                known.any() and third.size
            ):  # else too little history for this part: keep the moves of the one before
                part = scores[:, known][:, :, third].reshape(len(panel), -1, int(upper.sum()))
                moves = (
                    np.clip(shrunk_quantiles(part, levels[upper]), -self.max_move, self.max_move)
                    * scale[:, None]
                )
            raw[:, third[:, None], np.flatnonzero(upper)] += moves[:, None, :]
        return np.asarray(np.sort(raw, axis=-1))

    def _scores(self, panel: Panel, back: int, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(series, step, level) scores of the forecast made `back` steps before the end."""
        past = panel.before(back)
        actual = gather(panel.y, past.steps + np.arange(horizon_steps))
        scale = series_scale(past)
        scale[(scale <= 0) | (past.observed() < season_steps(panel.freq))] = np.nan
        forecast = self.inner.quantiles(past, horizon_steps, levels)
        return np.asarray((actual[:, :, None] - forecast) / scale[:, None, None])


def series_scale(panel: Panel) -> FloatArray:
    """(series) mean absolute seasonal difference (as in MASE) of the last weeks, floored; 0 if never used.

    The floor is a share of the mean size of the last week, or, for a series that has just gone quiet, of all
    history. Dividing by the mean size alone would pool calm aggregates with erratic single clients:
    measured on three whole-model LLM series, that buys a tenth more capacity than needed.
    """
    period = season_steps(panel.freq)
    recent = panel.y[:, max(panel.steps - MEMORY_SEASONS * period - period, 0) :]
    change = _mean(np.abs(recent[:, period:] - recent[:, :-period]))
    size = np.abs(panel.y)
    level = np.maximum(_mean(size[:, max(panel.steps - 7 * period, 0) :]), QUIET_SHARE * _mean(size))
    return np.maximum(change, FLOOR_SHARE * level)


def _mean(values: FloatArray) -> FloatArray:
    finite = np.isfinite(values)
    return np.asarray(np.where(finite, values, 0.0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1))


def shrunk_quantiles(scores: FloatArray, levels: FloatArray) -> FloatArray:
    """(series, level) conformal quantiles of (series, score, level) scores, shrunk to the pool of all series.

    A series without scores gets the pool's; without any score at all the answer is 0.
    """
    count = np.isfinite(scores[:, :, 0]).sum(axis=1)
    weight = count[:, None] * (1 - levels) / (count[:, None] * (1 - levels) + SHRINKAGE)
    own = np.stack([conformal_quantile(scores[:, :, i], p) for i, p in enumerate(levels)], axis=-1)
    pool = np.stack([conformal_quantile(scores[:, :, i].reshape(1, -1), p)[0] for i, p in enumerate(levels)])
    if not count.any():
        return np.zeros_like(own)
    return np.where(count[:, None] > 0, weight * own + (1 - weight) * pool, pool)


def conformal_quantile(scores: FloatArray, level: float) -> FloatArray:
    """(…) the ⌈(n + 1) level⌉-th smallest of n finite scores along the last axis, at most the largest.

    NaN where there is no score.
    """
    ordered = np.sort(scores, axis=-1)
    count = np.isfinite(scores).sum(axis=-1, keepdims=True)
    # The tolerance keeps 0.9 × 10 at the 9th score although 0.9 is not exactly representable.
    place = np.clip(np.ceil((count + 1) * level - 1e-9).astype(np.int64), 1, np.maximum(count, 1)) - 1
    if scores.shape[-1] == 0:
        return np.full(scores.shape[:-1], np.nan)
    return np.asarray(np.take_along_axis(ordered, place, -1)[..., 0])
