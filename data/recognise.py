"""Which format a file is, from its columns."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data import nested
from data.billing import importers
from data.errors import Fault, InputError
from data.formats import Container, Format, RawFile
from data.json_text import LONGEST_RECORD_BYTES
from data.prices import catalog, fx
from data.usage import files as usage

FORMATS: tuple[Format, ...] = (*importers.FORMATS, *usage.FORMATS, *catalog.FORMATS, *fx.FORMATS)

_HEADER_BYTES = 1 << 20
_RECORDS = 100

_DELIMITERS = ",;\t|"


class NotRecognised(InputError):  # noqa: N818 - an InputError already; the name is what a reader looks for
    """A whole file, but of no known kind: fatal alone, left out of a folder."""


def open_file(path: Path, name: str) -> RawFile:
    """Read a plain file's header. Raises InputError if it is empty or damaged, NotRecognised if no table."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
    except OSError as error:
        raise InputError([Fault(name, str(error), "a readable file", "check the path")]) from error
    if not start.strip():
        raise InputError([Fault(name, "an empty file", "a header and rows", "export it again")])
    if start[:4] == b"PAR1":
        return RawFile(path, name, "parquet", _parquet_columns(path, name))
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _json(path, name, start)
    return _csv(path, name, start)


def _parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    try:
        return tuple(flat.name for flat in nested.of_schema(pq.read_schema(path)))
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        found = f"a damaged Parquet file ({' '.join(str(error).split())[:120]})"
        raise InputError([Fault(name, found, "a whole Parquet file", "copy or export it again")]) from error


def _json(path: Path, name: str, start: bytes) -> RawFile:
    """A document, or records; columns from the first records, nested ones with dotted names."""
    try:
        records = _first_records(path, start)
        one = all(isinstance(record, dict) for record in records)
        structure: object = functools.reduce(nested.merged, records) if one and records else {}
        columns = tuple(flat.name for flat in nested.of_structure(structure))
    except (ValueError, RecursionError) as error:
        fault = Fault(name, f"damaged JSON ({error})", "whole JSON records or a document", "write it again")
        raise NotRecognised([fault]) from error
    return RawFile(path, name, "json" if len(records) == 1 else "jsonl", columns)


def _first_records(path: Path, start: bytes) -> list[object]:
    """Two records or more, or the one document there is. ValueError for what is no JSON."""
    records = list(itertools.islice(_records(start), _RECORDS))
    if len(records) < 2 and len(start) == _HEADER_BYTES:  # a record longer than that
        with path.open("rb") as stream:
            start = stream.read(2 * LONGEST_RECORD_BYTES + _HEADER_BYTES)
        records = list(itertools.islice(_records(start), _RECORDS))
    if len(records) < 2:
        whole = json.loads(start)
        records = whole if isinstance(whole, list) else [whole]
    return records


def _records(start: bytes) -> Iterator[object]:
    """The whole JSON values at the start of a file: of an array, or one after the other."""
    text = start.decode("utf-8", errors="ignore").lstrip("\ufeff \t\r\n").removeprefix("[")
    decoder = json.JSONDecoder()
    position = 0
    while True:
        while text[position : position + 1] in (" ", "\t", "\r", "\n", ","):
            position += 1
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value


def _csv(path: Path, name: str, start: bytes) -> RawFile:
    """Delimiter and column names; the delimiter is the one that gives the most columns.

    Only the header has to be text: rows that are not are told one by one when they are read.
    """
    text = start.decode("utf-8-sig", errors="surrogateescape")
    headers = {sign: _first_record(text, sign) for sign in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda sign: len(headers[sign][0]))
    columns, header = headers[delimiter]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or "\0" in header:
        found = "zero bytes, as of text in UTF-16"
        raise NotRecognised([Fault(name, found, "UTF-8 text or Parquet", "export it as UTF-8")])
    if any("\udc80" <= sign <= "\udcff" for sign in header):
        at = len(header.encode("utf-8", "surrogateescape").decode("utf-8", "ignore").encode())
        found = f"bytes that are not UTF-8 in the header, of which {at} are"
        raise NotRecognised([Fault(name, found, "UTF-8 text or Parquet", "export it as UTF-8")])
    if len(header) == len(text) and len(start) == _HEADER_BYTES:
        found = f"a header of over {_HEADER_BYTES} bytes"
        raise NotRecognised([Fault(name, found, "a shorter one", "leave columns out")])
    many_lines = "\n" in header.rstrip("\r\n") or "\r" in header.rstrip("\r\n")
    size = len(header.encode()) + (3 if start[:3] == b"\xef\xbb\xbf" else 0)
    return RawFile(
        path, name, "csv", tuple(map(str.strip, columns)), delimiter, header_bytes=size if many_lines else 0
    )


def _first_record(text: str, delimiter: str) -> tuple[list[str], str]:
    """The values of the first record, and its text with the line end."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        record = next(reader, [])
    except csv.Error:
        return [], text
    taken = itertools.islice(io.StringIO(text, newline=""), reader.line_num)
    return record, "".join(taken)


def recognise(file: RawFile) -> Format:
    """The format of a file; the first in FORMATS that accepts it. Raises NotRecognised if there is none."""
    for known in FORMATS:
        if _is_read_from(known, file.container) and not known.missing(file.columns):
            return known
    raise NotRecognised([unrecognised(file)])


def _is_read_from(known: Format, container: Container) -> bool:
    """Whether the format comes in this container; a document may be the only record of an export."""
    return container in known.containers or (container == "json" and "jsonl" in known.containers)


def unrecognised(file: RawFile) -> Fault:
    """What the file has, and what the nearest format would need."""
    candidates = [known for known in FORMATS if _is_read_from(known, file.container)]
    nearest = min(
        candidates, key=lambda known: len(known.missing(file.columns)) / max(len(known.required), 1)
    )
    shown = ", ".join(file.columns[:8]) + (
        f" and {len(file.columns) - 8} more" if len(file.columns) > 8 else ""
    )
    lacking = ", ".join(nearest.missing(file.columns))
    known_names = ", ".join(f"{known.name} ({known.meaning})" for known in FORMATS)
    return Fault(
        file.name,
        f"columns {shown or 'none'}, which no known format has",
        f"one of {known_names}",
        f"the nearest is {nearest.name}, which lacks {lacking}: add those columns or leave the file out",
    )
