"""What solving gives: a checked placement, what is proven about it, what is missed, what limits are worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.problem import Placement


@dataclass(frozen=True)
class Shortfall:
    """One rule that a shortage forced to be missed: by how much, of how much."""

    rule: str
    workload: str
    period: str
    missing: float
    wanted: float


@dataclass(frozen=True)
class ShadowPrice:
    """USD that one more unit of a limit, or one more committed USD per hour, saves in a period.

    Holds near the placement: many more units are worth less each.
    """

    kind: str  # "pool" | "commitment"
    name: str
    period: str
    usd_per_unit: float


@dataclass(frozen=True)
class Solution:
    """A checked placement with what is proven about it.

    `gap_share` is (cost - bound) / cost and holds for the problem with the shortfalls as they stand.
    """

    placement: Placement
    cost_usd: float
    bound_usd: float
    shortfalls: tuple[Shortfall, ...]
    stopped_by: str  # "gap" | "rounds" | "nodes" | "time"
    shadow_prices: tuple[ShadowPrice, ...] = ()

    @property
    def gap_share(self) -> float:
        """Proven distance to the optimum as a share of the cost."""
        if abs(self.cost_usd) < 1e-9:
            return 0.0
        return max(0.0, (self.cost_usd - self.bound_usd) / abs(self.cost_usd))


def last_reason(reasons: Iterable[str]) -> str:
    """The reason that proves least."""
    return max(reasons, key=("gap", "rounds", "nodes", "time").index, default="gap")
