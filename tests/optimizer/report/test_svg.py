"""Drawings with clip paths, which today's charts do not need and tomorrow's may."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from optimizer.report.svg import SVG, tidy

DRAWN = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="marks" width="200" height="80" viewBox="0 0 200 80">'
    '<defs><clipPath id="clip{0}"><rect width="9" height="9"/></clipPath>'
    '<clipPath id="clip{1}"><rect width="8" height="8"/></clipPath></defs>'
    '<g clip-path="url(#clip{1})" aria-label="x: 1; y: 2"><path d="M1.23456,-7.891L3,4.5"/></g>'
    '<g clip-path="url(#clip{0})"><text font-family="Arial">&lt;b&gt;</text></g></svg>'
)


def test_two_calls_of_one_drawing_give_the_same_bytes() -> None:
    assert tidy(DRAWN.format(7, 8), name="a", title="t") == tidy(DRAWN.format(123, 4), name="a", title="t")


def test_ids_of_two_drawings_of_a_page_never_clash() -> None:
    ids = [
        {each.get("id") for each in ET.fromstring(tidy(DRAWN.format(1, 2), name=name, title="t")).iter()}
        for name in ("a", "b")
    ]
    assert ids[0] & ids[1] == {None}


def test_references_follow_their_ids() -> None:
    root = ET.fromstring(tidy(DRAWN.format(1, 2), name="a", title="t"))
    assert [group.get("clip-path") for group in root.iter(f"{SVG}g")] == ["url(#a-2)", "url(#a-1)"]
    assert [clip.get("id") for clip in root.iter(f"{SVG}clipPath")] == ["a-1", "a-2"]


def test_a_drawing_scales_has_a_name_and_carries_nothing_it_does_not_need() -> None:
    made = tidy(DRAWN.format(1, 2), name="a", title='Demand of "x" </title>')
    root = ET.fromstring(made)
    assert (root.get("role"), root.get("viewBox"), root.get("width")) == ("img", "0 0 200 80", None)
    assert root[0].text == 'Demand of "x" </title>'
    assert "aria-label=" not in made
    assert 'd="M1.2,-7.9L3,4.5"' in made
    assert "&lt;b&gt;" in made
