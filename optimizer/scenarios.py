"""Scenarios of demand and loss: each day that was seen, over all pools together, at each level of demand.

A day's hours keep their order and its pools their company, so that what failed together fails together in the
scenarios. How often is what was observed; nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.losses import Floats, Scenarios

TAKEN = ("preempted", "failed", "denied")
MOST_DAYS = 40  # that differ: with five levels of demand 200 scenarios, beyond which models take minutes
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


@dataclass(frozen=True)
class LostDays:
    """Days (D) as different as they were: what each lost of pools, and how often there was one like it."""

    watched: int  # days that stand behind them
    name: tuple[str, ...]
    probability: Floats  # (D,) sums to 1
    share: Floats  # (D, P, T) of the replicas that draw on a pool


def from_history(
    losses: pd.DataFrame, *, pools: Sequence[str], hours: Floats, most: int = MOST_DAYS
) -> LostDays:
    """Days with their hours averaged into periods; without history a single day that loses nothing.

    Args:
        losses: from `hourly_losses`.
        pools: of the problem, in its order; those without history lose nothing.
        hours: (T,) of the periods, which are a day from midnight on.
        most: days that differ; where there are more, so many are looked at, evenly spread.
    """
    days = len(losses) // 24
    if not days:
        return LostDays(0, ("no loss",), np.ones(1), np.zeros((1, len(pools), len(hours))))
    table = losses.reindex(columns=list(pools), fill_value=0.0).to_numpy(dtype=float)[: days * 24]
    by_day = table.reshape(days, 24, len(pools))
    ends = np.rint(np.cumsum(hours)).astype(np.int64)
    cuts = [slice(begin, max(end, begin + 1)) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    lost = np.stack([by_day[:, cut].mean(axis=1) for cut in cuts], axis=2)
    chosen = np.arange(days)
    if len(np.unique(lost, axis=0)) > most:
        chosen = np.linspace(0, days - 1, most).round().astype(np.int64)
    share, first, count = np.unique(lost[chosen], axis=0, return_index=True, return_counts=True)
    names = tuple(f"{losses.index[day * 24]:%Y-%m-%d}" for day in chosen[first])
    return LostDays(len(chosen), names, count / count.sum(), share)


def at_levels(lost: LostDays, factor: Floats, levels: Floats, *, slo_usd_per_unit: Floats) -> Scenarios:
    """Every day at every level of demand; losses and demand are independent of each other.

    Args:
        lost: days.
        factor: (L, W, T) demand over the planned one.
        levels: (L,) its quantiles, ascending; each stands for all that are nearest to it.
        slo_usd_per_unit: (W,).
    """
    days = len(lost.name)
    chance = np.diff([0.0, *((levels[1:] + levels[:-1]) / 2), 1.0])
    return Scenarios(
        name=tuple(f"{day} q{level:g}" for level in levels for day in lost.name),
        probability=np.outer(chance, lost.probability).ravel(),
        lost_share=np.tile(lost.share, (len(levels), 1, 1)),
        demand_factor=np.repeat(factor, days, axis=0),
        slo_usd_per_unit=slo_usd_per_unit,
    )
