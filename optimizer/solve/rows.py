"""The rules of workloads as rows of one sparse matrix, each with a column that relaxes it.

Index names as in `optimizer.problem`. Replicas `n` (I, T) are columns; a rule of `optimizer.problem` is a
block of rows. What relaxes a rule is one column a workload (or pool), so that a relaxation is made once for
all periods: with all of them held at zero the rows are the rules themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from optimizer.problem import Bools, Floats, Ints, Problem

FEW_NODES = 500
TIME_LIMIT_SECONDS = 30.0  # a safety net: nodes end it


@dataclass
class Rows:
    """Columns and rows as they are added, a block at a time."""

    cost: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    whole: list[Bools] = field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    columns: int = 0
    rows: int = 0

    def add_columns(self, cost: Floats, upper: Floats | float, *, whole: Bools | bool) -> Ints:
        """Columns from 0 to `upper` of the shape of `cost`; gives their numbers."""
        size = cost.size
        self.cost.append(np.asarray(cost, dtype=float).ravel())
        self.upper.append(np.broadcast_to(np.asarray(upper, dtype=float), cost.shape).ravel())
        self.whole.append(np.broadcast_to(np.asarray(whole), cost.shape).ravel())
        self.columns += size
        return np.arange(self.columns - size, self.columns).reshape(cost.shape)

    def add_rows(
        self, low: Floats | float, high: Floats | float, count: int, *terms: tuple[Ints, Ints, Floats | float]
    ) -> None:
        """So many rows within bounds; each term is (row of the block, column, value), alike in shape."""
        for term in terms:
            row, column, value = (each.ravel() for each in np.broadcast_arrays(*term))
            self.entries.append((self.rows + row, column, value.astype(float)))
        self.low.append(np.broadcast_to(np.asarray(low, dtype=float), (count,)))
        self.high.append(np.broadcast_to(np.asarray(high, dtype=float), (count,)))
        self.rows += count

    def minimise(self, *, whole: bool, gap_share: float = 1e-9, nodes: int = FEW_NODES) -> Floats | None:
        """(columns,) values of least cost; None where none was found."""
        found = milp(
            np.concatenate(self.cost),
            integrality=np.concatenate(self.whole).astype(int) if whole else None,
            bounds=Bounds(0.0, np.concatenate(self.upper)),
            constraints=[self.constraint()] if self.entries else [],
            options={"node_limit": nodes, "mip_rel_gap": gap_share, "time_limit": TIME_LIMIT_SECONDS},
        )
        return None if found.x is None else np.asarray(found.x)

    def constraint(self) -> LinearConstraint:
        """All rows as one matrix with bounds."""
        row, column, value = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        matrix = coo_array((value, (row, column)), shape=(self.rows, self.columns)).tocsr()
        return LinearConstraint(matrix, np.concatenate(self.low), np.concatenate(self.high))


# What may be relaxed of a workload, in the order of the columns of `Relaxed.workload`.
FEWER, MORE, FEWER_FIRM, SPOT, REGIONS, SHARE, SURVIVE, OPTIONS = range(8)


@dataclass(frozen=True)
class Relaxed:
    """Numbers of the columns: (I, T) replicas, (W, 8) relaxed rules of workloads, (P,) raised limits."""

    n: Ints
    workload: Ints
    pool: Ints


@dataclass(frozen=True)
class Regions:
    """The regions of workloads: (I,) which one each option is in, (R,) whose it is."""

    of: Ints
    workload: Ints

    @classmethod
    def find(cls, p: Problem) -> Regions:
        """Regions, each a workload's own."""
        places = [f"{provider}\0{region}" for provider, region in zip(p.provider, p.region, strict=True)]
        _, place = np.unique(np.array(places, dtype=object).astype(str), return_inverse=True)
        pairs, of = np.unique(
            np.stack([p.option_workload, place.ravel()], axis=1), axis=0, return_inverse=True
        )
        return cls(of.ravel().astype(np.int64), pairs[:, 0].astype(np.int64))


