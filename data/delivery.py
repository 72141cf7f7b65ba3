"""A delivery: one file, or a folder or archive of files that belong together.

Archives (zip, tar, tar.gz) are unpacked into the lake's scratch folder and treated as folders, gzip is taken
off single files. Nothing an archive says about itself is trusted: neither its paths nor its sizes. Which
files of a folder count is decided in `data.layouts`.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from data import layouts
from data.errors import Fault, InputError

MAX_UNPACKED_BYTES = 20 * 2**30
MAX_FILES = 10_000
MAX_DEPTH = 3  # an archive in an archive in an archive
_BLOCK = 1 << 20


class SupportsRead(Protocol):
    """An open binary stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class PlainFile:
    """A file to read, the name people know it by, and the export run it is part of (its own name if none)."""

    path: Path
    name: str
    batch: str


@dataclass
class Unpacked:
    """Plain files of a delivery with the names people know them by."""

    scratch: Path
    exclude: Path | None = None
    limit: int = MAX_UNPACKED_BYTES
    files: list[PlainFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    written: int = 0
    folders: int = 0

    def new_folder(self) -> Path:
        """An empty folder for what comes out of one archive."""
        self.folders += 1
        folder = self.scratch / f"unpacked_{self.folders}"
        folder.mkdir(parents=True)
        return folder

    def copy(self, source: SupportsRead, target: Path, name: str) -> None:
        """Copy a stream that may lie about its size."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while block := source.read(_BLOCK):
                self.written += len(block)
                if self.written > self.limit:
                    found = f"over {self.limit / 2**30:g} GiB once unpacked"
                    raise InputError([Fault(name, found, "less", "unpack it yourself and give the folder")])
                out.write(block)


@contextmanager
def unpacked(
    path: Path, scratch: Path, *, exclude: Path | None = None, limit: int = MAX_UNPACKED_BYTES
) -> Iterator[Unpacked]:
    """Every plain file of the delivery at `path`, without what lies in the folder `exclude` (our own lake).

    What came out of archives is removed at the end of the block. Raises InputError where the delivery is
    missing, damaged or hostile.
    """
    if not path.exists():
        raise InputError([Fault(str(path), "nothing there", "a file, folder or archive", "check the path")])
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        delivery = Unpacked(Path(folder), exclude, limit)
        _add(delivery, path, path.name, path.name, depth=0)
        yield delivery


def _add(delivery: Unpacked, path: Path, name: str, batch: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError(
            [Fault(name, f"archives nested over {MAX_DEPTH} deep", "fewer", "unpack it yourself")]
        )
    try:
        if path.is_dir():
            _add_folder(delivery, path, "" if depth == 0 else name, depth)
        elif zipfile.is_zipfile(path):
            _add_folder(delivery, _unzip(delivery, path, name), name, depth + 1)
        elif _is_gzip(path):
            _add(delivery, _gunzip(delivery, path, name), name.removesuffix(".gz"), batch, depth + 1)
        elif _is_tar(path):
            _add_folder(delivery, _untar(delivery, path, name), name, depth + 1)
        else:
            delivery.files.append(PlainFile(path, name, batch))
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError) as error:
        found = f"a damaged or truncated archive ({error})"
        raise InputError([Fault(name, found, "a whole file", "copy or export it again")]) from error


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _is_tar(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(257)
        return stream.read(5) == b"ustar"


def _gunzip(delivery: Unpacked, path: Path, name: str) -> Path:
    target = delivery.new_folder() / (Path(name).name.removesuffix(".gz") or "plain")
    with gzip.open(path) as source:
        delivery.copy(source, target, name)
    return target


def _unzip(delivery: Unpacked, path: Path, name: str) -> Path:
    folder = delivery.new_folder()
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _check_members(name, [member.filename for member in members])
        for member in members:
            if member.flag_bits & 1:
                found = f"{member.filename} is encrypted"
                raise InputError([Fault(name, found, "an open archive", "unpack it yourself")])
            with archive.open(member) as source:
                delivery.copy(source, folder / member.filename, name)
    return folder


def _untar(delivery: Unpacked, path: Path, name: str) -> Path:
    folder = delivery.new_folder()
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
        _check_members(name, [member.name for member in members])
        for member in members:
            source = archive.extractfile(member) if member.isreg() else None
            if source is None:
                delivery.skipped.append(Skipped(f"{name}/{member.name}", "a link or device, not a file"))
                continue
            with source:
                delivery.copy(source, folder / member.name, name)
    return folder


def _check_members(archive: str, names: list[str]) -> None:
    """Refuse paths that lead out of the archive, and archives of very many files."""
    faults = [
        Fault(
            archive,
            f"the path {name!r}",
            "paths inside the archive",
            "do not trust this archive; ask its sender",
        )
        for name in names
        if PurePosixPath(name).is_absolute()
        or ".." in PurePosixPath(name.replace("\\", "/")).parts
        or ":" in name[:3]
    ]
    if len(names) > MAX_FILES:
        faults.append(Fault(archive, f"{len(names)} files", f"at most {MAX_FILES}", "split it"))
    if faults:
        raise InputError(faults)


def _add_folder(delivery: Unpacked, folder: Path, name: str, depth: int) -> None:
    prefix = f"{name}/" if name else ""
    own = delivery.exclude.resolve() if delivery.exclude is not None else None
    unpacked = delivery.scratch.resolve()
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    if own is not None and unpacked not in folder.resolve().parents:
        paths = [p for p in paths if own not in p.resolve().parents]
    choice = layouts.choose(
        folder, paths, name or folder.name, has_times=unpacked not in folder.resolve().parents
    )
    for path in paths:
        shown = prefix + path.relative_to(folder).as_posix()
        if any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts):
            delivery.skipped.append(Skipped(shown, "a hidden file"))
        elif path in choice.left_out:
            delivery.skipped.append(Skipped(shown, choice.left_out[path]))
        elif path.stat().st_size == 0 and path.name == "_SUCCESS":
            delivery.skipped.append(Skipped(shown, "a marker"))
        else:
            batch = f"{prefix}{choice.batch[path]}" if path in choice.batch else shown
            _add(delivery, path, shown, batch, depth)
