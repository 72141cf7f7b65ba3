"""One table while it is being checked: its rules, its rows, and what is wrong with it so far.

Rows are counted from 1, as people count them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import Fault

Bools = NDArray[np.bool_]
ROWS_SHOWN = 5  # offending rows told per column before the rest is only counted
HUGE = 1e12  # what no price, time or throughput reaches; with much more, plans overflow


@dataclass(frozen=True)
class ColumnRule:
    """What a column must hold. A column that is not required may be absent or empty in any row.

    A key is text, or whole numbers that are read as text: rows are named by it, nothing is computed with it.
    """

    name: str
    kind: Literal["text", "key", "number", "time", "flag"]
    meaning: str
    required: bool = True
    minimum: float = -np.inf
    above: float = -np.inf
    most: float = np.inf
    allowed: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The rule as the reader of a fault needs it."""
        if self.allowed:
            return " or ".join(self.allowed)
        if self.above > -np.inf:
            return f"{self.meaning}, more than {self.above:g}"
        if self.minimum > -np.inf:
            return f"{self.meaning}, {self.minimum:g} or more"
        return self.meaning


@dataclass
class Sheet:
    """One table while it is being checked.

    The frame's index is the row of the file, counted from 0, whatever is cut from it. A column of the wrong
    type is told once; later checks of it are silent.
    """

    where: str
    frame: pd.DataFrame
    faults: list[Fault] = field(default_factory=list)
    unusable: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)

    def refuse(
        self, column: str, bad: Bools, expected: str, action: str, found: Callable[[int], str] | None = None
    ) -> None:
        """Tell the first rows of a mask (over the frame as it is now) and count the rest.

        Args:
            column: Where the fault shows.
            bad: (rows,) which rows are refused.
            expected: What a good row holds.
            action: What to do.
            found: Position in the frame → what stands there; the value itself by default.
        """
        if column in self.unusable:
            return
        positions = np.flatnonzero(bad)
        for position in positions[:ROWS_SHOWN]:
            text = found(int(position)) if found else shown(self.frame[column].iloc[position])
            row = int(self.frame.index[position]) + 1
            self.faults.append(Fault(self.where, text, expected, action, row=row, column=column))
        if more := positions.size - ROWS_SHOWN:
            self._count(column, more, expected, action)

    def _count(self, column: str, more: int, expected: str, action: str) -> None:
        if more > 0:
            text = f"{more} more row{'s' if more > 1 else ''} like these"
            self.faults.append(Fault(self.where, text, expected, action, column=column))

    def reject(self, column: str, found: str, expected: str, action: str, row: int | None = None) -> None:
        """Tell a whole column once and leave it out of every later check."""
        self.faults.append(Fault(self.where, found, expected, action, row=row, column=column))
        self.unusable.add(column)

    def usable(self, *columns: str) -> bool:
        """Whether checks across these columns make sense."""
        return self.unusable.isdisjoint(columns)

    def check(self, rules: Sequence[ColumnRule]) -> None:
        """Refuse empty cells of required columns and values outside a rule."""
        for rule in rules:
            values = self.frame[rule.name]
            empty = values.isna().to_numpy()
            if rule.required:
                self.refuse(rule.name, empty, rule.expected, "fill it in")
            if rule.kind == "number":
                numbers = values.to_numpy()
                bad = np.isinf(numbers) | (numbers < rule.minimum) | (numbers <= rule.above)
                self.refuse(rule.name, bad & ~empty, rule.expected, "correct it")
                huge = (numbers > rule.most) & ~np.isinf(numbers)
                self.refuse(rule.name, huge, f"{rule.meaning}, {rule.most:g} at most", "correct it")
            if rule.allowed:
                unknown = ~values.isin(rule.allowed).to_numpy() & ~empty
                self.refuse(rule.name, unknown, rule.expected, "correct it")

    def unique(self, *columns: str) -> None:
        """Refuse rows whose key stood in an earlier row."""
        if not self.usable(*columns):
            return
        keys = self.frame[list(columns)]
        complete = keys.notna().all(axis=1).to_numpy()
        again = keys.duplicated().to_numpy() & complete

        def found(position: int) -> str:
            key = keys.iloc[position]
            first = int(self.frame.index[(keys == key).all(axis=1).to_numpy()][0]) + 1
            return f"{' at '.join(shown(value) for value in key)} again (first in row {first})"

        key_name = " and ".join(columns)
        self.refuse(columns[-1], again, f"each {key_name} once", "remove one of the two", found)


@dataclass(frozen=True)
class Part:
    """One checked table: its rows, its faults, and what a reader should know of it."""

    frame: pd.DataFrame
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()


def shown(value: object, limit: int = 60) -> str:
    """A value of a cell as a reader knows it."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "nothing (null or NaN)"
    if isinstance(value, float):
        return f"{value:.15g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
