"""The chart of a commitment: what any amount of it would save, on average and in the worst draws."""

from __future__ import annotations

import altair as alt

from optimizer.placement_parts import CommitmentAdvice
from optimizer.report.charts import BLUE, INK, VERMILION, draw
from optimizer.report.text import clean

DAYS_PER_MONTH = 365.0 / 12.0


def amount_chart(item: CommitmentAdvice, *, prefix: str, name: str) -> str:
    """Saving per month over committed USD per hour; a dotted line at the advised amount."""
    points = [(0.0, 0.0, 0.0)]
    points += [(p.usd_per_hour, p.saving_usd_per_day, p.saving_usd_per_day_tail) for p in item.curve]
    rows = [
        {"amount": amount, "mean": mean * DAYS_PER_MONTH, "tail": tail * DAYS_PER_MONTH}
        for amount, mean, tail in points
    ]
    money = alt.Axis(
        tickCount=4, domain=False, ticks=False,
        labelExpr=f"(datum.value < 0 ? '−' : '') + '{prefix}' + format(abs(datum.value), '~s')",
    )  # fmt: skip
    base = alt.Chart(alt.NamedData("rows"))
    x = alt.X(
        "amount:Q", title="committed USD per hour", scale=alt.Scale(zero=True, nice=False),
        axis=alt.Axis(tickCount=5, grid=False),
    )  # fmt: skip
    advised = alt.Chart(alt.NamedData("advised")).mark_rule(color=INK, strokeDash=[1, 3])
    chart = alt.layer(
        advised.encode(x="amount:Q"),
        base.mark_line(color=BLUE, strokeWidth=2).encode(x=x, y=alt.Y("mean:Q", title=None, axis=money)),
        base.mark_line(color=VERMILION, strokeWidth=1.6, strokeDash=[5, 3]).encode(x=x, y="tail:Q"),
    )
    data = {"rows": rows, "advised": [{"amount": item.usd_per_hour}]}
    title = f"Saving per month by amount of {clean(item.commitment)}"
    return draw(chart, data, width=400, height=150, name=name, title=title)
