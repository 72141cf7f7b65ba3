"""From counted requests to the demand that a plan must cover, as quantiles.

A workload's requests differ in length over the day. They are counted in *standard requests*: each weighted
by the work it brings to a reference accelerator, relative to the mean. So one number per slot carries both
how many there were and how heavy they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.ladder import forecast
from models.peers import named
from models.promises import kept
from optimizer.known import Beforehand

REQUESTS = "requests_per_s"  # the metric that forecasts of counted requests are stored as
SLOT_MINUTES = 10
HISTORY_DAYS = 28
TOKEN_DAYS = 7


@dataclass(frozen=True)
class Tokens:
    """Mean tokens of one request; None where the history does not count tokens."""

    prompt: float
    output: float


def mean_tokens(history: pd.DataFrame) -> Tokens | None:
    """Tokens per request over the last days of one workload's history, weighted by requests.

    Args:
        history: rows of one workload with `ts, requests, tokens_in, tokens_out` (totals per interval).
    """
    recent = history.loc[history["ts"] > history["ts"].max() - pd.Timedelta(days=TOKEN_DAYS)]
    # Requests without any token are requests whose tokens nobody counted.
    counted = recent.loc[recent["requests"].gt(0) & recent["tokens_in"].add(recent["tokens_out"]).gt(0)]
    requests = float(counted["requests"].sum())
    if requests <= 0:
        return None
    prompt, output = float(counted["tokens_in"].sum()), float(counted["tokens_out"].sum())
    return Tokens(prompt / requests, output / requests)


def standard_requests(history: pd.DataFrame, prefill_tps: float, decode_tps: float) -> pd.Series[float]:
    """Requests of each interval weighted by their work on a reference accelerator; NaN in gaps.

    The weight is 1 on average, so totals keep the unit "requests". It is 1 where no tokens were counted.
    """
    requests = history["requests"].astype(float).where(~history["is_gap"].astype(bool))
    tokens = mean_tokens(history)
    if tokens is None:
        return requests
    mean_work = tokens.prompt / prefill_tps + tokens.output / decode_tps
    work = history["tokens_in"] / prefill_tps + history["tokens_out"] / decode_tps
    return (work / mean_work).where(requests.notna() & work.gt(0), requests)


def slot_length(interval_s: float) -> pd.Timedelta:
    """Grid on which a workload is forecast: its own interval, but at least ten minutes."""
    factor = max(1, int(np.ceil(SLOT_MINUTES * 60 / interval_s)))
    return pd.Timedelta(seconds=interval_s * factor)


def demand_series(history: pd.DataFrame, weighted: pd.Series[float], as_of: datetime) -> pd.DataFrame:
    """One workload's mean rate per slot on a grid that ends at `as_of`: `unique_id, ds, y` [requests/s].

    A slot's rate is the mean over the time that was counted; a slot with none is a gap (NaN), also at the
    end, so that every forecast begins at `as_of`. Where sources count in intervals of different length, the
    longest sets the slot. At least two slots, so that the grid can be read off them.
    """
    end = pd.Timestamp(as_of).as_unit("us")
    recent = history["ts"] > end - pd.Timedelta(days=HISTORY_DAYS)
    begun, counted = history.loc[recent, "ts"], weighted.loc[recent]
    seconds = history.loc[recent, "interval_s"].astype(float)
    slot_us = slot_length(float(seconds.max())) // pd.Timedelta(microseconds=1)
    age_us = (end - begun).to_numpy().astype("timedelta64[us]").astype(np.int64)
    age = pd.Series((age_us - 1) // slot_us, index=begun.index)
    rate = counted.groupby(age).sum() / seconds.where(counted.notna()).groupby(age).sum()
    slots = np.arange(max(1, int(age.max())), -1, -1)
    ds = end - pd.to_timedelta((slots + 1) * slot_us, unit="us")
    frame = pd.DataFrame({"ds": ds, "y": rate.reindex(slots).to_numpy(dtype=float)})
    return frame.assign(unique_id=str(history["workload"].iloc[0]))[["unique_id", "ds", "y"]]


def slot_of(series: pd.DataFrame) -> pd.Timedelta:
    """Length of a slot of a series of `demand_series`."""
    return pd.Timedelta(series["ds"].iloc[1] - series["ds"].iloc[0])


def forecast_demand(
    series: Sequence[pd.DataFrame],
    *,
    horizon: pd.Timedelta,
    levels: Sequence[float],
    beforehand: Beforehand | None = None,
) -> pd.DataFrame:
    """Quantiles of demand for the slots that begin in [as-of, as-of + horizon).

    Args:
        series: one frame of `demand_series` per workload; those of equal slot length share one forecast.
        horizon: how far to look.
        levels: quantile levels in (0, 1).
        beforehand: what else may be used.

    Returns:
        `unique_id, ds, model, q…` and `slot_s`, in requests/s; an empty frame where there is no series.
    """
    if not series:
        return pd.DataFrame()
    before = beforehand or Beforehand()
    by_slot: dict[pd.Timedelta, list[pd.DataFrame]] = {}
    for frame in series:
        slot = slot_of(frame)
        by_slot.setdefault(slot, []).append(frame)
    parts = []
    for slot, frames in sorted(by_slot.items()):
        steps = int(np.ceil(horizon / slot))
        together = pd.concat(frames, ignore_index=True)
        part = forecast(
            together,
            freq=slot,
            horizon_steps=steps,
            levels=levels,
            known=before.known,
            members=before.members,
            champion=named(before.planner, slot) if before.planner else None,
        )
        if before.past is not None:
            part = kept(part, before.past, together, levels)
        parts.append(part.assign(slot_s=slot.total_seconds()))
    return pd.concat(parts, ignore_index=True)


def over_intervals(
    forecasts: pd.DataFrame, starts: pd.DatetimeIndex, stops: pd.DatetimeIndex, column: str, *, how: str
) -> np.ndarray:
    """One forecast column of one workload put onto planned intervals.

    Args:
        forecasts: rows of one workload with `ds`, `slot_s` and quantile columns.
        starts: beginnings of the intervals.
        stops: their ends; intervals overlap where a boot time is looked ahead.
        column: which quantile.
        how: "max" for the highest rate in the interval [requests/s], "total" for requests in it.
    """
    begin = forecasts["ds"].dt.tz_convert(None).to_numpy()
    slot = np.timedelta64(int(forecasts["slot_s"].iloc[0] * 1e6), "us")
    rate = forecasts[column].to_numpy(dtype=float)
    values = np.zeros(len(starts))
    bounds = zip(starts.tz_convert(None).to_numpy(), stops.tz_convert(None).to_numpy(), strict=True)
    for index, (start, stop) in enumerate(bounds):
        overlap = np.minimum(begin + slot, stop) - np.maximum(begin, start)
        seconds = np.maximum(overlap / np.timedelta64(1, "s"), 0.0)
        inside = seconds > 0
        if inside.any():
            values[index] = (rate * seconds).sum() if how == "total" else rate[inside].max()
    return values
