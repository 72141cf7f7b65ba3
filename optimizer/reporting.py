"""What goes into a report: gathered from the lake, the inputs and a placement plan, never computed anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from data.lake import Lake
from optimizer.capacity_rows import capacity_rows
from optimizer.demand import REQUESTS
from optimizer.forecasts import actuals, request_series
from optimizer.inputs import Inputs
from optimizer.lake_inputs import lake_tables
from optimizer.layout import Layout
from optimizer.placement_parts import CostParts
from optimizer.plan import CapacityPlan, PlacementPlan
from optimizer.plan_words import miss_sentences, work_sentences
from optimizer.prices import FITTED_DAYS, LOOKBACK, fit
from optimizer.recommend import DAYS_PER_MONTH, days_of_once, recommend, unserved
from optimizer.reconciliation import reconciled
from optimizer.report.data import (
    FRAMES,
    PRICE_WORDS,
    Alternative,
    Headline,
    Prices,
    Recommendation,
    ReportData,
    Rule,
    Scarce,
    SolverFacts,
    Why,
    WhyNot,
    empty,
)
from optimizer.shortfalls import sentences

HISTORY_DAYS = 7
YESTERDAY = timedelta(hours=25)  # a daily run may start a little later than the day before
MISSES_SHOWN = 3
OF_BILLS = "workloads.yaml is absent: bills and prices are shown, nothing is planned"
HOURS_PER_MONTH = DAYS_PER_MONTH * 24.0


def report_data(layout: Layout, inputs: Inputs, plan: PlacementPlan | None) -> ReportData:
    """Everything a report shows, as of the inputs; without a plan what the bills and metrics say."""
    views = read_views(layout, inputs.as_of)
    recommendations = recommend(plan, inputs, views["resource_cost"], views["resource_utilisation"])
    spend = views["spend_by_month"]
    currencies = spend["currency"].value_counts().index if len(spend) else ["USD"]
    main = spend.loc[spend["currency"].eq(currencies[0])] if len(spend) else spend
    return ReportData(
        workspace=layout.root.resolve().name,
        as_of=inputs.as_of,
        currency=str(currencies[0]),
        headline=headline(plan, inputs, recommendations) if plan else Headline(),
        spend=typed(main, "spend"),
        forecasts=came_true(views["forecasts_since"], inputs),
        history=demand_history(inputs),
        capacity=capacity_rows(plan, inputs) if plan else empty("capacity"),
        recommendations=recommendations,
        solver=proof(plan) if plan else None,
        freshness=freshness(views["freshness"], inputs),
        shortfalls=shortfalls(plan) if plan else (),
        rules=bill_rules(layout),
        prices=price_facts(layout, inputs),
        why=why(plan) if plan else None,
        commitments=plan.commitments if plan else (),
        nodes=plan.nodes if plan else (),
        sharing=plan.sharing if plan else None,
        notes=(*(plan_notes(plan) if plan else (OF_BILLS,)), *other_currencies(spend, str(currencies[0]))),
    )


def plan_notes(plan: PlacementPlan) -> tuple[str, ...]:
    """What the plan notes, when work is done, what misses would cost."""
    return (*plan.notes, *work_sentences(plan.work), *miss_sentences(plan.miss_costs))


def proof(plan: PlacementPlan) -> SolverFacts:
    """How good the plan is, as the solver proved it."""
    return SolverFacts(
        status=f"stopped by {plan.proof.stopped_by}",
        cost_usd=plan.proof.objective_usd,
        bound_usd=plan.proof.bound_usd,
        gap_share=plan.proof.gap_share,
        method=plan.proof.method,
        horizon_hours=24.0,
    )


def shortfalls(plan: PlacementPlan) -> tuple[str, ...]:
    """What the plan cannot cover, a line per workload and rule."""
    return tuple(sentences(plan.shortfalls, [period.name for period in plan.periods]))


SCARCE_WORDS = {
    "pool": "one more unit of quota or spot capacity",
    "commitment": "one more committed USD per hour, before its fee",
    "rule": "going without this rule",
}
LEAST_USD_TOLD = 0.005


def why(plan: PlacementPlan) -> Why | None:
    """Why the plan is as it is, from its explanation; only workloads that have something to tell."""
    told = plan.explanation
    if told is None:
        return None
    periods = [period.name for period in plan.periods]
    return Why(
        scarce=tuple(
            Scarce(
                what=each.name if each.rule is None else f"{each.name}: {each.rule}",
                means=SCARCE_WORDS[each.kind],
                usd_per_day=each.usd_per_day,
                confirmed_usd_per_day=each.confirmed_usd_per_day,
                when="" if len(each.periods) == len(periods) else ", ".join(each.periods),
            )
            for each in told.scarce
        ),
        why_not=tuple(
            WhyNot(
                workload=row.workload,
                runs=row.runs,
                regret_usd_per_day=row.regret_usd_per_day,
                alternatives=tuple(
                    Alternative(
                        each.option_id, each.other, each.beside, each.more_usd_per_day, because(each.parts)
                    )
                    for each in row.alternatives
                ),
            )
            for row in sorted(told.why_not, key=lambda row: row.workload)
            if row.alternatives or row.regret_usd_per_day >= LEAST_USD_TOLD
        ),
        repair=tuple(step.text for step in told.repair),
        no_repair=told.no_repair,
        unused_usd_per_day=told.unused_usd_per_day,
    )


def because(parts: CostParts) -> str:
    """The parts of a difference in words, the largest first."""
    named = {
        "instances": parts.instances, "scarce quota": parts.scarce_quota, "commitments": parts.lost_cover,
        "egress": parts.egress, "change": parts.change,
    }  # fmt: skip
    told = sorted(named.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{name} {usd:+,.2f}" for name, usd in told if abs(usd) >= LEAST_USD_TOLD)


def bill_rules(layout: Layout) -> tuple[Rule, ...]:
    """Every rule of reconciliation; none where no bill was loaded."""
    with Lake.open(layout.lake, read_only=True) as lake:
        rules = reconciled(lake)
    if not any(rule.checked for rule in rules):
        return ()
    return tuple(
        Rule(rule.about, rule.checked, len(rule.misses) + rule.more, rule.misses[:MISSES_SHOWN])
        for rule in rules
    )


def price_facts(layout: Layout, inputs: Inputs) -> Prices:
    """Where the plan's prices are from, and how prices of a week ago meet what was billed since."""
    options = inputs.options
    if "price_basis" not in options:
        return Prices((("file", len(options)),))
    counts = options["price_basis"].value_counts()
    listed = options.assign(
        price_hourly=options["list_hourly"],
        price_source=options["list_source"],
        price_as_of=options["list_as_of"],
    )
    week = pd.Timedelta(days=FITTED_DAYS)
    with lake_tables(layout.lake, inputs.as_of) as tables:
        newest = tables.newest_bill()
        age = pd.Timestamp(inputs.as_of) - newest if newest is not None else pd.Timedelta(0)
        before = tables.billed_prices(age + week + LOOKBACK, age + week)
        after = tables.billed_prices(age + week)
    found = fit(listed, before, after)
    order = [(basis, int(counts[basis])) for basis in PRICE_WORDS if basis in counts]
    return Prices(tuple(order), found.median, len(found.ratios))


