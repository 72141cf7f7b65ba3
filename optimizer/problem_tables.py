"""From problem tables to arrays and back; see `optimizer.problem_rules` for the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from optimizer.problem import COMMITMENT_ARRAYS, OPTION_ARRAYS, OPTION_NAMES, Floats, Ints, Problem
from optimizer.problem_groups import group_columns, group_frames, groups
from optimizer.problem_rules import (
    COMMITMENT_POOLS,
    COMMITMENTS,
    DEMAND,
    OPTIONS,
    PERIODS,
    POOLS,
    RULES,
    WORKLOADS,
)
from optimizer.problem_values import filled, is_drawn_on, places, pool_names, served

NUMBERS_OF_WORKLOADS = tuple(
    rule.name
    for rule in RULES[WORKLOADS]
    if rule.kind == "number" and rule.name in Problem.__dataclass_fields__
)


def arrays(tables: Mapping[str, pd.DataFrame]) -> Problem:
    """The checked tables as arrays; options in the order of workloads, then as they stand."""
    workloads, periods = tables[WORKLOADS], tables[PERIODS]
    units, names = pd.Index(workloads["workload"]), pd.Index(periods["period"])
    options = tables[OPTIONS].assign(w=places(units, tables[OPTIONS]["workload"]))
    options = options.sort_values("w", kind="stable", ignore_index=True)
    quota = options["quota_pool"].where(options["quota_pool"].notna(), options["pool"])
    pools = pool_names(tables)
    rates, saved = cover_of(tables, pools)
    given = {column: filled(workloads, column) for column in NUMBERS_OF_WORKLOADS}
    return Problem(
        workloads=tuple(units),
        periods=tuple(names),
        hours=periods["hours"].to_numpy(dtype=float),
        demand=demand_of(tables[DEMAND], units, names),
        max_spot_share=given["max_spot_share"],
        max_options=given["max_options"],
        activation_cost_usd=given["activation_cost_usd"],
        min_regions=np.maximum(given["min_regions"], 1).astype(np.int64),
        max_region_share=given["max_region_share"],
        min_replicas=given["min_replicas"],
        max_replicas=given["max_replicas"],
        min_on_demand_replicas=given["min_on_demand_replicas"],
        survive_region_loss=workloads["survive_region_loss"].to_numpy(dtype=bool),
        option_workload=options["w"].to_numpy(dtype=np.int64),
        option_id=tuple(options["option_id"]),
        provider=tuple(options["provider"]),
        region=tuple(options["region"]),
        instance_type=tuple(options["instance_type"].fillna("")),
        purchase=tuple(options["purchase"]),
        price_hourly=options["price_hourly"].to_numpy(dtype=float),
        capacity=options["capacity"].to_numpy(dtype=float),
        pool=places(pools, options["pool"]),
        pool_units=filled(options, "pool_units"),
        quota_pool=places(pools, quota),
        egress_usd_per_unit=filled(options, "egress_usd_per_unit"),
        current_replicas=filled(options, "current_replicas"),
        migration_cost_usd=filled(options, "migration_cost_usd"),
        pools=tuple(pools),
        pool_limit=limits_of(tables[POOLS], pools, names),
        commitments=tuple(tables[COMMITMENTS]["commitment"]),
        committed_usd_per_hour=filled(tables[COMMITMENTS], "committed_usd_per_hour"),
        offered_max_usd_per_hour=filled(tables[COMMITMENTS], "offered_max_usd_per_hour"),
        fee_per_usd=filled(tables[COMMITMENTS], "fee_per_usd"),
        committed_rate=rates,
        covered_list_price=saved,
        **groups(tables, options),
    )


def demand_of(demand: pd.DataFrame, units: pd.Index, periods: pd.Index) -> Floats:
    """(W, T) demand."""
    table = np.zeros((len(units), len(periods)))
    table[places(units, demand["workload"]), places(periods, demand["period"])] = demand["demand"]
    return table


def limits_of(limits: pd.DataFrame, pools: pd.Index, periods: pd.Index) -> Floats:
    """(P, T) the least of what the rows of a pool say; a row without period is for all periods."""
    table = np.full((len(pools), len(periods)), np.inf)
    place, when = places(pools, limits["pool"]), places(periods, limits["period"])
    for pool, period, limit in zip(place, when, filled(limits, "limit"), strict=True):
        if pool >= 0:
            rows = slice(None) if period < 0 else period
            table[pool, rows] = np.minimum(table[pool, rows], limit)
    return table


def cover_of(tables: Mapping[str, pd.DataFrame], pools: pd.Index) -> tuple[Floats, Floats]:
    """(C, P) committed rate and list price; NaN where a commitment does not reach a pool."""
    rows, names = tables[COMMITMENT_POOLS], pd.Index(tables[COMMITMENTS]["commitment"])
    c, p = places(names, rows["commitment"]), places(pools, rows["pool"])
    rates = np.full((len(names), len(pools)), np.nan)
    saved = rates.copy()
    rates[c[p >= 0], p[p >= 0]] = rows["usd_per_unit_hour"].astype(float)[p >= 0]
    saved[c[p >= 0], p[p >= 0]] = rows["list_usd_per_unit_hour"].astype(float)[p >= 0]
    return rates, saved


def frames(p: Problem) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every table by its name."""
    workloads, periods, pools = (np.array(names, dtype=object) for names in (p.workloads, p.periods, p.pools))
    own = {name: getattr(p, name) for name in (*NUMBERS_OF_WORKLOADS, "survive_region_loss")}
    of_workloads, of_options = group_columns(p)
    yield WORKLOADS, pd.DataFrame({"workload": workloads, **own, **of_workloads})
    drawn = {name: named(pools, getattr(p, name)) for name in ("pool", "quota_pool")}
    told = {name: getattr(p, name) for name in (*OPTION_NAMES, *OPTION_ARRAYS)}
    yield OPTIONS, pd.DataFrame({"workload": workloads[p.option_workload], **told, **drawn, **of_options})
    pairs = {"workload": workloads.repeat(len(periods)), "period": np.tile(periods, len(workloads))}
    yield DEMAND, pd.DataFrame({**pairs, "demand": served(p.demand, "demand").ravel()})
    yield PERIODS, pd.DataFrame({"period": periods, "hours": p.hours})
    drawn_on = is_drawn_on(p)
    pool, period = np.nonzero(np.isfinite(p.pool_limit) & drawn_on[:, None])
    limits = {"pool": pools[pool], "period": periods[period], "limit": p.pool_limit[pool, period]}
    yield POOLS, pd.DataFrame(limits)
    commitments = np.array(p.commitments, dtype=object)
    money = {name: getattr(p, name) for name in COMMITMENT_ARRAYS}
    yield COMMITMENTS, pd.DataFrame({"commitment": commitments, **money})
    c, k = np.nonzero(~np.isnan(p.committed_rate) & drawn_on)
    cover = {
        "usd_per_unit_hour": p.committed_rate[c, k],
        "list_usd_per_unit_hour": p.covered_list_price[c, k],
    }
    yield COMMITMENT_POOLS, pd.DataFrame({"commitment": commitments[c], "pool": pools[k], **cover})
    yield from group_frames(p)


def named(pools: np.ndarray, at: Ints) -> np.ndarray:
    """(I,) names of pools; None where an option has none."""
    found = np.full(len(at), None, dtype=object)
    found[at >= 0] = pools[at[at >= 0]]
    return found
