"""What a restatement changed: sums by service and account from two states of the lake, and every load."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.billing.history import restatement
from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, ROW, focus_csv
from tests.data.test_billing_azure import COVERED, PURCHASE, SPREAD, UNUSED, cost_file

MONTH = "2026-05"
JUNE = {
    "BillingPeriodStart": "2026-06-01T00:00:00Z",
    "BillingPeriodEnd": "2026-07-01T00:00:00Z",
    "ChargePeriodStart": "2026-06-03T00:00:00Z",
    "ChargePeriodEnd": "2026-06-04T00:00:00Z",
}
Row = Mapping[str, str]


def charge(service: str, billed: str, account: str = "shop", **changes: str) -> dict[str, str]:
    """A charge of a service in an account, its effective cost the same unless told otherwise."""
    return {
        "ServiceName": service,
        "SubAccountId": account,
        "BilledCost": billed,
        "EffectiveCost": billed,
        **changes,
    }


def load(lake: Lake, folder: Path, *rows: Row, days: int = 0) -> str:
    """Ingest a FOCUS file of these rows; what its load was."""
    (made,) = ingest(lake, focus_csv(folder / "bill.csv", rows), loaded_at=NOW + timedelta(days=days))
    return made.status


def changed(lake: Lake, month: str = MONTH, load_id: int | None = None) -> list[tuple[Any, ...]]:
    """Service, account, currency, billed before and after, rows before and after of each change."""
    names = (
        "service",
        "sub_account",
        "currency",
        "billed_before",
        "billed_after",
        "rows_before",
        "rows_after",
    )
    return [tuple(row[name] for name in names) for row in restatement(lake, month, load_id).rows.to_pylist()]


def test_what_a_restatement_changed(lake: Lake, tmp_path: Path) -> None:
    kept, june = charge("Storage", "7"), charge("Compute", "100", **JUNE)
    load(lake, tmp_path, charge("Compute", "10"), charge("Compute", "5"), charge("DNS", "1"), kept, june)
    load(lake, tmp_path, charge("Compute", "12.5"), charge("Queues", "40", "lab"), kept, june, days=1)
    assert changed(lake) == [
        ("Queues", "lab", "USD", 0, 40, 0, 1),
        ("Compute", "shop", "USD", 15, Decimal("12.5"), 2, 1),
        ("DNS", "shop", "USD", 1, 0, 1, 0),
    ]
    (row,) = (row for row in restatement(lake, MONTH).rows.to_pylist() if row["service"] == "Compute")
    assert (row["billed_change"], row["effective_change"]) == (Decimal("-2.5"), Decimal("-2.5"))
    assert (row["source"], row["account"]) == ("aws", ROW["BillingAccountId"])


def test_every_load_of_the_month_stays_known(lake: Lake, tmp_path: Path) -> None:
    for days, billed in enumerate(("10", "12", "11")):
        load(lake, tmp_path, charge("Compute", billed), charge("Compute", "3", **JUNE), days=days)
    found = restatement(lake, MONTH)
    assert found.load_id == 3
    names = ("load_id", "billed_cost", "status", "currency", "row_count")
    assert [tuple(row[name] for name in names) for row in found.loads.to_pylist()] == [
        (1, 10, "new", "USD", 1),
        (2, 12, "restated", "USD", 1),
        (3, 11, "restated", "USD", 1),
    ]
    assert [row["loaded_at"] for row in found.loads.to_pylist()] == [
        NOW + timedelta(days=n) for n in range(3)
    ]
    assert "billed 12 -> 11 USD" in found.loads.to_pylist()[2]["note"]


def test_a_load_can_be_asked_for_and_the_default_is_the_last_restatement(lake: Lake, tmp_path: Path) -> None:
    for billed in ("10", "12"):
        load(lake, tmp_path, charge("Compute", billed))
    load(lake, tmp_path, charge("Compute", "99", BillingAccountId="other"), charge("Compute", "9", **JUNE))
    one = ("Compute", "shop", "USD")
    assert changed(lake, load_id=1) == [(*one, 0, 10, 0, 1)]
    assert changed(lake, load_id=3) == [(*one, 0, 99, 0, 1)]
    assert changed(lake) == changed(lake, load_id=2) == [(*one, 10, 12, 1, 1)]
    assert changed(lake, "2026-06") == [(*one, 0, 9, 0, 1)]


def test_currencies_and_unnamed_things_are_kept_apart(lake: Lake, tmp_path: Path) -> None:
    nameless = {"ServiceName": "", "SubAccountId": ""}
    euro = charge("Compute", "20", BillingCurrency="EUR")
    load(lake, tmp_path, charge("Compute", "10"), euro, charge("", "1", **nameless))
    load(lake, tmp_path, charge("Compute", "11"), euro, charge("", "3", **nameless))
    assert changed(lake) == [
        ("unknown", ROW["BillingAccountId"], "USD", 1, 3, 1, 1),
        ("Compute", "shop", "USD", 10, 11, 1, 1),
    ]


def test_a_change_of_anything_but_costs_has_no_sums(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, charge("Compute", "10"))
    assert load(lake, tmp_path, charge("Compute", "10", Tags='{"Owner": "ads"}')) == "restated"
    assert restatement(lake, MONTH).load_id == 2
    assert changed(lake) == []


def test_amortized_cost_moves_between_services_the_invoice_does_not(lake: Lake, tmp_path: Path) -> None:
    reserved = {"MeterCategory": "Reservations"}
    for name, rows in {
        "actual": [{}, COVERED, {**PURCHASE, **reserved}],
        "amortized": [{}, SPREAD, {**UNUSED, **reserved}],
    }.items():
        ingest(lake, cost_file(tmp_path / f"{name}.csv", rows), loaded_at=NOW)
    moved = {
        row["service"]: (row["billed_change"], row["effective_before"], row["effective_after"])
        for row in restatement(lake, "2026-09", 2).rows.to_pylist()
    }
    assert moved == {
        "Reservations": (0, 50, Decimal("0.3")),
        "Virtual Machines": (0, Decimal("2.4"), Decimal("3.9")),
    }


NOT_THERE = {
    (
        "2026-04",
        None,
    ): "--period: found 2026-04; expected a month whose bill was loaded, such as 2026-05, 2026-06",
    (MONTH, 9): "--load: found 9; expected a load of 2026-05: 1, 2; choose one of them",
    ("2026-06", 2): "--load: found 2; expected a load of 2026-06: 1",
}


def test_what_is_not_there_is_told_with_what_is(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ingest a bill first"):
        restatement(lake, MONTH)
    load(lake, tmp_path, charge("Compute", "10"), charge("Compute", "10", **JUNE))
    load(lake, tmp_path, charge("Compute", "11"), charge("Compute", "10", **JUNE))
    for (month, load_id), words in NOT_THERE.items():
        with pytest.raises(InputError) as caught:
            restatement(lake, month, load_id)
        assert words in str(caught.value)


def sums(rows: Sequence[Row]) -> Counter[tuple[str, str, str]]:
    """Billed cost by service, account and currency in whole 1e-6, without our code."""
    total: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row["ServiceName"], row["SubAccountId"], row.get("BillingCurrency", "USD"))
        total[key] += int(Decimal(row["BilledCost"]) * 10**6)
    return total


def test_the_changes_of_each_load_lead_from_one_bill_to_the_next(lake: Lake, tmp_path: Path) -> None:
    draw = random.Random(5)

    def bill() -> list[dict[str, str]]:
        return [
            charge(
                draw.choice(["Compute", "Storage", "DNS", "Queues"]),
                f"{draw.randint(-3_000_000, 9_000_000) / 10**6:.6f}",
                draw.choice(["shop", "lab", "data"]),
                BillingCurrency=draw.choice(["USD", "USD", "EUR"]),
            )
            for _ in range(draw.randint(1, 25))
        ]

    bills = [bill() for _ in range(4)]
    for rows in bills:
        load(lake, tmp_path, *rows)
    state = sums([])
    for number, rows in enumerate(bills, start=1):
        for row in restatement(lake, MONTH, number).rows.to_pylist():
            key = (row["service"], row["sub_account"], row["currency"])
            assert row["billed_before"] * 10**6 == state[key]
            assert row["billed_after"] - row["billed_before"] == row["billed_change"]
            state[key] += int(row["billed_change"] * 10**6)
        assert {key: cost for key, cost in state.items() if cost} == {
            key: cost for key, cost in sums(rows).items() if cost
        }
