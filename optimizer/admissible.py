"""Which options may serve which workload: every filter that comes before the model, in one tuple.

A filter removes pairs; it is never a constraint of the model. So the model is small, needs no big-M, and
an empty list can say which filter emptied it and what the cheapest way out is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

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
    """

    country: Mapping[tuple[str, str], str]
    rtt_ms: Mapping[tuple[str, str, str], float]
    spot_capacity: Mapping[str, float]


NOTHING_KNOWN = Context({}, {}, {})


@dataclass(frozen=True)
class Filter:
    """One reason to leave options out.

    `keeps(workload, pairs, context)` gives a boolean series: True stays. `relax` says how to let one option
    in, with `{fields}` from `facts`.
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


def fits_node(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """With resources: a node on which at least one pod fits."""
    return pairs["pods"].ge(1) if w.resources is not None else everything(pairs)


def fast_enough(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """Time per token, prefill or response time leave room inside the objective; unknown ones pass here."""
    if w.slo is None:
        return everything(pairs)
    fits = everything(pairs)
    if w.slo.tpot_ms is not None:
        fits &= pairs["tpot_ms"].isna() | pairs["tpot_ms"].le(w.slo.tpot_ms)
    limit = w.slo.ttft_s if w.slo.ttft_s is not None else (w.slo.latency_ms or np.inf) / 1000.0
    return fits & (pairs["service_s"].isna() | pairs["service_s"].lt(limit))


def near_enough(w: Workload, pairs: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Round trip from some origin, without geo_routing from each, is within max_rtt_ms; unknown is not."""
    if w.max_rtt_ms is None or not w.origins:
        return everything(pairs)
    places = zip(pairs["provider"], pairs["region"], strict=True)
    near = [rtt_ms(w, context, *place) <= w.max_rtt_ms for place in places]
    return pd.Series(near, index=pairs.index, dtype=bool)


def rtt_ms(w: Workload, context: Context, provider: str, region: str) -> float:
    """Round trip that decides: from the nearest origin, without geo_routing from the farthest."""
    ways = [context.rtt_ms.get((origin, provider, region), np.inf) for origin in w.origins]
    return (min if w.geo_routing else max)(ways, default=0.0)


