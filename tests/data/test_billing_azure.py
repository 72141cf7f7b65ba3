"""Azure cost details: every header and unit, and the two exports of one month together."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from data.billing.azure_columns import block_size_sql, canonical, region_sql
from data.ingest import ingest
from data.lake import Lake, quoted
from tests.data.bills import NOW, exact_sums

ROW: dict[str, str] = {
    "BillingAccountId": "8611537", "BillingAccountName": "Contoso", "SubscriptionId": "sub-1",
    "SubscriptionName": "shop", "BillingPeriodStartDate": "09/01/2026", "BillingPeriodEndDate": "09/30/2026",
    "Date": "09/04/2026", "MeterCategory": "Virtual Machines", "MeterName": "D2 v5", "MeterId": "m-1",
    "ConsumedService": "Microsoft.Compute", "UnitOfMeasure": "1 Hour", "Quantity": "24",
    "EffectivePrice": "0.1", "CostInBillingCurrency": "2.4", "UnitPrice": "0.1", "PayGPrice": "0.12",
    "BillingCurrencyCode": "USD", "ResourceLocation": "US East",
    "ResourceId": "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm1",
    "ChargeType": "Usage", "Frequency": "UsageBased", "PricingModel": "OnDemand", "Tags": '"team": "search"',
    "AdditionalInfo": '{"ServiceType":"Standard_D2_v5"}', "benefitId": "", "benefitName": "",
    "billingProfileId": "", "billingProfileName": "",
    "PublisherType": "Azure",
}  # fmt: skip
MAPPINGS = "billing_samples/mappings"
RESERVED = {"PricingModel": "Reservation", "benefitId": "ri-1", "benefitName": "D2 1y"}
PURCHASE = {
    **RESERVED,
    "ChargeType": "Purchase",
    "Frequency": "OneTime",
    "CostInBillingCurrency": "50",
    "Quantity": "1",
}
COVERED = {**RESERVED, "CostInBillingCurrency": "0"}
SPREAD = {**RESERVED, "CostInBillingCurrency": "1.5"}
UNUSED = {**RESERVED, "ChargeType": "UnusedReservation", "CostInBillingCurrency": "0.3"}


def cost_file(
    path: Path, rows: Sequence[Mapping[str, str]], names: Mapping[str, str] | None = None, mark: str = ""
) -> Path:
    """An export of ROW with the changes of each row; `names` renames headers."""
    full = [{**ROW, **row} for row in rows]
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(mark)
        writer = csv.writer(stream)
        writer.writerow([(names or {}).get(name, name) for name in full[0]])
        writer.writerows(row.values() for row in full)
    return path


def charges(lake: Lake) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = lake.sql(
        'SELECT * FROM charges ORDER BY "x_Dataset", "x_Row"'
    ).to_pylist()
    return rows


def totals(lake: Lake) -> tuple[Decimal, Decimal]:
    """BilledCost and EffectiveCost of everything."""
    row = lake.sql("SELECT sum(BilledCost) AS b, sum(EffectiveCost) AS e FROM charges").to_pylist()[0]
    return row["b"], row["e"]


@pytest.mark.parametrize(
    ("last_days", "expected"),
    [
        ((30, 30), (360, "")),
        ((15, 30), (360, "purchases after that are missing")),
        ((30, 15), (330, "what commitments cover costs nothing after that")),
    ],
)
@pytest.mark.parametrize("order", ["actual amortized", "amortized actual", "both"])
def test_where_one_of_the_two_ends_earlier_the_rest_is_the_others(
    order: str, last_days: tuple[int, int], expected: tuple[int, str], empty_lake: Path, tmp_path: Path
) -> None:
    """Ten a day on demand, two a day of a reservation."""
    effective, said = expected
    folder = tmp_path / "both"
    folder.mkdir()
    for name, last, covered in zip(("actual", "amortized"), last_days, ("0", "2"), strict=True):
        days = [{"Date": f"09/{day:02}/2026"} for day in range(1, last + 1)]
        plain = [{**day, "CostInBillingCurrency": "10"} for day in days]
        reserved = [{**RESERVED, **day, "CostInBillingCurrency": covered} for day in days]
        cost_file(folder / f"{name}.csv", [*plain, *reserved])
    shutil.copytree(empty_lake, tmp_path / "lake")
    with Lake.open(tmp_path / "lake") as lake:
        notes: list[str] = []
        for name in order.split():
            path = folder if name == "both" else folder / f"{name}.csv"
            notes += [note for load in ingest(lake, path, loaded_at=NOW) for note in load.notes]
        assert totals(lake)[1] == effective
    assert [said in note for note in notes if "export both again" in note] == ([True] if said else [])


SAMPLES = {
    "azure_ea_actual_2023-09_converters.csv": ("CostInBillingCurrency", "BillingCurrencyCode"),
    "azure_ea_actual_small.csv": ("Cost", "BillingCurrency"),
    "azure_headers_enterprise.csv": ("CostInBillingCurrency", "BillingCurrencyCode"),
    "azure_headers_payasyougo.csv": ("PreTaxCost", "Currency"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_actual_exports_are_the_invoice(lake: Lake, shared: Path, name: str) -> None:
    path = shared / "billing_samples/azure" / name
    cost, currency = SAMPLES[name]
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert (load.source, load.kind) == ("azure", "azure-cost")
    assert load.billed_cost == exact_sums(path, cost, currency)
    assert {row["x_Dataset"] for row in charges(lake)} == {"actual"}


def test_an_amortized_export_spreads_the_invoice(lake: Lake, shared: Path) -> None:
    path = shared / "billing_samples/azure/azure_ea_amortized_small.csv"
    (load,) = ingest(lake, path, loaded_at=NOW)
    (given,) = exact_sums(path, "Cost", "BillingCurrency").values()
    assert abs(load.effective_cost["USD"] - given) < Decimal("1e-17")  # three costs have 28 decimals
    covered = Decimal("0.493152") + Decimal("0.006000000468")  # its reservation row and its savings plan row
    assert abs(given - load.billed_cost["USD"] - covered) < Decimal("1e-17")
    used = [row for row in charges(lake) if row["CommitmentDiscountStatus"] == "Used"]
    assert {row["CommitmentDiscountCategory"] for row in used} == {"Usage", "Spend"}
    assert {row["PricingCategory"] for row in used} == {"Committed"}


def test_the_reduced_template_has_no_currency_and_says_so(lake: Lake, shared: Path) -> None:
    path = shared / "billing_samples/azure/azure_amortized_template.csv"
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert load.rows == 87
    assert list(load.billed_cost) == ["XXX"]


@pytest.mark.parametrize("order", [("actual", "amortized"), ("amortized", "actual"), ("both",)])
def test_actual_and_amortized_complete_each_other(lake: Lake, tmp_path: Path, order: tuple[str, ...]) -> None:
    (tmp_path / "both").mkdir()
    files = {
        "actual": cost_file(tmp_path / "both/a.csv", [{}, PURCHASE, COVERED]),
        "amortized": cost_file(tmp_path / "both/b.csv", [{}, SPREAD, UNUSED]),
        "both": tmp_path / "both",
    }
    for name in order:
        assert {load.status for load in ingest(lake, files[name], loaded_at=NOW)} == {"new"}
    assert totals(lake) == (Decimal("52.4"), Decimal("4.2"))
    held = [
        (row["x_Dataset"], row["ChargeCategory"], row["CommitmentDiscountStatus"]) for row in charges(lake)
    ]
    assert held == [
        ("actual", "Usage", None), ("actual", "Purchase", None),
        ("amortized", "Usage", "Used"), ("amortized", "Usage", "Unused"),
    ]  # fmt: skip
    for name in ("actual", "amortized", "both"):
        assert {load.status for load in ingest(lake, files[name], loaded_at=NOW)} == {"unchanged"}, name
    assert totals(lake) == (Decimal("52.4"), Decimal("4.2"))


def test_a_restated_actual_export_keeps_what_the_amortized_one_gave(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, cost_file(tmp_path / "a.csv", [{}, PURCHASE, COVERED]), loaded_at=NOW)
    ingest(lake, cost_file(tmp_path / "b.csv", [{}, SPREAD, UNUSED]), loaded_at=NOW)
    (load,) = ingest(
        lake,
        cost_file(tmp_path / "a.csv", [{"CostInBillingCurrency": "3"}, PURCHASE, COVERED]),
        loaded_at=NOW,
    )
    assert load.status == "restated"
    assert totals(lake) == (Decimal("53"), Decimal("4.8"))


def test_dimensions(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, cost_file(tmp_path / "a.csv", [{}]), loaded_at=NOW)
    (row,) = charges(lake)
    assert (row["ListCost"], row["ContractedCost"], row["ListUnitPrice"]) == (
        Decimal("2.88"), Decimal("2.4"), Decimal("0.12"),
    )  # fmt: skip
    assert str(row["BillingPeriodStart"]), str(row["BillingPeriodEnd"]) == ("2026-09-01", "2026-10-01")
    assert str(row["BillingPeriodEnd"]) == "2026-10-01 00:00:00+00:00"
    assert (str(row["ChargePeriodStart"]), str(row["ChargePeriodEnd"])) == (
        "2026-09-04 00:00:00+00:00", "2026-09-05 00:00:00+00:00",
    )  # fmt: skip
    assert (row["RegionId"], row["ServiceCategory"], row["ResourceName"]) == ("eastus", "Compute", "vm1")
    assert row["ResourceType"] == "Microsoft.Compute/virtualMachines"
    assert json.loads(str(row["Tags"])) == {"team": "search"}
    assert json.loads(str(row["SkuPriceDetails"])) == {"InstanceType": "Standard_D2_v5"}


def test_tags_that_are_no_json_are_kept_aside(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, cost_file(tmp_path / "a.csv", [{"Tags": "team: search"}]), loaded_at=NOW)
    (row,) = charges(lake)
    assert row["Tags"] is None
    assert dict(row["x_Extra"])["Tags"] == "team: search"  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "date", ["2026-09-04", "9/4/2026", "09/04/2026", "2026-09-04T00:00:00Z", "09/04/2026 00:00:00"]
)
def test_dates_of_every_style(lake: Lake, tmp_path: Path, date: str) -> None:
    ingest(lake, cost_file(tmp_path / "a.csv", [{"Date": date}]), loaded_at=NOW)
    assert str(charges(lake)[0]["ChargePeriodStart"]) == "2026-09-04 00:00:00+00:00"


def camel(name: str) -> str:
    return name[0].lower() + name[1:]


@pytest.mark.parametrize(
    "names",
    [
        {name: camel(name) for name in ROW},
        {name: name.lower() for name in ROW},
        {"CostInBillingCurrency": "Kosten in Abrechnungswährung (CostInBillingCurrency)",
         "Date": "Datum (Date)", "MeterCategory": "Kategorie der Verbrauchseinheit (MeterCategory)",
         "SubscriptionId": "Abonnement (SubscriptionId)"},
        {"CostInBillingCurrency": "PreTaxCost", "Date": "UsageDateTime", "SubscriptionId": "SubscriptionGuid",
         "Quantity": "UsageQuantity", "ResourceId": "InstanceId", "BillingCurrencyCode": "Currency"},
    ],
)  # fmt: skip
def test_headers_of_every_style_and_a_mark_are_one_bill(
    lake: Lake, tmp_path: Path, names: dict[str, str]
) -> None:
    assert ingest(lake, cost_file(tmp_path / "a.csv", [{}, COVERED]), loaded_at=NOW)[0].status == "new"
    other = cost_file(tmp_path / "b.csv", [{}, COVERED], names, mark="\ufeff")
    ingest(lake, other, loaded_at=NOW)
    assert [row["BilledCost"] for row in charges(lake)] == [Decimal("2.4"), Decimal(0)]
    assert {row["RegionId"] for row in charges(lake)} == {"eastus"}


def test_block_sizes_are_those_of_the_published_list(lake: Lake, shared: Path) -> None:
    with (shared / MAPPINGS / "azure_PricingUnits.csv").open(encoding="utf-8-sig", newline="") as stream:
        listed = {row["UnitOfMeasure"]: Decimal(row["PricingBlockSize"]) for row in csv.DictReader(stream)}
    values = ", ".join(f"({quoted(unit)})" for unit in listed)
    rows = lake.sql(f"SELECT u, {block_size_sql('u')} AS size FROM (VALUES {values}) AS t(u)").to_pylist()
    wrong = {row["u"]: (row["size"], listed[row["u"]]) for row in rows if row["size"] != listed[row["u"]]}
    assert wrong == {"10000s": (10_000, 1)}  # the list takes it for seconds of a transaction; it is a block


def test_region_names_are_those_of_the_published_list(lake: Lake, shared: Path) -> None:
    with (shared / MAPPINGS / "azure_Regions.csv").open(encoding="utf-8-sig", newline="") as stream:
        listed = {row["OriginalValue"]: row["RegionId"] for row in csv.DictReader(stream)}
    values = ", ".join(f"({quoted(name)})" for name in listed)
    rows = lake.sql(f"SELECT n, {region_sql('n')} AS id FROM (VALUES {values}) AS t(n)").to_pylist()
    # The list also has airport codes and old abbreviations; bills have ids, or country and direction.
    spelled = [
        row for row in rows if re.fullmatch(r"[a-z]{2} (north|south|east|west|central)+( [0-9])?", row["n"])
    ]
    wrong = {row["n"]: (row["id"], listed[row["n"]]) for row in spelled if row["id"] != listed[row["n"]]}
    assert len(spelled) > 50
    assert set(wrong) <= {"sa east", "in south central"}, wrong
    ids = set(listed.values())
    moved = {row["n"] for row in rows if row["n"] in ids and row["id"] != row["n"]}
    assert moved == {"ussouthcentral"}  # an id of the list alone; Azure's is southcentralus


def test_a_bracket_names_the_column() -> None:
    assert canonical("Kosten in USD (CostInUsd)") == "costinusd"
    assert canonical("costInBillingCurrency") == canonical("PreTaxCost") == canonical("Cost") == "cost"
    assert re.fullmatch(r"[a-z]+", canonical("Billing_Currency Code"))
