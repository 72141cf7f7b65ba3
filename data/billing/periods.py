"""The Billing Period dataset of FOCUS 1.4, kept while bills are loaded.

No provider exports it yet, so it is what we saw: a period is open until its month has been over for the days
in which providers still add charges, and restated when its charges change after that.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from data.lake import Lake
from data.tables import conform

# AWS and Azure re-deliver a closed month for up to two weeks, Google for a few days.
SETTLES = timedelta(days=14)
_KEY = '"x_Source" = $source AND "x_BillingAccountId" = $account AND "x_Month" = $month'


def record(lake: Lake, parts: Sequence[dict[str, Any]], *, load_id: int, loaded_at: datetime) -> None:
    """Note that the charges of these parts changed at `loaded_at`; the caller holds the transaction."""
    for source, account, month in dict.fromkeys((p["source"], p["account"], p["month"]) for p in parts):
        mine = [p for p in parts if (p["source"], p["account"], p["month"]) == (source, account, month)]
        names = {"source": source, "account": account, "month": month}
        before = lake.sql(f"SELECT * FROM billing_periods WHERE {_KEY}", **names).to_pylist()
        end = max(p["period_end"] for p in mine)
        was_closed = any(row["BillingPeriodStatus"] == "Closed" for row in before)
        row = {
            "BillingPeriodCreated": min([loaded_at, *(row["BillingPeriodCreated"] for row in before)]),
            "BillingPeriodEnd": end,
            "BillingPeriodLastUpdated": loaded_at,
            "BillingPeriodStart": min(p["period_start"] for p in mine),
            "BillingPeriodStatus": "Closed" if was_closed or loaded_at >= end + SETTLES else "Open",
            "InvoiceIssuerName": mine[-1]["issuer"],
            "x_Source": source,
            "x_BillingAccountId": account,
            "x_Month": month,
            "x_IsRestated": was_closed or any(row["x_IsRestated"] for row in before),
            "load_id": load_id,
        }
        lake.sql(f"DELETE FROM billing_periods WHERE {_KEY}", **names)
        with lake.registered(conform("billing_periods", [row])) as incoming:
            lake.sql(f"INSERT INTO billing_periods BY NAME SELECT * FROM {incoming}")
