"""How a value is written for a reader: money, shares, ages, and words from outside made harmless.

Names, tags and notes come from bills and clouds, so they are hostile until shown otherwise. HTML is escaped
by Jinja; here is what Jinja does not do: control and bidirectional characters, length, and Markdown.
"""

from __future__ import annotations

import calendar
import math
import re
from datetime import datetime

import pandas as pd

NOT_KNOWN = "not known"
LONGEST = 400  # a tag may hold kilobytes; a cell that long hides the rest of the table

# Control characters break XML, lone surrogates break UTF-8, bidirectional overrides make text lie.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
# Inside a word _ means nothing and a price is no formula: both stay readable. A bare address would be a link.
_MARKDOWN = re.compile(
    r"[\\`*\[\]{}<>&|~]|\$(?!\d)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE
)
_ORDERED = re.compile(r"^(\d+)([.)])")


def is_known(value: object) -> bool:
    """Whether there is a value at all: not None, NaN, NaT, NA or infinite."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None and value is not pd.NaT and value is not pd.NA


def clean(text: object, longest: int = LONGEST) -> str:
    """One line of printable text, at most `longest` characters; "not known" for a missing value."""
    if not is_known(text):
        return NOT_KNOWN
    line = " ".join(_UNPRINTABLE.sub("\ufffd", str(text)).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def markdown(text: object) -> str:
    """Text that Markdown, a table cell and a spreadsheet all show as it is.

    Character references rather than backslashes: every Markdown dialect knows them, also inside tables.
    A leading = + - @ would be a formula in a spreadsheet, a list or a heading in Markdown.
    """
    line = _MARKDOWN.sub(lambda found: _reference(found[0]), clean(text))
    if line.startswith(tuple("=+-@#")):
        return _reference(line[0]) + line[1:]
    return _ORDERED.sub(lambda found: found[1] + _reference(found[2]), line)


def _reference(character: str) -> str:
    return f"&#{ord(character)};"


def money(value: float | None, prefix: str, decimals: int = 0) -> str:
    """`$12,345`, with a minus sign in front; a sum that would round to nothing says so instead of 0."""
    if value is None or not is_known(value):
        return NOT_KNOWN
    smallest = 10.0**-decimals
    if value and abs(value) < smallest / 2:
        return f"under {prefix}{smallest:.{decimals}f}"
    sign = "−" if value < 0 else ""
    return f"{sign}{prefix}{abs(value):,.{decimals}f}"


def share(value: float | None) -> str:
    """A share of 0..1 in per cent, as many digits as it takes to tell it from 0 and from 100."""
    if value is None or not is_known(value):
        return NOT_KNOWN
    percent = abs(value) * 100
    sign = "−" if value < 0 else ""
    if 0 < percent < 0.01:
        return f"under {sign}0.01%"
    if 99.995 <= percent < 100:
        return f"over {sign}99.99%"
    decimals = 2 if percent < 1 or 99 < percent < 100 else 1
    return sign + f"{percent:.{decimals}f}".rstrip("0").rstrip(".") + "%"


def change(value: float | None) -> str:
    """A relative change: `+12%`, `−3.4%`."""
    written = share(value)
    return f"+{written}" if value is not None and is_known(value) and value > 0 else written


def quantity(value: float | None) -> str:
    """A measured amount with three significant digits and thousands separators."""
    if value is None or not is_known(value):
        return NOT_KNOWN
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def age(hours: float | None) -> str:
    """An age in the unit a person would use."""
    if hours is None or not is_known(hours):
        return NOT_KNOWN
    if hours < 0:
        return f"dated {age(-hours)} ahead"
    if hours >= 48:
        return f"{hours / 24:,.0f} days"
    if hours >= 2:
        return f"{hours:.0f} hours"
    minutes = round(hours * 60)
    return {1: "1 minute", 60: "1 hour"}.get(minutes, f"{minutes} minutes")


def when(moment: datetime | None) -> str:
    """`12 May 2026, 03:00 UTC`."""
    if moment is None or not is_known(moment):
        return NOT_KNOWN
    stamp = pd.Timestamp(moment).tz_convert("UTC")
    return f"{stamp.day} {stamp:%b %Y, %H:%M} UTC"


def month(name: str | None) -> str:
    """`2026-05` as `May 2026`; anything else as it is."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", name or "")
    return f"{calendar.month_abbr[int(found[2])]} {found[1]}" if found else clean(name)
