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
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data import csv_text, json_text, nested
from data.csv_text import NULLS
from data.errors import Fault, InputError, LakeError, in_one_line
from data.formats import RawFile
from data.lake import Lake, pattern_of, quoted

ROW, FILE = "source_row", "source_file"
_NUMBERS = itertools.count(1)
_ROW_NUMBER, _PATH = "file_row_number", "source_path"


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
def readable(raw: Staged) -> Iterator[None]:
    """Turn what stops the engine in the block, which only reads `raw`, into an InputError naming its files.

    A damaged page of Parquet shows when it is read, an overflow when a rule is evaluated.
    """
    try:
        yield
    except LakeError as error:
        raise InputError([_unreadable(raw.files, error)]) from error


@contextmanager
def staged(lake: Lake, *files: RawFile) -> Iterator[Staged]:
    """Make files with the same columns readable by SQL for the length of the block.

    Raises InputError with every row that is not CSV, or if a file cannot be read.
    """
    refuse_names(files)
    number = next(_NUMBERS)
    relation = f"staged_{number}"
    with tempfile.TemporaryDirectory(dir=lake.scratch()) as folder:
        parts = [_Part(file, Path(folder) / str(i)) for i, file in enumerate(files)]
        try:
            columns = _columns(lake, parts)
            for part in parts:
                part.write(lake, columns)
            types = _view(lake, relation, parts, columns)
            yield Staged(tuple(files), relation, tuple(one.name for one in columns), types)
        finally:
            lake.sql(f"DROP VIEW IF EXISTS {relation}")


def refuse_names(files: Sequence[RawFile]) -> None:
    """Raise InputError where a header names a column twice, or has a name that cannot be read from Parquet.

    The engine tells columns of Parquet from each other without regard to case and adds two of its own.
    """
    faults: list[Fault] = []
    for file in files:
        is_parquet = file.container == "parquet"
        counts = Counter(name.lower() if is_parquet else name for name in file.columns)
        faults += [
            Fault(file.name, f"the column {in_one_line(name, 80)} twice", "each once", "rename one")
            for name, count in counts.items()
            if count > 1
        ]
        faults += [
            Fault(file.name, f"a column named {name!r}", "another name", "rename it")
            for name in counts
            if is_parquet and (name in ("", _ROW_NUMBER, _PATH) or "\0" in name)
        ]
    if faults:
        raise InputError(faults)


def as_text(lake: Lake, file: RawFile) -> pa.Table:
    """A whole file as an Arrow table of text under its own column names."""
    with staged(lake, file) as raw, readable(raw):
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


@dataclass
class _Part:
    """One file while it is staged: where it is read from, and its Parquet."""

    file: RawFile
    scratch: Path
    source: Path = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.file.path

    @property
    def table(self) -> Path:
        """The Parquet that is read in the end."""
        return self.file.path if self.file.container == "parquet" else self.scratch.with_suffix(".parquet")

    def write(self, lake: Lake, columns: Sequence[nested.Flat]) -> None:
        """Write text as Parquet, with columns named c0, c1 and so on."""
        with _told(self):
            if self.file.container == "csv":
                csv_text.write_parquet(lake, self.file, self.table)
            elif self.file.container != "parquet":
                select = _json(self.source, columns)
                lake.sql(f"COPY ({select}) TO {quoted(self.table)} (FORMAT parquet)")


def _columns(lake: Lake, parts: Sequence[_Part]) -> list[nested.Flat]:
    """The flat columns of all parts; of JSON those of all records, not only of the first ones."""
    first = parts[0].file
    if first.container == "csv":
        return [nested.Flat(name, (name,)) for name in first.columns]
    if first.container == "parquet":
        return [*nested.of_schema(pq.read_schema(first.path))]
    structure: object = {}
    for part in parts:
        with _told(part):
            name = part.file.name
            part.source = json_text.exact(lake, part.source, name, part.scratch.with_suffix(".jsonl"))
            one = _structure(lake, part.source)
            json_text.refuse_repeated_keys(lake, part.source, name, nested.of_structure(one))
            structure = nested.merged(structure, one)
    return [*nested.of_structure(structure)]


