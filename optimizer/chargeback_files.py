"""A chargeback as the files people take away: CSV, JSON, Parquet and a page."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from optimizer.chargeback import Chargeback
from optimizer.errors import Fault, InputError
from optimizer.layout import taking_place
from optimizer.report.chargeback_page import page

FORMATS = ("csv", "html", "parquet", "json")
COLUMNS = (
    "period", "owner", "service", "currency", "direct_cost", "shared_cost", "unused_commitment_cost",
    "total_cost", "list_cost", "commitment_saving",
)  # fmt: skip
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are =+-@ in full width


def rows_of(made: Chargeback) -> list[dict[str, Any]]:
    """One row per owner, service and currency, with the columns of `COLUMNS`."""
    names = COLUMNS[1:]
    return [
        {"period": made.period, **{name: getattr(share, name) for name in names}} for share in made.shares
    ]


def neutral(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula: text that could be one gets an apostrophe before it.

    Text is quoted whatever it holds: a spreadsheet that splits at semicolons would find a formula behind one.
    Numbers, also negative ones, stay numbers.
    """
    if cell is None or isinstance(cell, Decimal):
        return "" if cell is None else f"{cell:f}"
    text = f"'{cell}" if str(cell).startswith(_FORMULA) else str(cell)
    return '"' + text.replace('"', '""') + '"'


def as_csv(made: Chargeback) -> str:
    """The rows as CSV; amounts as exact decimals."""
    lines = [COLUMNS, *([neutral(row[name]) for name in COLUMNS] for row in rows_of(made))]
    return "".join(",".join(line) + "\r\n" for line in lines)


def summary(made: Chargeback) -> dict[str, Any]:
    """The documented JSON of `chargeback`; amounts as exact text."""
    plain = [{n: f"{v:f}" if isinstance(v, Decimal) else v for n, v in row.items()} for row in rows_of(made)]
    units = [
        {
            "owner": unit.owner, "currency": unit.currency, "requests": unit.requests, "tokens": unit.tokens,
            "per_1000_requests": f"{unit.per_1000_requests:f}",
            "per_1000_tokens": None if unit.per_1000_tokens is None else f"{unit.per_1000_tokens:f}",
        }
        for unit in made.unit_costs
    ]  # fmt: skip
    return {
        "period": made.period,
        "metric": made.metric,
        "totals": {currency: f"{total:f}" for currency, total in made.totals.items()},
        "rows": plain,
        "unit_costs": units,
        "notes": list(made.notes),
    }


def as_json(made: Chargeback) -> str:
    """The summary as text."""
    return json.dumps(summary(made), indent=1) + "\n"


def as_parquet(made: Chargeback) -> pa.Table:
    """The rows as Arrow, amounts DECIMAL(38,18)."""
    amount = pa.decimal128(38, 18)
    kinds = [amount if name.endswith(("_cost", "_saving")) else pa.string() for name in COLUMNS]
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    return pa.Table.from_pylist(rows_of(made), schema=schema)


def write(made: Chargeback, path: Path, kind: str) -> None:
    """Write one of `FORMATS`. Raises InputError for another, or where the file cannot be written."""
    if kind not in FORMATS:
        raise InputError([Fault("--format", repr(kind), " or ".join(FORMATS), "choose one of them")])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with taking_place(path) as draft:
            if kind == "parquet":
                pq.write_table(as_parquet(made), draft)
            else:
                text = {"html": page, "csv": as_csv, "json": as_json}[kind](made)
                draft.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        fault = Fault(str(path), str(error), "a file that can be written", "choose another")
        raise InputError([fault]) from error
