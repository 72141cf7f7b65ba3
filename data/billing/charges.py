"""Bills into the table charges: map, check, compare with what is there, replace what changed.

The part of a bill that is replaced is (source, billing account, month). Its fingerprint is kept in `loads`; a
part whose fingerprint is known already is left alone, so the same bill twice makes no snapshot.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from data.billing import cur, focus, mapping
from data.billing.columns import COST_AND_USAGE
from data.billing.sources import source_sql
from data.columns import Table
from data.errors import Fault, InputError
from data.fingerprint import fingerprint_sql
from data.formats import Format, RawFile
from data.lake import Lake
from data.loads import Load, Status, exact_sum, next_load_id, write_loads
from data.staging import Staged, refuse_broken_rows, staged
from data.tables import CHARGES

INCOMING = "incoming_charges"
_Part = tuple[str, str, str]  # source, account, month
_WORST_FIRST: tuple[Status, ...] = ("restated", "new", "unchanged")
_BOOKKEEPING = ("x_LoadId", "x_Row")
_FOCUS_PART = Table("charges", CHARGES.grain, COST_AND_USAGE)
_RULES = {"focus": focus.cost_and_usage, "aws-cur": cur.line_items}


@dataclass(frozen=True)
class BillFile:
    """A bill as delivered and the format its columns show."""

    file: RawFile
    format: Format


@dataclass(frozen=True)
class Prepared:
    """Bills mapped and checked, waiting in a temporary table; nothing of the lake has changed."""

    notes: tuple[str, ...]
    empty: tuple[Load, ...]


def prepare_bills(lake: Lake, bills: Sequence[BillFile]) -> Prepared:
    """Map and check the bills of one delivery. Raises InputError with the faults of all its files."""
    for statement in (*mapping.MACROS, *_incoming_tables()):
        lake.sql(statement)
    faults: list[Fault] = []
    notes: list[str] = []
    empty: list[Load] = []
    for number, bill in enumerate(bills):
        try:
            with staged(lake, bill.file) as raw:
                rows, noted = _map_file(lake, raw, bill.format, number)
            notes += noted
            empty += [] if rows else [_empty(bill)]
        except InputError as error:
            faults += error.faults
    if faults:
        drop_prepared(lake)
        raise InputError(faults)
    _name_sources(lake)
    return Prepared(tuple(notes), tuple(empty))


def _incoming_tables() -> list[str]:
    """Statements that make the temporary tables of a delivery and the view that puts them together."""
    mapped = [f'"{c.name}" {c.kind.value}' for c in CHARGES.columns if c.name not in _BOOKKEEPING]
    mapped += ["unreadable INTEGER", "rounded INTEGER", "file INTEGER"]
    files = "file INTEGER, first_row BIGINT, kind VARCHAR, file_name VARCHAR"
    return [
        f"CREATE OR REPLACE TEMP TABLE mapped_charges ({', '.join(mapped)})",
        f"CREATE OR REPLACE TEMP TABLE bill_files ({files})",
        "CREATE OR REPLACE TEMP TABLE bill_sources (account VARCHAR, source VARCHAR)",
        f"""
        CREATE OR REPLACE TEMP VIEW {INCOMING} AS
        SELECT
            m.* EXCLUDE ("x_Source", unreadable, rounded, file),
            coalesce(m."x_Source", s.source) AS "x_Source",
            m.rowid - f.first_row + 1 AS "x_Row",
            f.kind,
            f.file_name
        FROM mapped_charges AS m
        JOIN bill_files AS f USING (file)
        JOIN bill_sources AS s ON m."BillingAccountId" = s.account
        """,
    ]


def commit_bills(lake: Lake, prepared: Prepared, *, loaded_at: datetime) -> list[Load]:
    """Replace the parts of the bills that changed; the caller holds the transaction.

    Files of one delivery that share a part (source, account, month) are that part together.
    """
    loads = _replace_changed(lake, loaded_at, prepared.notes)
    return loads + list(prepared.empty)


def drop_prepared(lake: Lake) -> None:
    """Forget what `prepare_bills` left waiting."""
    lake.sql(f"DROP VIEW IF EXISTS {INCOMING}")
    for table in ("mapped_charges", "bill_files", "bill_sources"):
        lake.sql(f"DROP TABLE IF EXISTS {table}")


def _empty(bill: BillFile) -> Load:
    kind = _RULES[bill.format.name](bill.file.columns).kind
    source = "aws" if bill.format.name == "aws-cur" else "unknown"
    return Load(source, kind, 0, None, None, {}, {}, "empty", "charges", files=(bill.file.name,))


def _map_file(lake: Lake, raw: Staged, known: Format, number: int) -> tuple[int, list[str]]:
    """Append a file to the mapped rows, or raise its faults. Returns its row count and notes."""
    rules = _RULES[known.name](raw.file.columns)
    fitted = mapping.fit(rules, raw.file.columns, known.canonical)
    first_row = _one(lake, "SELECT count(*) FROM mapped_charges")
    lake.sql(
        f"""
        INSERT INTO mapped_charges BY NAME
        SELECT *, strftime("BillingPeriodStart", '%Y-%m') AS "x_Month", $file::INTEGER AS file
        FROM ({fitted.sql(raw.relation)})
        """,
        file=number,
    )
    refuse_broken_rows(lake, raw.file)
    lake.sql(
        "INSERT INTO bill_files VALUES ($file, $first_row, $kind, $name)",
        file=number, first_row=first_row, kind=rules.kind, name=raw.file.name,
    )  # fmt: skip
    mine = f'(SELECT *, rowid - {first_row} + 1 AS "x_Row" FROM mapped_charges WHERE rowid >= {first_row})'
    unreadable = _one(lake, f"SELECT sum(unreadable) FROM {mine}")
    faults = list(mapping.unreadable(lake, raw, fitted)) if unreadable else []
    # A value that could not be read is missing as well: one fault for it is enough.
    judged = mapping.targets_of(rules, [known.canonical(fault.column) for fault in faults if fault.column])
    faults += [f for f in mapping.illegal(lake, mine, _FOCUS_PART, raw.file.name) if f.column not in judged]
    if faults:
        raise InputError(faults)
    count = _one(lake, f"SELECT sum(rounded) FROM {mine}")
    note = f"{raw.file.name}: {count} amounts have over 18 decimals and were rounded"
    return _one(lake, f"SELECT count(*) FROM {mine}"), [note] if count else []


def _one(lake: Lake, query: str) -> int:
    return int(lake.sql(query).column(0)[0].as_py() or 0)


def _name_sources(lake: Lake) -> None:
    """Say who bills each account: by most of its rows, since resellers' lines are mixed in."""
    source = source_sql('coalesce("InvoiceIssuerName", "ServiceProviderName", \'unknown\')')
    lake.sql(
        f"""
        INSERT INTO bill_sources
        WITH votes AS (
            SELECT "BillingAccountId" AS account, {source} AS source, count(*) AS n
            FROM mapped_charges
            GROUP BY ALL
        )
        SELECT account, source FROM votes
        QUALIFY row_number() OVER (PARTITION BY account ORDER BY n DESC, source) = 1
        """
    )