VIEWS = ("spend_by_month", "resource_cost", "resource_utilisation", "forecasts_since", "freshness")


def read_views(layout: Layout, as_of: datetime) -> dict[str, pd.DataFrame]:
    """The views a report reads, as known at a moment."""
    with Lake.open(layout.lake) as lake:
        return {name: lake.read(name, **parameters(name, as_of)) for name in VIEWS}


def parameters(view: str, as_of: datetime) -> dict[str, object]:
    """What a view is asked with."""
    asked: dict[str, dict[str, object]] = {
        "resource_utilisation": {"window_start": as_of - timedelta(days=14), "window_end": as_of},
        "forecasts_since": {"metric": REQUESTS, "since": as_of - YESTERDAY, "until": as_of},
    }
    return asked.get(view, {})


def typed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Only the columns of a report frame; empty with types where there is nothing."""
    return frame[list(FRAMES[name])] if len(frame) else empty(name)


def headline(plan: PlacementPlan, inputs: Inputs, recommendations: tuple[Recommendation, ...]) -> Headline:
    """The numbers on top: present cost of the fleet and of idle resources, less what the plan carries out."""
    once = days_of_once(plan, inputs)
    of_once = [cost for cost in plan.workload_costs if cost.workload in once]
    top = Headline(
        planned_usd_per_month=DAYS_PER_MONTH
        * (plan.expected_cost_usd - sum(cost.planned_usd_per_day for cost in of_once)),
        demand_quantile=plan.demand_quantile,
        gap_share=plan.proof.gap_share,
        unserved=tuple(unserved(plan)),
        once=tuple(sorted(once)),
        unpriced=plan.unpriced,
    )
    if plan.current_cost_usd is None:
        return top
    by_kind = {
        kind: sum(r.saving_usd_per_month_mid or 0.0 for r in recommendations if r.kind == kind)
        for kind in ("idle", "commitment")
    }
    carried_out = [r for r in recommendations if r.kind != "commitment"]
    low, mid, high = (
        sum(getattr(r, f"saving_usd_per_month_{end}") or 0.0 for r in carried_out)
        for end in ("low", "mid", "high")
    )
    monthly = plan.current_cost_usd - sum(cost.current_usd_per_day or 0.0 for cost in of_once)
    current = monthly * DAYS_PER_MONTH + by_kind["idle"]
    return replace(
        top,
        current_usd_per_month=current,
        planned_usd_per_month=current - mid,
        saving_usd_per_month_low=low,
        saving_usd_per_month_mid=mid,
        saving_usd_per_month_high=high,
        commitments_usd_per_month=by_kind["commitment"] or None,
        once_usd=sum(r.once_usd or 0.0 for r in recommendations) if once else None,
    )


def demand_history(inputs: Inputs) -> pd.DataFrame:
    """Requests/s of the last days per workload and slot; NaN in gaps."""
    since = pd.Timestamp(inputs.as_of) - pd.Timedelta(days=HISTORY_DAYS)
    parts = [series.loc[series["ds"].ge(since)] for series in request_series(inputs)]
    if not parts:
        return empty("history")
    whole = pd.concat(parts, ignore_index=True)
    return whole.rename(columns={"unique_id": "workload", "y": "actual"})[list(FRAMES["history"])]


def came_true(forecasts: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Forecasts with what came true beside them; the future has nothing beside it yet."""
    if forecasts.empty:
        return empty("forecasts")
    wide = forecasts.pivot_table(
        index=["unique_id", "ds", "origin", "model"], columns="quantile", values="value"
    ).reset_index()
    wide.columns = [name if isinstance(name, str) else f"q{name:g}" for name in wide.columns]
    wide = wide.rename(columns={"unique_id": "workload"})
    known = actuals(inputs, wide["origin"].unique())
    return wide.merge(known, on=["origin", "workload", "ds"], how="left")[list(FRAMES["forecasts"])]


