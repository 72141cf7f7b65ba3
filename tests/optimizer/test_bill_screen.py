"""What people read of bills and prices: `trimtab bill diff`, `prices show` and `check`, word for word."""

from __future__ import annotations

import csv
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optimizer import pipeline, screen
from tests.data.bills import focus_csv
from tests.e2e.workspaces import cli, make

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bill"
AS_OF = "2026-05-14T00:00:00+00:00"
FIRST, SECOND = datetime(2026, 5, 12, 6, tzinfo=UTC), datetime(2026, 5, 13, 6, tzinfo=UTC)
PLAN = "arn:aws:savingsplans::123456789012:savingsplan/5f1d2c3b"
OFFERS = [
    ("m5.large", "eu-west-1", "on_demand", "", 0.107, False),
    ("m5.large", "eu-west-1", "spot", "", 0.041, False),
    ("m5.large", "eu-west-1", "commitment", "1y", 0.067, True),
    ("m5.large", "us-east-1", "on_demand", "", 0.096, True),
    ("g6.xlarge", "eu-west-1", "on_demand", "", 0.885, False),
]


def machine(day: int, price: str, hours: int = 24, **changes: str) -> dict[str, str]:
    """A day of an m5.large in eu-west-1 at a price per hour."""
    cost = f"{float(price) * hours:.6f}"
    return {
        "ServiceName": "Amazon Elastic Compute Cloud", "SubAccountId": "210987654321",
        "RegionId": "eu-west-1", "SkuPriceDetails": '{"InstanceType": "m5.large"}',
        "PricingCategory": "Standard", "PricingUnit": "Hrs", "PricingQuantity": str(hours),
        "ListCost": f"{0.107 * hours:.6f}", "ContractedCost": cost, "BilledCost": cost, "EffectiveCost": cost,
        "ChargePeriodStart": f"2026-05-{day:02d}T00:00:00Z",
        "ChargePeriodEnd": f"2026-05-{day + 1:02d}T00:00:00Z", **changes,
    }  # fmt: skip


def plan_hours(day: int, used: str) -> list[dict[str, str]]:
    """A day of a savings plan of 0.1 USD an hour: its fee, what it covered and what it did not."""
    named = {"CommitmentDiscountId": PLAN, "CommitmentDiscountCategory": "Spend"}
    left = f"{2.4 - float(used):.6f}"
    fee = {"ChargeCategory": "Purchase", "ChargeFrequency": "Recurring", "PricingCategory": "Standard"}
    free = {"BilledCost": "0", "PricingCategory": "Committed"}
    unused = {
        "EffectiveCost": left,
        "ListCost": left,
        "ContractedCost": left,
        "CommitmentDiscountStatus": "Unused",
    }
    return [
        machine(day, "0.1", **named, **fee) | {"EffectiveCost": "0", "ListCost": "2.4"},
        machine(day, "0.1", **named) | free | {"EffectiveCost": used, "CommitmentDiscountStatus": "Used"},
        machine(day, "0.1", **named) | free | unused,
    ]


