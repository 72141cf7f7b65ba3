"""What must still be served after a loss: a part of `optimizer.problem`.

Replicas of an option are spread evenly over its zones. Losing a zone of a region takes ceil(n / zones) of
the n replicas of every option there: of each the fullest zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Survival:
    """Zones of options, and what workloads ask for when one is lost."""

    zones: Ints  # (I,) over which an option's replicas are spread; unknown = 1
    survive_zone_loss: Bools  # (W,)
    headroom_share: Floats  # (W,) of demand that is still served with any one region or zone gone

    @classmethod
    def none(cls, workloads: int, options: int) -> Survival:
        """No zone known, none may be lost, and all of demand is to survive what else may be lost."""
        zones = np.ones(options, dtype=np.int64)
        return cls(zones, np.zeros(workloads, dtype=bool), np.ones(workloads))

    def restrict(self, workloads: Ints, options: Ints) -> Self:
        """The same for some workloads and some of their options, in the order given."""
        asked = self.survive_zone_loss[workloads], self.headroom_share[workloads]
        return type(self)(self.zones[options], *asked)
