"""Minutes as hours: blocks of sixty that end where the replay begins, and so do not know the clock."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats

HOUR, DAY = 60, 24  # minutes, hours


def hourly(values: Floats, begin: int, of: str) -> Floats:
    """(hour) mean or largest of what was counted in each hour; NaN where nothing was.

    The first `begin // 60` are hours of the history, what is left over before them belongs to none.
    An hour that the values end in is one of the others.
    """
    whole = values[begin % HOUR :]
    padded = np.full(-(-len(whole) // HOUR) * HOUR, np.nan)
    padded[: len(whole)] = whole
    hours = padded.reshape(-1, HOUR)
    counted = ~np.isnan(hours)
    if of == "max":
        found = np.where(counted, hours, -np.inf).max(axis=1, initial=-np.inf)
    else:
        found = np.nansum(hours, axis=1) / np.maximum(counted.sum(axis=1), 1)
    return np.where(counted.any(axis=1), found, np.nan)


def same_hour_before(load: Floats, days: int) -> Floats:
    """(hour) mean of the same hour of up to so many days before; NaN where none was counted."""
    shifted = np.full((days, len(load)), np.nan)
    for day in range(1, days + 1):
        if day * DAY < len(load):
            shifted[day - 1, day * DAY :] = load[: -day * DAY]
    counted = (~np.isnan(shifted)).sum(axis=0)
    return np.where(counted > 0, np.nansum(shifted, axis=0) / np.maximum(counted, 1), np.nan)
