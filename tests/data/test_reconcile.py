"""Whether the bill in the lake is the invoice and spreads it: the rules, and the examples of FOCUS itself."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.billing.history import restatement
from data.billing.reconcile import MISSES_KEPT, Check, reconcile
from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv

Row = dict[str, str]
SPEC = "billing_samples/focus/spec_examples"
ABSENT = ["ListCost", "ContractedCost", "Tags"]  # the specification's rows are reduced; these they may lack
FREE = {"BilledCost": "0", "EffectiveCost": "0", "ServiceName": "Free"}
JANUARY = {"BillingPeriodStart": "2023-01-01T00:00:00Z", "BillingPeriodEnd": "2023-02-01T00:00:00Z"}


def rules(lake: Lake) -> dict[str, Check]:
    """Every rule by its name."""
    return {check.name: check for check in reconcile(lake)}


# -- loads and charges -----------------------------------------------------------------------------


def test_the_newest_load_is_the_invoice_to_a_billionth(lake: Lake, tmp_path: Path) -> None:
    for billed in ("1", "2"):
        ingest(lake, focus_csv(tmp_path / "a.csv", [{"BilledCost": billed}, FREE]), loaded_at=NOW)
    lake.sql("UPDATE loads SET native_cost = 77 WHERE load_id = 1")
    lake.sql("UPDATE loads SET native_cost = native_cost + 0.000000001 WHERE load_id = 2")
    assert (rules(lake)["invoice"].checked, rules(lake)["invoice"].holds) == (1, True)
    lake.sql("UPDATE loads SET native_cost = native_cost + 0.000000000000000001 WHERE load_id = 2")
    (miss,) = rules(lake)["invoice"].misses.to_pylist()
    assert (miss["account"], miss["month"], miss["loaded_cost"]) == ("123456789012", "2026-05", 2)
    lake.sql("UPDATE loads SET native_cost = NULL WHERE load_id = 2")
    assert rules(lake)["invoice"].checked == 0  # an older figure does not speak for a newer load

    assert (rules(lake)["kept"].checked, rules(lake)["kept"].holds) == (1, True)
    lake.sql("DELETE FROM charges WHERE \"ServiceName\" = 'Free'")
    (miss,) = rules(lake)["kept"].misses.to_pylist()
    assert (miss["load_id"], miss["loaded_rows"], miss["held_rows"]) == (2, 2, 1)
    lake.sql("DELETE FROM charges")
    (miss,) = rules(lake)["kept"].misses.to_pylist()
    assert (miss["loaded_cost"], miss["held_cost"]) == (2, 0)


DEAR = {"EffectiveCost": "2.5", "ListCost": "2"}
FINE: tuple[Row, ...] = (
    {"EffectiveCost": "0.1", "ListCost": "100"},  # of the same service, and does not make up for it
    {**DEAR, "ServiceName": "Tax", "ChargeCategory": "Tax"},
    {**DEAR, "ServiceName": "Corrected", "ChargeClass": "Correction"},
    {**DEAR, "ServiceName": "Reserved", "CommitmentDiscountStatus": "Unused"},
    {**DEAR, "ServiceName": "Unlisted", "ListCost": ""},
    {"EffectiveCost": "2.000001", "ListCost": "2", "ServiceName": "Rounded"},
    {"ListCost": "0", "ServiceName": "Repaired"},
)


def test_usage_above_its_list_price_is_not_hidden_by_cheaper_usage(lake: Lake, tmp_path: Path) -> None:
    june = {"BillingPeriodStart": "2026-06-01T00:00:00Z", "BillingPeriodEnd": "2026-07-01T00:00:00Z"}
    many = [{**DEAR, **june, "ServiceName": f"s{n:03d}"} for n in range(MISSES_KEPT + 30)]
    ingest(lake, focus_csv(tmp_path / "a.csv", [DEAR, DEAR, *FINE, *many]), loaded_at=NOW)
    found = rules(lake)
    misses = found["savings"].misses.to_pylist()
    assert [(m["service"], m["charges"], m["above_list"]) for m in misses if m["month"] == "2026-05"] == [
        ("Compute Engine", 2, 1)
    ]
    assert (found["savings"].missed, len(misses)) == (len(many) + 1, MISSES_KEPT)
    (miss,) = found["list prices"].misses.to_pylist()
    assert (miss["month"], miss["repaired"], miss["charges"]) == ("2026-05", 1, len(FINE) + 2)
    assert found["one export"].holds
    lake.sql("UPDATE charges SET \"x_Dataset\" = 'amortized' WHERE \"ServiceName\" = 'Repaired'")
    (miss,) = rules(lake)["one export"].misses.to_pylist()
    assert (miss["month"], miss["datasets"]) == ("2026-05", "amortized")
    lake.sql('UPDATE charges SET "x_Dataset" = \'actual\' WHERE "x_Dataset" IS NULL')
    assert rules(lake)["one export"].holds  # the two exports that complete each other


def test_an_empty_lake_has_nothing_to_check(lake: Lake) -> None:
    assert [(check.checked, check.holds) for check in reconcile(lake)] == [(0, True)] * 6


# -- commitments: the worked examples of the FOCUS specification -----------------------------------


def spec_rows(path: Path) -> list[Row]:
    """The rows of an example; its "null" is a missing value, its blank lines are none."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["ChargeCategory"]]
    return [{name: "" if value == "null" else value for name, value in row.items()} for row in rows]


