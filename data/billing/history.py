"""What a restatement of a month changed, from the states the lake has had."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from data.errors import Fault, InputError
from data.lake import Lake

_GROUP = """
    "x_Source" AS source, "BillingAccountId" AS account,
    coalesce("SubAccountId", "BillingAccountId") AS sub_account,
    coalesce("ServiceName", 'unknown') AS service, "BillingCurrency" AS currency
"""
MONTHS_NAMED = 6
_SUMS = 'sum("BilledCost") AS billed, sum("EffectiveCost") AS effective, count(*) AS n'


@dataclass(frozen=True)
class Restatement:
    """A load that changed a month, and what it changed.

    `loads`: every load of the month, oldest first (load_id, loaded_at, source, account, kind, status,
    currency, row_count, billed_cost, effective_cost). `rows`: source, account, sub_account, service,
    currency, billed_before, billed_after, billed_change and the same of effective; largest change first.
    """

    month: str
    load_id: int
    loads: pa.Table
    rows: pa.Table


def restatement(lake: Lake, month: str, load_id: int | None = None) -> Restatement:
    """What a load changed in a month; the last one that restated it where none is named.

    Raises InputError if no load brought the month, or the one that is named did not.
    """
    loads = lake.sql(
        """
        SELECT load_id, loaded_at, source, account, dataset, kind, status, currency, row_count, billed_cost,
            effective_cost, snapshot_id, note
        FROM loads WHERE table_name = 'charges' AND month = $month ORDER BY load_id, source, account, currency
        """,
        month=month,
    )
    if not loads.num_rows:
        raise InputError([_unknown(lake, month)])
    chosen = _chosen(loads.to_pylist(), month, load_id)
    if chosen["snapshot_id"] is None:
        found = f"load {chosen['load_id']}, made before snapshots were noted with the load"
        raise InputError([Fault("--load", found, "a later load", "ingest the month again")])
    after = int(chosen["snapshot_id"])
    return Restatement(
        month, chosen["load_id"], loads.drop_columns(["snapshot_id"]), _changes(lake, month, after)
    )


def _unknown(lake: Lake, month: str) -> Fault:
    """What to say of a month that no load brought."""
    rows = lake.sql("SELECT DISTINCT month FROM loads WHERE table_name = 'charges' ORDER BY month")
    known = ", ".join(map(str, rows.column(0).to_pylist()[-MONTHS_NAMED:]))
    if not known:
        return Fault("--period", month, "a month whose bill was loaded", "ingest a bill first")
    return Fault("--period", month, f"a month whose bill was loaded, such as {known}", "choose one of them")


def _chosen(loads: list[dict[str, Any]], month: str, load_id: int | None) -> dict[str, Any]:
    if load_id is None:
        return next((load for load in reversed(loads) if load["status"] == "restated"), loads[-1])
    for load in loads:
        if load["load_id"] == load_id:
            return load
    known = ", ".join(str(number) for number in dict.fromkeys(load["load_id"] for load in loads))
    raise InputError([Fault("--load", str(load_id), f"a load of {month}: {known}", "choose one of them")])


def _changes(lake: Lake, month: str, snapshot: int) -> pa.Table:
    """The sums that differ between a snapshot and the one before it."""
    state = (
        'SELECT {group}, {sums} FROM charges AT (VERSION => {version}) WHERE "x_Month" = $month GROUP BY ALL'
    )
    old = state.format(group=_GROUP, sums=_SUMS, version=snapshot - 1)
    new = state.format(group=_GROUP, sums=_SUMS, version=snapshot)
    key = "source, account, sub_account, service, currency"
    return lake.sql(
        f"""
        WITH both_states AS (
            SELECT {key},
                coalesce(o.billed, 0) AS billed_before, coalesce(n.billed, 0) AS billed_after,
                coalesce(o.effective, 0) AS effective_before, coalesce(n.effective, 0) AS effective_after,
                coalesce(o.n, 0) AS rows_before, coalesce(n.n, 0) AS rows_after
            FROM ({old}) AS o FULL JOIN ({new}) AS n USING ({key})
        )
        SELECT {key}, billed_before, billed_after, billed_after - billed_before AS billed_change,
            effective_before, effective_after, effective_after - effective_before AS effective_change,
            rows_before, rows_after
        FROM both_states
        WHERE billed_before <> billed_after OR effective_before <> effective_after
            OR rows_before <> rows_after
        ORDER BY abs(billed_after - billed_before) DESC, {key}
        """,
        month=month,
    )
