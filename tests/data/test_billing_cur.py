from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.formats import snake_case
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, exact_sums

LINE: dict[str, str] = {
    "identity/LineItemId": "line-1",
    "bill/PayerAccountId": "123456789012",
    "bill/BillingPeriodStartDate": "2026-05-01T00:00:00Z",
    "bill/BillingPeriodEndDate": "2026-06-01T00:00:00Z",
    "bill/InvoicingEntity": "Amazon Web Services, Inc.",
    "lineItem/UsageAccountId": "210987654321",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2026-05-03T00:00:00Z",
    "lineItem/UsageEndDate": "2026-05-03T01:00:00Z",
    "lineItem/ProductCode": "AmazonEC2",
    "lineItem/UsageType": "BoxUsage:m5.large",
    "lineItem/ResourceId": "i-1",
    "lineItem/UsageAmount": "1",
    "lineItem/CurrencyCode": "USD",
    "lineItem/UnblendedRate": "0.096",
    "lineItem/UnblendedCost": "0.096",
    "lineItem/BlendedCost": "99",
    "pricing/publicOnDemandCost": "0.1",
    "pricing/unit": "Hrs",
    "product/instanceType": "m5.large",
    "product/regionCode": "eu-west-1",
    "product/productFamily": "Compute Instance",
    "resourceTags/user:Owner": "search",
    "resourceTags/aws:createdBy": "root",
}
RESERVATION = {"reservation/ReservationARN": "arn:ri/1"}
NO_LIST = {"pricing/publicOnDemandCost": ""}
PLAN = {"savingsPlan/SavingsPlanARN": "arn:sp/1"}

# line item type, further columns -> billed, effective, list, contracted, category, commitment status
CASES: dict[str, tuple[dict[str, str], tuple[str, str, str, str, str, str | None]]] = {
    "Usage": ({}, ("0.096", "0.096", "0.1", "0.096", "Usage", None)),
    "DiscountedUsage": (
        {**RESERVATION, "lineItem/UnblendedCost": "0", "reservation/EffectiveCost": "0.06"},
        ("0", "0.06", "0.1", "0.1", "Usage", "Used"),
    ),
    "SavingsPlanCoveredUsage": (
        {**PLAN, "savingsPlan/SavingsPlanEffectiveCost": "0.07"},
        ("0.096", "0.07", "0.1", "0.1", "Usage", "Used"),
    ),
    "SavingsPlanNegation": (
        {**PLAN, "lineItem/UnblendedCost": "-0.096", "pricing/publicOnDemandCost": ""},
        ("-0.096", "0", "0", "0", "Usage", None),
    ),
    "SavingsPlanRecurringFee": (
        {
            **PLAN, "lineItem/UnblendedCost": "2", "pricing/publicOnDemandCost": "",
            "savingsPlan/TotalCommitmentToDate": "2", "savingsPlan/UsedCommitment": "1.5",
        },
        ("2", "0.5", "2", "2", "Purchase", "Unused"),
    ),
    "SavingsPlanUpfrontFee": (
        {**PLAN, "lineItem/UnblendedCost": "100", "pricing/publicOnDemandCost": ""},
        ("100", "0", "100", "100", "Purchase", None),
    ),
    "RIFee": (
        {
            **RESERVATION, "lineItem/UnblendedCost": "30", "pricing/publicOnDemandCost": "",
            "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "1.25",
            "reservation/UnusedRecurringFee": "2.5",
        },
        ("30", "3.75", "30", "30", "Purchase", "Unused"),
    ),
    "Fee": (
        {**RESERVATION, "lineItem/UnblendedCost": "500", "pricing/publicOnDemandCost": ""},
        ("500", "0", "500", "500", "Purchase", None),
    ),
    "Tax": ({"lineItem/UnblendedCost": "19", **NO_LIST}, ("19", "19", "19", "19", "Tax", None)),
    "Credit": ({"lineItem/UnblendedCost": "-5", **NO_LIST}, ("-5", "-5", "0", "0", "Credit", None)),
    "Refund": ({"lineItem/UnblendedCost": "-6", **NO_LIST}, ("-6", "-6", "-6", "-6", "Credit", None)),
    "EdpDiscount": ({"lineItem/UnblendedCost": "-7", **NO_LIST}, ("-7", "-7", "0", "-7", "Adjustment", None)),
    "SomethingNew": ({}, ("0.096", "0.096", "0.1", "0.096", "Adjustment", None)),
}  # fmt: skip


