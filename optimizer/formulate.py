"""From inputs to a `Problem`: pairs of workload and option, what each can serve, and the arrays.

Nothing is decided here. What a workload may use comes from `optimizer.admissible`, how much it needs from
`optimizer.demand` and `optimizer.queueing`; this module only puts it into the order of the arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.admissible import NOTHING_KNOWN, Context
from optimizer.bounds import Ramp
from optimizer.demand import Tokens
from optimizer.problem import Floats, Problem
from optimizer.residency import Residency
from optimizer.routes import Routes, all_pairs
from optimizer.survival import Survival

OPTION_COLUMNS = (
    "option_id",
    "provider",
    "region",
    "instance_type",
    "accelerator",
    "accelerator_count",
    "purchase",
    "price_hourly",
    "boot_seconds",
    "quota",
    "pool",
)


DEFAULT_TOKENS = (800.0, 150.0)  # prompt and output of one request where the history counts no tokens


@dataclass(frozen=True)
class Need:
    """One workload with the options it may use and the capacity it needs.

    Attributes:
        pairs: admissible options with `capacity` [units/s per replica] and the option columns.
        demand: (T,) capacity needed in each period, in the unit of `capacity`.
    """

    workload: Workload
    pairs: pd.DataFrame
    demand: Floats


@dataclass(frozen=True)
class Offer:
    """A commitment on a provider: existing, or on offer at a rate per instance-hour of each type.

    Attributes:
        rates: (provider, region, instance_type) to committed USD per instance-hour.
        ends: when an existing one ends; None if that is not known.
    """

    name: str
    existing_usd_per_hour: float
    offered_max_usd_per_hour: float
    rates: Mapping[tuple[str, str, str], float]
    fee_per_usd: float = 1.0
    ends: datetime | None = None


@dataclass(frozen=True)
class Policy:
    """What the kind of plan decides about costs of change, and whether its periods are blocks of a day."""

    activation_cost_usd: float = 0.0
    max_options: float = np.inf
    spot_capacity: Mapping[str, float] = field(default_factory=dict)
    has_ramps: bool = False


def pair_options(
    workload: Workload, options: pd.DataFrame, profiles: pd.DataFrame, tokens: Tokens | None
) -> pd.DataFrame:
    """Every option with what one replica of it does for the workload.

    Adds `capacity` [units/s per replica; NaN = no profile], `service_s` [s for one request without
    queueing] and `tpot_ms`. An LLM's replica serves accelerator_count / (tokens_in / prefill_tps +
    tokens_out / decode_tps) requests/s; a service's serves `rps`; batch work on accelerators counts
    output tokens.
    """
    own = profiles.loc[profiles["model"].eq(workload.model)]
    by_chip = own.loc[own["accelerator"].notna()].drop(columns=["instance_type", "model"])
    by_type = own.loc[own["instance_type"].notna(), ["instance_type", "rps", "latency_ms"]]
    pairs = options.merge(by_chip.drop(columns=["rps", "latency_ms"]), on="accelerator", how="left")
    pairs = pairs.merge(by_type, on="instance_type", how="left")
    count = pairs["accelerator_count"].astype(float)
    if workload.is_llm:
        prompt, output = (tokens.prompt, tokens.output) if tokens else DEFAULT_TOKENS
        per_second = count / (prompt / pairs["prefill_tps"] + output / pairs["decode_tps"])
        prefill = prompt / pairs["prefill_tps"]
        return pairs.assign(capacity=per_second, service_s=prefill)
    served = pairs["rps"].astype(float)
    if workload.tier == "batch":
        served = served.fillna(count * pairs["decode_tps"].astype(float))
    latency = pairs["latency_ms"].astype(float).fillna(0.0) / 1000.0
    return pairs.assign(capacity=served, service_s=latency)


def assemble(
    needs: Sequence[Need],
    *,
    periods: Sequence[str],
    hours: Floats,
    fleet: pd.DataFrame,
    offers: Sequence[Offer],
    policy: Policy,
    context: Context = NOTHING_KNOWN,
) -> Problem:
    """The arrays of a problem, options in the order of workload and option_id.

    Args:
        needs: at least one; each with at least one pair.
        periods: names of the T periods.
        hours: (T,) hours each period stands for.
        fleet: present fleet, `workload, option_id, desired`.
        offers: commitments, existing or on offer.
        policy: costs of change, spot capacity that is known.
        context: countries of regions, round trips from origins.
    """
    table = option_table(needs, fleet)
    pools = pool_names(table)
    index = {name: position for position, name in enumerate(pools)}
    units = [need.workload for need in needs]
    none = np.zeros((0, len(pools)))
    problem = Problem(
        workloads=tuple(w.name for w in units),
        periods=tuple(periods),
        hours=np.asarray(hours, dtype=float),
        demand=np.array([need.demand for need in needs], dtype=float),
        max_spot_share=np.array([w.spot.max_share for w in units]),
        max_options=np.array(
            [max(policy.max_options, places_needed(n, context)) for n in needs], dtype=float
        ),
        activation_cost_usd=np.full(len(units), policy.activation_cost_usd),
        min_regions=np.array([w.min_regions for w in units], dtype=np.int64),
        max_region_share=np.array([w.max_region_share for w in units]),
        min_replicas=np.array([w.min_replicas for w in units], dtype=float),
        max_replicas=np.array([np.inf if w.max_replicas is None else w.max_replicas for w in units]),
        min_on_demand_replicas=np.array([w.spot.min_on_demand_replicas for w in units], dtype=float),
        survive_region_loss=np.array([w.survive_region_loss for w in units], dtype=bool),
        option_workload=table["w"].to_numpy(dtype=np.int64),
        option_id=tuple(table["option_id"]),
        provider=tuple(table["provider"]),
        region=tuple(table["region"]),
        instance_type=tuple(table["instance_type"]),
        purchase=tuple(table["purchase"]),
        price_hourly=table["price_hourly"].to_numpy(dtype=float),
        capacity=table["capacity"].to_numpy(dtype=float),
        pool=np.array([index[name] for name in table["pool_name"]], dtype=np.int64),
        pool_units=np.ones(len(table)),
        quota_pool=np.array([index.get(name, -1) for name in table["quota_name"]], dtype=np.int64),
        egress_usd_per_unit=np.zeros(len(table)),
        current_replicas=table["current"].to_numpy(dtype=float),
        migration_cost_usd=(table["price_hourly"] * table["boot_seconds"] / 3600.0).to_numpy(dtype=float),
        pools=pools,
        pool_limit=np.repeat(pool_limits(table, pools, policy)[:, None], len(periods), axis=1),
        commitments=(),
        committed_usd_per_hour=np.zeros(0),
        offered_max_usd_per_hour=np.zeros(0),
        fee_per_usd=np.zeros(0),
        committed_rate=none,
        covered_list_price=none,
        **rule_groups(units, table, context, policy),
    )
    return with_commitments(problem, offers)


def places_needed(need: Need, context: Context) -> int:
    """Regions that the rules of a workload about spread and distance may ask for."""
    workload = need.workload
    by_share = math.ceil(1.0 / workload.max_region_share - 1e-9)
    survives = workload.survive_region_loss or workload.survive_zone_loss
    return max(workload.min_regions, by_share, 2 if survives else 1) - 1 + regions_to_reach(need, context)


def regions_to_reach(need: Need, context: Context) -> int:
    """Regions, at least 1, with which every origin has one near enough; that of most origins comes first."""
    workload, taken = need.workload, 0
    if workload.max_rtt_ms is None:
        return 1
    places = set(zip(need.pairs["provider"], need.pairs["region"], strict=True))
    reached = {
        place: {o for o in workload.origins if context.rtt_ms.get((o, *place), np.inf) <= workload.max_rtt_ms}
        for place in sorted(places)
    }
    left = {origin for origins in reached.values() for origin in origins}
    while left:
        left -= max(reached.values(), key=lambda origins: len(origins & left))
        taken += 1
    return max(taken, 1)


def rule_groups(
    units: Sequence[Workload], table: pd.DataFrame, context: Context, policy: Policy
) -> dict[str, Any]:
    """Rules of workloads about places, losses and change; own bounds of options are filters before this."""
    zones = table["zones"] if "zones" in table else pd.Series(1.0, index=table.index)
    pairs = zip(table["provider"], table["region"], strict=True)
    ramps = [w.max_ramp_replicas if policy.has_ramps else None for w in units]
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


def option_table(needs: Sequence[Need], fleet: pd.DataFrame) -> pd.DataFrame:
    """One row per (workload, option) with its pools and how many of it run now."""
    parts = [need.pairs.assign(w=w, workload=need.workload.name) for w, need in enumerate(needs)]
    table = pd.concat(parts, ignore_index=True).sort_values(["w", "option_id"], ignore_index=True)
    now = fleet.groupby(["workload", "option_id"], as_index=False)["desired"].sum()
    table = table.merge(now, on=["workload", "option_id"], how="left")
    own_pool = table["provider"] + "/" + table["region"] + "/" + table["instance_type"]
    spot = table["purchase"].eq("spot")
    return table.assign(
        current=table["desired"].fillna(0).astype(float),
        pool_name=table["pool"].where(
            spot & table["pool"].notna(), own_pool.where(~spot, own_pool + "/spot")
        ),
        quota_name=("quota:" + table["option_id"]).where(table["quota"].notna()),
    )


def pool_names(table: pd.DataFrame) -> tuple[str, ...]:
    """All pools and quotas of the options, sorted."""
    return tuple(sorted(set(table["pool_name"]) | set(table["quota_name"].dropna())))


def pool_limits(table: pd.DataFrame, pools: Sequence[str], policy: Policy) -> Floats:
    """(P,) instances a pool grants: a quota, the known capacity of a spot pool, else no limit."""
    quota = dict(zip(table["quota_name"], table["quota"], strict=True))
    known = {
        **policy.spot_capacity,
        **{name: float(limit) for name, limit in quota.items() if pd.notna(limit)},
    }
    return np.array([known.get(name, np.inf) for name in pools], dtype=float)


def with_commitments(problem: Problem, offers: Sequence[Offer]) -> Problem:
    """The problem with commitments on the pools of its on-demand options; it has none before."""
    shape = (len(offers), len(problem.pools))
    rates, saved = np.full(shape, np.nan), np.full(shape, np.nan)
    for i in np.flatnonzero(problem.is_coverable):
        place = (problem.provider[i], problem.region[i], problem.instance_type[i])
        for c, offer in enumerate(offers):
            if place in offer.rates:
                rates[c, problem.pool[i]] = offer.rates[place]
                saved[c, problem.pool[i]] = problem.price_hourly[i] / problem.pool_units[i]
    return replace(
        problem,
        commitments=tuple(offer.name for offer in offers),
        committed_usd_per_hour=np.array([offer.existing_usd_per_hour for offer in offers], dtype=float),
        offered_max_usd_per_hour=np.array([offer.offered_max_usd_per_hour for offer in offers], dtype=float),
        fee_per_usd=np.array([offer.fee_per_usd for offer in offers], dtype=float),
        committed_rate=rates,
        covered_list_price=saved,
    )
