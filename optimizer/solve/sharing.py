r"""Workloads that may share nodes: the compact model with columns for ways to pack a node.

The compact model counts nodes, and its rows say that every replica on nodes is packed
(`optimizer.solve.node_rules`); columns are ways to pack a node in a period. Where these are few, all are
listed, and HiGHS proves the optimum. Else they are found by column generation: at prices $\pi_{it}$ of packed
replicas and $\mu_{jt}$ of nodes, duals of the model without whole numbers, a way c to pack is of use where
$\sum_i \pi_{it} c_i > \mu_{jt}$. The best is found exactly (`optimizer.solve.knapsack`): every round proves

$$z \ge z_{LP} + \sum_{jt} K_{jt} \min(0, \mu_{jt} - \max_c \sum_i \pi_{it} c_i)$$

with $K_{jt}$ the most nodes there can be. A node counts in a cap of money where a workload of it is on it:
ways are looked for apart for each set of caps that contents may count in, at the price of these beside
$\mu_{jt}$. Whole numbers are then found among the ways known. What HiGHS
proves of those alone is no bound: that stays the one of the prices, unless all ways that can be part of
a better answer, whose reduced cost is below the gap, are few enough to be listed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer.caps import CHANGED
from optimizer.nodes import Packing
from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve import highs
from optimizer.solve.compact import most_replicas
from optimizer.solve.highs import Found, Growing, Limits
from optimizer.solve.packing_master import Master, Relaxed
from optimizer.solve.program import NONE, Program, taken
from optimizer.solve.shelves import Shelf, cap_sets
from optimizer.solve.small import STOPPED_BY, Run
from optimizer.solve.ways import Ways, columns_of

FEW = 3_000  # ways to pack, over all nodes and periods, up to which all are listed
MOST_NEAR = 10_000  # likewise, among those that may still be part of a better answer
SLOW = 0.5  # share of the prices before in those that ways to pack are looked for at
MOST_ROUNDS = 300
APART = 10  # ways to pack that a round may add for a node and period
TAIL, SLIGHT = 25, 0.2  # it ends where so many rounds gain less than such a share of the gap
MOST_FIRST = 300  # replicas up to which nodes are packed by first fit to begin with
TRIES, ANEW, COMPLETED = 20, 200, 3  # nodes are filled so often, then in part; so many are completed
EMPTIED = (0.1, 0.2, 0.4)  # shares of nodes that are emptied
UNPACKED = 3.0  # times its price, what cannot run alone and is left over
OFF = 0.05  # by how much the prices of a try are off, in logarithms
ENOUGH = (0.95, 0.9, 0.8, 0.6)  # worth of a node for its price at which a try ends
OF_GAP = 0.2  # share of the gap asked for that column generation may leave
CLOSE = 1e-7
NEAR = 1e-9
# Nodes of the search end a run, the clock is a safety net.
LP = Limits(gap_share=0.0, nodes=0, seconds=300.0)
MIP = Limits(gap_share=0.0, nodes=5_000, seconds=60.0)
SHORT = Limits(gap_share=0.0, nodes=50, seconds=20.0)
BOUND = Limits(gap_share=1e-5, nodes=100, seconds=20.0)


class Sharing:
    """A problem with shared nodes, and the ways to pack them known so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        most = most_in_periods(problem)
        sets = [cap_sets(problem, node) for node in range(len(problem.nodes))]
        self.shelves = [
            Shelf.of(problem, node, t, most[:, t], caps)
            for node, found in enumerate(sets)
            for t in range(len(problem.periods))
            for caps in ([None] if found is None else found)
        ]
        # On a node for all, what counts in fewer caps than the fullest contents do is not among the ways.
        self.is_by_caps = all(found is not None for found in sets)
        asked = problem.demand[problem.option_workload]
        fewest = problem.min_replicas[problem.option_workload, None]
        self.wanted = np.ceil(np.maximum(asked / problem.capacity[:, None], fewest) - 1e-9)
        self.alone_usd = alone_usd(problem)
        self.ways, self.place = self.joined([]), dict[bytes, int]()
        every = self.all_ways() if self.is_by_caps else None
        self.is_complete = every is not None
        self.add(self.first_ways() if every is None else every)

    def add(self, ways: Ways) -> Ints:
        """(ways,) their places among all that are known, behind which new ones are put."""
        told = np.column_stack([ways.node, ways.period, ways.contents])
        place = [self.place.setdefault(row.tobytes(), len(self.place)) for row in told]
        where = np.array(place, dtype=np.int64)
        _, first = np.unique(where, return_index=True)
        new = first[where[first] >= len(self.ways)]
        self.ways = self.ways.and_also(ways.take(new))
        return where

    def minimise(self, program: Program, gap_share: float, _start: Floats | None = None) -> Run | None:
        """The best answer that is found and what is proven about it; None where there is none.

        Args:
            program: of the compact model, without columns for ways to pack.
            gap_share: gap that is close enough.
            _start: not used, an answer says nothing of ways to pack.
        """
        if self.is_complete:
            return run_of(self.in_whole(program, gap_share, MIP), gap_share)
        relaxed = self.relaxed(program, OF_GAP * gap_share)
        if relaxed is None:
            return None
        bound, worth = self.proved(program, relaxed)
        found = self.filled_up(program, relaxed, gap_share)
        if found.values is None:  # limits leave no room for what was filled
            found = self.in_whole(program, gap_share, MIP)
        enough = found.objective - gap_share * abs(found.objective)
        is_near = self.is_by_caps and bound < enough < np.inf
        near = self.near_ways(relaxed, worth, enough - bound) if is_near else None
        if near is not None:
            self.add(near)
            again = self.in_whole(program, gap_share, MIP, found.values)
            # What costs less than `enough` is made of these ways: nothing costs less than both.
            bound = max(bound, min(enough, again.bound))
            found = min(found, again, key=lambda each: each.objective)
        return run_of(replace(found, bound=min(bound, found.objective)), gap_share)

    def duals(self, program: Program) -> Run | None:
        """The model without whole numbers, all ways to pack priced; None if infeasible."""
        relaxed = self.relaxed(program, 0.0)
        return None if relaxed is None else run_of(relaxed.found, 0.0)

    def relaxed(self, program: Program, gap_share: float) -> Relaxed | None:
        """Column generation until no way to pack is of use, or the gap is that small; None if infeasible."""
        found = self.priced(self.master(program), gap_share)
        if found is None and not self.is_complete:  # look for ways with which there is an answer
            row = program.rows_of("packed")
            row = row[row != NONE]
            unpacked = (row, np.arange(len(row)), -1.0)
            free = replace(program, cost=np.zeros_like(program.cost)).and_columns("free", unpacked, cost=1.0)
            first = self.priced(self.master(free), 0.0)
            if first is not None and first.found.objective < CLOSE:
                found = self.priced(self.master(program), gap_share)
        return found

    def master(self, program: Program) -> Master:
        """The program without whole numbers and with the ways known, to which others can be added."""
        return Master(self.problem, program, Growing(self.with_ways(program.relaxed())), len(self.ways))

    def priced(self, master: Master, gap_share: float) -> Relaxed | None:
        """The same, from an answer among the ways known on; None where there is none.

        Prices that ways are looked for at follow those of the program slowly (Neame): they swing less.
        """
        came_to: list[float] = []
        slow: Floats | None = None
        slow_usd: Floats | None = None
        for _ in range(MOST_ROUNDS):
            found = master.run(self.ways)
            if found.values is None:
                return None
            packed = np.maximum(0.0, -taken(found.duals, master.program.rows_of("packed")))
            nodes = -taken(found.duals, master.program.rows_of("nodes_used"))
            caps = -taken(found.duals, master.program.rows_of("nodes_in_cap"))
            usd = self.shelf_usd(nodes, caps)
            count = master.program.spread(found.values, "n").sum(axis=1)
            if self.is_complete:
                return Relaxed(found, packed, nodes, caps, count, 1.0)
            slow = packed if slow is None else SLOW * slow + (1.0 - SLOW) * packed
            slow_usd = usd if slow_usd is None else SLOW * slow_usd + (1.0 - SLOW) * usd
            new, true_share = self.of_use(slow, slow_usd, surely=False)
            pays = self.worth(new, packed) > self.way_usd(new, nodes, caps) * (1 + NEAR)
            new = new.take(np.flatnonzero(pays))
            if not len(new):
                new, true_share = self.of_use(packed, usd, surely=False)
                if not len(new) or 1.0 - true_share <= gap_share:
                    new, true_share = self.of_use(packed, usd, surely=True)
                if not len(new) or 1.0 - true_share <= gap_share:
                    return Relaxed(found, packed, nodes, caps, count, true_share)
            self.add(new)
            came_to.append(found.objective)
            gained = came_to[-TAIL] - came_to[-1] if len(came_to) > TAIL else np.inf
            if gained <= SLIGHT * gap_share * abs(came_to[-1]):
                break
        true_share = self.of_use(packed, usd, surely=True)[1]
        return Relaxed(found, packed, nodes, caps, count, true_share)

    def worth(self, ways: Ways, packed: Floats) -> Floats:
        """(ways,) what is on a node is worth at (I, T) prices of replicas."""
        return np.asarray((ways.contents * packed.T[ways.period]).sum(axis=1))

    def shelf_usd(self, nodes: Floats, caps: Floats) -> Floats:
        """(shelves,) price of a node, that of the caps its contents may count in included."""
        p = self.problem
        node, period = (np.array([getattr(s, name) for s in self.shelves]) for name in ("node", "period"))
        counted = np.array([shelf.caps for shelf in self.shelves]) @ caps
        return np.asarray(nodes[node, period] + counted * p.nodes.price_hourly[node] * p.hours[period])

    def way_usd(self, ways: Ways, nodes: Floats, caps: Floats) -> Floats:
        """(ways,) price of a node packed in each way, that of the caps it counts in included."""
        counted = caps @ ways.caps(self.problem)
        return np.asarray(nodes[ways.node, ways.period] + counted * ways.usd(self.problem))

    def of_use(self, packed: Floats, usd: Floats, *, surely: bool) -> tuple[Ways, float]:
        """Ways to pack that are worth more than their node, and the share of prices at which none is.

        Where it has to be sure, that share is one; else it is what it would be if nothing was overlooked.
        """
        new, true_share = [], 1.0
        for shelf, least in zip(self.shelves, usd, strict=True):
            value = packed[shelf.option, shelf.period]
            contents, worth, at_most = shelf.best(value, least * (1.0 + NEAR) + 1e-12, surely=surely)
            most = at_most if surely else worth
            if most > least:
                true_share = min(true_share, max(least, 0.0) / most)
            for _ in range(APART):  # others without what is on the best: together they pack more
                if contents is None:
                    break
                new.append(self.ways_on(shelf, contents[None, :]))
                value = np.where(contents > 0, 0.0, value)
                contents = shelf.best(value, least * (1.0 + NEAR) + 1e-12, surely=False)[0]
        return self.joined(new), true_share

    def proved(self, program: Program, relaxed: Relaxed) -> tuple[float, Floats]:
        """What no answer is below, and (shelves,) the least a node costs at the prices for that.

        Replicas are bought packed, at prices at which packing gains nothing: the rest is small.
        """
        packed = relaxed.packed * relaxed.true_share
        nodes, caps = relaxed.nodes, relaxed.caps
        for_caps = self.shelf_usd(np.zeros_like(nodes), caps)
        usd, worth = self.shelf_usd(nodes, caps), np.zeros_like(nodes)
        for shelf, least, in_caps in zip(self.shelves, usd, for_caps, strict=True):
            best = shelf.best(packed[shelf.option, shelf.period], least)[2]
            at = shelf.node, shelf.period
            worth[at] = max(worth[at], best - in_caps)
        cost, counted = program.cost.copy(), program.columns_of("kc")
        cost[program.columns_of("n")] += packed
        cost[program.columns_of("k")] -= worth
        cost[counted[counted != NONE]] -= caps[counted != NONE]
        names = ("packed", "nodes_used", "nodes_in_cap")
        free = np.concatenate([program.rows_of(name).ravel() for name in names])
        upper, lower = program.row_upper.copy(), program.row_lower.copy()
        upper[free[free != NONE]], lower[free[free != NONE]] = np.inf, -np.inf
        apart = replace(program, cost=cost, row_upper=upper, row_lower=lower)
        return highs.minimise(apart, BOUND).bound, self.shelf_usd(worth, caps)

    def filled_up(self, program: Program, relaxed: Relaxed, gap_share: float) -> Found:
        """Whole numbers from nodes filled one after another, some emptied and filled anew as long as it pays.

        The first try goes by the prices, others by prices a little off (the same from run to run). The best
        few are completed by a small program, which places what is left.
        """
        random, tries = np.random.default_rng(0), []
        for t in range(len(self.problem.periods)):
            price, found = relaxed.packed[:, t], []
            for number in range(TRIES):
                off = np.exp(random.normal(0.0, OFF, len(price))) if number else 1.0
                found.append(
                    self.fill(relaxed, t, price * off, ENOUGH[number % len(ENOUGH)], self.joined([]))
                )
            found.sort(key=lambda one: one[0])
            for number in range(ANEW):
                usd, ways = found[0]
                kept = ways.take(np.flatnonzero(random.random(len(ways)) > random.choice(EMPTIED)))
                off = np.exp(random.normal(0.0, 2 * OFF, len(price)))
                other = self.fill(relaxed, t, price * off, ENOUGH[number % len(ENOUGH)], kept)
                if other[0] < usd:
                    found = [other, *found[: COMPLETED - 1]]
            tries.append(found)
        best = Found("", None, np.inf, -np.inf, np.zeros(0))
        for number in range(COMPLETED):
            where = self.add(self.joined([each[number][1] for each in tries]))
            fixed = np.bincount(where, minlength=len(self.ways)).astype(float)
            found_whole = self.in_whole(program, gap_share, SHORT, fixed=fixed)
            best = min(best, found_whole, key=lambda each: each.objective)
        return best

    def fill(self, relaxed: Relaxed, t: int, price: Floats, enough: float, kept: Ways) -> tuple[float, Ways]:
        """Fill more nodes in a period, always the one worth most for its price; what all comes to.

        Ends where a node is worth less than a share `enough` of its price: what is left runs alone.
        """
        p, ways = self.problem, [kept]
        shelf_usd = self.shelf_usd(relaxed.nodes, relaxed.caps)
        shelves = [
            (shelf, float(each))
            for shelf, each in zip(self.shelves, shelf_usd, strict=True)
            if shelf.period == t and each > 0
        ]
        wanted, w = self.wanted[:, t] * self.chosen(relaxed), p.option_workload
        usd, left = float(self.way_usd(kept, relaxed.nodes, relaxed.caps).sum()), np.ones(len(p.workloads))
        np.subtract.at(left, w, kept.contents.sum(axis=0) / np.maximum(wanted, 1.0))
        while True:
            best, ratio = None, enough
            for shelf, node_usd in shelves:
                top = np.ceil(wanted * np.maximum(left, 0.0)[w] - 1e-6)[shelf.option]
                now = replace(shelf, top=np.minimum(shelf.top, top).astype(np.int64))
                contents, worth, _ = now.best(price[now.option], ratio * node_usd, surely=False)
                if contents is not None:
                    best, ratio = self.ways_on(now, contents[None, :]), worth / node_usd
            if best is None:
                alone = np.minimum(self.alone_usd[:, t], self.dear(relaxed, t))
                return usd + float(np.maximum(left, 0.0) @ alone), self.joined(ways)
            ways.append(best)
            usd += float(self.way_usd(best, relaxed.nodes, relaxed.caps)[0])
            np.subtract.at(left, w, best.contents[0] / np.maximum(wanted, 1.0))

    def chosen(self, relaxed: Relaxed) -> Bools:
        """(I,) options to be packed: of a workload that may use few, those the prices pack most."""
        p, count = self.problem, relaxed.count
        few = np.flatnonzero(p.max_options < np.bincount(p.option_workload, minlength=len(p.workloads)))
        kept = np.ones(len(p.option_id), dtype=bool)
        for w in few:
            options = p.options_of(int(w))
            shared = options[p.nodes.is_shared[options]]
            most = max(int(p.max_options[w]) - 1, 1)
            kept[shared[np.argsort(-count[shared], kind="stable")[most:]]] = False
        return kept

    def dear(self, relaxed: Relaxed, t: int) -> Floats:
        """(W,) what workloads cost that no try has packed and that cannot run alone: more than packed."""
        p = self.problem
        usd = np.zeros(len(p.workloads))
        np.maximum.at(usd, p.option_workload, UNPACKED * relaxed.packed[:, t] * self.wanted[:, t])
        return usd

    def near_ways(self, relaxed: Relaxed, worth: Floats, spare: float) -> Ways | None:
        """Every way to pack whose price is `spare` or less above its worth; None where they are too many."""
        found, left = [], MOST_NEAR
        packed = relaxed.packed * relaxed.true_share
        for shelf, usd in zip(self.shelves, worth, strict=True):
            value = packed[shelf.option, shelf.period]
            contents = shelf.all(value, usd - spare - CLOSE * (1.0 + usd), left)
            if contents is None:
                return None
            left -= len(contents)
            found.append(self.ways_on(shelf, contents))
        return self.joined(found)

    def in_whole(
        self,
        program: Program,
        gap_share: float,
        limits: Limits,
        start: Floats | None = None,
        *,
        fixed: Floats | None = None,
        among: Floats | None = None,
    ) -> Found:
        """Whole numbers among the ways known.

        Args:
            program: without columns for ways to pack.
            gap_share: gap that is close enough.
            limits: where it ends otherwise.
            start: an answer to begin from, of the first columns.
            fixed: (ways,) fewest nodes packed in each way.
            among: (ways,) most nodes packed in each way.
        """
        whole = self.with_ways(program)
        if fixed is not None:
            whole = replace(whole, lower=np.append(program.lower, fixed))
        if among is not None:
            whole = replace(whole, upper=np.append(program.upper, among))
        if start is not None:
            start = pad(start, len(whole.cost))
        found = highs.minimise(whole, replace(limits, gap_share=gap_share), start)
        if found.values is None and fixed is None and program.rows_of("least_missed_1").size:
            # An answer is known: seen with 1.16, presolve calls such a program infeasible.
            found = highs.minimise(whole, replace(limits, gap_share=gap_share, presolve="off"), start)
        return found

    def with_ways(self, program: Program) -> Program:
        """The program with a column for each way to pack known."""
        is_whole = bool(program.whole.any())
        return program.and_columns("pack", columns_of(self.problem, program, self.ways), whole=is_whole)

    def all_ways(self) -> Ways | None:
        """Every maximal way to pack; None where they are many."""
        found, left = [], FEW
        for shelf in self.shelves:
            contents = shelf.all(np.zeros(len(shelf.option)), -1.0, left)
            if contents is None:
                return None
            left -= len(contents)
            found.append(self.ways_on(shelf, contents))
        return self.joined(found)

    def first_ways(self) -> Ways:
        """Each option alone, and what first fit makes of all workloads on one kind of node."""
        found = []
        for shelf in self.shelves:
            alone = np.array([shelf.filled(row) for row in np.diag(shelf.top)]).reshape(-1, len(shelf.option))
            found.append(self.ways_on(shelf, alone))
            own = self.wanted[shelf.option, shelf.period].astype(np.int64)
            if own.sum() <= MOST_FIRST:
                found.append(self.ways_on(shelf, shelf.first_fit(own)))
        return self.joined(found)

    def ways_on(self, shelf: Shelf, contents: Ints) -> Ways:
        """(ways, M) contents of a shelf as ways to pack."""
        whole = np.zeros((len(contents), len(self.problem.option_id)), dtype=np.int64)
        whole[:, shelf.option] = contents
        return Ways(np.full(len(contents), shelf.node), np.full(len(contents), shelf.period), whole)

    def joined(self, parts: Sequence[Ways]) -> Ways:
        """Ways one after another."""
        nothing = np.zeros(0, dtype=np.int64)
        none = np.zeros((0, len(self.problem.option_id)), dtype=np.int64)
        return Ways(
            np.concatenate([nothing, *(part.node for part in parts)]),
            np.concatenate([nothing, *(part.period for part in parts)]),
            np.concatenate([none, *(part.contents for part in parts)]),
        )

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


