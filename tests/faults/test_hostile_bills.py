"""Bills that mean harm, of every importer: each fault told on one line, each oddity kept and noted.

Whatever a file holds, the lake afterwards has all of its charges or none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import Fault, InputError
from data.ingest import Loads, ingest
from data.lake import Lake
from tests.data.bills import NOW, ROW, focus_csv
from tests.data.exports import EXPORTS

every_export = pytest.mark.parametrize(
    "name", [n for n in EXPORTS if n not in ("focus json", "focus parquet")]
)
HOSTILE_NAMES = (
    "'; DROP TABLE charges; --", '"; DROP TABLE charges; --', "=HYPERLINK(1)", "<script>alert(1)</script>",
    "{money:cost}{text:tags}", "a\nb", "\x1b[31mred", "\u202egnp.exe", "$id", "%s{0}\\",
)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake for what is refused: it must stay as it is."""
    with Lake.open(tmp_path_factory.mktemp("hostile") / "lake") as opened:
        opened.sql("SET threads = 1")  # quicker for a few rows
        ingest(opened, focus_csv(tmp_path_factory.mktemp("bill") / "b.csv"), loaded_at=NOW)
        yield opened


@pytest.fixture
def lake(kept: Lake) -> Iterator[Lake]:
    """The same lake for what is loaded, emptied before."""
    for table in ("charges", "loads", "billing_periods"):
        kept.sql(f"DELETE FROM {table}")
    return kept


def refused(lake: Lake, path: Path) -> list[Fault]:
    """The faults of a delivery, of which nothing has been written."""
    before = lake.snapshot_id(), lake.sql("SELECT count(*) FROM charges").column(0)[0].as_py()
    with pytest.raises(InputError) as error:
        ingest(lake, path, loaded_at=NOW)
    assert (lake.snapshot_id(), lake.sql("SELECT count(*) FROM charges").column(0)[0].as_py()) == before
    assert error.value.faults
    assert all(str(fault).isprintable() for fault in error.value.faults)
    return list(error.value.faults)


def charges(lake: Lake) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lake.sql('SELECT * FROM charges ORDER BY "x_Row"').to_pylist()
    return rows


def notes(loads: Loads) -> str:
    return "\n".join(note for load in loads for note in load.notes)


# -- every importer --------------------------------------------------------------------------------

