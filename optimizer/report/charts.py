"""Charts as inline SVG, drawn by Vega without a browser or a network.

The only importer of vl_convert and, with backtest_charts beside it, of altair. Each function takes frames or
rows and returns one <svg>: same input, same bytes. Widths are chosen so that text stays readable when a phone
shrinks the drawing. Colours are those of Okabe and Ito, which people with any colour vision tell apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from optimizer.report.data import Recommendation
from optimizer.report.svg import tidy
from optimizer.report.text import clean, is_known, money, quantity
from optimizer.report.text import month as month_name

AnyChart = alt.Chart | alt.LayerChart | alt.FacetChart
BLUE, VERMILION, INK, GREY, GAP = "#0072B2", "#D55E00", "#1b2733", "#8a949e", "#e6e9ec"
PALETTE = (BLUE, "#E69F00", "#009E73", "#CC79A7", "#56B4E9", VERMILION)
VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
FONT = "Liberation Sans, Arial, sans-serif"  # what Vega measures with; the page's own font replaces it
MONTHS = 12  # of a spend chart, the newest
LABEL = 60  # characters of a name that reach a chart; the table beside it has the whole name

CONFIG = {
    "background": None,
    "padding": {"left": 8, "right": 8, "top": 4, "bottom": 4},  # room for a font a little wider than ours
    "font": FONT,
    "view": {"stroke": None},
    "autosize": {"type": "fit-x", "contains": "padding"},  # one width, whatever the labels: one size of text
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": "#44505c",
        "titleColor": "#44505c", "gridColor": "#e6e9ec", "domainColor": "#aeb6bd", "tickColor": "#aeb6bd",
        "labelLimit": 150, "labelPadding": 6,
    },
    "legend": {"labelFontSize": 12, "labelColor": "#44505c", "labelLimit": 190, "offset": 8},
}  # fmt: skip


def spend_chart(spend: pd.DataFrame, by: str, *, prefix: str, name: str, partial: str | None) -> str:
    """Billed cost per month, stacked by provider, service or team: the largest ones, the others as one.

    `partial` is the month that is not over; its label says so.
    """
    rows, order = _stacks(spend, by, partial)
    colours = [*PALETTE[: len(order)]]
    if order and order[-1].startswith("other ("):
        colours[-1] = GREY
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, ' ')", labelOverlap="greedy", ticks=False)
    chart = (
        alt.Chart(alt.NamedData("rows"))
        .mark_bar(stroke="white", strokeWidth=0.7)
        .encode(
            x=alt.X("month:O", title=None, sort=None, axis=axis),
            y=alt.Y("cost:Q", title=None, axis=_money_axis(prefix)),
            color=alt.Color(
                "group:N",
                sort=order,
                scale=alt.Scale(domain=order, range=colours),
                legend=alt.Legend(title=None, orient="bottom", columns=1),
            ),
            order=alt.Order("rank:Q"),
        )
    )
    return draw(
        chart, {"rows": rows}, width=290, height=170, name=name, title=f"Billed cost per month by {by}"
    )


def _stacks(spend: pd.DataFrame, by: str, partial: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows month, group, cost, rank, and the groups from the largest to "other"."""
    groups = spend[by].fillna(f"no {by}").map(short_name)
    recent = spend["month"].isin(sorted(set(spend["month"].dropna()))[-MONTHS:])
    costs = spend.assign(group=groups)[spend["billed_cost"].notna() & recent]
    sizes = costs.groupby("group")["billed_cost"].sum().sort_values(ascending=False, kind="stable")
    order = list(sizes.index)
    if len(order) > len(PALETTE):
        kept = order[: len(PALETTE) - 1]
        other = f"other ({len(order) - len(kept)})"
        costs = costs.assign(group=costs["group"].where(costs["group"].isin(kept), other))
        order = [*kept, other]
    sums = costs.groupby(["month", "group"], as_index=False)["billed_cost"].sum()
    rows = [
        {
            "month": _month_label(month, partial),
            "group": group,
            "cost": round(cost, 2),
            "rank": order.index(group),
        }
        for month, group, cost in zip(sums["month"], sums["group"], sums["billed_cost"], strict=True)
    ]
    return rows, order


def _month_label(name: str, partial: str | None) -> str:
    return month_name(name) + (" so\u00a0far" if name == partial else "")