def at(begin: datetime, hours: int, row: Mapping[str, str]) -> Row:
    """The row for so many hours from `begin` on, its amounts being those of one hour."""
    month = begin.replace(day=1, hour=0)
    periods = {
        "ChargePeriodStart": begin, "ChargePeriodEnd": begin + timedelta(hours=hours),
        "BillingPeriodStart": month, "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
    }  # fmt: skip
    amounts = {
        name: str(Decimal(row[name]) * hours)
        for name in ("BilledCost", "EffectiveCost", "ListCost", "CommitmentDiscountQuantity")
        if row.get(name)
    }
    return {**row, **amounts, **{name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in periods.items()}}


def plain_usage(*months: tuple[int, int], day: int = 20) -> list[Row]:
    """A day of usage without commitment in each month: how far the bill reaches."""
    row = {"BilledCost": "1", "EffectiveCost": "1", "PricingCategory": "Standard", "ListCost": "1"}
    return [at(datetime(year, month, day, tzinfo=UTC), 24, row) for year, month in months]


def load(lake: Lake, path: Path, rows: Sequence[Row]) -> None:
    """Ingest the rows with the columns the specification's examples leave out."""
    absent = [name for name in ABSENT if not any(name in row for row in rows)]
    blank = dict.fromkeys(ABSENT, "")
    ingest(lake, focus_csv(path, [blank | row for row in rows], drop=absent), loaded_at=NOW)


def utilisation(lake: Lake) -> dict[str, float]:
    """Used share of what each commitment was charged for."""
    rows = lake.sql(
        """SELECT "CommitmentDiscountId" AS id, (coalesce(sum("EffectiveCost")
            FILTER (WHERE "CommitmentDiscountStatus" = 'Used'), 0) / sum("EffectiveCost"))::DOUBLE AS used
        FROM charges WHERE "CommitmentDiscountId" IS NOT NULL GROUP BY ALL"""
    )
    return {row["id"]: row["used"] for row in rows.to_pylist()}


FLEXIBILITY = {
    "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_1_resource": 1.0,
    "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources": 1.0,
    "one_hundred_percent_utilization_without_commitment_discount_flexibility": 1.0,
    "zero_percent_utilization_without_commitment_discount_flexibility": 0.0,
}


