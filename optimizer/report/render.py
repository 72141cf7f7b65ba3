"""From ReportData to the two files people open.

`render` is pure: same data, same bytes. The page loads nothing: styles and charts are inside it, and its
content security policy forbids the rest. Everything that came from outside passes a filter before it is
written: Jinja's escaping in HTML, `text.markdown` in Markdown; both are on for every expression.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from data.errors import Fault, InputError, TrimtabError
from optimizer.report import charts, commitment_charts, text, view
from optimizer.report.data import PRICE_WORDS, RISKS, SOURCES, ReportData
from optimizer.report.shared_nodes import node_groups
from optimizer.report.text import is_known

TEMPLATES = Path(__file__).with_name("templates")
MOST_CHARTS = 24  # workloads with a demand chart; one screen of charts each takes a twentieth of a second
MOST_BARS = 15
MOST_SCARCE = 10  # rows of what is scarce
MOST_WORKLOADS = 24  # with their alternatives
GROUPINGS = ("provider", "service", "team")


@dataclass(frozen=True)
class Rendered:
    """The report twice: a whole HTML page and a Markdown file."""

    html: str
    markdown: str


class Written(str):
    """Text of our own making that is safe in Markdown as it is."""

    __slots__ = ()


def render(data: ReportData) -> Rendered:
    """Draw the charts and fill both templates."""
    shown = _context(data)
    html = environment(in_html=True).get_template("report.html.j2")
    plain = environment(in_html=False).get_template("report.md.j2")
    return Rendered(html=html.render(shown, charts=_charts(data)), markdown=plain.render(shown))


def write(data: ReportData, folder: Path) -> tuple[Path, Path]:
    """Write report.html and report.md into folder, made if absent; both whole or both as they were.

    Raises:
        InputError: something that is not a folder stands at `folder`.
        TrimtabError: the files cannot be written there (full disk, no permission).
    """
    rendered = render(data)
    contents = {folder / "report.html": rendered.html, folder / "report.md": rendered.markdown}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_all(contents)
    except (FileExistsError, NotADirectoryError) as error:
        found, expected = "something that is not a folder", "a folder for the report"
        raise InputError([Fault(str(folder), found, expected, "name another folder")]) from error
    except OSError as error:
        found = f"{folder}: the report cannot be written ({error.strerror or error})"
        raise TrimtabError(f"{found}; make room there or name another folder") from error
    page, plain = contents
    return page, plain


def _replace_all(contents: Mapping[Path, str]) -> None:
    """Write all beside their targets first: a full disk then leaves every old file in place."""
    waiting = {target: target.with_name(f".{target.name}.{os.getpid()}.tmp") for target in contents}
    try:
        for target, temporary in waiting.items():
            temporary.write_text(contents[target], encoding="utf-8", newline="\n")
        for target, temporary in waiting.items():
            temporary.replace(target)
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)


def environment(*, in_html: bool) -> jinja2.Environment:
    """Templates with every filter, and escaping for HTML or Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=in_html,  # noqa: S701 - Markdown has its own escaping, in finalize
        finalize=_for_html if in_html else _for_markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["known"] = is_known
    environment.filters.update(_filters(in_html=in_html))
    return environment


def _for_html(value: object) -> object:
    return value if isinstance(value, (Markup, int)) else text.clean(value)


def _for_markdown(value: object) -> str:
    return value if isinstance(value, Written) else text.markdown(value)


def _filters(*, in_html: bool) -> dict[str, Any]:
    """How templates write numbers. $ starts a formula in some Markdown dialects, so there it is USD."""

    def before(currency: str) -> str:
        return prefix(currency) if in_html else f"{text.markdown(currency)} "

    filters = {
        "usd": lambda value: text.money(value, before("USD")),
        "usd_per_hour": lambda value: text.money(value, before("USD"), 2),
        "cost": lambda value, currency: text.money(value, before(currency)),
        "share": text.share,
        "change": text.change,
        "quantity": text.quantity,
        "age": text.age,
        "when": text.when,
        "month": text.month,
    }
    if in_html:
        return filters
    return {name: _written(each) for name, each in filters.items()}


def _written(filter_: Any) -> Any:
    return lambda *arguments: Written(filter_(*arguments))


def prefix(currency: str) -> str:
    """What stands before an amount: $ for US dollars, the code for any other currency."""
    return "$" if currency == "USD" else f"{text.clean(currency, 12)} "


