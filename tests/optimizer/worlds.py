"""Small known worlds for the planners: workloads, options, history and fleet from a few words.

A test names only what it is about. One replica of an option serves 10 requests/s unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.config import CommitmentSettings, ForecastSettings, PlacementSettings, Planning, Settings
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.lake_inputs import EMPTY
from optimizer.option_table import OPTION_COLUMNS

AS_OF = datetime(2026, 5, 12, 3, tzinfo=UTC)
TIME = "datetime64[us, UTC]"
SLO = {"latency_ms": 500, "target": 0.5}  # so loose that queueing hardly asks for room
TYPES = {"m": 10.0, "big": 40.0, "slow": 10.0}


def workload(name: str = "web", **changes: Any) -> Workload:
    """An interactive service with even arrivals; `changes` are keys of workloads.yaml."""
    return Workload.model_validate(
        {"name": name, "model": "svc", "slo": SLO, "burstiness": 0.0, "spot": {"max_share": 0.0}} | changes
    )


def batch(name: str = "etl", *, work_units: float, deadline: datetime, **changes: Any) -> Workload:
    """Work with a deadline."""
    keys = {"name": name, "model": "svc", "tier": "batch", "spot": {"max_share": 0.0}}
    return Workload.model_validate(keys | {"work_units": work_units, "deadline": deadline} | changes)


def option(option_id: str, price: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A row of the catalogue."""
    row = {
        "option_id": option_id, "provider": "aws", "region": "eu", "instance_type": "m", "accelerator": None,
        "accelerator_count": 0.0, "purchase": "on_demand", "price_hourly": price, "boot_seconds": 0.0,
        "quota": np.nan, "pool": None, "failures_per_1000h": 1.0,
    }  # fmt: skip
    assert set(OPTION_COLUMNS) <= set(row)
    return row | changes


def catalogue(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Options as a typed frame, in the order that `merge` gives them."""
    text = ["option_id", "provider", "region", "instance_type", "accelerator", "purchase", "pool"]
    frame = pd.DataFrame(list(rows)).astype(dict.fromkeys(text, "str"))
    return frame.sort_values("option_id", ignore_index=True)


def profiles(types: Mapping[str, float] = TYPES) -> pd.DataFrame:
    """Throughput of the one model per instance type."""
    names = {"model", "accelerator", "instance_type"}
    dtypes = {name: "str" if name in names else "float64" for name in EMPTY["profiles"]}
    frame = pd.DataFrame(columns=list(EMPTY["profiles"]), index=range(len(types))).astype(dtypes)
    return frame.assign(model="svc", instance_type=list(types), rps=list(types.values()), latency_ms=20.0)


def history(
    requests: Sequence[float],
    name: str = "web",
    *,
    interval_s: int = 600,
    end: datetime = AS_OF,
    tokens: tuple[Sequence[float], Sequence[float]] | None = None,
) -> pd.DataFrame:
    """Counted intervals up to `end`; NaN is a gap."""
    count = len(requests)
    ts = [end - timedelta(seconds=interval_s) * (count - k) for k in range(count)]
    prompt, output = tokens or ([np.nan] * count, [np.nan] * count)
    frame = pd.DataFrame(
        {
            "workload": pd.Series([name] * count, dtype="str"), "ts": pd.Series(ts, dtype=TIME),
            "interval_s": np.full(count, interval_s), "requests": np.asarray(requests, dtype=float),
            "tokens_in": np.asarray(prompt, dtype=float), "tokens_out": np.asarray(output, dtype=float),
        }
    )  # fmt: skip
    return frame.assign(is_gap=frame["requests"].isna())


def steady(rate: float, name: str = "web", *, days: float = 1.5) -> pd.DataFrame:
    """The same requests/s throughout."""
    return history([rate * 600.0] * int(days * 144), name)


def fleet(counts: Mapping[tuple[str, str], int] | None = None) -> pd.DataFrame:
    """What runs now, by (workload, option_id)."""
    keys = list(counts or {})
    frame = pd.DataFrame({"workload": [w for w, _ in keys], "option_id": [o for _, o in keys]}, dtype="str")
    values = list((counts or {}).values())
    return frame.assign(
        **{name: np.asarray(values, dtype="int64") for name in ("desired", "ready", "pending")}
    )


def world(
    workloads: Sequence[Workload],
    options: pd.DataFrame,
    demand: Sequence[pd.DataFrame] = (),
    *,
    running: Mapping[tuple[str, str], int] | None = None,
    commitments: Sequence[Offer] = (),
    spot_capacity: Mapping[str, float] | None = None,
    as_of: datetime = AS_OF,
) -> Inputs:
    """Everything a plan is made from."""
    counted = pd.concat(demand, ignore_index=True) if demand else history([]).astype({"is_gap": bool})
    return Inputs(
        as_of=as_of, workloads=tuple(workloads), options=options, profiles=profiles(),
        demand=counted.sort_values(["workload", "ts"], ignore_index=True),
        events=pd.DataFrame(columns=list(EMPTY["events"])), fleet=fleet(running),
        spot_capacity=dict(spot_capacity or {}), usual_spot_capacity=dict(spot_capacity or {}),
        commitments=tuple(commitments),
        country={}, rtt_ms={}, notes=(), past_forecasts=pd.DataFrame(columns=list(EMPTY["past_forecasts"])),
    )  # fmt: skip


def settings(
    planning: Mapping[str, Any] | None = None,
    *,
    commitments: Mapping[str, Any] | None = None,
    **placement: Any,
) -> Settings:
    """Settings apart from the environment; a short typical day unless told otherwise."""
    return Settings.model_construct(
        planning=Planning.model_validate(planning or {}),
        placement=PlacementSettings.model_validate(
            {"forecast_days": 1, "activation_cost_usd": 0.0} | placement
        ),
        commitments=CommitmentSettings.model_validate(commitments or {}),
        forecast=ForecastSettings(),
        sources={},
    )


def without(inputs: Inputs, **changes: Any) -> Inputs:
    """The inputs with some parts exchanged."""
    return replace(inputs, **changes)
