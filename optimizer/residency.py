"""Countries that workloads may be in: a part of `optimizer.problem`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from optimizer.routes import places

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Residency:
    """Allowed countries by workload, and the country of each option.

    A workload without a row may be anywhere; one with rows may not be where the country is unknown ("").
    """

    workload: Ints  # (N,)
    country: tuple[str, ...]  # (N,)
    option_country: tuple[str, ...]  # (I,)

    @classmethod
    def none(cls, options: int) -> Residency:
        """Anywhere, and no country known."""
        return cls(np.zeros(0, dtype=np.int64), (), ("",) * options)

    @cached_property
    def allowed(self) -> dict[int, frozenset[str]]:
        """Countries of each workload that has a rule."""
        rows = [(int(w), country) for w, country in zip(self.workload, self.country, strict=True)]
        return {w: frozenset(country for v, country in rows if v == w) for w, _ in rows}

    def keeps(self, option_workload: Ints) -> Bools:
        """(I,) options in a country that their workload may be in."""
        if not self.allowed:
            return np.ones(len(self.option_country), dtype=bool)
        pairs = zip(option_workload.tolist(), self.option_country, strict=True)
        fine = [w not in self.allowed or country in self.allowed[w] for w, country in pairs]
        return np.array(fine, dtype=bool)

    def restrict(self, workloads: Ints, options: Ints) -> Self:
        """The same for some workloads and some of their options, in the order given."""
        rows = np.flatnonzero(np.isin(self.workload, workloads))
        size = int(max(self.workload.max(initial=-1), workloads.max(initial=-1))) + 1
        return type(self)(
            workload=places(workloads, size)[self.workload[rows]],
            country=tuple(self.country[n] for n in rows),
            option_country=tuple(self.option_country[i] for i in options),
        )
