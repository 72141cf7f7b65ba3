"""Make one of Vega's drawings fit to live beside others in a page: unique ids, a name, no fixed size."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
# What Vega writes for its tooltips and for screen readers; the page names each chart as one image instead.
DROPPED = frozenset(
    {"class", "role", "aria-label", "aria-roledescription", "aria-hidden", "pointer-events", "font-family"}
)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def tidy(drawn: str, *, name: str, title: str) -> str:
    """Rename ids to `<name>-1`, `-2` … in order, round coordinates, scale to the width of the page.

    Vega numbers its ids from a counter of the process, so the same drawing differs from call to call and two
    drawings of one page may clash: a clip path would then cut the wrong chart. Rounding to a tenth of a pixel
    also hides the last digits, in which processors differ.
    """
    ET.register_namespace("", SVG[1:-1])
    root = ET.fromstring(drawn)  # noqa: S314 - drawn by ourselves, its texts are escaped
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    names = {old: f"{name}-{number}" for number, old in enumerate(ids, 1)}
    for each in root.iter():
        _tidy_attributes(each.attrib, names)
    _name(root, name, title)
    return ET.tostring(root, encoding="unicode")


def _tidy_attributes(attributes: dict[str, str], names: dict[str, str]) -> None:
    for dropped in DROPPED:
        attributes.pop(dropped, None)
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = names[value]
        elif key in {"d", "transform"}:
            attributes[key] = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
        elif "url(#" in value:
            attributes[key] = _REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value)


def _name(root: ET.Element, name: str, title: str) -> None:
    """role=img hides the parts from a screen reader and gives it the title; viewBox alone lets it scale."""
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.attrib.pop("version", None)
    widest = f"max-width:{float(width) * 1.3:.0f}px"
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title", "style": widest})
    label = ET.Element(f"{SVG}title", {"id": f"{name}-title"})
    label.text = title
    root.insert(0, label)
