"""Which options may serve which workload: every filter that comes before the model, in one tuple.

A filter removes pairs; it is never a constraint of the model. So the model is small, needs no big-M, and
an empty list can say which filter emptied it and what the cheapest way out is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.errors import InfeasibleError


@dataclass(frozen=True)
class Context:
    """What the filters know beside the workload and its pairs.

    Attributes:
        country: (provider, region) to ISO-2 country.
        rtt_ms: (origin, provider, region) to round trip in ms; absent = unknown.
        spot_capacity: instances a spot pool is known to grant; absent = unknown, never infinite.
        needs_known_spot: whether spot from a pool of unknown capacity is left out.
    """

    country: Mapping[tuple[str, str], str]
    rtt_ms: Mapping[tuple[str, str, str], float]
    spot_capacity: Mapping[str, float]
    needs_known_spot: bool


@dataclass(frozen=True)
class Filter:
    """One reason to leave options out.

    `keeps(workload, pairs, context)` gives a boolean series: True stays. `relax` says how to loosen it.
    """

    name: str
    keeps: Callable[[Workload, pd.DataFrame, Context], pd.Series[bool]]
    relax: str


def allowed_provider(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """placement.providers; empty = any."""
    return pairs["provider"].isin(w.placement.providers) if w.placement.providers else everything(pairs)


def allowed_region(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """placement.regions; empty = any."""
    return pairs["region"].isin(w.placement.regions) if w.placement.regions else everything(pairs)


def in_residency(w: Workload, pairs: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Country of the region is one of `residency`; a region of unknown country is left out."""
    if not w.residency:
        return everything(pairs)
    keys = zip(pairs["provider"], pairs["region"], strict=True)
    return pd.Series([context.country.get(key) in w.residency for key in keys], index=pairs.index, dtype=bool)


