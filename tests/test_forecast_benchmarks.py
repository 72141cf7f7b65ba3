"""Forecasts of the past are made from the past alone, judged alike for all, and compared with an interval."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import forecast_speed, panels, peers
from benchmarks.compare import Losses, ratio
from benchmarks.forecast import SLOW, quality
from benchmarks.inputs import START
from benchmarks.measure import Outcome, Result, Sample, machine
from benchmarks.peers import DayMax, LastValue, Local, without_gaps
from benchmarks.registry import Contender, Prepared, Unavailable
from benchmarks.replays import Case, Task, fitted, judge, ladder, long, losses, plain
from benchmarks.results import compared_rows, document, markdown, rich_tables
from models.frames import Panel, check_series
from models.seasonal import LastWindow, SeasonalNaive

TASK = Task("1h", 24, (24, 48), before=(72, 96, 120, 144), few=(24,), few_before=(48, 72, 96, 120))
LEVELS = np.array([0.5, 0.9, 0.99])


def frame(days: int = 9, series: int = 3) -> pd.DataFrame:
    made = forecast_speed.many_series(series, days * 24)
    return made.assign(unique_id=made["unique_id"].astype("str"))


def case(rows: pd.DataFrame | None = None, task: Task = TASK) -> Case:
    panel = check_series(frame() if rows is None else rows, "1h")
    return Case(panel, panel, task)


def test_the_ratio_is_of_means_over_units_judged_on_both_sides() -> None:
    found = ratio([1.0, 3.0, math.nan, 9.0], [2.0, 2.0, 5.0, math.nan])
    assert found.middle == 1.0
    assert found.units == 2
    assert found.no_worse_share == 0.5
    assert found.low == 0.5  # both draws the first unit
    assert found.high == 1.5


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.floats(0.1, 3))
@settings(max_examples=20, deadline=None)
def test_a_peer_that_costs_so_many_times_as_much_everywhere_has_no_spread(
    ours: list[float], times: float
) -> None:
    found = ratio(ours, [times * one for one in ours])
    np.testing.assert_allclose([found.low, found.middle, found.high], 1 / times, rtol=1e-9)


def test_nothing_in_common_is_no_ratio() -> None:
    found = ratio([1.0, math.nan], [math.nan, 1.0])
    assert math.isnan(found.middle)
    assert found.units == 0


def outcome() -> Outcome:
    """A subject judged on two sets of origins, and a slow peer that was judged on one of them."""
    ours = (
        Losses("", "2 origins", [1.0, 1.0], {"cost": 1.0}),
        Losses("", "1 origins", [2.0, 2.0], {"cost": 2.0}),
    )
    theirs = (Losses("raw", "1 origins", [4.0, 4.0], {"cost": 4.0}),)
    results = (
        Result("ours", (Sample(1.0, 1.0, 50.0, {"cost": 1.0}, ours),)),
        Result("quick", (Sample(1.0, 1.0, 50.0, {"cost": 1.0}, ours),)),
        Result("slow", (Sample(9.0, 9.0, 50.0, {"cost": 4.0}, theirs),)),
        Result("absent", (), "not installed"),
    )
    benchmark = quality("forecast-x", "What is done.", panel=panels.tuned, task=TASK, series=2, peers=())
    return Outcome(benchmark, "small", Prepared("a panel", 10.0, "steps"), results)


def test_a_peer_is_compared_over_its_own_origins() -> None:
    _, *body = compared_rows(outcome())
    assert [row[0] for row in body] == ["ours", "ours", "quick", "slow"]
    assert body[-1][1:3] == ["raw", "1 origins"]
    assert "0.50 [0.50, 0.50]" in body[-1]
    assert "100% of 2" in body[-1]
    facts = machine()
    assert document(outcome(), facts)["compared"][-1]["ratio"]["middle"] == 0.5
    assert "| slow | raw | 1 origins |" in markdown(outcome(), facts)
    assert len(rich_tables(outcome())) == 2


def test_windows_and_the_last_value_by_hand() -> None:
    y = [9.0] * 24 + [1.0] * 22 + [5.0, np.nan]
    ds = pd.date_range(START, periods=48, freq="h")
    panel = check_series(pd.DataFrame({"unique_id": "a", "ds": ds, "y": y}), "1h")
    assert DayMax().quantiles(panel, 2, LEVELS).tolist() == [[[5.0] * 3] * 2]
    assert LastValue().quantiles(panel, 2, LEVELS).tolist() == [[[5.0] * 3] * 2]


def test_gaps_are_filled_in_a_straight_line_and_the_beginning_is_left_out() -> None:
    filled = without_gaps(np.array([np.nan, 1.0, np.nan, 3.0, np.nan]))
    assert filled.tolist() == [1.0, 2.0, 3.0, 3.0]
    assert without_gaps(np.full(3, np.nan)).size == 0


def last_season(y: np.ndarray, period: int, steps: int, levels: tuple[float, ...]) -> np.ndarray:
    if y.max() > 1e4:
        raise ValueError("refused")
    return np.repeat(y[-period:][:steps, None], len(levels), axis=1)


def test_a_local_model_sees_its_series_alone_and_the_last_season_stands_in_for_it() -> None:
    rows = frame()
    rows.loc[rows["unique_id"] == "s000001", "y"] = 1e5
    panel = check_series(rows, "1h")
    model = Local("last season", last_season, "numpy")
    made = model.replay(panel, np.array([0, 24]), 24, LEVELS)
    np.testing.assert_array_equal(made[0, 0, :, 2], panel.y[0, -24:])
    np.testing.assert_array_equal(made[1, 0, :, 2], panel.y[0, -48:-24])
    naive = SeasonalNaive().quantiles(panel, 24, LEVELS)
    np.testing.assert_array_equal(made[0, 1], naive[1])


def test_processes_change_nothing() -> None:
    panel, backs = check_series(frame(), "1h"), np.arange(0, 96, 24)
    one, two = (Local("", last_season, "numpy", processes=n).replay(panel, backs, 24, LEVELS) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_peer_that_is_not_installed_says_so() -> None:
    with pytest.raises(Unavailable, match="no_such_package is not installed"):
        Local("x", last_season, "no_such_package").quantiles(check_series(frame(), "1h"), 2, LEVELS)


def test_quantiles_are_the_ends_of_prediction_intervals() -> None:
    pytest.importorskip("statsforecast", reason="a peer that is not installed here")
    y = frame(days=5, series=1)["y"].to_numpy()
    for fit in (peers.auto_ets, peers.mstl):
        made = fit(y, 24, 6, (0.01, 0.5, 0.9, 0.99))
        assert made.shape == (6, 4)
        assert (np.diff(made, axis=1) > 0).all()
    np.testing.assert_allclose(made[:, 0] + made[:, 3], 2 * made[:, 1], rtol=1e-6)  # additive: symmetric


def test_stored_fits_give_what_the_model_itself_gives() -> None:
    given = case()
    quick, stored = plain(LastWindow())(given), fitted(LastWindow())(given)
    np.testing.assert_allclose(stored["raw"], quick["raw"])
    assert (stored["calibrated"] != stored["raw"]).any()
    assert len(fitted(LastWindow(), few=True)(given)["raw"]) == 1


def test_what_came_later_changes_no_forecast() -> None:
    rows = frame()
    later = rows["ds"] >= rows["ds"].max() - pd.Timedelta(23, unit="h")
    changed = rows.assign(y=rows["y"].where(~later, rows["y"] * 7 + 3))
    one_origin = Task("1h", 24, (24,))
    for run, task in (
        (ladder, one_origin),
        (plain(LastWindow(seasons=7)), TASK),
        (fitted(SeasonalNaive()), TASK),
    ):
        one, other = run(case(rows, task)), run(case(changed, task))
        for variant, values in one.items():
            np.testing.assert_array_equal(values, other[variant])


def test_a_panel_as_a_long_frame_is_the_same_panel() -> None:
    rows = frame()
    rows = rows[(rows["unique_id"] != "s000001") | (rows["ds"] > START + pd.Timedelta(2, unit="D"))]
    rows.loc[rows.index[-3:], "y"] = np.nan
    panel = check_series(rows, "1h")
    again = check_series(long(panel), "1h")
    np.testing.assert_array_equal(again.y, panel.y)
    pd.testing.assert_index_equal(again.end, panel.end)
    pd.testing.assert_index_equal(again.start, panel.start)


def test_the_cost_of_a_plan_by_hand() -> None:
    y = np.full((1, 72), 10.0)
    panel = Panel(
        pd.Index(["a"]), y, pd.DatetimeIndex([START]), pd.DatetimeIndex([START + pd.Timedelta(71, unit="h")]),
        pd.Timedelta(1, unit="h"),
    )  # fmt: skip
    given = Case(panel, panel, Task("1h", 2, (24,)))
    (found,) = losses(given, {"raw": np.array([[[12.0, 9.0]]])})
    assert found.by_unit == [pytest.approx((2 + 99) / 2 / 10)]
    assert found.facts["covered"] == 0.5
    assert judge(given, {"raw": np.array([[[12.0, 9.0]]])})["uncovered"] == 0.5


def test_a_series_with_too_little_history_is_not_judged() -> None:
    rows = frame()
    short = (rows["unique_id"] != "s000001") | (rows["ds"] > rows["ds"].max() - pd.Timedelta(60, unit="h"))
    given = case(rows[short])
    y = given.actual(TASK.backs)
    assert np.isnan(y[:, 1]).all()  # 36 hours before one origin, 12 before the other
    assert np.isfinite(y[:, [0, 2]]).all()
    assert np.isnan(plain(LastWindow())(given)["raw"][:, 1]).all()


def test_every_contender_runs_on_real_or_generated_series(tmp_path: Path) -> None:
    task = dataclasses.replace(TASK, backs=(24,), before=(), few=(24,), few_before=())
    benchmark = quality("forecast-x", "", panel=panels.tuned, task=task, series=3, peers=SLOW[:1])
    prepared = benchmark.prepare(tmp_path, 3)
    assert "3 series" in prepared.source
    given = benchmark.load(tmp_path)
    found = benchmark.judge(given, benchmark.subject.run(given))
    assert 0 < found["cost"] < 100
    assert 0 <= found["uncovered"] < 0.5


def test_panels_share_no_series_and_have_the_size_they_say(shared: Path) -> None:
    tuned, held_out = (set(panel()[0]["unique_id"]) for panel in (panels.tuned, panels.held_out))
    assert len(tuned) == 52
    assert len(held_out) == 91
    assert not tuned & held_out


def test_many_series_are_forecast_and_timed() -> None:
    made = forecast_speed.ladder_day(forecast_speed.many_series(3))
    assert len(made.frame) == 3 * 24
    assert made.seconds > 0
    again: Contender[pd.DataFrame, forecast_speed.Timed] = forecast_speed.again(5)
    rows = frame(days=3, series=1).assign(ds=lambda f: START + (f["ds"] - START) / 60)
    assert len(again.run(rows.assign(ds=rows["ds"].dt.as_unit("us"))).frame) == 5
