"""A delivery: one file, or a folder or archive of files that belong together.

Archives (zip, tar, tar.gz) are unpacked into the lake's scratch folder (`data.archives`) and treated as
folders, gzip is taken off single files. Which files of a folder count is decided in `data.layouts`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from data import archives, layouts
from data.archives import Budget
from data.errors import Fault, InputError, in_one_line

MAX_UNPACKED_BYTES = 20 * 2**30
MAX_DEPTH = 3  # an archive in an archive in an archive
NOT_A_FILE = "a link or device, not a file"


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class PlainFile:
    """A file to read, the name people know it by, and the export run it is part of (its own name if none).

    The name is printable text, whatever the bytes of the real one are.
    """

    path: Path
    name: str
    batch: str


@dataclass
class Unpacked:
    """Plain files of a delivery with the names people know them by."""

    scratch: Path
    budget: Budget
    exclude: Path | None = None
    files: list[PlainFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    folders: int = 0

    def new_folder(self) -> Path:
        """An empty folder for what comes out of one archive."""
        self.folders += 1
        folder = self.scratch / f"unpacked_{self.folders}"
        folder.mkdir(parents=True)
        return folder

    def skip(self, name: str, reason: str) -> None:
        """Leave a file out."""
        self.skipped.append(Skipped(in_one_line(name), reason))


@contextmanager
def unpacked(
    path: Path, scratch: Path, *, exclude: Path | None = None, limit: int = MAX_UNPACKED_BYTES
) -> Iterator[Unpacked]:
    """Every plain file of the delivery at `path`, without what lies in the folder `exclude` (our own lake).

    What came out of archives is removed at the end of the block. Raises InputError where the delivery is
    missing, damaged or hostile, or no file: a pipe may never end.
    """
    if not path.exists():
        raise InputError([Fault(str(path), "nothing there", "a file, folder or archive", "check the path")])
    if not path.is_dir() and not path.is_file():
        found, action = "a pipe, socket or device", "save it to a file first"
        raise InputError([Fault(str(path), found, "a file, folder or archive", action)])
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        delivery = Unpacked(Path(folder), Budget(limit), exclude)
        _add(delivery, path, path.name, path.name, depth=0)
        yield delivery


def _add(delivery: Unpacked, path: Path, name: str, batch: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError(
            [Fault(name, f"archives nested over {MAX_DEPTH} deep", "fewer", "unpack it yourself")]
        )
    if path.is_dir():
        _add_folder(delivery, path, "" if depth == 0 else name, depth)
        return
    kind = _kind(path, name)
    if kind is None:
        delivery.files.append(PlainFile(_plain(delivery, path), in_one_line(name), batch))
        return
    folder = delivery.new_folder()
    if kind == "gzip":
        inside = archives.gunzip(path, folder, name, delivery.budget)
        _add(delivery, inside, name.removesuffix(".gz"), batch, depth + 1)
        return
    if kind == "zip":
        archives.unzip(path, folder, name, delivery.budget)
    else:
        for left_out in archives.untar(path, folder, name, delivery.budget):
            delivery.skip(f"{name}/{left_out}", NOT_A_FILE)
    _add_folder(delivery, folder, name, depth + 1)


def _kind(path: Path, name: str) -> str | None:
    try:
        return archives.kind_of(path)
    except OSError as error:
        raise InputError([Fault(name, str(error), "a readable file", "check its permissions")]) from error


def _plain(delivery: Unpacked, path: Path) -> Path:
    """The path, or a link to it: the engine takes only paths that are text."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        link = delivery.new_folder() / "plain"
        link.symlink_to(path.absolute())
        return link
    return path


def _add_folder(delivery: Unpacked, folder: Path, name: str, depth: int) -> None:
    prefix = f"{name}/" if name else ""
    has_times = delivery.scratch.resolve() not in folder.resolve().parents
    own = delivery.exclude.resolve() if delivery.exclude is not None and has_times else None
    paths = _listed(delivery, folder, prefix, own)
    choice = layouts.choose(folder, paths, name or folder.name, has_times=has_times)
    for path in paths:
        shown = prefix + path.relative_to(folder).as_posix()
        if any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts):
            delivery.skip(shown, "a hidden file")
        elif path in choice.left_out:
            delivery.skip(shown, choice.left_out[path])
        elif path.stat().st_size == 0 and path.name == "_SUCCESS":
            delivery.skip(shown, "a marker")
        else:
            batch = f"{prefix}{choice.batch[path]}" if path in choice.batch else shown
            _add(delivery, path, shown, batch, depth)


def _listed(delivery: Unpacked, folder: Path, prefix: str, own: Path | None) -> list[Path]:
    """Every file below a folder, sorted, but for our own lake. Links to folders are not followed."""

    def refuse(error: OSError) -> NoReturn:
        where = prefix + os.path.relpath(error.filename or folder, folder)
        raise InputError([Fault(where, str(error), "a readable folder", "check its permissions")]) from error

    found: list[Path] = []
    for top, folders, names in os.walk(folder, onerror=refuse):
        if own is not None and Path(top).resolve() == own:
            folders.clear()
            continue
        links = [name for name in folders if Path(top, name).is_symlink()]
        for path in (Path(top, name) for name in (*names, *links)):
            if not path.is_file():
                delivery.skip(prefix + path.relative_to(folder).as_posix(), NOT_A_FILE)
            elif own is None or own not in path.resolve().parents:
                found.append(path)
    return sorted(found)
