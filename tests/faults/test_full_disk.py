"""No room, or no folder: one clear line, and the lake as it was.

A limit on the size of files stands in for a full disk; a plain file in the folder's place for one that cannot
be written, because modes do not stop root.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

import pytest

from data.errors import InputError, TrimtabError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.e2e.workspaces import Ran
from tests.forked import forked, limit_files

pytestmark = pytest.mark.usefixtures("make_lakes")


def load(root: Path, source: Path, limit_bytes: int, when: str) -> None:
    """The child: a lake is opened and loaded, under a limit from the begin or from then on."""
    try:
        if when == "before":
            limit_files(limit_bytes)
        with Lake.open(root) as lake:
            limit_files(limit_bytes)
            ingest(lake, source, loaded_at=NOW)
    except TrimtabError as error:
        print(type(error).__name__, error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(root: Path, source: Path, limit_bytes: int, when: str) -> Ran:
    return forked(load, root, source, limit_bytes, when).ended()


@pytest.mark.parametrize(("limit_kib", "rows"), [(0, 2_000), (4, 2_000), (64, 8_000), (256, 20_000)])
def test_a_full_disk_is_one_line_and_changes_nothing(
    empty_lake: Path, tmp_path: Path, limit_kib: int, rows: int
) -> None:
    root = Path(shutil.copytree(empty_lake, tmp_path / "lake"))
    small = focus_csv(tmp_path / "small.csv")
    large = focus_csv(
        tmp_path / "large.csv", [{"ResourceId": f"{i:x}" * 40, "BilledCost": f"{i}.5"} for i in range(rows)]
    )
    with Lake.open(root) as lake:
        ingest(lake, small, loaded_at=NOW)
        before = lake.read("spend_by_month"), lake.snapshot_id()
    result = run(root, large, limit_kib * 1024, "after")
    assert result.code == 2, result.err
    lines = result.faults
    assert len(lines) == 1, result.err
    assert "no room to write" in lines[0]
    assert "expected free space" in lines[0]
    with Lake.open(root) as lake:
        assert lake.read("spend_by_month").equals(before[0])
        assert lake.snapshot_id() == before[1]
        lake.tidy()
        ingest(lake, large, loaded_at=NOW)
        assert len(lake.read("charges")) == rows


def test_no_room_to_unpack(tmp_path: Path) -> None:
    packed = tmp_path / "bill.csv.gz"
    rows = [{"ResourceId": f"r{i}"} for i in range(5000)]
    packed.write_bytes(gzip.compress(focus_csv(tmp_path / "bill.csv", rows).read_bytes()))
    with Lake.open(tmp_path / "lake"):
        pass
    result = run(tmp_path / "lake", packed, 64 * 1024, "after")
    assert result.code == 2, result.err
    assert "no room to write" in result.err
    assert len(result.faults) == 1


def test_a_lake_that_cannot_be_made_for_lack_of_room_can_be_made_later(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    small = focus_csv(tmp_path / "small.csv")
    result = run(root, small, 20_000, "before")
    assert result.code == 2, result.err
    assert len(result.faults) == 1
    with Lake.open(root) as lake:
        assert ingest(lake, small, loaded_at=NOW)[0].status == "new"


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a plain file")
    with pytest.raises(InputError) as error:
        Lake.open(tmp_path / "lake")
    assert "expected a folder that can be written" in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "lake").read_text() == "a plain file"


def test_a_file_in_the_place_of_the_data_folder(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    root.mkdir()
    (root / "data").write_text("a plain file")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        Lake.open(root)


def test_a_file_in_the_place_of_the_scratch_folder(tmp_path: Path) -> None:
    source = focus_csv(tmp_path / "bill.csv")
    with Lake.open(tmp_path / "lake") as lake:
        (lake.root / "scratch").write_text("a plain file")
        with pytest.raises(InputError, match="expected a folder that can be written"):
            ingest(lake, source, loaded_at=NOW)
        assert lake.read("charges").empty
