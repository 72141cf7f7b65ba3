"""Backtests of a workspace: the very forecasts of the command, what came true on their grid, the lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from models import backtest
from models.peers import OURS, contenders, forecasters, of
from optimizer import backtest_forecasts
from optimizer.backtest_forecasts import Judged, cases, known_at, of_workspace, ratios_for, store_scores
from optimizer.demand import forecast_demand
from optimizer.errors import InputError
from optimizer.forecasts import request_series
from optimizer.inputs import Inputs
from optimizer.known import Beforehand, known_of
from tests.models.frames_of import demand
from tests.optimizer.worlds import AS_OF, catalogue, history, option, workload, world

HORIZON = pd.Timedelta(6, unit="h")
NOW = pd.Timestamp(AS_OF)


def inputs_of(*rows: pd.DataFrame) -> Inputs:
    names = [str(frame["workload"].iloc[0]) for frame in rows]
    return world([workload(name) for name in names], catalogue(option("a")), rows)


def two_workloads(days: int = 5) -> Inputs:
    """One counted every ten minutes, one every hour."""
    fast = history([600 * rate for rate in demand(days, per_day=144)], "fast")
    slow = history([1200 * rate for rate in demand(days, seed=1)], "slow", interval_s=3600)
    return inputs_of(fast, slow)


def judge(inputs: Inputs, **changes: Any) -> Judged:
    asked: dict[str, Any] = {
        "since": None, "horizon": HORIZON, "origins": 2, "levels": (0.5, 0.99), "quantile": 0.99,
        "progress": lambda _: None,
    }  # fmt: skip
    return of_workspace(inputs, **(asked | changes))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seasonal naive alone and under our name."""

    def models(freq: pd.Timedelta, **_: object) -> list[backtest.Contender]:
        naive = of(forecasters(freq)[0])
        return [naive, replace(naive, name=OURS)]

    monkeypatch.setattr(backtest_forecasts, "contenders", models)


def test_ours_are_the_forecasts_that_the_command_would_have_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(freq: pd.Timedelta, **known: Any) -> list[backtest.Contender]:
        return [one for one in contenders(freq, **known) if one.name in {OURS, "seasonal_naive"}]

    monkeypatch.setattr(backtest_forecasts, "contenders", first)
    inputs = two_workloads()
    event = {"name": "sale", "start": NOW - HORIZON, "end": NOW, "factor": 3.0}
    told = {"time_zone": "Asia/Tokyo", "holidays": "JP", "known_events": [event]}
    inputs = replace(inputs, workloads=(workload("fast", **told), workload("slow")))
    said = known_of(inputs.workloads, AS_OF)
    found = judge(inputs)
    made = found.test.forecasts
    made = made.loc[made["model"].eq(OURS)]
    assert set(made["unique_id"]) == {"fast"}
    for origin, rows in made.groupby("origin"):
        then = request_series(known_at(inputs, pd.Timestamp(origin)))  # type: ignore[arg-type]
        own = forecast_demand(then, horizon=HORIZON, levels=found.test.levels, beforehand=Beforehand(said))
        own = own.loc[own["unique_id"].eq("fast")]
        assert (own["ds"].to_numpy() == rows["ds"].to_numpy()).all()
        for level in found.test.levels:
            np.testing.assert_array_equal(own[f"q{level:g}"], rows[f"q{level:g}"])
    assert made["origin"].max() == NOW - HORIZON


def test_what_came_true_stands_on_the_grid_of_the_forecast(cheap: None) -> None:
    counted = np.arange(144.0 * 4) + 1.0
    counted[-3] = np.nan
    inputs = inputs_of(history(list(counted), "fast"))
    test = judge(inputs, origins=1).test
    rows = test.forecasts.loc[test.forecasts["model"].eq(OURS)]
    assert rows["ds"].tolist() == list(pd.date_range(NOW - HORIZON, periods=36, freq="10min"))
    np.testing.assert_allclose(rows["y"], counted[-36:] / 600)
    assert test.scores["points"].tolist() == [35, 35]


def test_each_length_of_slot_is_a_case(cheap: None) -> None:
    found = list(cases(two_workloads(), [NOW - HORIZON], HORIZON))
    assert [(case.known.freq, case.actual.shape[1]) for case in found] == [
        (pd.Timedelta(10, unit="min"), 36), (pd.Timedelta(1, unit="h"), 6)
    ]  # fmt: skip
    scores = judge(two_workloads()).test.scores
    assert scores.groupby("unique_id")["points"].first().to_dict() == {"fast": 72, "slow": 12}


def test_demand_after_an_origin_changes_no_forecast_made_there(cheap: None) -> None:
    inputs = two_workloads()
    planted = replace(
        inputs,
        demand=inputs.demand.assign(
            requests=inputs.demand["requests"].where(inputs.demand["ts"] < NOW - HORIZON, 1e7)
        ),
    )
    one, other = (judge(each, origins=1).test.forecasts for each in (inputs, planted))
    pd.testing.assert_frame_equal(one.drop(columns="y"), other.drop(columns="y"))
    assert not np.allclose(one["y"], other["y"])