@dataclass(frozen=True)
class Leeway:
    """How far rules may give way and at what price.

    Attributes:
        price: (W, 8) of relaxing each rule of a workload by one.
        most: (W, 8) how far each may be relaxed; 0 where it must hold.
        pool_price: (P,) of raising a limit by one unit in every period.
    """

    price: Floats
    most: Floats
    pool_price: Floats

    @classmethod
    def of_limits(cls, p: Problem) -> Leeway:
        """Rules of workloads hold, limits do not."""
        nothing = np.zeros((len(p.workloads), 8))
        return cls(nothing, nothing, np.zeros(len(p.pools)))


def relaxable(p: Problem, usd: Floats, top: Floats, leeway: Leeway) -> tuple[Rows, Relaxed]:
    """Rows of all rules of a problem, limits of pools among them.

    Args:
        p: the problem.
        usd: (I, T) cost of a replica.
        top: (I,) most replicas.
        leeway: what may give way.
    """
    m = Rows()
    n = m.add_columns(usd, top[:, None], whole=True)
    relaxed = m.add_columns(leeway.price, leeway.most, whole=np.arange(8) == SURVIVE)
    raised = m.add_columns(leeway.pool_price, np.inf, whole=False)
    columns = Relaxed(n, relaxed, raised)
    add_totals(m, p, columns)
    add_regions(m, p, columns, Regions.find(p))
    add_options(m, p, columns, top)
    add_pools(m, p, columns)
    return m, columns


def add_totals(m: Rows, p: Problem, x: Relaxed) -> None:
    """Demand, spot share, replicas and firm replicas: sums over the options of a workload."""
    w, periods = p.option_workload, len(p.periods)
    firm = ~p.is_spot
    wanted = p.demand > 0
    everywhere = np.ones_like(wanted)
    a = p.capacity[:, None]
    share = 1.0 - p.max_spot_share[:, None]
    blocks = (
        (wanted, a, None, p.demand, np.inf, None, 0.0),
        (wanted & (share > 0), a, firm, share * p.demand, np.inf, SPOT, p.demand),
        (everywhere & (p.min_replicas > 0)[:, None], 1.0, None, p.min_replicas, np.inf, FEWER, 1.0),
        (everywhere & np.isfinite(p.max_replicas)[:, None], 1.0, None, -np.inf, p.max_replicas, MORE, -1.0),
        (everywhere & (p.min_on_demand_replicas > 0)[:, None], 1.0, firm, p.min_on_demand_replicas, np.inf,
         FEWER_FIRM, 1.0),
    )  # fmt: skip
    for where, value, only, low, high, rule, relaxes in blocks:
        count = int(where.sum())
        if not count:
            continue
        number = np.full(where.shape, -1)
        number[where] = np.arange(count)
        i, t = np.nonzero((number[w] >= 0) & (True if only is None else only[:, None]))
        terms = [(number[w[i], t], x.n[i, t], np.broadcast_to(value, x.n.shape)[i, t])]
        if rule is not None:
            row_w, row_t = np.nonzero(where)
            by = np.broadcast_to(np.asarray(relaxes, dtype=float), where.shape)[row_w, row_t]
            terms.append((number[row_w, row_t], x.workload[row_w, rule], by))
        m.add_rows(spread(low, where, periods), spread(high, where, periods), count, *terms)


def spread(value: Floats | float, where: Bools, periods: int) -> Floats | float:
    """A bound by workload, or by workload and period, for the rows of a block."""
    if np.ndim(value) == 0:
        return value
    values = np.asarray(value, dtype=float)
    whole = values if values.ndim == 2 else np.repeat(values[:, None], periods, axis=1)
    return np.asarray(whole[where])


