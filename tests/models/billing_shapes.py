"""Invented daily bills: weekday shape, growth, noise, a monthly fee; and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

Days = npt.NDArray[np.float64]

START = pd.Timestamp("2026-01-01T00:00:00Z")
LENGTH = 120


def bill(seed: int, *, noise: float = 0.03, length: int = LENGTH) -> Days:
    """(day) cost; every third series has a fee of a quarter of a day on the first of a month."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(START, periods=length, freq="D")
    week = np.where(days.day_of_week >= 5, rng.uniform(0.7, 1.0), 1.0)
    growth = 1.0 + rng.choice([-0.0005, 0.0, 0.0005, 0.001]) * np.arange(length)
    fee = np.where((days.day == 1) & (seed % 3 == 0), 0.25, 0.0)
    return np.asarray(10 ** rng.uniform(0, 4) * (week * growth * rng.lognormal(0, noise, length) + fee))


def spike(y: Days, at: int) -> Days:
    """Half as much again on one day."""
    return np.where(np.arange(y.size) == at, 1.5 * y, y)


def level_shift(y: Days, at: int) -> Days:
    """A fifth more from a day on."""
    return np.where(np.arange(y.size) >= at, 1.2 * y, y)


def leak(y: Days, at: int) -> Days:
    """2 % more each day."""
    return np.asarray(y * 1.02 ** np.maximum(np.arange(y.size) - at + 1, 0))


def new_sku(y: Days, at: int) -> Days:
    """Nothing before a day."""
    return np.where(np.arange(y.size) >= at, y, 0.0)


def missing_day(y: Days, at: int) -> Days:
    """A day without any charge."""
    return np.where(np.arange(y.size) == at, 0.0, y)


def credit(y: Days, at: int) -> Days:
    """A refund of a day and a half."""
    return np.where(np.arange(y.size) == at, y - 1.5 * np.median(y), y)


FAULTS: tuple[Callable[[Days, int], Days], ...] = (spike, level_shift, leak, new_sku, missing_day, credit)


def frame(series: dict[str, Days]) -> pd.DataFrame:
    """`unique_id, ds, y`."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range(START, periods=y.size, freq="D"), "y": y})
        for name, y in series.items()
    ]
    return pd.concat(parts, ignore_index=True)
