"""Rows of a frame as plain Python values, and names as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd


def rows_of(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    """One tuple per row; numbers and times as Python's own."""
    return zip(*(frame[column].tolist() for column in columns), strict=True)


def prices_of(frame: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Price per hour by (provider, region, instance_type)."""
    columns = ("provider", "region", "instance_type", "price_hourly")
    return {(p, r, t): float(price) for p, r, t, price in rows_of(frame, *columns)}


def last_part(path: str) -> str:
    """The last part of a provider's path: the name of an account or resource in it."""
    return path.rsplit("/", 1)[-1]
