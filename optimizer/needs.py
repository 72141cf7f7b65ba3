"""What each workload needs in each period: forecast, weight, queueing head-room, boot time ahead.

The two kinds of plan differ in their periods and quantile, not in how need is found; both come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.admissible import Context, admissible
from optimizer.demand import (
    HISTORY_DAYS,
    Tokens,
    demand_series,
    forecast_demand,
    mean_tokens,
    over_intervals,
    slot_of,
    standard_requests,
)
from optimizer.formulate import Need
from optimizer.inputs import Inputs
from optimizer.known import Beforehand, unseen_series
from optimizer.problem import Floats
from optimizer.processes import HERE
from optimizer.queueing import needed_capacity
from optimizer.throughput import pair_options

LEAST_WAIT_SHARE = 0.1  # of the objective: a service time that eats it all still leaves this to queue


@dataclass(frozen=True)
class Candidate:
    """A workload that will be planned: its admissible options and how its demand is counted.

    Attributes:
        reference: the option that serves one unit cheapest; sets weights, boot time and queueing room.
        series: `unique_id, ds, y` in standard requests/s; None for batch work with a deadline.
    """

    workload: Workload
    pairs: pd.DataFrame
    reference: pd.Series[float]
    tokens: Tokens | None
    series: pd.DataFrame | None


@dataclass(frozen=True)
class Outlook:
    """Candidates with their forecasts, and the workloads that stay as they are."""

    candidates: tuple[Candidate, ...]
    held: Mapping[str, str]  # workload to the reason it is not planned
    forecasts: pd.DataFrame  # unique_id, ds, model, q…, slot_s; requests/s

    def forecast_of(self, workload: str) -> pd.DataFrame:
        """Rows of one workload; of thousands, none is looked for among all rows."""
        return self.forecasts.iloc[self._rows_of.get(workload, [])]

    @cached_property
    def _rows_of(self) -> Mapping[str, np.ndarray]:
        return {
            str(name): np.asarray(rows) for name, rows in self.forecasts.groupby("unique_id").indices.items()
        }


def look_ahead(
    inputs: Inputs,
    *,
    horizon: pd.Timedelta,
    levels: Sequence[float],
    beforehand: Beforehand | None = None,
    beside: Executor = HERE,
) -> Outlook:
    """Find what may serve each workload and forecast what it will need.

    Args:
        inputs: what is known.
        horizon: from as-of on.
        levels: quantile levels.
        beforehand: what the forecasts may use besides the history.
        beside: where they are made.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    candidates, held = to_plan(inputs)
    coming = forecasting(candidates, beside, horizon=horizon, levels=levels, beforehand=beforehand)
    return Outlook(candidates, held, coming.result())