def spot_wanted(w: Workload, pairs: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """Spot only where spot.max_share allows any."""
    return pairs["purchase"].ne("spot") if w.spot.max_share <= 0 else everything(pairs)


def spot_known(_: Workload, pairs: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Spot only from pools whose capacity is known and not 0: unknown is not unlimited."""
    known = pairs["pool"].map(lambda pool: context.spot_capacity.get(pool, np.nan)).astype(float).gt(0)
    return pairs["purchase"].ne("spot") | known


RTT_FILTER = "max_rtt_ms"
FILTERS: tuple[Filter, ...] = (
    Filter("placement.providers", allowed_provider, "add {provider} to placement.providers"),
    Filter("placement.regions", allowed_region, "add {region} to placement.regions"),
    Filter("residency", in_residency, "{residency}"),
    Filter("excluded", not_excluded, "remove what matches {option_id} from excluded"),
    Filter("pinned", is_pinned, "add {option_id} to pinned"),
    Filter("profile", has_throughput, "add a row that fits {instance_type} to profiles.parquet"),
    Filter("resources", fits_node, "lower resources to what {instance_type} has for pods"),
    Filter("slo", fast_enough, "loosen the slo to more than {pace}"),
    Filter(RTT_FILTER, near_enough, "{distance}"),
    Filter("spot.max_share", spot_wanted, "raise spot.max_share above 0"),
    Filter("spot_capacity", spot_known, "add a history of pool {pool} to spot_capacity.parquet"),
)


def admissible(
    workload: Workload, pairs: pd.DataFrame, context: Context, filters: tuple[Filter, ...] = FILTERS
) -> pd.DataFrame:
    """The pairs of a workload that pass every filter; commitments never do, people buy them.

    Args:
        workload: what is to be placed.
        pairs: all options with `capacity` (requests/s per replica), `service_s` (time of one request
            without queueing) and `tpot_ms`, NaN where profiles do not say.
        context: countries, round trips, known spot capacity.
        filters: in the order in which survivors are counted.

    Raises:
        InfeasibleError: nothing passes, or nothing that an origin could be served by; says how many were left
            after each filter and the cheapest way out.
    """
    pairs = pairs.loc[pairs["purchase"].ne("commitment")]
    masks = {item.name: item.keeps(workload, pairs, context) for item in filters}
    kept = pd.DataFrame(masks, index=pairs.index, dtype=bool).all(axis=1)
    if not kept.any():
        raise InfeasibleError(explain_empty(workload, pairs, context, masks, filters))
    others = pd.DataFrame({name: mask for name, mask in masks.items() if name != RTT_FILTER}, dtype=bool)
    told = out_of_reach(workload, pairs.loc[others.all(axis=1)], context)
    if told:
        raise InfeasibleError(" ".join(told))
    return pairs.loc[kept]


def out_of_reach(workload: Workload, pairs: pd.DataFrame, context: Context) -> list[str]:
    """Origins that no option, admissible but for its distance, is near enough to, with the nearest one."""
    limit = workload.max_rtt_ms
    told = []
    for origin, share in workload.origins.items() if limit is not None else ():
        places = zip(pairs["provider"], pairs["region"], strict=True)
        far = [context.rtt_ms.get((origin, *place), np.inf) for place in places]
        if share <= 0 or min(far, default=0.0) <= (limit or 0.0):
            continue
        best, nearest = pairs.iloc[int(np.argmin(far))], min(far)
        text = f"Workload {workload.name!r}: no admissible option is within max_rtt_ms={limit:g} of {origin}."
        way = f"raise max_rtt_ms to {np.ceil(nearest):.0f}"
        if not np.isfinite(nearest):
            way = f"drop max_rtt_ms (every round trip from {origin} is unknown)"
        told.append(f"{text} Cheapest way out: {way}; that admits {best['option_id']}.")
    return told


def explain_empty(
    workload: Workload,
    pairs: pd.DataFrame,
    context: Context,
    masks: Mapping[str, pd.Series[bool]],
    filters: tuple[Filter, ...],
) -> str:
    """Survivors after each filter that removed something, and the cheapest single relaxation."""
    left, steps = everything(pairs), [f"{len(pairs)} in the catalogue"]
    for name, mask in masks.items():
        before = int(left.sum())
        left = left & mask
        if int(left.sum()) < before:
            steps.append(f"{int(left.sum())} left after {name}")
    text = f"Workload {workload.name!r} has no admissible option: " + ", ".join(steps) + "."
    if pairs.empty:
        return text + " Add on-demand or spot options to catalog.parquet."
    way_out = cheapest_relaxation(workload, pairs, context, masks, filters)
    if way_out is None:
        return text + " No single rule is the cause: relax at least two of them."
    return text + " " + way_out


def cheapest_relaxation(
    workload: Workload,
    pairs: pd.DataFrame,
    context: Context,
    masks: Mapping[str, pd.Series[bool]],
    filters: tuple[Filter, ...],
) -> str | None:
    """The one filter whose loosening admits the cheapest option per unit served.

    An option of unknown throughput comes last, by its price per hour.
    """
    ways: list[tuple[float, float, str]] = []
    for item in filters:
        others = pd.DataFrame({name: mask for name, mask in masks.items() if name != item.name})
        freed = pairs.loc[others.all(axis=1)]
        if freed.empty:
            continue
        unit_price = (freed["price_hourly"] / freed["capacity"]).where(freed["capacity"].gt(0), np.inf)
        best = freed.assign(unit_price=unit_price).sort_values(["unit_price", "price_hourly"]).iloc[0]
        offer = item.relax.format(**facts(workload, best, context))
        admits = f"that admits {best['option_id']} at {best['price_hourly']:.4g} USD/h"
        way_out = f"Cheapest way out: {offer}; {admits}."
        ways.append((float(best["unit_price"]), float(best["price_hourly"]), way_out))
    return min(ways)[2] if ways else None


def facts(workload: Workload, option: pd.Series[Any], context: Context) -> dict[str, Any]:
    """What relaxations say about an option: its columns, where it is and how fast it is."""
    provider, region = str(option["provider"]), str(option["region"])
    country = context.country.get((provider, region))
    far_ms = rtt_ms(workload, context, provider, region)
    unknown = f"drop max_rtt_ms (the round trip to {region} is unknown)"
    pace = f"{option['service_s']:.3g} s without queueing"
    if pd.notna(option["tpot_ms"]):
        pace += f" and {option['tpot_ms']:.3g} ms per token"
    return {
        **{str(name): value for name, value in option.items()},
        "pace": pace,
        "residency": f"allow {country} in residency" if country else f"drop residency ({region} is unknown)",
        "distance": f"raise max_rtt_ms to {np.ceil(far_ms):.0f}" if np.isfinite(far_ms) else unknown,
    }


def matches(option_ids: pd.Series[str], patterns: tuple[str, ...]) -> pd.Series[bool]:
    """Which ids match one of the shell patterns."""
    hit = [any(fnmatchcase(option_id, pattern) for pattern in patterns) for option_id in option_ids]
    return pd.Series(hit, index=option_ids.index, dtype=bool)


def everything(pairs: pd.DataFrame) -> pd.Series[bool]:
    """All True."""
    return pd.Series(data=True, index=pairs.index, dtype=bool)