def test_an_hour_of_the_specification_spreads_what_it_bills(lake: Lake, shared: Path, tmp_path: Path) -> None:
    """Each example is one hour of a commitment, from its fee to what it covers or leaves unused."""
    folder = shared / SPEC / "commitment_discount_flexibility"
    rows = [
        row | ({"CommitmentDiscountId": name} if row["CommitmentDiscountId"] else {})
        for name in FLEXIBILITY
        for row in spec_rows(folder / f"{name}.csv")
    ]
    load(lake, tmp_path / "bill.csv", [*rows, *plain_usage((2022, 12), (2023, 2))])
    assert utilisation(lake) == FLEXIBILITY
    fees = {
        row["CommitmentDiscountId"]: Decimal(row["BilledCost"])
        for row in rows
        if row["ChargeCategory"] == "Purchase"
    }
    found = lake.arrow("amortised_commitments").to_pylist()
    assert {row["commitment"]: row["billed_cost"] for row in found} == fees
    assert {row["commitment"]: row["effective_cost"] for row in found} == fees
    assert {row["span"] for row in found} == {"life"}
    checks = rules(lake)
    assert (checks["amortisation"].checked, checks["savings"].checked) == (4, 3)  # savings by month
    assert {name for name, check in checks.items() if not check.holds} == set()


PAID = {1: "all upfront", 2: "by the hour", 3: "half upfront"}
USED = {1: 1.0, 2: 0.0, 3: 0.75, 4: 1.0}
YEAR = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(365)]


def scenario(shared: Path, kind: str, number: int) -> list[Row]:
    """One of the specification's scenarios of a purchase or of an hour of usage."""
    name = f"commitment_discount_{kind}_scenario_{number}.csv"
    return spec_rows(shared / SPEC / "commitment_discount_scenarios" / name)


def a_year(shared: Path, paid: int, used: int, days: Sequence[datetime] = YEAR) -> Iterator[Row]:
    """A commitment of a year, its fees and usage by the hour told once a day."""
    name = {"CommitmentDiscountId": f"paid-{paid}-used-{used}"}
    purchases = scenario(shared, "purchase", paid)
    yield from (row | name for row in purchases if row["ChargeFrequency"] == "One-Time")
    fee = next((row for row in purchases if row["ChargeFrequency"] == "Recurring"), None)
    for row in [*([fee] if fee else []), *scenario(shared, "usage", used)]:
        renamed = row | name if row["CommitmentDiscountId"] else row
        yield from (at(day, 24, renamed) for day in days)


def test_a_year_of_every_purchase_and_usage_of_the_specification(
    lake: Lake, shared: Path, tmp_path: Path
) -> None:
    rows = [row for paid in PAID for used in USED for row in a_year(shared, paid, used)]
    load(lake, tmp_path / "bill.csv", [*rows, *plain_usage((2022, 12), (2024, 1))])
    found = {(row["commitment"], row["span"]): row for row in lake.arrow("amortised_commitments").to_pylist()}
    for row in found.values():
        assert row["effective_cost"] == row["billed_cost"]
    lives = {commitment: row for (commitment, span), row in found.items() if span == "life"}
    assert lives.keys() == {f"paid-{paid}-used-{used}" for paid in PAID for used in USED}
    assert {row["billed_cost"] for row in lives.values()} == {8760}
    assert len(found) == len(lives) + 12 * len(USED)  # what is paid by the hour adds up in every month
    assert utilisation(lake) == {
        f"paid-{paid}-used-{used}": share for paid in PAID for used, share in USED.items()
    }
    assert rules(lake)["amortisation"].holds
    lose(lake, "paid-1-used-3", "0.8")
    assert rules(lake)["amortisation"].holds  # far more than roundings of a year
    lose(lake, "paid-1-used-3", "0.2")
    (miss,) = rules(lake)["amortisation"].misses.to_pylist()  # and an hour is missed
    assert (miss["commitment"], miss["effective_cost"]) == ("paid-1-used-3", 8759)


def lose(lake: Lake, commitment: str, cost: str) -> None:
    """Take something off the effective cost of one charge."""
    lake.sql(
        f"""UPDATE charges SET "EffectiveCost" = "EffectiveCost" - {cost}
        WHERE "CommitmentDiscountId" = '{commitment}' AND "CommitmentDiscountStatus" = 'Used'
            AND "ChargePeriodStart" = '2023-03-01T00:00:00Z'"""
    )


