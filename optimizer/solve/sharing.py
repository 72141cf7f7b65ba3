r"""Workloads that may share nodes: the compact model with columns for ways to pack a node.

The compact model counts nodes, and its rows say that every replica on nodes is packed
(`optimizer.solve.node_rules`); columns are ways to pack a node in a period. Where these are few, all are
listed, and HiGHS proves the optimum. Else they are found by column generation: at prices $\pi_{it}$ of packed
replicas and $\mu_{jt}$ of nodes, duals of the model without whole numbers, a way c to pack is of use where
$\sum_i \pi_{it} c_i > \mu_{jt}$. The best is found exactly (`optimizer.solve.knapsack`): every round proves

$$z \ge z_{LP} + \sum_{jt} K_{jt} \min(0, \mu_{jt} - \max_c \sum_i \pi_{it} c_i)$$

with $K_{jt}$ the most nodes there can be. Whole numbers are then found among the ways known. What HiGHS proves
of those alone is no bound: that stays the one of the prices, unless all ways that can be part of a better
answer, whose reduced cost is below the gap, are few enough to be listed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.nodes import Packing
from optimizer.problem import Floats, Ints, Problem
from optimizer.solve import highs
from optimizer.solve.compact import most_replicas
from optimizer.solve.highs import Found, Limits
from optimizer.solve.node_rules import most_nodes
from optimizer.solve.program import NONE, Program, taken
from optimizer.solve.shelves import Shelf
from optimizer.solve.small import STOPPED_BY, Run

FEW = 3_000  # ways to pack, over all nodes and periods, up to which all are listed
MOST_NEAR = 10_000  # likewise, among those that may still be part of a better answer
MOST_ROUNDS = 100
MOST_FIRST = 300  # replicas up to which nodes are packed by first fit to begin with
LP = Limits(gap_share=0.0, nodes=0, seconds=300.0)
MIP_NODES, MIP_SECONDS = 5_000, 120.0  # nodes end it, the clock is a safety net
OF_GAP = 0.5  # share of the gap asked for that each of the two, prices and whole numbers, may leave
CLOSE = 1e-7


@dataclass(frozen=True)
class Ways:
    """Ways to pack a node, each of one node pool in one period."""

    node: Ints  # (K,)
    period: Ints  # (K,)
    contents: Ints  # (K, I)

    def __len__(self) -> int:
        return len(self.node)

    def and_also(self, other: Ways) -> Ways:
        """These and others."""
        return Ways(
            np.append(self.node, other.node),
            np.append(self.period, other.period),
            np.concatenate([self.contents, other.contents]),
        )

    def take(self, which: Ints) -> Ways:
        """Some of them."""
        return Ways(self.node[which], self.period[which], self.contents[which])

    def distinct(self) -> Ways:
        """Each of them once."""
        told = np.column_stack([self.node, self.period, self.contents])
        return self.take(np.sort(np.unique(told, axis=0, return_index=True)[1]))


@dataclass(frozen=True)
class Relaxed:
    """The model without whole numbers, all ways to pack priced.

    Attributes:
        found: its answer among the ways known.
        bound: what it is not below with all of them.
        packed: (I, T) price of a packed replica.
        nodes: (N, T) price of a node.
    """

    found: Found
    bound: float
    packed: Floats
    nodes: Floats


class Sharing:
    """A problem with shared nodes, and the ways to pack them known so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        most = most_replicas(problem)
        self.most_nodes = most_nodes(problem, most)
        self.shelves = [Shelf.of(problem, node, most) for node in range(len(problem.nodes))]
        every = self.all_ways()
        self.is_complete = every is not None
        self.ways = self.first_ways() if every is None else every

    def minimise(self, program: Program, gap_share: float) -> Run | None:
        """The best answer that is found and what is proven about it; None where there is none.

        Args:
            program: of the compact model, without columns for ways to pack.
            gap_share: gap that is close enough.
        """
        if self.is_complete:
            return run_of(self.in_whole(program, gap_share), gap_share)
        relaxed = self.relaxed(program, OF_GAP * gap_share)
        if relaxed is None:
            return None
        found = self.in_whole(program, OF_GAP * gap_share)
        if found.values is None:
            return None
        enough = found.objective - gap_share * abs(found.objective)
        found = replace(found, bound=min(relaxed.bound, found.objective))
        near = self.near_ways(relaxed, enough) if found.bound < enough else None
        if near is not None:
            self.ways = self.ways.and_also(near).distinct()
            again = self.in_whole(program, gap_share)
            best = min(found, again, key=lambda each: each.objective)
            # What costs less than `enough` is made of these ways: nothing costs less than both.
            bound = max(found.bound, min(enough, again.bound))
            found = replace(best, bound=min(bound, best.objective))
        return run_of(found, gap_share)

    def duals(self, program: Program) -> Run | None:
        """The model without whole numbers, all ways to pack priced; None if infeasible."""
        relaxed = self.relaxed(program, 0.0)
        return None if relaxed is None else run_of(replace(relaxed.found, objective=relaxed.bound), 0.0)

    def relaxed(self, program: Program, gap_share: float) -> Relaxed | None:
        """Column generation until no way to pack is of use, or the gap is that small; None if infeasible."""
        found = self.priced(program, gap_share)
        if found is None and not self.is_complete:  # look for ways with which there is an answer
            row = program.rows_of("packed")
            row = row[row != NONE]
            unpacked = (row, np.arange(len(row)), -1.0)
            free = replace(program, cost=np.zeros_like(program.cost)).and_columns("free", unpacked, cost=1.0)
            first = self.priced(free, 0.0)
            if first is not None and first.found.objective < CLOSE:
                found = self.priced(program, gap_share)
        return found

    def priced(self, program: Program, gap_share: float) -> Relaxed | None:
        """The same, from an answer among the ways known on; None where there is none."""
        bound = -np.inf
        for _ in range(MOST_ROUNDS):
            found = highs.minimise(self.with_ways(program.relaxed()), LP)
            if found.values is None:
                return None
            packed = np.maximum(0.0, -taken(found.duals, program.rows_of("packed")))
            nodes = -taken(found.duals, program.rows_of("nodes_used"))
            new, proved = self.of_use(packed, nodes, 1e-9 * (1.0 + abs(found.objective)))
            bound = max(bound, found.objective + proved)
            if not len(new) or found.objective - bound <= gap_share * abs(found.objective):
                break
            self.ways = self.ways.and_also(new)
        return Relaxed(found, bound, packed, nodes)

    def of_use(self, packed: Floats, nodes: Floats, least: float) -> tuple[Ways, float]:
        """The best way to pack each node at prices, where it is of use, and what all of them save at most."""
        new, proved = [], 0.0
        if self.is_complete:
            return self.ways.take(np.zeros(0, dtype=np.int64)), 0.0
        for shelf in self.shelves:
            for t in range(packed.shape[1]):
                contents, worth, at_most = shelf.best(packed[shelf.option, t])
                proved += self.most_nodes[shelf.node, t] * min(0.0, nodes[shelf.node, t] - at_most)
                if worth > nodes[shelf.node, t] + least:
                    new.append(self.ways_on(shelf, t, contents[None, :]))
        return joined(new, len(self.problem.option_id)), proved

    def near_ways(self, relaxed: Relaxed, enough: float) -> Ways | None:
        """Every way to pack that an answer cheaper than `enough` may have; None where they are too many."""
        found, left = [], MOST_NEAR
        spare = enough - relaxed.bound + CLOSE * (1.0 + abs(enough))
        for shelf in self.shelves:
            for t in range(relaxed.packed.shape[1]):
                least = relaxed.nodes[shelf.node, t] - spare
                contents = shelf.all(relaxed.packed[shelf.option, t], least, left)
                if contents is None:
                    return None
                left -= len(contents)
                found.append(self.ways_on(shelf, t, contents))
        return joined(found, len(self.problem.option_id))

    def in_whole(self, program: Program, gap_share: float) -> Found:
        """Whole numbers among the ways known."""
        return highs.minimise(self.with_ways(program), Limits(gap_share, MIP_NODES, MIP_SECONDS))

    def with_ways(self, program: Program) -> Program:
        """The program with a column for each way to pack known."""
        ways, is_whole = self.ways, bool(program.whole.any())
        way, option = np.nonzero(ways.contents)
        row = np.concatenate(
            [
                program.rows_of("nodes_used")[ways.node, ways.period],
                program.rows_of("packed")[option, ways.period[way]],
            ]
        )
        value = np.concatenate([np.ones(len(ways)), -ways.contents[way, option].astype(float)])
        return program.and_columns("pack", (row, np.append(np.arange(len(ways)), way), value), whole=is_whole)

    def all_ways(self) -> Ways | None:
        """Every maximal way to pack; None where they are many."""
        found, periods = [], len(self.problem.periods)
        left = FEW // max(periods, 1)
        for shelf in self.shelves:
            contents = shelf.all(np.zeros(len(shelf.option)), -1.0, left)
            if contents is None:
                return None
            left -= len(contents)
            found += [self.ways_on(shelf, t, contents) for t in range(periods)]
        return joined(found, len(self.problem.option_id))

    def first_ways(self) -> Ways:
        """Each option alone, and what first fit makes of all workloads on one kind of node."""
        p, found = self.problem, []
        asked = np.maximum(p.demand, 0.0)[p.option_workload] / p.capacity[:, None]
        wanted = np.ceil(np.maximum(asked, p.min_replicas[p.option_workload, None]) - 1e-9).astype(np.int64)
        for shelf in self.shelves:
            alone = np.array([shelf.filled(row) for row in np.diag(shelf.top)]).reshape(-1, len(shelf.option))
            for t in range(len(p.periods)):
                found.append(self.ways_on(shelf, t, alone))
                if wanted[shelf.option, t].sum() <= MOST_FIRST:
                    found.append(self.ways_on(shelf, t, shelf.first_fit(wanted[shelf.option, t])))
        return joined(found, len(p.option_id)).distinct()

    def ways_on(self, shelf: Shelf, period: int, contents: Ints) -> Ways:
        """(ways, M) contents of a shelf as ways to pack in a period."""
        whole = np.zeros((len(contents), len(self.problem.option_id)), dtype=np.int64)
        whole[:, shelf.option] = contents
        size = len(contents)
        return Ways(np.full(size, shelf.node), np.full(size, period), whole)

    def packing(self, program: Program, values: Floats, replicas: Ints) -> Packing:
        """What is on nodes: ways to pack cut down to the replicas that there are."""
        first = len(program.cost)
        count = np.rint(values[first:]).astype(np.int64)
        used = np.flatnonzero(count)
        node, period = self.ways.node[used].repeat(count[used]), self.ways.period[used].repeat(count[used])
        contents = self.ways.contents[used].repeat(count[used], axis=0)
        left = replicas.copy()
        for k, t in enumerate(period):
            contents[k] = np.minimum(contents[k], left[:, t])
            left[:, t] -= contents[k]
        told = np.column_stack([node, period, contents])
        kinds, times = np.unique(told, axis=0, return_counts=True)
        kind, option = np.nonzero(kinds[:, 2:])
        return Packing(kinds[:, 0], kinds[:, 1], times, kind, option, kinds[kind, option + 2])


def joined(parts: Sequence[Ways], options: int) -> Ways:
    """Ways one after another."""
    nothing = np.zeros(0, dtype=np.int64)
    return Ways(
        np.concatenate([nothing, *(part.node for part in parts)]),
        np.concatenate([nothing, *(part.period for part in parts)]),
        np.concatenate([np.zeros((0, options), dtype=np.int64), *(part.contents for part in parts)]),
    )


def run_of(found: Found, gap_share: float) -> Run | None:
    """What a run of HiGHS came to; its status tells only why it stopped."""
    if found.values is None:
        return None
    is_close = found.objective - found.bound <= gap_share * abs(found.objective) + CLOSE
    stopped_by = "gap" if is_close else STOPPED_BY.get(found.status, "nodes")
    stopped_by = "rounds" if stopped_by == "gap" and not is_close else stopped_by
    return Run(found.values, found.objective, found.bound, stopped_by, found.duals)
