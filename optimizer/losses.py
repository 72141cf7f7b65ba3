"""What may be lost and what is asked for in its place: scenarios, a part of `optimizer.problem`.

Each scenario takes a share of every replica of a pool away and multiplies demand. The replicas are the same
in all scenarios; what they cannot serve in one costs the workload's USD per unit and hour, times its
probability.
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
class Scenarios:
    """Scenarios (S) over pools, workloads and periods."""

    name: tuple[str, ...]
    probability: Floats  # (S,) sums to 1
    lost_share: Floats  # (S, P, T) of the replicas that draw on a pool
    demand_factor: Floats  # (S, W, T)
    slo_usd_per_unit: Floats  # (W,) USD per unit and hour that is not served in a scenario

    @classmethod
    def none(cls, workloads: int, pools: int, periods: int) -> Scenarios:
        """Nothing is lost and nothing costs."""
        lost, factor = np.zeros((0, pools, periods)), np.ones((0, workloads, periods))
        return cls((), np.zeros(0), lost, factor, np.zeros(workloads))

    def __len__(self) -> int:
        return len(self.name)

    @property
    def is_paid(self) -> Bools:
        """(W,) workloads for which scenarios cost anything."""
        return np.asarray((self.slo_usd_per_unit > 0) & (len(self) > 0), dtype=bool)

    def kept_share(self, pool: Ints) -> Floats:
        """(S, I, T) share of the replicas of options that is left; all of what draws on no pool."""
        scenarios, _, periods = self.lost_share.shape
        nothing = np.zeros((scenarios, 1, periods))  # the pool -1
        return np.asarray(1.0 - np.concatenate([self.lost_share, nothing], axis=1)[:, pool])

    def restrict(self, workloads: Ints, pools: Ints | None) -> Self:
        """The same for some workloads and pools, in the order given; None = all pools."""
        return replace(
            self,
            lost_share=self.lost_share if pools is None else self.lost_share[:, pools],
            demand_factor=self.demand_factor[:, workloads],
            slo_usd_per_unit=self.slo_usd_per_unit[workloads],
        )

    def in_period(self, t: int) -> Self:
        """The same in one period."""
        return replace(
            self, lost_share=self.lost_share[:, :, [t]], demand_factor=self.demand_factor[:, :, [t]]
        )
