"""Small bills for tests: a FOCUS file from a few values, and plain sums of files that do not use our code."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

ROW: dict[str, str] = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ContractedCost": "1.75",
    "BillingCurrency": "USD",
    "BillingAccountId": "123456789012",
    "BillingPeriodStart": "2026-05-01T00:00:00Z",
    "BillingPeriodEnd": "2026-06-01T00:00:00Z",
    "ChargePeriodStart": "2026-05-03T00:00:00Z",
    "ChargePeriodEnd": "2026-05-03T01:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "Compute Engine",
    "ServiceCategory": "Compute",
    "ProviderName": "AWS",
    "InvoiceIssuerName": "Amazon Web Services, Inc.",
    "Tags": '{"Owner": "search"}',
}


def focus_csv(path: Path, rows: Sequence[Mapping[str, str]] = ({},), *, drop: Sequence[str] = ()) -> Path:
    """A FOCUS file of ROW with the changes of each row."""
    names = [*ROW, *dict.fromkeys(name for row in rows for name in row if name not in ROW)]
    names = [name for name in names if name not in drop]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def exact_sums(path: Path, column: str, currency: str) -> dict[str, Decimal]:
    """Sum of a column per currency, by Python's own decimals."""
    sums: dict[str, Decimal] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream, localcontext(prec=80):
        for row in csv.DictReader(stream):
            sums[row[currency]] = sums.get(row[currency], Decimal(0)) + Decimal(row[column] or 0)
    return sums
