from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from data import lake as lake_module
from data import migrations
from data.errors import BusyError, InputError, LakeError, TransientError
from data.lake import Lake
from data.migrations import Migration
from data.tables import TABLES, arrow_schema

pytestmark = pytest.mark.usefixtures("make_lakes")

T = datetime(2026, 5, 1, tzinfo=UTC)


def capacity(pool: str, *values: float) -> pd.DataFrame:
    ts = pd.date_range(T, periods=len(values), freq="5min", unit="us")
    return pd.DataFrame({"ts": ts, "pool": pool, "capacity": list(values)})


def held(lake: Lake) -> list[tuple[str, float]]:
    rows = lake.read("spot_capacity").sort_values(["pool", "ts"])
    return list(zip(rows["pool"], rows["capacity"], strict=True))


def test_replace_puts_rows_in_the_place_of_a_partition(lake: Lake) -> None:
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1, 2))
    lake.replace("spot_capacity", {"pool": "b"}, capacity("b", 3))
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 9))
    assert held(lake) == [("a", 9), ("b", 3)]


def test_replace_fills_in_the_partition_and_refuses_other_rows(lake: Lake) -> None:
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1).drop(columns="pool"))
    assert held(lake) == [("a", 1)]
    with pytest.raises(InputError, match="expected only 'a'"):
        lake.replace("spot_capacity", {"pool": "a"}, capacity("b", 1))
    assert held(lake) == [("a", 1)]


def test_replace_with_nothing_empties_the_partition(lake: Lake) -> None:
    for nothing in ([], pd.DataFrame(), capacity("a"), arrow_schema("spot_capacity").empty_table()):
        lake.replace("spot_capacity", {}, pd.concat([capacity("a", 1), capacity("b", 2)]))
        lake.replace("spot_capacity", {"pool": "a"}, nothing)
        assert held(lake) == [("b", 2)]


def test_replace_with_a_missing_value_as_partition(lake: Lake) -> None:
    rows = pd.DataFrame({"model": ["m"], "accelerator": ["L4"], "prefill_tps": [1.0]})
    lake.replace("profiles", {"instance_type": None}, rows)
    lake.replace("profiles", {"instance_type": None}, rows.assign(prefill_tps=2.0))
    assert lake.read("profiles")["prefill_tps"].tolist() == [2.0]


def test_replace_returns_the_snapshot_it_made(lake: Lake) -> None:
    first = lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
    assert lake.snapshots()["snapshot_id"].iloc[-1] == first == lake.snapshot_id()
    with lake.transaction("two at once"):
        ids = [lake.replace("spot_capacity", {"pool": p}, capacity(p, 1)) for p in "bc"]
    assert ids == [first + 1, first + 1]
    last = lake.snapshots().iloc[-1]
    assert (last["snapshot_id"], last["message"], last["changes"]) == (
        first + 1,
        "two at once",
        "inserted into spot_capacity",
    )


def test_a_failed_transaction_leaves_nothing(lake: Lake) -> None:
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
    before = lake.snapshot_id()

    def half() -> None:
        with lake.transaction():
            lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 2))
            lake.replace("spot_capacity", {"pool": "b"}, capacity("b", -1))

    with pytest.raises(InputError):
        half()
    assert held(lake) == [("a", 1)]
    assert lake.snapshot_id() == before
    lake.replace("spot_capacity", {"pool": "b"}, capacity("b", 2))


def test_an_empty_transaction_makes_no_snapshot(lake: Lake) -> None:
    before = lake.snapshot_id()
    with lake.transaction("nothing"):
        lake.read("spot_capacity")
    assert lake.snapshot_id() == before


def test_every_table_is_read_with_the_types_of_the_dictionary(lake: Lake) -> None:
    for name in TABLES:
        if name != "demand":  # a view of that name stands before it
            assert lake.arrow(name).schema == arrow_schema(name), name
    offer = {
        "provider": "aws",
        "region": "r",
        "instance_type": "t",
        "purchase": "spot",
        "price_hourly": Decimal("0.1"),
        "currency": "USD",
        "as_of": T,
        "source": "s",
        "is_estimated": False,
    }
    lake.replace("offers", {}, [offer])
    frame = lake.read("offers")
    assert lake.arrow("offers").column("price_hourly").to_pylist() == [Decimal("0.1")]
    names = ("provider", "price_hourly", "as_of", "is_estimated", "load_id")
    assert [str(frame[name].dtype) for name in names] == [
        "str",
        "float64",
        "datetime64[us, UTC]",
        "bool",
        "Int64",
    ]


