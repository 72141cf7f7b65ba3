"""Nodes that small workloads share: parts of `optimizer.problem`.

A node pool is a kind of instance that replicas of several workloads are packed on. An option on one has no
price and no pool of its own: nodes are paid, draw on limits and are covered by commitments, in whole numbers.
What one replica needs is told per resource, and so is what a node has.

Index sets beside those of the problem: n node pools, r resources, k kinds of packed nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from optimizer.routes import places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RESOURCES = ("cpu", "memory_gib", "gpu")
NODE_NAMES = ("provider", "region", "instance_type", "purchase")
ON_DEMAND = "on_demand"


@dataclass(frozen=True)
class Nodes:
    """Node pools in the order of their names (N), and which options are packed on them."""

    name: tuple[str, ...]
    provider: tuple[str, ...]
    region: tuple[str, ...]
    instance_type: tuple[str, ...]
    purchase: tuple[str, ...]
    price_hourly: Floats  # (N,) USD per node
    pool: Ints  # (N,) of the problem's pools; -1 = none
    pool_units: Floats  # (N,) per node
    quota_pool: Ints  # (N,)
    room: Floats  # (N, R) what a node has
    of_option: Ints  # (I,) the nodes an option's replicas are packed on; -1 = instances of their own
    need: Floats  # (I, R) what a replica needs there
    max_per_node: Floats  # (W,) replicas of a workload on one node; infinite = any number

    @classmethod
    def none(cls, workloads: int, options: int) -> Nodes:
        """Every replica has an instance of its own."""
        empty, nothing = np.zeros(0), np.zeros(0, dtype=np.int64)
        return cls(
            name=(),
            provider=(),
            region=(),
            instance_type=(),
            purchase=(),
            price_hourly=empty,
            pool=nothing,
            pool_units=empty,
            quota_pool=nothing,
            room=np.zeros((0, len(RESOURCES))),
            of_option=np.full(options, -1, dtype=np.int64),
            need=np.zeros((options, len(RESOURCES))),
            max_per_node=np.full(workloads, np.inf),
        )

    def __len__(self) -> int:
        return len(self.name)

    @property
    def is_shared(self) -> Bools:
        """(I,) options whose replicas are packed on nodes."""
        return np.asarray(self.of_option >= 0, dtype=bool)

    @cached_property
    def is_coverable(self) -> Bools:
        """(N,) which nodes commitments can cover."""
        return np.array([purchase == ON_DEMAND for purchase in self.purchase], dtype=bool)

    @property
    def other_pool(self) -> Ints:
        """(N,) pools whose limit holds beside that of `pool`; -1 where there is none, or it is the same."""
        return np.where(self.quota_pool == self.pool, -1, self.quota_pool)

    def used_by(self, options: Ints) -> Ints:
        """Node pools that some options are packed on, in their order."""
        used = np.unique(self.of_option[options])
        return used[used >= 0]

    def pools_under(self, options: Ints) -> Ints:
        """Pools of the problem that the nodes under some options draw on, in their order."""
        used = self.used_by(options)
        drawn = np.union1d(self.pool[used], self.quota_pool[used])
        return drawn[drawn >= 0]

    def pool_of(self, own: Ints) -> Ints:
        """(I,) where an option's instances come from: its own pool, or that of the nodes under it."""
        return np.where(self.is_shared, np.append(self.pool, -1)[self.of_option], own)

    def drawn(self, count: Ints, pools: int) -> Floats:
        """(P, T) units that (N, T) nodes draw on the limit of each pool."""
        units = np.zeros((pools + 1, count.shape[1]))
        for pool in (self.pool, self.other_pool):
            np.add.at(units, pool, self.pool_units[:, None] * count)
        return units[:-1]

    def restrict(self, workloads: Ints, options: Ints, pools: Ints | None) -> Self:
        """The same for some workloads and options, on the nodes under them; None = all pools."""
        kept = self.used_by(options)
        size = int(max(self.pool.max(initial=-1), self.quota_pool.max(initial=-1))) + 1
        new = np.append(np.arange(size) if pools is None else places(pools[pools < size], size), -1)
        number = np.append(places(kept, len(self)), -1)
        return replace(
            self,
            name=tuple(self.name[n] for n in kept),
            **{told: tuple(getattr(self, told)[n] for n in kept) for told in NODE_NAMES},
            price_hourly=self.price_hourly[kept],
            pool=new[self.pool[kept]],
            pool_units=self.pool_units[kept],
            quota_pool=new[self.quota_pool[kept]],
            room=self.room[kept],
            of_option=number[self.of_option[options]],
            need=self.need[options],
            max_per_node=self.max_per_node[workloads],
        )


@dataclass(frozen=True)
class Packing:
    """What is on nodes: kinds of nodes (K), each in one period, and their contents as entries (E)."""

    node: Ints  # (K,) node pool
    period: Ints  # (K,)
    count: Ints  # (K,) nodes of this kind
    kind: Ints  # (E,)
    option: Ints  # (E,) an option of that node pool
    replicas: Ints  # (E,) on each node of the kind

    @classmethod
    def none(cls) -> Packing:
        """No node."""
        return cls(*(np.zeros(0, dtype=np.int64) for _ in range(6)))

    def __len__(self) -> int:
        return len(self.node)

    def nodes(self, shape: tuple[int, int]) -> Ints:
        """(N, T) how many nodes run."""
        total = np.zeros(shape, dtype=np.int64)
        np.add.at(total, (self.node, self.period), self.count)
        return total

    def packed(self, shape: tuple[int, int]) -> Ints:
        """(I, T) replicas on all nodes."""
        total = np.zeros(shape, dtype=np.int64)
        np.add.at(total, (self.option, self.period[self.kind]), self.replicas * self.count[self.kind])
        return total

    def within(self, nodes: Ints, options: Ints, periods: Ints) -> Packing:
        """A part's packing as one of the whole, by the places of its nodes, options and periods."""
        return replace(self, node=nodes[self.node], period=periods[self.period], option=options[self.option])

    def and_also(self, other: Packing) -> Packing:
        """These kinds and others."""
        return Packing(
            np.concatenate([self.node, other.node]),
            np.concatenate([self.period, other.period]),
            np.concatenate([self.count, other.count]),
            np.concatenate([self.kind, other.kind + len(self)]),
            np.concatenate([self.option, other.option]),
            np.concatenate([self.replicas, other.replicas]),
        )
