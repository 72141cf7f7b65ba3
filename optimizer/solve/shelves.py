"""One kind of node and what may be put on it: the dearest contents at prices, or all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints, Problem
from optimizer.solve.knapsack import best_weights, search

VISITS = 1_000_000  # steps of a search; beyond them the best so far counts, and the bound of the whole


@dataclass(frozen=True)
class Shelf:
    """A node pool and its options.

    Attributes:
        node: the pool.
        option: (M,) options of it that fit at all.
        top: (M,) most replicas of each on one node.
        group: (M,) its workload, counted from 0.
        most: (groups,) most replicas of a workload on one node.
        need, room: what a replica needs and what a node has; resources that matter.
    """

    node: int
    option: Ints
    top: Ints
    group: Ints
    most: Floats
    need: Floats
    room: Floats

    @classmethod
    def of(cls, p: Problem, node: int, replicas: Floats) -> Shelf:
        """The shelf of a node pool, with the most (I,) replicas of options that are of use."""
        nodes = p.nodes
        room, option = nodes.room[node], np.flatnonzero(nodes.of_option == node)
        need = nodes.need[option]
        each = np.where(need > 0, np.floor(room / np.where(need > 0, need, 1.0) + 1e-9), np.inf).min(axis=1)
        workload = p.option_workload[option]
        top = np.minimum(np.minimum(each, nodes.max_per_node[workload]), replicas[option])
        fits = top >= 1
        used, group = np.unique(workload[fits], return_inverse=True)
        return cls(
            node=node,
            option=option[fits],
            top=top[fits].astype(np.int64),
            group=group.astype(np.int64).ravel(),
            most=nodes.max_per_node[used],
            need=np.ascontiguousarray(need[fits][:, room > 0]),
            room=room[room > 0],
        )

    def best(self, value: Floats) -> tuple[Ints, float, float]:
        """(M,) the dearest contents, what they are worth, and what none is worth more than."""
        items = np.flatnonzero(value > 0)
        contents = np.zeros(len(value), dtype=np.int64)
        if not items.size:
            return contents, 0.0, 0.0
        found, worth, at_most, _ = self.searched(items, value[items], least=0.0, rows=1)
        contents[items] = found[0]
        return self.filled(contents), worth, at_most

    def all(self, value: Floats, least: float, rows: int) -> Ints | None:
        """(ways, M) all maximal contents worth more than `least`; None where they are too many."""
        items = np.arange(len(value))
        found, _, _, complete = self.searched(items, value, least=least, rows=max(rows, 2))
        return found if complete else None

    def searched(
        self, items: Ints, value: Floats, *, least: float, rows: int
    ) -> tuple[Ints, float, float, bool]:
        """Contents found, worth of the best, what none exceeds, whether the search came to its end."""
        need, top = self.need[items], self.top[items]
        weight, at_most = best_weights(value, need, top, self.room)
        order = np.argsort(-value / np.maximum(need @ weight, 1e-12), kind="stable")
        found = np.zeros((rows, len(items)), dtype=np.int64)
        known, worth, complete = search(
            value[order], need[order], top[order], self.group[items][order], self.most, self.room, weight,
            least, found, VISITS,
        )  # fmt: skip
        contents = np.zeros((known if rows > 1 else 1, len(items)), dtype=np.int64)
        contents[:, order] = found[: len(contents)]
        return contents, worth, worth if complete else at_most, complete

    def filled(self, contents: Ints) -> Ints:
        """The same with what still fits, the largest first."""
        left, spare = (
            self.room - contents @ self.need,
            self.most - np.bincount(self.group, contents, len(self.most)),
        )
        for i in np.argsort(-(self.need / self.room).max(axis=1), kind="stable"):
            needs = self.need[i] > 0
            fits = np.floor(left[needs] / self.need[i][needs] + 1e-9).min(initial=np.inf)
            more = int(max(min(fits, spare[self.group[i]], self.top[i] - contents[i]), 0))
            contents[i] += more
            left, spare[self.group[i]] = left - more * self.need[i], spare[self.group[i]] - more
        return contents

    def first_fit(self, wanted: Ints) -> Ints:
        """(nodes, M) contents by first fit, the largest replicas first, for (M,) replicas wanted."""
        left: list[Floats] = []
        packed: list[Ints] = []
        for i in np.argsort(-(self.need / self.room).max(axis=1), kind="stable"):
            for _ in range(int(wanted[i])):
                at = next((n for n, own in enumerate(packed) if self.takes(i, left[n], own)), len(packed))
                if at == len(packed):
                    left.append(self.room.copy())
                    packed.append(np.zeros(len(self.option), dtype=np.int64))
                left[at] -= self.need[i]
                packed[at][i] += 1
        return np.array(packed, dtype=np.int64).reshape(-1, len(self.option))

    def takes(self, item: int | np.integer, left: Floats, contents: Ints) -> bool:
        """Whether one more of an item fits beside what is there."""
        group = self.group[item]
        return bool(
            (self.need[item] <= left + 1e-9).all()
            and contents[item] < self.top[item]
            and contents[self.group == group].sum() < self.most[group]
        )
