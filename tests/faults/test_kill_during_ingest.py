"""kill -9 at random moments of an ingest: the lake has the old bill or the new one, and goes on working.

A child process loads two versions of one bill in turns, for ever, and is killed without warning.
"""

from __future__ import annotations

import itertools
import random
import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest

from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.forked import forked

pytestmark = pytest.mark.usefixtures("make_lakes")

ROUNDS = 6  # and more, until both bills were seen
MOST_ROUNDS = 24
VERSIONS = {"old": Decimal("100"), "new": Decimal("250")}
ROWS = 2000


def load_in_turns(root: Path, files: list[Path]) -> None:
    """The child: one bill after the other, each named before it is loaded."""
    with Lake.open(root) as lake:
        for file in itertools.cycle(files):
            print(file, flush=True)
            ingest(lake, file, loaded_at=NOW)


def bill(folder: Path, name: str) -> Path:
    amount = str(VERSIONS[name] / ROWS)
    return focus_csv(
        folder / f"{name}.csv", [{"BilledCost": amount, "ResourceId": f"r-{i}"} for i in range(ROWS)]
    )


def billed(lake: Lake) -> tuple[int, Decimal]:
    row = lake.sql("SELECT count(*) AS n, sum(BilledCost) AS s FROM charges").to_pylist()[0]
    return row["n"], row["s"]


def test_a_killed_ingest_leaves_the_old_bill_or_the_new_one(tmp_path: Path) -> None:
    seed = 20261123
    moments = random.Random(seed)
    files = {name: bill(tmp_path, name) for name in VERSIONS}
    root = tmp_path / "lake"
    with Lake.open(root) as lake:
        ingest(lake, files["old"], loaded_at=NOW)
    seen: set[Decimal] = set()
    rounds = kills = 0
    lasts = 0.0
    while rounds < ROUNDS or (len(seen) < 2 and rounds < MOST_ROUNDS):
        rounds += 1
        child = forked(load_in_turns, root, [files["new"], files["old"]])
        child.out.readline()  # the first ingest begins
        begun = time.perf_counter()
        if rounds == 1:
            child.out.readline()  # it is done; the next ones are killed on the way, or soon after
            lasts = time.perf_counter() - begun
        time.sleep(moments.uniform(0.0, 3.0) * lasts)
        kills += child.kill() == -signal.SIGKILL
        with Lake.open(root, read_only=True) as lake:
            rows, cost = billed(lake)
            noted = lake.read("loads_history")["billed_cost"].iloc[0]
        assert rows == ROWS
        assert cost in VERSIONS.values()
        assert Decimal(str(noted)) == cost, "the list of loads tells of another bill than the charges"
        seen.add(cost)
    assert kills == rounds
    assert len(seen) == 2, "the kills came too early or too late to test anything"
    with Lake.open(root) as lake:
        lake.tidy()
        on_disk = {path.name for path in (root / "data").rglob("*.parquet")}
        for name, expected in VERSIONS.items():
            ingest(lake, files[name], loaded_at=NOW)
            assert billed(lake) == (ROWS, expected)
        known = lake.sql("SELECT data_file FROM ducklake_list_files('lake', 'charges')").column(0).to_pylist()
        assert all(Path(str(name)).is_file() for name in known)
        assert lake.tidy() == [], f"tidy found more on its second turn; on disk were {len(on_disk)}"
        assert [path for path in (root / "scratch").iterdir() if path.is_dir()] == [lake.scratch()]


def make(root: Path) -> None:
    """The child that makes a lake."""
    print("go", flush=True)
    Lake.open(root).close()


def test_a_kill_while_the_lake_is_made_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    moments = random.Random(7)
    for turn in range(6):
        root = tmp_path / f"lake{turn}"
        child = forked(make, root)
        child.out.readline()
        time.sleep(moments.uniform(0.05, 0.5))
        child.kill()
        with Lake.open(root) as lake:
            assert ingest(lake, focus_csv(tmp_path / "bill.csv"), loaded_at=NOW)[0].status == "new"
