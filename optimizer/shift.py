"""Work that may be done at any time in a window: a part of `optimizer.problem`.

Such a workload has no demand of its own in any period; what it serves over the window, in units times hours,
is the work. Rules about the demand of a period do not apply to it, and it has no origins: tables refuse both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Work:
    """Work of each workload and its window; one that ends before it begins goes on from the first period."""

    amount: Floats  # (W,) demand units times hours; 0 = none
    begin: Ints  # (W,) first period of the window
    end: Ints  # (W,) last period of the window

    @classmethod
    def none(cls, workloads: int, periods: int) -> Work:
        """No work; the window is everything."""
        return cls(
            np.zeros(workloads),
            np.zeros(workloads, dtype=np.int64),
            np.full(workloads, max(periods - 1, 0), dtype=np.int64),
        )

    @property
    def is_asked(self) -> Bools:
        """(W,) workloads with work to be done."""
        return np.asarray(self.amount > 0, dtype=bool)

    def window(self, periods: int) -> Bools:
        """(W, T) when work may be done; nowhere for workloads without."""
        t = np.arange(periods)
        begins, ends = t >= self.begin[:, None], t <= self.end[:, None]
        inside = np.where((self.begin <= self.end)[:, None], begins & ends, begins | ends)
        return np.asarray(inside & self.is_asked[:, None], dtype=bool)

    def restrict(self, workloads: Ints) -> Self:
        """The same for some workloads, in the order given."""
        return replace(
            self, amount=self.amount[workloads], begin=self.begin[workloads], end=self.end[workloads]
        )

    def in_period(self) -> Self:
        """The same with one period only: there is no work where periods are taken apart."""
        one = np.zeros(len(self.amount), dtype=np.int64)
        return replace(self, begin=one, end=one)