def test_unknown_views_and_parameters_are_named(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"found no view 'spent'; expected one of .*spend_by_month"):
        lake.read("spent")
    with pytest.raises(LakeError, match="as_of"):
        lake.read("commitments_active")


def test_there_is_nothing_to_read_where_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="found no lake"):
        Lake.open(tmp_path / "lake", read_only=True)
    assert not (tmp_path / "lake").exists()


def test_a_reader_cannot_write(lake: Lake) -> None:
    with Lake.open(lake.root, read_only=True) as reader, pytest.raises(LakeError, match="open for reading"):
        reader.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))


def test_a_lake_can_be_moved(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "here" / "lake") as lake:
        lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
    shutil.move(tmp_path / "here", tmp_path / "it's there")
    with Lake.open(tmp_path / "it's there" / "lake") as lake:
        lake.replace("spot_capacity", {"pool": "b"}, capacity("b", 2))
        assert held(lake) == [("a", 1), ("b", 2)]


def test_odd_names_in_a_partition_come_back(lake: Lake) -> None:
    name = "a/../b c=ü'\"\\%2F"
    lake.replace("spot_capacity", {"pool": name}, capacity(name, 1))
    lake.replace("spot_capacity", {"pool": name}, capacity(name, 2))
    assert held(lake) == [(name, 2)]


def test_a_damaged_catalog_is_one_clear_line(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake"):
        pass
    for rest in (tmp_path / "lake").glob("catalog.sqlite-*"):
        rest.unlink()
    (tmp_path / "lake/catalog.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(LakeError) as error:
        Lake.open(tmp_path / "lake")
    assert "\n" not in str(error.value)


# -- schema versions -------------------------------------------------------------------------------


@pytest.mark.parametrize("by_reader", [False, True], ids=["writer", "reader"])
def test_an_older_lake_gets_what_the_dictionary_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_reader: bool
) -> None:
    root = tmp_path / "lake"
    with Lake.open(root) as lake:
        lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
        with lake.transaction():
            lake.sql("ALTER TABLE spot_capacity DROP COLUMN load_id")
            lake.sql("DROP TABLE plans")

    def rename_pools(sql: migrations.Sql) -> None:
        sql.sql("UPDATE spot_capacity SET pool = 'old-' || pool")

    steps = (*migrations.MIGRATIONS, Migration("pools have a prefix", rename_pools))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    for is_reader in (by_reader, False):  # the second time there is nothing left to do
        with Lake.open(root, read_only=is_reader) as lake:
            assert held(lake) == [("old-a", 1)]
            assert lake.arrow("spot_capacity").schema == arrow_schema("spot_capacity")
            assert lake.read("plans").empty
            taken = lake.sql("SELECT version, name FROM schema_migrations ORDER BY version").to_pylist()
            assert [row["version"] for row in taken] == [*range(1, len(steps) + 1)]


def test_a_newer_lake_is_refused(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake, lake.transaction():
        lake.sql("INSERT INTO schema_migrations VALUES (99, 'from the future')")
    with pytest.raises(LakeError, match=r"version 99; this Trimtab knows versions up to \d; upgrade Trimtab"):
        Lake.open(tmp_path / "lake")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))

    def half(sql: migrations.Sql) -> None:
        sql.sql("DELETE FROM spot_capacity")
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, Migration("half", half)))
        with pytest.raises(RuntimeError, match="the power fails"):
            Lake.open(tmp_path / "lake")
    with Lake.open(tmp_path / "lake") as lake:
        assert held(lake) == [("a", 1)]


# -- several processes -----------------------------------------------------------------------------

