"""A series without a season of its own: what people expect of it, in the shape of a series they name.

Quantiles are those of the named series relative to its mean, slot by slot; without one those of all series
with history, without slots; without any, assumed ones. The upper half is taken half as far out again while
nothing was seen, since nobody's estimate of a launch is a forecast. As the first season fills, what was
observed takes over step by step.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from models.forecaster import season_steps
from models.frames import FloatArray, Panel
from models.known import Launch
from models.samples import mean, quantiles
from models.seasonal import SameSlot

NAME = "expected"
MEMORY_SEASONS = 7
CAUTION = 1.5  # of the upper quantiles' distance from zero while nothing was seen
ASSUMED_SPREAD = 0.5  # standard deviation of the logarithm, where no series shows any


def blended(made: FloatArray, panel: Panel, row: int, launch: Launch, levels: FloatArray) -> FloatArray:
    """(step, level) the expectation, and the more of `made` the more of a first season was observed."""
    share = min(int(panel.observed()[row]) / season_steps(panel.freq), 1.0)
    expected = launch.mean * _relative(panel, row, launch, len(made), levels)
    expected = expected * np.where(levels > 0.5, 1 + (CAUTION - 1) * (1 - share), 1.0)
    return expected if share == 0 else share * made + (1 - share) * expected


def _relative(panel: Panel, row: int, launch: Launch, horizon_steps: int, levels: FloatArray) -> FloatArray:
    """(step, level) quantiles in means of the series."""
    period = season_steps(panel.freq)
    recent = panel.y[:, max(panel.steps - MEMORY_SEASONS * period, 0) :]
    known = np.isfinite(recent)
    average = mean(recent)
    usable = (known.sum(axis=1) >= period) & (average > 0)
    usable[row] = False
    like = np.flatnonzero(usable & (panel.ids.astype(str) == launch.like))
    if like.size and panel.end[like[0]] == panel.end[row]:
        return np.asarray(SameSlot().quantiles(panel.take(like), horizon_steps, levels)[0] / average[like[0]])
    if usable.any():
        pool = (recent[usable] / average[usable, None]).reshape(1, -1)
        return np.repeat(quantiles(pool, levels), horizon_steps, axis=0)
    assumed = np.exp([ASSUMED_SPREAD * NormalDist().inv_cdf(level) for level in levels])
    return np.repeat(assumed[None], horizon_steps, axis=0)
