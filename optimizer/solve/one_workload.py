"""The cheapest plan of one workload with any rules, at prices of what it shares: a small integer program."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats, Ints, Problem
from optimizer.solve.compact import most_replicas
from optimizer.solve.components import restrict
from optimizer.solve.prices import Plan, Priced
from optimizer.solve.rows import Leeway, Rows, relaxable


def cheapest_plan(priced: Priced, workload: int, must: int | None, *, alone: bool = False) -> Plan | None:
    """The cheapest plan of a workload; None where it has none.

    Args:
        priced: the problem and prices of what is shared.
        workload: whose.
        must: an option that has to run.
        alone: nothing but this option may run.
    """
    part = restrict(priced.problem, np.array([workload]))
    p = part.problem
    rent, saved = priced.per_unit(part.options)
    usd = p.price_hourly[:, None] * p.hours + p.pool_units[:, None] * (rent - saved)
    top = np.array([most_replicas(p, i) for i in range(len(p.option_id))], dtype=float)
    if alone:
        top[part.options != must] = 0.0
    m, x = relaxable(p, usd, top, Leeway.of_limits(p))
    if must is not None:
        own = x.n[np.flatnonzero(part.options == must)[0]]
        m.add_rows(1.0, np.inf, 1, (np.zeros(len(own), dtype=np.int64), own, 1.0))
    add_egress(m, x.n, p)
    add_activation(m, x.n, np.where(p.current_replicas > 0, 0.0, p.activation_cost_usd[0]), top)
    add_moves(m, x.n, p.migration_cost_usd, p.current_replicas)
    found = m.minimise(whole=True)
    if found is None:
        return None
    count = np.rint(found[x.n])
    used = count.max(axis=1, initial=0) > 0
    return Plan(part.options[used], count[used])


def add_egress(m: Rows, n: Ints, p: Problem) -> None:
    """What each option of the one workload serves, where that is charged."""
    egress, hours = p.egress_usd_per_unit, p.hours
    if not (egress > 0).any():
        return
    served = m.add_columns(egress[:, None] * hours, np.inf, whole=False)
    row = np.arange(n.size).reshape(n.shape)
    m.add_rows(-np.inf, 0.0, n.size, (row, served, 1.0), (row, n, -p.capacity[:, None]))
    time = np.broadcast_to(np.arange(len(hours)), n.shape)
    m.add_rows(p.demand[0], np.inf, len(hours), (time, served, 1.0))


def add_activation(m: Rows, n: Ints, activation: Floats, top: Floats) -> None:
    """An option that is taken up costs something once."""
    i = np.flatnonzero(activation > 0)
    if len(i):
        used = m.add_columns(activation[i], 1.0, whole=True)
        row = np.arange(n[i].size).reshape(n[i].shape)
        m.add_rows(-np.inf, 0.0, row.size, (row, n[i], 1.0), (row, used[:, None], -top[i][:, None]))


def add_moves(m: Rows, n: Ints, migration: Floats, current: Floats) -> None:
    """Replicas changed against the present fleet in the first period."""
    i = np.flatnonzero(migration > 0)
    if len(i):
        moved, row = m.add_columns(migration[i], np.inf, whole=False), np.arange(len(i))
        m.add_rows(-current[i], np.inf, len(i), (row, moved, 1.0), (row, n[i, 0], -1.0))
        m.add_rows(current[i], np.inf, len(i), (row, moved, 1.0), (row, n[i, 0], 1.0))
