"""CSV into Parquet with columns c0, c1 and so on, all of it as text; rows that are no CSV by their number."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from data.errors import Fault, InputError
from data.formats import RawFile
from data.lake import Lake, pattern_of, quoted

NULLS = ("", "null", "NULL")  # how exports write a missing value
LONGEST_ROW_BYTES = 16 * 2**20
FAULTS_SHOWN = 20
REJECTED, REJECTED_SCANS = "rejected_rows", "rejected_scans"
_EXPECTED = {
    "MISSING COLUMNS": "as many values as the header has columns",
    "TOO MANY COLUMNS": "as many values as the header has columns",
    "UNQUOTED VALUE": "a closing quote",
    "LINE SIZE OVER MAXIMUM": "rows under 16 MiB",
    "INVALID ENCODING": "UTF-8 text",
    "INVALID STATE": "quotes only around whole values, doubled inside them",
}


def write_parquet(lake: Lake, file: RawFile, target: Path) -> None:
    """Write the rows of a file.

    Raises InputError with the rows that are no CSV; LakeError if it is none at all.
    """
    source = file.path
    if file.header_bytes:
        source = target.with_suffix(".csv")
        _with_plain_header(file, source)
    _copy(lake, _read(lake, file, source), target)
    if _lacks_last_columns(lake, target):
        _copy(lake, _read(lake, file, source, pad=True), target)
    faults = list(_rejected(lake, file))
    if faults:
        raise InputError(faults)


def is_open_ended(path: Path) -> bool:
    """Whether the last row has no line end. Writers end every row: the file may be cut in its last value."""
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) not in (b"\n", b"\r")


def _copy(lake: Lake, select: str, target: Path) -> None:
    lake.sql(f"COPY ({select}) TO {quoted(target)} (FORMAT parquet)")


def _with_plain_header(file: RawFile, target: Path) -> None:
    """Write the file anew with a header on one line: the engine takes line ends in names for those of rows.

    It then reads no row at all and says nothing.
    """
    names = file.delimiter.join(f"c{i}" for i in range(len(file.columns))).encode()
    with file.path.open("rb") as source, target.open("wb") as out:
        header = source.read(file.header_bytes)
        out.write(names + header[len(header.rstrip(b"\r\n")) :])
        shutil.copyfileobj(source, out)


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


def _read(lake: Lake, file: RawFile, source: Path, *, pad: bool = False) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(file.columns)))
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    for table in (REJECTED, REJECTED_SCANS):
        lake.sql(f"DROP TABLE IF EXISTS temp.{table}")
    return f"""
        SELECT * FROM
        read_csv({quoted(pattern_of(source))}, auto_detect = false, header = true,
                 delim = {quoted(file.delimiter)}, quote = '"', escape = '"', columns = {{{columns}}},
                 nullstr = [{nulls}], hive_partitioning = false,
                 strict_mode = true, null_padding = {str(pad).lower()}, max_line_size = {LONGEST_ROW_BYTES},
                 store_rejects = true, rejects_table = '{REJECTED}', rejects_scan = '{REJECTED_SCANS}',
                 rejects_limit = 0)
    """


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