def _parts(lake: Lake) -> list[dict[str, Any]]:
    """Sums and the part's fingerprint for each source, account, month and currency of the incoming rows."""
    content_hash = fingerprint_sql([name for name in CHARGES.names if name not in _BOOKKEEPING])
    part = '"x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month'
    rows: list[dict[str, Any]] = lake.sql(
        f"""
        WITH part AS (
            SELECT
                {part},
                {content_hash} AS content_hash,
                string_agg(DISTINCT kind, '+' ORDER BY kind) AS kind,
                string_agg(DISTINCT file_name, ', ' ORDER BY file_name) AS file_names
            FROM {INCOMING}
            GROUP BY ALL
        ),
        cost AS (
            SELECT
                {part},
                "BillingCurrency" AS currency,
                count(*) AS row_count,
                min("BillingPeriodStart") AS period_start,
                max("BillingPeriodEnd") AS period_end,
                sum("BilledCost") AS billed_cost,
                sum("EffectiveCost") AS effective_cost
            FROM {INCOMING}
            GROUP BY ALL
        )
        SELECT * FROM cost JOIN part USING (source, account, month)
        ORDER BY source, kind, account, month, currency
        """
    ).to_pylist()
    return rows


def _replace_changed(lake: Lake, loaded_at: datetime, notes: Sequence[str]) -> list[Load]:
    parts = _parts(lake)
    before = _loaded_before(lake)
    for part in parts:
        _judge(part, before, notes)
    changed = [part for part in parts if part["status"] != "unchanged"]
    if changed:
        load_id = next_load_id(lake)
        _swap(lake, sorted({(p["source"], p["account"], p["month"]) for p in changed}), load_id)
        write_loads(lake, changed, load_id=load_id, loaded_at=loaded_at, table="charges")
    return list(_summaries(parts))


