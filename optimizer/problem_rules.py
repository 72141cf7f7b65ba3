"""The problem tables as a data dictionary: every column of every file, its unit and what it may hold."""

from __future__ import annotations

from data.sheet import ColumnRule
from data.workspace import PURCHASES

WORKLOADS, OPTIONS, DEMAND, PERIODS = "workloads", "options", "demand", "periods"
POOLS, COMMITMENTS, COMMITMENT_POOLS = "pools", "commitments", "commitment_pools"

WORKLOAD = ColumnRule("workload", "key", "a workload's name")
POOL = ColumnRule("pool", "key", "a pool's name")

RULES: dict[str, tuple[ColumnRule, ...]] = {
    WORKLOADS: (
        WORKLOAD,
        ColumnRule("max_spot_share", "number", "share of demand spot may carry", required=False, minimum=0),
        ColumnRule("max_options", "number", "different options (null = any)", required=False, above=0),
        ColumnRule("activation_cost_usd", "number", "USD per option taken up", required=False, minimum=0),
        ColumnRule("min_regions", "number", "regions in use at once", required=False, minimum=0),
        ColumnRule("max_region_share", "number", "share of capacity in a region", required=False, above=0),
        ColumnRule("min_replicas", "number", "replicas", required=False, minimum=0),
        ColumnRule("max_replicas", "number", "replicas (null = any number)", required=False, minimum=0),
        ColumnRule(
            "min_on_demand_replicas", "number", "replicas that are not spot", required=False, minimum=0
        ),
        ColumnRule("survive_region_loss", "flag", "whether any one region may be lost", required=False),
    ),
    OPTIONS: (
        WORKLOAD,
        ColumnRule("option_id", "key", "an option's name"),
        ColumnRule("provider", "key", "the provider's name"),
        ColumnRule("region", "key", "the region's name"),
        ColumnRule("instance_type", "key", "the instance type's name", required=False),
        ColumnRule("purchase", "text", "how it is bought", allowed=PURCHASES),
        ColumnRule("price_hourly", "number", "USD per replica and hour", minimum=0),
        ColumnRule("currency", "text", "the currency of the prices", required=False),
        ColumnRule("capacity", "number", "demand one replica serves", above=0),
        ColumnRule("pool", "key", "the pool it draws on (null = none)", required=False),
        ColumnRule("pool_units", "number", "units of the pool per replica", required=False, minimum=0),
        ColumnRule("quota_pool", "key", "the pool whose limit it counts against", required=False),
        ColumnRule(
            "egress_usd_per_unit", "number", "USD per unit served and hour", required=False, minimum=0
        ),
        ColumnRule("current_replicas", "number", "replicas that run now", required=False, minimum=0),
        ColumnRule("migration_cost_usd", "number", "USD per replica changed", required=False, minimum=0),
    ),
    DEMAND: (
        WORKLOAD,
        ColumnRule("period", "key", "a period of periods.parquet"),
        ColumnRule("demand", "number", "what must be served, in the unit of capacity", minimum=0),
    ),
    PERIODS: (
        ColumnRule("period", "key", "a period's name"),
        ColumnRule("hours", "number", "hours it stands for", above=0),
    ),
    POOLS: (
        POOL,
        ColumnRule("period", "key", "a period (null = every period)", required=False),
        ColumnRule("limit", "number", "pool units (null = no limit)", required=False, minimum=0),
    ),
    COMMITMENTS: (
        ColumnRule("commitment", "key", "a commitment's name"),
        ColumnRule("committed_usd_per_hour", "number", "USD/h that exist", required=False, minimum=0),
        ColumnRule(
            "offered_max_usd_per_hour", "number", "USD/h that may be bought", required=False, minimum=0
        ),
        ColumnRule("fee_per_usd", "number", "cost per hour of one more USD/h", required=False, minimum=0),
    ),
    COMMITMENT_POOLS: (
        ColumnRule("commitment", "key", "a commitment of commitments.parquet"),
        POOL,
        ColumnRule("usd_per_unit_hour", "number", "USD of commitment one unit-hour uses up", above=0),
        ColumnRule("list_usd_per_unit_hour", "number", "USD one covered unit-hour saves", minimum=0),
    ),
}

REQUIRED = (WORKLOADS, OPTIONS, DEMAND, PERIODS)
KEYS: dict[str, tuple[str, ...]] = {
    WORKLOADS: ("workload",),
    OPTIONS: ("workload", "option_id"),
    DEMAND: ("workload", "period"),
    PERIODS: ("period",),
    POOLS: ("pool", "period"),
    COMMITMENTS: ("commitment",),
    COMMITMENT_POOLS: ("commitment", "pool"),
}
# What a column that is absent, or empty in a row, stands for; infinity is written as null.
DEFAULTS: dict[str, float] = {
    "max_spot_share": 1.0,
    "max_options": float("inf"),
    "activation_cost_usd": 0.0,
    "min_regions": 1.0,
    "max_region_share": 1.0,
    "min_replicas": 0.0,
    "max_replicas": float("inf"),
    "min_on_demand_replicas": 0.0,
    "pool_units": 1.0,
    "egress_usd_per_unit": 0.0,
    "current_replicas": 0.0,
    "migration_cost_usd": 0.0,
    "limit": float("inf"),
    "committed_usd_per_hour": 0.0,
    "offered_max_usd_per_hour": 0.0,
    "fee_per_usd": 1.0,
}
SHARES = ("max_spot_share", "max_region_share")
WHOLE = ("max_options", "min_regions", "min_replicas", "max_replicas", "min_on_demand_replicas")
ENDLESS = tuple(name for name, value in DEFAULTS.items() if value == float("inf"))
