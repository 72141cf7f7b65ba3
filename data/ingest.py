"""Files of any known kind into the lake: one delivery, one transaction, one snapshot.

A delivery is a file, a folder or an archive. First everything is read and checked, and every fault of every
file is collected; only then is the lake written. What the lake has already is left alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import overload

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data import delivery
from data.billing.charges import UnreadableBill, faults_of, load_bills, refuse
from data.billing.commitments import latest_commitments, read_commitments
from data.billing.staged_bills import BillFile, Delivered, delivered
from data.convert import EPOCH, LOCAL_ZONE, Context, Converted
from data.copies import without_copies
from data.delivery import Skipped
from data.errors import Fault, InputError
from data.formats import Format, RawFile
from data.lake import Lake, translated
from data.loads import Load, next_load_id, write_loads
from data.prices import catalog, fx
from data.recognise import NotRecognised, open_file, recognise
from data.staging import as_text
from data.tables import arrow_schema, conform
from data.upsert import upsert
from data.usage import files as usage

READERS = {**usage.READERS, **catalog.READERS, **fx.READERS}
_TIME_OF = {
    "offers": "as_of",
    "fx_rates": "date",
    "deployments": "as_of",
    "contract_commitments": "ContractCommitmentPeriodStart",
}

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Loads(Sequence[Load]):
    """The loads of a delivery, and the files that were left out with the reason."""

    loads: tuple[Load, ...]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.loads)

    @overload
    def __getitem__(self, index: int) -> Load: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Load, ...]: ...
    def __getitem__(self, index: int | slice) -> Load | tuple[Load, ...]:
        return self.loads[index]


@dataclass(frozen=True)
class _Known:
    file: RawFile
    format: Format


def ingest(
    lake: Lake,
    path: Path,
    *,
    loaded_at: datetime,
    progress: Progress | None = None,
    epoch: datetime = EPOCH,
    local_zone: str = LOCAL_ZONE,
    is_truth: bool = False,
) -> Loads:
    """Load the delivery at `path` and say what it did.

    `loaded_at` is the moment of the load; `epoch` what relative times (offset_s) count from; `local_zone` the
    zone of times that a source calls local. `progress` is told the step and the share done (0..1). `is_truth`
    takes bills as they are even where they look older than what the lake has. Raises InputError with every
    fault found, or if nothing is recognised; then the lake is as it was. Recognised headers without rows are
    loads with the status empty. Unrecognised files of a folder are in `skipped`.
    """
    tell = progress or (lambda _step, _share: None)
    tell("unpacking", 0.0)
    with translated(lake.root), delivery.unpacked(path, lake.scratch(), exclude=lake.root) as files:
        files.files, copies = without_copies(files.files)
        files.skipped += copies
        known = _recognised(files, single=path.is_file() and len(files.files) == 1)
        bills = [BillFile(item.file, item.format) for item in known if item.format.table == "charges"]
        others = [item for item in known if item.format.table != "charges"]
        with ExitStack() as stack:
            tell(f"reading {len(bills)} bills", 0.1)
            faults: list[Fault] = []
            bill_run: Delivered | None = None
            try:
                bill_run = stack.enter_context(delivered(lake, bills)) if bills else None
            except InputError as error:
                faults += error.faults
            converted, wrong = _read(lake, others, lambda n: Context(n, loaded_at, epoch, local_zone), tell)
            if faults or wrong:
                told = faults or (faults_of(lake, bill_run) if bill_run else [])
                raise InputError([*told, *wrong])
            tell("writing", 0.6)
            loads = _commit(lake, path.name, bill_run, converted, loaded_at, is_truth=is_truth)
    tell("done", 1.0)
    return Loads(tuple(loads), tuple(files.skipped))


def _recognised(unpacked: delivery.Unpacked, *, single: bool) -> list[_Known]:
    """Files with their format; the others go to `skipped`, or raise if there is only one or none is known."""
    known: list[_Known] = []
    faults: list[Fault] = []
    unknown: list[Fault] = []
    for plain in unpacked.files:
        try:
            file = replace(open_file(plain.path, plain.name), batch=plain.batch)
            known.append(_Known(file, recognise(file)))
        except NotRecognised as error:
            if single:
                raise
            unknown += error.faults
            unpacked.skipped.append(Skipped(plain.name, error.faults[0].found))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    if not known:
        raise InputError(
            unknown[:3] or [Fault("the folder", "no files", "at least one known file", "check the path")]
        )
    return known


def _read(
    lake: Lake, others: Sequence[_Known], context: Callable[[str], Context], tell: Progress
) -> tuple[list[tuple[_Known, Converted]], list[Fault]]:
    """Read and check every file that is no bill; the faults of all of them together."""
    converted: list[tuple[_Known, Converted]] = []
    faults: list[Fault] = []
    for done, item in enumerate(others):
        tell(f"reading {item.file.name}", 0.4 + 0.2 * done / len(others))
        try:
            converted.append((item, _convert(lake, item, context(item.file.name))))
        except InputError as error:
            faults += error.faults
    return converted, faults


def _commit(
    lake: Lake,
    name: str,
    bills: Delivered | None,
    others: Sequence[tuple[_Known, Converted]],
    loaded_at: datetime,
    *,
    is_truth: bool,
) -> list[Load]:
    """Write everything as one snapshot; none if the lake has it all. Raises InputError for broken bills."""
    loads: list[Load] = []
    try:
        with lake.transaction(f"ingest {name}") as change:
            if bills is not None:
                loads += load_bills(lake, bills, loaded_at=loaded_at, is_truth=is_truth)
            for table in dict.fromkeys(item.format.table for item, _ in others):
                mine = [pair for pair in others if pair[0].format.table == table]
                loads += _write_table(lake, table, mine, loaded_at)
            if all(load.status in ("unchanged", "empty") for load in loads):
                change.discard()
    except UnreadableBill as error:
        raise refuse(lake, error) from error
    return loads


def _convert(lake: Lake, item: _Known, context: Context) -> Converted:
    if item.format.name == "state":
        return catalog.state(json.loads(item.file.path.read_bytes()), context)
    if item.format.table == "contract_commitments":
        return Converted("contract_commitments", read_commitments(lake, item.file, item.format))
    rows = _parquet(item.file) if item.file.container == "parquet" else as_text(lake, item.file)
    _refuse_spelled_twice(item.file)
    if not rows.num_rows:  # a file without rows may have any types
        return Converted(item.format.table, arrow_schema(item.format.table).empty_table())
    return READERS[item.format.name](rows, context)


def _refuse_spelled_twice(file: RawFile) -> None:
    """Raise InputError for columns that only upper and lower case tells apart: readers know one of them."""
    counts = Counter(name.lower() for name in file.columns)
    faults = [
        Fault(file.name, f"the column {name} in two spellings", "each once", "rename one")
        for name, count in counts.items()
        if count > 1
    ]
    if faults:
        raise InputError(faults)


def _parquet(file: RawFile) -> pa.Table:
    try:
        table = pq.read_table(file.path)
        table.validate(full=True)  # text that is no UTF-8 passes the reader
    except (pa.ArrowException, OSError, ValueError) as error:
        found = f"a damaged Parquet file ({' '.join(str(error).split())[:120]})"
        raise InputError(
            [Fault(file.name, found, "a whole Parquet file", "copy or export it again")]
        ) from error
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(plain, names=table.column_names)


def _write_table(
    lake: Lake, table: str, parts: Sequence[tuple[_Known, Converted]], loaded_at: datetime
) -> Iterator[Load]:
    """Write the files of one table together, so that chunks of one export do not replace each other."""
    names = tuple(item.file.name for item, _ in parts)
    rows = pa.concat_tables([part.rows for _, part in parts])
    noted = [note for _, part in parts for note in part.notes]
    if table == "contract_commitments":
        rows, repeated = latest_commitments(rows)
        noted += (
            [f"{repeated} commitments are in the delivery more than once; the last counts"]
            if repeated
            else []
        )
    elif len(parts) > 1:
        rows = conform(table, rows, where=" + ".join(names))  # a key may be once in each of two files
    kind = "+".join(sorted({item.format.name for item, _ in parts}))
    notes = tuple(dict.fromkeys(noted))
    start, end = _period(table, rows)
    if not rows.num_rows:
        yield Load(", ".join(names), kind, 0, None, None, {}, {}, "empty", table, names)
        return
    load_id = next_load_id(lake)
    status, content_hash = upsert(lake, table, _numbered(rows, load_id))
    load = Load(", ".join(names), kind, rows.num_rows, start, end, {}, {}, status, table, names, notes)
    if status != "unchanged":
        record = {
            "source": load.source, "kind": kind, "row_count": load.rows, "period_start": start,
            "period_end": end, "content_hash": content_hash, "status": status,
            "file_names": ", ".join(names), "note": "; ".join(notes) or None,
        }  # fmt: skip
        write_loads(lake, [record], load_id=load_id, loaded_at=loaded_at, table=table)
    yield load


def _numbered(rows: pa.Table, load_id: int) -> pa.Table:
    for name in ("load_id", "x_LoadId"):
        if name in rows.column_names:
            column = pa.array([load_id] * rows.num_rows, pa.int64())
            return rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _period(table: str, rows: pa.Table) -> tuple[datetime | None, datetime | None]:
    """First and last moment the rows speak of; the end of the last interval where there are intervals."""
    name = _TIME_OF.get(table, "ts")
    if name not in rows.column_names or not rows.num_rows:
        return None, None
    ends = (
        rows.column("ContractCommitmentPeriodEnd") if table == "contract_commitments" else rows.column(name)
    )
    if "interval_s" in rows.column_names:
        length = pc.fill_null(rows.column("interval_s"), 0)
        ends = pc.add(ends, pc.multiply(length, 1_000_000).cast(pa.duration("us")))
    try:
        return pc.min(rows.column(name)).as_py(), pc.max(ends).as_py()
    except OverflowError:  # an interval that ends after the calendar
        return pc.min(rows.column(name)).as_py(), pc.max(rows.column(name)).as_py()