def report(path: Path, lines: Sequence[Mapping[str, str]] = ({},), *, drop: Sequence[str] = ()) -> Path:
    names = [*LINE, *dict.fromkeys(name for line in lines for name in line if name not in LINE)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [name for name in names if name not in drop], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**LINE, **line} for line in lines)
    return path


def charges(lake: Lake) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = lake.sql('SELECT * FROM charges ORDER BY "x_Row"').to_pylist()
    return rows


def test_the_real_report_adds_up_exactly(lake: Lake, shared: Path) -> None:
    path = shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv"
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert load.billed_cost == exact_sums(path, "lineItem/UnblendedCost", "lineItem/CurrencyCode")
    assert load.effective_cost == load.billed_cost
    assert (load.source, load.kind, load.rows, load.status) == ("aws", "aws-cur", 1281, "new")
    assert (str(load.period_start), str(load.period_end)) == (
        "2023-11-01 00:00:00+00:00",
        "2023-12-01 00:00:00+00:00",
    )
    categories = lake.sql("SELECT ChargeCategory AS c, count(*) AS n FROM charges GROUP BY ALL").to_pylist()
    assert {row["c"]: row["n"] for row in categories} == {"Usage": 1269, "Tax": 12}
    assert ingest(lake, path, loaded_at=NOW)[0].status == "unchanged"


def test_nothing_of_the_real_report_is_lost(lake: Lake, shared: Path) -> None:
    """Every value is in x_Extra or, copied as it was, in a FOCUS column."""
    path = shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv"
    ingest(lake, path, loaded_at=NOW)
    with path.open(newline="", encoding="utf-8") as stream:
        for source, held in zip(csv.DictReader(stream), charges(lake), strict=True):
            extra = dict(held["x_Extra"] or [])  # type: ignore[call-overload]
            texts = {value for value in held.values() if isinstance(value, str)}
            numbers = {value for value in held.values() if isinstance(value, Decimal)}
            times = {
                f"{value:%Y-%m-%dT%H:%M:%S}.000Z" for value in held.values() if hasattr(value, "strftime")
            }
            for name, value in source.items():
                if value and name not in extra:
                    assert value in texts or value in times or Decimal(value) in numbers, name


@pytest.mark.parametrize("kind", CASES)
def test_costs_by_line_item_type(lake: Lake, tmp_path: Path, kind: str) -> None:
    changes, expected = CASES[kind]
    ingest(lake, report(tmp_path / "r.csv", [{"lineItem/LineItemType": kind, **changes}]), loaded_at=NOW)
    (held,) = charges(lake)
    *amounts, category, status = expected
    names = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    assert [held[name] for name in names] == [Decimal(amount) for amount in amounts]
    assert (held["ChargeCategory"], held["CommitmentDiscountStatus"]) == (category, status)
    assert held["ChargeClass"] == ("Correction" if kind == "Refund" else None)


def test_over_a_term_effective_and_billed_are_one(lake: Lake, tmp_path: Path) -> None:
    """A year's reservation paid at once, used in four quarters of its hours, a tenth of it not: two bills."""
    year = [{"lineItem/LineItemType": "Fee", **RESERVATION, "lineItem/UnblendedCost": "1000"}]
    for _ in range(4):
        used = {"lineItem/UnblendedCost": "0", "reservation/EffectiveCost": "225"}
        year.append({"lineItem/LineItemType": "DiscountedUsage", **RESERVATION, **used})
        unused = {
            "lineItem/UnblendedCost": "0",
            "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "25",
        }
        year.append({"lineItem/LineItemType": "RIFee", **RESERVATION, **unused})
    (load,) = ingest(lake, report(tmp_path / "r.csv", year), loaded_at=NOW)
    assert load.billed_cost == load.effective_cost == {"USD": Decimal(1000)}