def most_in_periods(p: Problem) -> Floats:
    """(I, T) replicas beyond which none is of use; tighter where only demand asks for them."""
    most, w = most_replicas(p), p.option_workload
    simple = (p.max_region_share >= 1) & ~np.isfinite(p.ramp.max_replicas) & ~p.survival.survive_zone_loss
    simple &= ~p.scenarios.is_paid & ~p.work.is_asked & ~p.caps.counted(CHANGED)
    simple[w[p.migration_cost_usd > 0]] = False
    simple[w[p.bounds.option]] = False
    floor = np.maximum(p.min_replicas, p.min_on_demand_replicas)[w]
    asked = np.maximum(np.ceil(p.demand[w] / p.capacity[:, None] - 1e-9), floor[:, None])
    return np.where(simple[w][:, None], np.minimum(asked, most[:, None]), most[:, None])


def alone_usd(p: Problem) -> Floats:
    """(W, T) the least that a workload costs on one kind of its own instances; infinite without any."""
    count = np.ceil(p.demand[p.option_workload] / p.capacity[:, None] - 1e-9)
    each = np.where(p.nodes.is_shared[:, None], np.inf, p.price_hourly[:, None] * p.hours * count)
    usd = np.full(p.demand.shape, np.inf)
    np.minimum.at(usd, p.option_workload, each)
    return usd


def pad(values: Floats, size: int) -> Floats:
    """The same with zeros behind."""
    return np.concatenate([values, np.zeros(size - len(values))])


def run_of(found: Found, gap_share: float) -> Run | None:
    """What a run of HiGHS came to; its status tells only why it stopped."""
    if found.values is None:
        return None
    is_close = found.objective - found.bound <= gap_share * abs(found.objective) + CLOSE
    stopped_by = "gap" if is_close else STOPPED_BY.get(found.status, "nodes")
    stopped_by = "rounds" if stopped_by == "gap" and not is_close else stopped_by
    return Run(found.values, found.objective, found.bound, stopped_by, found.duals)
