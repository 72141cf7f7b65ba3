"""Caps, priorities, scenarios and work that may shift, from problem tables and back.

Columns are told in `optimizer.problem_rules`; what asks for nothing is not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from optimizer.caps import Caps, Priorities
from optimizer.losses import Scenarios
from optimizer.problem import Floats, Problem
from optimizer.problem_rules import (
    CAP_WORKLOADS,
    CAPS,
    PERIODS,
    PRIORITIES,
    SCENARIO_DEMAND,
    SCENARIO_WEIGHTS,
    SCENARIOS,
    WORKLOADS,
)
from optimizer.problem_values import filled, is_drawn_on, places, pool_names, served
from optimizer.shift import Work

WINDOW: dict[str, Any] = {"work_from": None, "work_until": None}  # the first and the last period


def shared_groups(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> dict[str, Any]:
    """The groups of the checked tables; `options` in their order."""
    return {
        "caps": caps(tables, options),
        "priorities": priorities(tables),
        "scenarios": scenarios(tables),
        "work": work(tables),
    }


def caps(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> Caps:
    """Caps with their workloads; a cap that `cap_workloads` does not name is for all."""
    rows, named = tables[CAPS], tables[CAP_WORKLOADS]
    workloads = pd.Index(tables[WORKLOADS]["workload"])
    member = np.zeros((len(rows), len(workloads)), dtype=bool)
    member[places(pd.Index(rows["cap"]), named["cap"]), places(workloads, named["workload"])] = True
    member[~rows["cap"].isin(named["cap"]).to_numpy(dtype=bool)] = True
    return Caps(
        name=tuple(rows["cap"]),
        kind=tuple(rows["kind"]),
        limit=filled(rows, "limit"),
        priority=rows["priority"].to_numpy(dtype=float),
        usd_per_unit=rows["usd_per_unit"].to_numpy(dtype=float),
        member=member,
        kg_co2e_hourly=filled(options, "kg_co2e_hourly"),
    )


def priorities(tables: Mapping[str, pd.DataFrame]) -> Priorities:
    """Priorities that the tables set."""
    rows = tables[PRIORITIES]
    workload = places(pd.Index(tables[WORKLOADS]["workload"]), rows["workload"])
    return Priorities(tuple(rows["rule"]), workload, rows["priority"].to_numpy(dtype=float))


def scenarios(tables: Mapping[str, pd.DataFrame]) -> Scenarios:
    """Scenarios that any table names, sorted; those without a weight weigh 1.

    A row of a period counts before one of every period. Losses of pools that nothing draws on do not matter.
    """
    lost, factors, weights = (tables[name] for name in (SCENARIOS, SCENARIO_DEMAND, SCENARIO_WEIGHTS))
    names = sorted(set(lost["scenario"]) | set(factors["scenario"]) | set(weights["scenario"]))
    workloads = tables[WORKLOADS]
    weight = np.ones(len(names))
    weight[places(pd.Index(names, dtype="object"), weights["scenario"])] = weights["weight"].astype(float)
    units = pd.Index(workloads["workload"])
    return Scenarios(
        name=tuple(names),
        probability=weight / max(weight.sum(), 1e-300),
        lost_share=cube(tables, lost, names, "pool", pool_names(tables), "lost_share", 0.0),
        demand_factor=cube(tables, factors, names, "workload", units, "factor", 1.0),
        slo_usd_per_unit=filled(workloads, "slo_usd_per_unit"),
    )


def cube(  # noqa: PLR0917  the table, and what its rows are called
    tables: Mapping[str, pd.DataFrame],
    rows: pd.DataFrame,
    names: list[str],
    column: str,
    things: pd.Index,
    value: str,
    default: float,
) -> Floats:
    """(scenarios, things, periods) values of rows; of every period first, then of single ones."""
    periods = pd.Index(tables[PERIODS]["period"])
    table = np.full((len(names), len(things), len(periods)), default)
    s, k = places(pd.Index(names, dtype="object"), rows["scenario"]), places(things, rows[column])
    t, values = places(periods, rows["period"]), rows[value].to_numpy(dtype=float)
    for n in [*np.flatnonzero((t < 0) & (k >= 0)), *np.flatnonzero((t >= 0) & (k >= 0))]:
        table[s[n], k[n], slice(None) if t[n] < 0 else t[n]] = values[n]
    return table


def work(tables: Mapping[str, pd.DataFrame]) -> Work:
    """Work and its windows."""
    workloads, periods = tables[WORKLOADS], pd.Index(tables[PERIODS]["period"])
    begin, end = places(periods, workloads["work_from"]), places(periods, workloads["work_until"])
    last = len(periods) - 1
    return Work(filled(workloads, "work_amount"), np.maximum(begin, 0), np.where(end < 0, last, end))


def shared_columns(p: Problem) -> dict[str, np.ndarray]:
    """Columns of `workloads`; a window that is everything is not told."""
    periods, last = np.array(p.periods, dtype=object), len(p.periods) - 1
    nothing = np.full(len(p.workloads), None, dtype=object)
    return {
        "slo_usd_per_unit": p.scenarios.slo_usd_per_unit,
        "work_amount": served(p.work.amount, "work_amount"),
        "work_from": np.where(p.work.begin > 0, periods[p.work.begin], nothing),
        "work_until": np.where(p.work.end < last, periods[p.work.end], nothing),
    }


def shared_frames(p: Problem) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of the groups; without rows where they ask for nothing."""
    workloads, periods, pools, names = (
        np.array(values, dtype=object) for values in (p.workloads, p.periods, p.pools, p.scenarios.name)
    )
    c, r, s = p.caps, p.priorities, p.scenarios
    told = {"limit": c.limit, "priority": c.priority, "usd_per_unit": c.usd_per_unit}
    yield CAPS, pd.DataFrame({"cap": np.array(c.name, dtype=object), "kind": list(c.kind), **told})
    k, w = np.nonzero(c.member & ~c.member.all(axis=1, keepdims=True))
    yield CAP_WORKLOADS, pd.DataFrame({"cap": np.array(c.name, dtype=object)[k], "workload": workloads[w]})
    whose = np.array([*p.workloads, None], dtype=object)[r.workload]
    yield PRIORITIES, pd.DataFrame({"rule": list(r.rule), "workload": whose, "priority": r.priority})
    n, k, t = np.nonzero(s.lost_share * is_drawn_on(p)[:, None])
    where = {"scenario": names[n], "pool": pools[k], "period": periods[t]}
    yield SCENARIOS, pd.DataFrame({**where, "lost_share": s.lost_share[n, k, t]})
    n, w, t = np.nonzero(s.demand_factor != 1.0)
    where = {"scenario": names[n], "workload": workloads[w], "period": periods[t]}
    yield SCENARIO_DEMAND, pd.DataFrame({**where, "factor": s.demand_factor[n, w, t]})
    yield SCENARIO_WEIGHTS, pd.DataFrame({"scenario": names, "weight": s.probability})
