"""Paths of a workspace, who may change it, and files that take their place only when all is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer import layout
from optimizer.config import Settings
from optimizer.errors import BusyError, InputError
from optimizer.layout import Layout, only_one, taking_place


def test_everything_lies_below_the_workspace(tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    assert paths.lake == tmp_path / "lake"
    assert paths.reports == tmp_path / "reports"
    assert paths.plans == tmp_path / "plans"
    assert paths.memory == tmp_path / ".trimtab"


def test_sources_count_from_the_workspace_in_the_order_of_their_names(tmp_path: Path) -> None:
    settings = Settings(sources={"b": "bills/b", "a": "/data/a"})
    assert Layout(tmp_path).sources(settings) == [Path("/data/a"), tmp_path / "bills/b"]
    with pytest.raises(InputError, match="no source"):
        Layout(tmp_path).sources(Settings())


def test_a_workspace_is_held_by_one_and_free_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "LOCK_WAIT_S", 0.05)
    with only_one(Layout(tmp_path)), pytest.raises(BusyError), only_one(Layout(tmp_path)):
        pytest.fail("two held the workspace")
    with pytest.raises(RuntimeError, match="own"), only_one(Layout(tmp_path)):
        raise RuntimeError("an error of its own")
    with only_one(Layout(tmp_path)):
        pass


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_not_held(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputError, match="trimtab init"), only_one(Layout(tmp_path / name)):
        pytest.fail("held what is not there")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_in_the_place_of_the_memory(tmp_path: Path) -> None:
    (tmp_path / ".trimtab").write_text("text")
    with pytest.raises(InputError, match="a folder that can be written"), only_one(Layout(tmp_path)):
        pytest.fail("held without a lock")


def test_a_draft_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "plan.json"
    with taking_place(path) as draft:
        draft.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("before")

    def fail() -> None:
        with taking_place(path) as draft:
            draft.write_text("after")
            raise OSError("a later step failed")

    with pytest.raises(OSError, match="later"):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["folder", "file/plan.json"])
def test_a_place_that_cannot_be_taken_is_told_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputError, match="a file that can be written"), taking_place(tmp_path / name):
        pytest.fail("began without a place")
