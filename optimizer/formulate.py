"""From inputs to a `Problem`: pairs of workload and option, what each can serve, and the arrays.

Nothing is decided here. What a workload may use comes from `optimizer.admissible`, how much it needs from
`optimizer.demand` and `optimizer.queueing`; this module only puts it into the order of the arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.demand import Tokens
from optimizer.problem import Floats, Problem

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
    """What the kind of plan decides about costs of change."""

    activation_cost_usd: float = 0.0
    max_options: float = np.inf
    spot_capacity: Mapping[str, float] = field(default_factory=dict)


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
) -> Problem:
    """The arrays of a problem, options in the order of workload and option_id.

    Args:
        needs: at least one; each with at least one pair.
        periods: names of the T periods.
        hours: (T,) hours each period stands for.
        fleet: present fleet, `workload, option_id, desired`.
        offers: commitments, existing or on offer.
        policy: costs of change, spot capacity that is known.
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
        max_options=np.array([max(policy.max_options, regions_needed(w)) for w in units], dtype=float),
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
    )
    return with_commitments(problem, offers)


def regions_needed(workload: Workload) -> int:
    """Fewest regions that the spread rules of a workload ask for."""
    by_share = math.ceil(1.0 / workload.max_region_share - 1e-9)
    return max(workload.min_regions, by_share, 2 if workload.survive_region_loss else 1)


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
