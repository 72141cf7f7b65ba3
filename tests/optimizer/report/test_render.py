from __future__ import annotations

import re
import resource
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from data.errors import InputError, TrimtabError
from optimizer.report.data import (
    Alternative,
    Headline,
    ReportData,
    Scarce,
    SolverFacts,
    Why,
    WhyNot,
    empty,
)
from optimizer.report.render import Rendered, render, write
from tests.optimizer.commitment_cases import advised
from tests.optimizer.report.sample import forecasts, history, nothing, sample

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "report"
VOID = {"meta", "br", "hr", "img", "link", "input"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "nav", "div",
    "span", "p", "h1", "h2", "h3", "em", "b", "i", "a", "ul", "li", "dl", "dt", "dd", "table", "caption",
    "thead", "tbody", "tr", "th", "td", "code", "figure", "figcaption", "svg", "g", "path", "rect", "line",
    "text", "tspan", "defs", "clippath",
}  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>", '"></svg><img src=x onerror=alert(1)>', "</style><b>", "</title>",
    "{{ 7 * 7 }}", "a|b", "`x`", "=cmd()", "@all", "![x](http://e.vil)", "<!--", "]]>", "&lt;",
    "line\nbreak\n\n# head", "\x00\ud800", "'; DROP", "$x$", "http://e.vil/x.js",
)  # fmt: skip


