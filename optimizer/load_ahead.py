"""How the load of the next minutes lies below what the minute loop wants served, as the history says.

A need leaves room for growth, so mostly load stays below it; how far depends on how much of it the last load
was. Both are read off the history: cover for losses need not be sized for growth that is not about to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.problem import Floats
from optimizer.schedule import DAY

FINE_STEP = 0.025  # shares of the need at which lateness is known
MOST_LOAD = 4.0  # times the need: load beyond counts as much
PARTED_AT = (0.2, 0.4, 0.6, 0.8, 0.9, 0.97)  # quantiles of the last load as a share of the need
BODY, TAIL = np.linspace(0.0, 0.9, 16)[1:], 1.0 - np.geomspace(0.1, 1e-5, 48)
NEAR = 1e-9


@dataclass(frozen=True)
class LoadBelowNeed:
    """Load of the minutes that a launch takes, as a share of the need at its beginning.

    Attributes:
        share: (k) ascending.
        weight: (k) sums to 1.
    """

    share: Floats
    weight: Floats

    @classmethod
    def of(cls, shares: Floats) -> LoadBelowNeed:
        """Quantiles of what was, NaN left out; where nothing was, the load is all of the need."""
        known = np.sort(shares[~np.isnan(shares)])
        if not len(known):
            return cls(np.ones(1), np.ones(1))
        ends = np.unique(np.ceil(np.concatenate([BODY, TAIL, [1.0]]) * len(known)).astype(int))
        return cls(known[ends - 1], np.diff(ends, prepend=0) / len(known))

    @cached_property
    def late(self) -> Floats:
        """(fine step) mean load, as a share of the need, of the time in which it is above the step."""
        levels = np.arange(round(MOST_LOAD / FINE_STEP)) * FINE_STEP
        above = self.share[None, :] > levels[:, None] + NEAR
        return np.asarray(above @ (self.weight * self.share))


@dataclass(frozen=True)
class LoadAhead:
    """The same by how much of the need the last load was.

    Attributes:
        parted_at: (b - 1) such shares, between one bin and the next.
        bins: (b).
    """

    parted_at: Floats
    bins: tuple[LoadBelowNeed, ...]

    @classmethod
    def of(cls, load: Floats, needed: Floats, window: int) -> LoadAhead:
        """Read off a history; one bin where it is shorter than a day.

        Args:
            load: (t) requests/s; NaN where nobody counted.
            needed: (t) requests/s, as known at the beginning of each minute.
            window: minutes looked ahead.
        """
        last = np.append(np.nan, load)[: len(load)]
        known = (needed > 0) & ~np.isnan(last)
        ahead = [np.append(load[k:], np.full(k, np.nan))[known] for k in range(min(window, len(load)))]
        shares = np.array(ahead).reshape(len(ahead), int(known.sum())) / needed[known]
        full = last[known] / needed[known]
        if len(full) < DAY:
            return cls(np.zeros(0), (LoadBelowNeed.of(shares.ravel()),))
        parted_at = np.quantile(full, PARTED_AT)
        place = np.searchsorted(parted_at, full)
        bins = (LoadBelowNeed.of(shares[:, place == k].ravel()) for k in range(len(parted_at) + 1))
        return cls(parted_at, tuple(bins))

    def place(self, full: float) -> int:
        """The bin of a last load; NaN, where nobody counted, counts as the fullest."""
        return int(np.searchsorted(self.parted_at, full))

    def at(self, full: float) -> LoadBelowNeed:
        """What a last load says of the minutes ahead."""
        return self.bins[self.place(full)]