def add_regions(m: Rows, p: Problem, x: Relaxed, regions: Regions) -> None:
    """Losing a region, the share of one, and how many are in use."""
    ruled = (p.min_regions > 1) | (p.max_region_share < 1.0) | p.survive_region_loss
    if not ruled.any():
        return
    wanted, owner, a = p.demand > 0, regions.workload, p.capacity
    i, r = pairs_of(p, regions, ruled)
    inside = regions.of[i] == r

    def rows_of(where: Bools) -> tuple[Ints, Ints, Ints, int]:
        """Number of each (region, period) row of a block, -1 for none; which they are; how many."""
        rows = np.full(where.shape, -1)
        first, second = np.nonzero(where)
        rows[first, second] = np.arange(len(first))
        return rows, first, second, len(first)

    def terms(rows: Ints, which: Bools, value: Floats) -> tuple[Ints, Ints, Floats]:
        """Terms of (option, region) pairs in every period that has a row."""
        k, t = np.nonzero((rows[r] >= 0) & which[:, None])
        return rows[r[k], t], x.n[i[k], t], value[k]

    rows, of, t, size = rows_of(wanted[owner] & p.survive_region_loss[owner][:, None])
    if size:
        need = p.demand[owner[of], t]
        lost = (rows[of, t], x.workload[owner[of], SURVIVE], need)
        m.add_rows(need, np.inf, size, terms(rows, ~inside, a[i]), lost)
    rows, of, t, size = rows_of(np.repeat((p.max_region_share[owner] < 1.0)[:, None], len(p.periods), axis=1))
    if size:
        part = a[i] * (inside - p.max_region_share[p.option_workload[i]])
        more = (rows[of, t], x.workload[owner[of], SHARE], -1.0)
        m.add_rows(-np.inf, 0.0, size, terms(rows, np.ones_like(inside), part), more)
    floored = (p.min_replicas > 0) | (p.min_on_demand_replicas > 0)
    must = (wanted | floored[:, None]) & (p.min_regions > 1)[:, None]
    rows, of, t, size = rows_of(must[owner])
    if size:
        in_use = m.add_columns(np.zeros(size), 1.0, whole=True)
        m.add_rows(0.0, np.inf, size, terms(rows, inside, np.ones(len(i))), (rows[of, t], in_use, -1.0))
        total, w, at, count = rows_of(must)
        fewer = (total[w, at], x.workload[w, REGIONS], 1.0)
        m.add_rows(p.min_regions[w].astype(float), np.inf, count, (total[owner[of], t], in_use, 1.0), fewer)


def pairs_of(p: Problem, regions: Regions, ruled: Bools) -> tuple[Ints, Ints]:
    """(option, region) pairs of the same workload, of workloads with a rule about regions."""
    begin = np.searchsorted(regions.workload, np.arange(len(p.workloads) + 1))
    options = np.flatnonzero(ruled[p.option_workload])
    first = begin[p.option_workload[options]]
    count = begin[p.option_workload[options] + 1] - first
    place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(options, count), np.repeat(first, count) + place


def add_options(m: Rows, p: Problem, x: Relaxed, top: Floats) -> None:
    """How many different options are used, where more are there than allowed."""
    w = p.option_workload
    bound = np.bincount(w, minlength=len(p.workloads)) > p.max_options
    i = np.flatnonzero(bound[w])
    if not len(i):
        return
    used = m.add_columns(np.zeros(len(i)), 1.0, whole=True)
    periods = len(p.periods)
    row = np.arange(len(i) * periods).reshape(len(i), periods)
    m.add_rows(-np.inf, 0.0, row.size, (row, x.n[i], 1.0), (row, used[:, None], -top[i][:, None]))
    who = np.flatnonzero(bound)
    of = np.searchsorted(who, w[i])
    m.add_rows(-np.inf, p.max_options[who], len(who), (of, used, 1.0),
               (np.arange(len(who)), x.workload[who, OPTIONS], -1.0))  # fmt: skip


def add_pools(m: Rows, p: Problem, x: Relaxed) -> None:
    """Limits of pools."""
    row = np.full(p.pool_limit.shape, -1)
    k, t = np.nonzero(np.isfinite(p.pool_limit))
    row[k, t] = np.arange(len(k))
    if not len(k):
        return
    quota = np.where(p.quota_pool == p.pool, -1, p.quota_pool)  # one limit counts once
    terms = []
    for pool in (p.pool, quota):
        i, at = np.nonzero((pool >= 0)[:, None] & (row[pool] >= 0))
        terms.append((row[pool[i], at], x.n[i, at], p.pool_units[i]))
    m.add_rows(-np.inf, p.pool_limit[k, t], len(k), *terms, (row[k, t], x.pool[k], -1.0))