def test_an_interval_that_had_not_ended_at_an_origin_is_not_known() -> None:
    half_past = AS_OF - timedelta(minutes=30)
    slow = history([1200 * rate for rate in demand(5)], "slow", interval_s=3600, end=half_past)
    new = history([5.0] * 20, "new")
    begun = slow.loc[slow["ts"] + pd.Timedelta(1, unit="h") > NOW - HORIZON].index[0]
    assert slow.loc[begun, "ts"] < NOW - HORIZON
    planted = slow.assign(requests=slow["requests"].where(slow.index < begun, 1e7))
    known = []
    for rows in (slow, planted):
        (case,) = cases(inputs_of(rows, new), [NOW - HORIZON], HORIZON)
        assert case.known.ids.tolist() == ["slow"]  # the new one began later
        known.append(case.known.y)
    np.testing.assert_array_equal(*known)
    assert np.isfinite(known[0][0, -2])


def test_nothing_after_as_of_is_read(cheap: None) -> None:
    inputs = two_workloads()
    earlier = NOW - pd.Timedelta(1, unit="D")
    cut = known_at(inputs, earlier)
    found = judge(replace(inputs, as_of=earlier.to_pydatetime()))
    assert found.run == judge(cut).run
    pd.testing.assert_frame_equal(found.test.scores, judge(cut).test.scores)
    assert found.test.last == earlier - HORIZON
    assert found.history["ds"].max() < earlier


def test_origins_begin_where_asked_and_two_seasons_after_the_first_row(cheap: None) -> None:
    inputs = two_workloads(8)
    since = AS_OF - timedelta(days=1)
    late = judge(inputs, since=since, origins=4).test
    assert late.first >= pd.Timestamp(since)
    assert (late.last, late.origins) == (NOW - HORIZON, 4)
    early = judge(inputs, since=AS_OF - timedelta(days=300), origins=3).test
    assert early.first == NOW - pd.Timedelta(6, unit="D")


@pytest.mark.parametrize(
    ("days", "since", "word"),
    [(1, None, "demand from 2026-05-11"), (5, AS_OF, "from 2026-05-12 03:00 on")],
)
def test_too_little_to_judge_is_told(days: int, since: Any, word: str) -> None:
    with pytest.raises(InputError, match=r"found demand from .* expected 2 days") as error:
        judge(two_workloads(days), since=since)
    assert word in str(error.value)


def test_no_demand_is_told() -> None:
    with pytest.raises(InputError, match="found no rows; expected demand of a workload"):
        judge(world([workload("web")], catalogue(option("a")), [history([1.0], "stranger")]))


def test_the_plans_quantile_sets_what_a_short_unit_costs(cheap: None) -> None:
    assert ratios_for(0.99) == (99.0, 999.0)
    assert ratios_for(0.95) == (19.0, 99.0, 999.0)
    found = judge(two_workloads(), quantile=0.95)
    assert found.champion is not None
    assert found.champion.cost_ratio == 19.0
    assert found.table.columns[3] == "plan_cost_19"
    assert (found.series, found.points) == (2, 72 + 12)


def test_scores_are_kept_once(tmp_path: Path, cheap: None) -> None:
    found = judge(two_workloads())
    with Lake.open(tmp_path) as lake:
        assert store_scores(lake, found)
        after = len(lake.snapshots())
        assert not store_scores(lake, judge(two_workloads()))
        assert len(lake.snapshots()) == after
        rows = lake.read("forecast_scores")
        assert len(rows) == len(found.test.scores) == 4
        assert set(rows["run"]) == {found.run}
        scores = found.test.scores.set_index(["model", "unique_id"])
        kept = rows.set_index(["model", "unique_id"]).loc[scores.index]
        np.testing.assert_array_equal(kept["coverage_q999"], scores["coverage_q0.999"])
        np.testing.assert_array_equal(kept["plan_cost_99"], scores["plan_cost_99"])
        assert kept["is_champion"].groupby("model").all().to_dict() == {OURS: False, "seasonal_naive": True}
        assert (kept["horizon_s"] == 6 * 3600).all()


def test_another_question_or_other_demand_is_another_run_and_other_numbers_replace(
    tmp_path: Path, cheap: None
) -> None:
    inputs = two_workloads()
    changed = replace(inputs, demand=inputs.demand.assign(requests=inputs.demand["requests"] + 1.0))
    runs = {judge(inputs).run, judge(inputs, horizon=2 * HORIZON).run, judge(changed).run}
    assert len(runs) == 3
    found = judge(inputs)
    better = replace(found, test=replace(found.test, scores=found.test.scores.assign(wql=0.0)))
    with Lake.open(tmp_path) as lake:
        assert store_scores(lake, found)
        assert store_scores(lake, better)
        rows = lake.read("forecast_scores")
        assert len(rows) == 4
        assert (rows["wql"] == 0).all()


def test_a_workload_without_demand_has_no_cost_rather_than_none(tmp_path: Path, cheap: None) -> None:
    idle = history([0.0] * 144 * 4, "idle")
    found = judge(inputs_of(idle))
    assert found.champion is None
    with Lake.open(tmp_path) as lake:
        store_scores(lake, found)
        assert lake.read("forecast_scores")["plan_cost_99"].isna().all()
        assert not store_scores(lake, found)
