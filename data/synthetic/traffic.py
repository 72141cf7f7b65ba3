"""What the demo's services were asked to do: demand, failures, spot capacity, utilisation.

Every series has its own random stream, keyed by the seed and its name: a service more does not change the
others.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.synthetic.services import SERVICES, Demand, Service

Floats = NDArray[np.float64]

HISTORY_DAYS = 35
STEP = pd.Timedelta(minutes=10)
STEPS_PER_DAY = 144
BURST_STEPS = (2, 7)  # 20 to 60 minutes
NOISE_MEMORY = 0.9  # how much of a step's noise is left ten minutes later
FAILURES_PER_1000H = 1.0


@dataclass(frozen=True)
class Span:
    """Something that happened to one workload between two moments."""

    workload: str
    start: datetime
    end: datetime


def rng(seed: int, *names: str) -> np.random.Generator:
    """The random stream of one named series."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def gap(as_of: datetime) -> Span:
    """When the monitoring of one service was down: rows are missing there, demand was not zero."""
    start = as_of - timedelta(days=12, hours=10)
    return Span("orders-api", start, start + timedelta(hours=6, minutes=20))


def launch(as_of: datetime) -> Span:
    """When a product launch multiplied the demand for one service."""
    start = as_of - timedelta(days=8, hours=9)
    return Span("chat", start, start + timedelta(hours=6))


def demand(seed: int, as_of: datetime) -> pd.DataFrame:
    """Demand history without any hole: ts, workload, requests, tokens_in, tokens_out per 10 minutes.

    Batch workloads count the work units that arrive; services that are not LLMs have no tokens.
    """
    times = _times(as_of, STEP, HISTORY_DAYS)
    return pd.concat([_one_demand(seed, service, times, as_of) for service in SERVICES], ignore_index=True)


