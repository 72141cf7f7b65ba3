"""Google's exports: credits, months, labels, every container, batches in any order."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW
from tests.data.bills import ROW as FOCUS_ROW

FILES = ("gcp_standard_2026-09-28_to_10-01.csv", "gcp_standard_2026-10-01_to_10-03.csv")
ROW: dict[str, str] = {
    "billing_account_id": "01AB-CD", "service.description": "Compute Engine", "sku.id": "S1",
    "sku.description": "N2 Instance Core running in Americas", "usage_start_time": "2026-09-28T00:00:00",
    "usage_end_time": "2026-09-28T01:00:00", "project.id": "p-1", "cost": "2", "currency": "EUR",
    "usage.amount": "3600", "usage.unit": "seconds", "usage.amount_in_pricing_units": "1",
    "usage.pricing_unit": "hour", "credits": "[]", "invoice.month": "202609", "cost_type": "regular",
    "export_time": "2026-09-28T03:00:00", "location.region": "us-east4", "labels": "[]",
    "project.labels": "[]",
}  # fmt: skip


def export(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """A flat CSV of ROW with the changes of each row."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*ROW])
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def charges(lake: Lake) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = lake.sql('SELECT * FROM charges ORDER BY "x_Row"').to_pylist()
    return rows


def credit(amount: str, kind: str = "PROMOTION", name: str = "c") -> str:
    return json.dumps([{"name": name, "amount": float(amount), "type": kind, "id": name}])


def invoice(path: Path) -> dict[str, Decimal]:
    """Cost and credits per invoice month, by plain Python."""
    sums: dict[str, Decimal] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            given_back = json.loads(row["credits"].replace("'", '"'), parse_float=Decimal)
            net = Decimal(row["cost"]) + sum((one["amount"] for one in given_back), Decimal(0))
            month = f"{row['invoice.month'][:4]}-{row['invoice.month'][4:]}"
            sums[month] = sums.get(month, Decimal(0)) + net
    return sums


def months(lake: Lake) -> dict[str, Decimal]:
    rows = lake.sql("SELECT x_Month AS m, sum(BilledCost) AS b FROM charges GROUP BY ALL").to_pylist()
    return {row["m"]: row["b"] for row in rows}


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 1, 0)])
def test_exports_of_neighbouring_days_add_up_in_any_order(
    lake: Lake, shared: Path, order: tuple[int, ...]
) -> None:
    paths = [shared / "billing_samples/synthetic_nise" / name for name in FILES]
    for number in order:
        ingest(lake, paths[number], loaded_at=NOW)
    first, second = map(invoice, paths)
    assert months(lake) == {month: first.get(month, 0) + second.get(month, 0) for month in {*first, *second}}


def nested(row: Mapping[str, str]) -> dict[str, object]:
    """A flat row as BigQuery's JSON has it."""
    made: dict[str, object] = {}
    for name, value in row.items():
        head, _, tail = name.partition(".")
        cell: object = value
        if name in ("credits", "labels", "system_labels", "project.labels"):
            cell = json.loads(value.replace("'", '"')) if value else []
        if tail:
            made.setdefault(head, {})[tail] = cell  # type: ignore[index]
        else:
            made[name] = cell
    return made


@pytest.mark.parametrize("container", ["jsonl", "json array", "parquet"])
def test_json_and_parquet_are_the_same_bill(lake: Lake, shared: Path, tmp_path: Path, container: str) -> None:
    path = shared / "billing_samples/synthetic_nise" / FILES[0]
    ingest(lake, path, loaded_at=NOW)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [nested(row) for row in csv.DictReader(stream)]
    other = tmp_path / "export"
    if container == "parquet":
        for row in rows:  # a list of structs needs one type
            row["credits"] = [{"amount": c["amount"], "type": c["type"]} for c in row["credits"]]  # type: ignore[attr-defined]
        pq.write_table(pa.Table.from_pylist(rows), other)
    elif container == "jsonl":
        other.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        other.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    before = [(row["BilledCost"], row["Tags"], row["ChargePeriodStart"]) for row in charges(lake)]
    with Lake.open(tmp_path / "other") as second:
        (load,) = ingest(second, other, loaded_at=NOW)
        after = [(row["BilledCost"], row["Tags"], row["ChargePeriodStart"]) for row in charges(second)]
    assert load.kind == "google-standard"
    assert after == before


def test_credits_are_part_of_the_cost_and_of_no_other_row(lake: Lake, tmp_path: Path) -> None:
    two = json.dumps([{"amount": -0.25, "type": "DISCOUNT"}, {"amount": -0.5, "type": "FREE_TIER"}])
    ingest(lake, export(tmp_path / "g.csv", [{"credits": two}, {"credits": ""}, {}]), loaded_at=NOW)
    assert [row["BilledCost"] for row in charges(lake)] == [Decimal("1.25"), Decimal(2), Decimal(2)]
    assert [row["ContractedCost"] for row in charges(lake)] == [Decimal(2)] * 3


