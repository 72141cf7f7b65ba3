"""Rules of workloads as arrays: spread, bounds, places, losses and change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.admissible import Context
from optimizer.bounds import Ramp
from optimizer.residency import Residency
from optimizer.routes import Routes, all_pairs
from optimizer.survival import Survival


def limits_of(units: Sequence[Workload]) -> dict[str, Any]:
    """(W,) arrays of what workloads ask for by numbers of their own."""
    return {
        "max_spot_share": np.array([w.spot.max_share for w in units]),
        "min_regions": np.array([w.min_regions for w in units], dtype=np.int64),
        "max_region_share": np.array([w.max_region_share for w in units]),
        "min_replicas": np.array([w.min_replicas for w in units], dtype=float),
        "max_replicas": np.array([w.max_replicas or np.inf for w in units], dtype=float),
        "min_on_demand_replicas": np.array([w.spot.min_on_demand_replicas for w in units], dtype=float),
        "survive_region_loss": np.array([w.survive_region_loss for w in units], dtype=bool),
    }


def places_needed(workload: Workload, pairs: pd.DataFrame, context: Context) -> int:
    """Regions that the rules of a workload about spread and distance may ask for."""
    by_share = math.ceil(1.0 / workload.max_region_share - 1e-9)
    survives = workload.survive_region_loss or workload.survive_zone_loss
    return (
        max(workload.min_regions, by_share, 2 if survives else 1)
        - 1
        + regions_to_reach(workload, pairs, context)
    )


def regions_to_reach(workload: Workload, pairs: pd.DataFrame, context: Context) -> int:
    """Regions, at least 1, with which every origin has one near enough; that of most origins comes first."""
    if workload.max_rtt_ms is None:
        return 1
    places = set(zip(pairs["provider"], pairs["region"], strict=True))
    reached = {
        place: {o for o in workload.origins if context.rtt_ms.get((o, *place), np.inf) <= workload.max_rtt_ms}
        for place in sorted(places)
    }
    left = {origin for origins in reached.values() for origin in origins}
    taken = 0
    while left:
        left -= max(reached.values(), key=lambda origins: len(origins & left))
        taken += 1
    return max(taken, 1)


def rule_groups(
    units: Sequence[Workload], table: pd.DataFrame, context: Context, *, has_ramps: bool
) -> dict[str, Any]:
    """Rules of workloads about places, losses and change; own bounds of options are filters before this."""
    zones = table["zones"] if "zones" in table else pd.Series(1.0, index=table.index)
    zones = zones.where(table["pods"].isna(), 1.0)  # nobody says which zone the nodes of a pod are in
    pairs = zip(table["provider"], table["region"], strict=True)
    ramps = [w.max_ramp_replicas if has_ramps else None for w in units]
    return {
        "routes": routes_of(units, table, context),
        "residency": Residency(
            workload=np.array([i for i, w in enumerate(units) for _ in w.residency], dtype=np.int64),
            country=tuple(country for w in units for country in w.residency),
            option_country=tuple(context.country.get(pair, "") for pair in pairs),
        ),
        "survival": Survival(
            zones=np.asarray(zones.astype(float).fillna(1.0), dtype=np.int64),
            survive_zone_loss=np.array([w.survive_zone_loss for w in units], dtype=bool),
            headroom_share=np.array([w.headroom_share for w in units], dtype=float),
        ),
        "ramp": Ramp(
            max_replicas=np.array([np.inf if most is None else most for most in ramps], dtype=float),
            from_current=np.zeros(len(units), dtype=bool),
        ),
    }


def routes_of(units: Sequence[Workload], table: pd.DataFrame, context: Context) -> Routes:
    """Every origin of a workload to every option of it; round trips are estimates."""
    sources = [(i, origin, share) for i, w in enumerate(units) for origin, share in w.origins.items()]
    workload = np.array([i for i, _, _ in sources], dtype=np.int64)
    source, option = all_pairs(table["w"].to_numpy(dtype=np.int64), workload)
    places = list(zip(table["provider"], table["region"], strict=True))
    rtt = [
        context.rtt_ms.get((sources[g][1], *places[i]), np.inf) for g, i in zip(source, option, strict=True)
    ]
    limits = [np.inf if w.max_rtt_ms is None else w.max_rtt_ms for w in units]
    return Routes(
        max_latency_ms=np.array(limits, dtype=float),
        latency_ms=np.zeros(len(table)),
        workload=workload,
        origin=tuple(origin for _, origin, _ in sources),
        share=np.array([share for _, _, share in sources], dtype=float),
        source=source,
        option=option,
        rtt_ms=np.array(rtt, dtype=float),
        is_estimated=np.ones(len(source), dtype=bool),
        egress_usd_per_unit=np.zeros(len(source)),
    )
