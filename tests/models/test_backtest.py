from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from models.backtest import (
    LEVELS,
    Backtest,
    Case,
    as_of,
    at_moments,
    moments_between,
    rolling,
    run,
    spaced,
    usual_distance,
)
from models.conformal import Conformal
from models.frames import FloatArray, FrameError, Panel, check_series, level_column
from models.ladder import forecast
from models.peers import OURS, Contender, LastValue, Margin, SeasonMax, contenders, forecasters, of
from models.seasonal import SeasonalNaive
from tests.models.frames_of import START, cycle, demand, long_frame

HOUR = pd.Timedelta(1, unit="h")


def hourly(days: int = 9, **series: list[float]) -> Panel:
    given = series or {"a": demand(days), "b": demand(days, seed=1), "c": demand(days - 3, seed=2)}
    return check_series(long_frame(given), "1h", non_negative=True)


def oracle(truth: Panel) -> Contender:
    """Knows what comes."""

    def quantiles(panel: Panel, steps: int, levels: FloatArray) -> FloatArray:
        rows = truth.ids.get_indexer(panel.ids)
        back = ((truth.end[rows] - panel.end) // truth.freq).to_numpy()
        ahead = truth.steps - back[:, None] + np.arange(steps)
        return np.repeat(truth.y[rows[:, None], ahead][:, :, None], levels.size, axis=-1)

    return Contender("oracle", quantiles)


def naive(_: pd.Timedelta) -> Iterator[Contender]:
    yield of(SeasonalNaive())


def backtest_of(panel: Panel, steps: int = 12, count: int = 3, **more: object) -> Backtest:
    cases, _ = rolling(panel, steps, count)
    return run(cases, panel.ids, **more)  # type: ignore[arg-type]


# -- origins ---------------------------------------------------------------------------------------------


def test_origins_keep_their_distance_where_there_is_room() -> None:
    assert spaced(100, 3, 32).tolist() == [64, 32, 0]
    assert spaced(40, 3, 32).tolist() == [40, 20, 0]
    assert spaced(100, 3).tolist() == [100, 50, 0]
    assert spaced(10, 4).tolist() == [10, 7, 3, 0]
    assert spaced(1, 5, 32).tolist() == [1, 0]
    assert spaced(0, 5, 32).tolist() == [0]
    assert spaced(100, 1, 32).tolist() == [0]


def test_usual_origins_fall_on_different_times_of_day() -> None:
    assert usual_distance(HOUR) == 32
    moments = moments_between(START, START + 200 * HOUR, HOUR, 4, usual_distance(HOUR))
    assert [moment.hour for moment in moments] == [8, 16, 0, 8]
    assert moments[-1] == START + 200 * HOUR
    assert moments_between(START, START - HOUR, HOUR, 4) == []


def test_rolling_counts_from_each_series_own_end() -> None:
    panel = hourly(a=demand(5), b=demand(4))
    cases, count = rolling(panel, 12, 2, 24)
    first, last = list(cases)
    assert count == 2
    assert first.origins.tolist() == [START + (120 - 36) * HOUR, START + (96 - 36) * HOUR]
    assert last.origins.tolist() == [START + (120 - 12) * HOUR, START + (96 - 12) * HOUR]
    np.testing.assert_array_equal(last.actual, panel.y[:, -12:])
    np.testing.assert_array_equal(last.known.y[0], panel.y[0, :-12])


def test_a_series_that_had_not_begun_is_left_out() -> None:
    panel = check_series(pd.concat([long_frame({"old": demand(5)}), long_frame({"new": demand(1)})]), "1h")
    cases, _ = rolling(panel, 12, 2, 24)
    assert [case.known.ids.tolist() for case in cases] == [["old"], ["new", "old"]]


def test_series_too_short_are_told() -> None:
    with pytest.raises(FrameError, match="found at most 59 steps in a series; expected 60: 2 seasons known"):
        rolling(hourly(a=demand(3)[:59]), 12, 1)
    assert rolling(hourly(a=demand(3)[:60]), 12, 1)[1] == 1


def test_moments_cut_every_series_alike() -> None:
    late = long_frame({"late": demand(3)}, start=START + pd.Timedelta(2, unit="D"))
    panel = check_series(pd.concat([long_frame({"a": demand(5), "gone": demand(2)}), late]), "1h")
    moment = START + pd.Timedelta(3, unit="D")
    (case,) = at_moments(panel, [moment], 6)
    assert case.known.ids.tolist() == ["a", "gone", "late"]
    assert (case.origins == moment).all()
    np.testing.assert_array_equal(case.actual[0], panel.y[0, 72:78])
    np.testing.assert_array_equal(case.known.y[0, -72:], panel.y[0, :72])
    assert np.isnan(case.actual[1]).all()
    assert np.isnan(case.known.y[1, -24:]).all()
    np.testing.assert_array_equal(case.known.y[1, -72:-24], panel.y[1, -48:])
    np.testing.assert_array_equal(case.known.y[2, -24:], panel.y[2, -72:-48])


@pytest.mark.parametrize("minutes", [0, 1, 59])
def test_only_steps_that_had_ended_are_known(minutes: int) -> None:
    panel = hourly(a=[float(v) for v in range(72)])
    cut = as_of(panel, START + pd.Timedelta(60 * 50 + minutes, unit="min"))
    assert cut.y[0, -1] == 49.0
    assert cut.end[0] == START + 49 * HOUR


def test_an_outage_is_no_demand_that_came_true() -> None:
    values = [10.0] * (24 * 6)
    values[-8:-2] = [0.0] * 6
    (case,) = list(rolling(hourly(a=values), 12, 1)[0])
    assert np.isnan(case.actual[0, 4:10]).all()
    assert (case.actual[0, [0, 1, 2, 3, 10, 11]] == 10.0).all()


# -- running ---------------------------------------------------------------------------------------------


def test_an_oracle_scores_without_fault_and_others_do_not() -> None:
    panel = hourly()
    found = backtest_of(panel, models=lambda _: [oracle(panel), of(SeasonalNaive())])
    scores = found.scores.set_index(["model", "unique_id"])
    perfect = scores.loc["oracle"]
    for name in ("wql", "mase", "plan_cost_99", "plan_cost_999", *(f"pinball_q{p:g}" for p in LEVELS)):
        assert (perfect[name] == 0).all(), name
        assert (scores.loc["seasonal_naive", name] > 0).all(), name
    for level in LEVELS:
        assert (perfect[f"coverage_q{level:g}"] == 1).all()
    assert (scores["points"] == 36).all()
    assert found.origins == 3
    assert found.last == panel.end.max() - 11 * HOUR


def test_ours_is_the_very_forecast_of_the_command() -> None:
    frame = long_frame({"a": demand(9), "b": demand(9, seed=1)})
    panel = check_series(frame, "1h")
    found = backtest_of(panel, 12, 1, keep=["a", "b"], models=lambda freq: list(contenders(freq))[:1])
    for origin, made in found.forecasts.groupby("origin"):
        known = frame.loc[frame["ds"] < origin]
        own = forecast(known, freq="1h", horizon_steps=12, levels=found.levels)
        columns = ["unique_id", "ds", *map(level_column, found.levels)]
        pd.testing.assert_frame_equal(made[columns].reset_index(drop=True), own[columns], check_dtype=False)


def test_nobody_sees_what_comes() -> None:
    frame = long_frame({"a": demand(9), "b": demand(9, seed=1)})
    begin = START + pd.Timedelta(6, unit="D")
    planted = frame.assign(y=frame["y"].where(frame["ds"] < begin, 1e6 + 1e5 * (frame["ds"].dt.hour % 5)))
    made = []
    for given in (frame, planted):
        panel = check_series(given, "1h")
        cases = at_moments(panel, [begin, begin + 24 * HOUR], 24)
        made.append(run(cases, panel.ids, keep=["a", "b"]).forecasts.drop(columns="y"))
    first, later = (each["origin"].eq(begin) for each in made)
    assert first.sum() == 2 * 24 * 11
    pd.testing.assert_frame_equal(made[0].loc[first], made[1].loc[later])
    others = [each.loc[each["origin"].gt(begin), "q0.99"] for each in made]
    assert not np.allclose(*others)


def test_the_order_of_rows_and_models_does_not_matter() -> None:
    frame = long_frame({"a": demand(6), "b": demand(6, seed=1)})
    plain = backtest_of(check_series(frame, "1h"), models=lambda freq: map(of, forecasters(freq)))
    mixed = check_series(frame.sample(frac=1.0, random_state=1), "1h")
    again = backtest_of(mixed, models=lambda freq: map(of, reversed(forecasters(freq))))
    pd.testing.assert_frame_equal(plain.scores, again.scores)


def test_a_series_has_the_scores_it_has_alone() -> None:
    alone = backtest_of(hourly(a=demand(6)), models=naive).scores
    among = backtest_of(hourly(a=demand(6), b=demand(6, seed=1)), models=naive).scores
    pd.testing.assert_frame_equal(alone, among.loc[among["unique_id"].eq("a")])


def test_forecasts_are_kept_of_the_series_asked_for_beside_what_came_true() -> None:
    panel = hourly()
    found = backtest_of(panel, 6, 2, models=naive, keep=["b"]).forecasts
    assert list(found.columns[:5]) == ["unique_id", "origin", "ds", "model", "y"]
    assert set(found["unique_id"]) == {"b"}
    last = found.loc[found["origin"].eq(found["origin"].max())]
    np.testing.assert_array_equal(last["y"], panel.y[1, -6:])
    assert (last["ds"] - last["origin"]).tolist() == [k * HOUR for k in range(6)]
    assert backtest_of(panel, 6, 2, models=naive).forecasts.empty


def test_two_lengths_of_step_in_one_backtest() -> None:
    slow = check_series(long_frame({"slow": demand(6, per_day=4)}, "6h"), "6h")
    fast = hourly(fast=demand(6))
    cases = [*rolling(slow, 4, 2)[0], *rolling(fast, 24, 2)[0]]
    found = run(cases, ["fast", "slow"], models=naive)
    assert found.origins == 2
    assert found.scores["points"].tolist() == [48, 8]


def test_a_model_that_does_not_answer_is_a_fault() -> None:
    def silent(panel: Panel, steps: int, levels: FloatArray) -> FloatArray:
        return np.full((len(panel), steps, levels.size), np.nan)

    with pytest.raises(FrameError, match="series a: found no quantile from silent"):
        backtest_of(hourly(a=demand(6)), models=lambda _: [Contender("silent", silent)])
    with pytest.raises(FrameError, match="no series with history"):
        run([], ["a"], models=naive)
    with pytest.raises(FrameError, match="two quantile levels"):
        backtest_of(hourly(a=demand(6)), models=naive, levels=[0.99, 0.9900000001])


def test_levels_asked_for_are_forecast_beside_the_usual() -> None:
    found = backtest_of(hourly(a=demand(6)), models=naive, levels=[0.25], ratios=(19.0, 99.0))
    assert found.levels == (0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999)
    assert {"plan_cost_19", "plan_cost_99", "pinball_q0.25"} <= set(found.scores.columns)
    wql = 2 * found.scores["pinball_q0.25"] / found.scores["mean_demand"]
    np.testing.assert_allclose(found.scores["wql"], wql)


# -- peers -----------------------------------------------------------------------------------------------


def test_peers_by_hand() -> None:
    panel = hourly(a=[*range(24, 0, -1), *range(1, 24), np.nan])
    levels = np.array([0.5, 0.99])
    assert LastValue().quantiles(panel, 2, levels).tolist() == [[[23.0, 23.0]] * 2]
    assert SeasonMax().quantiles(panel, 2, levels).tolist() == [[[23.0, 23.0]] * 2]
    window = {one.name: one for one in forecasters(HOUR)}["window_7d"]
    assert window.quantiles(hourly(a=[99.0] * 24 + [1.0] * 168), 1, levels).tolist() == [[[1.0, 1.0]]]
    daily = {one.name: one for one in forecasters(pd.Timedelta(1, unit="D"))}["window_7d"]
    days = check_series(long_frame({"a": [99.0] * 7 + [1.0] * 7}, "1D"), "1D")
    assert daily.quantiles(days, 1, levels).tolist() == [[[1.0, 1.0]]]


def test_names_of_contenders_are_unique_and_every_peer_stands_twice() -> None:
    names = [one.name for one in contenders(HOUR)]
    assert names[0] == OURS
    assert len(set(names)) == len(names) == 11
    raw = [name for name in names[1:] if "+" not in name]
    assert sorted(names[1:]) == sorted([*raw, *(f"{name}+conformal" for name in raw)])


def test_a_margin_is_what_past_errors_ask_for_and_nothing_without_a_past() -> None:
    levels = np.array([0.1, 0.5, 0.99])
    long = hourly(a=demand(9))
    moved = Margin(LastValue()).quantiles(long, 6, levels)
    own = Conformal(LastValue(), max_origins=20, gives_spread=True).quantiles(long, 6, levels)
    np.testing.assert_array_equal(moved, own)
    assert (np.diff(moved, axis=-1) > 0).all()
    short = hourly(a=demand(1))
    np.testing.assert_array_equal(
        Margin(LastValue()).quantiles(short, 6, levels), LastValue().quantiles(short, 6, levels)
    )


def test_many_series_go_through_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = hourly(**{f"s{i}": demand(3, seed=i) for i in range(7)})
    levels = np.array([0.5, 0.99])
    whole = of(SeasonalNaive()).quantiles(panel, 6, levels)
    monkeypatch.setattr("models.peers.SHARD", 3)
    np.testing.assert_array_equal(of(SeasonalNaive()).quantiles(panel, 6, levels), whole)


def test_peers_keep_floor_and_ceiling() -> None:
    values = cycle([0.0] * 23 + [50.0], 6)
    values[-1] = 10.0
    for peer in forecasters(HOUR):
        made = of(peer).quantiles(hourly(a=values), 24, np.array([0.01, 0.5, 0.999]))
        assert made.min() >= 0
        assert made.max() <= 150


def test_a_case_is_split_at_its_origin() -> None:
    panel = hourly(a=[float(v) for v in range(60)])
    case = Case.of(panel, 10)
    assert case.known.y[0, -1] == 49.0
    assert case.actual[0].tolist() == [float(v) for v in range(50, 60)]
    assert not len(Case.of(panel, 60).known)
