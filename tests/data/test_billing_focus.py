from __future__ import annotations

import csv
import gzip
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
from tests.data.bills import NOW, ROW, exact_sums, focus_csv

AMOUNTS = [
    "0.1", "-3.25", "1E-7", "1.5e-7", "-2.5E+3", "0.123456789012345678",
    "12345678901234567890.123456789012345678", "+3", ".5", "5.", "1234567.891E-12", "0", "-0.0", "00012.50",
]  # fmt: skip


def charges(lake: Lake) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = lake.sql('SELECT * FROM charges ORDER BY "x_Row"').to_pylist()
    return rows


def refused(lake: Lake, path: Path) -> list[str]:
    before = lake.snapshot_id()
    with pytest.raises(InputError) as error:
        ingest(lake, path, loaded_at=NOW)
    assert lake.snapshot_id() == before
    assert charges(lake) == []
    return [str(fault) for fault in error.value.faults]


# -- real files ------------------------------------------------------------------------------------

SAMPLES = [
    "focus_synth_aws_1_2_cost_and_usage_rows100_seed42.csv",
    "focus_synth_aws_1_3_500rows.csv",
    "focus_synth_aws_1_3_cost_and_usage_rows25_seed7_credits.csv",
    "focus_synth_azure_1_2_cost_and_usage_rows100_seed42.csv",
    "focus_synth_azure_1_3_500rows.csv",
    "focus_synth_gcp_1_2_cost_and_usage_rows100_seed42.csv",
    "focus_synth_gcp_1_3_500rows.csv",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_sums_of_real_bills_are_exact(lake: Lake, shared: Path, name: str) -> None:
    path = shared / "billing_samples/focus" / name
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert load.billed_cost == exact_sums(path, "BilledCost", "BillingCurrency")
    assert load.effective_cost == exact_sums(path, "EffectiveCost", "BillingCurrency")
    assert load.source == name.split("_")[2]
    assert load.status == "new"
    for column in ("ListCost", "ContractedCost", "PricingQuantity", "ConsumedQuantity"):
        held = lake.sql(
            f'SELECT "BillingCurrency" AS c, sum("{column}") AS s FROM charges GROUP BY ALL'
        ).to_pylist()
        assert {row["c"]: row["s"] for row in held} == exact_sums(path, column, "BillingCurrency")


def test_every_value_of_a_real_bill_is_kept(lake: Lake, shared: Path) -> None:
    path = shared / "billing_samples/focus/focus_synth_azure_1_3_500rows.csv"
    ingest(lake, path, loaded_at=NOW)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for source, held in zip(csv.DictReader(stream), charges(lake), strict=True):
            extra = dict(held["x_Extra"] or [])  # type: ignore[call-overload]
            for name, value in source.items():
                kept = held.get(name, extra.get(name))
                if value in ("", "null"):
                    assert kept is None, name
                elif isinstance(kept, Decimal):
                    assert kept == Decimal(value), name
                elif isinstance(kept, str):
                    assert kept == value, name
                else:
                    assert kept.strftime("%Y-%m-%dT%H:%M:%SZ") == value, name  # type: ignore[union-attr]


# -- amounts ---------------------------------------------------------------------------------------


def test_amounts_in_every_spelling(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv", [{"BilledCost": amount} for amount in AMOUNTS])
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert [row["BilledCost"] for row in charges(lake)] == [Decimal(amount) for amount in AMOUNTS]
    assert load.billed_cost == exact_sums(path, "BilledCost", "BillingCurrency")
    assert load.notes == ()


def test_over_18_decimals_are_rounded_and_noted(lake: Lake, tmp_path: Path) -> None:
    amounts = ["0.1234567890123456785", "1.5E-18", "0.10000000000000000000000"]
    path = focus_csv(tmp_path / "b.csv", [{"BilledCost": amount} for amount in amounts])
    (load,) = ingest(lake, path, loaded_at=NOW)
    held = [row["BilledCost"] for row in charges(lake)]
    assert held == [Decimal("0.123456789012345679"), Decimal("2E-18"), Decimal("0.1")]
    assert load.notes == ("b.csv: 2 amounts have over 18 decimals and were rounded",)
    assert lake.read("loads_history")["note"].tolist() == list(load.notes)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.decimals(min_value=-(10**15), max_value=10**15, places=18, allow_nan=False).flatmap(
            lambda amount: st.sampled_from([f"{amount:f}", f"{amount:E}", str(amount)])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_amounts_add_up_exactly(lake: Lake, tmp_path: Path, amounts: list[str]) -> None:
    path = focus_csv(tmp_path / "b.csv", [{"BilledCost": amount} for amount in amounts])
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert load.billed_cost == exact_sums(path, "BilledCost", "BillingCurrency")


@pytest.mark.parametrize(
    "amount", ["NaN", "nan", "inf", "-Infinity", "1,5", "1_000", "0x10", "$1", "9" * 21, "1e400", "١"]
)
def test_what_is_no_amount_is_refused_with_its_place(lake: Lake, tmp_path: Path, amount: str) -> None:
    lines = refused(lake, focus_csv(tmp_path / "b.csv", [{}, {"BilledCost": amount}]))
    expected = "expected a decimal number of at most 20 digits before the point"
    action = "correct the value or export again"
    assert lines == [f"b.csv, row 2, column BilledCost: found {amount!r}; {expected}; {action}"]


def test_credits_may_be_negative(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(
        tmp_path / "b.csv", [{"ChargeCategory": "Credit", "BilledCost": "-7", "EffectiveCost": "-7"}]
    )
    assert ingest(lake, path, loaded_at=NOW)[0].billed_cost == {"USD": Decimal(-7)}


def test_currencies_are_never_added(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv", [{}, {"BillingCurrency": "EUR", "BilledCost": "4"}])
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal("1.5"), "EUR": Decimal(4)}
    assert load.rows == 2


# -- times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        "2026-05-03T00:00:00Z",
        "2026-05-03",
        "2026-05-03 00:00:00",
        "2026-05-03T02:00:00+02:00",
        "2026-05-03T00:00:00.000Z",
    ],
)
def test_times_are_utc_by_specification(lake: Lake, tmp_path: Path, start: str) -> None:
    ingest(lake, focus_csv(tmp_path / "b.csv", [{"ChargePeriodStart": start}]), loaded_at=NOW)
    assert str(charges(lake)[0]["ChargePeriodStart"]) == "2026-05-03 00:00:00+00:00"


@pytest.mark.parametrize("start", ["05/03/2026", "infinity", "epoch", "yesterday", "2026-02-30", "20260503"])
def test_what_is_no_time_is_refused(lake: Lake, tmp_path: Path, start: str) -> None:
    (line,) = refused(lake, focus_csv(tmp_path / "b.csv", [{"ChargePeriodStart": start}]))
    assert f"row 1, column ChargePeriodStart: found {start!r}; expected a time such as" in line


# -- other columns ---------------------------------------------------------------------------------


def test_all_faults_of_all_columns_come_at_once(lake: Lake, tmp_path: Path) -> None:
    rows = [{"BilledCost": "a", "ChargeCategory": "Gift"}, {"BillingAccountId": "", "ChargePeriodEnd": "b"}]
    lines = refused(lake, focus_csv(tmp_path / "b.csv", rows))
    assert len(lines) == 3
    assert any("row 1, column BilledCost: found 'a'" in line for line in lines)
    assert any("row 2, column BillingAccountId: found nothing; expected a value" in line for line in lines)
    assert any("row 2, column ChargePeriodEnd: found 'b'" in line for line in lines)


def test_what_focus_does_not_know_is_kept_and_told(lake: Lake, tmp_path: Path) -> None:
    rows = [{"ChargeCategory": "Gift"}, {"PricingCategory": "Haggled"}, {"ConsumedQuantity": "-2"}, {}]
    (load,) = ingest(lake, focus_csv(tmp_path / "b.csv", rows), loaded_at=NOW)
    assert [row["ChargeCategory"] for row in charges(lake)] == ["Gift", "Usage", "Usage", "Usage"]
    assert load.notes == (
        "123456789012 2026-05: 1 charge with a ChargeCategory that FOCUS does not know",
        "123456789012 2026-05: 1 charge with a PricingCategory that FOCUS does not know",
        "123456789012 2026-05: 1 charge of usage with a negative quantity, and no correction",
    )


def test_a_column_of_faults_is_counted(lake: Lake, tmp_path: Path) -> None:
    lines = refused(lake, focus_csv(tmp_path / "b.csv", [{"ListCost": "x"}] * 100))
    assert len(lines) == 6
    assert "95 more values of the same kind" in lines[-1]


def test_unknown_columns_and_categories_are_kept_aside(lake: Lake, tmp_path: Path) -> None:
    row = {"x_Team": "ml", "ServiceCategory": "Quantum Toasters", "PublisherName": "ACME", "Nothing": ""}
    ingest(lake, focus_csv(tmp_path / "b.csv", [row]), loaded_at=NOW)
    (held,) = charges(lake)
    assert dict(held["x_Extra"]) == {
        "x_Team": "ml",
        "ServiceCategory": "Quantum Toasters",
        "PublisherName": "ACME",
    }  # type: ignore[call-overload]
    assert held["ServiceCategory"] == "Other"


def test_what_1_3_renamed_is_under_its_new_name(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, focus_csv(tmp_path / "b.csv"), loaded_at=NOW)
    (held,) = charges(lake)
    assert (held["ServiceProviderName"], held["HostProviderName"], held["x_Extra"]) == ("AWS", None, None)
    newer = {"ServiceProviderName": "AWS", "HostProviderName": "AWS"}
    ingest(lake, focus_csv(tmp_path / "b.csv", [newer]), loaded_at=NOW)
    (held,) = charges(lake)
    assert held["ServiceProviderName"] == held["HostProviderName"] == "AWS"
    assert dict(held["x_Extra"]) == {"ProviderName": "AWS"}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("issuer", "source"),
    [
        ("Amazon Web Services EMEA SARL", "aws"), ("Microsoft Corporation", "azure"), ("Google", "gcp"),
        ("Oracle", "oci"), ("Snow & Co.", "snow-co"), ("", "aws"),
    ],
)  # fmt: skip
def test_the_source_is_who_bills(lake: Lake, tmp_path: Path, issuer: str, source: str) -> None:
    path = focus_csv(tmp_path / "b.csv", [{"InvoiceIssuerName": issuer}])
    assert ingest(lake, path, loaded_at=NOW)[0].source == source


def test_a_resellers_line_does_not_split_an_account(lake: Lake, tmp_path: Path) -> None:
    rows = [
        {},
        {},
        {"InvoiceIssuerName": "Reseller"},
        {"InvoiceIssuerName": "Reseller", "BillingAccountId": "other"},
    ]
    loads = ingest(lake, focus_csv(tmp_path / "b.csv", rows), loaded_at=NOW)
    assert {load.source: load.rows for load in loads} == {"aws": 3, "reseller": 1}


# -- containers ------------------------------------------------------------------------------------


def test_csv_gzip_and_parquet_are_one_bill(lake: Lake, tmp_path: Path) -> None:
    rows = [{"BilledCost": "0.1"}, {"BilledCost": "1E-7", "Tags": '{"Owner": "a\nb, \\"c\\""}'}]
    path = focus_csv(tmp_path / "b.csv", rows)
    assert ingest(lake, path, loaded_at=NOW)[0].status == "new"
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert ingest(lake, tmp_path / "b.csv.gz", loaded_at=NOW)[0].status == "unchanged"
    pq.write_table(pa.Table.from_pylist([{**ROW, **row} for row in rows]), tmp_path / "b.parquet")
    assert ingest(lake, tmp_path / "b.parquet", loaded_at=NOW)[0].status == "unchanged"


def test_typed_parquet_as_the_clouds_write_it(lake: Lake, tmp_path: Path) -> None:
    import datetime as dt

    row: dict[str, object] = {
        name: value for name, value in ROW.items() if name not in ("BilledCost", "Tags")
    }
    for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"):
        row[name] = dt.datetime.fromisoformat(ROW[name]).replace(tzinfo=None)
    table = pa.Table.from_pylist([row])
    table = table.append_column("BilledCost", pa.array([0.1], pa.float64()))
    table = table.append_column(
        "Tags", pa.array([[("Owner", "x"), ("b", None)]], pa.map_(pa.string(), pa.string()))
    )
    pq.write_table(table, tmp_path / "b.parquet")
    (load,) = ingest(lake, tmp_path / "b.parquet", loaded_at=NOW)
    (held,) = charges(lake)
    assert load.billed_cost == {"USD": Decimal("0.1")}
    assert held["Tags"] == '{"Owner":"x","b":null}'
    assert str(held["ChargePeriodStart"]) == "2026-05-03 00:00:00+00:00"


def test_windows_line_ends_marks_and_semicolons(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv", [{"ChargeDescription": 'two\r\nlines; "quoted"'}, {}])
    (tmp_path / "w.csv").write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    ingest(lake, tmp_path / "w.csv", loaded_at=NOW)
    assert charges(lake)[0]["ChargeDescription"] == 'two\r\nlines; "quoted"'
    with path.open(newline="", encoding="utf-8") as stream, (tmp_path / "s.csv").open("w", newline="") as out:
        csv.writer(out, delimiter=";").writerows(csv.reader(stream))
    assert ingest(lake, tmp_path / "s.csv", loaded_at=NOW)[0].status == "unchanged"


def test_a_header_without_rows_is_empty_and_fine(lake: Lake, tmp_path: Path) -> None:
    before = lake.snapshot_id()
    (load,) = ingest(lake, focus_csv(tmp_path / "b.csv", []), loaded_at=NOW)
    assert (load.status, load.rows, load.billed_cost, load.period_start) == ("empty", 0, {}, None)
    assert lake.snapshot_id() == before


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_files_cut_short_are_refused(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv", [{"ResourceId": f"r{i}"} for i in range(50)])
    text = path.read_bytes()
    zipped = tmp_path / "b.csv.gz"
    zipped.write_bytes(gzip.compress(text))
    assert "damaged or truncated archive" in refused(lake, cut(zipped, 200))[0]
    broken = bytearray(gzip.compress(text))
    broken[-6] ^= 0xFF  # the checksum
    zipped.write_bytes(broken)
    assert "damaged or truncated archive" in refused(lake, zipped)[0]
    (line,) = refused(lake, cut(path, text.rindex(b"2026-05-03")))
    assert "row 50: found Expected Number of Columns: 17 Found" in line
    assert "the file may be cut short" in line


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (b'"{""Owner"": ""search""}"', b'"{""Owner"": ""search""}', "a closing quote"),
        (b",Usage,", b",Usage,,", "as many values as the header has columns"),
        (b",Usage,", b",\xff\xfe,", "UTF-8"),
    ],
)
def test_broken_rows_are_named(lake: Lake, tmp_path: Path, old: bytes, new: bytes, word: str) -> None:
    path = focus_csv(tmp_path / "b.csv", [{}, {}])
    head, tail = path.read_bytes()[:-250], path.read_bytes()[-250:]
    path.write_bytes(head + tail.replace(old, new, 1))
    lines = refused(lake, path)
    assert any(word in line for line in lines), lines


def test_a_column_twice_is_refused(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv")
    path.write_text(path.read_text().replace("ListCost", "BilledCost", 1))
    assert "found the column BilledCost twice" in refused(lake, path)[0]