READER = """
import sys
from pathlib import Path
from data.lake import Lake
root, last = Path(sys.argv[1]), float(sys.argv[2])
reads, seen = 0, None
print("ready", flush=True)
with Lake.open(root, read_only=True) as lake:
    while seen != last:
        values = lake.read("spot_capacity")["capacity"]
        assert values.nunique() <= 1 and len(values) in (0, 200), "half a write was seen"
        seen = values.iloc[0] if len(values) else None
        reads += 1
print(reads)
"""
WRITER = """
import sys
from pathlib import Path
import pandas as pd
from data.lake import Lake
root, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ts = pd.date_range("2026-05-01", periods=200, freq="1min", tz="UTC", unit="us")
print("ready", flush=True)
with Lake.open(root) as lake:
    for value in range(rounds):
        rows = pd.DataFrame({"ts": ts, "pool": name, "capacity": float(value)})
        lake.replace("spot_capacity", {"pool": name}, rows)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()[-1]


def test_two_processes_read_while_a_third_writes(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with Lake.open(root):
        pass
    readers = [start(READER, root, 14.0) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    finish(start(WRITER, root, "p", 15))
    assert min(int(finish(reader)) for reader in readers) >= 5


def test_writers_queue_and_none_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "lake"  # the three of them also race to make it
    writers = [start(WRITER, root, f"p{i}", 5) for i in range(3)]
    for writer in writers:
        finish(writer)
    with Lake.open(root) as lake:
        assert lake.read("spot_capacity").groupby("pool")["capacity"].max().to_dict() == {
            "p0": 4,
            "p1": 4,
            "p2": 4,
        }
        assert (lake.snapshots()["message"] == "replace spot_capacity").sum() == 15


def test_two_that_make_the_lake_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds no lake, waits for the first, and must not begin anew."""
    root = tmp_path / "lake"
    locked = Lake._locked

    def after_the_other(self: Lake) -> AbstractContextManager[None]:
        monkeypatch.setattr(Lake, "_locked", locked)
        with Lake.open(root) as first:
            first.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
        return locked(self)

    monkeypatch.setattr(Lake, "_locked", after_the_other)
    with Lake.open(root) as second:
        assert held(second) == [("a", 1)]


def test_a_writer_that_waits_too_long_says_so(lake: Lake) -> None:
    with lake.transaction(), Lake.open(lake.root, wait_s=0.1) as other:
        started = time.monotonic()
        with pytest.raises(BusyError, match="another process has been writing") as error:
            other.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
        assert isinstance(error.value, TransientError)
        assert time.monotonic() - started < 5


def test_tidy_removes_what_no_snapshot_knows_and_nothing_else(lake: Lake) -> None:
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 2))
    orphan = lake.root / "data/main/spot_capacity/ducklake-orphan.parquet"
    shutil.copy(next(orphan.parent.glob("*.parquet")), orphan)
    known = set((lake.root / "data").rglob("*.parquet")) - {orphan}
    mine = lake.scratch()
    abandoned = lake.root / "scratch" / "left"
    abandoned.mkdir()
    removed = lake.tidy()
    assert {path.name for path in removed} == {orphan.name, abandoned.name}
    assert set((lake.root / "data").rglob("*.parquet")) == known
    assert not abandoned.exists()
    assert mine.exists()
    assert held(lake) == [("a", 2)]


def test_the_next_ingest_removes_what_a_killed_one_left(lake: Lake) -> None:
    lake.replace("spot_capacity", {"pool": "a"}, capacity("a", 1))
    orphan = lake.root / "data/main/spot_capacity/ducklake-orphan.parquet"
    shutil.copy(next(orphan.parent.glob("*.parquet")), orphan)
    abandoned = lake.root / "scratch" / "left"
    abandoned.mkdir(parents=True)
    with Lake.open(lake.root) as other:
        other.scratch()
        mine = lake.scratch()
        assert {path for path in mine.parent.iterdir() if path.is_dir()} == {mine, other.scratch()}
    assert not orphan.exists()
    assert held(lake) == [("a", 1)]


def test_rows_given_as_arrow_keep_their_decimals(lake: Lake) -> None:
    row = {
        "provider": "p",
        "region": "r",
        "instance_type": "t",
        "purchase": "spot",
        "currency": "USD",
        "as_of": T,
        "source": "s",
        "is_estimated": True,
        "price_hourly": Decimal("0.123456789012345678"),
    }
    lake.replace("offers", {"provider": "p"}, pa.Table.from_pylist([row]))
    assert lake.arrow("offers").column("price_hourly").to_pylist() == [Decimal("0.123456789012345678")]


def test_an_extension_that_is_not_duckdbs_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = lake_module._extension("sqlite_scanner")
    changed = bytearray(own.read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / own.name).write_bytes(changed)
    monkeypatch.setattr(lake_module, "_extension", lambda _: tmp_path / own.name)
    monkeypatch.setattr(lake_module, "EXTENSIONS", ("sqlite_scanner",))
    lake_module._verify_signatures.cache_clear()
    with pytest.raises(LakeError, match="signature"):
        Lake.open(tmp_path / "lake")
    monkeypatch.undo()
    Lake.open(tmp_path / "lake").close()


@pytest.mark.parametrize("text", ["attempt to write a readonly database", "Read-only file system"])
def test_a_place_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path, text: str) -> None:
    """Not LakeError, as if the lake were damaged. Raised here: whoever may do all is denied no file."""
    with (
        pytest.raises(InputError, match=r"a folder that can be written; choose another workspace"),
        lake_module.translated(tmp_path),
    ):
        raise lake_module.duckdb.IOException(f'Failed to execute query "INSERT": {text}')