def _loaded_before(lake: Lake) -> dict[_Part, list[dict[str, Any]]]:
    """The latest load of each part: its rows in `loads`, one per currency."""
    rows = lake.sql(
        """
        SELECT source, account, month, currency, content_hash, billed_cost, kind FROM loads
        WHERE table_name = 'charges'
        QUALIFY load_id = max(load_id) OVER (PARTITION BY source, account, month)
        """
    ).to_pylist()
    found: dict[_Part, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["source"], row["account"], row["month"]), []).append(row)
    return found


def _judge(part: dict[str, Any], before: dict[_Part, list[dict[str, Any]]], notes: Sequence[str]) -> None:
    """Set the part's status and note in place."""
    earlier = before.get((part["source"], part["account"], part["month"]), [])
    words = list(notes)
    if not earlier:
        part["status"] = "new"
    elif earlier[0]["content_hash"] == part["content_hash"]:
        part["status"] = "unchanged"
    else:
        part["status"] = "restated"
        words.append(_restatement(part, earlier))
    part["note"] = "; ".join(words) or None


def _restatement(part: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> str:
    """What the part cost before and after, and its format before if that was another."""
    currency = part["currency"]
    old = exact_sum(row["billed_cost"] for row in earlier if row["currency"] == currency)
    was = f" (was {earlier[0]['kind']})" if earlier[0]["kind"] != part["kind"] else ""
    change = f"{plain(old)} -> {plain(part['billed_cost'])} {currency}"
    return f"{part['account']} {part['month']}: billed {change}{was}"


def plain(amount: Decimal) -> str:
    """An amount without exponent and trailing zeros."""
    shown = f"{amount:f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"


def _swap(lake: Lake, changed: Sequence[_Part], load_id: int) -> None:
    """Put the incoming rows of the changed parts in the place of the old ones."""
    keys = pa.table([pa.array(column, pa.string()) for column in zip(*changed, strict=True)], ["s", "a", "m"])
    matches = '"x_Source" = k.s AND "BillingAccountId" = k.a AND "x_Month" = k.m'
    columns = ", ".join(f'"{name}"' for name in CHARGES.names if name != "x_LoadId")
    with lake.registered(keys) as relation:
        lake.sql(f"DELETE FROM charges USING {relation} AS k WHERE {matches}")
        lake.sql(
            f"""
            INSERT INTO charges BY NAME
            SELECT {columns}, $load_id AS "x_LoadId" FROM {INCOMING} SEMI JOIN {relation} AS k ON {matches}
            """,
            load_id=load_id,
        )


def _summaries(parts: Sequence[dict[str, Any]]) -> Iterator[Load]:
    """One load per source and format of the delivery."""
    for source, kind in dict.fromkeys((part["source"], part["kind"]) for part in parts):
        mine = [part for part in parts if (part["source"], part["kind"]) == (source, kind)]
        statuses = {part["status"] for part in mine}
        status = next(name for name in _WORST_FIRST if name in statuses)
        yield Load(
            source, kind, sum(part["row_count"] for part in mine),
            min(part["period_start"] for part in mine), max(part["period_end"] for part in mine),
            _by_currency(mine, "billed_cost"), _by_currency(mine, "effective_cost"), status, "charges",
            files=tuple(sorted({name for part in mine for name in part["file_names"].split(", ")})),
            notes=tuple(dict.fromkeys(note for p in mine if p["note"] for note in p["note"].split("; "))),
        )  # fmt: skip


def _by_currency(parts: Sequence[dict[str, Any]], column: str) -> dict[str, Decimal]:
    amounts: dict[str, list[Decimal]] = {}
    for part in parts:
        amounts.setdefault(part["currency"], []).append(part[column])
    return {currency: exact_sum(values) for currency, values in amounts.items()}
