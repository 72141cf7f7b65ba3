"""Forecasts of every workload's demand, and their place in the lake: each is kept with origin and model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from data.lake import Lake
from models.frames import to_long
from optimizer.demand import demand_series, forecast_demand, slot_of
from optimizer.inputs import Inputs
from optimizer.known import Beforehand, unseen_series
from optimizer.needs import has_recent_demand

LEVELS = (0.1, 0.5, 0.9, 0.99)


def forecast_requests(
    inputs: Inputs, horizon: pd.Timedelta, beforehand: Beforehand | None = None
) -> pd.DataFrame:
    """Quantiles of requests/s per workload and slot from as-of on: `unique_id, ds, model, q…, slot_s`."""
    series = [*(seen := request_series(inputs)), *launched(inputs, seen)]
    return forecast_demand(series, horizon=horizon, levels=LEVELS, beforehand=beforehand)


def old_demand(inputs: Inputs) -> Iterator[str]:
    """A note where the newest demand is a day old or older: what came since is not in the forecast."""
    counts = (
        inputs.demand["workload"].isin([w.name for w in inputs.workloads]) & inputs.demand["requests"].notna()
    )
    seen = inputs.demand.loc[counts].groupby("workload")["ts"].max()
    now = pd.Timestamp(inputs.as_of)
    old = seen[now - seen >= pd.Timedelta(days=1)].dt.floor("D")
    for day, count in old.value_counts().sort_index().items():
        whose = "1 workload" if count == 1 else f"{count} workloads"
        age = (now - day).days
        days = "1 day" if age == 1 else f"{age} days"
        yield f"the newest demand of {whose} is of {day:%Y-%m-%d}, {days} before the forecast begins"


def launched(inputs: Inputs, seen: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Series of the workloads that have a launch and nothing seen of it."""
    slots = {str(frame["unique_id"].iloc[0]): slot_of(frame) for frame in seen}
    return [
        unseen_series(workload, slots, inputs.as_of)
        for workload in inputs.workloads
        if workload.launch is not None and workload.name not in slots
    ]


def request_series(inputs: Inputs) -> list[pd.DataFrame]:
    """Requests/s per slot of every workload with a history; gaps are NaN."""
    counted = inputs.demand.loc[inputs.demand["workload"].isin([w.name for w in inputs.workloads])]
    return [
        demand_series(rows, rows["requests"].astype(float).where(~rows["is_gap"].astype(bool)), inputs.as_of)
        for _, rows in counted.groupby("workload")
        if has_recent_demand(rows, inputs.as_of)
    ]


def actuals(inputs: Inputs, origins: Iterable[datetime]) -> pd.DataFrame:
    """Requests/s in the slots of forecasts made at some origins: `origin, workload, ds, actual`.

    A grid ends at its own as-of, so an origin that is no whole number of slots ago has a grid of its own.
    """
    parts = []
    for origin in origins:
        for frame in request_series(inputs):
            slot = frame["ds"].iloc[1] - frame["ds"].iloc[0]
            late = (pd.Timestamp(inputs.as_of) - origin) % slot
            name = str(frame["unique_id"].iloc[0])
            frames = [frame] if not late else request_series(as_it_was(inputs, name, inputs.as_of - late))
            parts += [part.loc[part["ds"] >= origin].assign(origin=origin) for part in frames]
    if not parts:
        return pd.DataFrame(columns=["origin", "workload", "ds", "actual"])
    whole = pd.concat(parts, ignore_index=True).rename(columns={"unique_id": "workload", "y": "actual"})
    return whole[["origin", "workload", "ds", "actual"]]


def as_it_was(inputs: Inputs, workload: str, moment: datetime) -> Inputs:
    """The inputs with the demand of one workload that had begun by a moment: a grid counts by starts."""
    own = inputs.history_of(workload)
    return replace(inputs, as_of=moment, demand=own.loc[own["ts"] < moment])


def store_forecasts(lake: Lake, forecasts: pd.DataFrame, *, metric: str, origin: datetime) -> None:
    """Keep forecasts in the lake. The same forecast again changes nothing.

    Args:
        lake: open for writing.
        forecasts: `unique_id, ds, model` and a column per quantile.
        metric: what is forecast.
        origin: when; the forecast uses nothing later.
    """
    if forecasts.empty:
        return
    rows = to_long(forecasts.drop(columns="slot_s"), levels_in(forecasts)).assign(
        metric=metric, origin=origin
    )
    keys = ["unique_id", "ds", "model", "quantile"]
    rows = rows.astype({"value": float}).sort_values(keys, ignore_index=True)
    stored = lake.read("forecasts_of_origin", metric=metric, origin=origin)
    known = stored.sort_values(keys, ignore_index=True)
    if len(known) != len(rows) or not (known[[*keys, "value"]] == rows[[*keys, "value"]]).all(axis=None):
        lake.replace("forecasts", {"metric": metric, "origin": origin}, rows)


def levels_in(frame: pd.DataFrame) -> Sequence[float]:
    """Quantile levels of the columns of a forecast."""
    return [float(name[1:]) for name in frame.columns if name.startswith("q") and name[1:2].isdigit()]
