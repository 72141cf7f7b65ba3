"""The report's data: the headline adds up, nothing counts twice, an empty lake still gives a report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from optimizer import screen
from optimizer.capacity_rows import capacity_rows
from optimizer.demand import REQUESTS
from optimizer.forecasts import forecast_requests, store_forecasts
from optimizer.inputs import Inputs
from optimizer.layout import Layout
from optimizer.placement import plan_placement
from optimizer.plan import PlacementPlan
from optimizer.recommend import DAYS_PER_MONTH
from optimizer.report.data import FRAMES, ReportData
from optimizer.report.render import render
from optimizer.reporting import (
    came_true,
    demand_history,
    other_currencies,
    record_plan,
    report_data,
)
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, batch, catalogue, history, option, steady, workload, world

NOW = pd.Timestamp(AS_OF)


def shop() -> Inputs:
    """Two planned workloads, a new one and a held one; a commitment that pays."""
    rows = catalogue(
        option("a", 2.0), option("b", 1.5, instance_type="big"), option("c", 1.0, purchase="commitment")
    )
    names = [
        workload(),
        workload("api", pinned=["a"]),
        workload("new", pinned=["a"]),
        workload("kept", do_not_touch=True),
    ]
    demand = [steady(28.0), steady(8.0, "api"), steady(8.0, "new")]
    running = {("web", "a"): 6, ("api", "a"): 1, ("kept", "b"): 2}
    return world(names, rows, demand, running=running)


@pytest.fixture(scope="module")
def planned() -> tuple[Inputs, PlacementPlan]:
    inputs = shop()
    return inputs, plan_placement(inputs, worlds.settings())[0]


@pytest.fixture(scope="module")
def report(planned: tuple[Inputs, PlacementPlan], tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    return report_data(Layout(tmp_path_factory.mktemp("empty")), *planned)


def test_an_empty_lake_gives_a_valid_report(report: ReportData) -> None:
    for name, columns in FRAMES.items():
        assert set(columns) <= set(getattr(report, name).columns)
    assert (len(report.spend), len(report.forecasts)) == (0, 0)
    assert report.currency == "USD"
    assert report.solver is not None
    assert report.solver.gap_share is not None


def test_the_headline_adds_up(report: ReportData, planned: tuple[Inputs, PlacementPlan]) -> None:
    top, plan = report.headline, planned[1]
    assert top.current_usd_per_month == pytest.approx(24 * (7 * 2.0 + 2 * 1.5) * DAYS_PER_MONTH)
    assert top.current_usd_per_month - top.saving_usd_per_month_mid == pytest.approx(
        top.planned_usd_per_month
    )
    assert top.saving_usd_per_month_low <= top.saving_usd_per_month_mid <= top.saving_usd_per_month_high
    mids = {
        advised: sum(
            r.saving_usd_per_month_mid or 0.0
            for r in report.recommendations
            if (r.kind == "commitment") is advised
        )
        for advised in (False, True)
    }
    assert mids[False] == pytest.approx(top.saving_usd_per_month_mid)
    # The planned cost is the plan's own; commitments are advice on top.
    assert top.planned_usd_per_month == pytest.approx(plan.expected_cost_usd * DAYS_PER_MONTH, rel=1e-6)
    bought = sum(item.saving_usd_per_day for item in plan.commitments)
    assert bought > 0
    assert top.commitments_usd_per_month == pytest.approx(mids[True])
    assert mids[True] == pytest.approx(bought * DAYS_PER_MONTH)


def test_without_a_fleet_there_is_a_cost_but_no_saving(tmp_path: Path) -> None:
    inputs = worlds.without(shop(), fleet=worlds.fleet())
    made, _ = plan_placement(inputs, worlds.settings())
    top = report_data(Layout(tmp_path), inputs, made).headline
    assert top.current_usd_per_month is None
    assert top.saving_usd_per_month_mid is None
    assert top.planned_usd_per_month == pytest.approx(made.expected_cost_usd * DAYS_PER_MONTH)


def test_without_fleet_and_placements_there_are_no_capacity_rows(
    planned: tuple[Inputs, PlacementPlan],
) -> None:
    inputs, plan = planned
    bare = replace(inputs, fleet=inputs.fleet.iloc[:0])
    assert capacity_rows(plan.model_copy(update={"placements": ()}), bare).empty


def test_capacity_rows_are_means_over_the_day_at_list_price(planned: tuple[Inputs, PlacementPlan]) -> None:
    inputs, plan = planned
    rows = capacity_rows(plan, inputs).set_index(["workload", "option_id"])
    assert rows.loc[("kept", "b"), ["current_replicas", "planned_replicas"]].tolist() == [2.0, 2.0]
    assert rows.loc[("new", "a"), ["current_replicas", "planned_replicas"]].tolist() == [0.0, 1.0]
    assert 24 * rows["planned_usd_per_hour"].sum() == pytest.approx(plan.expected_cost_usd)
    assert 24 * rows["current_usd_per_hour"].sum() == pytest.approx(plan.current_cost_usd)
    assert rows.index.is_unique


def test_history_is_the_last_week_with_gaps() -> None:
    counted = history([np.nan if k % 7 == 0 else 600.0 for k in range(144 * 9)])
    found = demand_history(world([workload()], catalogue(option("a")), [counted]))
    assert found["ds"].min() == NOW - pd.Timedelta(days=7)
    assert found["ds"].max() == NOW - pd.Timedelta(minutes=10)
    assert found["actual"].dropna().unique().tolist() == pytest.approx([1.0])
    assert found["actual"].isna().sum() > 100


def stored(inputs: Inputs, origin: pd.Timestamp) -> pd.DataFrame:
    """A forecast as the lake gives it back."""
    levels, slots = [0.1, 0.5, 0.9, 0.99], pd.date_range(origin, periods=144, freq="10min", unit="us")
    rows = [("web", origin, ds, "m", level, level) for ds in slots for level in levels]
    return pd.DataFrame(rows, columns=["unique_id", "origin", "ds", "model", "quantile", "value"])


@pytest.mark.parametrize("late_s", [0, 30, 599])
def test_what_came_true_stands_beside_its_own_slot_and_the_future_is_unknown(late_s: int) -> None:
    counted = history([float(k) for k in range(300)])
    inputs = world([workload()], catalogue(option("a")), [counted])
    origin = NOW - pd.Timedelta(hours=2, seconds=late_s)
    made = came_true(stored(inputs, origin), inputs)
    assert len(made) == 144
    known = made.loc[made["actual"].notna()]
    assert (made.loc[made["ds"] + pd.Timedelta("10min") > NOW, "actual"].isna()).all()
    assert len(known) == 12
    by_start = counted.set_index("ts")["requests"] / 600.0
    for ds, actual in zip(known["ds"], known["actual"], strict=True):
        inside = by_start[(by_start.index >= ds) & (by_start.index < ds + pd.Timedelta("10min"))]
        assert actual == pytest.approx(inside.iloc[0])
    assert made["q0.9"].unique().tolist() == [0.9]


def test_forecasts_of_yesterday_and_today_are_both_shown(tmp_path: Path) -> None:
    layout, inputs = Layout(tmp_path), shop()
    made, _ = plan_placement(inputs, worlds.settings())
    for origin in (AS_OF - timedelta(days=1, seconds=20), AS_OF, AS_OF - timedelta(days=3)):
        before = worlds.without(inputs, as_of=origin, demand=inputs.demand.loc[inputs.demand["ts"] < origin])
        with Lake.open(layout.lake) as lake:
            ahead = forecast_requests(before, pd.Timedelta("24h"))
            store_forecasts(lake, ahead, metric=REQUESTS, origin=origin)
    shown = report_data(layout, inputs, made).forecasts
    assert shown["origin"].nunique() == 2
    told = shown.groupby("origin")["actual"].agg(lambda values: int(values.notna().sum()))
    assert told.iloc[1] == 0
    assert told.iloc[0] >= 3 * 143


def test_currencies_are_never_added_up() -> None:
    spend = pd.DataFrame({"currency": ["USD", "EUR", "EUR", "JPY"], "billed_cost": [1.0, 2.0, 3.5, 100.0]})
    told = other_currencies(spend, "USD")
    assert told == [
        "not shown: 5.50 EUR billed in another currency",
        "not shown: 100.00 JPY billed in another currency",
    ]


def test_a_plan_is_recorded_once(tmp_path: Path, planned: tuple[Inputs, PlacementPlan]) -> None:
    layout = Layout(tmp_path)
    with Lake.open(layout.lake) as lake:
        for _ in range(2):
            record_plan(lake, planned[1], tmp_path / "plans" / "p.json")
        rows, states = lake.read("plans"), len(lake.snapshots())
    assert rows[["hash", "kind", "path"]].to_numpy().tolist() == [[planned[1].hash, "placement", "p.json"]]
    with Lake.open(layout.lake) as lake:
        record_plan(lake, planned[1].model_copy(update={"hash": "other"}), tmp_path / "q.json")
        assert lake.read("plans")["hash"].tolist() == ["other"]
        assert len(lake.snapshots()) == states + 1


def test_hostile_names_reach_the_report_as_they_are(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>|{{7*7}}"
    inputs = world([workload(name)], catalogue(option("a")), [steady(8.0, name)], running={(name, "a"): 5})
    made, _ = plan_placement(inputs, worlds.settings())
    data = report_data(Layout(tmp_path), inputs, made)
    assert set(data.capacity["workload"]) == {name}
    assert [r.target for r in data.recommendations] == [name]


def test_a_workload_that_cannot_be_served_saves_nothing_and_is_planned_with_nothing(tmp_path: Path) -> None:
    rows = catalogue(option("a", 2.0, quota=0.0), option("b", 1.0))
    names = [workload(pinned=["a"]), workload("api", pinned=["b"])]
    running = {("web", "a"): 5, ("api", "b"): 3}
    inputs = world(names, rows, [steady(18.0), steady(18.0, "api")], running=running)
    made, _ = plan_placement(inputs, worlds.settings())
    data = report_data(Layout(tmp_path), inputs, made)
    top = data.headline
    assert top.unserved == ("web",)
    assert top.saving_usd_per_month_mid == pytest.approx(1.0 * 24 * DAYS_PER_MONTH)
    assert top.planned_usd_per_month == pytest.approx((5 * 2.0 + 2 * 1.0) * 24 * DAYS_PER_MONTH)
    planned = data.capacity.set_index("workload")["planned_replicas"]
    assert planned.to_dict() == {"web": 0.0, "api": 2.0}
    assert "but not for web" in render(data).markdown
    assert "but not for web" in render(data).html


def test_work_that_is_done_once_is_in_no_number_per_month(tmp_path: Path) -> None:
    due = batch(work_units=10.0 * 3600 * 24 * 2, deadline=AS_OF.replace(hour=0) + timedelta(days=2))
    running = {("web", "a"): 6, ("etl", "a"): 3}
    inputs = world([workload(), due], catalogue(option("a", 2.0)), [steady(28.0)], running=running)
    made, _ = plan_placement(inputs, worlds.settings(blocks_per_day=1))
    data = report_data(Layout(tmp_path), inputs, made)
    top = data.headline
    assert (top.once, top.once_usd) == (("etl",), pytest.approx(48.0))
    assert top.current_usd_per_month == pytest.approx(6 * 2.0 * 24 * DAYS_PER_MONTH)
    assert top.saving_usd_per_month_mid == pytest.approx(3 * 2.0 * 24 * DAYS_PER_MONTH)
    assert top.planned_usd_per_month == pytest.approx(3 * 2.0 * 24 * DAYS_PER_MONTH)
    assert "once: saves USD 48" in render(data).markdown
    assert "once: saves $48" in render(data).html
    alone = report_data(Layout(tmp_path), worlds.without(inputs, fleet=worlds.fleet()), made).headline
    assert alone.planned_usd_per_month == pytest.approx(top.planned_usd_per_month)


def test_an_unknown_present_cost_is_said_and_counts_in_no_number(tmp_path: Path) -> None:
    running = {("web", "gone"): 6, ("api", "a"): 3}
    demand = [steady(18.0), steady(18.0, "api")]
    inputs = world([workload(), workload("api")], catalogue(option("a", 2.0)), demand, running=running)
    made, _ = plan_placement(inputs, worlds.settings())
    data = report_data(Layout(tmp_path), inputs, made)
    top = data.headline
    assert top.unpriced == ("web",)
    assert top.current_usd_per_month == pytest.approx(3 * 2.0 * 24 * DAYS_PER_MONTH)
    assert top.planned_usd_per_month == pytest.approx(2 * 2.0 * 24 * DAYS_PER_MONTH)
    row = next(r for r in data.recommendations if r.target == "web")
    assert row.saving_usd_per_month_mid is None
    assert "without web, of unknown cost" in render(data).markdown
    shown = screen.present_usd(made)
    assert shown == "144.00 USD without 1 workload of unknown cost (web)"
