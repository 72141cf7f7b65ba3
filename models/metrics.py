"""How good a forecast was. Steps without an observation or without a forecast count for nothing.

Every function takes arrays of one shape, (…, step), and gives one number per leading index. Averages over
series are left to the caller: sums of raw errors are ruled by the largest series, so average the ratios.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.frames import FloatArray


def pinball(y: FloatArray, q: FloatArray, level: float) -> FloatArray:
    """(…) mean quantile loss max(level (y − q), (level − 1)(y − q)) in the unit of y.

    Koenker and Bassett 1978.
    """
    error = y - q
    return _mean(np.maximum(level * error, (level - 1) * error))


def wql(y: FloatArray, q: FloatArray, levels: Sequence[float]) -> FloatArray:
    """(…) weighted quantile loss: 2 Σ pinball / Σ |y|, averaged over the levels (GluonTS, M5 uncertainty).

    Args:
        y: (…, step).
        q: (…, step, level).
        levels: (level).
    """
    losses = []
    for i, level in enumerate(levels):
        both = np.isfinite(y) & np.isfinite(q[..., i])
        size = _mean(np.where(both, np.abs(y), np.nan))
        losses.append(2 * _ratio(pinball(y, q[..., i], level), size))
    return np.asarray(np.mean(losses, axis=0))


def coverage(y: FloatArray, q: FloatArray) -> FloatArray:
    """(…) share of observations at or below the quantile: a calibrated one covers its level."""
    return _mean(np.where(np.isfinite(y) & np.isfinite(q), (y <= q).astype(np.float64), np.nan))


def mase(y: FloatArray, point: FloatArray, history: FloatArray, season_steps: int) -> FloatArray:
    """(…) mean absolute error over that of the seasonal naive inside the history (Hyndman and Koehler 2006).

    NaN where the history never changes from season to season or is no longer than one.
    """
    if history.shape[-1] <= season_steps:
        return np.full(y.shape[:-1], np.nan)
    naive = _mean(np.abs(history[..., season_steps:] - history[..., :-season_steps]))
    return _ratio(_mean(np.abs(y - point)), naive)


def plan_cost(y: FloatArray, capacity: FloatArray, shortfall_cost: float = 99.0) -> FloatArray:
    """(…) newsvendor cost of a capacity plan: (over-capacity + shortfall_cost × shortfall) / mean demand.

    At shortfall_cost = τ / (1 − τ) the quantile τ is the cheapest plan (Arrow, Harris and Marschak 1951):
    99 for 0.99. It is the decision's own loss; MASE ranks forecasts differently. NaN where demand is zero
    throughout.
    """
    both = np.isfinite(y) & np.isfinite(capacity)
    cost = np.maximum(capacity - y, 0) + shortfall_cost * np.maximum(y - capacity, 0)
    return _ratio(_mean(cost), _mean(np.where(both, y, np.nan)))


def _mean(values: FloatArray) -> FloatArray:
    """Mean over the last axis, NaN left out; NaN where nothing is left."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=-1)
    return _ratio(total, finite.sum(axis=-1).astype(np.float64))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient, NaN where below is 0."""
    return np.asarray(np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan))
