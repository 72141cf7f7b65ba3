"""A raw file as a temporary view over Parquet: c0, c1, … in header order, and the row of the file from 1.

CSV and JSON are read once, as text, into Parquet in the scratch folder; Parquet is read where it lies, with
the types it has. So every later pass reads columns, not lines, and memory does not grow with the file.
Nothing is guessed: text stays text, so a 12-digit account stays an account and an amount keeps its digits.
What a value means is decided by the format's rules (`data.billing.mapping`) or by `data.conform`.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data import nested
from data.errors import Fault, InputError, LakeError
from data.formats import RawFile
from data.lake import Lake, quoted

ROW, FILE = "source_row", "source_file"
NULLS = ("", "null", "NULL")  # how exports write a missing value
FAULTS_SHOWN = 20
LONGEST_ROW_BYTES = 16 * 2**20
REJECTED, REJECTED_SCANS = "rejected_rows", "rejected_scans"
_EXPECTED = {
    "MISSING COLUMNS": "as many values as the header has columns",
    "TOO MANY COLUMNS": "as many values as the header has columns",
    "UNQUOTED VALUE": "a closing quote",
    "LINE SIZE OVER MAXIMUM": "rows under 16 MiB",
    "INVALID ENCODING": "UTF-8 text",
    "INVALID STATE": "quotes only around whole values, doubled inside them",
}
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Staged:
    """Files of one shape as a view `relation` of c0, c1, …, `source_file` (index of `files`), `source_row`.

    `columns` are the flat source columns, `types` their SQL types.
    """

    files: tuple[RawFile, ...]
    relation: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def name(self) -> str:
        """The files as messages name them."""
        return ", ".join(file.name for file in self.files)


@contextmanager
def staged(lake: Lake, *files: RawFile) -> Iterator[Staged]:
    """Make files with the same columns readable by SQL for the length of the block.

    Raises InputError with every row that is not CSV, or if a file cannot be read.
    """
    refuse_repeated(files)
    number = next(_NUMBERS)
    relation, written = f"staged_{number}", []
    try:
        tables = []
        for position, file in enumerate(files):
            source = file.path
            if file.container != "parquet":
                source = lake.scratch() / f"staged_{number}_{position}.parquet"
                written.append(source)
                _as_parquet(lake, file, source)
            tables.append(source)
        columns, types = _view(lake, relation, tables, files)
        yield Staged(tuple(files), relation, columns, types)
    finally:
        lake.sql(f"DROP VIEW IF EXISTS {relation}")
        for path in written:
            path.unlink(missing_ok=True)


def refuse_repeated(files: Sequence[RawFile]) -> None:
    """Raise InputError where a header names a column twice."""
    faults = [
        Fault(file.name, f"the column {name} twice", "each once", "rename one")
        for file in files
        for name, count in Counter(file.columns).items()
        if count > 1
    ]
    if faults:
        raise InputError(faults)


def as_text(lake: Lake, file: RawFile) -> pa.Table:
    """A whole file as an Arrow table of text under its own column names."""
    with staged(lake, file) as raw:
        values = ", ".join(f"{text_of(f'c{i}', kind)} AS c{i}" for i, kind in enumerate(raw.types))
        rows = lake.sql(f"SELECT {values} FROM {raw.relation} ORDER BY {ROW}")
    return rows.rename_columns(list(raw.columns))


def text_of(value: str, kind: str) -> str:
    """SQL of a value of the SQL type `kind` as the text a CSV export would hold; lists and maps as JSON."""
    if kind == "VARCHAR":
        return value
    return f"to_json({value})::VARCHAR" if is_nested(kind) else f"{value}::VARCHAR"


def is_nested(kind: str) -> bool:
    """Whether an SQL type is a list, a map or a struct."""
    return kind.startswith(("MAP", "STRUCT")) or kind.endswith("]")


# -- text into Parquet -----------------------------------------------------------------------------


def _as_parquet(lake: Lake, file: RawFile, target: Path) -> None:
    if file.container != "csv":
        _copy(lake, file, _json(lake, file), target)
        return
    _copy(lake, file, _csv(lake, file), target)
    if _lacks_last_columns(lake, target):
        _copy(lake, file, _csv(lake, file, pad=True), target)
    _refuse_broken_rows(lake, file)


def _copy(lake: Lake, file: RawFile, select: str, target: Path) -> None:
    try:
        lake.sql(f"COPY ({select}) TO {quoted(target)} (FORMAT parquet)")
    except LakeError as error:
        raise InputError([_unreadable(file, error)]) from error


def _lacks_last_columns(lake: Lake, target: Path) -> bool:
    """Whether every row ends before the header does, all at the same column: some tools write that.

    One short row among whole ones is a file cut short.
    """
    if pq.read_metadata(target).num_rows:
        return False
    found = lake.sql(
        f"SELECT count(DISTINCT line) AS n, count(DISTINCT column_idx) AS ends, "
        f"bool_and(error_type = 'MISSING COLUMNS') AS is_short FROM {REJECTED}"
    ).to_pylist()[0]
    return bool(found["n"] > 1 and found["ends"] == 1 and found["is_short"])


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _csv(lake: Lake, file: RawFile, *, pad: bool = False) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(file.columns)))
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    for table in (REJECTED, REJECTED_SCANS):
        lake.sql(f"DROP TABLE IF EXISTS {table}")
    names = ", ".join(f"c{i} AS {name}" for i, name in enumerate(map(_identifier, file.columns)))
    return f"""
        SELECT {names} FROM
        read_csv({quoted(str(file.path))}, auto_detect = false, header = true,
                 delim = {quoted(file.delimiter)}, quote = '"', escape = '"', columns = {{{columns}}},
                 nullstr = [{nulls}],
                 strict_mode = true, null_padding = {str(pad).lower()}, max_line_size = {LONGEST_ROW_BYTES},
                 store_rejects = true, rejects_table = '{REJECTED}', rejects_scan = '{REJECTED_SCANS}',
                 rejects_limit = 0)
    """


def _json(lake: Lake, file: RawFile) -> str:
    """Records as text columns; the columns of all records, not only of those the header was read from."""
    source = (
        f"read_json_objects({quoted(str(file.path))}, format = 'auto', "
        f"maximum_object_size = {LONGEST_ROW_BYTES})"
    )
    try:
        found = lake.sql(f"SELECT json_group_structure(json)::VARCHAR FROM {source}").column(0)[0].as_py()
    except LakeError as error:
        raise InputError([_unreadable(file, error)]) from error
    flat = list(nested.of_structure(json.loads(found or "{}")))
    paths = ", ".join(quoted("$" + "".join(f".{json.dumps(step)}" for step in one.path)) for one in flat)
    named = ", ".join(
        f"{_without_nulls(f'v[{i}]', 'VARCHAR')} AS {_identifier(one.name)}" for i, one in enumerate(flat, 1)
    )
    return f"SELECT {named} FROM (SELECT json_extract_string(json, [{paths}]) AS v FROM {source})"


def _unreadable(file: RawFile, error: LakeError) -> Fault:
    message = str(error)
    if "invalid state" in message:
        found = "quotes or line ends the CSV standard does not allow"
        return Fault(
            file.name, found, "one kind of line end, quotes doubled inside quotes", "export it again"
        )
    kind = {"csv": "a CSV file", "parquet": "a whole Parquet file", "jsonl": "JSON records"}[file.container]
    return Fault(file.name, message.partition(": ")[2][:200], kind, "export it again")


def _refuse_broken_rows(lake: Lake, file: RawFile) -> None:
    """Raise InputError with the rows the read had to leave out, up to a limit."""
    faults = list(_rejected(lake, file))
    if faults:
        raise InputError(faults)


def _rejected(lake: Lake, file: RawFile) -> Iterator[Fault]:
    rows = lake.sql(
        f"SELECT DISTINCT ON (line) line, error_type, csv_line, error_message FROM {REJECTED} "
        "ORDER BY line, column_idx"
    ).to_pylist()
    for row in rows[:FAULTS_SHOWN]:
        kind = str(row["error_type"])
        shown = " ".join(str(row["csv_line"]).split())[:60]
        found = f"{row['error_message']} ({shown!r})".replace("\n", " ")
        action = "the file may be cut short; export it again"
        yield Fault(
            file.name, found, _EXPECTED.get(kind, "a row of the CSV standard"), action, int(row["line"]) - 1
        )
    if len(rows) > FAULTS_SHOWN:
        found = f"{len(rows) - FAULTS_SHOWN} more broken rows"
        yield Fault(file.name, found, "whole rows", "export it again")


# -- Parquet as a view -----------------------------------------------------------------------------


def _view(
    lake: Lake, relation: str, tables: Sequence[Path], files: Sequence[RawFile]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make the view; its source columns and their types."""
    is_text = all(file.container != "parquet" for file in files)
    schema = pq.read_schema(tables[0])
    flat = [nested.Flat(name, (name,)) for name in schema.names] if is_text else [*nested.of_schema(schema)]
    values = [".".join(map(_identifier, one.path)) for one in flat]
    paths = f"[{', '.join(quoted(path) for path in tables)}]"
    source = f"read_parquet({paths}, file_row_number = true, filename = 'source_path', union_by_name = true)"
    where = " ".join(f"WHEN {quoted(path)} THEN {i}" for i, path in enumerate(tables))
    position = f"CASE source_path {where} END" if len(tables) > 1 else "0"
    try:
        kinds = tuple(
            str(column["column_type"])
            for column in lake.sql(f"DESCRIBE SELECT {', '.join(values)} FROM {source}").to_pylist()
        )
        columns = ", ".join(
            f"{value if is_text else _without_nulls(value, kind)} AS c{i}"
            for i, (value, kind) in enumerate(zip(values, kinds, strict=True))
        )
        lake.sql(
            f"CREATE OR REPLACE TEMP VIEW {relation} AS "
            f"SELECT {columns}, {position} AS {FILE}, file_row_number + 1 AS {ROW} FROM {source}"
        )
    except LakeError as error:
        raise InputError([_unreadable(files[0], error)]) from error
    return tuple(one.name for one in flat), kinds


def _without_nulls(value: str, kind: str) -> str:
    if kind != "VARCHAR":
        return value
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    return f"CASE WHEN {value} NOT IN ({nulls}) THEN {value} END"
