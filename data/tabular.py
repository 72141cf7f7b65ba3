"""A Parquet table given by the user, read column by column in the types we compute with.

Types are read from the file, never guessed from values: text that looks like a number is not one, and a
time without zone is refused rather than taken as UTC. A CSV has no types: there the rules say what is text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from data.errors import Fault
from data.sheet import Bools, ColumnRule, Sheet, shown

MAGIC = b"PAR1"  # of Parquet
ENDS_WITH_OFFSET = r"[T ]\d{2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
TIMES = "UTC times, ISO 8601 with offset"
OFFSET = r"([Zz]|[+-]\d{2}(?::?\d{2})?)$"
ADD_ZONE = "write times with their zone"
ONE_ZONE = "write all times in UTC"
DTYPES: dict[str, Any] = {
    "text": "str",
    "key": "str",
    "number": "float64",
    "time": "datetime64[us, UTC]",
    "flag": "bool",
}


def read_sheet(path: Path, where: str, rules: Sequence[ColumnRule]) -> Sheet:
    """Read the columns of a Parquet file that have a rule; others are ignored.

    Returns:
        The sheet with a column per rule in the types of DTYPES. Faults of the file and of the columns' types
        are in it; values are not checked yet. A file with no rows may have any columns of any type.
    """
    return _sheet(where, rules, lambda sheet: _parquet(path, sheet, [rule.name for rule in rules]))


def read_sheet_or_csv(path: Path, where: str, rules: Sequence[ColumnRule]) -> Sheet:
    """The same of a file that is Parquet or CSV, told apart by its first bytes."""

    def read(sheet: Sheet) -> pa.Table | None:
        try:
            with path.open("rb") as file:
                is_parquet = file.read(len(MAGIC)) == MAGIC
        except OSError as error:
            sheet.faults.append(
                Fault(where, str(error.strerror), "a Parquet or CSV file", "correct the path")
            )
            return None
        return (
            _parquet(path, sheet, [rule.name for rule in rules]) if is_parquet else _csv(path, sheet, rules)
        )

    return _sheet(where, rules, read)


def _sheet(where: str, rules: Sequence[ColumnRule], read: Callable[[Sheet], pa.Table | None]) -> Sheet:
    """The columns of a table that have a rule; `read` leaves its faults in the sheet."""
    sheet = Sheet(where, pd.DataFrame({rule.name: _empty(rule, pd.RangeIndex(0)) for rule in rules}))
    table = read(sheet)
    if table is None or table.num_rows == 0:
        return sheet
    index = pd.RangeIndex(table.num_rows)
    columns: dict[str, pd.Series[Any]] = {}
    for rule in rules:
        values = _column(sheet, rule, table)
        columns[rule.name] = _empty(rule, index) if values is None else values
    sheet.frame = pd.DataFrame(columns, index=index)
    return sheet


def _column(sheet: Sheet, rule: ColumnRule, table: pa.Table) -> pd.Series[Any] | None:
    """The values of a column in its type; None where it is absent, empty or refused."""
    if rule.name not in table.column_names:
        sheet.absent.add(rule.name)
        if rule.required:
            present = ", ".join(table.column_names) or "none of the expected columns"
            sheet.reject(rule.name, f"no such column ({present})", rule.expected, "add the column")
        return None
    values = table[rule.name]
    if pc.all(values.is_null(nan_is_null=True)).as_py():  # pandas gives such a column any type
        return None
    try:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return _CONVERTERS[rule.kind](sheet, rule, values)
    except (pa.ArrowException, ValueError) as error:
        found = f"values that cannot be read ({_one_line(error)})"
        sheet.reject(rule.name, found, rule.expected, "write the column again")
        return None


def _empty(rule: ColumnRule, index: pd.Index[Any]) -> pd.Series[Any]:
    """A column in which no row says anything."""
    return pd.Series(False if rule.kind == "flag" else None, index=index, dtype=DTYPES[rule.kind])


def _parquet(path: Path, sheet: Sheet, names: list[str]) -> pa.Table | None:
    """The named columns of a file that are there; None with one fault where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            stored = file.schema_arrow.names
            twice = [name for name in names if stored.count(name) > 1]
            for name in twice:
                sheet.reject(name, "two columns of this name", "one", "remove one of the two")
            return None if twice else file.read(columns=[name for name in names if name in stored])
    except (pa.ArrowException, OSError, ValueError) as error:
        found = f"{_what_is_there(path)} ({_one_line(error)})"
        sheet.faults.append(Fault(sheet.where, found, "a complete Parquet file", "write the file again"))
        return None