@pytest.mark.parametrize("broken", ['[{"amount": "lots"}]', "[{", "free"])
def test_credits_that_cannot_be_read_are_refused(lake: Lake, tmp_path: Path, broken: str) -> None:
    with pytest.raises(InputError, match="column BilledCost: found nothing"):
        ingest(lake, export(tmp_path / "g.csv", [{}, {"credits": broken}]), loaded_at=NOW)
    assert charges(lake) == []


def test_the_month_is_the_invoices(lake: Lake, tmp_path: Path) -> None:
    late = {"usage_start_time": "2026-09-30T23:00:00", "invoice.month": "202610"}
    ingest(lake, export(tmp_path / "g.csv", [{}, late]), loaded_at=NOW)
    assert months(lake) == {"2026-09": Decimal(2), "2026-10": Decimal(2)}


def test_a_commitments_fee_is_carried_by_what_it_covers(lake: Lake, tmp_path: Path) -> None:
    cud = "COMMITTED_USAGE_DISCOUNT"
    rows = [
        {"sku.description": "Commitment v1: N2 Cpu in Americas for 1 Year", "cost": "6"},
        {"cost": "8", "credits": credit("-8", cud, "cud-1")},
        {"cost": "4", "credits": credit("-4", cud, "cud-1")},
        {"cost": "5"},
    ]
    ingest(lake, export(tmp_path / "g.csv", rows), loaded_at=NOW)
    fee, big, small, plain = charges(lake)
    assert [row["EffectiveCost"] for row in (fee, big, small, plain)] == [0, 4, 2, 5]
    assert [row["BilledCost"] for row in (fee, big, small, plain)] == [6, 0, 0, 5]
    assert (fee["ChargeCategory"], big["PricingCategory"], big["CommitmentDiscountId"]) == (
        "Purchase", "Committed", "cud-1",
    )  # fmt: skip


AMOUNT = st.decimals(min_value=0, max_value=1000, places=4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fees=st.lists(AMOUNT, max_size=3),
    covered=st.lists(st.tuples(AMOUNT, AMOUNT), max_size=4),
    others=st.lists(AMOUNT, min_size=1, max_size=3),
)
def test_spreading_fees_keeps_the_sum(
    empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, fees: list[Decimal],
    covered: list[tuple[Decimal, Decimal]], others: list[Decimal],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("g")
    rows = [{"sku.description": "Commitment v1: cpu", "cost": str(fee)} for fee in fees]
    rows += [
        {"cost": str(cost), "credits": credit(str(-part), "COMMITTED_USAGE_DISCOUNT")}
        for cost, part in covered
    ]
    rows += [{"cost": str(cost)} for cost in others]
    with Lake.open(folder / "lake") as lake:
        (load,) = ingest(lake, export(folder / "g.csv", rows), loaded_at=NOW)
    assert abs(load.billed_cost["EUR"] - load.effective_cost["EUR"]) < Decimal("1e-9")


def test_labels_tags_and_machines(lake: Lake, shared: Path) -> None:
    ingest(lake, shared / "billing_samples/synthetic_nise" / FILES[0], loaded_at=NOW)
    row = charges(lake)[0]
    tags = {"environment": "ci", "project": "p1", "step": "chair", "year": "each"}
    assert json.loads(str(row["Tags"])) == tags
    assert json.loads(str(row["SkuPriceDetails"])) == {"InstanceType": "a2-highgpu-1g"}
    assert (row["RegionId"], row["SubAccountId"], row["x_Source"]) == (
        "us-east4",
        "example-project-id",
        "gcp",
    )


@pytest.mark.parametrize(
    ("change", "category", "correction"),
    [
        ({"cost_type": "tax"}, "Tax", None),
        ({"cost_type": "adjustment"}, "Adjustment", "Correction"),
        ({"cost_type": "rounding_error"}, "Adjustment", None),
        ({"cost_type": "something new"}, "Adjustment", None),
    ],
)
def test_cost_types(
    lake: Lake, tmp_path: Path, change: dict[str, str], category: str, correction: str | None
) -> None:
    ingest(lake, export(tmp_path / "g.csv", [change]), loaded_at=NOW)
    (row,) = charges(lake)
    assert (row["ChargeCategory"], row["ChargeClass"]) == (category, correction)


def test_the_focus_export_lists_tags_key_by_key(lake: Lake, tmp_path: Path) -> None:
    tags = [{"key": "team", "value": "ml"}, {"key": "env", "value": None}]
    pq.write_table(pa.Table.from_pylist([{**FOCUS_ROW, "Tags": tags}]), tmp_path / "f.parquet")
    ingest(lake, tmp_path / "f.parquet", loaded_at=NOW)
    assert json.loads(str(charges(lake)[0]["Tags"])) == {"team": "ml", "env": None}
