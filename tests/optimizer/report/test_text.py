from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from optimizer.report import text

DIALECT = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = st.text(
    alphabet=st.sampled_from("<>&|`*_~[](){}#+-=@!.:\\/$^'\"1a wW\n\r\t\x00\u202e\ud800é"), max_size=40
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12345.6, "$12,346"), (0.0, "$0"), (0.3, "under $1"), (-214.0, "−$214"), (1e9, "$1,000,000,000"),
        (None, "not known"), (float("nan"), "not known"), (float("inf"), "not known"),
    ],
)  # fmt: skip
def test_money(value: float | None, expected: str) -> None:
    assert text.money(value, "$") == expected


def test_a_small_hourly_price_keeps_its_cents() -> None:
    assert [text.money(value, "$", 2) for value in (1204.5, 0.04, 0.004)] == [
        "$1,204.50",
        "$0.04",
        "under $0.01",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.99, "99%"), (0.999, "99.9%"), (0.9999, "99.99%"), (0.99996, "over 99.99%"),
        (1.0, "100%"), (0.0042, "0.42%"), (0.0, "0%"),
        (0.00001, "under 0.01%"), (-0.034, "−3.4%"), (None, "not known"), (0.1249, "12.5%"),
    ],
)  # fmt: skip
def test_share(value: float | None, expected: str) -> None:
    assert text.share(value) == expected


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (2 / 60, "2 minutes"), (1 / 60, "1 minute"), (1.0, "1 hour"), (1.5, "90 minutes"), (5.0, "5 hours"),
        (47.0, "47 hours"), (291.0, "12 days"), (48_000.0, "2,000 days"), (-3.0, "dated 3 hours ahead"),
        (None, "not known"),
    ],
)  # fmt: skip
def test_age(hours: float | None, expected: str) -> None:
    assert text.age(hours) == expected


def test_quantity_and_change_and_month() -> None:
    assert [text.quantity(value) for value in (3127.2, 14.0, 3.678, 0.0368, 0.0)] == [
        "3,127",
        "14",
        "3.68",
        "0.0368",
        "0",
    ]
    assert [text.change(value) for value in (0.12, -0.05, 0.0)] == ["+12%", "−5%", "0%"]
    assert [text.month(name) for name in ("2026-05", "2026-13", None)] == ["May 2026", "2026-13", "not known"]


@given(HOSTILE)
def test_markdown_shows_hostile_text_as_it_is_in_a_cell_and_in_a_list(hostile: str) -> None:
    shown = text.clean(hostile)
    for template, around in (("| a |\n|:--|\n| {} |\n", "td"), ("- {}\n", "li")):
        rendered = DIALECT.render(template.format(text.markdown(hostile)))
        inside = rendered.split(f"<{around}", 1)[1].split(">", 1)[1].split(f"</{around}>")[0]
        assert unescape(inside) == shown
        assert "<" not in inside


def unescape(html: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character)
    return html


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n@x"])
def test_markdown_holds_no_formula_a_spreadsheet_would_run(formula: str) -> None:
    assert text.markdown(formula).startswith("&#")


def test_markdown_stays_readable_where_it_can() -> None:
    assert (
        text.markdown("batch_train costs $3.10 per hour (2 of 5)")
        == "batch_train costs $3.10 per hour (2 of 5)"
    )


def test_markdown_makes_no_link() -> None:
    assert "://" not in text.markdown("http://e.vil")
    assert "www." not in text.markdown("www.e.vil")


def test_clean_drops_what_breaks_xml_or_lies_and_cuts_what_is_endless() -> None:
    assert text.clean("a\x00b\ud800c\u202ed\u0085e") == "a\ufffdb\ufffdc\ufffdd\ufffde"
    assert text.clean(" two\n lines\t") == "two lines"
    assert text.clean("x" * 9999).endswith("…")
    assert len(text.clean("x" * 9999)) == text.LONGEST
