"""What a recognised input is: its columns decide, never its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Container = Literal["csv", "parquet", "json", "jsonl"]


@dataclass(frozen=True)
class RawFile:
    """One file of a delivery whose header has been read.

    `name` is what people see in messages: relative to the delivery, with the archive it came out of.
    `path` is plain text or Parquet: compression has been taken off already. `container` is json for one
    document, jsonl for records. `batch` is the export run the file is a part of: what no manifest says is a
    run of its own. `header_bytes` is the length of a CSV header that has line ends in its names, else 0.
    """

    path: Path
    name: str
    container: Container
    columns: tuple[str, ...]
    delimiter: str = ","
    batch: str = ""
    header_bytes: int = 0


@dataclass(frozen=True)
class Format:
    """One recognised shape of input.

    `required` holds alternatives: of each set at least one column must be there. Names are compared after
    `canonical`, so spellings that differ in case or style are one. `accepts` is asked last.
    """

    name: str
    table: str
    meaning: str
    required: tuple[frozenset[str], ...]
    canonical: Callable[[str], str] = str.lower
    accepts: Callable[[frozenset[str]], bool] = bool
    containers: tuple[Container, ...] = ("csv", "parquet", "jsonl")

    def missing(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What the columns lack, alternatives joined by a slash; empty if they are this format."""
        present = frozenset(self.canonical(column) for column in columns)
        lacking = tuple("/".join(sorted(names)) for names in self.required if not names & present)
        return lacking if lacking or self.accepts(present) else ("columns that tell it from others",)


def needs(*columns: str) -> tuple[frozenset[str], ...]:
    """`required` of a format: each argument a column, or alternatives joined by a slash."""
    return tuple(frozenset(column.split("/")) for column in columns)


def snake_case(name: str) -> str:
    """lineItem/UnblendedCost as line_item_unblended_cost, the way Athena spells AWS columns."""
    spaced = re.sub(r"(?<=[A-Za-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
