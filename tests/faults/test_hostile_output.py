"""Owners and services that mean harm, in the files people open: no formula in a CSV, no markup in a page."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.errors import in_one_line
from data.ingest import ingest
from data.lake import Lake
from optimizer.chargeback_files import COLUMNS
from optimizer.cli import app
from tests.data.bills import NOW, focus_csv

NAMES = (
    "=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "a;=1+1", 'a","=1+1',
    "a,b", 'say "hi"', "two\nlines", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}", "&lt;b&gt;", "'; DROP TABLE charges; --", "\u202egnp", "ünïcode 🚀",
)  # fmt: skip
AMOUNTS = tuple(name for name in COLUMNS if name.endswith(("_cost", "_saving")))
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bill with a charge for each name, which is its team and its service; every other one is negative."""
    root = tmp_path_factory.mktemp("hostile")
    rows = [
        {"Tags": json.dumps({"team": name}), "ServiceName": name, "EffectiveCost": str((-1) ** i * (i + 1))}
        for i, name in enumerate(NAMES)
    ]
    with Lake.open(root / "lake") as lake:
        ingest(lake, focus_csv(root / "bill.csv", rows), loaded_at=NOW)
    return root


def written(workspace: Path, kind: str) -> Path:
    path = workspace / f"out.{kind}"
    command = [
        "chargeback",
        "-w",
        str(workspace),
        "--period",
        "2026-05",
        "--format",
        kind,
        "--out",
        str(path),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return path


def test_the_csv_has_no_formula_and_numbers_that_are_numbers(workspace: Path) -> None:
    path = written(workspace, "csv")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, strict=True))
    assert {row["owner"].removeprefix("'") for row in rows} == {name.removeprefix("'") for name in NAMES}
    for row in rows:
        texts = [cell for name, cell in row.items() if name not in AMOUNTS]
        assert not any(cell.startswith(FORMULAS) for cell in texts)
    amounts = [Decimal(row["total_cost"]) for row in rows]
    assert sorted(amounts) == sorted(Decimal((-1) ** i * (i + 1)) for i in range(len(NAMES)))
    assert min(amounts) < 0
    raw = path.read_text(encoding="utf-8")
    assert ",-2.000000000000000000," in raw  # neither quoted nor with an apostrophe before it
    assert '"a;=1+1"' in raw  # quoted: a spreadsheet that splits at semicolons must not find a formula


class Page(HTMLParser):
    """What a browser would make of a page: tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_names_as_they_are(workspace: Path) -> None:
    page = Page(written(workspace, "html").read_text(encoding="utf-8"))
    assert not page.tags & {"script", "img", "iframe", "link", "object", "form"}
    assert not any(name.startswith("on") for name in page.attributes)
    shown = " ".join(page.text.split())
    for name in NAMES:
        expected = " ".join(name.replace("\u202e", "\ufffd").split())
        assert expected in shown, name


def test_a_message_is_one_line_of_bounded_length() -> None:
    shown = in_one_line("a\nb\x1b[31m\u202e\udcff" + "x" * 5000)
    assert shown.startswith("a\\nb\\x1b[31m\\u202e\\udcff")
    assert shown.isprintable()
    assert len(shown) < 1100
    assert in_one_line("Zürich 東京 🚀") == "Zürich 東京 🚀"
