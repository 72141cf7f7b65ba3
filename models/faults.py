"""What can be wrong with a frame. All of it is collected before anything is raised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SHOWN = 10  # rows named for one kind of fault; the rest are counted


@dataclass(frozen=True)
class FrameFault:
    """One thing wrong with a frame: what was found, what was expected, what to do, and where (row from 1)."""

    found: str
    expected: str
    action: str
    series: str | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        places = [("series", self.series), ("row", self.row), ("column", self.column)]
        where = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{where + ': ' if where else ''}found {self.found}; expected {self.expected}; {self.action}"


class FrameError(ValueError):
    """Every fault of one frame, or of what was asked of it, at once."""

    def __init__(self, faults: Iterable[FrameFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class Faults:
    """Collects faults; `stop` raises them all when there are any."""

    def __init__(self) -> None:
        self.found: list[FrameFault] = []

    def add(self, found: str, expected: str, action: str, **where: Any) -> None:
        """Note one fault; `where` is series, row, column."""
        self.found.append(FrameFault(found, expected, action, **where))

    def rows(
        self, wrong: npt.NDArray[np.bool_], found: str, expected: str, action: str, column: str | None = None
    ) -> None:
        """Note a fault for each marked row, the first few by number and the others by their count."""
        numbers = np.flatnonzero(wrong) + 1
        for row in numbers[:SHOWN]:
            self.add(found, expected, action, row=int(row), column=column)
        if numbers.size > SHOWN:
            self.add(f"{found} in {numbers.size - SHOWN} more rows", expected, action, column=column)

    def stop(self) -> None:
        """Raise what was collected.

        Raises:
            FrameError: when there is at least one fault.
        """
        if self.found:
            raise FrameError(self.found)
