"""The loop between plans: how much load it wants served in each minute, from the minutes before.

`needed(t) = sum of weight x statistic of the load before t`, or `last load / target_utilization`, which is
the same with one statistic; the largest need within the scale-down window counts. A plan carries the rule
(`autoscale` of capacity-plan/1), a replay plays it, and both compute it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from optimizer.problem import Floats

MINUTE_S = 60
Kind = Literal["last", "mean", "max", "quantile", "constant"]


@dataclass(frozen=True)
class Statistic:
    """Something about the load of past minutes.

    Attributes:
        stat: last minute; mean, largest or quantile within a window; constant is 1 requests/s.
        window_s: how far back, whole minutes; 0 for last and constant.
        q: level of the quantile.
    """

    stat: Kind
    window_s: int = 0
    q: float | None = None


LAST, CONSTANT = Statistic("last"), Statistic("constant")
Weights = Mapping[Statistic, float]


def paths(load: Floats, statistics: Sequence[Statistic]) -> dict[Statistic, Floats]:
    """(t) each statistic at the beginning of each minute, of the load before it.

    Minutes nobody counted are as if they had not been; where a window holds none that was counted, the
    last value that was known stays: nothing is scaled in because nobody counted. Before anything is known
    it is the first load that will be, so that a replay can begin.

    Args:
        load: (t) requests/s; NaN where nobody counted.
        statistics: which.
    """
    before = pd.Series(load).shift(1)
    return {statistic: filled(path_of(before, statistic)) for statistic in statistics}


def path_of(before: pd.Series[float], statistic: Statistic) -> pd.Series[float]:
    """A statistic of the minutes up to each row of a series that is one minute late."""
    if statistic.stat == "constant":
        return pd.Series(1.0, before.index)
    if statistic.stat == "last":
        return before
    window = before.rolling(max(1, statistic.window_s // MINUTE_S), min_periods=1)
    if statistic.stat == "quantile":
        return window.quantile(0.5 if statistic.q is None else statistic.q)
    return window.mean() if statistic.stat == "mean" else window.max()


def filled(path: pd.Series[float]) -> Floats:
    """Unknown values as last known; those at the beginning as first known, 0 where nothing ever is."""
    return np.asarray(path.ffill().bfill().fillna(0.0), dtype=np.float64)


def held(needed: Floats, window_s: int) -> Floats:
    """(t) the largest need within a window that ends now."""
    minutes = window_s // MINUTE_S
    if minutes < 1:
        return needed
    return pd.Series(needed).rolling(minutes + 1, min_periods=1).max().to_numpy(dtype=float)


def weighted(known: Mapping[Statistic, Floats], weights: Weights) -> Floats:
    """(t) the weighted sum, never below 0."""
    total = sum((weight * known[statistic] for statistic, weight in weights.items()), np.zeros(1))
    return np.asarray(np.maximum(total, 0.0), dtype=np.float64)


def needed_load(load: Floats, weights: Weights, window_s: int = 0) -> Floats:
    """(t) requests/s that a rule wants served in each minute, from the load before it."""
    return held(weighted(paths(load, list(weights)), weights), window_s)


def utilization(target: float) -> Weights:
    """What a plain horizontal autoscaler does: last load over target utilisation."""
    return {LAST: 1.0 / target}
