"""Charts of backtests: what models' plans cost and whether quantiles held; what policies cost and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from optimizer.report.charts import BLUE, GREY, INK, PALETTE, VERMILION, draw, short_name, time_axis
from optimizer.report.text import change, is_known, share

MISSED_MARKS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001)
LABEL_LEVELS = 3
WIDEST = 2.5  # dearer than so many times seasonal naive is drawn at the edge; the table has the number


@dataclass(frozen=True)
class CostRatio:
    """One model's plan cost over seasonal naive's; interval and value may be unknown."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    is_champion: bool


def ratio_chart(ratios: Sequence[CostRatio], *, name: str, title: str) -> str:
    """A dot per model, a line over its interval, a rule at 1; the champion filled, a far one at the edge."""
    order = [short_name(each.label) for each in ratios]
    rows = [
        {
            "label": label,
            "value": _cut(each.value),
            "low": None if is_far(each) else _cut(each.low),
            "high": None if is_far(each) else _cut(each.high),
            "is_champion": each.is_champion,
            "text": f"{each.value:.1f} ▸" if is_far(each) else "",
        }
        for label, each in zip(order, ratios, strict=True)
    ]
    axis = alt.Axis(domain=False, ticks=False, labelLimit=230)
    base = alt.Chart(alt.NamedData("rows")).encode(y=alt.Y("label:N", sort=order, title=None, axis=axis))
    x = alt.X(
        "low:Q", title="times the cost with seasonal naive", scale=alt.Scale(zero=True),
        axis=alt.Axis(tickCount=5, domain=False, ticks=False),
    )  # fmt: skip
    fill = alt.condition("datum.is_champion", alt.value(BLUE), alt.value("white"))
    one = alt.Chart(alt.NamedData("one")).mark_rule(color=INK, strokeDash=[4, 3])
    chart = alt.layer(
        one.encode(x="value:Q"),
        base.mark_rule(color=BLUE, strokeWidth=4, opacity=0.4).encode(x=x, x2="high:Q"),
        base.mark_circle(size=40, opacity=1, stroke=BLUE, strokeWidth=2).encode(x="value:Q", color=fill),
        base.mark_text(align="right", dx=-8, fontSize=11, color="#44505c").encode(x="value:Q", text="text:N"),
    )
    data = {"rows": rows, "one": [{"value": 1.0}]}
    return draw(chart, data, width=460, height=24 * len(order), name=name, title=title)


def is_far(each: CostRatio) -> bool:
    """Whether a model is too dear for the scale."""
    return each.value is not None and is_known(each.value) and each.value > WIDEST


def _cut(value: float | None) -> float | None:
    return None if value is None or not is_known(value) else min(value, WIDEST)


def coverage_chart(missed: Sequence[tuple[str, float, float]], *, least: float, name: str, title: str) -> str:
    """How often demand was above each quantile, per model, beside how often it should have been.

    missed: (model, level, share above). The scale is logarithmic, for tails are what plans are made of; a
    share under `least`, which the points cannot show, stands at its edge.
    """
    levels = sorted({level for _, level, _ in missed})
    models = list(dict.fromkeys(model for model, *_ in missed))
    labels = {level: f"{level:g}: {share(1 - level)} above" for level in levels}
    rows = [
        {"model": short_name(model), "level": labels[level], "share": max(above, least)}
        for model, level, above in missed
    ]
    marks = [{"level": labels[level], "share": 1 - level} for level in levels]
    y = alt.Y("level:N", sort=list(labels.values()), title=None, axis=alt.Axis(domain=False, ticks=False))
    powers = [10.0**-power for power in range(8) if 10.0**-power >= least]
    axis = alt.Axis(domain=False, ticks=False, format="~%", values=powers)
    x = alt.X("share:Q", title="share of steps above the quantile", axis=axis,
              scale=alt.Scale(type="log", domain=[least, 1]))  # fmt: skip
    domain = [short_name(model) for model in models]
    colour = alt.Color(
        "model:N",
        scale=alt.Scale(domain=domain, range=list(PALETTE[: len(domain)])),
        legend=alt.Legend(title=None, orient="bottom", columns=1),
    )
    chart = alt.layer(
        alt.Chart(alt.NamedData("marks")).mark_tick(color=INK, thickness=2, size=22).encode(x=x, y=y),
        alt.Chart(alt.NamedData("rows")).mark_circle(size=70, opacity=0.85).encode(x=x, y=y, color=colour),
    )
    data = {"rows": rows, "marks": marks}
    return draw(chart, data, width=400, height=34 * len(levels), name=name, title=title)


@dataclass(frozen=True)
class PolicyPoint:
    """What a policy cost and missed over all workloads.

    Attributes:
        number: in the table; empty for a point of Trimtab's line.
        kind: "ours", "others" or "best".
    """

    number: str
    cost_usd: float
    missed_share: float
    kind: str


