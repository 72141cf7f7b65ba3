"""Small long frames to forecast from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-03-02T00:00:00Z")


def long_frame(
    series: Mapping[str, Sequence[float]], freq: str = "1h", start: pd.Timestamp = START
) -> pd.DataFrame:
    """`unique_id, ds, y` of series that all begin at `start`."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range(start, periods=len(y), freq=freq).as_unit("us"),
                "y": np.asarray(y, dtype=float),
            }
        )
        for name, y in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


def demand(days: int, *, per_day: int = 24, seed: int = 0, noise: float = 0.3) -> list[float]:
    """A daily wave with gamma noise: never zero, heavier above than below."""
    rng = np.random.default_rng(seed)
    steps = np.arange(days * per_day)
    wave = 2 + np.sin(2 * np.pi * steps / per_day)
    return list(10 * wave * (1 + noise * rng.standard_gamma(1.0, steps.size)))


def cycle(values: Sequence[float], times: int) -> list[float]:
    """The values again and again."""
    return list(values) * times
