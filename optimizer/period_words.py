"""Periods in words, as they follow what holds in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.caps import Floats

MOST_NAMED = 3  # more periods than these are told by the first and the last


def whole_of(hours: Floats) -> str:
    """What all periods together are."""
    return "all day" if np.isclose(hours.sum(), 24.0) else "in every period"


def when(periods: Sequence[str], every: Sequence[str], whole: str = "all day") -> str:
    """Such as "at 06:00", "between 06:00 and 18:00" or, where it is in every one, "all day".

    Args:
        periods: those in which something holds, in their order.
        every: all periods there are; empty where that is not known.
        whole: what all of them together are.
    """
    if every and len(periods) == len(every) and (len(every) > 1 or whole == "all day"):
        return whole
    if len(periods) <= MOST_NAMED:
        return f"at {', '.join(periods)}"
    first, last = periods[0], periods[-1]
    if every and list(every[every.index(first) : every.index(last) + 1]) == list(periods):
        return f"between {first} and {last}"
    return f"{len(periods)} times between {first} and {last}"
