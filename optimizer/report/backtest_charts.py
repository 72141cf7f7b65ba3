"""Charts of a backtest: what models' plans cost beside seasonal naive's, and whether quantiles held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from optimizer.report.charts import BLUE, INK, PALETTE, draw, short_name
from optimizer.report.text import is_known, share

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
