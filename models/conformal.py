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

from models.forecaster import Forecaster, now, season_steps
from models.frames import FloatArray, Panel
from models.grid import IntArray
from models.samples import gather

SHRINKAGE = 4.0
THIRDS = 3
MEMORY_SEASONS = 14
FLOOR_SHARE = 0.2  # of the mean size: least scale of a series that repeats itself
QUIET_SHARE = 0.1  # of the mean size over all history: least mean size of a series that has just gone quiet


@dataclass(frozen=True)
class Conformal(Forecaster):
    """A forecaster whose levels are calibrated on its own past.

    Attributes:
        inner: the forecaster.
        min_origins: with fewer replays than this the quantiles stay as they are.
        max_origins: most replays.
        max_move: most that a quantile is moved, in scales of the series.
        gives_spread: the inner forecaster gives one value at every level. All levels are moved, also those
            under 0.5, and where the past is too short the answer is NaN: a value without its spread is no
            quantile.
    """

    inner: Forecaster
    min_origins: int = 4
    max_origins: int = 40
    max_move: float = 5.0
    gives_spread: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """The inner name and what was done to it."""
        return f"{self.inner.name}+conformal"

    def origins(self, panel: Panel, horizon_steps: int) -> IntArray:
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
        return now(self, panel, horizon_steps, levels)

    def replay(self, panel: Panel, backs: IntArray, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(origin, series, step, level); each origin is calibrated on those before it."""
        past = self.origins(panel, horizon_steps)
        every = np.union1d(backs, past)
        made = self.inner.replay(panel, every, horizon_steps, levels)
        moved = np.flatnonzero(levels > 0 if self.gives_spread else levels >= 0.5)
        scored = made[..., :1] if self.gives_spread else made[..., moved]  # one value needs scoring once
        errors = Errors.of(panel, every, scored)
        results = []
        for back in backs:
            raw = made[np.searchsorted(every, back)].copy()
            moves = self._moves(errors, int(back), horizon_steps, levels[moved])
            if moves is not None:
                raw[..., moved] += moves
            elif self.gives_spread:
                raw[:] = np.nan
            results.append(np.sort(raw, axis=-1))
        return np.stack(results)

    def _moves(self, errors: Errors, back: int, horizon_steps: int, levels: FloatArray) -> FloatArray | None:
        """(series, step, level) what to add at an origin; None where too little of its past is scored."""
        earlier = errors.backs >= back + -(-horizon_steps // THIRDS)
        if earlier.sum() < self.min_origins or not levels.size:
            return None
        series = errors.scores.shape[1]
        found = np.zeros((series, horizon_steps, levels.size))
        moves = np.zeros((series, levels.size))
        for third in np.array_split(np.arange(horizon_steps), THIRDS):
            known = errors.backs > back + third.max(initial=0)
            if known.any() and third.size:  # else too little history here: keep the moves of the part before
                scores = errors.scores[known][:, :, third].swapaxes(0, 1)
                part = scores.reshape(series, -1, scores.shape[-1])
                moves = np.clip(shrunk_quantiles(part, levels), -self.max_move, self.max_move)
            found[:, third] = moves[:, None, :]
        return np.asarray(found * errors.scale_at(back)[:, None, None])


@dataclass(frozen=True, eq=False)
class Errors:
    """How far off past forecasts were.

    Attributes:
        backs: (origin) steps before the end, rising.
        scores: (origin, series, step, level) (actual − quantile) / scale; NaN where nothing was observed, or
            the series had not been observed for a season.
        scales: (origin, series) usual change from season to season as known at the origin.
    """

    backs: IntArray
    scores: FloatArray
    scales: FloatArray

    @classmethod
    def of(cls, panel: Panel, backs: IntArray, made: FloatArray) -> Errors:
        """Score (origin, series, step, level) forecasts against what the panel holds."""
        scores, scales = np.full(made.shape, np.nan), np.full(made.shape[:2], np.nan)
        for place, back in enumerate(backs):
            past = panel.before(int(back))
            scales[place] = series_scale(past)
            usable = (scales[place] > 0) & (past.observed() >= season_steps(panel.freq))
            scale = np.where(usable, scales[place], np.nan)
            actual = gather(panel.y, past.steps + np.arange(made.shape[2]))
            scores[place] = (actual[:, :, None] - made[place]) / scale[:, None, None]
        return cls(backs, scores, scales)

    def scale_at(self, back: int) -> FloatArray:
        """(series) scale at an origin."""
        return np.asarray(self.scales[int(np.searchsorted(self.backs, back))])


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

    Scores with one level only serve all levels. A series without scores gets the pool's; without any score at
    all the answer is 0.
    """
    count = np.isfinite(scores[:, :, 0]).sum(axis=1)
    if not count.any():
        return np.zeros((len(scores), levels.size))
    weight = count[:, None] * (1 - levels) / (count[:, None] * (1 - levels) + SHRINKAGE)
    if scores.shape[2] == 1:
        own, pool = (f(scores[:, :, 0], levels) for f in (conformal_quantiles, pooled_quantiles))
    else:
        each = [(scores[:, :, i], levels[[i]]) for i in range(levels.size)]
        own = np.concatenate([conformal_quantiles(one, level) for one, level in each], axis=-1)
        pool = np.concatenate([pooled_quantiles(one, level) for one, level in each])
    return np.where(count[:, None] > 0, weight * own + (1 - weight) * pool, pool)


def conformal_quantiles(scores: FloatArray, levels: FloatArray) -> FloatArray:
    """(…, level) the ⌈(n + 1) level⌉-th smallest of n finite scores along the last axis, at most the largest.

    NaN where there is no score.
    """
    if scores.shape[-1] == 0:
        return np.full((*scores.shape[:-1], levels.size), np.nan)
    ordered = np.sort(scores, axis=-1)
    count = np.isfinite(scores).sum(axis=-1, keepdims=True)
    return np.asarray(np.take_along_axis(ordered, _places(count, levels), -1))


def pooled_quantiles(scores: FloatArray, levels: FloatArray) -> FloatArray:
    """(level) the same of all scores together, without sorting what lies between."""
    pool = scores[np.isfinite(scores)]
    if not pool.size:
        return np.full(levels.size, np.nan)
    places = _places(np.array([pool.size]), levels)
    return np.asarray(np.partition(pool, places)[places])


def _places(count: IntArray, levels: FloatArray) -> IntArray:
    """(…, level) position of the quantiles among so many ordered scores."""
    # The tolerance keeps 0.9 × 10 at the 9th score although 0.9 is not exactly representable.
    ranks = np.ceil((count + 1) * levels - 1e-9).astype(np.int64)
    return np.asarray(np.clip(ranks, 1, np.maximum(count, 1)) - 1)
