"""Several processes in one workspace, a process that dies, and no room left: whole plans or none."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import filelock
import pytest

from optimizer import layout
from optimizer.errors import BusyError
from optimizer.layout import Layout, only_one
from tests.data.bills import focus_csv
from tests.e2e import plans, workspaces
from tests.e2e.workspaces import AS_OF, cli, lake_content, make, planned, process, tree
from tests.forked import Child, trimtab


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a plan of an earlier moment."""
    root = make(tmp_path_factory.mktemp("whole") / "ws")
    planned(root, as_of="2026-05-11T03:00:00+00:00", name="earlier.json")
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to work in."""
    return Path(shutil.copytree(whole, tmp_path / "ws"))


def start(root: Path, name: str, limit_bytes: int | None = None) -> Child:
    """`trimtab plan` as a process under way."""
    asked = ("plan", "-w", root, "--as-of", AS_OF, "--out", root / "plans" / name, "--json")
    return trimtab(*asked, limit_bytes=limit_bytes)


def test_two_plans_at_once_are_the_same_plan(root: Path) -> None:
    running = [start(root, name) for name in ("one.json", "two.json")]
    ended = [child.ended() for child in running]
    assert [ran.code for ran in ended] == [0, 0], ended
    assert [ran.err for ran in ended] == ["", ""]
    assert (root / "plans/one.json").read_bytes() == (root / "plans/two.json").read_bytes()
    plans.check(json.loads((root / "plans/one.json").read_text()))
    assert lake_content(root)["plans"] == 2


def test_a_held_workspace_refuses_after_its_wait(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LOCK_WAIT_S", 0.1)
    before = tree(root)
    with filelock.FileLock(root / ".trimtab/lock"):
        ran = workspaces.plan(root)
        with pytest.raises(BusyError), only_one(Layout(root)):
            pytest.fail("two held the workspace")
    assert ran.code == 1
    assert ran.out == ""
    (line,) = ran.faults
    for words in (str(root), "another trimtab has held the workspace", "expected it to finish", "try again"):
        assert words in line
    assert tree(root) == before
    assert workspaces.plan(root).code == 0


def test_reading_does_not_wait(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LOCK_WAIT_S", 0.0)
    with filelock.FileLock(root / ".trimtab/lock"):
        assert cli("check", "-w", root, "--json").code == 0


def test_a_killed_plan_leaves_a_whole_plan_or_none(root: Path, tmp_path: Path) -> None:
    seed = 20261124
    moments = random.Random(seed)
    begun = time.perf_counter()
    assert start(root, "whole.json").ended().code == 0
    lasts = time.perf_counter() - begun
    wanted = (root / "plans/whole.json").read_bytes()
    kills = 0
    for turn in range(6):
        place = Path(shutil.copytree(root, tmp_path / f"turn{turn}"))
        (place / "plans/whole.json").unlink()
        child = start(place, "killed.json")
        time.sleep(moments.uniform(0.1, 1.05) * lasts)
        kills += child.kill() == -signal.SIGKILL
        left = place / "plans/killed.json"
        assert not left.exists() or left.read_bytes() == wanted
        assert [path.name for path in place.glob("plans/*.json") if path.name not in {"killed.json"}] == [
            "earlier.json"
        ]
        ran = workspaces.plan(place, name="killed.json")
        assert ran.code == 0, ran.err
        assert left.read_bytes() == wanted
        if turn and kills:  # twice, and more where kills came too late
            break
    assert kills > 0, "every kill came too late to test anything"


@pytest.mark.parametrize("limit_kib", [0, 12, 32])
def test_a_full_disk_stops_a_plan_with_one_line(root: Path, limit_kib: int) -> None:
    before, held = tree(root / "plans"), lake_content(root)
    ran = start(root, "full.json", limit_kib * 1024).ended()
    assert ran.code == 2, ran.err
    assert ran.out == ""
    (line,) = ran.faults
    assert ": found " in line
    assert "; expected " in line
    assert tree(root / "plans") == before
    assert lake_content(root) == held
    assert workspaces.plan(root, name="full.json").code == 0


def test_a_full_disk_stops_an_ingest_with_one_line(root: Path, tmp_path: Path) -> None:
    bill = focus_csv(tmp_path / "bill.csv", [{"ResourceId": f"{i:x}" * 40} for i in range(5000)])
    held = lake_content(root)
    ran = trimtab("ingest", "-w", root, "--source", bill, "--json", limit_bytes=64 * 1024).ended()
    assert ran.code == 2, ran.err
    assert ran.out == ""
    (line,) = ran.faults
    assert "no room to write" in line
    assert lake_content(root) == held


def test_a_bad_file_in_a_real_process(root: Path) -> None:
    (root / "workloads.yaml").write_text("workloads: []\n")
    before = tree(root)
    ran = process("plan", "-w", root, "--as-of", AS_OF, "--json")
    assert ran.code == 2
    assert ran.out == ""
    assert len(ran.faults) == 1
    assert ran.faults[0].startswith("workloads.yaml")
    assert tree(root) == before