AMOUNTS = ("NaN", "-inf", "9" * 39, "1e21", "1_0")
TIMES = ("1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "2026-05-01 (BC)", "0000-01-01", "infinity")


@every_export
def test_each_wrong_value_is_told_by_its_row(kept: Lake, tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    rows: list[dict[str, str]] = [{}, *({export.cost: amount} for amount in AMOUNTS)]
    rows += [{export.start: time} for time in TIMES]
    found = refused(kept, export.write(tmp_path / "bill", rows))
    assert {fault.row for fault in found if fault.column == export.cost} == set(range(2, 7))
    assert {fault.row for fault in found if fault.column != export.cost} == set(range(7, 12))


def test_times_that_only_some_tools_can_hold(kept: Lake, tmp_path: Path) -> None:
    rows = [{"ChargePeriodStart": time} for time in ("1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z")]
    found = refused(kept, focus_csv(tmp_path / "b.csv", rows))
    assert [(fault.row, fault.expected) for fault in found] == [
        (i, "a time from 1970 to 2261") for i in (1, 2)
    ]
    path = EXPORTS["google csv"].write(tmp_path / "b", [{"export_time": "0001-01-01T00:00:00+14:00"}])
    assert refused(kept, path)[0].column == "export_time"


@every_export
def test_oddities_are_kept_and_noted(lake: Lake, tmp_path: Path, name: str) -> None:
    """Other currencies, negative quantities, charges outside their period, names that are more than names."""
    export = EXPORTS[name]
    rows: list[dict[str, str]] = [{export.resource: text, f"x_{text}": "kept"} for text in HOSTILE_NAMES]
    rows += [{export.quantity: "-1", export.cost: "-2"}, {export.currency: "JPY", export.cost: "3"}]
    rows += [{export.currency: "buttons", export.cost: "4"}, *([dict(export.late)] if export.late else [])]
    loads = ingest(lake, export.write(tmp_path / "bill", rows), loaded_at=NOW)
    home = "SubAccountId" if name.startswith("google") else "ResourceId"
    named = [row for row in charges(lake) if row[home] in HOSTILE_NAMES]
    assert [row[home] for row in named] == list(HOSTILE_NAMES)
    assert all((f"x_{row[home]}", "kept") in row["x_Extra"] for row in named)
    assert sum(load.rows for load in loads) == len(rows)
    assert sum(load.billed_cost.get("JPY", Decimal(0)) for load in loads) == 3
    said = notes(loads)
    assert "1 charge of usage with a negative quantity" in said
    assert "JPY" in said
    assert "which are never added up" in said
    assert "1 charge with a BillingCurrency that is no code of ISO 4217" in said
    assert ("1 charge of usage far outside the billing period" in said) == bool(export.late)


@pytest.mark.parametrize(
    ("tags", "is_odd"),
    [("team=search", True), ('{"team": "search"', True), (' {"team": "search"} ', False), ("", False)],
)
def test_tags_that_no_rule_can_read_are_noted(lake: Lake, tmp_path: Path, tags: str, is_odd: bool) -> None:
    loads = ingest(lake, focus_csv(tmp_path / "b.csv", [{"Tags": tags}]), loaded_at=NOW)
    assert ("1 charge with Tags that are no JSON object" in notes(loads)) == is_odd
    assert charges(lake)[0]["Tags"] == (tags or None)


@every_export
def test_a_file_cut_in_the_middle(kept: Lake, tmp_path: Path, name: str) -> None:
    path = EXPORTS[name].write(tmp_path / "bill", [{}] * 6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    refused(kept, path)


def test_a_row_without_line_end_may_be_cut_in_its_last_value(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv")
    path.write_bytes(path.read_bytes()[:-2])
    said = notes(ingest(lake, path, loaded_at=NOW))
    assert said == "b.csv: no line end after its last row; it may be cut short"


@every_export
def test_a_file_without_rows(lake: Lake, tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    path = export.write(tmp_path / "bill", [])
    before = lake.snapshot_id()
    if export.container == "jsonl":
        assert "an empty file" in str(refused(lake, path)[0])
        return
    if export.container == "csv":
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert (load.status, load.rows, lake.snapshot_id()) == ("empty", 0, before)


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-32", "UTF-16"), ("latin-1", "UTF-8")],
)
def test_other_encodings_are_named(kept: Lake, tmp_path: Path, encoding: str, said: str) -> None:
    path = focus_csv(tmp_path / "b.csv", [{}, {"ResourceName": "Zürich"}])
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    (fault,) = refused(kept, path)
    assert said in str(fault)
    assert fault.row == (2 if encoding == "latin-1" else None)


@pytest.mark.parametrize(
    ("line_end", "name"),
    [("\n", "two\r\nlines"), ("\r\n", "two\nlines")],
)
def test_line_ends_in_names_do_not_hide_the_rows(
    lake: Lake, tmp_path: Path, line_end: str, name: str
) -> None:
    """The engine alone reads such a file as one without rows."""
    text = focus_csv(tmp_path / "b.csv", [{}, {}]).read_text(encoding="utf-8").replace("\n", line_end)
    (tmp_path / "b.csv").write_bytes(text.replace("ServiceName", f'"{name}"', 1).encode())
    (load,) = ingest(lake, tmp_path / "b.csv", loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal(3)}
    assert dict(charges(lake)[0]["x_Extra"])[name] == "Compute Engine"


@pytest.mark.parametrize("line_end", ["\n", "\r"])
def test_mixed_line_ends(kept: Lake, tmp_path: Path, line_end: str) -> None:
    lines = focus_csv(tmp_path / "b.csv", [{}] * 4).read_text(encoding="utf-8").splitlines()
    (tmp_path / "b.csv").write_bytes(("\r\n".join(lines[:3]) + line_end + line_end.join(lines[3:])).encode())
    refused(kept, tmp_path / "b.csv")


# -- large -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["focus", "focus json", "focus parquet"])
def test_a_tag_of_ten_megabytes(lake: Lake, tmp_path: Path, name: str) -> None:
    tags = json.dumps({"k": "x" * 10_000_000})
    (load,) = ingest(lake, EXPORTS[name].write(tmp_path / "b", [{"Tags": tags}, {}]), loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal(3)}
    assert charges(lake)[0]["Tags"] == tags


def test_thousands_of_columns(lake: Lake, tmp_path: Path) -> None:
    extra = {f"x_{i}": str(i) for i in range(2000)}
    ingest(lake, EXPORTS["focus json"].write(tmp_path / "b", [extra]), loaded_at=NOW)
    assert dict(charges(lake)[0]["x_Extra"]).items() >= extra.items()


def test_a_thousand_accounts_of_two_issuers(lake: Lake, tmp_path: Path) -> None:
    rows = [
        {"BillingAccountId": f"a{i}", "InvoiceIssuerName": ("AWS", "Reseller")[i % 2]} for i in range(1000)
    ]
    loads = ingest(lake, focus_csv(tmp_path / "b.csv", rows), loaded_at=NOW)
    assert {(load.source, load.rows) for load in loads} == {("aws", 500), ("reseller", 500)}
    assert lake.sql("SELECT count(*) FROM billing_periods").column(0)[0].as_py() == 1000


def test_amounts_that_cannot_be_added_up(kept: Lake, tmp_path: Path) -> None:
    for amount in ("99999999999999999999", "15000000000000000000"):
        path = focus_csv(tmp_path / "b.csv", [{"BilledCost": amount}] * 2)
        assert "amounts that add up to" in str(refused(kept, path)[0])


# -- columns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["focus", "google json"])
def test_odd_column_names_are_kept(lake: Lake, tmp_path: Path, name: str) -> None:
    odd = ["", "x" * 300, 'a"b', "it's", "é", "c0", "x_Row", "source_path", "select", "*", "/", "~1", "[0]"]
    row = {column: f"kept {i}" for i, column in enumerate(odd)}
    ingest(lake, EXPORTS[name].write(tmp_path / "b", [row]), loaded_at=NOW)
    assert dict(charges(lake)[0]["x_Extra"]).items() >= row.items()


@pytest.mark.parametrize("name", ["tags/{", "tags/}, 'z': {'a': 1", "tags/{text:cost.mycost}"])
def test_a_column_name_is_never_sql(kept: Lake, tmp_path: Path, name: str) -> None:
    """Oracle's tags are columns; braces in one would end the place of the rule that it is put into."""
    assert "braces" in str(refused(kept, EXPORTS["oci"].write(tmp_path / "b", [{name: "x"}]))[0])


@pytest.mark.parametrize("name", ["billedcost", "file_row_number", "source_path", "", "a\0b"])
def test_columns_that_parquet_cannot_tell_apart(kept: Lake, tmp_path: Path, name: str) -> None:
    pq.write_table(pa.Table.from_pylist([{**ROW, name: "7"}]), tmp_path / "b.parquet")
    assert "rename" in str(refused(kept, tmp_path / "b.parquet")[0])


def test_a_tag_that_looks_like_a_rule_keeps_its_name(lake: Lake, tmp_path: Path) -> None:
    row = {"resourceTags/user:{text:line_item_product_code}": "x"}
    ingest(lake, EXPORTS["aws legacy"].write(tmp_path / "b", [row]), loaded_at=NOW)
    assert json.loads(charges(lake)[0]["Tags"])["{text:line_item_product_code}"] == "x"


def test_columns_that_only_case_tells_apart_are_two(lake: Lake, tmp_path: Path) -> None:
    """AWS tags are like that: Owner and owner."""
    row = {"x_Owner": "a", "x_owner": "b"}
    ingest(lake, focus_csv(tmp_path / "b.csv", [row]), loaded_at=NOW)
    assert dict(charges(lake)[0]["x_Extra"]).items() >= row.items()


# -- JSON, labels and decimals ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (', "z": ' + '{"a": ' * 20_000 + "1" + "}" * 20_000 + "}", "1 records nested over 100 deep"),
        (', "BilledCost": "7"}', "a key twice in 1 records"),
        (', "z": {"a": 1, "a": 2}}', "a key twice in 1 records"),
        (', "z": ', "JSON records"),
    ],
)
def test_json_that_is_read_in_two_ways_or_never_ends(
    kept: Lake, tmp_path: Path, tail: str, said: str
) -> None:
    """In a late record, which the look at the first ones does not see; the engine's stack would end first."""
    lines = EXPORTS["focus json"].write(tmp_path / "b", [{}] * 150).read_text(encoding="utf-8").splitlines()
    (tmp_path / "b").write_text("\n".join([*lines, lines[0][:-1] + tail]), encoding="utf-8")
    assert said in str(refused(kept, tmp_path / "b")[0])


def test_labels_of_any_shape(lake: Lake, tmp_path: Path) -> None:
    shapes = {
        '[{"key":"a","value":"1"},{"key":"b"}]': {"a": "1", "b": None}, '[{"key":"a"}]': {"a": None},
        '[{"key":"a","value":"1"},{"key":"a","value":"2"}]': None, '[{"value":"x"},{"key":"a"}]': None,
        "[1, null]": None, "{}": None, "[": None, "[]": None,
    }  # fmt: skip
    rows = [{"labels": shape} for shape in shapes]
    ingest(lake, EXPORTS["google csv"].write(tmp_path / "b", rows), loaded_at=NOW)
    tags = [json.loads(row["Tags"]) if row["Tags"] else None for row in charges(lake)]
    assert tags == list(shapes.values())


@pytest.mark.parametrize("name", ["focus", "google csv"])
def test_columns_that_no_rule_can_do_without(lake: Lake, tmp_path: Path, name: str) -> None:
    optional = ("Tags", "ServiceName", "ServiceCategory", "labels", "project.labels", "credits", "sku.id")
    export = replace(EXPORTS[name], row={k: v for k, v in EXPORTS[name].row.items() if k not in optional})
    (load,) = ingest(lake, export.write(tmp_path / "b", [{}]), loaded_at=NOW)
    assert (load.rows, charges(lake)[0]["Tags"]) == (1, None)


def test_decimals_of_parquet_that_are_rounded_are_noted(lake: Lake, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ROW, ROW])
    costs = pa.array([Decimal("0.1234567890123456789"), Decimal("0.5")], pa.decimal128(38, 30))
    pq.write_table(
        table.set_column(table.column_names.index("BilledCost"), "BilledCost", costs), tmp_path / "b"
    )
    said = notes(ingest(lake, tmp_path / "b", loaded_at=NOW))
    assert said == "b: 1 amounts have over 18 decimals and were rounded"