def demand_chart(window: pd.DataFrame, *, unit: str, as_of: datetime, name: str, title: str) -> str:
    """One workload: the q0.1-q0.9 band, the median, the q0.99 line and what came true, over UTC time.

    window: the frame of view.demand_window. A gap in the metric is shaded and the line stops there; a dotted
    line marks as_of.
    """
    base = alt.Chart(alt.NamedData("rows"))
    x = alt.X("ds:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=time_axis(window["ds"]))
    now = alt.Chart(alt.NamedData("now")).mark_rule(color=INK, strokeDash=[1, 3])
    gaps = alt.Chart(alt.NamedData("gaps")).mark_rect(color=GAP)
    axis = alt.Axis(tickCount=4, domain=False, ticks=False, labelExpr=_short_label())

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=short_name(unit), scale=alt.Scale(zero=True), axis=axis)

    forecast = base.transform_filter("datum.origin != ''").encode(x=x, detail=alt.Detail("origin:N"))
    seen = base.transform_filter("datum.actual != null || datum.is_gap").encode(x=x, y=y("actual"))
    lone = base.transform_filter("datum.is_lone").encode(x=x, y=y("actual"))
    chart = alt.layer(
        gaps.encode(x=x, x2="until:T"),
        forecast.mark_area(color=BLUE, opacity=0.22).encode(y=y("q10"), y2="q90:Q"),
        forecast.mark_line(color=VERMILION, strokeWidth=1.4, strokeDash=[5, 3]).encode(y=y("q99")),
        forecast.mark_line(color=BLUE, strokeWidth=1.8).encode(y=y("q50")),
        seen.mark_line(color=INK, strokeWidth=1.4),
        lone.mark_circle(color=INK, size=12, opacity=1),
        now.encode(x=x),
    )
    data = {"rows": _points(window), "gaps": _gaps(window, as_of), "now": [{"ds": _utc(as_of)}]}
    return draw(chart, data, width=400, height=150, name=name, title=title)


def _points(window: pd.DataFrame) -> list[dict[str, Any]]:
    names = {"q0.1": "q10", "q0.5": "q50", "q0.9": "q90", "q0.99": "q99", "actual": "actual"}
    known = window["actual"].notna()[window["actual"].notna() | window["is_gap"]]
    lone = known & ~known.shift(1, fill_value=False) & ~known.shift(-1, fill_value=False)
    return [
        {
            "ds": _utc(row["ds"]),
            "origin": _utc(row["origin"]) if is_known(row["origin"]) else "",
            "is_gap": bool(row["is_gap"]),
            "is_lone": is_lone,
            **{short: _finite(row[long]) for long, short in names.items()},
        }
        for row, is_lone in zip(
            window.to_dict("records"), lone.reindex(window.index, fill_value=False).tolist(), strict=True
        )
    ]


def _gaps(window: pd.DataFrame, as_of: datetime) -> list[dict[str, str]]:
    """Stretches without data, each from its first missing point to the next known one."""
    seen = window[window["actual"].notna() | window["is_gap"]]
    is_gap, following = seen["is_gap"], seen["ds"].shift(-1).fillna(pd.Timestamp(as_of))
    start = seen["ds"][is_gap & ~is_gap.shift(1, fill_value=False)]
    until = following[is_gap & ~is_gap.shift(-1, fill_value=False)]
    return [{"ds": _utc(first), "until": _utc(last)} for first, last in zip(start, until, strict=True)]


def _utc(moment: datetime) -> str:
    return pd.Timestamp(moment).tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def time_axis(ds: pd.Series[Any]) -> alt.Axis:
    """Hours of a day, else dates: at most five or six."""
    hours = (ds.max() - ds.min()).total_seconds() / 3600 if len(ds) else 24.0
    if hours <= 30:
        return alt.Axis(grid=False, format="%H:%M", tickCount=4)
    step = math.ceil(hours / 24 / 5)
    ticks = {"interval": "day", "step": step}
    return alt.Axis(grid=False, format="%-d %b", tickCount=ticks, labelOverlap="greedy")


