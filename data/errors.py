"""What can go wrong, as types.

TrimtabError                 anything we raise on purpose; the command line ends with exit_code
├── InputError               a file, a flag or a setting is wrong: one Fault a line           exit 2
├── InfeasibleError          a workload has no admissible option at all                       exit 3
├── LakeError                the lake cannot be read or written, and trying again won't help  exit 1
└── TransientError           the same call may succeed later: the only type that is retried   exit 1
    └── BusyError            another Trimtab process holds the workspace

Whether to retry is the type, never a flag or the text of a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: where it is, what was found, what was expected, what to do."""

    where: str
    found: str
    expected: str
    action: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = in_one_line(self.where)
        if self.row is not None:
            place += f", row {self.row}"
        if self.column is not None:
            place += f", column {in_one_line(self.column, 80)}"
        said = [in_one_line(part, 4000) for part in (self.found, self.expected, self.action)]
        return f"{place}: found {said[0]}; expected {said[1]}; {said[2]}"


def in_one_line(text: str, limit: int = 1000) -> str:
    """Text of an input as a terminal may show it: what is not printable is escaped, what is too long is cut.

    Names of files and columns are chosen by others; a line end or an escape sequence in them must not make
    two messages of one.
    """
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


class TrimtabError(Exception):
    """Base of every error raised on purpose."""

    exit_code = 1


class InputError(TrimtabError):
    """Every fault of one input at once; nothing was written."""

    exit_code = 2

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class InfeasibleError(TrimtabError):
    """No plan exists: names the rules that clash and the cheapest way out."""

    exit_code = 3


class LakeError(TrimtabError):
    """The lake cannot do what was asked, and asking again will not help."""


class TransientError(TrimtabError):
    """The same call may succeed later."""


class BusyError(TransientError):
    """Another process holds what this one needs."""
