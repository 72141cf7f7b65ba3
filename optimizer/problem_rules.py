"""The problem tables as a data dictionary: every column of every file, its unit and what it may hold."""

from __future__ import annotations

from data.sheet import ColumnRule
from data.workspace import PURCHASES
from optimizer.caps import DEFAULT_PRIORITY, KINDS

WORKLOADS, OPTIONS, DEMAND, PERIODS = "workloads", "options", "demand", "periods"
POOLS, COMMITMENTS, COMMITMENT_POOLS = "pools", "commitments", "commitment_pools"
ORIGINS, LATENCY, RESIDENCY, PINS = "origins", "latency", "residency", "pins"

CAPS, CAP_WORKLOADS, PRIORITIES = "caps", "cap_workloads", "priorities"
SCENARIOS, SCENARIO_DEMAND, SCENARIO_WEIGHTS = "scenarios", "scenario_demand", "scenario_weights"

NODES = "nodes"

SCENARIO = ColumnRule("scenario", "key", "a scenario's name")
WORKLOAD = ColumnRule("workload", "key", "a workload's name")
POOL = ColumnRule("pool", "key", "a pool's name")
ORIGIN = ColumnRule("origin", "key", "a country or region that demand comes from")
FEWEST = ColumnRule("min_replicas", "number", "replicas", required=False, minimum=0)
MOST = ColumnRule("max_replicas", "number", "replicas (null = any number)", required=False, minimum=0)


def resources(of: str) -> tuple[ColumnRule, ...]:
    """Columns of what a node has, or of what a replica needs on one."""
    units = {"cpu": "CPUs", "memory_gib": "GiB of memory", "gpu": "GPUs, or a share of one,"}
    return tuple(
        ColumnRule(name, "number", f"{unit} {of}", required=False, minimum=0) for name, unit in units.items()
    )


