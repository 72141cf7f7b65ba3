"""Where demand comes from and over which ways it is served: a part of `optimizer.problem`.

Index sets beside those of the problem:

    g  sources: (workload, origin) pairs that share out a workload's demand
    r  routes: (source, option) pairs; a source has one to every option of its workload

A route is open where round trip and service time together keep the workload's limit; nothing is served over
another one. An unknown round trip is infinite: fine without a limit, too long with any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Routes:
    """Sources, routes and what latency allows; workloads without sources are served from anywhere."""

    max_latency_ms: Floats  # (W,) of round trip and service time
    latency_ms: Floats  # (I,) service time of one request
    workload: Ints  # (G,)
    origin: tuple[str, ...]  # (G,)
    share: Floats  # (G,) of the workload's demand; the shares of a workload sum to 1
    source: Ints  # (R,)
    option: Ints  # (R,)
    rtt_ms: Floats  # (R,) infinite where unknown
    is_estimated: Bools  # (R,) whether the round trip was not measured
    egress_usd_per_unit: Floats  # (R,) per unit served and hour, on top of the option's own

    @classmethod
    def none(cls, workloads: int, options: int) -> Routes:
        """No origins and no limit."""
        empty = np.zeros(0)
        return cls(
            max_latency_ms=np.full(workloads, np.inf),
            latency_ms=np.zeros(options),
            workload=np.zeros(0, dtype=np.int64),
            origin=(),
            share=empty,
            source=np.zeros(0, dtype=np.int64),
            option=np.zeros(0, dtype=np.int64),
            rtt_ms=empty,
            is_estimated=np.zeros(0, dtype=bool),
            egress_usd_per_unit=empty,
        )

    def __len__(self) -> int:
        """Number of routes."""
        return len(self.option)

    @cached_property
    def is_routed(self) -> Bools:
        """(W,) which workloads say where their demand comes from."""
        routed = np.zeros(len(self.max_latency_ms), dtype=bool)
        routed[self.workload] = True
        return routed

    @cached_property
    def total_ms(self) -> Floats:
        """(R,) round trip and service time."""
        return np.asarray(self.rtt_ms + self.latency_ms[self.option], dtype=float)

    @cached_property
    def is_open(self) -> Bools:
        """(R,) which routes keep the limit of their workload."""
        return np.asarray(self.total_ms <= self.max_latency_ms[self.workload[self.source]], dtype=bool)

    @cached_property
    def is_free(self) -> Bools:
        """(W,) where every source may use every option at no cost of its own: routing decides nothing."""
        bound = ~self.is_open | (self.egress_usd_per_unit > 0)
        free = np.ones(len(self.max_latency_ms), dtype=bool)
        free[self.workload[self.source[bound]]] = False
        return free

    @cached_property
    def reaches_all(self) -> Bools:
        """(W,) where every source may use every option, whatever that costs."""
        free = np.ones(len(self.max_latency_ms), dtype=bool)
        free[self.workload[self.source[~self.is_open]]] = False
        return free

    def keeps(self, option_workload: Ints) -> Bools:
        """(I,) options fast enough for at least one origin, or by themselves where no origin is known."""
        alone = self.latency_ms <= self.max_latency_ms[option_workload]
        reached = np.zeros(len(self.latency_ms), dtype=bool)
        reached[self.option[self.is_open]] = True
        return np.asarray(np.where(self.is_routed[option_workload], reached, alone), dtype=bool)

    @cached_property
    def by_option(self) -> tuple[Ints, Ints]:
        """(R,) routes in the order of options, and (I + 1,) where each option's begin in it."""
        order = np.argsort(self.option, kind="stable").astype(np.int64)
        options = np.arange(len(self.latency_ms) + 1)
        return order, np.searchsorted(self.option[order], options).astype(np.int64)

    def into(self, options: Ints) -> Ints:
        """Routes into some of the options, in their order."""
        order, begin = self.by_option
        length = begin[options + 1] - begin[options]
        first = np.cumsum(length) - length
        return np.asarray(order[np.repeat(begin[options] - first, length) + np.arange(length.sum())])

    def table(self, workload: int, options: Ints, values: Floats, fill: float) -> Floats:
        """(sources of a workload, its options) values of its open routes; `fill` where there is none."""
        sources, own = self.sources_of(workload), self.into(options)
        column = places(options, len(self.latency_ms))[self.option[own]]
        row = np.searchsorted(sources, self.source[own])
        found = np.full((len(sources), len(options)), fill)
        found[row, column] = np.where(self.is_open[own], values[own], fill)
        return found

    def sources_of(self, workload: int) -> Ints:
        """Sources of one workload."""
        return np.flatnonzero(self.workload == workload).astype(np.int64)

    def sum_by_source(self, routed: Floats) -> Floats:
        """(G, T) sums over the routes of each source of (R, T) amounts."""
        total = np.zeros((len(self.workload), routed.shape[1]))
        np.add.at(total, self.source, routed)
        return total

    def sum_by_option(self, routed: Floats) -> Floats:
        """(I, T) sums over the routes into each option of (R, T) amounts."""
        total = np.zeros((len(self.latency_ms), routed.shape[1]))
        np.add.at(total, self.option, routed)
        return total

    def restrict(self, workloads: Ints, options: Ints) -> Self:
        """The same for some workloads and some of their options, in the order given."""
        sources = np.flatnonzero(np.isin(self.workload, workloads))
        routes = self.into(options)
        return type(self)(
            max_latency_ms=self.max_latency_ms[workloads],
            latency_ms=self.latency_ms[options],
            workload=places(workloads, len(self.max_latency_ms))[self.workload[sources]],
            origin=tuple(self.origin[g] for g in sources),
            share=self.share[sources],
            source=places(sources, len(self.workload))[self.source[routes]],
            option=places(options, len(self.latency_ms))[self.option[routes]],
            rtt_ms=self.rtt_ms[routes],
            is_estimated=self.is_estimated[routes],
            egress_usd_per_unit=self.egress_usd_per_unit[routes],
        )


def places(kept: Ints, size: int) -> Ints:
    """(size,) new place of each index; -1 where it is not kept."""
    place = np.full(size, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    return place


def all_pairs(option_workload: Ints, source_workload: Ints) -> tuple[Ints, Ints]:
    """Source and option of every route: each source with every option of its workload."""
    order = np.argsort(option_workload, kind="stable").astype(np.int64)
    first = np.searchsorted(option_workload[order], source_workload)
    last = np.searchsorted(option_workload[order], source_workload, side="right")
    source = np.repeat(np.arange(len(source_workload)), last - first)
    return source, joined([order[a:b] for a, b in zip(first, last, strict=True)])


def joined(parts: Sequence[Ints]) -> Ints:
    """Index arrays one after the other."""
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
