"""One small export of every importer and container: a sound row, and which of its columns is what."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.bills import ROW as FOCUS
from tests.data.test_billing_azure import ROW as AZURE
from tests.data.test_billing_cur import LINE as CUR
from tests.data.test_billing_google import ROW as GOOGLE

CUR_2 = {
    "bill_payer_account_id": "123456789012", "bill_payer_account_name": "Payer",
    "bill_billing_period_start_date": "2026-05-01T00:00:00Z",
    "bill_billing_period_end_date": "2026-06-01T00:00:00Z", "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-05-03T00:00:00Z", "line_item_usage_end_date": "2026-05-03T01:00:00Z",
    "line_item_product_code": "AmazonEC2", "line_item_currency_code": "USD", "line_item_usage_amount": "1",
    "line_item_unblended_cost": "0.096", "line_item_resource_id": "i-1",
    "product": '{"instance_type": "m5.large"}', "resource_tags": '{"user_owner": "search"}',
}  # fmt: skip
OCI = {
    "lineItem/tenantId": "ocid1.tenancy.a", "lineItem/intervalUsageStart": "2026-05-03T00:00Z",
    "lineItem/intervalUsageEnd": "2026-05-03T01:00Z", "product/service": "COMPUTE",
    "product/resourceId": "ocid1.instance.a", "usage/billedQuantity": "2", "cost/myCost": "1.00",
    "cost/currencyCode": "USD", "tags/Team": "search",
}  # fmt: skip

_LISTS = ("credits", "labels", "project.labels")


@dataclass(frozen=True)
class Export:
    """A row of strings and the names of its columns; `late` moves a charge out of its billing period."""

    row: Mapping[str, str]
    cost: str
    currency: str
    quantity: str
    start: str
    resource: str
    late: Mapping[str, str] | None
    container: str = "csv"

    def write(self, path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
        """A file of the row with the changes of each of `rows`."""
        names = [*self.row, *dict.fromkeys(name for row in rows for name in row if name not in self.row)]
        full = [{**dict.fromkeys(names, ""), **self.row, **row} for row in rows]
        if self.container == "csv":
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, names)
                writer.writeheader()
                writer.writerows(full)
        elif self.container == "parquet":
            schema = pa.schema([(name, pa.string()) for name in names])
            pq.write_table(pa.Table.from_pylist(full, schema=schema), path)
        else:
            path.write_text("\n".join(json.dumps(self._nested(row)) for row in full), encoding="utf-8")
        return path

    def _nested(self, row: Mapping[str, str]) -> dict[str, object]:
        """The row as BigQuery writes it, where it is Google's: structs for dotted names, lists of structs."""
        if self.row is not GOOGLE:
            return dict(row)
        made: dict[str, object] = {}
        for name, value in row.items():
            head, _, tail = name.partition(".")
            home = made.setdefault(head, {}) if tail else made
            if isinstance(home, dict):
                home[tail or head] = _value(value) if name in _LISTS else value
        return made


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


_GOOGLE = Export(
    GOOGLE, "cost", "currency", "usage.amount", "usage_start_time", "project.id",
    {"invoice.month": "202601"},
)  # fmt: skip
_FOCUS = Export(
    FOCUS, "BilledCost", "BillingCurrency", "ConsumedQuantity", "ChargePeriodStart", "ResourceId",
    {"ChargePeriodStart": "2026-01-03T00:00:00Z"},
)  # fmt: skip
EXPORTS = {
    "focus": _FOCUS,
    "focus parquet": replace(_FOCUS, container="parquet"),
    "focus json": replace(_FOCUS, container="jsonl"),
    "aws legacy": Export(
        CUR, "lineItem/UnblendedCost", "lineItem/CurrencyCode", "lineItem/UsageAmount",
        "lineItem/UsageStartDate", "lineItem/ResourceId",
        {"lineItem/UsageStartDate": "2026-01-03T00:00:00Z"},
    ),
    "aws 2.0": Export(
        CUR_2, "line_item_unblended_cost", "line_item_currency_code", "line_item_usage_amount",
        "line_item_usage_start_date", "line_item_resource_id",
        {"line_item_usage_start_date": "2026-01-03T00:00:00Z"},
    ),
    "azure": Export(
        AZURE, "CostInBillingCurrency", "BillingCurrencyCode", "Quantity", "Date", "ResourceId",
        {"Date": "01/04/2026"},
    ),
    "google csv": _GOOGLE,
    "google json": replace(_GOOGLE, container="jsonl"),
    "google parquet": replace(_GOOGLE, container="parquet"),
    "oci": Export(
        OCI, "cost/myCost", "cost/currencyCode", "usage/billedQuantity", "lineItem/intervalUsageStart",
        "product/resourceId", None,
    ),
}  # fmt: skip
