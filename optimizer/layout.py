"""Where things lie in a workspace, and that only one process changes it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path

import filelock

from optimizer.config import Settings
from optimizer.errors import BusyError, Fault, InputError

LOCK_WAIT_S = 100.0  # a plan takes seconds; waiting longer than this means that something hangs


@dataclass(frozen=True)
class Layout:
    """Paths of a workspace."""

    root: Path

    @property
    def lake(self) -> Path:
        """Facts: the DuckLake."""
        return self.root / "lake"

    @property
    def catalog(self) -> Path:
        """What a lake cannot be without: where it is missing there is no lake yet."""
        return self.lake / "catalog.sqlite"

    @property
    def workloads(self) -> Path:
        """What runs and what it needs, declared by people."""
        return self.root / "workloads.yaml"

    @property
    def is_for_bills_alone(self) -> bool:
        """There is a lake, and nothing declared that could be planned."""
        return self.catalog.is_file() and not self.workloads.exists()

    @property
    def reports(self) -> Path:
        """Reports for people."""
        return self.root / "reports"

    @property
    def plans(self) -> Path:
        """Plans as files."""
        return self.root / "plans"

    @property
    def memory(self) -> Path:
        """Whatever else Trimtab wants to remember."""
        return self.root / ".trimtab"

    @property
    def replays(self) -> Path:
        """Results of replays, so that none is made twice."""
        return self.memory / "backtest"

    def sources(self, settings: Settings) -> list[Path]:
        """The configured sources, relative ones from the workspace.

        Raises:
            InputError: none is configured.
        """
        if not settings.sources:
            found, expected = "no source", "a path in [sources] of trimtab.toml"
            raise InputError([Fault("trimtab.toml", found, expected, "add one or pass --source PATH")])
        return [self.root / path for _, path in sorted(settings.sources.items())]


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the workspace while it is changed; a second process waits its turn.

    Raises:
        InputError: the workspace is not a folder that can be written.
        BusyError: the other process is still at it after LOCK_WAIT_S.
    """
    if not layout.root.is_dir():
        found = "a file in its place" if layout.root.exists() else "no such folder"
        raise InputError([Fault(str(layout.root), found, "a workspace", "make one with `trimtab init`")])
    busy = f"{layout.root}: another trimtab has held the workspace for {LOCK_WAIT_S:.0f} s"
    action = "expected it to finish; try again, or end that process"
    with locked(layout.memory / "lock", wait_s=LOCK_WAIT_S, busy=f"{busy}; {action}"):
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder of long work apart from the workspace, which others may change meanwhile.

    Raises:
        InputError: the folder cannot be written.
        BusyError: another process is at it.
    """
    busy = f"{folder}: another trimtab is at work here"
    with locked(folder / "lock", wait_s=0.0, busy=f"{busy}; expected it to finish; try again"):
        yield


@contextmanager
def locked(path: Path, *, wait_s: float, busy: str) -> Iterator[None]:
    """Hold a lock file, which only one process can; its folder is made on first use.

    Raises:
        InputError: the folder cannot be written.
        BusyError: with the text `busy`, where another process still holds it after `wait_s` seconds.
    """
    lock = filelock.FileLock(path, timeout=wait_s)
    with writing_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise BusyError(busy) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be written into an InputError."""
    try:
        yield
    except OSError as error:
        found, expected = str(error.strerror), "a folder that can be written"
        raise InputError([Fault(str(folder), found, expected, "free the place")]) from error


@contextmanager
def taking_place(path: Path) -> Iterator[Path]:
    """A draft to write, which takes the place of `path` only when all that belongs to it has succeeded.

    Raises:
        InputError: `path` cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "a folder in its place", str(path))
    except OSError as error:
        advice = "choose another --out or free the place"
        raise InputError(
            [Fault(str(path), str(error.strerror), "a file that can be written", advice)]
        ) from error
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