def not_excluded(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """No pattern of `excluded` matches the option_id."""
    return ~matches(pairs["option_id"], w.excluded)


def is_pinned(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """A pattern of `pinned` matches the option_id, where there is one."""
    return matches(pairs["option_id"], w.pinned) if w.pinned else everything(pairs)


def has_throughput(_: Workload, pairs: pd.DataFrame, __: Context) -> pd.Series[bool]:
    """Profiles say how much a replica serves."""
    return pairs["capacity"].gt(0)


def fast_enough(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """Time per token, prefill or response time leave room inside the objective."""
    if w.slo is None:
        return everything(pairs)
    fits = everything(pairs)
    if w.slo.tpot_ms is not None:
        fits &= pairs["tpot_ms"].isna() | pairs["tpot_ms"].le(w.slo.tpot_ms)
    limit = w.slo.ttft_s if w.slo.ttft_s is not None else (w.slo.latency_ms or np.inf) / 1000.0
    return fits & pairs["service_s"].lt(limit)


def near_enough(w: Workload, pairs: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Round trip from every origin is within max_rtt_ms; an unknown round trip is left out."""
    if w.max_rtt_ms is None or not w.origins:
        return everything(pairs)
    limit = w.max_rtt_ms

    def worst(provider: str, region: str) -> float:
        return max(context.rtt_ms.get((origin, provider, region), np.inf) for origin in w.origins)

    keys = zip(pairs["provider"], pairs["region"], strict=True)
    return pd.Series([worst(*key) <= limit for key in keys], index=pairs.index, dtype=bool)


def usable_purchase(w: Workload, pairs: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Spot only where policy allows it and, for machines, where its capacity is known; never commitments.

    Commitments are bought by people: they reach the model as offers, not as options.
    """
    spot = pairs["purchase"].eq("spot")
    keep = ~pairs["purchase"].eq("commitment")
    if w.spot.max_share <= 0:
        return keep & ~spot
    if context.needs_known_spot:
        known = pairs["pool"].map(lambda pool: context.spot_capacity.get(pool, np.nan)).gt(0)
        return keep & (~spot | known)
    return keep


FILTERS: tuple[Filter, ...] = (
    Filter("placement.providers", allowed_provider, "add a provider to placement.providers"),
    Filter("placement.regions", allowed_region, "add a region to placement.regions"),
    Filter("residency", in_residency, "allow a further country in residency"),
    Filter("excluded", not_excluded, "remove a pattern from excluded"),
    Filter("pinned", is_pinned, "pin a further option"),
    Filter("profile", has_throughput, "add a row to profiles.parquet"),
    Filter("slo", fast_enough, "loosen the slo"),
    Filter("max_rtt_ms", near_enough, "raise max_rtt_ms"),
    Filter("purchase", usable_purchase, "allow spot, or add on-demand options or spot_capacity history"),
)


def admissible(
    workload: Workload, pairs: pd.DataFrame, context: Context, filters: tuple[Filter, ...] = FILTERS
) -> pd.DataFrame:
    """The pairs of a workload that pass every filter.

    Args:
        workload: what is to be placed.
        pairs: all options with `capacity` (requests/s per replica), `service_s` (time of one request
            without queueing) and `tpot_ms`, NaN where profiles do not say.
        context: countries, round trips, known spot capacity.
        filters: in the order in which survivors are counted.

    Raises:
        InfeasibleError: nothing passes; says how many were left after each filter and the cheapest way out.
    """
    masks = {item.name: item.keeps(workload, pairs, context) for item in filters}
    kept = pd.concat(masks, axis=1).all(axis=1)
    if not kept.any():
        raise InfeasibleError(explain_empty(workload, pairs, masks, filters))
    return pairs.loc[kept]


def explain_empty(
    workload: Workload,
    pairs: pd.DataFrame,
    masks: Mapping[str, pd.Series[bool]],
    filters: tuple[Filter, ...] = FILTERS,
) -> str:
    """Survivors after each filter that removed something, and the cheapest single relaxation."""
    left, steps = everything(pairs), [f"{len(pairs)} in the catalogue"]
    for name, mask in masks.items():
        before = int(left.sum())
        left = left & mask
        if int(left.sum()) < before:
            steps.append(f"{int(left.sum())} left after {name}")
    text = f"Workload {workload.name!r} has no admissible option: " + ", ".join(steps) + "."
    way_out = cheapest_relaxation(pairs, masks, filters)
    if way_out is None:
        return text + " No single rule is the cause: relax at least two of them in workloads.yaml."
    return text + " " + way_out


def cheapest_relaxation(
    pairs: pd.DataFrame, masks: Mapping[str, pd.Series[bool]], filters: tuple[Filter, ...]
) -> str | None:
    """The one filter whose loosening admits the cheapest option per unit served."""
    best: tuple[float, str] | None = None
    for item in filters:
        others = pd.concat([mask for name, mask in masks.items() if name != item.name], axis=1).all(axis=1)
        freed = pairs.loc[others & pairs["capacity"].gt(0)]
        if freed.empty:
            continue
        unit_price = freed["price_hourly"] / freed["capacity"]
        row = freed.iloc[int(unit_price.argmin())]
        where = f"{row['option_id']} at {row['price_hourly']:.4g} USD/h"
        offer = f"Cheapest way out: {item.relax}; that admits {len(freed)} option(s), the cheapest {where}."
        if best is None or float(unit_price.min()) < best[0]:
            best = (float(unit_price.min()), offer)
    return None if best is None else best[1]


def matches(option_ids: pd.Series[str], patterns: tuple[str, ...]) -> pd.Series[bool]:
    """Which ids match one of the shell patterns."""
    hit = [any(fnmatchcase(option_id, pattern) for pattern in patterns) for option_id in option_ids]
    return pd.Series(hit, index=option_ids.index, dtype=bool)


def everything(pairs: pd.DataFrame) -> pd.Series[bool]:
    """All True."""
    return pd.Series(data=True, index=pairs.index, dtype=bool)