def test_a_term_that_is_not_over_is_not_judged(lake: Lake, shared: Path, tmp_path: Path) -> None:
    """What was paid for a year is not spread by June, and not by the first hour, as published."""
    half = [*a_year(shared, 1, 3, YEAR[:181]), *a_year(shared, 3, 1, YEAR[:181])]
    published = [*scenario(shared, "purchase", 1), *scenario(shared, "usage", 1)]
    load(lake, tmp_path / "bill.csv", [*half, *published, *plain_usage((2022, 12), (2023, 7), (2023, 8))])
    assert len(utilisation(lake)) == 3
    assert rules(lake)["amortisation"].checked == 0


def test_a_term_that_began_before_the_bill_needs_its_contract(
    lake: Lake, shared: Path, tmp_path: Path
) -> None:
    """Without the first month what was paid upfront may be missing; a contract tells that nothing was."""
    rows = [*a_year(shared, 2, 4), *a_year(shared, 3, 4)]
    begun = [row for row in rows if row["BillingPeriodStart"] >= "2023-02"]
    load(lake, tmp_path / "bill.csv", [*begun, *plain_usage((2024, 1))])
    assert rules(lake)["amortisation"].checked == 0
    contracts = tmp_path / "commitments.csv"
    names = ("Id", "Category", "Type", "Cost", "PeriodStart", "PeriodEnd")
    header = [f"ContractCommitment{name}" for name in names]
    term = ("8760", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    with contracts.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            [*header, "ContractId", "ContractPeriodStart", "ContractPeriodEnd", "BillingCurrency"]
        )
        for paid in (2, 3):
            writer.writerow([f"paid-{paid}-used-4", "Spend", "Plan", *term, "c", *term[1:], "USD"])
    ingest(lake, contracts, loaded_at=NOW)
    found = lake.arrow("amortised_commitments").to_pylist()
    assert [(row["commitment"], row["span"]) for row in found] == [
        ("paid-2-used-4", f"2023-{month:02d}") for month in range(2, 13)
    ]
    assert rules(lake)["amortisation"].holds


def test_a_time_of_the_specification_that_does_not_exist_is_refused(
    lake: Lake, shared: Path, tmp_path: Path
) -> None:
    """Two of its examples end an hour at 30:00, which is no time of day."""
    for number in (2, 3):
        with pytest.raises(InputError) as caught:
            load(lake, tmp_path / "bill.csv", scenario(shared, "purchase", number))
        (fault,) = caught.value.faults
        assert (fault.column, fault.row) == ("ChargePeriodEnd", number + 1)
        assert "2023-02-01T30:00:00Z" in fault.found


def test_a_bill_with_its_corrections_is_its_net(lake: Lake, shared: Path, tmp_path: Path) -> None:
    path = shared / "billing_samples/focus/focus_synth_scenarios_correction_set.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row | {"EffectiveCost": row["BilledCost"]} | JANUARY for row in csv.DictReader(stream)]
    load(lake, tmp_path / "bill.csv", rows[:1])
    load(lake, tmp_path / "bill.csv", rows)
    net = Decimal(rows[-1]["x_NetCharge"])
    held = lake.sql('SELECT sum("BilledCost") AS b, sum("EffectiveCost") AS e FROM charges').to_pylist()
    assert held == [{"b": net, "e": net}]
    kinds = lake.sql(
        """SELECT "ChargeClass" AS c, "ChargeCategory" AS k, "x_Extra"['x_CorrectionOf'] AS x_of
        FROM charges ORDER BY "x_Row" """
    ).to_pylist()
    assert [tuple(row.values()) for row in kinds] == [
        (None, "Usage", None), ("Correction", "Credit", "chg-1"), ("Correction", "Usage", "chg-1"),
    ]  # fmt: skip
    (change,) = restatement(lake, "2023-01").rows.to_pylist()
    assert (change["billed_before"], change["billed_change"], change["rows_after"]) == (100, net - 100, 3)
    assert {name for name, check in rules(lake).items() if not check.holds} == set()