def _context(data: ReportData) -> dict[str, Any]:
    """Everything both templates name."""
    month, before = view.months(data)
    groups, outcomes = view.capacity_groups(data), view.outcomes(data)
    has_plan = data.solver is not None or data.headline.planned_usd_per_month is not None
    return {
        "data": data,
        "headline": data.headline,
        "recommendations": [
            (each, *_risk(each.risk)) for each in sorted(data.recommendations, key=view.by_saving)
        ],
        "outcomes": outcomes,
        "most_charts": MOST_CHARTS,
        "capacity": groups,
        "capacity_total": view.total(groups),
        "month": month,
        "before": before,
        "is_partial": month == view.month_of(data),
        "spend": [(by, view.spend_rows(data, by)) for by in GROUPINGS],
        "spend_total": view.spend_total(data),
        "nodes": node_groups(data.nodes),
        "freshness": view.records(data.freshness),
        "cited": {what: _cited(data, what) for what in SOURCES},
        "price_words": PRICE_WORDS,
        "most_scarce": MOST_SCARCE,
        "most_workloads": MOST_WORKLOADS,
        "has_plan": has_plan,
        "days_per_month": commitment_charts.DAYS_PER_MONTH,
        "is_of_bills": bool(month) and not (has_plan or groups or outcomes),
    }


def _cited(data: ReportData, what: str) -> str:
    """The line under a section that says where its numbers come from and how old they are."""
    rows = view.records(data.freshness[data.freshness["what"] == what])
    named = [f"{text.clean(row['source'], 80)} ({_old(row['age_hours'])})" for row in rows[:3]]
    if len(rows) > len(named):
        named.append(f"{len(rows) - len(named)} more in the table of ages")
    return f"Source: {'; '.join(named)}." if named else f"Source and age of the {what}: not known."


def _old(age_hours: float | None) -> str:
    return f"{text.age(age_hours)} old" if is_known(age_hours) else "age not known"


def _risk(risk: str) -> tuple[str, str]:
    """The level, and what is said about it: ("low", "replicas are stateless")."""
    level = next(level for level in RISKS if risk.startswith(level))
    return level, risk[len(level) :].lstrip(" :,;.–-").removesuffix(")").removeprefix("(")


def _charts(data: ReportData) -> dict[str, Any]:
    """Every chart as safe markup, by its place in the page; None or an empty list where there is none."""
    usd, groups = prefix("USD"), view.capacity_groups(data)[:MOST_BARS]
    savings = [
        each
        for each in sorted(data.recommendations, key=view.by_saving)
        if is_known(each.saving_usd_per_month_mid)
    ]
    replicas = [(each.workload, each.replicas_now, each.replicas_planned) for each in groups]
    costs = [(each.workload, each.usd_now, each.usd_planned) for each in groups]
    best = savings[:MOST_BARS]
    return {
        "commitments": [
            (
                item.commitment,
                _safe(commitment_charts.amount_chart(item, prefix=usd, name=f"amount-{number}")),
            )
            for number, item in enumerate(data.commitments[:MOST_CHARTS], 1)
        ],
        "savings": _safe(charts.savings_chart(best, prefix=usd, name="savings")) if best else None,
        "replicas": _safe(charts.capacity_chart(replicas, prefix=None, name="replicas")) if groups else None,
        "costs": _safe(charts.capacity_chart(costs, prefix=usd, name="costs")) if groups else None,
        "spend": [(by, _spend_chart(data, by)) for by in GROUPINGS] if len(data.spend) else [],
        "demand": [
            (workload, _demand_chart(data, workload, number))
            for number, workload in enumerate(view.charted(data, MOST_CHARTS), 1)
        ],
    }


def _spend_chart(data: ReportData, by: str) -> Markup:
    currency, partial = prefix(data.currency), view.month_of(data)
    return _safe(charts.spend_chart(data.spend, by, prefix=currency, name=f"spend-{by}", partial=partial))


def _demand_chart(data: ReportData, workload: str, number: int) -> Markup:
    window = view.demand_window(data, workload)
    title = f"Demand of {text.clean(workload)} in {text.clean(data.demand_unit)}: forecast and what came true"
    drawn = charts.demand_chart(
        window, unit=data.demand_unit, as_of=data.as_of, name=f"demand-{number}", title=title
    )
    return _safe(drawn)


def _safe(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - written by an XML serialiser, which escapes every text in it
