"""Lasting changes of level: what was before says little about what comes, so it is taken out.

A migration doubles a service's traffic overnight; a forecaster that remembers weeks would buy for the mean of
both worlds. The series is looked at season by season (its means). A shift is believed when the seasons after
a split differ from those before by far more than seasons differ among themselves, in ratio too, and it has
lasted a few seasons. Of such splits the clearest counts. History before it is masked, and with less history
left the series falls to a lower rung of the ladder, as it should.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.forecaster import season_steps
from models.frames import FloatArray, Panel
from models.samples import quantiles

BoolArray = npt.NDArray[np.bool_]

LASTED_SEASONS = 3  # a shift younger than this may be an episode
KNOWN_SEASONS = 5  # before it: fewer do not tell how much seasons differ
COMPARED_SEASONS = 7  # before it: older ones may be yet another world
MEMORY_SEASONS = 28
LEAST_RATIO = 1.6
LEAST_DISTANCE = 6.0  # in usual differences between seasons (1.4826 × median absolute deviation)
LEAST_GAP = 0.25  # of the change: how far apart all seasons of the two sides are
LEAST_SPREAD = 0.05  # of the level: seasons are never taken to differ by less


def before_shift(panel: Panel) -> BoolArray:
    """(series, step) True before the latest lasting change of level."""
    period = season_steps(panel.freq)
    means = season_means(panel, period)
    found = np.zeros(len(panel), dtype=np.int64)  # seasons since the shift; 0 for none
    farthest = np.zeros(len(panel))
    for lasted in range(LASTED_SEASONS, means.shape[1] - KNOWN_SEASONS + 1):
        distance = _distance(means[:, : means.shape[1] - lasted], means[:, means.shape[1] - lasted :])
        found = np.where(distance > farthest, lasted, found)
        farthest = np.maximum(distance, farthest)
    steps = np.where(found > 0, found * period, panel.steps)
    return np.asarray(np.arange(panel.steps) < (panel.steps - steps)[:, None])


def season_means(panel: Panel, period: int) -> FloatArray:
    """(series, season) mean of each of the last whole seasons, oldest first; NaN where half is unknown."""
    seasons = min(panel.steps // period, MEMORY_SEASONS) if period else 0
    values = panel.y[:, panel.steps - seasons * period :].reshape(len(panel), seasons, period)
    finite = np.isfinite(values)
    count = finite.sum(axis=2)
    mean = np.where(finite, values, 0.0).sum(axis=2) / np.maximum(count, 1)
    return np.where(2 * count >= period, mean, np.nan)


def _distance(means: FloatArray, after: FloatArray) -> FloatArray:
    """(series) how far seasons after a split are from those before, in usual differences; 0 for no shift."""
    before = means[:, -COMPARED_SEASONS:]
    enough = (np.isfinite(before).sum(axis=1) >= KNOWN_SEASONS) & (
        np.isfinite(after).sum(axis=1) >= LASTED_SEASONS
    )
    old, new = (quantiles(part, [0.0, 0.5, 1.0]) for part in (before, after))
    step = LEAST_GAP * np.abs(new[:, 1] - old[:, 1])
    apart = (new[:, 0] - old[:, 2] > step) | (old[:, 0] - new[:, 2] > step)  # no season is where it was
    high, low = np.maximum(old[:, 1], new[:, 1]), np.minimum(old[:, 1], new[:, 1])
    spread = np.maximum(_deviation(before, old[:, 1]), _deviation(after, new[:, 1]))
    spread = np.maximum(spread, LEAST_SPREAD * np.abs(high))
    distance = (high - low) / np.where(spread > 0, spread, 1.0)
    is_shift = enough & apart & (distance > LEAST_DISTANCE) & (high > LEAST_RATIO * np.maximum(low, 0.0))
    return np.where(is_shift & (high > 0), distance, 0.0)


def _deviation(means: FloatArray, middle: FloatArray) -> FloatArray:
    """(series) scaled median absolute deviation."""
    return np.asarray(1.4826 * quantiles(np.abs(means - middle[:, None]), [0.5])[:, 0])
