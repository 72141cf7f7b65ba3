"""Work beside this process: where it is done, and what becomes of its failures."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest

from optimizer.errors import TrimtabError
from optimizer.processes import HERE, beside


def test_this_process_works_at_once_and_tells_failures_later() -> None:
    assert HERE.submit(os.getpid).result() == os.getpid()
    failed = HERE.submit(int, "no number")
    with pytest.raises(ValueError, match="no number"):
        failed.result()


def test_another_process_works_where_this_one_has_imports_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with beside("json", unless="not.imported") as other:
        assert other.submit(os.getpid).result() != os.getpid()


def test_none_is_begun_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with beside("json", unless="optimizer.processes") as other:
        assert other is HERE
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with beside("json", unless="not.imported") as other:
        assert other is HERE


def test_an_ended_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(TrimtabError, match="memory") as error, beside(unless="not.imported") as other:
        other.submit(end_at_once).result()
    assert isinstance(error.value.__cause__, BrokenProcessPool)


def end_at_once() -> None:
    """What a system does to a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