def frontier_chart(points: Sequence[PolicyPoint], *, least: float, name: str, title: str) -> str:
    """A numbered dot per policy: cost to the right, what it kept upwards; Trimtab's targets joined by a line.

    Both scales are logarithmic. A share missed under `least` stands at the edge.
    """
    drawn = sorted((p for p in points if p.cost_usd > 0), key=lambda p: p.cost_usd)
    rows = [
        {
            "number": p.number,
            "cost": p.cost_usd,
            "missed": max(p.missed_share, least),
            "kind": p.kind,
            "level": level,
        }
        for p, level in zip(drawn, levels(drawn), strict=True)
    ]
    worst = max([p.missed_share for p in points], default=1.0)
    shown = [each for each in MISSED_MARKS if least <= each <= 1.5 * worst]
    money = alt.Axis(domain=False, ticks=False, labelExpr="'$' + format(datum.value, '.3~s')", tickCount=6)
    kept = alt.Axis(
        domain=False, ticks=False, values=shown, labelExpr="format(100 - 100 * datum.value, '.4~r') + '%'"
    )
    x = alt.X("cost:Q", title="cost", axis=money, scale=alt.Scale(type="log", nice=False, padding=40))
    upwards = alt.Scale(type="log", reverse=True, nice=False, padding=44)
    y = alt.Y("missed:Q", title="kept in time", axis=kept, scale=upwards)
    kinds = alt.Scale(domain=["ours", "others", "best"], range=[BLUE, GREY, INK])
    base = alt.Chart(alt.NamedData("rows")).encode(x=x, y=y)
    line, named = (base.transform_filter(f"datum.number {sign} ''") for sign in ("==", "!="))
    texts = [
        named.transform_filter(f"datum.level == {level}")
        .mark_text(dy=-12 - 12 * level, fontSize=12, color="#44505c")
        .encode(text="number:N")
        for level in range(LABEL_LEVELS)
    ]
    chart = alt.layer(
        line.mark_line(color=BLUE, strokeWidth=1.6, opacity=0.6).encode(order=alt.Order("cost:Q")),
        line.mark_circle(size=36, opacity=1, fill="white", stroke=BLUE, strokeWidth=1.6),
        named.mark_circle(size=70, opacity=0.9).encode(color=alt.Color("kind:N", legend=None, scale=kinds)),
        *texts,
    )
    return draw(chart, {"rows": rows}, width=960, height=300, name=name, title=title)


def levels(points: Sequence[PolicyPoint]) -> list[int]:
    """How high each label stands, so that neighbours do not lie on each other: they take turns."""
    named = [p.number for p in points if p.number]
    return [named.index(p.number) % LABEL_LEVELS if p.number else 0 for p in points]


def lever_chart(worth: Sequence[tuple[str, float]], *, name: str, title: str) -> str:
    """A bar per lever: to the right what cost rises by without it, to the left what it falls by."""
    rows = [{"label": short_name(label), "worth": value, "text": change(value)} for label, value in worth]
    order = [short_name(label) for label, _ in worth]
    # The extent is for a reader's font that is wider than the one that the drawing was measured with.
    axis = alt.Axis(domain=False, ticks=False, labelLimit=280, labelPadding=14, minExtent=290)
    base = alt.Chart(alt.NamedData("rows")).encode(y=alt.Y("label:N", sort=order, title=None, axis=axis))
    money = alt.Axis(format="+~%", tickCount=5, domain=False, ticks=False)
    scale = alt.Scale(zero=True, padding=44, nice=False)
    x = alt.X("worth:Q", title="cost without it, at the same share in time", axis=money, scale=scale)
    colour = alt.condition("datum.worth > 0", alt.value(BLUE), alt.value(GREY))
    chart = alt.layer(
        base.mark_bar(height=13).encode(x=x, color=colour),
        base.transform_filter("datum.worth >= 0")
        .mark_text(align="left", dx=5, fontSize=11, color="#44505c")
        .encode(x=x, text="text:N"),
        base.transform_filter("datum.worth < 0")
        .mark_text(align="right", dx=-5, fontSize=11, color="#44505c")
        .encode(x=x, text="text:N"),
    )
    return draw(chart, {"rows": rows}, width=760, height=22 * len(rows), name=name, title=title)


def strip_chart(strip: pd.DataFrame, *, name: str, title: str) -> str:
    """Demand as a line below the capacity that was ready; red where more was late than the target allows.

    strip: `ds, until, demand, capacity, is_missed`; demand NaN where nobody counted.
    """
    rows = [
        {
            "ds": f"{row['ds']:%Y-%m-%dT%H:%M:%SZ}",
            "until": f"{row['until']:%Y-%m-%dT%H:%M:%SZ}",
            "demand": row["demand"] if is_known(row["demand"]) else None,
            "capacity": row["capacity"],
            "is_missed": bool(row["is_missed"]),
        }
        for row in strip.to_dict("records")
    ]
    span = pd.Series([strip["ds"].min(), strip["until"].max()])
    time = alt.X("ds:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=time_axis(span))
    axis = alt.Axis(tickCount=4, domain=False, ticks=False)

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title="requests/s", scale=alt.Scale(zero=True), axis=axis)

    base = alt.Chart(alt.NamedData("rows")).encode(x=time)
    chart = alt.layer(
        base.transform_filter("datum.is_missed")
        .mark_rect(color=VERMILION, opacity=0.45)
        .encode(x2="until:T"),
        base.mark_area(color=BLUE, opacity=0.18, interpolate="step-after").encode(y=y("capacity")),
        base.mark_line(color=BLUE, strokeWidth=1.2, interpolate="step-after").encode(y=y("capacity")),
        base.mark_line(color=INK, strokeWidth=1.1).encode(y=y("demand")),
    )
    return draw(chart, {"rows": rows}, width=960, height=190, name=name, title=title)
