"""Plans of workloads as columns of the master problem: what each costs and what it draws on shared rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.kernel import best_plans
from optimizer.solve.terms import (
    ACTIVATION,
    CAPACITY,
    CURRENT,
    EGRESS,
    MIGRATION,
    PAIR,
    PRICE,
    UNITS,
    Kinds,
    Terms,
)
from optimizer.solve.threads import processors, several_threads

CHUNKS_PER_THREAD = 8  # so that a thread with large workloads does not hold up the rest


@dataclass(frozen=True)
class Plans:
    """Plans, each of one workload.

    Attributes:
        workload: (N,).
        option: (N, 2) places among all options; -1 where a plan uses one only.
        count: (N, T, 2) replicas.
    """

    workload: Ints
    option: Ints
    count: Floats

    def __len__(self) -> int:
        return len(self.workload)

    def take(self, which: Ints) -> Plans:
        """Some of them."""
        return Plans(self.workload[which], self.option[which], self.count[which])

    def and_also(self, other: Plans) -> Plans:
        """These and others."""
        return Plans(
            np.concatenate([self.workload, other.workload]),
            np.concatenate([self.option, other.option]),
            np.concatenate([self.count, other.count]),
        )

    def usd(self, terms: Terms) -> Floats:
        """(N,) own cost, without shared prices and over that of dropping all that runs."""
        o, used = terms.options[np.maximum(self.option, 0)], self.option >= 0  # (N, 2, 8)
        usd = np.einsum("ntk,nk,t->n", self.count, o[..., PRICE], terms.hours)
        usd += (self.routed(terms) * (o[..., EGRESS] * used)[:, None, :]).sum(axis=2) @ terms.hours
        usd += (o[..., ACTIVATION] * (used & (self.count.max(axis=1, initial=0) > 0))).sum(axis=1)
        change = np.abs(self.count[:, 0] - o[..., CURRENT]) - o[..., CURRENT]
        return np.asarray(usd + (o[..., MIGRATION] * change * used).sum(axis=1), dtype=float)

    def routed(self, terms: Terms) -> Floats:
        """(N, T, 2) what each option serves: the one of cheaper egress first."""
        o, need = terms.options[np.maximum(self.option, 0)], terms.demand[self.workload]
        room = self.count * o[:, None, :, CAPACITY]
        first_is_cheaper = (o[:, 0, EGRESS] <= o[:, 1, EGRESS]) | (self.option[:, 1] < 0)
        first = np.where(first_is_cheaper[:, None], room[..., 0], need - np.minimum(need, room[..., 1]))
        first = np.minimum(need, first)
        return np.stack([first, need - first], axis=2)

    def units(self, terms: Terms) -> Floats:
        """(N, T, 2) pool units each option draws."""
        return np.asarray(self.count * terms.options[np.maximum(self.option, 0)][:, None, :, UNITS])

    def kinds(self, terms: Terms) -> Ints:
        """(N, 2) kinds of the options; -1 where there is none."""
        return np.where(self.option >= 0, terms.kind[np.maximum(self.option, 0)], -1)

    def drawn(self, pricing: Pricing) -> tuple[Floats, Floats]:
        """(L, T) and (O, T) units that the plans draw on limits and under cover."""
        kind, units = self.kinds(pricing.terms), self.units(pricing.terms)
        by_kind = np.zeros((len(pricing.kinds.limit), units.shape[1]))
        for j in range(PAIR):
            used = kind[:, j] >= 0
            np.add.at(by_kind, kind[used, j], units[used, :, j])
        return pricing.kinds.drawn(by_kind)


class Pricing:
    """Finds the cheapest plan of every workload at given prices, on several threads."""

    def __init__(self, terms: Terms, kinds: Kinds, threads: int | None = None) -> None:
        self.terms = terms
        self.kinds = kinds
        self.threads = threads or processors()

    def __call__(
        self,
        added: Floats,
        below: Floats | None = None,
        *,
        among: Ints | None = None,
        left: Floats | None = None,
    ) -> tuple[Floats, Plans]:
        """(W,) cost at prices of the cheapest plans, and the plans.

        Args:
            added: (K, T) USD per pool unit on top of prices, by kind of option.
            below: (W,) only plans cheaper than this are looked for; others are left out.
            among: workloads to look at; all by default.
            left: (L, T) units that limits leave, which no plan may exceed; by default prices alone ration.
        """
        k = self.terms
        workloads, periods = k.demand.shape
        value = np.full(workloads, np.inf) if below is None else below.copy()
        option = np.full((workloads, PAIR), -1, dtype=np.int64)
        count = np.zeros((workloads, periods, PAIR))
        rows = np.empty((0, periods)) if left is None else left
        shared = np.full_like(self.kinds.shared, -1) if left is None else self.kinds.shared

        def work(part: Ints) -> None:
            best_plans(
                part, k.begin, k.kind, k.options, k.rules, k.demand, k.hours, added,
                self.kinds.draws, shared, rows, value, option, count,
            )  # fmt: skip

        which = np.arange(workloads) if among is None else among
        parts = np.array_split(which, min(self.threads * CHUNKS_PER_THREAD, max(len(which), 1)))
        with several_threads(count=self.threads) as each:
            list(each(work, parts))
        found = np.flatnonzero(option[:, 0] >= 0)
        return value, Plans(found, option[found], count[found])
