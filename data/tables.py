"""The data dictionary: every table of the lake, every column's type, unit and meaning.

The schema of the lake (`ddl`), the types of what is read (`arrow_schema`), the validation of what is written
(`data.conform`) and the page docs/reference/tables.md (`python -m data.tables`) are all made from here.
"""

from __future__ import annotations

import sys

import pyarrow as pa

from data.billing.columns import BILLING_PERIOD, CONTRACT_COMMITMENT, COST_AND_USAGE, LOAD_COLUMNS
from data.columns import Column, Table, flag, integer, money, number, text, time
from data.conform import Rows, schema_of
from data.conform import conform as _conform

PURCHASES = ("on_demand", "spot", "commitment")
EVENTS = ("failed", "preempted", "denied", "drained")
STATUSES = ("new", "unchanged", "restated", "empty")
QUANTILES = {"q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99, "q999": 0.999}  # that forecast_scores keeps

_LOAD_ID = integer("load_id", "Load that brought the row; see loads")

_OF_EVERY_BILL = ("x_Source", "x_LoadId", "x_Row", "x_Extra")

CHARGES = Table(
    "charges",
    "one row per charge of a bill, as FOCUS 1.4",
    COST_AND_USAGE + LOAD_COLUMNS,
)

CONTRACT_COMMITMENTS = Table(
    "contract_commitments",
    "one row per commitment of a contract, as FOCUS 1.4",
    CONTRACT_COMMITMENT + tuple(c for c in LOAD_COLUMNS if c.name in _OF_EVERY_BILL),
    key=("x_Source", "ContractCommitmentId"),
)

BILLING_PERIODS = Table(
    "billing_periods",
    "one row per billing account, month and invoice issuer, as FOCUS 1.4",
    (
        *BILLING_PERIOD,
        text("x_Source", "Who bills: aws, azure, gcp, or the issuer's name", nullable=False),
        text("x_BillingAccountId", "Account that receives the invoice", nullable=False),
        text("x_Month", "Month of BillingPeriodStart, YYYY-MM", nullable=False),
        flag("x_IsRestated", "Charges changed after the period was closed", nullable=False),
        _LOAD_ID,
    ),
    key=("x_Source", "x_BillingAccountId", "x_Month", "InvoiceIssuerName"),
)

FX_RATES = Table(
    "fx_rates",
    "one row per pair of currencies, day and source",
    (
        time("date", "Day from which the rate holds, midnight UTC", nullable=False),
        text("base_currency", "Currency that is converted, ISO 4217", nullable=False),
        text("quote_currency", "Currency it is converted to, ISO 4217", nullable=False),
        money("rate", "Quote currency for one of the base currency", "quote/base", nullable=False),
        text("source", "Who says so"),
        _LOAD_ID,
    ),
    key=("date", "base_currency", "quote_currency"),
)

LOADS = Table(
    "loads",
    "one row per load; of a bill, one per load, account, month and currency",
    (
        integer("load_id", "Number of the load, rising by one", nullable=False),
        time("loaded_at", "When the load was made", nullable=False),
        text("table_name", "Table that was written", nullable=False),
        text("source", "Who the data comes from", nullable=False),
        text("kind", "Format that was recognised, such as focus-1.2 or aws-cur", nullable=False),
        text("account", "BillingAccountId of the part that was replaced"),
        text("month", "Month of the part that was replaced, YYYY-MM"),
        text("dataset", "Which of a provider's exports, where it has several"),
        text("currency", "Currency of the costs, ISO 4217"),
        integer("row_count", "Rows delivered", "rows", nullable=False),
        time("period_start", "Earliest moment the rows speak of"),
        time("period_end", "Latest moment the rows speak of, exclusive"),
        money("billed_cost", "Sum of BilledCost", "currency"),
        money("effective_cost", "Sum of EffectiveCost", "currency"),
        money("list_cost", "Sum of ListCost", "currency"),
        money("native_cost", "Sum of the provider's own invoice column", "currency"),
        integer("snapshot_id", "Snapshot of the lake that the load made"),
        text("content_hash", "Fingerprint of the rows, whatever their order", nullable=False),
        text("status", "What it did to the lake", nullable=False, allowed=STATUSES),
        text("file_names", "Names of the files, without folders"),
        text(
            "note",
            "What a reader should know: rounding, zones taken for granted, the cost before a restatement",
        ),
    ),
    key=("load_id", "table_name", "source", "account", "month", "dataset", "currency"),
)

DEMAND = Table(
    "demand",
    "one row per workload, origin and interval",
    (
        text("workload", "Name of the workload", nullable=False),
        text("origin", "Where the requests come from (ISO country or region); empty: not told apart"),
        time("ts", "Start of the interval", nullable=False),
        integer("interval_s", "Length of the interval", "s", nullable=False),
        number("requests", "Requests in the interval; missing where it is a gap", "requests"),
        number("tokens_in", "Prompt tokens in the interval", "tokens"),
        number("tokens_out", "Generated tokens in the interval", "tokens"),
        flag("is_gap", "The metrics have a hole here: demand is unknown, not zero", nullable=False),
        _LOAD_ID,
    ),
    key=("workload", "origin", "ts"),
)

USAGE = Table(
    "usage",
    "one row per resource, metric and interval",
    (
        text("resource_id", "Provider's id of the resource, as in charges.ResourceId", nullable=False),
        text("workload", "Workload the resource serves, where known"),
        text("metric", "What is measured", nullable=False),
        time("ts", "Start of the interval", nullable=False),
        integer("interval_s", "Length of the interval", "s"),
        number("value", "Mean over the interval", "unit", minimum=None),
        text("unit", "Unit of value"),
        _LOAD_ID,
    ),
    key=("resource_id", "metric", "ts"),
)

EVENT = Table(
    "events",
    "one row per thing that happened to a replica",
    (
        time("ts", "When it happened", nullable=False),
        text("workload", "Workload it happened to", nullable=False),
        text("option_id", "Option of the catalogue the replica ran on"),
        text("event", "What happened", nullable=False, allowed=EVENTS),
        _LOAD_ID,
    ),
)

SPOT_CAPACITY = Table(
    "spot_capacity",
    "one row per pool and observation",
    (
        time("ts", "When it was observed", nullable=False),
        text("pool", "Options that share spot capacity", nullable=False),
        number("capacity", "Instances the pool would grant", "instances", nullable=False),
        _LOAD_ID,
    ),
    key=("pool", "ts"),
)

OFFERS = Table(
    "offers",
    "one row per instance type, region, way of buying, source and date",
    (
        text("provider", "Cloud", nullable=False),
        text("region", "Provider's id of the region", nullable=False),
        text("instance_type", "Provider's name of the type", nullable=False),
        text("purchase", "Way of buying", nullable=False, allowed=PURCHASES),
        text("term", "Length of the commitment, such as 1y; empty for the others"),
        money("price_hourly", "Price of one instance", "currency/h", nullable=False),
        text("currency", "Currency of the price, ISO 4217", nullable=False),
        time("as_of", "Date of the price, as its source gives it", nullable=False),
        text("source", "Who says so", nullable=False),
        flag("is_estimated", "Derived by a rule rather than read from a price list", nullable=False),
        _LOAD_ID,
    ),
    key=("provider", "region", "instance_type", "purchase", "term", "source", "as_of"),
)

INSTANCE_TYPES = Table(
    "instance_types",
    "one row per instance type",
    (
        text("provider", "Cloud", nullable=False),
        text("instance_type", "Provider's name of the type", nullable=False),
        text("family", "Types that differ in size only"),
        number("vcpu", "Virtual processors", "vCPU"),
        number("memory_gib", "Memory", "GiB"),
        text("accelerator", "GPU or TPU model; empty for none"),
        number("accelerator_count", "Accelerators in one instance", "accelerators"),
        text("source", "Who says so"),
        _LOAD_ID,
    ),
    key=("provider", "instance_type"),
)

REGIONS = Table(
    "regions",
    "one row per region",
    (
        text("provider", "Cloud", nullable=False),
        text("region", "Provider's id of the region", nullable=False),
        text("country", "Country, ISO 3166-1 alpha-2"),
        number("latitude_deg", "Latitude, north positive", "deg", minimum=-90.0),
        number("longitude_deg", "Longitude, east positive", "deg", minimum=-180.0),
        text("source", "Who says so"),
        _LOAD_ID,
    ),
    key=("provider", "region"),
)

PROFILES = Table(
    "profiles",
    "one row per model and accelerator, or per model and instance type",
    (
        text("model", "Key from workloads.yaml", nullable=False),
        text("accelerator", "GPU or TPU model the throughput was measured on"),
        number("prefill_tps", "Prompt tokens per second and accelerator at saturation", "tokens/s"),
        number("decode_tps", "Generated tokens per second and accelerator at saturation", "tokens/s"),
        number("max_concurrency", "Requests a replica runs at once", "requests"),
        number("tpot_ms", "Time per generated token", "ms"),
        text("instance_type", "Instance type the throughput was measured on, where no accelerator is given"),
        number("rps", "Requests per second and instance within the latency", "requests/s"),
        number("latency_ms", "Latency at that throughput", "ms"),
        _LOAD_ID,
    ),
    key=("model", "accelerator", "instance_type"),
)

DEPLOYMENTS = Table(
    "deployments",
    "one row per workload and option of a live state as it was read",
    (
        time("as_of", "When the state was read", nullable=False),
        text("workload", "Name of the workload", nullable=False),
        text("option_id", "Option of the catalogue", nullable=False),
        integer("desired", "Replicas asked for", "replicas", nullable=False),
        integer("ready", "Replicas that serve", "replicas", nullable=False),
        integer("pending", "Replicas that are starting", "replicas", nullable=False),
        _LOAD_ID,
    ),
    key=("as_of", "workload", "option_id"),
)

FORECASTS = Table(
    "forecasts",
    "one row per series, metric, origin, step, model and quantile; every forecast ever made",
    (
        text("unique_id", "Series, usually the workload", nullable=False),
        text("metric", "What is forecast, such as requests", nullable=False),
        time("origin", "When the forecast was made; it uses nothing later", nullable=False),
        time("ds", "Start of the interval that is forecast", nullable=False),
        text("model", "Forecaster", nullable=False),
        number("quantile", "Level", "share 0..1", nullable=False),
        number("value", "Forecast at that level", "metric", nullable=False, minimum=None),
    ),
    key=("unique_id", "metric", "origin", "ds", "model", "quantile"),
)

FORECAST_SCORES = Table(
    "forecast_scores",
    "one row per backtest run, model and series; how good forecasts would have been",
    (
        text("run", "Fingerprint of what was asked and of the demand it was asked of", nullable=False),
        text("unique_id", "Series, usually the workload", nullable=False),
        text("metric", "What was forecast, such as requests_per_s", nullable=False),
        text("model", "Forecaster; +conformal: with our calibration", nullable=False),
        flag("is_champion", "The model won over all series of the run", nullable=False),
        flag("is_planner", "Plans are made with the model until a newer run; empty in older runs"),
        number("demand_quantile", "Quantile that plans cover; the champion is chosen by its cost",
               "share 0..1", nullable=False),
        time("first_origin", "When the earliest forecast was made", nullable=False),
        time("last_origin", "When the latest forecast was made", nullable=False),
        integer("origins", "Forecasts made of each series", "forecasts", nullable=False),
        integer("horizon_s", "How far each forecast looks", "s", nullable=False),
        integer("points", "Steps that came true and counted", "steps", nullable=False),
        number("mean_demand", "Mean of what came true", "metric", nullable=False),
        number("plan_cost_99", "Cost of holding the 0.99 quantile, a unit short costing 99 idle ones; "
               "empty where demand was zero", "mean demand"),
        number("plan_cost_999", "Cost of holding the 0.999 quantile, a unit short costing 999 idle ones; "
               "empty where demand was zero", "mean demand"),
        number("wql", "Weighted quantile loss; empty where demand was zero", "ratio"),
        number("mase", "Error of the median over that of the seasonal naive in the known past; empty where "
               "that never errs", "ratio"),
        *(number(f"pinball_{name}", f"Mean quantile loss at {level}", "metric")
          for name, level in QUANTILES.items()),
        *(number(f"coverage_{name}", f"Share of steps at or below the {level} quantile", "share 0..1")
          for name, level in QUANTILES.items()),
    ),
    key=("run", "model", "unique_id"),
)  # fmt: skip

PLANS = Table(
    "plans",
    "one row per plan that was made",
    (
        time("as_of", "Moment the plan was made for; it uses nothing later", nullable=False),
        text("kind", "Kind of plan", nullable=False, allowed=("capacity", "placement")),
        text("hash", "Hash of the plan file", nullable=False),
        number("cost_usd", "Expected cost over the horizon", "USD", minimum=None),
        number("current_cost_usd", "Cost of going on as now over the horizon", "USD", minimum=None),
        number("bound_usd", "Proven lower bound of the cost", "USD", minimum=None),
        number("gap", "(cost - bound) / cost", "share 0..1", minimum=None),
        text("status", "How the solver ended"),
        text("path", "Plan file, relative to the workspace"),
    ),
    key=("as_of", "kind", "hash"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        CHARGES, CONTRACT_COMMITMENTS, BILLING_PERIODS, FX_RATES, LOADS, DEMAND, USAGE, EVENT, SPOT_CAPACITY,
        OFFERS, INSTANCE_TYPES, REGIONS, PROFILES, DEPLOYMENTS, FORECASTS, FORECAST_SCORES, PLANS,
    )
}  # fmt: skip


def arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a table, in the dictionary's order."""
    return schema_of(TABLES[table])


def ddl(table: str) -> str:
    """The CREATE TABLE statement of a table; missing values are judged by `conform`, not by the engine."""
    columns = ",\n".join(f'  "{column.name}" {column.kind.value}' for column in TABLES[table].columns)
    return f'CREATE TABLE "{table}" (\n{columns}\n)'


def conform(table: str, frame: Rows, *, where: str | None = None) -> pa.Table:
    """Check rows against the dictionary and convert them; see `data.conform`."""
    return _conform(TABLES[table], frame, where=where or table)


def reference_markdown() -> str:
    """The reference page of all tables."""
    parts = [
        "# Tables of the lake",
        "Made from the data dictionary by `python -m data.tables > docs/reference/tables.md`; do not edit.",
        "Times are UTC. Amounts and quantities of bills are DECIMAL(38,18). Empty is unknown, never zero.",
    ]
    parts += [_section(table) for table in TABLES.values()]
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    lines = [f"## {table.name}", "", f"Grain: {table.grain}."]
    if table.key:
        lines.append(f"Unique by {', '.join(table.key)}.")
    lines += ["", "| column | type | unit | empty | meaning |", "|---|---|---|---|---|"]
    return "\n".join(lines + [_row(column) for column in table.columns])


def _row(column: Column) -> str:
    meaning = column.meaning + (f" ({', '.join(column.allowed)})" if column.allowed else "")
    empty = "yes" if column.nullable else "no"
    return f"| {column.name} | {column.kind.value} | {column.unit or ''} | {empty} | {meaning} |"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
