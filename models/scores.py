"""How forecasts are scored, summed up case by case: a row per series, whatever the number of origins.

| score | what | source |
|---|---|---|
| points | steps that counted | |
| mean_demand | mean of y over them, in its unit | |
| pinball_q… | mean quantile loss per level, in the unit of y | Koenker and Bassett 1978 |
| coverage_q… | share of observations at or below the quantile; it should be the level | Gneiting 2007 |
| wql | 2 Σ pinball / Σ abs(y), mean over the levels asked for | M5 uncertainty, GluonTS |
| mase | abs error of the median over that of the seasonal naive in what was known | Hyndman, Koehler 2006 |
| plan_cost_c | (over-capacity + c × shortfall) / demand of a plan at c / (1 + c) | Arrow and others 1951 |

A history that never changes from season to season, or is no longer than one, gives MASE no scale: steps
behind it count in every score but MASE. Where no step counts, or demand was zero throughout, a score is NaN:
not known, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.forecaster import season_steps
from models.frames import FloatArray, Panel, level_column
from models.grid import IntArray
from models.metrics import coverage, mase, pinball


def cost_column(ratio: float) -> str:
    """Name of the plan cost where a unit short costs so many idle ones: 99 → `plan_cost_99`."""
    return f"plan_cost_{ratio:g}"


def level_of(cost_ratio: float) -> float:
    """The quantile that is the cheapest plan at a cost ratio: 99 → 0.99."""
    return round(cost_ratio / (1 + cost_ratio), 6)


def cost_ratio_of(level: float) -> float:
    """The inverse: what a unit short costs over one idle for whom a quantile is the cheapest plan."""
    return round(level / (1 - level), 6)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the steps of one model that counted, by series, and by level where there are two axes."""

    levels: FloatArray
    points: FloatArray
    total: FloatArray
    size: FloatArray
    loss: FloatArray
    covered: FloatArray
    scaled: FloatArray
    scaled_points: FloatArray

    @classmethod
    def of(cls, series: int, levels: FloatArray) -> Sums:
        """Nothing counted yet; the levels rise and 0.5 is among them."""
        points, total, size, scaled, scaled_points = np.zeros((5, series))
        loss, covered = np.zeros((2, series, levels.size))
        return cls(levels, points, total, size, loss, covered, scaled, scaled_points)

    def add(self, rows: IntArray, known: Panel, y: FloatArray, made: FloatArray) -> None:
        """Count one case.

        Args:
            rows: (series) places of its series here.
            known: what was known.
            y: (series, step) what came true; NaN does not count.
            made: (series, step, level) quantiles.
        """
        counts = np.isfinite(y)
        count = counts.sum(axis=1).astype(np.float64)
        self.points[rows] += count
        self.total[rows] += np.where(counts, y, 0.0).sum(axis=1)
        self.size[rows] += np.where(counts, np.abs(y), 0.0).sum(axis=1)
        for i, level in enumerate(self.levels):
            self.loss[rows, i] += weighted(pinball(y, made[:, :, i], float(level)), count)
            self.covered[rows, i] += weighted(coverage(y, made[:, :, i]), count)
        median = made[:, :, int(np.searchsorted(self.levels, 0.5))]
        scaled = mase(y, median, known.y, season_steps(known.freq))
        self.scaled[rows] += weighted(scaled, count)
        self.scaled_points[rows] += np.where(np.isfinite(scaled), count, 0.0)

    def scores(self, asked: Sequence[float], ratios: Sequence[float]) -> pd.DataFrame:
        """A row per series: the module's table, with `wql` over the levels asked for."""
        loss, held = (ratio(sums, self.points[:, None]) for sums in (self.loss, self.covered))
        mean = ratio(self.total, self.points)
        place = {float(level): i for i, level in enumerate(self.levels)}
        names = list(map(level_column, self.levels))
        columns: dict[str, FloatArray] = {"mean_demand": mean}
        columns |= {f"pinball_{name}": loss[:, i] for i, name in enumerate(names)}
        columns |= {f"coverage_{name}": held[:, i] for i, name in enumerate(names)}
        of_asked = loss[:, [place[level] for level in asked]].mean(axis=1)
        columns["wql"] = ratio(2 * of_asked, ratio(self.size, self.points))
        columns["mase"] = ratio(self.scaled, self.scaled_points)
        for each in ratios:
            # Over-capacity + c × shortfall is 1 + c times the pinball loss at c / (1 + c).
            columns[cost_column(each)] = ratio((1 + each) * loss[:, place[level_of(each)]], mean)
        return pd.DataFrame(columns).assign(points=self.points.astype(np.int64))


def weighted(mean: FloatArray, count: FloatArray) -> FloatArray:
    """Means as sums; 0 where nothing was counted."""
    return np.where(np.isfinite(mean), mean, 0.0) * count


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient, NaN where below is 0."""
    return np.asarray(np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan))
