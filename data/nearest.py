"""The known name that an unknown one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Collection

ALIKE = 0.6  # least similarity, 0..1, of two names of which one may be a slip


def nearest(name: str, known: Collection[str], *, alike: float = ALIKE) -> str | None:
    """The known name most like another, whatever its case; None where none is alike enough."""
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=alike)
    return folded[close[0]] if close else None


def hint(name: str, known: Collection[str]) -> str:
    """What to do about an unknown name: take the nearest known one, or choose from all."""
    meant = nearest(name, known)
    return f"did you mean {meant!r}?" if meant else f"known: {', '.join(sorted(known))}"