def capacity_chart(workloads: Sequence[tuple[str, float, float]], *, prefix: str | None, name: str) -> str:
    """Two bars per workload, now and planned, each with its value.

    workloads: (workload, now, planned), in money per hour, or in replicas where there is no prefix.
    """
    title = "Replicas, now and planned" if prefix is None else "Cost per hour, now and planned"
    order = distinct([short_name(workload) for workload, *_ in workloads])
    rows = [
        {
            "workload": order[place],
            "plan": plan,
            "value": value if is_known(value) else 0.0,  # no bar; the text says why
            "text": quantity(value) if prefix is None else money(value, prefix, 2),
        }
        for place, (_, *values) in enumerate(workloads)
        for plan, value in zip(("now", "planned"), values, strict=True)
    ]
    axis = alt.Axis(domain=False, ticks=False, labelLimit=110)
    base = alt.Chart(alt.NamedData("rows")).encode(
        y=alt.Y("workload:N", sort=order, title=None, axis=axis),
        yOffset=alt.YOffset("plan:N", sort=["now", "planned"]),
        x=alt.X("value:Q", title=None, axis=None, scale=alt.Scale(zero=True, nice=False)),
    )
    colour = alt.Color(
        "plan:N",
        scale=alt.Scale(domain=["now", "planned"], range=[GREY, BLUE]),
        legend=alt.Legend(title=None, orient="top", direction="horizontal"),
    )
    text = base.mark_text(align="left", dx=4, fontSize=11, color="#44505c")
    chart = alt.layer(base.mark_bar().encode(color=colour), text.encode(text="text:N"))
    return draw(chart, {"rows": rows}, width=400, height=34 * len(order), name=name, title=title)


def distinct(labels: list[str]) -> list[str]:
    """Long names cut short may be the same; their bars must not fall on each other."""
    numbered = enumerate(labels, 1)
    return [label if labels.count(label) == 1 else f"{number}. {label}" for number, label in numbered]


def savings_chart(recommendations: Sequence[Recommendation], *, prefix: str, name: str) -> str:
    """A dot at the middle of each saving, a line from low to high, numbered as in the table."""
    order = [f"{number}. {short_name(each.title)}" for number, each in enumerate(recommendations, 1)]
    rows = [
        {
            "label": label,
            "low": _finite(each.saving_usd_per_month_low),
            "mid": _finite(each.saving_usd_per_month_mid),
            "high": _finite(each.saving_usd_per_month_high),
            "is_estimated": each.is_estimated,
        }
        for label, each in zip(order, recommendations, strict=True)
    ]
    base = alt.Chart(alt.NamedData("rows")).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=190))
    )
    x = alt.X("low:Q", title=None, axis=_money_axis(prefix), scale=alt.Scale(zero=True))
    fill = alt.condition("datum.is_estimated", alt.value("white"), alt.value(BLUE))
    chart = alt.layer(
        base.mark_rule(color=BLUE, strokeWidth=3, opacity=0.45).encode(x=x, x2="high:Q"),
        base.mark_circle(size=70, opacity=1, stroke=BLUE, strokeWidth=2).encode(x="mid:Q", color=fill),
    )
    title = "Saving per month, low to high, by recommendation"
    return draw(chart, {"rows": rows}, width=400, height=26 * len(order), name=name, title=title)


def short_name(name: object) -> str:
    """A name short enough for a chart.

    Vega counts in UTF-16 and may cut a long label in the middle of an emoji, which vl_convert then refuses to
    measure: such characters are replaced here. The table beside the chart has the whole name.
    """
    return "".join(each if each <= "\uffff" else "\ufffd" for each in clean(name, LABEL))


def _finite(value: float | None) -> float | None:
    return value if is_known(value) else None


def _money_axis(prefix: str) -> alt.Axis:
    return alt.Axis(tickCount=4, domain=False, ticks=False, labelExpr=_short_label(prefix))


def _short_label(prefix: str = "") -> str:
    """An axis label as a Vega expression: $1.5k for 1500, −$20, 0.25.

    Below 1 plainly, for the SI sign of thousandths reads like a million; billions as B, not as giga.
    """
    size = "abs(datum.value)"
    number = f"{size} < 1 ? format({size}, '~g') : replace(format({size}, '~s'), 'G', 'B')"
    return f"datum.value == 0 ? '0' : (datum.value < 0 ? '−' : '') + {json.dumps(prefix)} + ({number})"


def draw(chart: AnyChart, data: dict[str, Any], *, width: int, height: int, name: str, title: str) -> str:
    """The finished <svg>.

    The rows are put in last, and the specification, which is ours, is not checked against its schema: altair
    would copy and check every row several times over, which takes longer than drawing.
    """
    spec = chart.properties(width=width, height=height).to_dict(validate=False)
    spec |= {"datasets": data, "config": CONFIG}
    # Dates are on utc scales whatever the zone of this machine; no address is allowed, so none is fetched.
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    return tidy(drawn, name=name, title=title)
