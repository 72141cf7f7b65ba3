"""FOCUS columns that exports imply: classes of services, names of regions, kinds of accounts, prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from data.billing import aws_services, azure_services, google_services, oci
from data.billing.services import CATEGORY_OF, Services, category_sql, subcategory_sql
from data.ingest import ingest
from data.lake import Lake
from tests.data import test_billing_azure as azure
from tests.data import test_billing_cur as cur
from tests.data import test_billing_google as google
from tests.data.bills import NOW, focus_csv


def only(lake: Lake, path: Path, **expected: object) -> None:
    """Load a bill of one charge and look at some of its columns."""
    ingest(lake, path, loaded_at=NOW)
    (row,) = lake.sql("SELECT * FROM charges").to_pylist()
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("services", [aws_services.SERVICES, azure_services.SERVICES,
                                      google_services.SERVICES, oci.SERVICES])  # fmt: skip
def test_a_service_has_one_subcategory_that_focus_knows(services: Services) -> None:
    assert set(services) <= set(CATEGORY_OF)
    assert [name for name, times in Counter(n for names in services.values() for n in names).items()
            if times > 1] == []  # fmt: skip


@pytest.mark.parametrize(
    ("code", "category", "subcategory"),
    [
        ("'AmazonEC2'", "Compute", "Virtual Machines"),
        ("'AWSBatch'", "Compute", "Other (Compute)"),
        ("'AmazonS3'", "Storage", "Object Storage"),
        ("'NewService'", "Other", "Other (Other)"),
        ("NULL", "Other", "Other (Other)"),
    ],
)
def test_classes_of_a_service(lake: Lake, code: str, category: str, subcategory: str) -> None:
    services = aws_services.SERVICES
    row = lake.sql(f"SELECT {category_sql(code, services)} AS c, {subcategory_sql(code, services)} AS s")
    assert row.to_pylist() == [{"c": category, "s": subcategory}]


# -- AWS -------------------------------------------------------------------------------------------


def test_a_price_of_aws_is_of_one_sku(lake: Lake, tmp_path: Path) -> None:
    """A rate id is shared by SKUs, the code that begins with the SKU is not."""
    price = {"product/sku": "ABC", "pricing/RateId": "4711", "pricing/RateCode": "ABC.J.6"}
    only(lake, cur.report(tmp_path / "r.csv", [price]), SkuId="ABC", SkuPriceId="ABC.J.6",
         RegionName="EU (Ireland)", ServiceSubcategory="Virtual Machines",
         BillingAccountType="Payer Account", SubAccountType="Linked Account")  # fmt: skip


def test_a_payers_own_usage_and_a_charge_without_resource(lake: Lake, tmp_path: Path) -> None:
    own = {"lineItem/UsageAccountId": "123456789012", "lineItem/ResourceId": "", "pricing/RateId": "4711",
           "product/location": "EU (Ireland)", "product/locationType": "AWS Region"}  # fmt: skip
    only(lake, cur.report(tmp_path / "r.csv", [own]), SubAccountType="Payer Account", ResourceType=None,
         SkuPriceId="4711", RegionName="EU (Ireland)")  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "beside", "expected"),
    [
        ("SavingsPlanCoveredUsage", {}, ("0.07", "USD")),
        ("SavingsPlanRecurringFee", {}, ("2", "USD")),
        ("SavingsPlanUpfrontFee", {}, ("100", "USD")),
        ("SavingsPlanNegation", {}, (None, None)),
        ("DiscountedUsage", {}, ("1", "Hours")),
        ("DiscountedUsage", {"lineItem/NormalizedUsageAmount": "4"}, ("4", "Normalized Hours")),
        ("RIFee", {"reservation/TotalReservedUnits": "744"}, ("744", "Hours")),
        ("Usage", {"lineItem/NormalizedUsageAmount": "4"}, (None, None)),
    ],
)
def test_what_a_line_takes_of_its_commitment(
    lake: Lake, tmp_path: Path, kind: str, beside: Mapping[str, str], expected: tuple[str | None, str | None]
) -> None:
    line = {"lineItem/LineItemType": kind, **cur.CASES[kind][0], **beside}
    ingest(lake, cur.report(tmp_path / "r.csv", [line]), loaded_at=NOW)
    (row,) = lake.sql(
        "SELECT CommitmentDiscountQuantity AS q, CommitmentDiscountUnit AS u FROM charges"
    ).to_pylist()
    quantity, unit = expected
    assert row == {"q": quantity and Decimal(quantity), "u": unit}


# -- Azure -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d",
         "Microsoft.Compute/disks"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/x/databases/y",
         "Microsoft.Sql/servers/databases"),
        ("/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/V",
         "MICROSOFT.KEYVAULT/VAULTS"),
        ("/providers/Microsoft.Capacity/reservationOrders/o/reservations/",
         "Microsoft.Capacity/reservationOrders/reservations"),
        ("/subscriptions/s/resourceGroups/g", None),
    ],
)  # fmt: skip
def test_the_kind_of_an_azure_resource(lake: Lake, tmp_path: Path, resource: str, kind: str | None) -> None:
    only(lake, azure.cost_file(tmp_path / "a.csv", [{"ResourceId": resource}]), ResourceType=kind)


def test_what_a_pay_as_you_go_export_leaves_to_be_said(lake: Lake, tmp_path: Path) -> None:
    absent = dict.fromkeys(
        ("BillingAccountId", "BillingAccountName", "UnitPrice", "PayGPrice", "Frequency"), ""
    )
    ingest(lake, azure.cost_file(tmp_path / "a.csv", [absent]), loaded_at=NOW)
    (row,) = lake.sql("SELECT *, ContractedUnitPrice::DOUBLE AS price FROM charges").to_pylist()
    assert (row["price"], row["ListUnitPrice"], row["ChargeFrequency"]) == (0.1, None, "Usage-Based")
    assert (row["BillingAccountType"], row["SubAccountType"]) == ("Subscription", "Subscription")
    assert (row["ChargeDescription"], row["SkuPriceId"]) == ("Virtual Machines - D2 v5", "m-1")


def test_a_covered_price_is_not_the_contracted_one(lake: Lake, tmp_path: Path) -> None:
    only(lake, azure.cost_file(tmp_path / "a.csv", [{**azure.SPREAD, "UnitPrice": ""}]),
         ContractedUnitPrice=None)  # fmt: skip


def test_a_purchase_has_a_price_like_any_other(lake: Lake, tmp_path: Path) -> None:
    only(lake, azure.cost_file(tmp_path / "a.csv", [azure.PURCHASE]), PricingCategory="Standard")


# -- Google, Oracle, FOCUS -------------------------------------------------------------------------


def test_a_google_resource_says_what_it_is(lake: Lake, tmp_path: Path) -> None:
    name = "//compute.googleapis.com/projects/1/zones/us-east4-a/instances/2"
    path = tmp_path / "g.csv"
    path.write_text(
        ",".join([*google.ROW, "resource.global_name"]) + "\n"
        + ",".join([*google.ROW.values(), name]) + "\n", encoding="utf-8",
    )  # fmt: skip
    only(lake, path, ResourceType="instances", RegionName="Northern Virginia", SkuPriceId="S1",
         SubAccountType="Project", ServiceSubcategory="Virtual Machines")  # fmt: skip


def test_an_oracle_id_says_what_it_names(lake: Lake, shared: Path) -> None:
    ingest(lake, shared / "billing_samples/oci/oci_cost_report_legacy_2023-11.csv", loaded_at=NOW)
    rows = lake.sql("SELECT DISTINCT ResourceId AS id, ResourceType AS kind, RegionName AS r FROM charges")
    kinds = {row["id"].split(".")[1]: row["kind"] for row in rows.to_pylist() if row["id"][:5] == "ocid1"}
    assert {"instance", "bootvolume", "vnic"} <= set(kinds)
    assert all(name == kind for name, kind in kinds.items())
    assert {row["kind"] for row in rows.to_pylist() if row["id"][:5] != "ocid1"} == {None}
    assert {row["r"] for row in rows.to_pylist()} == {"US West (San Jose)"}


def test_azure_has_later_columns_under_its_own_names(lake: Lake, tmp_path: Path) -> None:
    own = {"x_SkuMeterName": "D2 v5", "x_InvoiceId": "I-1", "x_PricingCurrency": "EUR"}
    only(lake, focus_csv(tmp_path / "f.csv", [own]), SkuMeter="D2 v5", InvoiceId="I-1",
         PricingCurrency="EUR")  # fmt: skip


def test_a_column_of_focus_comes_before_azures_own(lake: Lake, tmp_path: Path) -> None:
    both = {"x_SkuMeterName": "other", "SkuMeter": "D2 v5"}
    ingest(lake, focus_csv(tmp_path / "f.csv", [both]), loaded_at=NOW)
    (row,) = lake.sql("SELECT SkuMeter AS m, x_Extra['x_SkuMeterName'] AS x FROM charges").to_pylist()
    assert row == {"m": "D2 v5", "x": "other"}


@pytest.mark.parametrize(
    ("unit", "spelled"),
    [
        ("Hrs", "Hours"), ("LCU-Hrs", "LCU-Hours"), ("GB-Mo", "GB-Months"), ("Obj-Month", "Obj-Months"),
        ("Lambda-GB-Second", "Lambda GB-Seconds"), ("Requests", "Requests"), ("API Request", "API Request"),
        ("10K", "10000 Units"), ("1M/Month", "1000000 Units/Month"), ("1K tokens", "1000 tokens"),
        ("1/Month", "Units/Month"), ("1 GB/Month", "GB/Month"), ("100 Hours", "100 Hours"), ("1 ", "1 Units"),
        ("10 GB/Month", "10 GB/Month"), ("10 MB", "10 MB"), ("gibibyte month", "GiB-Months"),
        ("byte-seconds", "B-Seconds"), ("hour", "Hours"), ("count", "count"),
        ("OCPU Hours", "OCPU-Hours"), ("Instance per hour", "Instance per hour"), (None, None),
    ],
)  # fmt: skip
def test_units_as_focus_spells_them(lake: Lake, unit: str | None, spelled: str | None) -> None:
    assert lake.sql("SELECT focus_unit($unit) AS u", unit=unit).to_pylist() == [{"u": spelled}]
