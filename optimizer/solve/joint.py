"""Workloads chosen together: an integer program over mixes and their patterns, limits and commitments exact.

One mix of each workload and one pattern of it in each period. With one mix each the periods are apart, and
HiGHS settles thousands of workloads in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.problem import Ints
from optimizer.solve.duals import Shared
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.mixes import Mixes
from optimizer.solve.plans import Plans
from optimizer.solve.program import NONE, Blocks, Program, Rows, Term, along, everywhere, numbered
from optimizer.solve.restricted import Climbed

OVERDRAWN = 100.0  # a unit beyond a limit costs so many times the dearest pattern's price of a unit
RELAXED = Limits(gap_share=0.0, nodes=0, seconds=60.0)


@dataclass(frozen=True)
class Choice:
    """A plan for each workload, what they cost with commitments, what is proven, and whether limits hold."""

    plans: Plans
    usd: float
    bound_usd: float
    fits: bool


def choose(mixes: Mixes, shared: Shared, limits: Limits) -> Choice | None:
    """The cheapest choice found; None where HiGHS found none.

    Args:
        mixes: one or more of each workload.
        shared: limits and commitments, less what others draw.
        limits: when to stop.
    """
    v = variables(mixes, shared)
    found = minimise(program_of(mixes, shared, v), limits)
    if found.values is None:
        return None
    pattern = np.flatnonzero(found.values[v["pick"]] > 0.5).reshape(-1, mixes.periods)
    mix = mixes.cell[pattern[:, 0]] // mixes.periods
    plans = Plans(mixes.workload[mix], mixes.option[mix], mixes.count[pattern])
    return Choice(plans, found.objective, found.bound, float(found.values[v["over"]].sum()) < 1e-6)


def relaxed(mixes: Mixes, shared: Shared) -> Climbed | None:
    """The restricted master as a linear program: exact prices and shares; None where HiGHS gives up."""
    v = variables(mixes, shared)
    program = program_of(mixes, shared, v).relaxed()
    found = minimise(program, RELAXED)
    if found.values is None:
        return None
    rent, row = np.zeros(shared.limit.shape), program.rows_of("within_limit")
    if row.size:
        rent[row != NONE] = -found.duals[row[row != NONE]]
    row = program.rows_of("within_commitment")
    worth = -found.duals[row] if row.size else np.zeros((len(shared.held), mixes.periods))
    weight = found.values[v["pick"]]
    of_mix = np.bincount(mixes.cell // mixes.periods, weights=weight, minlength=len(mixes)) / mixes.periods
    prices = np.maximum(np.concatenate([rent.ravel(), worth.ravel()]), 0.0)
    return Climbed(prices, found.objective, of_mix, weight)


def variables(mixes: Mixes, shared: Shared) -> Blocks:
    """Patterns, mixes (where periods have to agree on one), cover, purchases, units beyond limits."""
    v, periods = Blocks(), mixes.periods
    v.add("pick", everywhere(len(mixes.paid)), upper=1.0, whole=True)
    v.pay("pick", mixes.paid)
    if periods > 1:
        v.add("mix", everywhere(len(mixes)), upper=1.0, whole=True)
        v.pay("mix", mixes.usd)
    else:
        v.pay("pick", mixes.usd[mixes.cell])
    v.add("y", np.repeat((shared.rate > 0)[:, :, None], periods, axis=2))
    v.pay("y", -shared.listed[:, :, None] * shared.hours)
    v.add("b", everywhere(len(shared.held)), upper=shared.offered)
    v.pay("b", shared.fee * shared.hours.sum())
    v.add("over", np.isfinite(shared.limit))
    per_unit = float((mixes.paid / np.maximum(mixes.units.sum(axis=1), 1.0)).max(initial=0.0))
    v.pay("over", OVERDRAWN * max(per_unit, 1e-6))
    return v


def program_of(mixes: Mixes, shared: Shared, v: Blocks) -> Program:
    """One pattern of one mix for each workload and period."""
    return v.program([*take_one(mixes, v), within_limits(mixes, shared, v), *honour(mixes, shared, v)])


def take_one(mixes: Mixes, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_m z_{wm} = 1$ and $\sum_k \lambda_{mtk} = z_m$; in one period $\sum_{mk} \lambda_{wmk} = 1$."""
    workloads, of = np.unique(mixes.workload, return_inverse=True)
    row = np.arange(len(workloads))
    if mixes.periods == 1:
        yield Rows("take_one", row, [(row[of[mixes.cell]], v["pick"], 1.0)], lower=1.0, upper=1.0)
        return
    yield Rows("take_one", row, [(row[of], v["mix"], 1.0)], lower=1.0, upper=1.0)
    row = np.arange(len(mixes) * mixes.periods)
    picked: list[Term] = [(row[mixes.cell], v["pick"], 1.0), (row, v["mix"].repeat(mixes.periods), -1.0)]
    yield Rows("same_mix", row, picked, lower=0.0, upper=0.0)


def within_limits(mixes: Mixes, shared: Shared, v: Blocks) -> Rows:
    r"""$\sum u_{mtkr} \lambda_{mtk} \le Q_{rt} + o_{rt}$."""
    row = numbered(np.isfinite(shared.limit))
    kinds = shared.kinds
    terms = [*drawn(row, kinds.limit, mixes, v), *drawn(row, kinds.quota, mixes, v), (row, v["over"], -1.0)]
    return Rows("within_limit", row, terms, upper=shared.limit)


def honour(mixes: Mixes, shared: Shared, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_c y_{cot} \le$ on-demand units that run, and $\sum_o r_{co} y_{cot} \le B_c + b_c$."""
    row = numbered(everywhere(*shared.anyway.shape))
    running = drawn(row, shared.kinds.cover, mixes, v, sign=-1.0)
    yield Rows("cover_running", row, [(row, v["y"], 1.0), *running], upper=shared.anyway)
    row = numbered(everywhere(len(shared.held), mixes.periods))
    spent: list[Term] = [(row[:, None, :], v["y"], shared.rate[:, :, None]), (row, v["b"][:, None], -1.0)]
    yield Rows("within_commitment", row, spent, upper=shared.held[:, None])


def drawn(row: Ints, of_kind: Ints, mixes: Mixes, v: Blocks, sign: float = 1.0) -> Iterator[Term]:
    """What patterns draw on (rows, T): each option of a mix is of a kind that is in one row or none."""
    mix, time = mixes.cell // mixes.periods, mixes.cell % mixes.periods
    for j in range(mixes.kind.shape[1]):
        mine = along(row, along(of_kind, mixes.kind[mix, j]))
        yield np.take_along_axis(mine, time[:, None], axis=1)[:, 0], v["pick"], sign * mixes.units[:, j]
