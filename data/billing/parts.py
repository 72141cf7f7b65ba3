"""What a delivery means for the months the lake has: new, the same, a restatement, more days, or old news.

A part is what one export says about one billing account in one month. Providers deliver it in three ways:

* again and again, each time from the start of the month (AWS, Azure): the delivery replaces what it covers;
* a piece at a time, such as a file per day: it replaces the moments it has charges of, the others stay;
* as lines that never change once delivered (Google by export time, Oracle by line number): new ones add up.

Deliveries come twice, late and in the wrong order, so a delivery that covers less of the month than the lake
has, from the same start, is an older version and changes nothing. `is_truth` overrules that. Of two that
cover the same, the one delivered last counts: nothing else tells which is newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Replaces(Enum):
    """Which rows of the lake a delivered part takes the place of."""

    NOTHING = "nothing"  # the lake has none of this account and month
    ALL = "all"
    DAYS = "days"  # those whose charge period starts when one of the delivery's does
    LINES = "lines"  # the same lines of an append-only export
    HELD = "held"  # nothing, and the delivery is left aside


# Two exports of one bill that complete each other; any other two are the same charges twice.
PAIR = frozenset({"actual", "amortized"})


@dataclass(frozen=True)
class Part:
    """Rows of one account, month and dataset; `first` and `last` are charge period starts of its usage."""

    source: str
    account: str
    month: str
    dataset: str | None
    first: datetime
    last: datetime
    is_append_only: bool = False

    @property
    def period(self) -> tuple[str, str, str]:
        """What may be billed only once."""
        return self.source, self.account, self.month

    def covers(self, other: Part) -> bool:
        """Whether this part reaches at least as far as the other, at both ends."""
        return self.first <= other.first and self.last >= other.last

    def is_apart_from(self, other: Part) -> bool:
        """Whether the two have no moment in common."""
        return self.first > other.last or self.last < other.first


@dataclass(frozen=True)
class Verdict:
    """What to replace, and the reason where the delivery is held."""

    replaces: Replaces
    reason: str = ""


def judge(part: Part, stored: Sequence[Part], *, is_truth: bool = False) -> Verdict:
    """What a delivered part replaces, given the parts of the same period that the lake has."""
    if not stored:
        return Verdict(Replaces.NOTHING)
    rivals = [other for other in stored if _is_rival(part, other)]
    same = [other for other in stored if other.dataset == part.dataset]
    if is_truth:
        return Verdict(Replaces.ALL)
    if rivals:
        covered = all(part.covers(other) for other in rivals)
        names = ", ".join(sorted(other.dataset or "another export" for other in rivals))
        reason = f"covers less of the month than the {names} the lake has"
        return Verdict(Replaces.ALL) if covered else Verdict(Replaces.HELD, reason)
    if not same:
        return Verdict(Replaces.NOTHING)
    return _against_itself(part, same[0])


def _is_rival(part: Part, other: Part) -> bool:
    return other.dataset != part.dataset and {other.dataset, part.dataset} != PAIR


def _against_itself(part: Part, stored: Part) -> Verdict:
    if part.is_append_only and stored.is_append_only:
        return Verdict(Replaces.LINES)
    if part.covers(stored):
        return Verdict(Replaces.ALL)
    if part.first == stored.first and part.last < stored.last and not part.is_apart_from(stored):
        reason = f"ends {part.last:%F %R}, the lake has the month until {stored.last:%F %R}: an older version"
        return Verdict(Replaces.HELD, reason)
    return Verdict(Replaces.DAYS)
