"""A forecaster of hours for series in shorter steps: what it learns is the hour's mean.

A day ahead at ten minutes is 144 steps, of which a learner sees the same curve six times over. The mean of
the hour carries the shape of the day and the week; how far single steps lie around it is for whoever
calibrates the answer to find out, on steps of the original length (`models.conformal`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.forecaster import Forecaster, now
from models.frames import FloatArray, Panel
from models.grid import IntArray

HOUR = pd.Timedelta(1, unit="h")


def divides(freq: pd.Timedelta, length: pd.Timedelta = HOUR) -> bool:
    """Whether steps of `freq` fill `length` without rest, more than one of them."""
    return freq < length and length % freq == pd.Timedelta(0)


@dataclass(frozen=True)
class Coarse(Forecaster):
    """What `inner` says of means over `length`, read off between the middles of its steps.

    Attributes:
        inner: the forecaster of longer steps.
        length: of its steps; the panel's own steps must divide it.
    """

    inner: Forecaster
    length: pd.Timedelta = HOUR

    @property
    def name(self) -> str:  # type: ignore[override]
        """The inner name and the length it sees."""
        return f"{self.inner.name} of hours"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The inner quantiles, between the middles of the longer steps in a straight line."""
        return now(self, panel, horizon_steps, levels)

    def replay(self, panel: Panel, backs: IntArray, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(origin, series, step, level); origins that are whole lengths apart share their means."""
        per = round(self.length / panel.freq)
        found = np.full((backs.size, len(panel), horizon_steps, levels.size), np.nan)
        for rest in np.unique(backs % per):
            mine = np.flatnonzero(backs % per == rest)
            longer = averaged(panel.before(int(rest)), per)
            made = self.inner.replay(longer, (backs[mine] - rest) // per, -(-horizon_steps // per), levels)
            found[mine] = between_middles(made, per, horizon_steps)
        return found


def averaged(panel: Panel, per: int) -> Panel:
    """Means over `per` steps each, counted from the end; NaN where less than a quarter was observed."""
    missing = -panel.steps % per
    padded = np.pad(panel.y, ((0, 0), (missing, 0)), constant_values=np.nan)
    blocks = padded.reshape(len(panel), -1, per)
    finite = np.isfinite(blocks)
    count = finite.sum(axis=2)
    mean = np.where(finite, blocks, 0.0).sum(axis=2) / np.maximum(count, 1)
    freq = per * panel.freq
    end = panel.end - (per - 1) * panel.freq
    start = end - (((panel.end - panel.start) // panel.freq) // per) * freq
    return Panel(panel.ids, np.where(4 * count >= per, mean, np.nan), start, end, freq)


def between_middles(made: FloatArray, per: int, horizon_steps: int) -> FloatArray:
    """(…, step, level) of short steps from (…, long step, level); flat outside the outermost middles."""
    at = (np.arange(horizon_steps) - (per - 1) / 2) / per
    at = np.clip(at, 0, made.shape[-2] - 1)
    left = np.floor(at).astype(np.int64)
    right = np.minimum(left + 1, made.shape[-2] - 1)
    weight = (at - left)[:, None]
    return np.asarray((1 - weight) * made[..., left, :] + weight * made[..., right, :])
