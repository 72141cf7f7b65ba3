"""What the readers of demand, utilisation and offers share: columns by any of their names, times, notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from data.columns import Table, number, text, time
from data.conform import conform
from data.errors import Fault, InputError
from data.lake_frames import series_of
from data.tables import TABLES

EPOCH = datetime(
    2026, 1, 5, tzinfo=UTC
)  # a Monday midnight: traces that start at midnight keep their hour of day
LOCAL_ZONE = "UTC"


@dataclass(frozen=True)
class Context:
    """What the file itself does not say.

    `epoch` is the moment that relative times (offset_s) count from; `local_zone` the IANA zone of times a
    source calls local without naming it (columns ending in _local); `loaded_at` dates what carries no date.
    """

    where: str
    loaded_at: datetime
    epoch: datetime = EPOCH
    local_zone: str = LOCAL_ZONE


@dataclass(frozen=True)
class Converted:
    """Rows of one table, checked, and what a reader should know about how they came to be."""

    table: str
    rows: pa.Table
    notes: tuple[str, ...] = ()


Reader = Callable[[pa.Table, Context], Converted]

TIME_NAMES = ("ts", "ts_utc", "ts_local", "offset_s")


def first_present(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of `names` that is a column."""
    return next((name for name in names if name in columns), None)


def lower_names(table: pa.Table) -> pa.Table:
    """The table with column names in lower case."""
    return table.rename_columns([name.lower() for name in table.column_names])


def moments(table: pa.Table, context: Context) -> tuple[pd.Series[Any], tuple[str, ...]]:
    """The table's time column as UTC, and a note where its zone or origin was taken for granted.

    Raises InputError for a time without zone, unless its name says that it is UTC or local.
    """
    name = first_present(TIME_NAMES, table.column_names)
    if name is None:
        raise InputError(
            [Fault(context.where, "no time column", "one of " + ", ".join(TIME_NAMES), "add it")]
        )
    if name == "offset_s":
        seconds = numbers(table, name, context)
        note = f"times are seconds from {context.epoch.isoformat()}, which the file does not state"
        try:
            return pd.Timestamp(context.epoch) + pd.to_timedelta(seconds, unit="s").dt.as_unit("us"), (note,)
        except (ValueError, OverflowError) as error:
            found = f"seconds that no calendar has ({error})"
            fault = Fault(context.where, found, "seconds from the start", "correct them", column=name)
            raise InputError([fault]) from error
    column = table.column(name).combine_chunks()
    if name == "ts":
        return _aware(column, name, context), ()
    zone = "UTC" if name == "ts_utc" else context.local_zone
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        try:
            local = column.cast(pa.timestamp("us"), safe=False).to_pandas().dt.tz_localize(zone)
        except (ValueError, KeyError) as error:
            found = f"times that {zone} does not have or a zone it does not know ({error})"
            raise InputError(
                [Fault(context.where, found, "another zone", "give the right one", column=name)]
            ) from error
        assumed = () if name == "ts_utc" else (f"{name} has no zone and was taken as {zone}",)
        return local.dt.tz_convert("UTC").dt.as_unit("us"), assumed
    if name == "ts_local":
        found = "text"
        raise InputError(
            [Fault(context.where, found, "times without zone in a Parquet file", "use ts", column=name)]
        )
    return _aware(column, name, context), ()


def _aware(column: pa.Array, name: str, context: Context) -> pd.Series[Any]:
    """Times that carry their zone; conform finds those that do not."""
    single = Table("times", "", (time(name, "", nullable=False),))
    return series_of(conform(single, pa.table({name: column}), where=context.where).column(0))


def numbers(table: pa.Table, name: str, context: Context) -> pd.Series[Any]:
    """A column as floats, missing as NaN. Raises InputError for what is not a number."""
    single = Table("numbers", "", (number(name, "", None, minimum=None),))
    return series_of(conform(single, table.select([name]), where=context.where).column(0))


def texts(table: pa.Table, name: str, context: Context) -> pd.Series[Any]:
    """A column as text, all missing where there is none. Raises InputError for lists, objects and bytes."""
    if name not in table.column_names:
        return pd.Series([None] * table.num_rows, dtype="str")
    try:
        return series_of(table.column(name).cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        single = Table("texts", "", (text(name, ""),))
        return series_of(conform(single, table.select([name]), where=context.where).column(0))


def same_columns(table_name: str) -> Reader:
    """A reader for files that already have our table's columns; others are left out."""

    def read(table: pa.Table, context: Context) -> Converted:
        rows = lower_names(table)
        return Converted(table_name, conform(TABLES[table_name], rows, where=context.where))

    return read
