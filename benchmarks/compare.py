"""Is the subject cheaper, and how sure is that? Ratios of losses over the same units, with intervals.

A unit is what may be drawn anew: a series. A handful of series carries most of the cost, so a ratio without
an interval says little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

DRAWS = 1_000
INTERVAL = (0.025, 0.975)
TOLERANCE = 1.05  # a unit on which the subject costs up to so many times as much counts as no worse


@dataclass(frozen=True)
class Losses:
    """What one variant of a contender lost, unit by unit; NaN where it was not judged.

    Attributes:
        variant: such as raw or calibrated; empty for a contender that has one only.
        basis: what the losses are taken over; only losses of one basis are compared.
        by_unit: less is better.
        facts: numbers about all units, for the table.
    """

    variant: str
    basis: str
    by_unit: Sequence[float]
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio:
    """Mean loss of the subject over that of a peer, the interval of it, and how often it is no worse."""

    middle: float
    low: float
    high: float
    no_worse_share: float
    units: int


def ratio(ours: Sequence[float], theirs: Sequence[float], *, draws: int = DRAWS, seed: int = 0) -> Ratio:
    """Ratio of means over the units that both were judged on; 95 % percentile interval of a bootstrap."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if not a.size:
        return Ratio(*[float("nan")] * 4, 0)
    drawn = np.random.default_rng(seed).integers(0, a.size, size=(draws, a.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(a[drawn].sum(axis=1) / b[drawn].sum(axis=1), INTERVAL)
        middle = a.sum() / b.sum()
    return Ratio(float(middle), float(low), float(high), float((a <= TOLERANCE * b).mean()), int(a.size))