RULES: dict[str, tuple[ColumnRule, ...]] = {
    WORKLOADS: (
        WORKLOAD,
        ColumnRule("max_spot_share", "number", "share of demand spot may carry", required=False, minimum=0),
        ColumnRule("max_options", "number", "different options (null = any)", required=False, above=0),
        ColumnRule("activation_cost_usd", "number", "USD per option taken up", required=False, minimum=0),
        ColumnRule("min_regions", "number", "regions in use at once", required=False, minimum=0),
        ColumnRule("max_region_share", "number", "share of capacity in a region", required=False, above=0),
        FEWEST,
        MOST,
        ColumnRule(
            "min_on_demand_replicas", "number", "replicas that are not spot", required=False, minimum=0
        ),
        ColumnRule("survive_region_loss", "flag", "whether any one region may be lost", required=False),
        ColumnRule("survive_zone_loss", "flag", "whether any one zone may be lost", required=False),
        ColumnRule(
            "headroom_share", "number", "share of demand served after a loss", required=False, minimum=0
        ),
        ColumnRule("max_latency_ms", "number", "ms of round trip and service", required=False, above=0),
        ColumnRule(
            "max_ramp_replicas", "number", "replicas from period to period", required=False, minimum=0
        ),
        ColumnRule("ramp_from_current", "flag", "whether the ramp begins at the fleet now", required=False),
        ColumnRule(
            "slo_usd_per_unit",
            "number",
            "USD per unit-hour unserved in a scenario",
            required=False,
            minimum=0,
        ),
        ColumnRule(
            "work_amount", "number", "units x hours to be done at any time", required=False, minimum=0
        ),
        ColumnRule("work_from", "key", "first period for the work (null = first)", required=False),
        ColumnRule(
            "work_until",
            "key",
            "last period for the work (null = last); before work_from: through the end, on from the first",
            required=False,
        ),
        ColumnRule("max_per_node", "number", "replicas on one shared node", required=False, minimum=1),
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
        ColumnRule("country", "key", "the country it runs in", required=False),
        ColumnRule("zones", "number", "zones its replicas are spread over", required=False, minimum=1),
        ColumnRule("latency_ms", "number", "ms to serve one request", required=False, minimum=0),
        ColumnRule("kg_co2e_hourly", "number", "kg of CO2e per replica and hour", required=False, minimum=0),
        FEWEST,
        MOST,
        ColumnRule("node", "key", "nodes its replicas share (null = none)", required=False),
        *resources("that one replica needs on a node"),
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
        ColumnRule(
            "list_usd_per_unit_hour",
            "number",
            "USD one covered unit-hour saves, at most its price",
            minimum=0,
        ),
    ),
    ORIGINS: (
        WORKLOAD,
        ORIGIN,
        ColumnRule("share", "number", "share of the workload's demand", minimum=0),
    ),
    LATENCY: (
        ORIGIN,
        ColumnRule("provider", "key", "the provider's name"),
        ColumnRule("region", "key", "the region's name"),
        ColumnRule("rtt_ms", "number", "ms of round trip (null = unknown)", required=False, minimum=0),
        ColumnRule("is_estimated", "flag", "whether it was not measured", required=False),
        ColumnRule(
            "egress_usd_per_unit", "number", "USD per unit and hour on top", required=False, minimum=0
        ),
    ),
    RESIDENCY: (WORKLOAD, ColumnRule("country", "key", "a country its data may be in")),
    PINS: (
        WORKLOAD,
        ColumnRule("option_id", "key", "an option of options.parquet"),
        ColumnRule("period", "key", "a period (null = every period)", required=False),
        FEWEST,
        MOST,
    ),
    CAPS: (
        ColumnRule("cap", "key", "a cap's name"),
        ColumnRule("kind", "text", "what it limits", allowed=KINDS),
        ColumnRule("limit", "number", "USD, kg or replicas (null = no limit)", required=False, minimum=0),
        ColumnRule("priority", "number", "missed after higher ones (null = hard)", required=False, minimum=0),
        ColumnRule(
            "usd_per_unit", "number", "USD per unit above (null = not priced)", required=False, minimum=0
        ),
    ),
    CAP_WORKLOADS: (ColumnRule("cap", "key", "a cap of caps.parquet"), WORKLOAD),
    PRIORITIES: (
        ColumnRule("rule", "text", "a rule that may be missed", allowed=tuple(DEFAULT_PRIORITY)),
        ColumnRule("workload", "key", "a workload (null = all)", required=False),
        ColumnRule("priority", "number", "missed after higher ones", minimum=0),
    ),
    SCENARIOS: (
        SCENARIO,
        POOL,
        ColumnRule("period", "key", "a period (null = every period)", required=False),
        ColumnRule("lost_share", "number", "share of the pool's replicas that is lost", minimum=0),
    ),
    SCENARIO_DEMAND: (
        SCENARIO,
        WORKLOAD,
        ColumnRule("period", "key", "a period (null = every period)", required=False),
        ColumnRule("factor", "number", "times demand", minimum=0),
    ),
    SCENARIO_WEIGHTS: (SCENARIO, ColumnRule("weight", "number", "relative probability", above=0)),
    NODES: (
        ColumnRule("node", "key", "the name of a kind of node that workloads may share"),
        ColumnRule("provider", "key", "the provider's name"),
        ColumnRule("region", "key", "the region's name"),
        ColumnRule("instance_type", "key", "the instance type's name", required=False),
        ColumnRule("purchase", "text", "how it is bought", allowed=PURCHASES),
        ColumnRule("price_hourly", "number", "USD per node and hour", minimum=0),
        ColumnRule("pool", "key", "the pool it draws on (null = none)", required=False),
        ColumnRule("pool_units", "number", "units of the pool per node", required=False, minimum=0),
        ColumnRule("quota_pool", "key", "the pool whose limit it counts against", required=False),
        *resources("for replicas on a node"),
    ),
}

