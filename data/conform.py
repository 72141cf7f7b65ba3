"""Checks rows against the dictionary and converts them, collecting every fault before raising.

Row numbers in faults count from 1 and do not count a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.columns import MONEY_SCALE, Column, Kind, Table
from data.errors import Fault, InputError

Rows: TypeAlias = pd.DataFrame | pa.Table | list[dict[str, Any]]

FAULTS_PER_COLUMN = 5  # further ones are counted in the last line; a wrong column has thousands
_QUANTUM = Decimal(1).scaleb(-MONEY_SCALE)
_WHOLE_DIGITS = 38 - MONEY_SCALE
_INTEGERS = 2**63
_CALENDAR = tuple(
    pa.scalar(time.replace(tzinfo=UTC), Kind.TIME.arrow)
    for time in (datetime.min, datetime.max)  # noqa: DTZ901 - the zone follows
)


def conform(table: Table, frame: Rows, *, where: str) -> pa.Table:
    """Rows as an Arrow table with exactly the dictionary's columns, types and order.

    A column the frame lacks is filled with missing values if it may be empty; a column the dictionary lacks
    is dropped. `where` names the input in faults. Raises InputError with every missing column, wrong type,
    missing, NaN, infinite or negative value, time without zone, unknown name and repeated key.
    """
    columns = _columns(frame)
    rows = len(next(iter(columns.values()))) if columns else 0
    if not rows:  # what holds nothing may have any columns and types
        return schema_of(table).empty_table()
    faults: list[Fault] = list(_missing(table, columns, where))
    arrays: dict[str, pa.Array] = {}
    for column in table.columns:
        if column.name not in columns:
            arrays[column.name] = pa.nulls(rows, column.kind.arrow)
            continue
        array, wrong = _convert(column, columns[column.name], where)
        arrays[column.name] = array
        faults += [*wrong, *_illegal(column, array, {fault.row for fault in wrong}, where)]
    result = pa.table(arrays, schema=schema_of(table))
    if not faults:
        faults += _repeated(table, result, where)
    if faults:
        raise InputError(faults)
    return result


def schema_of(table: Table) -> pa.Schema:
    """Arrow schema of a table, in the dictionary's order."""
    return pa.schema([pa.field(column.name, column.kind.arrow) for column in table.columns])


def _columns(frame: Rows) -> dict[str, pa.Array]:
    """The frame's columns as Arrow arrays; float NaN stays NaN so that it can be told from missing."""
    if isinstance(frame, list):
        frame = pa.Table.from_pylist(frame)
    if isinstance(frame, pa.Table):
        return {name: _plain(frame.column(name)) for name in frame.column_names}
    return {str(name): _from_series(frame[name]) for name in frame.columns}


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _from_series(series: pd.Series[Any]) -> pa.Array:
    """A pandas column. NaN is how pandas says missing, so here it counts as missing."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    values = series.array
    if series.dtype == object:
        return _from_objects([None if _is_missing(value) else value for value in values])
    array = pa.Array.from_pandas(series)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _from_objects(values: list[Any]) -> pa.Array:
    """Mixed Python objects; what Arrow cannot hold in one type becomes text and is judged as such."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _is_missing(value: object) -> bool:
    return (
        value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
    )


def _missing(table: Table, columns: Mapping[str, pa.Array], where: str) -> Iterator[Fault]:
    for column in table.columns:
        if not column.nullable and column.name not in columns:
            found = ", ".join(columns) or "none"
            yield Fault(where, f"columns {found}", f"a column {column.name}", "add it", column=column.name)


def _convert(column: Column, array: pa.Array, where: str) -> tuple[pa.Array, list[Fault]]:
    """The array in the column's type, and a fault for each value that cannot be converted."""
    if array.type == column.kind.arrow or pa.types.is_null(array.type):
        return array.cast(column.kind.arrow), []
    if column.kind is Kind.TIME and pa.types.is_timestamp(array.type) and array.type.tz is None:
        return pa.nulls(len(array), column.kind.arrow), [_zoneless(column, str(array[0]), 1, where)] if len(
            array
        ) else []
    try:
        return _cast(column.kind, array), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return _convert_each(column, array, where)


