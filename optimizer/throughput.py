"""What one replica of an option does for a workload, from profiles and the length of its requests."""

from __future__ import annotations

import pandas as pd

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
