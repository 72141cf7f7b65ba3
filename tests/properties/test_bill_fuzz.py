"""Whatever a delivery holds: it is refused and changes nothing, or it is loaded to the last decimal.

Never anything else: no other exception, no part of a bill. The expected sums are plain Python over what was
written, or over what Python's own CSV reader makes of a damaged file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.ingest import Loads, ingest
from data.lake import Lake
from tests.data.bills import NOW
from tests.data.exports import EXPORTS, Export

Sums = dict[str, Decimal]
MISSING = ("", "null", "NULL")
POOL = (
    "NaN", "-inf", "-1", "1e308", "1e-400", "9" * 19, "9" * 39, "0.1234567890123456789", "1,5", " 1.5 ",
    "1_0", "0000-01-01", "0001-01-01T00:00:00+14:00", "1969-12-31", "2262-04-12T00:00:00Z",
    "9999-12-31T23:59:59-14:00", "2026-05-01 (BC)", "infinity", "02/30/2026", "999912", "", "null", "\0",
    "a\0b", "\ufeff", "a\nb", "a\rb", '"', "'", "'; DROP TABLE charges; --", "{money:cost}", "{", "[",
    "[1,2]", '{"a":1,"a":2}', '[{"key":"a"}]', '[{"key":"a","value":"1"},{"key":"b"}]',
    '[{"key":null,"value":"y"}]', '[{"amount":"-1"},{"type":"Y"}]', '{"user_owner":"a","user:owner":"b"}',
    "[" * 5000, "Credit", "Weird", "DiscountedUsage", "RIFee", "usd", "😀", "999999999999999B", "202613",
    "true", "x" * 300,
)  # fmt: skip
NAMES = (
    "", "x" * 300, 'a"b', "it's", "a\nb", "{text:cost}", "tags/{", "tags/}", "resourceTags/user:'", "c0",
    "x_Row", "filename", "file_row_number", "rowid", "select", "BilledCost", "billedcost", "cost", "Tags",
    "tags", "é", "a.b",
)  # fmt: skip
HEADS = (
    b"", b"PAR1", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00", b"{", b"[{", b"\xef\xbb\xbf",
    b"\xff\xfe", b"a,b\n", b"\0" * 257 + b"ustar",
)  # fmt: skip
SNIPPETS = (b'"', b"\n", b"\r", b"\r\n", b",", b"\0", b"\xff", b'""', b"\xef\xbb\xbf", b"{", b"[", b"PAR1")
FAST = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
exports = st.sampled_from(sorted(EXPORTS))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with Lake.open(tmp_path_factory.mktemp("fuzz") / "lake") as opened:
        opened.sql("SET threads = 1")  # quicker for a few rows
        yield opened


def loaded(lake: Lake, path: Path) -> Loads | None:
    """The loads, or None where the delivery is refused as it must be."""
    before = lake.snapshot_id()
    try:
        return ingest(lake, path, loaded_at=NOW)
    except InputError as error:
        faults = error.faults
    assert faults
    assert all(str(fault).isprintable() for fault in faults)
    assert lake.snapshot_id() == before
    assert held(lake) == {}
    return None


def held(lake: Lake) -> Sums:
    """What the charges of the lake add up to, by currency."""
    rows = lake.sql('SELECT "BillingCurrency" AS c, sum("BilledCost") AS s FROM charges GROUP BY ALL')
    return {row["c"]: row["s"] for row in rows.to_pylist()}


def emptied(lake: Lake) -> Sums:
    """What the lake held, of which nothing is left."""
    found = held(lake)
    for table in ("charges", "loads", "billing_periods") if found else ():
        lake.sql(f"DELETE FROM {table}")
    return found


# -- what a file says it costs ---------------------------------------------------------------------


def billed(export: Export, row: Mapping[str, str]) -> Decimal:
    """A row's invoiced cost, each amount to 18 decimals; raises for what is no number."""
    texts = [row.get("line_item_net_unblended_cost") or row[export.cost]]
    if row.get("credits") not in (None, *MISSING):
        texts += [str(credit["amount"]) for credit in json.loads(row["credits"])]
    with localcontext(prec=100):
        amounts = [Decimal(text.strip()).quantize(Decimal("1e-18"), ROUND_HALF_UP) for text in texts]
        return sum(amounts, Decimal(0))


def expected(export: Export, rows: Sequence[Mapping[str, str]]) -> Sums | None:
    """Sums by currency; None where a rule of the importer decides what is billed."""
    sums: Sums = {}
    for row in rows:
        if row.get("benefitId", "") not in MISSING or row.get("PricingModel", "OnDemand") != "OnDemand":
            return None  # of Azure's commitments: the kind of export decides
        currency = row[export.currency]
        currency = "XXX" if currency in MISSING and "PayGPrice" in export.row else currency
        sums[currency] = sums.get(currency, Decimal(0)) + billed(export, row)
    return sums


