"""What was told to whom, kept in a file of the workspace so that a second run does not tell it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.alerts import Alert, rank
from optimizer.errors import LakeError
from optimizer.layout import locked, taking_place

HOUR = timedelta(hours=1)
ONCE_KEPT = timedelta(days=400)  # what is told once is not found any more by then
LOCK_WAIT_S = 120.0
FILE, LOCK = "alerts.json", "alerts.lock"


@dataclass
class Memory:
    """What channels heard; `save` writes it where `path` says, or nowhere.

    Attributes:
        path: the file; None keeps it in memory.
        told: channel and key to severity, moment and whether it is told only once.
        moments: channel to the moments of the messages of the last hour.
        held: channel to titles held back and not told of yet.
    """

    path: Path | None = None
    told: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    moments: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Memory:
        """The memory of a file; an empty one where there is none.

        Raises:
            LakeError: the file is not what `save` writes; nothing is sent rather than everything again.
        """
        if not path.exists():
            return cls(path)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            made = cls(path, held["told"], held["moments"], held["held"])
            made.check()
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise LakeError(
                f"{path}: found a file that cannot be read ({type(error).__name__}); expected what "
                "Trimtab keeps of sent alerts; remove it, and alerts that hold are told once more"
            ) from error
        return made

    def check(self) -> None:
        """Read every entry once, so that nothing is sent by a memory that cannot be read to its end."""
        for entry in (entry for keys in self.told.values() for entry in keys.values()):
            rank(entry["severity"])
            moment_of(entry["at"])
        for moment in (moment for moments in self.moments.values() for moment in moments):
            moment_of(moment)
        for titles in self.held.values():
            "".join(titles)

    def save(self) -> None:
        """Write the file in one step."""
        if self.path is None:
            return
        with taking_place(self.path) as draft:
            content = {"told": self.told, "moments": self.moments, "held": self.held}
            draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def is_told(self, channel: str, alert: Alert, now: datetime, repeat_hours: float) -> bool:
        """Whether the channel heard of it lately, or ever where that is enough, at no lower severity."""
        known = self.told.get(channel, {})
        heard = [known[key] for key in alert.keys if key in known]
        return any(
            rank(alert.severity) <= rank(last["severity"])
            and (alert.is_told_once or now - moment_of(last["at"]) < timedelta(hours=repeat_hours))
            for last in heard
        )

    def room(self, channel: str, now: datetime, max_per_hour: int) -> int:
        """Messages the channel may still get."""
        recent = [m for m in self.moments.get(channel, []) if now - moment_of(m) < HOUR]
        self.moments[channel] = recent
        return max(max_per_hour - len(recent), 0)

    def keep_back(self, channel: str, titles: Sequence[str]) -> None:
        """Remember what the channel has to be told of, or that there is nothing."""
        self.held.pop(channel, None)
        if titles:
            self.held[channel] = list(titles)

    def note(self, channel: str, alert: Alert, now: datetime, repeat_hours: float) -> None:
        """Remember a message; what no longer matters is forgotten."""
        entry: dict[str, Any] = {"severity": alert.severity, "at": now.isoformat()}
        told = self.told.get(channel, {}) | {
            key: entry | ({"once": True} if alert.is_told_once else {}) for key in alert.keys
        }
        kept = {False: timedelta(hours=repeat_hours), True: ONCE_KEPT}
        self.told[channel] = {
            key: last
            for key, last in told.items()
            if now - moment_of(last["at"]) < kept[bool(last.get("once"))]
        }
        self.moments.setdefault(channel, []).append(now.isoformat())


def moment_of(text: str) -> datetime:
    """A moment as the file has it; ValueError or TypeError where it is none, or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


@contextmanager
def remembering(folder: Path) -> Iterator[Memory]:
    """The memory in a workspace's folder, for one process at a time: no alert is told twice.

    Raises:
        BusyError: another process has been telling for over `LOCK_WAIT_S`.
        InputError: the folder cannot be written.
    """
    busy = f"{folder}: another process has been sending alerts for over {LOCK_WAIT_S:.0f} s"
    with locked(folder / LOCK, wait_s=LOCK_WAIT_S, busy=f"{busy}; expected it to finish; try again"):
        yield Memory.load(folder / FILE)
