"""What a load did, for the caller and for the table loads."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, Literal

from data.lake import Lake
from data.tables import LOADS, conform

DECIMAL_DIGITS = 76
Status = Literal["new", "unchanged", "restated", "empty"]


@dataclass(frozen=True)
class Load:
    """What one delivery brought from one source in one format.

    Costs are by currency and exact; periods are UTC, the end exclusive. `notes` are sentences a reader should
    see: a restatement's before and after, amounts that were rounded, a time zone that was taken for granted.
    What is held is left aside, since it looks older than what the lake has.
    """

    source: str
    kind: str
    rows: int
    period_start: datetime | None
    period_end: datetime | None
    billed_cost: dict[str, Decimal]
    effective_cost: dict[str, Decimal]
    status: Status
    table: str
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_held: bool = False


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Sum without rounding; Python's usual 28 digits are fewer than DECIMAL(38,18) has."""
    with localcontext(prec=DECIMAL_DIGITS):
        return sum(amounts, Decimal(0))


def next_load_id(lake: Lake) -> int:
    """Number of the load that is being made; the caller holds the transaction."""
    return int(lake.sql("SELECT coalesce(max(load_id), 0) + 1 FROM loads").column(0)[0].as_py())


def write_loads(
    lake: Lake, rows: Sequence[dict[str, Any]], *, load_id: int, loaded_at: datetime, table: str
) -> None:
    """Append rows to `loads`; keys are the table's columns, the four named arguments are filled in."""
    filled = [{**row, "load_id": load_id, "loaded_at": loaded_at, "table_name": table} for row in rows]
    known = [{name: row.get(name) for name in LOADS.names} for row in filled]
    with lake.registered(conform("loads", known)) as incoming:
        lake.sql(f"INSERT INTO loads BY NAME SELECT * FROM {incoming}")
