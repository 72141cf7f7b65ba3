"""Zeros of ListCost and ContractedCost: what is filled, with what, and what is left as it was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.billing.repair import repaired
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv

COVERED = {
    "PricingCategory": "Committed",
    "CommitmentDiscountId": "ri-1",
    "CommitmentDiscountStatus": "Used",
    "BilledCost": "0",
    "EffectiveCost": "6",
    "ListCost": "0",
    "ContractedCost": "0",
}
MARKETPLACE = {"BilledCost": "7", "EffectiveCost": "7", "ListCost": "0", "ContractedCost": "0"}
PRICES = {"ListUnitPrice": "0.02", "ContractedUnitPrice": "0.0125", "PricingQuantity": "744"}
FREE = {"BilledCost": "0", "EffectiveCost": "0", "ContractedCost": "0"}
BOTH = "ContractedCost, ListCost"

# what is delivered -> list cost, contracted cost, what was repaired
CASES: dict[str, tuple[dict[str, str], tuple[str | None, str | None, str | None]]] = {
    "reservation usage with unit prices": ({**COVERED, **PRICES}, ("14.88", "9.3", BOTH)),
    "reservation usage with a list price only": (
        {**COVERED, "ListUnitPrice": "0.02", "PricingQuantity": "744"}, ("14.88", "14.88", BOTH)),
    "reservation usage with a contracted price only": (
        {**COVERED, "ContractedUnitPrice": "0.0125", "PricingQuantity": "744"}, ("9.3", "9.3", BOTH)),
    "reservation usage without prices": (COVERED, ("6", "6", BOTH)),
    "marketplace without prices": (MARKETPLACE, ("7", "7", BOTH)),
    "a unit price below what is paid": (
        {**MARKETPLACE, "ListUnitPrice": "0.001", "PricingQuantity": "744"}, ("7", "7", BOTH)),
    "a unit price of zero is no price": (
        {**MARKETPLACE, "ListUnitPrice": "0", "PricingQuantity": "744"}, ("7", "7", BOTH)),
    "only the list cost is zero": ({"ListCost": "0", "ContractedCost": "1.75"}, ("1.75", "1.75", "ListCost")),
    "only the contracted cost is zero": (
        {"ContractedCost": "0", "ListCost": "2"}, ("2", "2", "ContractedCost")),
    "covered usage of an export that shows no cost": (
        {**COVERED, "EffectiveCost": "0", "ListCost": "2"}, ("2", "2", "ContractedCost")),
    "a commitment left unused": (
        {**COVERED, "CommitmentDiscountStatus": "Unused"}, ("6", "6", BOTH)),
    "a month of a large machine": (
        {**COVERED, "ListUnitPrice": "98.32", "ContractedUnitPrice": "93.404", "PricingQuantity": "744"},
        ("73150.08", "69492.576", BOTH)),
    "a free tier": ({**FREE, "ListCost": "2"}, ("2", "0", None)),
    "what is free at list too": ({**FREE, "ListCost": "0"}, ("0", "0", None)),
    "a credit": (
        {**MARKETPLACE, "ChargeCategory": "Credit", "BilledCost": "-7", "EffectiveCost": "-7"},
        ("0", "0", None)),
    "a discount": (
        {**MARKETPLACE, "ChargeCategory": "Adjustment", "BilledCost": "-7", "EffectiveCost": "-7"},
        ("0", "0", None)),
    "a refunded hour": (
        {**MARKETPLACE, "ChargeClass": "Correction", "BilledCost": "-7", "EffectiveCost": "-7"},
        ("0", "0", None)),
    "a purchase": ({**MARKETPLACE, "ChargeCategory": "Purchase"}, ("0", "0", None)),
    "missing": ({**COVERED, **PRICES, "ListCost": "", "ContractedCost": ""}, (None, None, None)),
    "missing at list": ({**COVERED, **PRICES, "ListCost": ""}, (None, "9.3", "ContractedCost")),
    "nothing is wrong": ({**COVERED, "ListCost": "14", "ContractedCost": "9"}, ("14", "9", None)),
}  # fmt: skip


def loaded(lake: Lake, path: Path, rows: list[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The charges that a FOCUS file of these rows becomes, in its order."""
    ingest(lake, focus_csv(path, rows), loaded_at=NOW)
    held: list[dict[str, Any]] = lake.sql('SELECT * FROM charges ORDER BY "x_Row"').to_pylist()
    return held


