from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.billing import cur, focus
from data.billing.columns import COST_AND_USAGE
from data.errors import InputError
from data.formats import RawFile, snake_case
from data.recognise import FORMATS, NotRecognised, open_file, recognise

FOCUS_1_0 = [
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory",
    "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
]  # fmt: skip
FOCUS_1_1 = [
    *FOCUS_1_0,
    "CapacityReservationId",
    "CommitmentDiscountQuantity",
    "SkuMeter",
    "ServiceSubcategory",
]
FOCUS_1_2 = [*FOCUS_1_1, "InvoiceId", "BillingAccountType", "SubAccountType", "PricingCurrency"]
FOCUS_1_3 = [*FOCUS_1_2, "ServiceProviderName", "HostProviderName", "ContractApplied", "AllocatedTags"]
FOCUS_1_4 = [column.name for column in COST_AND_USAGE]


def table(*columns: str) -> RawFile:
    return RawFile(Path("x.csv"), "x.csv", "csv", columns)


@pytest.mark.parametrize(
    ("columns", "version"),
    [(FOCUS_1_0, "1.0"), (FOCUS_1_1, "1.1"), (FOCUS_1_2, "1.2"), (FOCUS_1_3, "1.3"), (FOCUS_1_4, "1.4")],
)
def test_the_version_of_focus_shows_in_its_columns(columns: list[str], version: str) -> None:
    assert focus.version(columns) == version
    assert recognise(table(*columns)).name == "focus"
    assert recognise(table(*[name.lower() for name in reversed(columns)])).name == "focus"
    assert focus.cost_and_usage(columns).kind == f"focus-{version}"


def test_a_1_4_export_without_the_new_optional_columns_is_1_4() -> None:
    names = [n for n in FOCUS_1_4 if n not in ("CommitmentProgramEligibilityDetails", "InvoiceDetailId")]
    assert focus.version(names) == "1.4"


@pytest.mark.parametrize(
    ("slash", "snake"),
    [
        ("lineItem/UnblendedCost", "line_item_unblended_cost"),
        ("bill/PayerAccountId", "bill_payer_account_id"),
        ("savingsPlan/SavingsPlanEffectiveCost", "savings_plan_savings_plan_effective_cost"),
        ("savingsPlan/SavingsPlanARN", "savings_plan_savings_plan_a_r_n"),
        ("pricing/publicOnDemandCost", "pricing_public_on_demand_cost"),
        ("reservation/UnusedRecurringFee", "reservation_unused_recurring_fee"),
        ("resourceTags/user:Owner", "resource_tags_user_owner"),
        ("line_item_unblended_cost", "line_item_unblended_cost"),
    ],
)  # fmt: skip
def test_both_spellings_of_the_usage_report_are_one(slash: str, snake: str) -> None:
    assert snake_case(slash) == snake


def test_tags_keep_their_names() -> None:
    columns = [
        "resourceTags/user:Owner",
        "resourceTags/aws:createdBy",
        "resource_tags_user_team",
        "resource_tags_aws_x",
    ]
    assert [cur.tag_name(name) for name in columns] == ["Owner", "aws:createdBy", "team", "aws:x"]
    assert cur.tag_name("lineItem/UsageType") is None


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (["ts", "workload", "requests", "tokens_in", "tokens_out"], "demand"),
        (["series_id", "offset_s", "requests", "mean_input_tokens", "is_gap"], "demand-trace"),
        (["series_id", "ts_utc", "requests"], "demand-trace"),
        (["series_id", "ts_utc", "input_tokens", "output_tokens"], "request-log"),
        (["series_id", "group", "ts_utc", "value", "in_anomaly_window"], "utilisation-wide"),
        (["vm_id", "ts_utc", "interval_ms", "cpu_usage_mhz"], "utilisation-wide"),
        (["vc", "ts_local", "running_gpu_num"], "utilisation-wide"),
        (["resource_id", "metric", "ts", "value", "unit"], "utilisation"),
        (["ts", "workload", "option_id", "event"], "events"),
        (["ts", "pool", "capacity"], "spot-capacity"),
        (["cloud", "region", "instance_type", "purchase_option", "usd_per_hour"], "offers"),
        (["cloud", "instance_type", "vcpu", "memory_gib"], "instance-types"),
        (["cloud", "region", "country", "lat", "lon"], "regions"),
        (["model", "accelerator", "prefill_tps", "decode_tps"], "profiles"),
        (["model", "instance_type", "rps", "latency_ms"], "profiles"),
    ],
)
def test_usage_and_offers_by_their_columns(columns: list[str], name: str) -> None:
    assert recognise(table(*columns)).name == name


def test_an_unknown_table_is_told_what_is_nearest() -> None:
    with pytest.raises(NotRecognised) as error:
        recognise(table("ts", "workload", "hits"))
    line = str(error.value)
    assert "found columns ts, workload, hits" in line
    assert "the nearest is" in line
    assert "lacks" in line
    assert all(known.name in line for known in FORMATS if "csv" in known.containers)


def test_a_focus_file_that_lacks_one_column_is_told_which() -> None:
    with pytest.raises(NotRecognised, match="the nearest is focus, which lacks billingcurrency"):
        recognise(table(*[name for name in FOCUS_1_2 if name != "BillingCurrency"]))


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="found an empty file; expected a header and rows"):
        open_file(tmp_path / "x", "x")


def test_headers_with_marks_quotes_and_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes('\ufeff"ts";"the\nname"; c \r\n1;2;3\r\n'.encode())
    file = open_file(path, "x")
    assert (file.container, file.delimiter, file.columns) == ("csv", ";", ("ts", "the\nname", "c"))


def test_a_picture_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xff")
    with pytest.raises(NotRecognised, match="not UTF-8"):
        open_file(tmp_path / "x", "x")


def test_a_cut_parquet_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    for size in (4, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x").write_bytes(whole[:size])
        with pytest.raises(InputError, match="a damaged Parquet file"):
            open_file(tmp_path / "x", "x")


def test_json_is_known_by_its_keys(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps({"as_of": "2026-05-01T00:00:00Z", "fleet": []}))
    assert recognise(open_file(tmp_path / "x", "x")).name == "state"
    (tmp_path / "x").write_text('{"as_of": ')
    with pytest.raises(NotRecognised, match="damaged JSON"):
        open_file(tmp_path / "x", "x")


def test_every_real_bill_is_recognised(shared: Path) -> None:
    found = {}
    for path in sorted((shared / "billing_samples/focus").glob("*.csv")):
        try:
            file = open_file(path, path.name)
            known = recognise(file)
        except NotRecognised:
            found[path.name] = "unknown"
        else:
            found[path.name] = (
                focus.cost_and_usage(file.columns).kind if known.name == "focus" else known.name
            )
    for name, kind in found.items():
        if "contract_commitment" in name:
            assert kind == "focus-contract-commitment", name
        elif "correction_set" in name:
            assert kind == "unknown", name
        else:
            assert kind == ("focus-1.2" if "_1_2_" in name else "focus-1.3"), name
    assert len(found) == 12
