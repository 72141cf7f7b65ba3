"""The lake: facts as DuckLake tables, a SQLite catalog and Parquet beside it. The only importer of duckdb.

    <workspace>/lake/catalog.sqlite   which file belongs to which snapshot; in WAL mode, so readers never wait
    <workspace>/lake/data/            Parquet, written once and never changed
    <workspace>/lake/write.lock       held while something is written: writers queue, readers do not
    <workspace>/lake/scratch/         unpacked and half-parsed input; removed by whoever made it

A transaction is one snapshot. A process that is killed leaves the last snapshot as it was and at most some
Parquet files no snapshot knows and its scratch folder; the next ingest removes them (`Lake.tidy`).
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path
from types import TracebackType

import duckdb
import filelock
import pandas as pd
import pyarrow as pa

from data import lake_frames, migrations, scratch, views
from data.conform import Rows
from data.errors import BusyError, Fault, InputError, LakeError, TransientError
from data.tables import conform

EXTENSIONS = ("sqlite_scanner", "ducklake")
LOCK_WAIT_S = 120.0  # a large bill takes seconds to commit; longer means that something hangs
_FULL = ("No space left", "File too large", "disk is full", "disk I/O error", "Disk quota")
_READ_ONLY = ("readonly database", "read-only file system", "permission denied")
_LATER = ("database is locked", "conflict", "busy")


@dataclass
class Change:
    """A transaction as its block sees it."""

    is_discarded: bool = False

    def discard(self) -> None:
        """Roll back at the end of the block."""
        self.is_discarded = True


class Lake:
    """An open lake. Use `Lake.open`; close it, or use it in a `with` statement."""

    def __init__(self, root: Path, *, read_only: bool, wait_s: float) -> None:
        self.root = root
        self.read_only = read_only
        self._lock = filelock.FileLock(root / "write.lock", timeout=wait_s)
        self._change: Change | None = None
        self._scratch: scratch.Scratch | None = None
        self._defined: set[str] = set()
        self._connection = _connect()

    @classmethod
    def open(cls, root: Path, *, read_only: bool = False, wait_s: float = LOCK_WAIT_S) -> Lake:
        """Open the lake in `root`, made on first use (never by a reader) and brought to the current schema.

        Raises LakeError where there is no lake to read, where its schema is newer than this Trimtab, or where
        its files are damaged; InputError where the folder cannot be written; BusyError after `wait_s` seconds
        of waiting for another writer.
        """
        catalog = root / "catalog.sqlite"
        if read_only and not catalog.is_file():
            raise LakeError(
                f"{root}: found no lake; expected {catalog.name} in it; run `trimtab ingest` first"
            )
        with translated(root):
            if not read_only:
                (root / "data").mkdir(parents=True, exist_ok=True)
            lake = cls(root, read_only=read_only, wait_s=wait_s)
            try:
                lake._attach()
            except BaseException:
                lake.close()
                raise
        return lake

    def _attach(self) -> None:
        catalog = self.root / "catalog.sqlite"
        if not catalog.is_file():
            with self._locked():
                if not catalog.is_file():  # else another process made it meanwhile
                    self._create(catalog)
        self._attach_catalog(catalog)
        due = migrations.pending(self, migrations.MIGRATIONS)
        if due and self.read_only:
            self.sql("USE memory")
            self.sql("DETACH lake")
            Lake.open(self.root).close()  # who comes second finds nothing left to do
            self._attach_catalog(catalog)
        elif due:
            with self.transaction("schema"):
                migrations.migrate(self, migrations.MIGRATIONS)
        self.define(views.macros())

    def _create(self, catalog: Path) -> None:
        """Make the catalog under another name first: whoever sees the real one sees a whole one."""
        unfinished = catalog.with_suffix(".new")
        for left_over in catalog.parent.glob(f"{unfinished.name}*"):
            left_over.unlink()
        _write_ahead(unfinished)
        self._attach_catalog(unfinished)
        with self.transaction("schema"):
            migrations.migrate(self, migrations.MIGRATIONS)
        self.sql("USE memory")
        self.sql("DETACH lake")
        _write_ahead(unfinished, then_checkpoint=True)
        unfinished.replace(catalog)

    def _attach_catalog(self, catalog: Path) -> None:
        # The data path is given anew each time, so that a workspace can be moved or mounted elsewhere.
        options = [f"DATA_PATH {quoted(self.root / 'data')}", "OVERRIDE_DATA_PATH true"]
        options += ["DATA_INLINING_ROW_LIMIT 0", *(["READ_ONLY"] if self.read_only else [])]
        self.sql(f"ATTACH {quoted(f'ducklake:sqlite:{catalog}')} AS lake ({', '.join(options)})")
        self.sql("USE lake")

    # -- reading -----------------------------------------------------------------------------------

    def arrow(self, view: str, **parameters: object) -> pa.Table:
        """Rows of a named view (data/sql/<view>.sql) or of a table, amounts as DECIMAL.

        `parameters` are bound to the view's $names. LakeError where there is no such view or a name is
        missing.
        """
        return self.sql(views.view_sql(view), **parameters)

    def read(self, view: str, **parameters: object) -> pd.DataFrame:
        """The same as a frame: text as `str`, times as datetime64[us, UTC], amounts as float64.

        Whole numbers and flags are int64 and bool, or Int64 and boolean where a value is missing.
        """
        return lake_frames.frame(self.arrow(view, **parameters))

    def snapshots(self) -> pd.DataFrame:
        """Every state the lake has had, oldest first: snapshot_id, committed_at, changes, message."""
        tables = self.sql("SELECT table_id, table_name FROM ducklake_table_info('lake')").to_pylist()
        names = {str(row["table_id"]): str(row["table_name"]) for row in tables}
        rows = self.sql(
            "SELECT snapshot_id, snapshot_time AS committed_at, to_json(changes)::VARCHAR AS changes, "
            "commit_message AS message FROM ducklake_snapshots('lake') ORDER BY snapshot_id"
        )
        return lake_frames.name_changes(lake_frames.frame(rows), names)

    def sql(self, statement: str, /, **parameters: object) -> pa.Table:
        """Run one statement of the data layer's own SQL; everything else reads named views.

        Raises TransientError where the same statement may succeed later, else InputError or LakeError.
        """
        with translated(self.root):
            return self._connection.execute(statement, dict(parameters) or None).to_arrow_table()

    def define(self, macros: Iterable[str]) -> None:
        """Make temporary macros known to `sql`: each once, as looking up the lake costs more than they do."""
        new = [macro for macro in macros if macro not in self._defined]
        if new:
            with translated(self.root):
                self._connection.execute("USE memory")
                for macro in new:
                    self._connection.execute(macro)
                self._connection.execute("USE lake")
            if self._change is None:  # else they may be rolled back
                self._defined.update(new)

    # -- writing -----------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, message: str | None = None) -> Iterator[Change]:
        """Several writes as one snapshot: all or, after any exception, none. Inner ones join the outer.

        `discard` of what is given leaves the lake as it was, without an exception.
        """
        if self._change is not None:
            yield self._change
            return
        with self._locked():
            self.sql("BEGIN TRANSACTION")
            change = self._change = Change()
            try:
                yield change
                if change.is_discarded:
                    self.sql("ROLLBACK")
                    return
                if message:
                    self.sql("CALL ducklake_set_commit_message('lake', 'trimtab', $message)", message=message)
                self.sql("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # a failed COMMIT has rolled back already
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._change = None

    def replace(self, table: str, partition: Mapping[str, object], rows: Rows) -> int:
        """Put `rows` in the place of every row whose columns equal `partition` (empty: of the whole table).

        Rows may leave the partition's columns out; they must not contradict them. Raises InputError with
        every fault of the rows. Returns the id of the snapshot, which inside `transaction` is the one it will
        become.
        """
        data = conform(table, lake_frames.with_partition(table, partition, rows))
        values = dict(partition)
        where = " AND ".join(f'"{name}" IS NOT DISTINCT FROM ${name}' for name in values) or "true"
        with self.transaction(f"replace {table}"), self.registered(data) as incoming:
            self.sql(f'DELETE FROM "{table}" WHERE {where}', **values)
            self.sql(f'INSERT INTO "{table}" BY NAME SELECT * FROM {incoming}')
            return self.snapshot_id() + 1  # writers queue, so nothing comes in between

    def snapshot_id(self) -> int:
        """Id of the state this lake reads now."""
        return int(self.sql("SELECT id FROM ducklake_current_snapshot('lake')").column(0)[0].as_py())

    @contextmanager
    def registered(self, rows: pa.Table) -> Iterator[str]:
        """Make an Arrow table visible to `sql` under the name that is given back."""
        name = f"memory.main.incoming_{id(rows)}"
        short = name.rsplit(".", maxsplit=1)[-1]
        self._connection.register(short, rows)
        try:
            yield short
        finally:
            self._connection.unregister(short)

    def tidy(self) -> list[Path]:
        """Remove and return what killed processes left: Parquet that no snapshot knows, scratch folders."""
        with self._locked():
            rows = self.sql("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)")
            removed = [Path(str(path)) for path in rows.column(0).to_pylist()]
        return removed + scratch.remove_abandoned(self.root / "scratch")

    def scratch(self) -> Path:
        """A folder for unpacked input, removed on close; DuckDB spills there too.

        What killed processes left is removed first, unless another process is writing.
        """
        if self._scratch is None:
            with translated(self.root):
                if self._change is None and scratch.abandoned(self.root / "scratch"):
                    with suppress(BusyError):
                        self.tidy()
                self._scratch = scratch.claim(self.root / "scratch")
            self.sql(f"SET temp_directory = {quoted(self._scratch.path / 'spill')}")
        return self._scratch.path

    # -- the rest ----------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.read_only:
            raise LakeError(f"{self.root}: the lake is open for reading; open it without read_only to write")
        try:
            with self._lock:
                yield
        except filelock.Timeout as error:
            raise BusyError(
                f"{self.root}: another process has been writing for over {self._lock.timeout:g} s; "
                "expected it to finish; try again, or end that process"
            ) from error

    def close(self) -> None:
        """Close the connection and remove the scratch folder."""
        self._connection.close()
        if self._scratch is not None:
            self._scratch.release()

    def __enter__(self) -> Lake:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def quoted(value: object) -> str:
    """A text of SQL; a zero byte, which would end the statement, is named by its number."""
    literal = "'" + str(value).replace("'", "''") + "'"
    return "(" + literal.replace("\0", "' || chr(0) || '") + ")" if "\0" in literal else literal


def pattern_of(path: Path) -> str:
    """The pattern that matches this path alone: the engine takes *, ? and [ in a path for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _connect() -> duckdb.DuckDBPyConnection:
    """An in-memory engine with the extensions of the installed wheels; it never downloads anything."""
    _verify_signatures()
    connection = _with_extensions(allow_unsigned_extensions="true")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@cache
def _verify_signatures() -> None:
    """Check that the extensions are DuckDB's own, once a process: every check reads 70 MB, 150 ms."""
    _with_extensions().close()


def _with_extensions(**config: str) -> duckdb.DuckDBPyConnection:
    never = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config={**never, **config})
    for name in EXTENSIONS:
        connection.execute(f"LOAD {quoted(_extension(name))}")
    return connection


def _extension(name: str) -> Path:
    package = f"duckdb_extension_{name}"
    spec = util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LakeError(
            f"found no package {package}; expected the wheel beside duckdb; run `pip install trimtab`"
        )
    return Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"


def _write_ahead(catalog: Path, *, then_checkpoint: bool = False) -> None:
    """Put a catalog in WAL mode, which stays with the file: readers go on while one process writes."""
    connection = sqlite3.connect(catalog)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        if then_checkpoint:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Turn errors of the engine and the file system into ours, one line each."""
    try:
        yield
    except (duckdb.Error, OSError, sqlite3.Error) as error:
        line = " ".join(str(error).split())
        if any(sign in line for sign in _FULL):
            fault = Fault(
                str(root), f"no room to write ({line[:200]})", "free space", "free some and run it again"
            )
            raise InputError([fault]) from error
        if isinstance(error, OSError) or any(sign in line.lower() for sign in _READ_ONLY):
            fault = Fault(
                str(root), line, "a folder that can be written", "choose another workspace or mend this one"
            )
            raise InputError([fault]) from error
        if any(sign in line.lower() for sign in _LATER):
            raise TransientError(f"{root}: {line[:300]}; try again") from error
        raise LakeError(f"{root}: {line[:500]}") from error