def to_plan(inputs: Inputs) -> tuple[tuple[Candidate, ...], dict[str, str]]:
    """The workloads that will be planned, and why each of the others stays as it is.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    context = inputs.context
    held: dict[str, str] = {}
    candidates = []
    for workload in inputs.workloads:
        history = inputs.history_of(workload.name)
        why = held_because(workload, history, inputs.as_of)
        if why is not None:
            held[workload.name] = why
        else:
            candidates.append(candidate(workload, history, inputs, context))
    return tuple(with_launches(candidates, inputs.as_of)), held


def forecasting(
    candidates: Sequence[Candidate],
    beside: Executor,
    *,
    horizon: pd.Timedelta,
    levels: Sequence[float],
    beforehand: Beforehand | None = None,
) -> Future[pd.DataFrame]:
    """Begin to forecast what all but work with a deadline will need, `beside` unless models may be large."""
    where = HERE if beforehand is not None and beforehand.members else beside
    series = [c.series for c in candidates if c.series is not None]
    return where.submit(forecast_demand, series, horizon=horizon, levels=levels, beforehand=beforehand)


def held_because(workload: Workload, history: pd.DataFrame, as_of: datetime) -> str | None:
    """Why a workload stays as it is; None where it is planned."""
    if workload.do_not_touch:
        return "do_not_touch is set"
    if workload.deadline is not None and workload.deadline <= as_of:
        return "its deadline has passed: set a new one, or stop it"
    if workload.work_units is None and not is_forecastable(workload, history, as_of):
        return f"no demand seen in the {HISTORY_DAYS} days before as-of"
    return None


def is_forecastable(workload: Workload, history: pd.DataFrame, as_of: datetime) -> bool:
    """Whether demand was seen lately, or is expected of a launch."""
    return workload.launch is not None or has_recent_demand(history, as_of)


def with_launches(candidates: Sequence[Candidate], as_of: datetime) -> list[Candidate]:
    """Those of which nothing was seen lately get a series of gaps, on the grid of the others."""
    seen = {c.workload.name: slot_of(c.series) for c in candidates if c.series is not None}
    return [
        replace(c, series=unseen_series(c.workload, seen, as_of))
        if c.series is None and c.workload.work_units is None
        else c
        for c in candidates
    ]


def has_recent_demand(history: pd.DataFrame, as_of: datetime) -> bool:
    """Whether anything was counted recently enough to forecast from."""
    recent = history["ts"] > pd.Timestamp(as_of) - pd.Timedelta(days=HISTORY_DAYS)
    counted = history["requests"].notna() & ~history["is_gap"].astype(bool)
    return bool((counted & recent).any())


def candidate(workload: Workload, history: pd.DataFrame, inputs: Inputs, context: Context) -> Candidate:
    """Admissible options of one workload and its demand as a series."""
    tokens = tokens_of(workload, history, inputs.demand)
    pairs = admissible_pairs(workload, inputs, tokens, context)
    reference = pairs.iloc[int((pairs["price_hourly"] / pairs["capacity"]).argmin())]
    if workload.work_units is not None or not has_recent_demand(history, inputs.as_of):
        return Candidate(workload, pairs, reference, tokens, None)
    weighted = history["requests"].astype(float).where(~history["is_gap"].astype(bool))
    if tokens is not None:
        weighted = standard_requests(history, reference["prefill_tps"], reference["decode_tps"])
    return Candidate(workload, pairs, reference, tokens, demand_series(history, weighted, inputs.as_of))


def admissible_pairs(
    workload: Workload, inputs: Inputs, tokens: Tokens | None, context: Context
) -> pd.DataFrame:
    """Options that may serve a workload, with what a replica of each does for it.

    Raises:
        InfeasibleError: there is none.
    """
    return admissible(workload, pair_options(workload, inputs.options, inputs.profiles, tokens), context)


def tokens_of(workload: Workload, history: pd.DataFrame, demand: pd.DataFrame) -> Tokens | None:
    """Length of a request of an LLM: its own, or that of the workload its launch is like."""
    if history.empty and workload.launch is not None:
        history = demand.loc[demand["workload"].eq(workload.launch.like or "")]
    return mean_tokens(history) if workload.is_llm and len(history) else None


def needs(
    outlook: Outlook, starts: pd.DatetimeIndex, length: pd.Timedelta, *, level: float
) -> tuple[Need, ...]:
    """Capacity every candidate needs in every interval, at one quantile of demand.

    Args:
        outlook: candidates and forecasts.
        starts: beginnings of the intervals.
        length: of one interval.
        level: quantile that capacity covers.
    """
    return tuple(
        Need(c.workload, c.pairs, needed(c, outlook, starts, length, level)) for c in outlook.candidates
    )


def needed(
    c: Candidate, outlook: Outlook, starts: pd.DatetimeIndex, length: pd.Timedelta, level: float
) -> Floats:
    """(T,) capacity of one workload, boot time ahead: what starts now serves only after it has booted."""
    if c.series is None:
        return work_rate(c.workload, starts)
    own = outlook.forecast_of(c.workload.name)
    boot = pd.Timedelta(seconds=float(c.reference["boot_seconds"]))
    load = over_intervals(own, starts, starts + length + boot, f"q{level:g}", how="max")
    return with_queueing(c, load)


def with_queueing(c: Candidate, load: Floats) -> Floats:
    """Capacity for a load with the room that bursts inside a minute need; batch work may wait."""
    slo = c.workload.slo
    if c.workload.tier == "batch" or slo is None:
        return load
    wait = float(wait_s(c.workload, np.asarray(c.reference["service_s"], dtype=float)))
    return needed_capacity(load, burstiness=c.workload.burstiness, wait_s=wait, target=slo.target)


def wait_s(workload: Workload, processing_s: Floats) -> Floats:
    """Longest queueing that keeps the objective: what processing leaves of it."""
    slo = workload.slo
    if slo is None:
        return np.full_like(processing_s, np.inf)
    limit_s = slo.ttft_s if slo.ttft_s is not None else float(slo.latency_ms or 0.0) / 1000.0
    return np.maximum(limit_s - processing_s, LEAST_WAIT_SHARE * limit_s)


def work_rate(workload: Workload, starts: pd.DatetimeIndex) -> Floats:
    """(T,) units/s that finish batch work by its deadline, spread evenly until then."""
    if workload.work_units is None or workload.deadline is None:
        return np.zeros(len(starts))
    seconds = (pd.Timestamp(workload.deadline) - starts[0]).total_seconds()
    if seconds <= 0:
        return np.zeros(len(starts))
    running = np.asarray(starts < pd.Timestamp(workload.deadline))
    return np.where(running, workload.work_units / seconds, 0.0)
