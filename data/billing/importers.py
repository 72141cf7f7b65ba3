"""Every bill we know: its format, and the function that puts its rules on a file's columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from data.billing import cur, focus
from data.billing.mapping import Mapping
from data.formats import Format

RULES: dict[str, Callable[[Sequence[str]], Mapping]] = {
    "focus": focus.cost_and_usage,
    "aws-cur": cur.line_items,
}
FORMATS: tuple[Format, ...] = (*focus.FORMATS, *cur.FORMATS)