def _csv(path: Path, sheet: Sheet, rules: Sequence[ColumnRule]) -> pa.Table | None:
    """The named columns of a CSV; None with one fault where it is none."""
    texts = {rule.name: pa.string() for rule in rules if rule.kind != "number"}
    options = pa.csv.ConvertOptions(
        column_types=texts, strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    try:
        table = pa.csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        sheet.faults.append(Fault(sheet.where, _one_line(error), "a Parquet or CSV file", "write it again"))
        return None
    twice = [rule.name for rule in rules if table.column_names.count(rule.name) > 1]
    for name in twice:
        sheet.reject(name, "two columns of this name", "one", "remove one of the two")
    return None if twice else table


def _what_is_there(path: Path) -> str:
    if not path.is_file():
        return "a folder"
    size = path.stat().st_size
    return f"{size:,} bytes of something else" if size else "an empty file"


def _one_line(error: Exception, limit: int = 120) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _text(sheet: Sheet, rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    """Text; an empty text is no text."""
    if not _is_text(values.type):
        sheet.reject(rule.name, f"a column of {values.type}", f"text: {rule.expected}", "store it as text")
        return None
    series = _series(values).astype("str")
    return series.mask(series == "")


def _key(sheet: Sheet, rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    """Names, or whole numbers that stand for names."""
    return _text(sheet, rule, values.cast(pa.string()) if pa.types.is_integer(values.type) else values)


def _number(sheet: Sheet, rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    kind, expected, action = values.type, f"numbers: {rule.expected}", "store it as numbers"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _series(values.cast(pa.float64(), safe=False))
    if not _is_text(kind):
        sheet.reject(rule.name, f"a column of {kind}", expected, action)
        return None
    texts = _series(values)
    given = texts.notna().to_numpy()
    bad = given & pd.to_numeric(texts, errors="coerce").isna().to_numpy()
    _refuse_texts(sheet, rule, texts, bad if bad.any() else given, expected=expected, action=action)
    return None


def _time(sheet: Sheet, rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    """Instants in UTC, from timestamps with a zone or ISO 8601 texts that all carry their offset."""
    kind = values.type
    if _is_text(kind):
        return _time_of_text(sheet, rule, values)
    if not pa.types.is_timestamp(kind):
        sheet.reject(rule.name, f"a column of {kind}", TIMES, "store it as timestamps with zone UTC")
        return None
    if kind.tz is None:
        series = _series(values.cast(pa.timestamp("us"), safe=False))
        row = int(series.notna().to_numpy().argmax())
        found = f"{shown(series.iloc[row])} without zone"
        sheet.reject(rule.name, found, TIMES, ADD_ZONE, row=row + 1)
        return None
    return _series(values.cast(pa.timestamp("us", "UTC"), safe=False))


def _time_of_text(sheet: Sheet, rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    texts = _series(values)
    given = texts.notna().to_numpy() & (texts != "").to_numpy()
    times = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    wrong = given & times.isna().to_numpy()
    zoned = pc.match_substring_regex(values, ENDS_WITH_OFFSET).fill_null(fill_value=False)
    zoneless = given & ~wrong & ~zoned.to_numpy()
    _refuse_texts(sheet, rule, texts, wrong, expected=TIMES, action="correct it")
    _refuse_texts(sheet, rule, texts, zoneless, expected=TIMES, action=ADD_ZONE)
    # Several zones in one column are more often a broken export than intent, and the reader cannot tell.
    zones = (
        texts.where(given & ~wrong & ~zoneless)
        .str.extract(OFFSET, expand=False)
        .replace({"Z": "+00:00", "z": "+00:00"})
    )
    first = str(zones.dropna().iloc[0]) if zones.notna().any() else ""
    mixed = (zones.notna() & zones.ne(first)).to_numpy()
    _refuse_texts(sheet, rule, texts, mixed, expected=f"one zone, {first} as above", action=ONE_ZONE)
    return None if rule.name in sheet.unusable else times.astype(DTYPES["time"])


def _refuse_texts(
    sheet: Sheet, rule: ColumnRule, texts: pd.Series[Any], bad: Bools, *, expected: str, action: str
) -> None:
    """Tell texts that stand where something else belongs; later checks leave the column out."""
    told = Sheet(sheet.where, texts.to_frame(rule.name))
    told.refuse(rule.name, bad, expected, action, lambda position: _found(texts.iloc[position], action))
    sheet.faults += told.faults
    if told.faults:
        sheet.unusable.add(rule.name)


def _found(text: str, action: str) -> str:
    notes = {ADD_ZONE: f"{text} without zone", ONE_ZONE: f"{text} in another zone"}
    return notes.get(action, f"the text {shown(text)}")


def _flag(_sheet: Sheet, _rule: ColumnRule, values: pa.ChunkedArray) -> pd.Series[Any] | None:
    """Whether; a column of another type is not ours and says nothing."""
    return _series(values.fill_null(fill_value=False)) if pa.types.is_boolean(values.type) else None


def _series(values: pa.ChunkedArray) -> pd.Series[Any]:
    """The one place where Arrow's untyped result becomes a typed one."""
    series: pd.Series[Any] = values.to_pandas()
    return series


_CONVERTERS: dict[str, Callable[[Sheet, ColumnRule, pa.ChunkedArray], pd.Series[Any] | None]] = {
    "text": _text,
    "key": _key,
    "number": _number,
    "time": _time,
    "flag": _flag,
}
