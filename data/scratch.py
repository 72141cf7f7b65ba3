"""Folders for unpacked and half-parsed input: one per open lake, in use as long as its lock is held."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

_IN_USE = "in_use.lock"
_CLAIM = "claim.lock"  # held while a folder is made or removed: between the two it has no lock of its own


@dataclass(frozen=True)
class Scratch:
    """A folder that is ours until `release`, or until this process dies."""

    path: Path
    lock: filelock.BaseFileLock

    def release(self) -> None:
        """Remove the folder with all that is in it."""
        self.lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def claim(folder: Path) -> Scratch:
    """A new scratch folder in `folder`, which is made on first use."""
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / _CLAIM):
        path = Path(tempfile.mkdtemp(dir=folder))
        lock = filelock.FileLock(path / _IN_USE)
        lock.acquire()
    return Scratch(path, lock)


def abandoned(folder: Path) -> list[Path]:
    """Scratch folders whose owner died."""
    if not folder.is_dir():
        return []
    with filelock.FileLock(folder / _CLAIM):
        return list(_abandoned(folder))


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the scratch folders whose owner died, and give their paths."""
    if not folder.is_dir():
        return []
    with filelock.FileLock(folder / _CLAIM):
        removed = list(_abandoned(folder))
        for path in removed:
            shutil.rmtree(path)
    return removed


def _abandoned(folder: Path) -> Iterator[Path]:
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        lock = filelock.FileLock(path / _IN_USE, timeout=0)
        try:
            with lock:
                yield path
        except filelock.Timeout:
            continue
