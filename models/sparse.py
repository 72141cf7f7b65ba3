"""Series that are nearly always zero, such as single clients: forecast together, shared out.

A series with a value now and then has nothing to learn from by itself, the sum of all of them has. So the sum
is forecast, and each series gets the share of it that it has had: its mean share of the median, the quantile
of its past shares for the others (top-down by historical proportions, Gross and Sohl 1990). Measured 24 h
ahead on 25 ServeGen clients with over nine zeros in ten, with the calibrated window beside it: a plan 5 %
cheaper than that of the rung for others, which has to learn; with fewer zeros it is dearer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import grid
from models.forecaster import Forecaster, season_steps
from models.frames import FloatArray, Panel
from models.samples import mean, quantiles

SHARE_SEASONS = 7
SPARSE = 0.9  # zeros in the memory from which on a series counts as one of these
MEMORY_SEASONS = 14


def is_sparse(panel: Panel) -> npt.NDArray[np.bool_]:
    """(series) whether more than nine of ten of the last observations are zero, not all, and none below."""
    memory = panel.y[:, max(panel.steps - MEMORY_SEASONS * season_steps(panel.freq), 0) :]
    count = np.isfinite(memory).sum(axis=1)
    zeros = (memory == 0).sum(axis=1)
    return np.asarray((zeros > SPARSE * count) & (zeros < count) & ~(memory < 0).any(axis=1))


@dataclass(frozen=True)
class PoolShare(Forecaster):
    """Shares of the pool's median: of all series of the panel that end at the same time.

    Attributes:
        inner: forecasts the pool.
    """

    inner: Forecaster

    @property
    def name(self) -> str:  # type: ignore[override]
        """The inner name and that it is shared out."""
        return f"share of {self.inner.name}"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(series, step, level) pool median × quantile of past shares; by the mean share at 0.5."""
        found = np.full((len(panel), horizon_steps, levels.size), np.nan)
        ends = grid.to_us(panel.end)
        for end in np.unique(ends):
            rows = np.flatnonzero(ends == end)
            found[rows] = self._shared(panel.take(rows), horizon_steps, levels)
        return found

    def _shared(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        known = np.isfinite(panel.y)
        total = np.where(known.any(axis=0), np.where(known, panel.y, 0.0).sum(axis=0), np.nan)
        first = int(grid.to_us(panel.start).argmin())
        pool = Panel(pd.Index(["pool"]), total[None], panel.start[[first]], panel.end[[first]], panel.freq)
        median = self.inner.quantiles(pool, horizon_steps, np.array([0.5]))[0, :, 0]
        recent = slice(max(panel.steps - SHARE_SEASONS * season_steps(panel.freq), 0), None)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(total > 0, panel.y / total, np.nan)[:, recent]
        of_level = quantiles(shares, levels)
        average = mean(shares)
        of_level = np.where(levels == 0.5, average[:, None], of_level)
        made = median[None, :, None] * of_level[:, None, :]
        # Without a share in the memory it has had nothing of the pool; one never observed stays missing.
        empty = np.where(known.any(axis=1), 0.0, np.nan)[:, None, None]
        return np.sort(np.where(np.isfinite(made), made, empty), axis=-1)