def test_every_case(lake: Lake, tmp_path: Path) -> None:
    held = loaded(lake, tmp_path / "bill.csv", [row for row, _ in CASES.values()])
    amount = {None: None} | {text: Decimal(text) for _, told in CASES.values() for text in told[:2] if text}
    found = {
        name: (row["ListCost"], row["ContractedCost"], row["x_Repaired"])
        for name, row in zip(CASES, held, strict=True)
    }
    assert found == {
        name: (amount[listed], amount[contracted], said)
        for name, (_, (listed, contracted, said)) in CASES.items()
    }


def test_what_is_invoiced_and_spread_is_never_touched(lake: Lake, tmp_path: Path) -> None:
    rows = [row for row, _ in CASES.values()]
    for row, held in zip(rows, loaded(lake, tmp_path / "bill.csv", rows), strict=True):
        assert held["BilledCost"] == Decimal(row.get("BilledCost", "1.5"))
        assert held["EffectiveCost"] == Decimal(row.get("EffectiveCost", "1.25"))


COLUMNS = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "ContractedUnitPrice",
    "PricingQuantity",
)  # fmt: skip
DIGITS = ["0", "-3", "0.000000000000000001", "0.1", "744", "98.32", "123456789012"]
PAID = st.sampled_from(list(map(Decimal, DIGITS)))
AMOUNT = PAID | st.none()
CHARGE = st.tuples(
    PAID, PAID, AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT,
    st.sampled_from(["Usage", "Purchase", "Credit"]), st.sampled_from([None, "Used", "Unused"]),
)  # fmt: skip
SCHEMA = pa.schema(
    [
        *((name, pa.decimal128(38, 18)) for name in COLUMNS),
        ("ChargeCategory", pa.string()),
        ("CommitmentDiscountStatus", pa.string()),
    ]
)


@pytest.fixture(scope="module")
def engine(empty_lake: Path) -> Iterator[Lake]:
    """A lake that is only asked, so that all examples share it."""
    with Lake.open(empty_lake, read_only=True) as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(charges=st.lists(CHARGE, min_size=1, max_size=40))
def test_no_usage_saves_less_than_nothing_and_the_rest_stays(
    engine: Lake, charges: list[tuple[Any, ...]]
) -> None:
    given_rows = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in charges], SCHEMA)
    with engine.registered(given_rows) as rows:
        found = engine.sql(repaired(f"SELECT * FROM {rows}")).to_pylist()
    for before, after in zip(given_rows.to_pylist(), found, strict=True):
        paid, is_usage = (
            max(before["BilledCost"], before["EffectiveCost"]),
            before["ChargeCategory"] == "Usage",
        )
        said = (after["x_Repaired"] or "").split(", ")
        for name in ("ListCost", "ContractedCost"):
            if name in said:
                assert is_usage
                assert before[name] == 0
                assert after[name] >= paid
                assert after[name] > 0
            else:
                assert after[name] == before[name]
        if is_usage and paid > 0:
            assert after["ListCost"] != 0
            assert after["ContractedCost"] != 0


@pytest.mark.parametrize("name", ["azure_ea_amortized_small.csv", "azure_ea_actual_small.csv"])
def test_no_negative_savings_in_a_real_azure_export(lake: Lake, shared: Path, name: str) -> None:
    ingest(lake, shared / "billing_samples/azure" / name, loaded_at=NOW)
    usage = lake.sql(
        """SELECT "ListCost", "EffectiveCost" FROM charges WHERE "ChargeCategory" = 'Usage'
        AND "CommitmentDiscountStatus" IS DISTINCT FROM 'Unused' AND "ListCost" IS NOT NULL"""
    ).to_pylist()
    assert len(usage) > 5
    rounding = Decimal("0.000001")  # quantities are delivered with eight decimals, costs with sixteen
    assert all(row["EffectiveCost"] <= row["ListCost"] * (1 + rounding) + rounding for row in usage)


def test_a_free_tier_of_a_real_report_stays_free(lake: Lake, shared: Path) -> None:
    ingest(lake, shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv", loaded_at=NOW)
    (found,) = lake.sql(
        """SELECT count(*) FILTER (WHERE "ListCost" > 0 AND "BilledCost" = 0) AS free,
            count("x_Repaired") AS repaired, sum("ContractedCost") = sum("BilledCost") AS is_contracted
        FROM charges WHERE "ChargeCategory" = 'Usage'"""
    ).to_pylist()
    assert found == {"free": 446, "repaired": 0, "is_contracted": True}
