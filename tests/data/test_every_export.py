"""Every export of the samples loads, and what the lake holds is what its provider invoiced."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from data.billing.reconcile import reconcile
from data.formats import snake_case
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, exact_sums

# file below billing_samples -> kind, rows, and the provider's invoice column with its currency column
EXPORTS: dict[str, tuple[str, int, str, str | None]] = {
    "aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv": (
        "aws-cur", 1281, "lineItem/UnblendedCost", "lineItem/CurrencyCode"),
    "azure/azure_ea_actual_2023-09_converters.csv": (
        "azure-cost", 27, "CostInBillingCurrency", "BillingCurrencyCode"),
    "azure/azure_ea_actual_small.csv": ("azure-cost", 11, "Cost", "BillingCurrency"),
    "azure/azure_headers_enterprise.csv": ("azure-cost", 1, "CostInBillingCurrency", "BillingCurrencyCode"),
    "azure/azure_headers_payasyougo.csv": ("azure-cost", 1, "PreTaxCost", "Currency"),
    "synthetic_nise/azure_costreport_1.csv": ("azure-cost", 15, "CostInBillingCurrency", "BillingCurrency"),
    "synthetic_nise/azure_costreport_2.csv": ("azure-cost", 15, "CostInBillingCurrency", "BillingCurrency"),
    "oci/oci_cost_report_legacy_2023-11.csv": ("oci-cost", 506, "cost/myCost", "cost/currencyCode"),
    "focus/focus_synth_aws_1_2_cost_and_usage_rows100_seed42.csv": (
        "focus-1.2", 100, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_aws_1_3_500rows.csv": ("focus-1.3", 500, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_aws_1_3_cost_and_usage_rows25_seed7_credits.csv": (
        "focus-1.3", 25, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_azure_1_2_cost_and_usage_rows100_seed42.csv": (
        "focus-1.2", 100, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_azure_1_3_500rows.csv": ("focus-1.3", 500, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_gcp_1_2_cost_and_usage_rows100_seed42.csv": (
        "focus-1.2", 100, "BilledCost", "BillingCurrency"),
    "focus/focus_synth_gcp_1_3_500rows.csv": ("focus-1.3", 500, "BilledCost", "BillingCurrency"),
}  # fmt: skip
NANO = Decimal("1e-9")


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_its_invoice(lake: Lake, shared: Path, name: str) -> None:
    path = shared / "billing_samples" / name
    kind, rows, cost, currency = EXPORTS[name]
    loads = ingest(lake, path, loaded_at=NOW)
    assert (sum(load.rows for load in loads), {load.kind for load in loads}) == (rows, {kind})
    assert currency is not None
    for code, amount in exact_sums(path, cost, currency).items():
        assert abs(sum(load.billed_cost.get(code, Decimal(0)) for load in loads) - amount) <= NANO
    checks = {check.name: check for check in reconcile(lake)}
    assert checks["invoice"].checked >= 1
    for rule in ("invoice", "kept", "one export", "amortisation"):
        assert checks[rule].holds, checks[rule].misses.to_pylist()


def test_everything_at_once_reconciles(lake: Lake, shared: Path) -> None:
    folder = shared / "billing_samples"
    for part in ("aws_cur_legacy", "oci", "synthetic_nise", "focus"):
        ingest(lake, folder / part, loaded_at=NOW)
    checks = {check.name: check for check in reconcile(lake)}
    assert checks["invoice"].checked > 10
    for rule in ("invoice", "kept", "one export"):
        assert checks[rule].holds, checks[rule].misses.to_pylist()
    assert {load.status for load in ingest(lake, folder / "synthetic_nise", loaded_at=NOW)} == {"unchanged"}


def test_a_cost_that_does_not_reconcile_is_shown(lake: Lake, shared: Path) -> None:
    ingest(lake, shared / "billing_samples/oci/oci_cost_report_legacy_2023-11.csv", loaded_at=NOW)
    lake.sql("UPDATE loads SET billed_cost = billed_cost + 0.00001")
    lake.sql('UPDATE charges SET "ListCost" = 0.5 * "EffectiveCost"')
    checks = {check.name: check for check in reconcile(lake)}
    assert [row["account"][:12] for row in checks["invoice"].misses.to_pylist()] == ["ocid1.tenanc"]
    assert not checks["kept"].holds
    assert not checks["savings"].holds


# -- CUR 2.0, made from the real legacy report by the documented renames and nesting -----------------

MAPS = {"product": "product/", "resource_tags": "resourceTags/"}
STAYS = {"product_instance_type", "product_region_code", "product_product_family", "product_sku"}


def as_cur_2(legacy: Path, target: Path) -> Path:
    """The legacy report as CUR 2.0 in Parquet: snake case, product attributes in a map, account names."""
    names = pacsv.open_csv(legacy).schema.names
    text = pacsv.read_csv(
        legacy,
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    columns: dict[str, pa.Array] = {}
    inside: dict[str, list[str]] = {name: [] for name in MAPS}
    for name in names:
        home = next((m for m, prefix in MAPS.items() if name.startswith(prefix)), None)
        if home is not None and snake_case(name) not in STAYS:
            inside[home].append(name)
        else:
            columns[snake_case(name)] = text.column(name).combine_chunks()
    for home, prefix in MAPS.items():
        rows = [
            [(snake_case(name.removeprefix(prefix)), row[name]) for name in inside[home] if row[name]]
            for row in text.select(inside[home]).to_pylist()
        ] or [[]] * text.num_rows
        columns[home] = pa.array(rows, pa.map_(pa.string(), pa.string()))
    columns["bill_payer_account_name"] = pa.array(["Payer"] * text.num_rows)
    pq.write_table(pa.table(columns), target)
    return target


def test_cur_2_gives_the_charges_of_the_legacy_report(lake: Lake, shared: Path, tmp_path: Path) -> None:
    legacy = shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv"
    (old,) = ingest(lake, legacy, loaded_at=NOW)
    columns = (
        "BilledCost, EffectiveCost, ListCost, ContractedCost, PricingQuantity, ServiceName, ServiceCategory, "
        "RegionId, ResourceType, SkuId, SkuMeter, SkuPriceDetails, SubAccountId, ChargeCategory, "
        "ChargePeriodStart"
    )
    query = f'SELECT {columns} FROM charges ORDER BY "x_Row"'
    with Lake.open(tmp_path / "second") as second:
        (new,) = ingest(second, as_cur_2(legacy, tmp_path / "cur.parquet"), loaded_at=NOW)
        assert (new.kind, new.rows, new.billed_cost) == ("aws-cur-2", old.rows, old.billed_cost)
        assert second.sql(query).to_pylist() == lake.sql(query).to_pylist()
        row = second.sql("SELECT DISTINCT BillingAccountName AS n FROM charges").to_pylist()
        assert row == [{"n": "Payer"}]
