"""Options of all workloads as one table, the pools they draw on, and what those grant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from optimizer.problem import Floats

OPTION_COLUMNS = (
    "option_id",
    "provider",
    "region",
    "instance_type",
    "accelerator",
    "accelerator_count",
    "purchase",
    "price_hourly",
    "boot_seconds",
    "quota",
    "pool",
)


def option_table(pairs: Mapping[str, pd.DataFrame], fleet: pd.DataFrame) -> pd.DataFrame:
    """One row per (workload, option) with its pools and how many of it run now; `pairs` are by workload.

    `pods` is NaN where a replica is an instance.
    """
    parts = [own.assign(w=w, workload=name) for w, (name, own) in enumerate(pairs.items())]
    table = pd.concat(parts, ignore_index=True).sort_values(["w", "option_id"], ignore_index=True)
    now = fleet.groupby(["workload", "option_id"], as_index=False)["desired"].sum()
    table = table.merge(now, on=["workload", "option_id"], how="left")
    own_pool = table["provider"] + "/" + table["region"] + "/" + table["instance_type"]
    spot = table["purchase"].eq("spot")
    pods = table["pods"] if "pods" in table else pd.Series(np.nan, index=table.index)
    return table.assign(
        pods=pods.astype(float),
        current=table["desired"].fillna(0).astype(float),
        pool_name=table["pool"].where(
            spot & table["pool"].notna(), own_pool.where(~spot, own_pool + "/spot")
        ),
        quota_name=("quota:" + table["option_id"]).where(table["quota"].notna()),
    )


def pool_names(table: pd.DataFrame) -> tuple[str, ...]:
    """All pools and quotas of the options, sorted."""
    return tuple(sorted(set(table["pool_name"]) | set(table["quota_name"].dropna())))


def pool_limits(table: pd.DataFrame, pools: Sequence[str], spot_capacity: Mapping[str, float]) -> Floats:
    """(P,) instances a pool grants: a quota, the known capacity of a spot pool, else no limit."""
    quota = dict(zip(table["quota_name"], table["quota"], strict=True))
    known = {
        **spot_capacity,
        **{name: float(limit) for name, limit in quota.items() if pd.notna(limit)},
    }
    return np.array([known.get(name, np.inf) for name in pools], dtype=float)