def _structure(lake: Lake, path: Path) -> object:
    source = json_text.source_sql(path)
    found = lake.sql(f"SELECT json_group_structure(json)::VARCHAR FROM {source}").column(0)[0].as_py()
    structure = json.loads(found or "{}")
    return structure if isinstance(structure, dict) else {}


def _json(path: Path, columns: Sequence[nested.Flat]) -> str:
    """Records as text columns."""
    paths = ", ".join(quoted(json_text.pointer(one.path)) for one in columns)
    named = ", ".join(f"v[{i + 1}] AS c{i}" for i in range(len(columns)))
    # Over the list once: an expression per column takes the engine minutes to plan where there are thousands.
    values = (
        f"list_transform(json_extract_string(json, [{paths}]), lambda x: {_without_nulls('x', 'VARCHAR')})"
    )
    return f"SELECT {named} FROM (SELECT {values} AS v FROM {json_text.source_sql(path)})"


@contextmanager
def _told(part: _Part) -> Iterator[None]:
    """Turn what stops the engine over a file into an InputError that names it."""
    try:
        yield
    except LakeError as error:
        raise InputError([_unreadable([part.file], error, part.source)]) from error


def _unreadable(files: Sequence[RawFile], error: LakeError, path: Path | None = None) -> Fault:
    name = ", ".join(file.name for file in files)
    message = str(error).partition(": ")[2].replace(str(path or files[0].path), name)
    if "invalid state" in message:
        found = "quotes or line ends the CSV standard does not allow"
        return Fault(name, found, "one kind of line end, quotes doubled inside quotes", "export it again")
    if "Overflow in HUGEINT addition" in message:
        return Fault(name, "amounts that add up to over 10^20", "less", "correct them or export it again")
    kinds = {"csv": "a CSV file", "parquet": "a whole Parquet file"}
    expected = kinds.get(files[0].container, "JSON records")
    return Fault(name, message[:300], f"{expected} of values that can be read", "export it again")


# -- Parquet as a view -----------------------------------------------------------------------------


def _view(
    lake: Lake, relation: str, parts: Sequence[_Part], columns: Sequence[nested.Flat]
) -> tuple[str, ...]:
    """Make the view; the SQL types of its source columns."""
    is_text = parts[0].file.container != "parquet"
    values = [f"c{i}" if is_text else ".".join(map(_identifier, one.path)) for i, one in enumerate(columns)]
    paths = ", ".join(quoted(pattern_of(part.table)) for part in parts)
    source = (
        f"read_parquet([{paths}], {_ROW_NUMBER} = true, filename = '{_PATH}', union_by_name = true, "
        "hive_partitioning = false)"
    )
    where = " ".join(f"WHEN {quoted(part.table)} THEN {i}" for i, part in enumerate(parts))
    position = f"CASE {_PATH} {where} END" if len(parts) > 1 else "0"
    with _told(parts[0]):
        kinds = tuple(
            str(column["column_type"])
            for column in lake.sql(f"DESCRIBE SELECT {', '.join(values)} FROM {source}").to_pylist()
        )
        selected = ", ".join(
            f"{value if is_text else _without_nulls(value, kind)} AS c{i}"
            for i, (value, kind) in enumerate(zip(values, kinds, strict=True))
        )
        lake.sql(
            f"CREATE OR REPLACE TEMP VIEW {relation} AS "
            f"SELECT {selected}, {position} AS {FILE}, {_ROW_NUMBER} + 1 AS {ROW} FROM {source}"
        )
    return kinds


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _without_nulls(value: str, kind: str) -> str:
    if kind != "VARCHAR":
        return value
    nulls = ", ".join(f"'{value}'" for value in NULLS)
    return f"CASE WHEN {value} NOT IN ({nulls}) THEN {value} END"