def observed(complete: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """What the metrics show of the demand: the rows of the gap are missing."""
    hole = gap(as_of)
    is_lost = (complete["workload"] == hole.workload) & complete["ts"].between(
        pd.Timestamp(hole.start), pd.Timestamp(hole.end), inclusive="left"
    )
    return complete[~is_lost].reset_index(drop=True)


def spot_capacity(seed: int, as_of: datetime, pools: Sequence[str]) -> pd.DataFrame:
    """Instances each spot pool would grant, every 30 minutes: up for about 40 h, empty for about 2.5 h."""
    times = _times(as_of, pd.Timedelta(minutes=30), HISTORY_DAYS)
    frames = []
    for pool in pools:
        random = rng(seed, "spot", pool)
        is_up = _on_off(random, len(times), mean_on=80, mean_off=5)
        slow = np.exp(0.2 * _noise(random, len(times), memory=0.98))
        capacity = np.where(is_up, random.integers(8, 40) * slow, 0).astype(np.int64)
        frames.append(pd.DataFrame({"ts": times, "pool": pool, "capacity": capacity}))
    return pd.concat(frames, ignore_index=True)


def events(seed: int, as_of: datetime, capacity: pd.DataFrame) -> pd.DataFrame:
    """Failures, preemptions and denials of the fleet: ts, workload, option_id, event.

    A spot replica is preempted when its pool falls below the fleet, and its replacement denied until then.
    """
    start = pd.Timestamp(as_of) - pd.Timedelta(days=HISTORY_DAYS)
    hours = HISTORY_DAYS * 24
    rows: list[tuple[pd.Timestamp, str, str, str]] = []
    for service in SERVICES:
        for slot in service.fleet:
            random = rng(seed, "events", service.name, slot.option_id)
            count = random.poisson(FAILURES_PER_1000H * hours / 1000 * slot.replicas)
            moments = start + pd.to_timedelta(random.integers(0, hours * 60, count), unit="min")
            rows += [(ts, service.name, slot.option_id, "failed") for ts in moments]
            if slot.purchase == "spot":
                pool = f"{slot.provider}/{slot.region}/{slot.instance_type}"
                mine = capacity[capacity["pool"] == pool]
                rows += _reclaimed(mine, slot.replicas, service.name, slot.option_id)
    frame = pd.DataFrame(rows, columns=["ts", "workload", "option_id", "event"])
    return frame.astype({"ts": "datetime64[us, UTC]"}).sort_values(
        ["ts", "workload", "option_id", "event"], ignore_index=True
    )


def busy_share(complete: pd.DataFrame, capacity_rps: dict[str, float]) -> pd.DataFrame:
    """Hourly demand over the capacity of the serving fleet, one column per workload, index hour (UTC)."""
    hour = complete["ts"].dt.floor("h")
    requests = complete.assign(ts=hour).pivot_table("requests", index="ts", columns="workload", aggfunc="sum")
    return (requests / 3600 / pd.Series(capacity_rps)).clip(upper=1.0)


def _reclaimed(
    capacity: pd.DataFrame, replicas: int, workload: str, option_id: str
) -> list[tuple[pd.Timestamp, str, str, str]]:
    lack = (replicas - capacity["capacity"].to_numpy(np.int64)).clip(min=0)
    newly = np.diff(lack, prepend=0).clip(min=0)
    rows = []
    for ts, lost, missing in zip(capacity["ts"], newly, lack, strict=True):
        rows += [(ts, workload, option_id, "preempted")] * int(lost)
        rows += [(ts + pd.Timedelta(minutes=5), workload, option_id, "denied")] * int(missing > 0)
    return rows


def _one_demand(seed: int, service: Service, times: pd.DatetimeIndex, as_of: datetime) -> pd.DataFrame:
    shape, random = service.demand, rng(seed, "demand", service.name)
    rate = _expected_rps(shape, times) * np.exp(shape.noise_share * _noise(random, len(times), NOISE_MEMORY))
    rate *= _bursts(random, shape.bursts_per_day, len(times))
    rate *= _launch_factor(service.name, times, as_of)
    mean = rate * STEP.total_seconds()
    burstiness = float(service.needs.get("burstiness", 1.0))
    requests = _counts(random, mean, burstiness)
    tokens = [np.zeros(len(times)), np.zeros(len(times))]
    if shape.tokens is not None:
        drift = np.exp(0.05 * _noise(random, len(times), 0.98))  # prompts get longer and shorter over hours
        tokens = [np.round(requests * per_request * drift) for per_request in shape.tokens]
    return pd.DataFrame(
        {"ts": times, "workload": service.name, "requests": requests.astype(np.float64),
         "tokens_in": tokens[0], "tokens_out": tokens[1]}
    )  # fmt: skip


def _expected_rps(shape: Demand, times: pd.DatetimeIndex) -> Floats:
    """Daily and weekly shape with trend; its mean over a week is about mean_rps now."""
    hour = times.hour.to_numpy(np.float64) + times.minute.to_numpy(np.float64) / 60
    if shape.night_window is not None:
        start, end = shape.night_window
        trickle = 0.04  # late records are worked off all day
        inside = (hour >= start) & (hour < end)
        daily = np.where(inside, 24 / (end - start) * (1 - trickle), trickle)
    else:
        angle = 2 * np.pi * (hour - shape.peak_hour) / 24
        daily = 1 + shape.day_swing_share * (np.cos(angle) + 0.25 * np.cos(2 * angle))
    is_weekend = times.day_of_week.to_numpy() >= 5
    weekly = np.where(is_weekend, shape.weekend_share, 1.0) / ((5 + 2 * shape.weekend_share) / 7)
    weeks_ago = np.arange(len(times), 0, -1) / (7 * STEPS_PER_DAY)
    trend = (1 + shape.growth_share_per_week) ** -weeks_ago
    return np.asarray(shape.mean_rps * daily * weekly * trend, dtype=np.float64)


def _launch_factor(workload: str, times: pd.DatetimeIndex, as_of: datetime) -> Floats:
    spike = launch(as_of)
    hours = (times - pd.Timestamp(spike.start)) / pd.Timedelta(hours=1)
    since = np.asarray(hours, dtype=np.float64)
    length = (spike.end - spike.start) / timedelta(hours=1)
    active = (since >= 0) & (since < length) & (workload == spike.workload)
    return np.where(active, 1 + 1.6 * np.exp(-np.clip(since, 0, None) / 2.0), 1.0)


def _counts(random: np.random.Generator, mean: Floats, burstiness: float) -> NDArray[np.int64]:
    """Counts with variance = burstiness × mean: Poisson, its rate gamma distributed above burstiness 1."""
    if burstiness > 1:
        mean = random.gamma(mean / (burstiness - 1), burstiness - 1)
    return random.poisson(mean).astype(np.int64)


def _noise(random: np.random.Generator, steps: int, memory: float) -> Floats:
    """Autoregressive noise of unit variance."""
    shocks = random.standard_normal(steps) * np.sqrt(1 - memory**2)
    noise, level = np.empty(steps), float(random.standard_normal())
    for step, shock in enumerate(shocks):
        level = memory * level + shock
        noise[step] = level
    return noise


def _bursts(random: np.random.Generator, per_day: float, steps: int) -> Floats:
    factor = np.ones(steps)
    for start in random.integers(0, steps, random.poisson(per_day * steps / STEPS_PER_DAY)):
        length = random.integers(*BURST_STEPS)
        factor[start : start + length] *= random.uniform(1.3, 1.8)
    return factor


def _on_off(random: np.random.Generator, steps: int, mean_on: float, mean_off: float) -> NDArray[np.bool_]:
    """Alternating spells of exponential length, on at first."""
    spells = np.ceil(random.exponential([mean_on, mean_off], (steps, 2))).astype(np.int64).ravel()
    return np.repeat(np.resize([True, False], spells.size), spells)[:steps]


def _times(as_of: datetime, step: pd.Timedelta, days: int) -> pd.DatetimeIndex:
    """Starts of all intervals of the history, the last of which ends at `as_of`."""
    times = pd.date_range(end=as_of, periods=days * (pd.Timedelta(days=1) // step) + 1, freq=step)
    return times[:-1].as_unit("us")
