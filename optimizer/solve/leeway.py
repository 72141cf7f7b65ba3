"""The compact model with rules that give way at a price: one column a workload and rule, or a pool.

What relaxes a rule is the same in all periods, so a rule is relaxed once. Rules without such a column hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csc_array, hstack

from optimizer.caps import CHANGED
from optimizer.problem import Floats, Ints, Problem
from optimizer.solve.compact import RULES, build, count_moves, honour_commitments
from optimizer.solve.program import NONE, Program

KEPT = tuple(rule for rule in RULES if rule is not honour_commitments)  # it is for money
WITHOUT_MOVES = tuple(rule for rule in KEPT if rule is not count_moves)  # so is that
# What may give way of a workload, in the order of the columns of `Leeway.price`.
FEWER, MORE, FEWER_FIRM, SPOT, REGIONS, SHARE, SURVIVE, OPTIONS = range(8)


@dataclass(frozen=True)
class Leeway:
    """How far rules may give way and at what price.

    Attributes:
        price: (W, 8) of relaxing each rule of a workload by one.
        most: (W, 8) how far each may be relaxed.
        pool_price: (P,) of raising a limit by one unit in every period.
    """

    price: Floats
    most: Floats
    pool_price: Floats


def relaxable(p: Problem, usd: Floats, top: Floats, leeway: Leeway) -> Program:
    """All rules that a placement has to keep, with columns that relax them.

    Args:
        p: the problem.
        usd: (I, T) cost of a replica.
        top: (I,) most replicas.
        leeway: what may give way.
    """
    # Counts are bounded by max_replicas in the model itself: it is lifted, and put back as a row.
    lifted = np.where(np.isfinite(p.max_replicas), np.maximum(p.max_replicas, 1e6), np.inf)
    rules = KEPT if p.caps.of_kind(CHANGED).any() else WITHOUT_MOVES
    strict = build(replace(p, max_replicas=lifted), rules)
    rows = strict.rows_of("max_replicas")
    upper, cost = strict.row_upper.copy(), np.zeros_like(strict.cost)
    if rows.size:
        upper[rows[rows != NONE]] = np.broadcast_to(p.max_replicas[:, None], rows.shape)[rows != NONE]
    n = strict.columns_of("n")
    cost[n], most = usd, strict.upper.copy()
    most[n] = np.minimum(np.maximum(most[n], 0.0), top[:, None])
    return with_columns(replace(strict, cost=cost, upper=most, row_upper=upper), p, leeway)


def with_columns(program: Program, p: Problem, leeway: Leeway) -> Program:
    """The program with a column for each rule that may give way."""
    workloads, pools, first = len(p.workloads), len(p.pools), len(program.cost)
    need = p.demand
    blocks = (
        ("min_replicas", FEWER, np.ones(1)), ("max_replicas", MORE, -np.ones(1)),
        ("floor_on_demand", FEWER_FIRM, np.ones(1)), ("cap_spot", SPOT, need),
        ("min_regions", REGIONS, np.ones(1)), ("max_region_share", SHARE, -np.ones(1)),
        ("survive_region", SURVIVE, need[:, None, :]), ("max_options", OPTIONS, -np.ones(1)),
    )  # fmt: skip
    entries = [
        terms(program.rows_of(name), first + 8 * np.arange(workloads) + rule, value)
        for name, rule, value in blocks
    ]
    entries.append(
        terms(program.rows_of("within_pool"), first + 8 * workloads + np.arange(pools), -np.ones(1))
    )
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    size = 8 * workloads + pools
    more = coo_array((value, (row, column - first)), shape=(program.matrix.shape[0], size))
    whole = np.zeros((workloads, 8), dtype=bool)
    whole[:, SURVIVE] = True  # that rule is there or it is not
    return replace(
        program,
        lower=np.concatenate([program.lower, np.zeros(size)]),
        upper=np.concatenate([program.upper, leeway.most.ravel(), np.full(pools, np.inf)]),
        cost=np.concatenate([program.cost, leeway.price.ravel(), leeway.pool_price]),
        whole=np.concatenate([program.whole, whole.ravel(), np.zeros(pools, dtype=bool)]),
        matrix=csc_array(hstack([program.matrix, more])),
    )


def terms(rows: Ints, columns: Ints, value: Floats) -> tuple[Ints, Ints, Floats]:
    """Entries of one column a workload (or pool) in all rows of it; rows are by it first."""
    if not rows.size:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    column = columns.reshape(-1, *[1] * (rows.ndim - 1))
    row, column, value = np.broadcast_arrays(rows, column, value)
    there = row != NONE
    return row[there], column[there], value[there]
