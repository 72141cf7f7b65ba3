"""JSON records, checked before the engine takes them apart.

The engine recurses into what is nested until its stack ends, keeps the first of two values of one key where
others keep the last, and reads numbers as floats. So records that are nested without end or name a key twice
are refused, and where a float would lose digits the file is written anew with its numbers as text: an amount
keeps every digit it was written with.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from data import nested
from data.errors import Fault, InputError
from data.lake import Lake, pattern_of, quoted

MAX_DEPTH = 100  # bills have 4; the engine's stack ends somewhere beyond 5,000
LONGEST_RECORD_BYTES = 16 * 2**20
_BATCH = 1_000
# What is left of a record without its texts, and of that without everything but brackets.
_BARE = r"""regexp_replace(json::VARCHAR, '"[^"\\]*(?:\\.[^"\\]*)*"', '""', 'g')"""
_BRACKETS = r"regexp_replace(bare, '[^\[\]{}]', '', 'g')"
_LONG = "-?[0-9][0-9.]{15,}(?:[eE][-+]?[0-9]+)?"  # up to 15 digits every number survives being a float


def source_sql(path: Path) -> str:
    """SQL of the records of a file: an array, or one after the other; the column is `json`."""
    return (
        f"read_json_objects({quoted(pattern_of(path))}, format = 'auto', hive_partitioning = false, "
        f"maximum_object_size = {LONGEST_RECORD_BYTES})"
    )


def exact(lake: Lake, path: Path, name: str, copy: Path) -> Path:
    """The file, or where its numbers have more digits than floats keep, `copy` with them as text.

    Raises InputError for records that are nested over MAX_DEPTH deep; LakeError for what is no JSON.
    """
    found = lake.sql(
        f"""
        WITH plain AS (SELECT json, {_BARE} AS bare FROM {source_sql(path)}),
        judged AS (SELECT json, bare, {_BRACKETS} AS brackets FROM plain)
        SELECT
            count(*) FILTER (WHERE CASE WHEN length(brackets) > {2 * MAX_DEPTH}
                THEN {_peeled("brackets")} <> '' ELSE false END) AS deep,
            count(*) FILTER (WHERE CASE WHEN regexp_matches(bare, '{_LONG}')
                THEN regexp_extract_all(bare, '{_LONG}') <> {_reread()} ELSE false END) AS inexact
        FROM judged
        """
    ).to_pylist()[0]
    if found["deep"]:
        wrong, expected = f"{found['deep']} records nested over {MAX_DEPTH} deep", "flat records"
        raise InputError([Fault(name, wrong, expected, "export it again")])
    if not found["inexact"]:
        return path
    _rewrite(lake, path, copy)
    return copy


def _peeled(brackets: str) -> str:
    """SQL of brackets without those of the innermost MAX_DEPTH levels."""
    for _ in range(MAX_DEPTH):
        brackets = rf"regexp_replace({brackets}, '\[\]|\{{\}}', '', 'g')"
    return brackets


def _reread() -> str:
    """SQL of the long numbers of a record as the engine writes them after having read them."""
    again = _BARE.replace("json::VARCHAR", "json_extract(json, '$')::VARCHAR")
    return f"regexp_extract_all({again}, '{_LONG}')"


def _rewrite(lake: Lake, path: Path, copy: Path) -> None:
    """Write the records anew, one a line, fractions as text."""
    lines = copy.with_suffix(".lines")
    lake.sql(
        f"COPY (SELECT json::VARCHAR AS line FROM {source_sql(path)}) TO {quoted(lines)} (FORMAT parquet)"
    )
    try:
        with copy.open("w", encoding="utf-8") as out, pq.ParquetFile(lines) as records:
            for batch in records.iter_batches(_BATCH):
                for line in batch.column(0).to_pylist():
                    out.write(json.dumps(json.loads(line, parse_float=str)) + "\n")
    finally:
        lines.unlink()


def refuse_repeated_keys(lake: Lake, path: Path, name: str, columns: Iterable[nested.Flat]) -> None:
    """Raise InputError if a record, or an object in it, has a key twice: nothing tells which value counts."""
    objects = dict.fromkeys(one.path[:end] for one in columns for end in range(len(one.path)))
    keys = [f"json_keys(json, {quoted(pointer(path))})" for path in objects]
    test = " OR ".join(f"len(list_distinct({one})) < len({one})" for one in keys) or "false"
    count = lake.sql(f"SELECT count(*) FROM {source_sql(path)} WHERE {test}").column(0)[0].as_py()
    if count:
        fault = Fault(name, f"a key twice in {count} records", "each key once", "export it again")
        raise InputError([fault])


def pointer(path: Iterable[str]) -> str:
    """The JSON pointer (RFC 6901) to a key: unlike the engine's paths it takes keys of any characters."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