def test_a_plan_and_its_negation_cancel_in_the_bill(lake: Lake, tmp_path: Path) -> None:
    lines = [
        {
            "lineItem/LineItemType": "SavingsPlanCoveredUsage",
            **PLAN,
            "savingsPlan/SavingsPlanEffectiveCost": "0.07",
        },
        {"lineItem/LineItemType": "SavingsPlanNegation", **PLAN, "lineItem/UnblendedCost": "-0.096"},
    ]
    (load,) = ingest(lake, report(tmp_path / "r.csv", lines), loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal(0)}
    assert load.effective_cost == {"USD": Decimal("0.07")}


def test_net_costs_come_before_gross_ones(lake: Lake, tmp_path: Path) -> None:
    path = report(
        tmp_path / "r.csv", [{"lineItem/NetUnblendedCost": "0.08"}, {"lineItem/NetUnblendedCost": ""}]
    )
    assert ingest(lake, path, loaded_at=NOW)[0].billed_cost == {"USD": Decimal("0.176")}


def test_split_lines_do_not_count_their_parent_again(lake: Lake, tmp_path: Path) -> None:
    lines = [{}, {"splitLineItem/ParentResourceId": "i-1"}, {"splitLineItem/ParentResourceId": "i-1"}]
    (load,) = ingest(lake, report(tmp_path / "r.csv", lines), loaded_at=NOW)
    assert load.billed_cost == load.effective_cost == {"USD": Decimal("0.096")}


def test_resources_services_and_tags(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, report(tmp_path / "r.csv"), loaded_at=NOW)
    (held,) = charges(lake)
    assert json.loads(str(held["Tags"])) == {"Owner": "search", "aws:createdBy": "root"}
    expected = {
        "ServiceProviderName": "AWS", "ServiceName": "AmazonEC2", "ServiceCategory": "Compute",
        "RegionId": "eu-west-1", "ResourceId": "i-1", "ResourceType": "Compute Instance",
        "BillingAccountId": "123456789012", "SubAccountId": "210987654321", "SkuMeter": "BoxUsage:m5.large",
        "PricingCategory": "Standard", "InvoiceIssuerName": "Amazon Web Services, Inc.", "x_Source": "aws",
    }  # fmt: skip
    assert {name: held[name] for name in expected} == expected
    extra = dict(held["x_Extra"])  # type: ignore[call-overload]
    assert extra["identity/LineItemId"] == "line-1"
    assert extra["lineItem/BlendedCost"] == "99"
    assert not any("resourceTags" in name for name in extra)
    assert lake.read("resource_cost")["team"].tolist() == ["search"]


