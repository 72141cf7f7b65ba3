"""A backtest as one HTML page that loads nothing and one Markdown file, in the look of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from models.champion import Champion, Ratio
from models.frames import level_column
from models.peers import BASELINE, CALIBRATED, OURS
from models.scores import cost_column
from optimizer.backtest_forecasts import LEAST_ORIGINS, Judged, ratios_for, shown_model
from optimizer.report import charts
from optimizer.report.backtest_charts import CostRatio, coverage_chart, ratio_chart
from optimizer.report.render import Rendered, Written, environment
from optimizer.report.text import clean, is_known
from optimizer.report.view import window

LABELS = {
    OURS: "Trimtab",
    "seasonal_naive": "seasonal naive",
    "persistence": "last value and its usual changes",
    "window_7d": "quantile of the last 7 days",
    "last_value": "last value",
    "season_max": "highest of the last season",
}
SHOWN_ORIGINS = 3  # of the example
MOST_SERIES = 25
DRAWN = ("q0.1", "q0.5", "q0.9", "q0.99")


@dataclass(frozen=True)
class Cost:
    """Plan cost at one ratio: over mean demand, and in words against seasonal naive with its interval."""

    value: float | None
    against: Written


@dataclass(frozen=True)
class Row:
    """One model as the table shows it."""

    label: str
    is_champion: bool
    is_baseline: bool
    costs: tuple[Cost, ...]
    not_worse: float | None
    wql: float | None
    mase: float | None
    coverage: float | None
    worst_decile: float | None


def label(model: str) -> str:
    """A model in words."""
    name = model.removesuffix(CALIBRATED)
    return LABELS.get(name, name) + (", calibrated" if model.endswith(CALIBRATED) else "")


def verdict(found: Judged) -> str:
    """The champion in one plain sentence or two."""
    won, price = found.champion, f"a unit short costs {found.cost_ratio:g} idle ones"
    if won is None:
        return "No champion: no series has demand to compare plans by."
    if won.model == BASELINE:
        return f"Seasonal naive stays. Where {price}, {_why_it_stays(won)}."
    text = (
        f"{_upper(label(won.model))} is the champion: where {price}, its plans cost {_against(won.against)}"
    )
    text += " of what they cost with seasonal naive."
    if won.cheapest != won.model:
        text += f" {_upper(label(won.cheapest))} costs less on average, but not beyond chance."
    return text


def _why_it_stays(won: Champion) -> str:
    if won.cheapest == BASELINE:
        return "it makes the cheapest plans"
    if won.cheapest in won.ties:
        return f"{label(won.cheapest)} is cheaper, but by no more than chance explains"
    return f"{label(won.cheapest)} does not beat it"


def ties(found: Judged) -> str:
    """Whom the champion cannot be told from, in a sentence; empty where there is nobody."""
    names = [] if found.champion is None else list(map(label, found.champion.ties))
    return f"Not told apart from it on these series: {'; '.join(names)}." if names else ""


def planning(found: Judged) -> str:
    """What follows for the plans of a workspace, in a sentence; empty where nothing does."""
    if found.champion is None or not found.is_of_workspace:
        return ""
    if found.planner is None:
        few = f"{found.test.origins} origins are" if found.test.origins > 1 else "one origin is"
        return f"Plans go on as before: {few} too few to change that; {LEAST_ORIGINS} are needed."
    if found.planner == OURS:
        return "Plans are made with Trimtab's model."
    return f"From now on plans are made with {label(found.planner)}, until a newer backtest says otherwise."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _against(ratio: Ratio) -> str:
    """`0.72 (0.61 to 0.85)`."""
    if ratio.value is None:
        return "not known"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f}"
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def render(found: Judged) -> Rendered:
    """Draw the charts and fill both templates."""
    shown = _context(found)
    page = environment(in_html=True).get_template("backtest.html.j2").render(shown, charts=_charts(found))
    plain = environment(in_html=False).get_template("backtest.md.j2").render(shown)
    return Rendered(html=page, markdown=plain)


def _context(found: Judged) -> dict[str, Any]:
    best = next((row for row in rows(found) if row.is_champion), None)
    return {
        "found": found,
        "verdict": verdict(found),
        "more": " ".join(filter(None, (ties(found), planning(found)))),
        "champion": best,
        "hours": found.horizon / pd.Timedelta(hours=1),
        "ratios": [f"{ratio:g}:1" for ratio in ratios_for(found.quantile)],
        "quantile": Written(f"{found.quantile:g}"),
        "rows": rows(found),
        "series": series(found),
        "levels": [f"{level:g}" for level in found.test.levels],
        "shown": label(shown_model(found)),
        "ours": label(OURS),
    }


def rows(found: Judged) -> list[Row]:
    """Every model, cheapest first."""
    level = level_column(found.quantile)
    winner = None if found.champion is None else found.champion.model
    return [
        Row(
            label=label(str(row["model"])),
            is_champion=row["model"] == winner,
            is_baseline=row["model"] == BASELINE,
            costs=tuple(cost(row, ratio) for ratio in ratios_for(found.quantile)),
            not_worse=known(row[f"not_worse_share_{found.cost_ratio:g}"]),
            wql=known(row["wql"]),
            mase=known(row["mase"]),
            coverage=known(row[f"coverage_{level}"]),
            worst_decile=known(row[f"worst_decile_{level}"]),
        )
        for row in found.table.to_dict("records")
    ]


def cost(row: dict[Any, Any], ratio: float) -> Cost:
    """Plan cost of one model at one ratio."""
    against = "1" if row["model"] == BASELINE else _against(ratio_of(row, ratio))
    return Cost(known(row[cost_column(ratio)]), Written(against))


def ratio_of(row: dict[Any, Any], ratio: float) -> Ratio:
    """What a row of the table says of a model against seasonal naive."""
    name = f"ratio_{ratio:g}"
    return Ratio(known(row[name]), known(row[f"{name}_low"]), known(row[f"{name}_high"]))


def known(value: object) -> float | None:
    """A number, or None where it is missing."""
    return float(str(value)) if is_known(value) else None


def series(found: Judged) -> list[dict[str, Any]]:
    """The largest series: what Trimtab's plan costs beside seasonal naive's."""
    column, held = cost_column(found.cost_ratio), f"coverage_{level_column(found.quantile)}"
    scores = found.test.scores.set_index("unique_id")
    ours, naive = (scores.loc[scores["model"].eq(model)] for model in (OURS, BASELINE))
    costs = {str(name): value for name, value in naive[column].items()}
    largest = ours.sort_values("mean_demand", ascending=False, kind="stable").head(MOST_SERIES)
    return [
        {
            "name": str(name),
            "demand": row["mean_demand"],
            "cost": known(row[column]),
            "naive": known(costs.get(str(name))),
            "coverage": known(row[held]),
        }
        for name, row in zip(largest.index, largest.to_dict("records"), strict=True)
    ]


def _charts(found: Judged) -> dict[str, Markup]:
    drawn = {"ratios": _ratios(found), "coverage": _coverage(found), "example": _example(found)}
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704 - by an XML serialiser


def _ratios(found: Judged) -> str:
    winner = None if found.champion is None else found.champion.model
    dots = []
    for row in found.table.to_dict("records"):
        against = ratio_of(row, found.cost_ratio)
        name, is_best = label(str(row["model"])), row["model"] == winner
        dots.append(CostRatio(name, against.value, against.low, against.high, is_best))
    return ratio_chart(dots, name="ratios", title="Plan cost of each model over that of seasonal naive")


def _coverage(found: Judged) -> str:
    names = list(dict.fromkeys([shown_model(found), OURS, BASELINE]))
    table = found.table.set_index("model")
    missed = [
        (label(model), level, 1 - float(table[f"coverage_{level_column(level)}"][model]))
        for model in names
        for level in found.test.levels
    ]
    least = min(0.5 / max(found.points, 1), (1 - max(found.test.levels)) / 2)
    title = "Share of steps above each quantile, beside what it should be"
    return coverage_chart(missed, least=least, name="coverage", title=title)


def _example(found: Judged) -> str:
    """The last few forecasts of the largest series, with the history around them."""
    made = found.test.forecasts
    made = made.loc[made["model"].eq(shown_model(found))].rename(columns={"y": "actual"})
    made = made.loc[made["origin"].isin(sorted(made["origin"].unique())[-SHOWN_ORIGINS:])]
    made = made[["ds", "origin", *DRAWN, "actual"]]
    shown = window(made, found.history.rename(columns={"y": "actual"}), made["ds"].max())
    title = f"{clean(found.example)} in {found.unit}: forecasts and what came true"
    end = made["ds"].max()
    return charts.demand_chart(shown, unit=found.unit, as_of=end, name="example", title=title)
