"""What a terminal may be sent: text, and nothing that steers it.

An escape sequence in a tag could rename the window or hide a line, a change of writing direction make an
account look like another.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
)


def visible(text: str) -> str:
    """The text with a replacement character for each control character but tab and line end."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