def _cast(kind: Kind, array: pa.Array) -> pa.Array:
    """Convert a whole array without loss; what fails is tried again value by value, for its row."""
    text_to_other = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    if text_to_other and kind in (Kind.DECIMAL, Kind.FLAG, Kind.MAP):
        raise pa.ArrowInvalid("text is read value by value")
    if kind is Kind.TIME and not (text_to_other or pa.types.is_timestamp(array.type)):
        raise pa.ArrowInvalid("only times are times")
    if kind is Kind.DECIMAL and pa.types.is_floating(array.type):
        raise pa.ArrowInvalid("floats become decimals by their shortest text")
    if kind is Kind.FLAG and not pa.types.is_boolean(array.type):
        raise pa.ArrowInvalid("only flags are flags")
    if kind is Kind.TEXT and not text_to_other and not pa.types.is_string_view(array.type):
        raise pa.ArrowInvalid("only text is text")
    safe = not pa.types.is_timestamp(array.type)  # nanoseconds are cut to microseconds
    return array.cast(kind.arrow, safe=safe)


def _convert_each(column: Column, array: pa.Array, where: str) -> tuple[pa.Array, list[Fault]]:
    values: list[Any] = []
    faults: list[Fault] = []
    try:
        found = array.to_pylist()
    except OverflowError:
        found, expected = "times beyond the calendar", _EXPECTED[column.kind]
        return pa.nulls(len(array), column.kind.arrow), [
            Fault(where, found, expected, "correct the values", column=column.name)
        ]
    for row, value in enumerate(found, start=1):
        try:
            values.append(None if value is None or value == "" else _PARSERS[column.kind](value))
        except (ValueError, TypeError, ArithmeticError) as error:
            values.append(None)
            if str(error) == _NO_ZONE:
                faults.append(_zoneless(column, repr(value), row, where))
            else:
                faults.append(_wrong_type(column, value, row, where))
    return pa.array(values, column.kind.arrow), faults[:FAULTS_PER_COLUMN] + _summary(column, faults, where)


_NO_ZONE = "no zone"


def _parse_time(value: object) -> pd.Timestamp:
    if isinstance(value, (int, float, bool)):
        raise TypeError("a bare number is no time")
    moment = pd.Timestamp(value)  # type: ignore[arg-type]  # anything else ends in ValueError or TypeError
    if moment.tzinfo is None:
        raise ValueError(_NO_ZONE)
    return moment.tz_convert("UTC").as_unit("us")


def _parse_decimal(value: object) -> Decimal:
    amount = Decimal(str(value).strip())
    if not amount.is_finite():
        raise ValueError("not finite")
    if amount and amount.adjusted() >= _WHOLE_DIGITS:
        raise ValueError("too large")
    with localcontext(prec=76):  # the usual 28 digits are fewer than DECIMAL(38,18) has
        exact = amount.quantize(_QUANTUM)
    if exact.adjusted() >= _WHOLE_DIGITS:  # 99999999999999999999.9999999999999999999 is rounded up
        raise ValueError("too large")
    return exact


def _parse_integer(value: object) -> int:
    number = Decimal(str(value).strip())
    if not -_INTEGERS <= number < _INTEGERS:  # before int: 1e999999999 would take for ever
        raise ValueError("too large")
    if number != number.to_integral_value():
        raise ValueError("not whole")
    return int(number)


def _parse_flag(value: object) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    return known[str(value).strip().lower()] if str(value).strip().lower() in known else _refuse()


def _refuse() -> bool:
    raise ValueError("neither true nor false")


def _parse_text(value: object) -> str:
    if isinstance(value, (dict, list, bytes)):
        raise TypeError("not text")
    return str(value)


_PARSERS: dict[Kind, Any] = {
    Kind.TEXT: _parse_text,
    Kind.DECIMAL: _parse_decimal,
    Kind.NUMBER: float,
    Kind.INTEGER: _parse_integer,
    Kind.FLAG: _parse_flag,
    Kind.TIME: _parse_time,
    Kind.MAP: lambda value: list(dict(value).items()),
}
_EXPECTED = {
    Kind.TEXT: "text",
    Kind.DECIMAL: "a decimal number",
    Kind.NUMBER: "a number",
    Kind.INTEGER: "a whole number",
    Kind.FLAG: "true or false",
    Kind.TIME: "a time with its zone, such as 2026-05-12T03:00:00+00:00",
    Kind.MAP: "a map of text to text",
}


