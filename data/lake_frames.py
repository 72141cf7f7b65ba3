"""Between Arrow, frames and the lake: conversions that need no database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from data.conform import Rows
from data.errors import Fault, InputError
from data.tables import TABLES

_VERBS = {
    "tables_created": "created",
    "tables_altered": "altered",
    "tables_deleted_from": "deleted from",
    "tables_inserted_into": "inserted into",
}


def frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as pandas, with types that depend on the Arrow type and on gaps only."""
    return pd.DataFrame({name: series_of(table.column(name)) for name in table.column_names})


def series_of(column: pa.ChunkedArray) -> pd.Series[Any]:
    """One Arrow column as pandas: see `frame`."""
    kind = column.type
    series: pd.Series[Any]
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        series = column.cast(pa.float64()).to_pandas()
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        series = column.to_pandas().astype("str")
    elif pa.types.is_timestamp(kind):
        series = column.cast(pa.timestamp("us", tz="UTC")).to_pandas()
    elif pa.types.is_integer(kind):
        dtype = "Int64" if column.null_count else "int64"
        series = pd.Series(column.to_pandas(integer_object_nulls=True), dtype=dtype)
    elif pa.types.is_boolean(kind):
        series = pd.Series(column.to_pandas(), dtype="boolean" if column.null_count else "bool")
    else:
        series = column.to_pandas()
    return series


def with_partition(table: str, partition: Mapping[str, object], rows: Rows) -> pa.Table | pd.DataFrame:
    """The rows with the partition's columns filled in; InputError where a row contradicts them."""
    data = pa.Table.from_pylist(rows) if isinstance(rows, list) else rows
    names = data.column_names if isinstance(data, pa.Table) else [str(name) for name in data.columns]
    faults: list[Fault] = []
    for name, value in partition.items():
        TABLES[table].column(name)
        if name not in names:
            data = _with_constant(data, name, value)
            continue
        found = _distinct(data, name)
        if found - {_comparable(value)}:
            action = "split the rows or replace another partition"
            faults.append(Fault(table, f"{sorted(map(str, found))}", f"only {value!r}", action, column=name))
    if faults:
        raise InputError(faults)
    return data


def _with_constant(data: pa.Table | pd.DataFrame, name: str, value: object) -> pa.Table | pd.DataFrame:
    if isinstance(data, pa.Table):
        return data.append_column(name, pa.array([value] * data.num_rows))
    return data.assign(
        **{name: pd.Series([value] * len(data), index=data.index, dtype=None if len(data) else "str")}
    )


def _distinct(data: pa.Table | pd.DataFrame, name: str) -> set[object]:
    values = (
        data.column(name).unique().to_pylist() if isinstance(data, pa.Table) else data[name].unique().tolist()
    )
    return {_comparable(value) for value in values}


def _comparable(value: object) -> object:
    if value is None or (not isinstance(value, (list, dict)) and pd.isna(value)):  # type: ignore[call-overload]
        return None
    return pd.Timestamp(value).tz_convert("UTC") if hasattr(value, "tzinfo") and value.tzinfo else value  # type: ignore[arg-type]


def name_changes(snapshots: pd.DataFrame, tables: Mapping[str, str]) -> pd.DataFrame:
    """Snapshots with `changes` in words instead of the catalog's numbers."""
    words = [_in_words(json.loads(str(changes)), tables) for changes in snapshots["changes"]]
    return snapshots.assign(changes=pd.Series(words, index=snapshots.index, dtype="str"))


def _in_words(changes: Mapping[str, list[str]], tables: Mapping[str, str]) -> str:
    parts = []
    for verb, names in changes.items():
        if verb in _VERBS:
            known = sorted(tables.get(name, name.removeprefix("main.")) for name in names)
            parts.append(f"{_VERBS[verb]} {', '.join(known)}")
    return "; ".join(parts)
