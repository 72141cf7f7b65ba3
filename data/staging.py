"""A raw file as a temporary table of text, one column per source column, rows numbered from 1.

Nothing is guessed here: every value is read as text, so a 12-digit account stays an account and an amount
keeps its digits. What a value means is decided by the format's rules (`data.billing.mapping`) or by
`data.conform`.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from data.errors import Fault, InputError, LakeError
from data.formats import RawFile
from data.lake import Lake, quoted

ROW = "source_row"
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


@dataclass(frozen=True)
class Staged:
    """A file as a temporary view: `relation` has c0, c1, … in header order, `numbered` also has source_row.

    The views read the file each time, `relation` on all cores. Whoever has read it calls
    `refuse_broken_rows`, since rows that are no CSV are left out.
    """

    file: RawFile
    relation: str = "staged_file"
    numbered: str = "staged_rows"


@contextmanager
def staged(lake: Lake, file: RawFile) -> Iterator[Staged]:
    """Make a file readable by SQL for the length of the block. Raises InputError if it cannot be read."""
    repeated = [name for name, count in Counter(file.columns).items() if count > 1]
    if repeated:
        found = [Fault(file.name, f"the column {name} twice", "each once", "rename one") for name in repeated]
        raise InputError(found)
    raw = Staged(file)
    lake.scratch()  # large files spill there
    try:
        plain, numbered = _csv(lake, file) if file.container == "csv" else _parquet(lake, file)
        lake.sql(f"CREATE OR REPLACE TEMP VIEW {raw.relation} AS {plain}")
        lake.sql(f"CREATE OR REPLACE TEMP VIEW {raw.numbered} AS {numbered}")
        yield raw
    except LakeError as error:
        raise InputError([_unreadable(file, error)]) from error
    finally:
        lake.sql(f"DROP VIEW IF EXISTS {raw.relation}")
        lake.sql(f"DROP VIEW IF EXISTS {raw.numbered}")


def as_text(lake: Lake, file: RawFile) -> pa.Table:
    """A whole CSV file as an Arrow table of text under its own column names."""
    with staged(lake, file) as raw:
        rows = lake.sql(f"FROM {raw.relation}")
        refuse_broken_rows(lake, file)
    return rows.rename_columns(list(file.columns))


def _csv(lake: Lake, file: RawFile) -> tuple[str, str]:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(file.columns)))
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    for table in (REJECTED, REJECTED_SCANS):
        lake.sql(f"DROP TABLE IF EXISTS {table}")
    source = f"""
        read_csv({quoted(str(file.path))}, auto_detect = false, header = true,
                 delim = {quoted(file.delimiter)}, quote = '"', escape = '"', columns = {{{columns}}},
                 nullstr = [{nulls}],
                 strict_mode = true, null_padding = false, max_line_size = {LONGEST_ROW_BYTES},
                 store_rejects = true, rejects_table = '{REJECTED}', rejects_scan = '{REJECTED_SCANS}',
                 rejects_limit = 0)
    """
    return f"SELECT * FROM {source}", f"SELECT row_number() OVER () AS {ROW}, * FROM {source}"


def refuse_broken_rows(lake: Lake, file: RawFile) -> None:
    """Raise InputError with the rows the last read had to leave out, up to a limit."""
    tables = lake.sql("SELECT table_name FROM duckdb_tables() WHERE temporary").column(0).to_pylist()
    if file.container == "csv" and REJECTED in tables and (faults := list(_rejected(lake, file))):
        raise InputError(faults)


def _unreadable(file: RawFile, error: LakeError) -> Fault:
    message = str(error)
    if "invalid state" in message:
        found = "quotes or line ends the CSV standard does not allow"
        return Fault(
            file.name, found, "one kind of line end, quotes doubled inside quotes", "export it again"
        )
    if file.container == "parquet":
        found = f"a damaged Parquet file ({message[:160]})"
        return Fault(file.name, found, "a whole file", "export it again")
    return Fault(file.name, message[:200], "a CSV file", "export it again")


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


def _parquet(lake: Lake, file: RawFile) -> tuple[str, str]:
    path = quoted(str(file.path))
    described = lake.sql(f"DESCRIBE SELECT * FROM read_parquet({path})").to_pylist()
    values = ", ".join(
        f"{_text_of(str(column['column_name']), str(column['column_type']))} AS c{i}"
        for i, column in enumerate(described)
    )
    source = f"read_parquet({path}, file_row_number = true)"
    return f"SELECT {values} FROM {source}", f"SELECT file_row_number + 1 AS {ROW}, {values} FROM {source}"


def _text_of(column: str, kind: str) -> str:
    """SQL for a Parquet value as the text a CSV export would hold; maps and structs become JSON."""
    name = '"' + column.replace('"', '""') + '"'
    nested = kind.startswith(("MAP", "STRUCT")) or kind.endswith("]")
    value = f"to_json({name})::VARCHAR" if nested else f"{name}::VARCHAR"
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    return f"CASE WHEN {value} NOT IN ({nulls}) THEN {value} END"
