"""Empirical quantiles of samples with holes, for many series at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.frames import FloatArray


def quantiles(samples: FloatArray, levels: Sequence[float] | FloatArray) -> FloatArray:
    """Quantiles along the last axis, NaN left out; NaN where no sample is left.

    Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996), as `numpy.nanquantile`,
    which loops over slices in Python and is some 50 times slower.

    Args:
        samples: (…, sample).
        levels: (level) in 0..1.

    Returns:
        (…, level).
    """
    ordered = np.sort(samples, axis=-1)  # NaN goes to the end
    count = np.isfinite(samples).sum(axis=-1, keepdims=True)
    place = np.asarray(levels, dtype=np.float64) * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    if samples.shape[-1] == 0:
        return np.full((*samples.shape[:-1], place.shape[-1]), np.nan)
    below, above = np.take_along_axis(ordered, low, -1), np.take_along_axis(ordered, high, -1)
    # Written from below so that equal neighbours give exactly their value, and levels never cross.
    return np.asarray(below + (above - below) * (place - low))


def gather(values: FloatArray, columns: npt.NDArray[np.int64]) -> FloatArray:
    """(series, *columns.shape) values at the given columns; NaN for a column outside the panel."""
    steps = values.shape[1]
    inside = (columns >= 0) & (columns < steps)
    if not steps:
        return np.full((values.shape[0], *columns.shape), np.nan)
    return np.where(inside, values[:, np.where(inside, columns, 0)], np.nan)


def mean(values: FloatArray) -> FloatArray:
    """(series) mean over the last axis, NaN left out; NaN where nothing is left."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    return np.where(count > 0, np.where(finite, values, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def mean_of(parts: Sequence[FloatArray]) -> FloatArray:
    """Mean over the parts, element by element, NaN left out; NaN where all are."""
    stack = np.stack(parts)
    count = np.isfinite(stack).sum(axis=0)
    total = np.where(np.isfinite(stack), stack, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
