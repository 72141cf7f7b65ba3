"""What an alert is, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


def rank(severity: Severity) -> int:
    """Order of severities."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True)
class Alert:
    """One thing people should know.

    Attributes:
        key: what it is about, the same each time it is raised: budget/search/2026-11/1.
        severity: info, warning or critical.
        title: one line.
        lines: what was found, what to do.
        money: the amount at stake and its currency, where there is one.
        link: where to read more.
        parts: keys of what it consists of, where that can grow or be split from one run to the next: it was
            told if one of them was, and is silenced if all of them are.
        is_told_once: whether it is told again only if it gets worse, not after a while either.
    """

    key: str
    severity: Severity
    title: str
    lines: tuple[str, ...] = ()
    money: tuple[float, str] | None = None
    link: str | None = None
    parts: tuple[str, ...] = ()
    is_told_once: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What it is known by: its parts, or its key where it has none."""
        return self.parts or (self.key,)


@dataclass(frozen=True)
class Message:
    """An alert on its way to one channel; `held_back` tells of others that the rate limit kept back."""

    alert: Alert
    sent_at: datetime
    held_back: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What became of one alert on one channel; `detail` says why it was not sent and holds no secret."""

    channel: str
    key: str
    status: Literal["sent", "silenced", "repeated", "below", "held", "failed"]
    detail: str = ""
