"""Zip, tar and gzip, taken apart into a folder of ours. Nothing an archive says about itself is trusted.

Its paths may lead out, name one file twice or be no names at all; its sizes may be lies; its headers may
point backwards. Links and devices are never made. What cannot be read is one InputError, whatever the library
raises.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from data.errors import Fault, InputError

MAX_FILES = 10_000
LONGEST_NAME_BYTES = 255  # of a part of a path: what file systems take
LONGEST_PATH_BYTES = 1024
_BLOCK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# RuntimeError is for what zipfile cannot unpack, LookupError and ValueError are for names that are none,
# MemoryError and OverflowError for sizes that no file has.
_DAMAGE = (
    EOFError, zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError,
    LookupError, ValueError, OverflowError, MemoryError,
)  # fmt: skip


class SupportsRead(Protocol):
    """An open binary stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


@dataclass
class Budget:
    """What may come out of the archives of one delivery, and what has come out so far."""

    limit_bytes: int
    written_bytes: int = 0
    files: int = 0

    def expect(self, archive: str, files: int, declared_bytes: int) -> None:
        """Raise InputError if an archive is too large by its own account; it may hold more than it says."""
        self.files += files
        if self.files > MAX_FILES:
            found = f"{self.files} files"
            raise InputError([Fault(archive, found, f"at most {MAX_FILES} files in archives", "split it")])
        if self.written_bytes + declared_bytes > self.limit_bytes:
            raise self._too_large(archive)

    def copy(self, source: SupportsRead, target: Path, archive: str) -> None:
        """Copy a stream that may lie about its size."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while block := source.read(_BLOCK):
                self.written_bytes += len(block)
                if self.written_bytes > self.limit_bytes:
                    raise self._too_large(archive)
                out.write(block)

    def _too_large(self, archive: str) -> InputError:
        found = f"over {self.limit_bytes / 2**30:g} GiB once unpacked"
        return InputError([Fault(archive, found, "less", "unpack it yourself and give the folder")])


def kind_of(path: Path) -> str | None:
    """Which archive a file is, by its first bytes: "zip", "gzip", "tar" or none."""
    with path.open("rb") as stream:
        start = stream.read(262)
    if start[:4] in _ZIP:
        return "zip"
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "tar" if start[257:262] == b"ustar" else None


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn whatever a library raises over a broken archive into one InputError."""
    try:
        yield
    except NotImplementedError as error:
        found = f"a way of packing that is not known here ({error})"
        raise InputError([Fault(name, found, "stored or deflated files", "pack it again")]) from error
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise  # ours, not the archive's
        found = f"a damaged or truncated archive ({error})"
        raise InputError([Fault(name, found, "a whole file", "copy or export it again")]) from error


def gunzip(path: Path, folder: Path, name: str, budget: Budget) -> Path:
    """The file inside a gzip, in `folder`."""
    target = folder / "plain"  # not what the gzip calls it
    with _told(name), gzip.open(path) as source:
        budget.copy(source, target, name)
    return target


def unzip(path: Path, folder: Path, name: str, budget: Budget) -> None:
    """Write the files of a zip below `folder`."""
    with _told(name), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        budget.expect(name, len(members), sum(member.file_size for member in members))
        for member, place in zip(members, _places(name, [m.filename for m in members]), strict=True):
            if member.flag_bits & 1:
                found = f"{member.filename} is encrypted"
                raise InputError([Fault(name, found, "an open archive", "unpack it yourself")])
            with archive.open(member) as source:
                budget.copy(source, folder / place, name)


class _Member(tarfile.TarInfo):
    """A tar header that may not point backwards: some versions of Python read such an archive for ever."""

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a header with a negative size")
        return -(-count // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def untar(path: Path, folder: Path, name: str, budget: Budget) -> list[str]:
    """Write the plain files of a tar below `folder`; the names of links and devices, which are left out."""
    with _told(name), tarfile.open(path, "r:", tarinfo=_Member) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
        budget.expect(name, len(members), sum(member.size for member in members if member.isreg()))
        places = _places(name, [member.name for member in members])
        left_out: list[str] = []
        for member, place in zip(members, places, strict=True):
            source = archive.extractfile(member) if member.isreg() else None
            if source is None:
                left_out.append(str(place))
                continue
            with source:
                budget.copy(source, folder / place, name)
    return left_out


# -- names -----------------------------------------------------------------------------------------


def _places(archive: str, names: Sequence[str]) -> list[PurePosixPath]:
    """Where each member goes, below a folder. Raises InputError with every name that cannot be one."""
    places = [PurePosixPath(_as_text(name)) for name in names]
    faults = [fault for name in names if (fault := _fault_of(archive, name)) is not None]
    taken: set[PurePosixPath] = set()
    for place in places:
        if place in taken:
            faults.append(Fault(archive, f"{str(place)!r} twice", "each file once", "pack it again"))
        taken.add(place)
    for place in places:
        if not taken.isdisjoint(place.parents):
            found = f"{str(place)!r} below a file"
            faults.append(Fault(archive, found, "files below folders", "pack it again"))
    if faults:
        raise InputError(faults)
    return places


def _as_text(name: str) -> str:
    """A name as text that can be written: bytes that are no UTF-8 are spelled out in hexadecimal."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _fault_of(archive: str, name: str) -> Fault | None:
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in name[:3]:
        action = "do not trust this archive; ask its sender"
        return Fault(archive, f"the path {name!r}", "paths inside the archive", action)
    if not place.parts or "\0" in name:
        return Fault(archive, f"the path {name!r}", "the name of a file", "pack it again")
    longest = max(len(part.encode("utf-8", "backslashreplace")) for part in place.parts)
    size = len(str(place).encode("utf-8", "backslashreplace"))
    if longest > LONGEST_NAME_BYTES or size > LONGEST_PATH_BYTES:
        expected = f"names of at most {LONGEST_NAME_BYTES} bytes in paths of at most {LONGEST_PATH_BYTES}"
        return Fault(archive, f"a path of {size} bytes", expected, "rename it")
    return None