# What a row of each table is.
ROWS: dict[str, str] = {
    WORKLOADS: "a workload, with the rules that it asks for",
    OPTIONS: "something that a workload may run on, with what one replica costs and serves",
    DEMAND: "what a workload needs in a period; each workload has a row for each, 0 where it needs nothing",
    PERIODS: "a part of the time that is planned, in its order",
    POOLS: "how many units of a pool may be drawn in a period; of several rows for one the least counts",
    COMMITMENTS: "a promise to spend so much an hour, that exists or may be bought",
    COMMITMENT_POOLS: "a pool that a commitment covers; only options that are bought on demand are covered",
    ORIGINS: "a place that part of a workload's demand comes from; shares of a workload add up to 1",
    LATENCY: "the way from an origin to a region; one without a row is unknown, and free",
    RESIDENCY: "a country that a workload may run in; one without rows may run anywhere",
    PINS: "bounds of the replicas of an option, beside those in options.parquet",
    CAPS: (
        "a limit to what many workloads use together over all periods: list price of instances and egress "
        "before commitments (usd), kg of CO2e, or replicas changed against what runs now in the first period"
    ),
    CAP_WORKLOADS: "a workload in a cap; a cap without rows is for all workloads",
    PRIORITIES: "when a rule is missed where there is too little of something",
    SCENARIOS: "what is lost of a pool in a scenario; a row for a period counts before one for all",
    SCENARIO_DEMAND: "what demand is in a scenario; a row for a period counts before one for all",
    SCENARIO_WEIGHTS: "how likely a scenario is beside the others; one without a row weighs 1",
    NODES: "a kind of instance that replicas of several workloads are packed on",
}
REQUIRED = (WORKLOADS, OPTIONS, DEMAND, PERIODS)
GROUPS = (
    ORIGINS,
    LATENCY,
    RESIDENCY,
    PINS,
    CAPS,
    CAP_WORKLOADS,
    PRIORITIES,
    SCENARIOS,
    SCENARIO_DEMAND,
    SCENARIO_WEIGHTS,
    NODES,
)
KEYS: dict[str, tuple[str, ...]] = {
    WORKLOADS: ("workload",),
    OPTIONS: ("workload", "option_id"),
    DEMAND: ("workload", "period"),
    PERIODS: ("period",),
    POOLS: ("pool", "period"),
    COMMITMENTS: ("commitment",),
    COMMITMENT_POOLS: ("commitment", "pool"),
    ORIGINS: ("workload", "origin"),
    LATENCY: ("origin", "provider", "region"),
    RESIDENCY: ("workload", "country"),
    PINS: ("workload", "option_id", "period"),
    CAPS: ("cap",),
    CAP_WORKLOADS: ("cap", "workload"),
    PRIORITIES: ("rule", "workload"),
    SCENARIOS: ("scenario", "pool", "period"),
    SCENARIO_DEMAND: ("scenario", "workload", "period"),
    SCENARIO_WEIGHTS: ("scenario",),
    NODES: ("node",),
}
SET_ONCE = (PRIORITIES, SCENARIOS, SCENARIO_DEMAND)  # of two rows for all, the tables could not say which
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
    "headroom_share": 1.0,
    "max_latency_ms": float("inf"),
    "max_ramp_replicas": float("inf"),
    "zones": 1.0,
    "latency_ms": 0.0,
    "rtt_ms": float("inf"),
    "slo_usd_per_unit": 0.0,
    "work_amount": 0.0,
    "kg_co2e_hourly": 0.0,
    "max_per_node": float("inf"),
    "cpu": 0.0,
    "memory_gib": 0.0,
    "gpu": 0.0,
}
SHARES = ("max_spot_share", "max_region_share", "headroom_share", "share", "lost_share")
WHOLE = (
    "max_options",
    "min_regions",
    "min_replicas",
    "max_replicas",
    "min_on_demand_replicas",
    "current_replicas",
    "max_ramp_replicas",
    "zones",
    "max_per_node",
)
ENDLESS = tuple(name for name, value in DEFAULTS.items() if value == float("inf"))
# Sizes that solvers tell apart and whose products they can hold; what may be infinite may also be huge.
LARGEST = 1e9
# What is not more than this is nothing, or would be taken for it: solvers miss 1e-6 of a unit without notice.
SMALLEST = {
    "demand": 1e-6,
    "work_amount": 1e-6,
    "capacity": 1e-6,
    "hours": 1e-9,
    "usd_per_unit_hour": 1e-9,
    "weight": 1e-9,
}
