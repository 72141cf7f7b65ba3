"""Markdown for the generated pages of the documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

NOTICE = "Made by `python -m optimizer.docs`; do not edit."


def wrapped(text: str) -> str:
    """A paragraph in lines of at most 110 characters; words and links are never cut."""
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """Text as code; nothing stays nothing."""
    return f"`{text}`" if str(text) else ""