class Page(HTMLParser):
    """Checks that tags nest, and collects what a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render(sample())


def without_drawings(html: str) -> str:
    """Charts as one line each: coordinates belong to the drawing library, what is drawn belongs to us."""
    return re.sub(r"<svg\b.*?<title[^>]*>(.*?)</title>.*?</svg>", r"[chart: \1]", html, flags=re.DOTALL)


def assert_safe(rendered: Rendered) -> Page:
    page = Page(rendered.html)
    assert set(page.tags) <= ALLOWED
    assert all(not name.startswith("on") for name, _ in page.attributes)
    assert {value for value in page.values("href") if not value.startswith("#")} == set()
    assert not {"src", "srcset", "action", "xlink:href"} & {name for name, _ in page.attributes}
    assert "<script" not in rendered.markdown
    tokens = MarkdownIt("commonmark").enable(["table"]).parse(rendered.markdown)
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    assert not {"html_block", "html_inline", "link_open", "image", "fence", "code_block"} & kinds
    return page


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_report_reads_as_agreed(rendered: Rendered, name: str) -> None:
    """To accept a change on purpose: write `shown` to the golden file and read the difference."""
    shown = rendered.markdown if name.endswith("md") else without_drawings(rendered.html)
    assert shown == (GOLDEN / name).read_text(encoding="utf-8")


def test_a_new_workspace_reads_as_agreed() -> None:
    assert render(nothing()).markdown == (GOLDEN / "nothing.md").read_text(encoding="utf-8")


def test_the_same_data_gives_the_same_bytes(rendered: Rendered) -> None:
    assert render(sample()) == rendered


def test_another_process_in_another_time_zone_gives_the_same_bytes(
    rendered: Rendered, tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib; from tests.optimizer.report.sample import sample;"
        "from optimizer.report.render import write; write(sample(), pathlib.Path(sys.argv[1]))"
    )
    environment = {
        "TZ": "Pacific/Auckland",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "7",
        "HOME": str(tmp_path),
    }
    repo = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, cwd=repo, env=environment)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == rendered.html


def test_the_page_stands_alone(rendered: Rendered) -> None:
    page = assert_safe(rendered)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.values("content")
    assert "width=device-width, initial-scale=1" in page.values("content")
    addresses = re.findall(r"https?://[^\s\"'<>]*", rendered.html)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\((?!#)|@import|@font-face", rendered.html)


def test_every_id_is_there_once_and_every_reference_leads_somewhere(rendered: Rendered) -> None:
    page = Page(rendered.html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = [value[1:] for value in page.values("href")] + page.values("aria-labelledby")
    wanted += re.findall(r"url\(#([^)]+)\)", rendered.html)
    assert wanted
    assert set(wanted) <= set(ids)


def test_every_chart_is_an_image_with_a_name_that_scales(rendered: Rendered) -> None:
    drawings = [ET.fromstring(each) for each in re.findall(r"<svg\b.*?</svg>", rendered.html, re.DOTALL)]
    assert len(drawings) == 10
    for drawing in drawings:
        assert drawing.get("role") == "img"
        assert drawing.get("viewBox")
        assert drawing.get("width") is None
        title = drawing.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert title.text
        assert title.get("id") == drawing.get("aria-labelledby")


def test_unknown_is_said_and_never_a_number(rendered: Rendered) -> None:
    for text in (rendered.html, rendered.markdown, *(render(nothing()).__dict__.values())):
        assert not re.search(
            r"\b(nan|NaN|None|NaT|null|inf|undefined)\b(?![\s.]*</p>)", re.sub(r"None[.:]", "", text)
        )
    assert "not known" in rendered.markdown


def storable(text: str) -> str:
    """What Arrow can hold: UTF-8, so no lone surrogate."""
    return text.encode("utf-8", "replace").decode("utf-8")


def hostile_everywhere(words: tuple[str, ...]) -> ReportData:
    """The sample with hostile words wherever a bill, a tag, a cloud or a user can put some."""
    data, at = sample(), iter(words * 40)

    def spoiled(frame: pd.DataFrame) -> pd.DataFrame:
        texts = [name for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)]
        for name in sorted(set(texts) - {"month"}):
            words = {each: storable(f"{each} {next(at)}") for each in sorted(frame[name].dropna().unique())}
            frame = frame.assign(**{name: frame[name].map(words)})
        return frame

    recommendations = tuple(
        replace(
            each, title=next(at), target=next(at), owner=next(at), reason=next(at), effort=next(at),
            risk=f"low: {next(at)}", evidence=((next(at), next(at)),),
        )
        for each in data.recommendations
    )  # fmt: skip
    instead = Alternative(next(at), next(at), next(at), 1.0, next(at))
    return replace(
        data,
        workspace=next(at), currency=next(at), demand_unit=next(at),
        spend=spoiled(data.spend), capacity=spoiled(data.capacity), forecasts=spoiled(data.forecasts),
        history=spoiled(data.history), freshness=spoiled(data.freshness).assign(what=data.freshness["what"]),
        recommendations=recommendations,
        commitments=(advised(commitment=next(at)),),
        solver=SolverFacts(next(at), 1.0, 1.0, 0.0, next(at)),
        shortfalls=(next(at), next(at)), notes=tuple(words),
        why=Why(
            (Scarce(next(at), next(at), 1.0, None, next(at)),),
            (WhyNot(next(at), (next(at),), 1.0, (instead,)),),
            (next(at),),
        ),
    )  # fmt: skip


def test_hostile_words_are_shown_and_do_nothing() -> None:
    shown = render(hostile_everywhere(HOSTILE))
    page = assert_safe(shown)
    text = "".join(page.text)
    for word in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "</style><b>", "&lt;"):
        assert word in text
    assert "49" not in re.findall(r"\{\{ 7 \* 7 \}\}|(?<=>)49(?=<)", shown.html)
    shown.html.encode("utf-8")


# A page takes most of a second: few examples, and a failing one is shown as it was found.
@settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(["<script>", "name \U0001f4b8 and \U0001f680 of a very long rocket", "\x00", "|", "`"])
@example(["\U0001f680" * 40, "</svg>", "]]>", "<!--", "&#0;"])
@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30)), min_size=5, max_size=8))
def test_any_words_leave_the_page_whole(words: list[str]) -> None:
    assert_safe(render(hostile_everywhere(tuple(words))))


def test_a_table_cell_never_breaks_its_row() -> None:
    shown = render(hostile_everywhere(HOSTILE)).markdown
    for table in re.findall(r"(?:^\|.*\n)+", shown, re.MULTILINE):
        assert len({row.count("|") for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ({"spend": empty("spend")}, "No bill has been read, so spend is not known."),
        ({"forecasts": empty("forecasts")}, "No forecast has been made"),
        ({"recommendations": ()}, "Nothing to do: the plan found no change worth making."),
        ({"capacity": empty("capacity")}, "No running fleet and no plan is known."),
        ({"solver": None}, "There is no plan yet, so there is nothing to prove."),
        ({"freshness": empty("freshness")}, "The age of prices and data is not known"),
        ({"shortfalls": ()}, "None: the plan covers the demand it was made for."),
        ({"headline": Headline()}, "The saving is not known yet"),
    ],
)
def test_what_is_absent_is_said_in_a_sentence(without: dict[str, object], sentence: str) -> None:
    shown = render(replace(sample(), **without))  # type: ignore[arg-type]
    assert sentence in " ".join("".join(Page(shown.html).text).split())
    assert sentence in shown.markdown


@pytest.mark.parametrize(
    ("headline", "sentence"),
    [
        (Headline(1.0, 31.0, -40.0, -30.0, -20.0, 0.99), "costs $30 a month more than now, to cover demand"),
        (Headline(100.0, 100.0, 0.0, 0.0, 0.0), "The plan saves nothing"),
        (Headline(0.0, 0.0, None, 5.0, None), "The plan saves about $5 a month"),
        (Headline(9.0, 4.0, 1.0, 5.0, 6.0, commitments_usd_per_month=7.0), "Commitments on top, per month"),
    ],
)  # fmt: skip
def test_a_plan_that_costs_more_says_so(headline: Headline, sentence: str) -> None:
    shown = "".join(Page(render(replace(sample(), headline=headline)).html).text)
    assert sentence in " ".join(shown.split())


def test_other_currencies_show_their_code() -> None:
    shown = render(replace(sample(), currency="EUR"))
    assert "EUR 120,849" in shown.html
    assert "EUR 120,849" in shown.markdown
    assert "$120,849" not in shown.html


def test_both_files_are_written_and_written_again(tmp_path: Path, rendered: Rendered) -> None:
    page, plain = write(sample(), tmp_path / "reports")
    assert (page.name, plain.name) == ("report.html", "report.md")
    assert page.read_text(encoding="utf-8") == rendered.html
    assert plain.read_text(encoding="utf-8") == rendered.markdown
    write(nothing(), tmp_path / "reports")
    assert "There is no plan yet" in page.read_text(encoding="utf-8")
    assert {each.name for each in page.parent.iterdir()} == {"report.html", "report.md"}


def test_a_file_in_the_way_is_one_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(InputError, match="expected a folder for the report"):
        write(nothing(), tmp_path / "reports")


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    page, plain = write(nothing(), tmp_path)
    before = page.read_bytes(), plain.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    larger = sample()
    render(larger)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(TrimtabError, match="cannot be written"):
            write(larger, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (page.read_bytes(), plain.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_ten_workloads_are_drawn_and_the_gap_is_shaded() -> None:
    scales = {f"workload-{number}": 10.0**number for number in range(-3, 7)}
    shown = render(replace(sample(), forecasts=forecasts(scales), history=history(scales)))
    drawings = re.findall(r'<svg\b[^>]*aria-labelledby="demand-\d+-title".*?</svg>', shown.html, re.DOTALL)
    assert len(drawings) == 10
    assert all(drawing.count('fill="#e6e9ec"') == 2 for drawing in drawings)


def test_a_window_of_hours_is_drawn() -> None:
    data = sample()
    few = data.forecasts.loc[data.forecasts["ds"] < data.forecasts["ds"].min() + pd.Timedelta(hours=6)]
    html = render(replace(data, forecasts=few, history=empty("history"))).html
    assert html.count("<svg") > 0