KINDS_OF_DATA = {"charges": "bill", "demand": "demand", "offers": "prices", "deployments": "fleet"}


def freshness(view: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """How old each kind of data was at as-of; what is not there at all is left out."""
    rows = view.loc[view["newest_data"].notna()].rename(columns={"newest_data": "newest"})
    rows = rows.assign(
        what=rows["table_name"].map(KINDS_OF_DATA).fillna(rows["table_name"]),
        source="lake: " + rows["table_name"],
        age_hours=(pd.Timestamp(inputs.as_of) - rows["newest"]).dt.total_seconds() / 3600.0,
        note="loaded " + rows["newest_load"].dt.strftime("%Y-%m-%d %H:%M UTC"),
    )
    dates = inputs.options.get("price_as_of", pd.Series(dtype="datetime64[us, UTC]")).dropna()
    if len(dates):
        span = f"from {dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}"
        rows["note"] = rows["note"].where(rows["what"].ne("prices"), f"prices used are {span}")
    return rows[list(FRAMES["freshness"])].reset_index(drop=True)


def other_currencies(spend: pd.DataFrame, shown: str) -> list[str]:
    """What the spend tables leave out, since currencies are never added up."""
    rest = spend.loc[~spend["currency"].eq(shown)].groupby("currency")["billed_cost"].sum()
    return [
        f"not shown: {amount:,.2f} {currency} billed in another currency" for currency, amount in rest.items()
    ]


def record_plan(lake: Lake, plan: CapacityPlan | PlacementPlan, path: Path) -> None:
    """Keep a plan's summary in the lake; the same plan again changes nothing."""
    kind = plan.plan_schema.removesuffix("-plan/1")
    row = pd.DataFrame(
        {
            "hash": [plan.hash],
            "cost_usd": [plan.expected_cost_usd],
            "current_cost_usd": [np.nan if plan.current_cost_usd is None else plan.current_cost_usd],
            "bound_usd": [plan.proof.bound_usd],
            "gap": [plan.proof.gap_share],
            "status": [plan.proof.stopped_by],
            "path": [path.name],
        }
    )
    known = lake.read("plans")
    same = known["hash"].eq(plan.hash) & known["kind"].eq(kind)
    if not same.any():
        lake.replace("plans", {"as_of": plan.as_of, "kind": kind}, row)
