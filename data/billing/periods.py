"""The Billing Period dataset of FOCUS 1.4, kept while bills are loaded.

No provider exports it yet, so it is what we saw: a period is open until its month has been over for the days
in which providers still add charges, and restated when its charges change after that.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from data.lake import Lake
from data.tables import conform

# AWS and Azure re-deliver a closed month for up to two weeks, Google for a few days.
SETTLES = timedelta(days=14)
_NAMES = ("source", "account", "month")
_SAME = 'p."x_Source" = k.source AND p."x_BillingAccountId" = k.account AND p."x_Month" = k.month'
Key = tuple[str, str, str]


def record(lake: Lake, parts: Sequence[dict[str, Any]], *, load_id: int, loaded_at: datetime) -> None:
    """Note that the charges of these parts changed at `loaded_at`; the caller holds the transaction.

    All at once: a reseller's bill has thousands of accounts.
    """
    of_period: dict[Key, list[dict[str, Any]]] = {}
    for part in parts:
        of_period.setdefault((part["source"], part["account"], part["month"]), []).append(part)
    keys = {name: pa.array(values, pa.string()) for name, *values in zip(_NAMES, *of_period, strict=True)}
    with lake.registered(pa.table(keys)) as changed:
        stored = lake.sql(f"SELECT p.* FROM billing_periods AS p JOIN {changed} AS k ON {_SAME}").to_pylist()
        lake.sql(f"DELETE FROM billing_periods AS p USING {changed} AS k WHERE {_SAME}")
    before = {(row["x_Source"], row["x_BillingAccountId"], row["x_Month"]): row for row in stored}
    rows = [
        {**_row(key, mine, before.get(key), loaded_at), "load_id": load_id} for key, mine in of_period.items()
    ]
    with lake.registered(conform("billing_periods", rows)) as incoming:
        lake.sql(f"INSERT INTO billing_periods BY NAME SELECT * FROM {incoming}")


def _row(
    key: Key, parts: Sequence[dict[str, Any]], before: dict[str, Any] | None, loaded_at: datetime
) -> dict[str, Any]:
    """The period as it is now, given what was known of it."""
    source, account, month = key
    end = max(part["period_end"] for part in parts)
    was_closed = before is not None and before["BillingPeriodStatus"] == "Closed"
    return {
        "BillingPeriodCreated": min(loaded_at, before["BillingPeriodCreated"]) if before else loaded_at,
        "BillingPeriodEnd": end,
        "BillingPeriodLastUpdated": loaded_at,
        "BillingPeriodStart": min(part["period_start"] for part in parts),
        "BillingPeriodStatus": "Closed" if was_closed or loaded_at - SETTLES >= end else "Open",
        "InvoiceIssuerName": parts[-1]["issuer"],
        "x_Source": source,
        "x_BillingAccountId": account,
        "x_Month": month,
        "x_IsRestated": was_closed or (before is not None and before["x_IsRestated"]),
    }
