"""Copies of a file beside it: the same bytes under another name are delivered once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from data.delivery import PlainFile, Skipped
from data.layouts import is_declared


def without_copies(files: Sequence[PlainFile]) -> tuple[list[PlainFile], list[Skipped]]:
    """The files less those that repeat another to the byte: the first by name stays.

    Every empty one stays too, and what a manifest lists: that it means.
    """
    by_size: dict[int, list[PlainFile]] = defaultdict(list)
    for file in files:
        if is_declared(file.batch):
            continue
        by_size[file.path.stat().st_size].append(file)
    copies: dict[str, Skipped] = {}
    for size, alike in by_size.items():
        first: dict[str, str] = {}
        for file in sorted(alike, key=lambda one: one.name) if size and len(alike) > 1 else ():
            known = first.setdefault(_digest(file.path), file.name)
            if known != file.name:
                copies[file.name] = Skipped(file.name, f"the same content as {known}")
    return [file for file in files if file.name not in copies], list(copies.values())


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
