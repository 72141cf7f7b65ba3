"""The demo's care for what is already in its folder; what it makes is tested from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer import demo
from optimizer.errors import InputError
from optimizer.pipeline import silent
from tests.e2e.workspaces import cli, tree


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "workloads.yaml"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    ran = cli("demo", "-w", tmp_path, "--json")
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.faults
    assert "a folder with other content" in line
    assert "choose another --workspace" in line
    assert tree(tmp_path) == tree(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["file", "file/demo"])
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    ran = cli("demo", "-w", tmp_path / name, "--json")
    assert ran.code == 2
    assert len(ran.faults) == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_filled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def write(root: Path, *, seed: int, **_: object) -> None:
        seeds.append(seed)
        root.mkdir(exist_ok=True)
        (root / "workloads.yaml").write_text("workloads: []")

    monkeypatch.setattr(demo, "write_demo", write)
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "new", tmp_path / "empty"):
        demo.fill(root, 7, silent)
        demo.fill(root, 7, silent)
        with pytest.raises(InputError, match="demo of seed 8"):
            demo.fill(root, 8, silent)
    assert seeds == [7, 7]


def test_a_demo_broken_off_while_filling_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(root: Path, **_: object) -> None:
        root.mkdir()
        (root / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "write_demo", write)
    with pytest.raises(KeyboardInterrupt):
        demo.fill(tmp_path / "demo", 7, silent)
    with pytest.raises(InputError, match="remove it"):
        demo.fill(tmp_path / "demo", 7, silent)


def test_fingerprints_tell_content_and_absence(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    before = demo.fingerprint((one, two))
    one.write_text("x")
    after = demo.fingerprint((one, two))
    assert before != after
    assert demo.fingerprint((two, one)) != after
    one.write_text("x")
    assert demo.fingerprint((one, two)) == after
