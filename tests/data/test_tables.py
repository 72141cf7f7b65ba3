from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from data.columns import Kind
from data.errors import InputError
from data.migrations import MIGRATIONS
from data.tables import TABLES, arrow_schema, conform, ddl, reference_markdown

REPO = Path(__file__).resolve().parents[2]
T = datetime(2026, 5, 1, tzinfo=UTC)
OFFER = {
    "provider": "aws",
    "region": "eu-west-1",
    "instance_type": "m5.large",
    "purchase": "on_demand",
    "price_hourly": "0.107",
    "currency": "USD",
    "as_of": T,
    "source": "list",
    "is_estimated": False,
}


def faults_of(table: str, frame: object) -> list[str]:
    with pytest.raises(InputError) as error:
        conform(table, frame, where="file.csv")  # type: ignore[arg-type]
    return [str(fault) for fault in error.value.faults]


def test_charges_has_the_65_columns_of_focus_1_4(shared: Path) -> None:
    with (shared / "billing_samples/focus/focus_synth_aws_1_3_500rows.csv").open(newline="") as stream:
        of_1_3 = set(next(csv.reader(stream)))
    of_1_4 = of_1_3 - {"ProviderName", "PublisherName"} | {
        "CommitmentProgramEligibilityDetails",
        "InvoiceDetailId",
    }
    assert {name for name in TABLES["charges"].names if not name.startswith("x_")} == of_1_4
    assert len(of_1_4) == 65


def test_the_reference_page_is_the_one_the_dictionary_makes() -> None:
    page = REPO / "docs/reference/tables.md"
    assert page.read_text(encoding="utf-8") == reference_markdown(), (
        "run python -m data.tables > docs/reference/tables.md"
    )


def test_a_change_of_the_dictionary_needs_a_migration() -> None:
    """One fingerprint per released step: add a Migration and its line here, never change an old line."""
    released = {
        1: "b7a9b1ca124d0c09",
        2: "86f7880aca01f20d",
        3: "800a2f810b8c725d",
        4: "232a0cd96a50d700",
        5: "01c29fb8f6347ae8",
    }
    now = hashlib.sha256("\n".join(ddl(name) for name in TABLES).encode()).hexdigest()[:16]
    assert released[len(MIGRATIONS)] == now


def test_schema_types_follow_the_dictionary() -> None:
    schema = arrow_schema("offers")
    assert schema.field("price_hourly").type == pa.decimal128(38, 18)
    assert schema.field("as_of").type == pa.timestamp("us", tz="UTC")
    assert schema.field("is_estimated").type == pa.bool_()
    assert '"price_hourly" DECIMAL(38,18)' in ddl("offers")


def test_every_column_has_a_meaning_and_every_measure_a_unit() -> None:
    for table in TABLES.values():
        assert len(set(table.names)) == len(table.names)
        assert set(table.key) <= set(table.names)
        for column in table.columns:
            assert column.meaning, f"{table.name}.{column.name}"
            if column.kind in (Kind.DECIMAL, Kind.NUMBER, Kind.TIME):
                assert column.unit, f"{table.name}.{column.name}"


def test_conform_orders_converts_and_fills() -> None:
    rows = conform("offers", [OFFER], where="x")
    assert rows.schema == arrow_schema("offers")
    assert rows.column("price_hourly").to_pylist() == [Decimal("0.107")]
    assert rows.column("term").to_pylist() == [None]


@pytest.mark.parametrize("value", [0.1, "0.1", Decimal("0.1")])
def test_decimals_come_from_the_shortest_text_of_a_float(value: object) -> None:
    rows = conform("offers", [{**OFFER, "price_hourly": value}], where="x")
    assert rows.column("price_hourly").to_pylist() == [Decimal("0.1")]