def _wrong_type(column: Column, value: object, row: int, where: str) -> Fault:
    return Fault(where, repr(value), _EXPECTED[column.kind], "correct the value", row, column.name)


def _zoneless(column: Column, value: str, row: int, where: str) -> Fault:
    action = "add the offset; a time without zone could be any of 24 hours"
    return Fault(where, f"{value} without a zone", _EXPECTED[Kind.TIME], action, row, column.name)


def _summary(column: Column, faults: list[Fault], where: str) -> list[Fault]:
    if len(faults) <= FAULTS_PER_COLUMN:
        return []
    found = f"{len(faults) - FAULTS_PER_COLUMN} more values of the same kind"
    return [Fault(where, found, _EXPECTED[column.kind], "correct them too", column=column.name)]


def _illegal(column: Column, array: pa.Array, judged: set[int | None], where: str) -> Iterator[Fault]:
    """Values of the right type that must not be: missing, NaN, infinite, too small, or unknown names."""
    if column.kind is Kind.TIME and (beyond := _beyond_the_calendar(array)):
        found, action = f"{beyond} times before the year 1 or after 9999", "correct the values"
        yield Fault(where, found, _EXPECTED[Kind.TIME], action, column=column.name)
        return
    checks: list[tuple[pa.Array, str, str]] = []
    if not column.nullable:
        checks.append((pc.is_null(array), "a value", "fill it in or leave the row out"))
    if column.kind is Kind.NUMBER:
        checks.append((pc.invert(pc.is_finite(array)), "a finite number", "leave it empty if it is unknown"))
    if column.minimum is not None and column.kind in (Kind.NUMBER, Kind.INTEGER):
        small = pc.less(array, pa.scalar(column.minimum, column.kind.arrow))
        checks.append((small, f"at least {column.minimum:g}", "correct the value"))
    if column.allowed:
        known = pc.is_in(array, value_set=pa.array([*column.allowed, None], pa.string()))
        checks.append((pc.invert(known), "one of " + ", ".join(column.allowed), "correct the value"))
    for mask, expected, action in checks:
        rows = [
            int(i) + 1
            for i in np.flatnonzero(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False))
        ]
        rows = [row for row in rows if row not in judged]
        for row in rows[:FAULTS_PER_COLUMN]:
            value = array[row - 1].as_py()
            yield Fault(
                where, "nothing" if value is None else repr(value), expected, action, row, column.name
            )
        if len(rows) > FAULTS_PER_COLUMN:
            found = f"{len(rows) - FAULTS_PER_COLUMN} more values of the same kind"
            yield Fault(where, found, expected, action, column=column.name)


def _beyond_the_calendar(array: pa.Array) -> int:
    """How many times Python and most other tools cannot hold, though Arrow can."""
    outside = pc.or_(pc.less(array, _CALENDAR[0]), pc.greater(array, _CALENDAR[1]))
    return int(pc.sum(outside).as_py() or 0)


def _repeated(table: Table, rows: pa.Table, where: str) -> list[Fault]:
    """A fault for each row whose key stood in an earlier row."""
    if not table.key or rows.num_rows < 2:
        return []
    keys = rows.select(list(table.key)).to_pandas()
    again = np.flatnonzero(keys.duplicated().to_numpy())
    expected = f"each ({', '.join(table.key)}) once"
    faults = [
        Fault(where, f"{_as_text(keys.iloc[i])} a second time", expected, "remove one", int(i) + 1)
        for i in again[:FAULTS_PER_COLUMN]
    ]
    if len(again) > FAULTS_PER_COLUMN:
        found = f"{len(again) - FAULTS_PER_COLUMN} more repeats"
        faults.append(Fault(where, found, expected, "remove them"))
    return faults


def _as_text(key: Iterable[object]) -> str:
    """A key as people write it."""
    return ", ".join(f"{part:%F %R}" if isinstance(part, datetime) else str(part) for part in key)
