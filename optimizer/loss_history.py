"""Losses that were seen, and what a miss costs workloads that say so: the material of scenarios."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.inputs import Inputs
from optimizer.problem import Floats, Problem
from optimizer.scenarios import HOUR, LostDays, from_history, hourly_losses

UNITS = 3.6  # 1,000 requests in an hour of one request/s


def lost_days(problem: Problem, inputs: Inputs) -> LostDays:
    """What was lost on the days that were watched."""
    return from_history(losses_of(problem, inputs), pools=problem.pools, hours=problem.hours)


def miss_usd(problem: Problem, inputs: Inputs) -> Floats:
    """(W,) USD per request/s that is not served for an hour."""
    slo = {w.name: w.slo for w in inputs.workloads if w.tier == "interactive"}
    promised = [slo.get(name) for name in problem.workloads]
    costs = [0.0 if s is None or s.usd_per_1000_missed is None else s.usd_per_1000_missed for s in promised]
    return np.array(costs, dtype=float) * UNITS


def losses_of(problem: Problem, inputs: Inputs) -> pd.DataFrame:
    """Share of each pool lost in each hour, from the first day on that usage or capacity was counted.

    The present fleet stands for what usually ran: events of pools in which nothing runs now are left out.
    """
    drawn = zip(problem.option_id, problem.source_pool, strict=True)
    pool_of = {option: problem.pools[p] for option, p in drawn if p >= 0}
    own = inputs.fleet.assign(pool=inputs.fleet["option_id"].map(pool_of)).dropna(subset=["pool"])
    running = {str(pool): float(n) for pool, n in own.groupby("pool")["desired"].sum().items()}
    losses = hourly_losses(inputs.spot_history, inputs.events, pool_of, running)
    seen = [pd.Timestamp(frame["ts"].min()) for frame in (inputs.demand, inputs.spot_history) if len(frame)]
    if losses.empty:
        return losses
    first = min([losses.index[0], *(begin.ceil("D") for begin in seen)])
    last = max(pd.Timestamp(inputs.as_of).floor("D"), losses.index[-1] + HOUR)
    return losses.reindex(pd.date_range(first, last, freq=HOUR, inclusive="left"), fill_value=0.0)