def test_all_faults_are_collected_with_their_rows() -> None:
    bad = [
        OFFER,
        {**OFFER, "purchase": "leased", "region": "eu-west-2"},
        {**OFFER, "price_hourly": "cheap", "region": "eu-west-3"},
        {**OFFER, "as_of": "2026-05-01T00:00:00", "region": None},
    ]
    frame = pd.DataFrame(bad).astype({"as_of": "object"})
    lines = faults_of("offers", frame)
    assert len(lines) == 4
    assert any("row 2, column purchase: found 'leased'; expected one of on_demand" in line for line in lines)
    assert any(
        "row 3, column price_hourly: found 'cheap'; expected a decimal number" in line for line in lines
    )
    assert any("row 4, column as_of" in line and "without a zone" in line for line in lines)
    assert any("row 4, column region: found nothing" in line for line in lines)


def test_missing_columns_are_named_together() -> None:
    lines = faults_of("spot_capacity", pd.DataFrame({"ts": pd.to_datetime(["2026-05-01"], utc=True)}))
    assert [line.split("column ")[1].split(":")[0] for line in lines] == ["pool", "capacity"]


@pytest.mark.parametrize(
    ("value", "word"), [(-1.0, "at least 0"), (float("nan"), "finite"), (float("inf"), "finite")]
)
def test_measures_are_finite_and_not_negative(value: float, word: str) -> None:
    rows = pa.table({"ts": pa.array([T], pa.timestamp("us", "UTC")), "pool": ["p"], "capacity": [value]})
    assert word in faults_of("spot_capacity", rows)[0]


def test_nan_in_pandas_is_missing() -> None:
    frame = pd.DataFrame({"ts": [pd.Timestamp(T)], "pool": ["p"], "capacity": [float("nan")]})
    assert "found nothing" in faults_of("spot_capacity", frame)[0]


def test_naive_times_are_refused_whatever_holds_them() -> None:
    for ts in (
        pd.to_datetime(["2026-05-01"]),
        ["2026-05-01 00:00:00"],
        pd.Series([pd.Timestamp("2026-05-01")]),
    ):
        frame = pd.DataFrame({"ts": ts, "pool": "p", "capacity": 1.0})
        assert "without a zone" in faults_of("spot_capacity", frame)[0]


def test_offsets_are_brought_to_utc_and_nanoseconds_cut() -> None:
    frame = pd.DataFrame({"ts": ["2026-05-01T02:00:00+02:00"], "pool": ["p"], "capacity": ["3"]})
    assert conform("spot_capacity", frame).column("ts").to_pylist() == [T]
    nano = pd.DataFrame(
        {"ts": pd.to_datetime(["2026-05-01T00:00:00.000000001Z"]), "pool": "p", "capacity": 1}
    )
    assert conform("spot_capacity", nano).column("ts").to_pylist() == [T]


def test_bare_numbers_are_no_times() -> None:
    frame = pd.DataFrame({"ts": [1_700_000_000], "pool": ["p"], "capacity": [1.0]})
    assert "expected a time with its zone" in faults_of("spot_capacity", frame)[0]


def test_a_key_may_be_there_once() -> None:
    lines = faults_of("offers", [OFFER, {**OFFER, "price_hourly": "1"}])
    assert len(lines) == 1
    assert "row 2" in lines[0]
    assert "a second time" in lines[0]


def test_thousands_of_faults_of_one_kind_stay_readable() -> None:
    frame = pd.DataFrame({"ts": [pd.Timestamp(T)] * 3000, "pool": "p", "capacity": -1.0})
    lines = faults_of("spot_capacity", frame)
    assert len(lines) == 6
    assert "2995 more" in lines[-1]


def test_categories_and_empty_frames_are_fine() -> None:
    frame = pd.DataFrame({"ts": [pd.Timestamp(T)], "pool": pd.Categorical(["p"]), "capacity": [1]})
    assert conform("spot_capacity", frame).num_rows == 1
    assert conform("spot_capacity", frame[:0]).schema == arrow_schema("spot_capacity")


def test_amounts_of_38_digits_keep_every_one() -> None:
    big = "12345678901234567890.123456789012345678"
    rows = conform("offers", [{**OFFER, "price_hourly": big}], where="x")
    assert rows.column("price_hourly").to_pylist() == [Decimal(big)]
