"""Bounds on counts of single options, and on how fast a total may change: a part of `optimizer.problem`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from optimizer.routes import places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Bounds:
    """Fewest and most replicas of an option in a period: a pin where they are equal, excluded at most 0.

    Rows are sorted by option and period, each pair at most once; what has no row is free.
    """

    option: Ints  # (B,)
    period: Ints  # (B,)
    fewest: Floats  # (B,)
    most: Floats  # (B,)

    @classmethod
    def none(cls) -> Bounds:
        """Everything free."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.option)

    def keeps(self, options: int, periods: int) -> Bools:
        """(I,) options that may run in some period."""
        barred = np.bincount(self.option[self.most <= 0], minlength=options)
        return np.asarray(barred < periods, dtype=bool)

    def most_of(self, options: int, periods: int) -> Floats:
        """(I, T) most replicas; infinite where free."""
        table = np.full((options, periods), np.inf)
        table[self.option, self.period] = self.most
        return table

    def fewest_of(self, options: int, periods: int) -> Floats:
        """(I, T) fewest replicas."""
        table = np.zeros((options, periods))
        table[self.option, self.period] = self.fewest
        return table

    def restrict(self, options: Ints) -> Self:
        """The same for some options, in the order given."""
        size = int(max(self.option.max(initial=-1), options.max(initial=-1))) + 1
        new = places(options, size)[self.option]
        rows = np.flatnonzero(new >= 0)
        rows = rows[np.lexsort((self.period[rows], new[rows]))]
        return type(self)(new[rows], self.period[rows], self.fewest[rows], self.most[rows])

    def barring(self, options: Ints, periods: int) -> Self:
        """The same where some options, given in their order, never run."""
        kept = np.flatnonzero(~np.isin(self.option, options))
        i, t = options.repeat(periods), np.tile(np.arange(periods), len(options))
        nothing = np.zeros(len(i))
        option, period = np.append(self.option[kept], i), np.append(self.period[kept], t)
        fewest, most = np.append(self.fewest[kept], nothing), np.append(self.most[kept], nothing)
        order = np.lexsort((period, option))
        return type(self)(option[order], period[order], fewest[order], most[order])

    def in_period(self, period: int) -> Self:
        """The same for one period, which becomes the only one."""
        rows = np.flatnonzero(self.period == period)
        first = np.zeros(len(rows), dtype=np.int64)
        return type(self)(self.option[rows], first, self.fewest[rows], self.most[rows])


@dataclass(frozen=True)
class Ramp:
    """How much a workload's total replicas may change from one period to the next.

    The day does not wrap round: its last period says nothing about its first. The first is held against the
    present fleet only where `from_current` asks for it, since a typical day need not begin now.
    """

    max_replicas: Floats  # (W,) infinite = any change
    from_current: Bools  # (W,)

    @classmethod
    def none(cls, workloads: int) -> Ramp:
        """Any change."""
        return cls(np.full(workloads, np.inf), np.zeros(workloads, dtype=bool))

    def restrict(self, workloads: Ints) -> Self:
        """The same for some workloads, in the order given."""
        return type(self)(self.max_replicas[workloads], self.from_current[workloads])