def bill(*more: dict[str, str], storage: str = "3") -> list[dict[str, str]]:
    """Two days of machines, spot, a savings plan and storage."""
    disk = {"ServiceName": "Amazon Simple Storage Service", "SubAccountId": "210987654321", "ListCost": "3"}
    spot = {"PricingCategory": "Dynamic", "SkuMeter": "SpotUsage:m5.large"}
    return [
        machine(10, "0.107"), machine(11, "0.0963"), machine(11, "0.0321", **spot), *plan_hours(10, "1.5"),
        *plan_hours(11, "1.8"), {**disk, "BilledCost": storage, "EffectiveCost": storage}, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose prices come from the lake, with a bill and its restatement."""
    folder = tmp_path_factory.mktemp("bill")
    workspace = make(folder / "ws")
    (workspace / "catalog.parquet").unlink()
    names = ["instance_type", "region", "purchase", "term", "price_hourly", "is_estimated"]
    offers = pd.DataFrame(OFFERS, columns=names).assign(
        provider="aws", currency="USD", as_of="2026-05-01T00:00:00Z", source="price list of May"
    )
    offers.to_csv(folder / "offers.csv", index=False)
    term = {"PeriodStart": "2026-01-01T00:00:00Z", "PeriodEnd": "2027-01-01T00:00:00Z"}
    known = {"Id": PLAN, "Category": "Spend", "Type": "Savings Plan", "Cost": "876", **term}
    contract = {f"ContractCommitment{name}": value for name, value in known.items()} | {
        "ContractId": "c-1", "BillingCurrency": "USD", **{f"Contract{name}": at for name, at in term.items()},
    }  # fmt: skip
    with (folder / "commitments.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([contract.keys(), contract.values()])
    focus_csv(folder / "bill.csv", bill())
    for name in ("offers.csv", "commitments.csv", "bill.csv"):
        pipeline.ingest(workspace, folder / name, now=FIRST)
    queue = {"ServiceName": "Amazon Simple Queue Service", "SubAccountId": "111122223333"}
    restated = bill(
        {**queue, "BilledCost": "0.000004", "EffectiveCost": "0.000004", "ListCost": "0"}, storage="3.5"
    )
    pipeline.ingest(workspace, focus_csv(folder / "bill.csv", restated), now=SECOND)
    return workspace


def agrees(name: str, text: str) -> None:
    """Compare with a golden file; the blanks that fill a line of a table do not count."""
    shown = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TRIMTAB_UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), (
        "if this is meant: TRIMTAB_UPDATE_GOLDEN=1, then read it"
    )


def test_prices_of_a_type(root: Path) -> None:
    ran = cli("prices", "show", "m5.large", "-w", root, "--as-of", AS_OF)
    assert (ran.code, ran.err) == (0, "")
    agrees("prices_show", ran.out)


def test_what_a_restatement_changed(root: Path) -> None:
    ran = cli("bill", "diff", "-w", root, "--period", "2026-05")
    assert (ran.code, ran.err) == (0, "")
    agrees("bill_diff", ran.out)


def test_what_a_check_finds(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen.show_findings(pipeline.check(root, now=datetime.fromisoformat(AS_OF)))
    shown = re.sub(r"newest \d{4}-\d\d-\d\d \d\d:\d\d UTC", "newest <now> UTC", capsys.readouterr().out)
    agrees("check", shown)


def prices(root: Path, as_of: str) -> dict[str, dict[str, Any]]:
    """What `prices show --json` says of m5.large in eu-west-1, by way of buying."""
    where = ("--region", "eu-west-1", "-w", root, "--as-of", as_of)
    found = cli("prices", "show", "M5.LARGE", *where, "--json").json["prices"]
    return {price["purchase"]: price for price in found}


def test_a_price_asked_for_later_is_older_and_not_another(root: Path) -> None:
    now, later = prices(root, AS_OF), prices(root, "2026-05-24T00:00:00+00:00")
    left = 1 - (0.9 + 0.6) / (7 * 24) / 0.067  # of the hour, after what the plan left unused in a week
    assert now["on_demand"]["marginal_usd_per_hour"] == pytest.approx(0.0963 * left)
    assert now["spot"]["marginal_usd_per_hour"] == 0.0321
    assert [step["age_days"] for step in now["on_demand"]["steps"]] == [13.0, 2.0, 2.0]
    for purchase, price in now.items():
        same = later[purchase]
        assert same["marginal_usd_per_hour"] == price["marginal_usd_per_hour"]
        ages = [(a["age_days"], b["age_days"]) for a, b in zip(price["steps"], same["steps"], strict=True)]
        assert all(old == new + 10 for new, old in ages)


def test_a_restatement_for_machines_is_exact(root: Path) -> None:
    diff = cli("bill", "diff", "-w", root, "--period", "2026-05", "--json").json
    assert [(row["service"], row["billed_change"]) for row in diff["changes"]] == [
        ("Amazon Simple Storage Service", "0.500000000000000000"),
        ("Amazon Simple Queue Service", "0.000004000000000000"),
    ]
    assert [load["status"] for load in diff["loads"]] == ["new", "restated"]


def test_faults_of_both_verbs_are_one_line(root: Path) -> None:
    ran = cli("prices", "show", "m5.larg", "-w", root, "--as-of", AS_OF)
    assert (ran.code, len(ran.faults)) == (2, 1)
    assert "expected one of m5.large, g6.xlarge; choose" in ran.err
    ran = cli("bill", "diff", "-w", root, "--period", "2026-04")
    assert (ran.code, len(ran.faults)) == (2, 1)
    assert "such as 2026-05" in ran.err
