"""The groups of rules of a problem from its tables and back; columns are told in `optimizer.problem_rules`.

What asks for nothing is not written: tables without rows and columns of defaults are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from optimizer.bounds import Bounds, Ramp
from optimizer.problem import Problem
from optimizer.problem_nodes import node_columns, node_frames, nodes
from optimizer.problem_rules import DEFAULTS, LATENCY, ORIGINS, PERIODS, PINS, RESIDENCY, WORKLOADS
from optimizer.problem_shared import WINDOW, shared_columns, shared_frames, shared_groups
from optimizer.problem_values import filled, places
from optimizer.residency import Residency
from optimizer.routes import Routes, all_pairs
from optimizer.survival import Survival


def groups(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> dict[str, Any]:
    """The groups of the checked tables; `options` in their order, with their workload's number as `w`."""
    workloads = tables[WORKLOADS]
    return {
        "routes": routes(tables, options),
        "residency": residency(tables, options),
        "survival": Survival(
            zones=filled(options, "zones").astype(np.int64),
            survive_zone_loss=workloads["survive_zone_loss"].to_numpy(dtype=bool),
            headroom_share=filled(workloads, "headroom_share"),
        ),
        "bounds": bounds(tables, options),
        "ramp": Ramp(
            max_replicas=filled(workloads, "max_ramp_replicas"),
            from_current=workloads["ramp_from_current"].to_numpy(dtype=bool),
        ),
        **shared_groups(tables, options),
        "nodes": nodes(tables, options),
    }


def routes(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> Routes:
    """Every origin of a workload to every option of it; what `latency` does not list is unknown and free."""
    workloads, origins = tables[WORKLOADS], tables[ORIGINS]
    max_latency_ms, latency_ms = filled(workloads, "max_latency_ms"), filled(options, "latency_ms")
    if origins.empty:
        unrouted = Routes.none(len(workloads), len(options))
        return replace(unrouted, max_latency_ms=max_latency_ms, latency_ms=latency_ms)
    workload = places(pd.Index(workloads["workload"]), origins["workload"])
    source, option = all_pairs(options["w"].to_numpy(dtype=np.int64), workload)
    ends = pd.DataFrame({
        "origin": origins["origin"].to_numpy()[source],
        **{name: options[name].to_numpy()[option] for name in ("provider", "region")},
    })  # fmt: skip
    told = ends.merge(tables[LATENCY], how="left", on=["origin", "provider", "region"])
    return Routes(
        max_latency_ms=max_latency_ms,
        latency_ms=latency_ms,
        workload=workload,
        origin=tuple(origins["origin"]),
        share=origins["share"].to_numpy(dtype=float),
        source=source,
        option=option,
        rtt_ms=filled(told, "rtt_ms"),
        is_estimated=told["is_estimated"].eq(other=True).to_numpy(dtype=bool),
        egress_usd_per_unit=filled(told, "egress_usd_per_unit"),
    )


def residency(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> Residency:
    """Allowed countries, and where options are."""
    rows = tables[RESIDENCY]
    return Residency(
        workload=places(pd.Index(tables[WORKLOADS]["workload"]), rows["workload"]),
        country=tuple(rows["country"]),
        option_country=tuple(options["country"].fillna("")),
    )


def bounds(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> Bounds:
    """Bounds of the columns of `options`, in every period, and of the rows of `pins`; all of them hold."""
    periods = pd.Index(tables[PERIODS]["period"])
    bounding = ["min_replicas", "max_replicas"]
    if tables[PINS].empty and not options[bounding].notna().to_numpy().any():
        return Bounds.none()
    own = options.assign(i=np.arange(len(options)), period=None)
    names = own[["workload", "option_id", "i"]]
    pins = tables[PINS].merge(names, on=["workload", "option_id"], how="left")
    columns = ["i", "period", *bounding]
    rows = pd.concat([own[columns].astype("object"), pins[columns].astype("object")], ignore_index=True)
    fewest, most = filled(rows, "min_replicas"), filled(rows, "max_replicas")
    binds = np.flatnonzero((fewest > 0) | np.isfinite(most))
    shape = (len(options), len(periods))
    low, high = np.zeros(shape), np.full(shape, np.inf)
    option, period = rows["i"].to_numpy(dtype=np.int64), places(periods, rows["period"])
    for n in binds:
        when = slice(None) if period[n] < 0 else period[n]
        low[option[n], when] = np.maximum(low[option[n], when], fewest[n])
        high[option[n], when] = np.minimum(high[option[n], when], most[n])
    i, t = np.nonzero((low > 0) | np.isfinite(high))
    return Bounds(i.astype(np.int64), t.astype(np.int64), low[i, t], high[i, t])


def group_columns(p: Problem) -> tuple[dict[str, Any], dict[str, Any]]:
    """Further columns of `workloads` and of `options`, those that ask for something."""
    workloads = {
        "survive_zone_loss": p.survival.survive_zone_loss,
        "headroom_share": p.survival.headroom_share,
        "max_latency_ms": p.routes.max_latency_ms,
        "max_ramp_replicas": p.ramp.max_replicas,
        "ramp_from_current": p.ramp.from_current,
        **shared_columns(p),
        "max_per_node": p.nodes.max_per_node,
    }
    countries = np.array([country or None for country in p.residency.option_country], dtype=object)
    options = {
        "country": countries,
        "zones": p.survival.zones,
        "latency_ms": p.routes.latency_ms,
        "kg_co2e_hourly": p.caps.kg_co2e_hourly,
        **node_columns(p),
    }
    return asking(workloads), asking(options)


def asking(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Columns that differ from what an absent one stands for."""
    neutral = {"survive_zone_loss": False, "ramp_from_current": False, **WINDOW, **DEFAULTS}
    neutral |= {"country": None, "node": None}
    return {name: values for name, values in columns.items() if (values != neutral[name]).any()}


def group_frames(p: Problem) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of the groups; without rows where they ask for nothing."""
    workloads, options, periods = (
        np.array(names, dtype=object) for names in (p.workloads, p.option_id, p.periods)
    )
    r, b = p.routes, p.bounds
    origins = np.array(r.origin, dtype=object)
    yield ORIGINS, pd.DataFrame({"workload": workloads[r.workload], "origin": origins, "share": r.share})
    yield LATENCY, latency_frame(p)
    countries = np.array(p.residency.country, dtype=object)
    yield RESIDENCY, pd.DataFrame({"workload": workloads[p.residency.workload], "country": countries})
    of = workloads[p.option_workload[b.option]]
    names = {"workload": of, "option_id": options[b.option], "period": periods[b.period]}
    yield PINS, pd.DataFrame({**names, "min_replicas": b.fewest, "max_replicas": b.most})
    yield from shared_frames(p)
    yield from node_frames(p)


def latency_frame(p: Problem) -> pd.DataFrame:
    """Known round trips and their egress, one row per origin and region."""
    r = p.routes
    told = np.flatnonzero(np.isfinite(r.rtt_ms) | (r.egress_usd_per_unit > 0))
    origins, providers, regions = (
        np.array(names, dtype=object) for names in (r.origin, p.provider, p.region)
    )
    frame = pd.DataFrame({
        "origin": origins[r.source[told]],
        "provider": providers[r.option[told]],
        "region": regions[r.option[told]],
        "rtt_ms": r.rtt_ms[told],
        "is_estimated": r.is_estimated[told],
        "egress_usd_per_unit": r.egress_usd_per_unit[told],
    })  # fmt: skip
    return frame.drop_duplicates(["origin", "provider", "region"], ignore_index=True)
