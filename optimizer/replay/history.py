"""The world of a replay from what a workspace knows: its own traffic, options, quotas and spot pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.standby_offers import standby_offers
from data.workloads import Workload
from optimizer.admissible import Context, admissible
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE, MinuteLoad, minute_load
from optimizer.needs import tokens_of, wait_s
from optimizer.problem import Floats, Ints
from optimizer.replay.world import NONE, UNLIMITED, World
from optimizer.throughput import DEFAULT_TOKENS, accelerators, pair_options

LEAST_SECONDS = 1e-9  # of work a request brings


@dataclass(frozen=True)
class WorkloadPart:
    """A workload of a replay: its minutes and the options that may serve it.

    Attributes:
        pairs: as `optimizer.throughput.pair_options` gives them, admissible ones alone.
        capacity: (o, t) requests/s of one replica.
        wait_s: (o, t) longest queueing that keeps the objective.
    """

    workload: Workload
    load: MinuteLoad
    pairs: pd.DataFrame
    capacity: Floats
    wait_s: Floats


def world_of(inputs: Inputs, names: tuple[str, ...], begin: pd.Timestamp, end: pd.Timestamp) -> World:
    """What happened to workloads in [begin, end), with everything that may serve them.

    Args:
        inputs: as known at `end`: a replay may know what came, its policies may not.
        names: of interactive workloads.
        begin: a whole minute.
        end: another.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    chosen = [w for w in inputs.workloads if w.name in names]
    return world_for([served(w, inputs, begin, end) for w in chosen], inputs, begin, end)


def served(workload: Workload, inputs: Inputs, begin: pd.Timestamp, end: pd.Timestamp) -> WorkloadPart:
    """One workload's minutes and options; spot pools whose capacity nobody saw are left out."""
    history = inputs.history_of(workload.name)
    tokens = tokens_of(workload, history, inputs.demand)
    seen = {str(pool): 1.0 for pool in inputs.spot_history["pool"].unique()}
    pairs = pair_options(workload, inputs.options, inputs.profiles, tokens)
    pairs = admissible(workload, pairs, Context(inputs.context.country, inputs.context.rtt_ms, seen))
    load = minute_load(history, begin, end)
    capacity, processing_s = per_replica(workload, pairs, load)
    return WorkloadPart(workload, load, pairs, capacity, wait_s(workload, processing_s))


def per_replica(workload: Workload, pairs: pd.DataFrame, load: MinuteLoad) -> tuple[Floats, Floats]:
    """(o, t) requests/s of one replica and seconds that it takes for a request without queueing."""
    if not workload.is_llm:
        per_second, seconds = (
            pairs[name].to_numpy(dtype=float)[:, None] for name in ("capacity", "service_s")
        )
        whole = np.ones((1, load.minutes))
        return per_second * whole, seconds * whole
    prompt = np.where(np.isnan(load.prompt), DEFAULT_TOKENS[0], load.prompt)
    output = np.where(np.isnan(load.output), DEFAULT_TOKENS[1], load.output)
    count = accelerators(workload, pairs).to_numpy(dtype=float)[:, None]
    prefill, decode = (pairs[name].to_numpy(dtype=float)[:, None] for name in ("prefill_tps", "decode_tps"))
    return count / np.maximum(prompt / prefill + output / decode, LEAST_SECONDS), prompt / prefill


def world_for(parts: Sequence[WorkloadPart], inputs: Inputs, begin: pd.Timestamp, end: pd.Timestamp) -> World:
    """Workloads beside each other, sharing quotas of options and spot pools."""
    pairs = pd.concat([part.pairs.assign(workload=w) for w, part in enumerate(parts)], ignore_index=True)
    if "max_concurrency" not in pairs:
        pairs["max_concurrency"] = 0.0
    quotas = pairs.groupby("option_id", sort=True)["quota"].first()
    pools = sorted(pairs["pool"].dropna().unique())
    standby_price, standby_boot_s = standby_offers(pairs)
    return World(
        start=begin,
        workloads=tuple(part.workload.name for part in parts),
        requests=np.stack([part.load.requests for part in parts]),
        burstiness=np.array([part.workload.burstiness for part in parts]),
        timeout_s=np.array([part.workload.timeout_s for part in parts]),
        action_cost_usd=np.array([part.workload.action_cost_usd for part in parts]),
        firm_share=np.array([1.0 - part.workload.spot.max_share for part in parts]),
        firm_replicas=np.array([part.workload.spot.min_on_demand_replicas for part in parts]),
        option_id=tuple(pairs["option_id"].astype(str)),
        option_workload=pairs["workload"].to_numpy(dtype=np.int64),
        price_hourly=pairs["price_hourly"].to_numpy(dtype=float),
        boot_s=pairs["boot_seconds"].to_numpy(dtype=float),
        standby_price_hourly=standby_price,
        standby_boot_s=standby_boot_s,
        failures_per_1000h=pairs["failures_per_1000h"].fillna(0.0).to_numpy(dtype=float),
        concurrency=pairs["max_concurrency"].fillna(0.0).to_numpy(dtype=float),
        is_committed=pairs["purchase"].eq("commitment").to_numpy(dtype=bool),
        capacity=np.concatenate([part.capacity for part in parts]),
        wait_s=np.concatenate([part.wait_s for part in parts]),
        pool=positions(pairs["pool"], pools),
        pool_capacity=granted_each_minute(inputs.spot_history, pools, begin, end),
        quota_pool=positions(pairs["option_id"], list(quotas.index)),
        quota=quotas.astype(float).fillna(np.inf).clip(upper=UNLIMITED).to_numpy().astype(np.int64),
    )


def positions(names: pd.Series[str], known: Sequence[str]) -> Ints:
    """(o) where each name stands among the known ones; -1 where there is none."""
    place = {name: k for k, name in enumerate(known)}
    return np.array([place.get(name, NONE) for name in names], dtype=np.int64)


def granted_each_minute(
    history: pd.DataFrame, pools: Sequence[str], begin: pd.Timestamp, end: pd.Timestamp
) -> Ints:
    """(p, t) replicas that pools grant: as last seen, and none before they were seen first."""
    moments = pd.date_range(begin, end, freq=MINUTE, inclusive="left")
    granted = np.zeros((len(pools), len(moments)), dtype=np.int64)
    for p, pool in enumerate(pools):
        seen = history.loc[history["pool"].eq(pool)].sort_values("ts")
        last = np.searchsorted(seen["ts"].to_numpy(), moments.to_numpy(), side="right") - 1
        capacity = seen["capacity"].to_numpy(dtype=float).clip(max=UNLIMITED)
        known = np.append(np.floor(capacity), 0.0)
        granted[p] = known[last]  # -1 is the 0 at the end
    return granted
