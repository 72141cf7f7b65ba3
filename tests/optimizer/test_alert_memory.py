"""What was told is remembered between runs, and forgotten when it no longer matters."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from optimizer import alert_memory
from optimizer.alert_memory import Memory, remembering
from optimizer.errors import BusyError, InputError, LakeError
from optimizer.notify import send
from tests.optimizer.alerting import HOUR, NOW, SECRET, alert, settings, told


def test_what_was_told_is_remembered_between_runs_without_any_secret(
    open_hook: HTTPServer, tmp_path: Path
) -> None:
    for expected in ("sent", "repeated"):
        with remembering(tmp_path / ".trimtab") as memory:
            assert told([alert()], settings(), memory)[0] == [expected]
    content = (tmp_path / ".trimtab" / "alerts.json").read_text()
    assert json.loads(content)["told"] == {"web": {"a": {"severity": "warning", "at": NOW.isoformat()}}}
    assert SECRET not in content
    assert sorted(path.name for path in (tmp_path / ".trimtab").iterdir() if path.suffix != ".lock") == [
        "alerts.json"
    ]


def test_it_is_remembered_even_if_the_run_ends_in_the_middle(hook: HTTPServer, tmp_path: Path) -> None:
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("ok")
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=500)

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "alerts.json"
    with pytest.raises(KeyboardInterrupt):
        send([alert("a"), alert("b")], settings(), now=NOW, memory=Memory.load(path), sleep=killed)
    assert set(Memory.load(path).told["web"]) == {"a"}


BROKEN = (
    {"told": {"web": {"a": 5}}},
    {"told": {"web": {"a": {"severity": "loud", "at": "2026-11-25T09:30:00+00:00"}}}},
    {"told": {"web": {"a": {"severity": "info", "at": "today"}}}},
    {"told": {"web": {"a": {"severity": "info", "at": "2026-11-25T09:30:00"}}}},
    {"moments": {"web": [5]}},
    {"moments": {"web": ["2026-11-25"]}},
    {"held": {"web": [5]}},
    {"told": []},
)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"told": {}}',
        "\x00",
        *(json.dumps({"told": {}, "moments": {}, "held": {}} | b) for b in BROKEN),
    ],
)
def test_a_broken_memory_stops_before_everything_is_told_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "alerts.json"
    path.write_text(content)
    with pytest.raises(LakeError, match="remove it"):
        Memory.load(path)


def test_memory_forgets_what_no_longer_matters(open_hook: HTTPServer) -> None:
    memory, how = Memory(), settings(max_per_hour=1000)
    told([alert("incident", is_told_once=True)], how, memory, NOW)
    for day in range(5):
        told([alert(f"k{day}")], how, memory, NOW + day * 24 * HOUR)
    assert set(memory.told["web"]) == {"incident", "k4"}
    assert len(memory.moments["web"]) == 1
    told([alert("last")], how, memory, NOW + 400 * 24 * HOUR)
    assert set(memory.told["web"]) == {"last"}


def test_two_processes_do_not_tell_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_memory, "LOCK_WAIT_S", 0.1)
    is_held, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        with remembering(tmp_path):
            is_held.set()
            is_done.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert is_held.wait(10)
        with pytest.raises(BusyError, match="has been sending alerts"), remembering(tmp_path):
            pytest.fail("two at once")
    finally:
        is_done.set()
        other.join()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="a folder that can be written"), remembering(tmp_path / "file"):
        pytest.fail("nowhere to write")