def test_csv_gzip_and_snake_case_parquet_are_one_bill(lake: Lake, tmp_path: Path) -> None:
    path = report(
        tmp_path / "r.csv", [{}, {"lineItem/UnblendedCost": "1E-9"}], drop=["resourceTags/aws:createdBy"]
    )
    first = ingest(lake, path, loaded_at=NOW)[0]
    (tmp_path / "r.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert ingest(lake, tmp_path / "r.gz", loaded_at=NOW)[0].status == "unchanged"
    text = pacsv.ConvertOptions(column_types={name: pa.string() for name in LINE})
    table = pacsv.read_csv(path, convert_options=text)
    pq.write_table(table.rename_columns([snake_case(n) for n in table.column_names]), tmp_path / "r.parquet")
    again = ingest(lake, tmp_path / "r.parquet", loaded_at=NOW)[0]
    assert again.status == "restated"  # x_Extra and tags have the other spelling; the money is the same
    assert (again.billed_cost, again.effective_cost) == (first.billed_cost, first.effective_cost)


def test_columns_may_come_and_go(lake: Lake, tmp_path: Path) -> None:
    optional = [name for name in LINE if name.startswith(("resourceTags/", "product/", "pricing/"))]
    (load,) = ingest(lake, report(tmp_path / "r.csv", drop=optional), loaded_at=NOW)
    (held,) = charges(lake)
    assert load.billed_cost == {"USD": Decimal("0.096")}
    assert (held["Tags"], held["RegionId"], held["ListCost"]) == (None, None, Decimal("0.096"))


def test_a_bad_cost_is_one_fault_not_two(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        ingest(lake, report(tmp_path / "r.csv", [{}, {"lineItem/UnblendedCost": "free"}]), loaded_at=NOW)
    (fault,) = error.value.faults
    assert (fault.row, fault.column, fault.found) == (2, "lineItem/UnblendedCost", "'free'")


# -- the folder AWS writes -------------------------------------------------------------------------


def delivered(folder: Path, assemblies: Mapping[str, str], current: str | None) -> Path:
    """A month's folder: one sub-folder per version and, if `current` is given, the manifest above them."""
    month = folder / "20260501-20260601"
    for number, (assembly, cost) in enumerate(assemblies.items()):
        (month / assembly).mkdir(parents=True)
        report(month / assembly / "cur-1.csv", [{"lineItem/UnblendedCost": cost}] * (number + 1))
        write_manifest(month / assembly, assembly)
    if current:
        write_manifest(month, current)
    return folder


def write_manifest(folder: Path, assembly: str) -> None:
    manifest = {
        "assemblyId": assembly,
        "billingPeriod": {"start": "20260501T000000.000Z", "end": "20260601T000000.000Z"},
        "reportKeys": [f"bucket-prefix/cur/20260501-20260601/{assembly}/cur-1.csv"],
    }
    (folder / "cur-Manifest.json").write_text(json.dumps(manifest))


def test_only_the_manifests_version_counts(lake: Lake, tmp_path: Path) -> None:
    folder = delivered(tmp_path / "d", {"aaa": "1", "bbb": "2", "ccc": "4"}, current="bbb")
    loads = ingest(lake, folder, loaded_at=NOW)
    assert loads[0].billed_cost == {"USD": Decimal(4)}
    assert {s.name for s in loads.skipped if "older version" in s.reason} == {
        "20260501-20260601/aaa/cur-1.csv", "20260501-20260601/ccc/cur-1.csv",
    }  # fmt: skip


def test_one_versions_folder_alone(lake: Lake, tmp_path: Path) -> None:
    folder = delivered(tmp_path / "d", {"aaa": "1", "bbb": "2"}, current="bbb")
    (load,) = ingest(lake, folder / "20260501-20260601/aaa", loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal(1)}


def test_versions_without_a_manifest_above_are_ambiguous(lake: Lake, tmp_path: Path) -> None:
    folder = delivered(tmp_path / "d", {"aaa": "1", "bbb": "2"}, current=None)
    with pytest.raises(InputError, match="2 versions of one month and no manifest above them"):
        ingest(lake, folder, loaded_at=NOW)


def test_a_missing_part_of_the_report_is_named(lake: Lake, tmp_path: Path) -> None:
    folder = delivered(tmp_path / "d", {"aaa": "1"}, current="aaa")
    (folder / "20260501-20260601/aaa/cur-1.csv").unlink()
    with pytest.raises(InputError, match=r"no file for bucket-prefix/cur/20260501-20260601/aaa/cur-1.csv"):
        ingest(lake, folder, loaded_at=NOW)


def test_the_generated_tree_of_two_months(lake: Lake, shared: Path, tmp_path: Path) -> None:
    tree = shared / "billing_samples/synthetic_nise/aws_cur_legacy_with_manifest"
    expected = Decimal(0)
    for file in tree.rglob("*.csv.gz"):
        with gzip.open(file, "rt", newline="") as stream:
            expected += sum(
                (Decimal(row["lineItem/UnblendedCost"]) for row in csv.DictReader(stream)), Decimal(0)
            )
    (load,) = ingest(lake, tree, loaded_at=NOW)
    assert (load.rows, load.billed_cost) == (288 + 192, {"USD": expected})
    assert lake.sql("SELECT DISTINCT x_Month FROM charges ORDER BY 1").column(0).to_pylist() == [
        "2026-09",
        "2026-10",
    ]
    shutil.make_archive(str(tmp_path / "tree"), "gztar", tree)
    assert ingest(lake, tmp_path / "tree.tar.gz", loaded_at=NOW)[0].status == "unchanged"
