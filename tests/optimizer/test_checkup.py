"""`trimtab check`: every check runs, faults are found, and nothing is changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.data.bills import focus_csv
from tests.e2e.workspaces import cli, lake_content, make, planned, tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small workspace."""
    return make(tmp_path / "ws")


def levels(root: Path, code: int) -> dict[str, list[str]]:
    """What was found, by level; the exit code is checked."""
    ran = cli("check", "-w", root, "--json")
    assert ran.code == code, ran.out
    assert ran.err == ""
    found: dict[str, list[str]] = {"ok": [], "note": [], "fault": []}
    for item in ran.json["findings"]:
        found[item["level"]].append(f"{item['what']}: {item['text']}")
    return found


def test_a_workspace_of_files(root: Path) -> None:
    before = tree(root)
    found = levels(root, 0)
    assert found["fault"] == []
    assert "workloads: 1 declared, 4 options known" in found["ok"]
    assert any("none yet" in text for text in found["note"])
    assert tree(root) == before
    assert not (root / "lake").exists()


def test_a_lake_and_a_plan(root: Path, tmp_path: Path) -> None:
    planned(root)
    assert cli("ingest", "-w", root, "--source", focus_csv(tmp_path / "bill.csv")).code == 0
    held = lake_content(root)
    found = levels(root, 0)
    assert any(
        text.startswith("plan: plan.json: capacity-plan/1 of 2026-05-12 03:00 UTC") for text in found["ok"]
    )
    assert any("snapshots" in text for text in found["ok"])
    assert any(text.startswith("demand: newest row is") for text in found["note"])
    assert lake_content(root) == held


def test_all_faults_of_all_parts_are_found(root: Path) -> None:
    planned(root)
    plan = root / "plans/plan.json"
    said = plan.read_text()
    plan.write_text(re.sub(r'"replicas": \d+', '"replicas": 99', said, count=1))
    (root / "plans/broken.json").write_text("{")
    (root / "trimtab.toml").write_text("[planning]\ngap_shrae = 1\n")
    (root / "state.json").write_text("{")
    (root / "lake/catalog.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    before = tree(root)
    faults = levels(root, 2)["fault"]
    for part, word in {
        "settings": "gap_shrae",
        "inputs": "state.json",
        "lake": "lake",
        "plan": "edited",
    }.items():
        assert any(text.startswith(part) and word in text for text in faults), (part, faults)
    assert any("broken.json" in text for text in faults)
    assert tree(root) == before


def test_missing_throughput_names_the_page_that_explains_its_file(root: Path) -> None:
    (root / "profiles.parquet").unlink()
    (fault,) = levels(root, 2)["fault"]
    assert "the throughput of each model, see docs/reference/workspace.md" in fault
    assert (REPO / "docs/reference/workspace.md").is_file()


def test_for_people(root: Path) -> None:
    ran = cli("check", "-w", root)
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("ok     settings: understood")


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_workspace(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("text")
    assert levels(tmp_path / name, 2)["fault"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
