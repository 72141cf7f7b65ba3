"""Scenarios from what happened: each day that was seen is one, over all pools together.

A day's hours keep their order and its pools their company, so that what failed together fails together in the
scenarios. How often is what was observed; nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from optimizer.losses import Floats, Scenarios

TAKEN = ("preempted", "failed", "denied")
MOST_SCENARIOS = 100
HOUR = pd.Timedelta(hours=1)


def hourly_losses(
    spot_capacity: pd.DataFrame,
    events: pd.DataFrame,
    pool_of: Mapping[str, str],
    running: Mapping[str, float],
) -> pd.DataFrame:
    """Share of each pool that was lost in each hour: a row per hour (UTC), a column per pool.

    The larger of two: how far the pool's least capacity in the hour was below its usual one (the median of
    all hours), and events among what runs. An event without known fleet says nothing of a share and is left
    out.

    Args:
        spot_capacity: `ts, pool, capacity`.
        events: `ts, workload, option_id, event`.
        pool_of: option_id to pool.
        running: pool to replicas that usually run in it.
    """
    parts = []
    if len(spot_capacity):
        hourly = spot_capacity.assign(hour=spot_capacity["ts"].dt.floor("h"))
        least = hourly.pivot_table(index="hour", columns="pool", values="capacity", aggfunc="min")
        usual = least.median().replace(0.0, np.nan)
        parts.append((1.0 - least / usual).clip(0.0, 1.0).fillna(0.0))
    taken = events.loc[events["event"].isin(TAKEN)] if len(events) else events
    if len(taken):
        counted = taken.assign(pool=taken["option_id"].map(dict(pool_of)), hour=taken["ts"].dt.floor("h"))
        counts = counted.pivot_table(index="hour", columns="pool", values="event", aggfunc="count")
        fleet = pd.Series({pool: running.get(str(pool), 0.0) for pool in counts.columns}, dtype=float)
        known = counts.loc[:, fleet > 0]
        parts.append((known / fleet[fleet > 0]).clip(0.0, 1.0).fillna(0.0))
    if not parts:
        return pd.DataFrame()
    hours = pd.concat(parts).groupby(level=0).max().fillna(0.0)
    begin, end = hours.index.min().floor("D"), hours.index.max().floor("D") + pd.Timedelta(days=1)
    whole = pd.date_range(begin, end, freq=HOUR, inclusive="left")
    return hours.reindex(whole, fill_value=0.0).sort_index(axis=1)


def from_history(
    losses: pd.DataFrame,
    *,
    workloads: int,
    pools: Sequence[str],
    hours: Floats,
    slo_usd_per_unit: Floats,
    most: int = MOST_SCENARIOS,
) -> Scenarios:
    """One scenario per day, its hours averaged into periods; evenly spread days where there are too many.

    Args:
        losses: from `hourly_losses`.
        workloads: how many there are.
        pools: of the problem, in its order; those without history lose nothing.
        hours: (T,) of the periods, which are a day from midnight on.
        slo_usd_per_unit: (W,).
        most: scenarios.
    """
    days = len(losses) // 24
    if not days:
        return Scenarios.none(workloads, len(pools), len(hours))
    table = losses.reindex(columns=list(pools), fill_value=0.0).to_numpy(dtype=float)[: days * 24]
    chosen = np.unique(np.linspace(0, days - 1, min(days, most)).round().astype(np.int64))
    by_day = table.reshape(days, 24, len(pools))[chosen]
    ends = np.rint(np.cumsum(hours)).astype(np.int64)
    cuts = [slice(begin, max(end, begin + 1)) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    names = tuple(f"{losses.index[day * 24]:%Y-%m-%d}" for day in chosen)
    return Scenarios(
        name=names,
        probability=np.full(len(names), 1.0 / len(names)),
        lost_share=np.stack([by_day[:, cut].mean(axis=1) for cut in cuts], axis=2),
        demand_factor=np.ones((len(names), workloads, len(hours))),
        slo_usd_per_unit=np.asarray(slo_usd_per_unit, dtype=float),
    )
