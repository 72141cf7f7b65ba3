"""The vocabulary of the data dictionary: a column, a table, and the few types they may have.

`data.tables` writes the dictionary with these; schema, validation and the reference page follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

MONEY_SCALE = 18  # digits after the point of every amount and quantity of a bill; DECIMAL(38,18)


class Kind(Enum):
    """What a column holds. The value is the SQL type in the lake."""

    TEXT = "VARCHAR"
    DECIMAL = "DECIMAL(38,18)"
    NUMBER = "DOUBLE"
    INTEGER = "BIGINT"
    FLAG = "BOOLEAN"
    TIME = "TIMESTAMP WITH TIME ZONE"
    MAP = "MAP(VARCHAR, VARCHAR)"

    @property
    def arrow(self) -> pa.DataType:
        """The same type in Arrow; times are microseconds in UTC."""
        return _ARROW[self]


_ARROW = {
    Kind.TEXT: pa.string(),
    Kind.DECIMAL: pa.decimal128(38, MONEY_SCALE),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.FLAG: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.MAP: pa.map_(pa.string(), pa.string()),
}


@dataclass(frozen=True)
class Column:
    """One column: what it means, in which unit, and which values are legal.

    `minimum` is inclusive; `allowed` lists the only legal values (a missing value is judged by `nullable`).
    """

    name: str
    kind: Kind
    meaning: str
    unit: str | None = None
    nullable: bool = True
    allowed: tuple[str, ...] = ()
    minimum: float | None = None


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    `key` is what makes a row unique (empty: nothing does).
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}; it has {', '.join(self.names)}")


def text(
    name: str, meaning: str, *, nullable: bool = True, allowed: tuple[str, ...] = (), unit: str | None = None
) -> Column:
    """A text column."""
    return Column(name, Kind.TEXT, meaning, unit, nullable, allowed)


def money(name: str, meaning: str, unit: str, *, nullable: bool = True) -> Column:
    """An exact decimal; may be negative, since credits and refunds are."""
    return Column(name, Kind.DECIMAL, meaning, unit, nullable)


def number(
    name: str, meaning: str, unit: str | None, *, nullable: bool = True, minimum: float | None = 0.0
) -> Column:
    """A floating-point measurement, by default not negative."""
    return Column(name, Kind.NUMBER, meaning, unit, nullable, (), minimum)


def integer(name: str, meaning: str, unit: str | None = None, *, nullable: bool = True) -> Column:
    """A count, not negative."""
    return Column(name, Kind.INTEGER, meaning, unit, nullable, (), 0)


def time(name: str, meaning: str, *, nullable: bool = True) -> Column:
    """A moment in UTC."""
    return Column(name, Kind.TIME, meaning, "UTC", nullable)


def flag(name: str, meaning: str, *, nullable: bool = True) -> Column:
    """True or false."""
    return Column(name, Kind.FLAG, meaning, None, nullable)
