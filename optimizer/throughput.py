"""What one replica of an option does for a workload, from profiles and the length of its requests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.node_room import FITS, node_room
from data.workloads import Workload
from optimizer.demand import Tokens

DEFAULT_TOKENS = (800.0, 150.0)  # prompt and output of one request where the history counts no tokens


def pair_options(
    workload: Workload, options: pd.DataFrame, profiles: pd.DataFrame, tokens: Tokens | None
) -> pd.DataFrame:
    """Every option with what one replica of it does for the workload.

    Adds `capacity` [units/s per replica; NaN = no profile], `service_s` [s for one request without
    queueing] and `tpot_ms`. An LLM's replica serves accelerator_count / (tokens_in / prefill_tps +
    tokens_out / decode_tps) requests/s; a service's serves `rps`; batch work on accelerators counts
    output tokens.

    With resources a replica is a pod: it serves `rps`, or as many accelerators as it requests. `capacity` is
    then that of an instance filled with its pods, `pods` of them, 0 where not even one fits.
    """
    pairs = with_profiles(workload, options, profiles)
    if workload.resources is None:
        return served(workload, pairs, pairs["accelerator_count"].astype(float), tokens)
    pairs = served(workload, pairs, pd.Series(workload.resources.gpu, index=pairs.index), tokens)
    pods = pods_per_node(workload, pairs)
    return pairs.assign(pods=pods, capacity=pairs["capacity"] * pods.clip(lower=1.0))


def accelerators(workload: Workload, pairs: pd.DataFrame) -> pd.Series[float]:
    """Accelerators that serve on one instance of each pair: all, or those that its pods request."""
    if workload.resources is None:
        return pairs["accelerator_count"].astype(float)
    return workload.resources.gpu * pairs["pods"].clip(lower=1.0)


def with_profiles(workload: Workload, options: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """Every option with the profile of its accelerator and of its instance type; NaN where there is none."""
    own = profiles.loc[profiles["model"].eq(workload.model)]
    by_chip = own.loc[own["accelerator"].notna()].drop(columns=["instance_type", "model"])
    by_type = own.loc[own["instance_type"].notna(), ["instance_type", "rps", "latency_ms"]]
    pairs = options.merge(by_chip.drop(columns=["rps", "latency_ms"]), on="accelerator", how="left")
    pairs = pairs.merge(by_type, on="instance_type", how="left")
    anywhere = own.loc[own["accelerator"].isna() & own["instance_type"].isna()]
    if len(anywhere):
        usual = {column: float(anywhere[column].iloc[0]) for column in ("rps", "latency_ms")}
        unnamed = ~pairs["instance_type"].isin(by_type["instance_type"])
        pairs = pairs.assign(**{c: pairs[c].astype(float).mask(unnamed, usual[c]) for c in usual})
    return pairs


def served(
    workload: Workload, pairs: pd.DataFrame, count: pd.Series[float], tokens: Tokens | None
) -> pd.DataFrame:
    """The pairs with what one replica of `count` accelerators serves, and how fast."""
    if workload.is_llm:
        prompt, output = (tokens.prompt, tokens.output) if tokens else DEFAULT_TOKENS
        per_second = count / (prompt / pairs["prefill_tps"] + output / pairs["decode_tps"])
        prefill = prompt / pairs["prefill_tps"]
        return pairs.assign(capacity=per_second, service_s=prefill)
    rps = pairs["rps"].astype(float)
    if workload.tier == "batch":
        rps = rps.fillna(count * pairs["decode_tps"].astype(float))
    latency = pairs["latency_ms"].astype(float).fillna(0.0) / 1000.0
    return pairs.assign(capacity=rps, service_s=latency)


def pods_per_node(workload: Workload, options: pd.DataFrame) -> pd.Series[float]:
    """How many replicas of a workload with resources one node of each option holds; 0 where it is no node."""
    room = node_room(options)
    fits = pd.Series(float(workload.placement.max_per_node or np.inf), index=options.index)
    for resource, amount in workload.resources.requests.items() if workload.resources else ():
        if amount > 0:
            fits = np.minimum(fits, np.floor(room[resource] / amount + FITS))
    return fits.where(room.notna().all(axis=1), 0.0)
