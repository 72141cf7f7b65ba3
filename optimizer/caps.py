"""Caps over many workloads and all periods, and priorities of rules: parts of `optimizer.problem`.

A cap says how much its workloads may use of one thing:

    usd               list price of instances plus egress, over all periods, before commitments cover any
    kg_co2e           kg of CO2e of instances, over all periods
    changed_replicas  replicas changed against the present fleet in the first period

A hard cap holds as a quota does: where there is too little, other rules are missed and reported. A soft cap
has a priority and is missed as little as possible before cost is looked at. A priced cap costs so much per
unit above its limit; with a limit of 0 it is a price of each unit, such as a carbon price.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

USD, KG_CO2E, CHANGED = "usd", "kg_co2e", "changed_replicas"
KINDS = (USD, KG_CO2E, CHANGED)
RULE = {kind: f"cap_{kind}" for kind in KINDS}  # how a cap that is missed is called
EVERY_PERIOD = "all"

# What has no priority comes before all that has one, in this order; what the tables set is 0 or more.
HARD_CAP = -4.0
FIRST, SECOND, THIRD = -3.0, -2.0, -1.0
DEFAULT_PRIORITY = {
    "meet_demand": FIRST,
    "finish_work": FIRST,
    "survive_region_loss": SECOND,
    "survive_zone_loss": SECOND,
    "min_replicas": SECOND,
    "option_min_replicas": SECOND,
    "min_on_demand_replicas": THIRD,
    "min_regions": THIRD,
    "max_region_share": THIRD,
    "max_ramp_replicas": THIRD,
}


@dataclass(frozen=True)
class Caps:
    """Caps in the order of their names (K)."""

    name: tuple[str, ...]
    kind: tuple[str, ...]
    limit: Floats  # (K,)
    priority: Floats  # (K,) 0 or more; nan = hard, or priced
    usd_per_unit: Floats  # (K,) above the limit; nan = not priced
    member: Bools  # (K, W)
    kg_co2e_hourly: Floats  # (I,) per replica

    @classmethod
    def none(cls, workloads: int, options: int) -> Caps:
        """No cap, no carbon known."""
        empty = np.zeros(0)
        return cls((), (), empty, empty, empty, np.zeros((0, workloads), dtype=bool), np.zeros(options))

    def __len__(self) -> int:
        return len(self.name)

    @property
    def is_priced(self) -> Bools:
        """(K,) what costs by the unit, and is never called missed."""
        return np.asarray(~np.isnan(self.usd_per_unit), dtype=bool)

    @property
    def is_soft(self) -> Bools:
        """(K,) what is missed as little as possible, by its priority."""
        return np.asarray(~np.isnan(self.priority) & ~self.is_priced, dtype=bool)

    @property
    def levels(self) -> Floats:
        """(K,) priority of each cap; nan for priced ones, which are part of the cost."""
        return np.where(self.is_priced, np.nan, np.where(self.is_soft, self.priority, HARD_CAP))

    @property
    def ties(self) -> Bools:
        """(K,) caps whose workloads and periods depend on each other: all but prices of each unit."""
        free = (
            self.is_priced & (self.limit <= 0) & np.array([kind != CHANGED for kind in self.kind], dtype=bool)
        )
        return np.asarray(~free, dtype=bool)

    def of_kind(self, kind: str) -> Bools:
        """(K,) caps of one kind."""
        return np.array([own == kind for own in self.kind], dtype=bool)

    def counted(self, kind: str) -> Bools:
        """(W,) workloads in a cap of one kind."""
        return np.asarray(self.member[self.of_kind(kind)].any(axis=0), dtype=bool)

    def counts_nodes(self, held: Bools) -> Bools:
        """(K, X) whether a node counts in a cap, in full: (X, W) workloads of it are on the node."""
        return np.asarray((self.member & self.of_kind(USD)[:, None]) @ held.T, dtype=bool)

    def restrict(self, workloads: Ints, options: Ints) -> Self:
        """The caps that some workloads are in, for them alone and some of their options."""
        kept = np.flatnonzero(self.member[:, workloads].any(axis=1))
        return replace(
            self,
            name=tuple(self.name[k] for k in kept),
            kind=tuple(self.kind[k] for k in kept),
            limit=self.limit[kept],
            priority=self.priority[kept],
            usd_per_unit=self.usd_per_unit[kept],
            member=self.member[np.ix_(kept, workloads)],
            kg_co2e_hourly=self.kg_co2e_hourly[options],
        )


@dataclass(frozen=True)
class Priorities:
    """Priorities of rules that may be missed, as rows; a row of a workload counts before one of all."""

    rule: tuple[str, ...]
    workload: Ints  # -1 = all
    priority: Floats  # 1 is missed last; what is not named here comes before all of these

    @classmethod
    def none(cls) -> Priorities:
        """Every rule has its default."""
        return cls((), np.zeros(0, dtype=np.int64), np.zeros(0))

    def __len__(self) -> int:
        return len(self.rule)

    def of(self, rule: str, workloads: int) -> Floats:
        """(W,) priority of a rule for each workload."""
        found = np.full(workloads, DEFAULT_PRIORITY[rule])
        for general in (True, False):
            for name, w, priority in zip(self.rule, self.workload, self.priority, strict=True):
                if name == rule and (w < 0) == general:
                    found[slice(None) if w < 0 else w] = priority
        return found

    def restrict(self, workloads: Ints) -> Self:
        """The same for some workloads, in the order given."""
        place = {int(w): n for n, w in enumerate(workloads)}
        kept = [n for n, w in enumerate(self.workload) if w < 0 or int(w) in place]
        return replace(
            self,
            rule=tuple(self.rule[n] for n in kept),
            workload=np.array([place.get(int(self.workload[n]), -1) for n in kept], dtype=np.int64),
            priority=self.priority[kept],
        )