def read_again(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV as Python reads them; raises for what is none."""
    text = path.read_bytes().decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.strip() for name in header]
    return [dict(zip(names, row, strict=True)) for row in rows if row]


# -- properties ------------------------------------------------------------------------------------


@settings(FAST, max_examples=50)
@given(head=st.sampled_from(HEADS), body=st.binary(max_size=300) | st.text('{}[]",:01e-\n\\ ', max_size=200))
def test_noise_is_refused(lake: Lake, tmp_path: Path, head: bytes, body: bytes | str) -> None:
    (tmp_path / "noise").write_bytes(head + (body.encode() if isinstance(body, str) else body))
    assert loaded(lake, tmp_path / "noise") is None


@FAST
@given(data=st.data(), name=exports)
def test_hostile_values(lake: Lake, tmp_path: Path, data: st.DataObject, name: str) -> None:
    export = EXPORTS[name]
    columns = st.sampled_from(sorted(export.row)) | st.sampled_from([export.cost, export.currency])
    change = st.dictionaries(columns, st.sampled_from(POOL), max_size=2)
    rows = data.draw(st.lists(change, min_size=1, max_size=3))
    loads = loaded(lake, export.write(tmp_path / "bill", rows))
    found = emptied(lake)
    if loads is not None:
        sums = expected(export, [{**export.row, **row} for row in rows])
        assert sums is None or found == sums


@settings(FAST, max_examples=6)
@given(data=st.data(), name=exports)
def test_hostile_columns(lake: Lake, tmp_path: Path, data: st.DataObject, name: str) -> None:
    export = EXPORTS[name]
    kept = data.draw(st.permutations(sorted(export.row)))[data.draw(st.sampled_from([0, 0, 0, 1, 3])) :]
    extra = data.draw(st.lists(st.sampled_from(NAMES), max_size=2))
    row = {column: export.row[column] for column in kept} | dict.fromkeys(extra, "7")
    changed = replace(export, row=row)
    loads = loaded(lake, changed.write(tmp_path / "bill", [{}]))
    found = emptied(lake)
    if loads is not None and not {"cost", "BilledCost", "billedcost"} & set(extra):
        assert sum(found.values()) == billed(export, row)


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """Flipped, cut, doubled or with something put in, once or twice."""
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(["flip", "cut", "remove", "double", "insert"]))
        if kind == "flip" and content:
            flipped = bytes([content[at] ^ (1 << data.draw(st.integers(0, 7)))])
            content = content[:at] + flipped + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "remove":
            content = content[:at] + content[at + data.draw(st.sampled_from([1, 40])) :]
        elif kind == "double":
            content = content[:at] + content[at : at + 40] + content[at:]
        else:
            content = content[:at] + data.draw(st.sampled_from(SNIPPETS)) + content[at:]
    return content


@settings(FAST, max_examples=12)
@given(data=st.data(), name=exports)
def test_damaged_files(lake: Lake, tmp_path: Path, data: st.DataObject, name: str) -> None:
    export = EXPORTS[name]
    path = export.write(tmp_path / "bill", [{}, {export.cost: "-2.5"}, {}])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    if export.container == "csv":
        path.write_bytes(path.read_bytes().decode().encode(encoding))
    path.write_bytes(damaged(path.read_bytes(), data))
    loads = loaded(lake, path)
    found = emptied(lake)
    if loads is not None and export.container == "csv":
        assert found == (expected(export, read_again(path)) or found)


def packed(content: bytes, kind: str) -> bytes:
    """The content as one member of an archive."""
    out = io.BytesIO()
    if kind == "gzip":
        return gzip.compress(content)
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bill.csv", content)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w:gz" if kind == "tgz" else "w") as archive:
        head = tarfile.TarInfo("bill.csv")
        head.size = len(content)
        archive.addfile(head, io.BytesIO(content))
    return out.getvalue()


@settings(FAST, max_examples=30)
@given(data=st.data(), kind=st.sampled_from(["zip", "gzip", "tar", "tgz"]))
def test_damaged_archives(lake: Lake, tmp_path: Path, data: st.DataObject, kind: str) -> None:
    content = EXPORTS["focus"].write(tmp_path / "bill", [{}]).read_bytes()
    (tmp_path / "bill").write_bytes(damaged(packed(content, kind), data))
    loads = loaded(lake, tmp_path / "bill")
    found = emptied(lake)
    if loads is not None and kind != "tar":  # which has no checksum
        assert found == {"USD": Decimal("1.5")}


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)


@settings(FAST, max_examples=3)
@given(amounts=st.lists(NUMBERS, min_size=5, max_size=20))
def test_numbers_of_json_keep_every_digit(lake: Lake, tmp_path: Path, amounts: Sequence[Decimal]) -> None:
    """Almost everyone reads them as floats: 0.123456789012345678 would lose its last digit."""
    export = EXPORTS["focus json"]
    texts = [*(f"{amount:f}" for amount in amounts), "0.123456789012345678"]
    rows = [{**export.row, export.cost: text} for text in texts]
    lines = export.write(tmp_path / "bill", rows).read_text(encoding="utf-8").splitlines()
    bare = [re.sub(rf'("{export.cost}": )"([^"]*)"', r"\1\2", line) for line in lines]
    assert bare != lines
    (tmp_path / "bill").write_text("\n".join(bare), encoding="utf-8")
    assert loaded(lake, tmp_path / "bill") is not None
    assert emptied(lake) == expected(export, rows)
