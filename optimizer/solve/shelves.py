"""One kind of node and what may be put on it: the dearest contents at prices, or all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.caps import USD
from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve import highs
from optimizer.solve.highs import Limits
from optimizer.solve.knapsack import best_weights, search
from optimizer.solve.program import Blocks, Rows, everywhere, numbered

VISITS, QUICK = (
    1_000_000,
    50_000,
)  # steps of a search, some hundredths of a second; beyond them a program takes over
KNAPSACK = Limits(gap_share=1e-6, nodes=20_000, seconds=30.0)


MOST_SETS = 8  # of caps that what is on one kind of node may count in


def limited_usd(p: Problem) -> Bools:
    """(K, W) workloads in caps of money that have a limit."""
    return np.asarray(p.caps.member & (p.caps.of_kind(USD) & np.isfinite(p.caps.limit))[:, None])


def cap_sets(p: Problem, node: int) -> list[Bools] | None:
    """Sets of caps of money that what is on a node may count in; None where they are too many."""
    own = np.unique(p.option_workload[p.nodes.of_option == node])
    each = {tuple(caps) for caps in limited_usd(p)[:, own].T.tolist()}
    sets = set(each)
    while len(sets) <= MOST_SETS:
        more = sets | {tuple(np.logical_or(a, b).tolist()) for a in sets for b in each}
        if more == sets:
            return [np.array(caps, dtype=bool) for caps in sorted(sets)]
        sets = more
    return None


@dataclass(frozen=True)
class Shelf:
    """A node pool in a period, and its options.

    Attributes:
        node: the pool.
        period: when.
        option: (M,) options of it that fit and are of use.
        top: (M,) most replicas of each on one node.
        group: (M,) its workload, counted from 0.
        most: (groups,) most replicas of a workload on one node.
        need: (M, R) what a replica needs of resources that matter.
        room: (R,) what a node has.
        caps: (K,) caps of money that what is on it may count in.
    """

    node: int
    period: int
    option: Ints
    top: Ints
    group: Ints
    most: Floats
    need: Floats
    room: Floats
    caps: Bools

    @classmethod
    def of(cls, p: Problem, node: int, period: int, replicas: Floats, caps: Bools | None) -> Shelf:
        """The shelf of a node pool for workloads in none but some caps of money; None = for all.

        With the most (I,) replicas of options that are of use.
        """
        nodes = p.nodes
        inside = np.ones(len(p.workloads), dtype=bool) if caps is None else ~limited_usd(p)[~caps].any(axis=0)
        room = nodes.room[node]
        option = np.flatnonzero((nodes.of_option == node) & np.asarray(inside)[p.option_workload])
        need = nodes.need[option]
        each = np.where(need > 0, np.floor(room / np.where(need > 0, need, 1.0) + 1e-9), np.inf).min(axis=1)
        workload = p.option_workload[option]
        top = np.minimum(np.minimum(each, nodes.max_per_node[workload]), replicas[option])
        fits = top >= 1
        used, group = np.unique(workload[fits], return_inverse=True)
        return cls(
            node=node,
            period=period,
            option=option[fits],
            top=top[fits].astype(np.int64),
            group=group.astype(np.int64).ravel(),
            most=nodes.max_per_node[used],
            need=np.ascontiguousarray(need[fits][:, room > 0]),
            room=room[room > 0],
            caps=np.zeros(len(p.caps), dtype=bool) if caps is None else caps,
        )

    def best(self, value: Floats, least: float, *, surely: bool = True) -> tuple[Ints | None, float, float]:
        """(M,) the dearest contents worth more than `least`, their worth, and what none is worth more than.

        Where the search would take too long, an integer program is solved instead, if they have to be the
        dearest; what is found on the way does otherwise.
        """
        items = np.flatnonzero(value > 0)
        if not items.size:
            return None, 0.0, 0.0
        visits = VISITS if surely else QUICK
        found, worth, at_most, complete = self.searched(
            items, value[items], least=least, rows=1, visits=visits
        )
        if not complete and surely:
            found, worth, at_most = self.programmed(items, value[items])
        if not len(found) or worth <= least:
            return None, 0.0, at_most
        contents = np.zeros(len(value), dtype=np.int64)
        contents[items] = found[0]
        return self.filled(contents), worth, at_most

    def programmed(self, items: Ints, value: Floats) -> tuple[Ints, float, float]:
        """The same by HiGHS."""
        v = Blocks()
        n = v.add("n", everywhere(len(items)), upper=self.top[items], whole=True)
        v.pay("n", -value)
        row = numbered(everywhere(len(self.room)))
        fit = Rows("fit", row, [(row[None, :], n[:, None], self.need[items])], upper=self.room)
        row = numbered(np.isfinite(self.most))
        apart = Rows("apart", row, [(row[self.group[items]], n, 1.0)], upper=self.most)
        found = highs.minimise(v.program([fit, apart]), KNAPSACK)
        if found.values is None:
            return np.zeros((0, len(items)), dtype=np.int64), 0.0, -found.bound
        return np.rint(found.values).astype(np.int64)[None, :], -found.objective, -found.bound

    def some(self, value: Floats, least: float, rows: int) -> Ints:
        """(ways, M) maximal contents worth more than `least`, no more than `rows`."""
        return self.searched(np.arange(len(value)), value, least=least, rows=max(rows, 2))[0]

    def all(self, value: Floats, least: float, rows: int) -> Ints | None:
        """(ways, M) all maximal contents worth more than `least`; None where they are too many."""
        items = np.arange(len(value))
        found, _, _, complete = self.searched(items, value, least=least, rows=max(rows, 2))
        return found if complete else None

    def searched(
        self, items: Ints, value: Floats, *, least: float, rows: int, visits: int = VISITS
    ) -> tuple[Ints, float, float, bool]:
        """Contents found, worth of the best, what none exceeds, whether the search came to its end."""
        need, top = self.need[items], self.top[items]
        weight, at_most = best_weights(value, need, top, self.room)
        order = np.argsort(-value / np.maximum(need @ weight, 1e-12), kind="stable")
        found = np.zeros((rows, len(items)), dtype=np.int64)
        known, worth, complete = search(
            value[order], need[order], top[order], self.group[items][order], self.most, self.room, weight,
            least, found, visits,
        )  # fmt: skip
        contents = np.zeros((known, len(items)), dtype=np.int64)
        contents[:, order] = found[:known]
        return contents, worth, min(worth, at_most) if complete else at_most, complete

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
