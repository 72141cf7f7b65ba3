from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ladder
from models.conformal import Conformal
from models.forecaster import Forecaster
from models.frames import FrameError, Panel, check_quantiles, check_series
from models.known import Known
from models.ladder import forecast
from models.metrics import plan_cost
from models.seasonal import LastWindow
from tests.models.frames_of import START, cycle, demand, long_frame

LEVELS = [0.1, 0.5, 0.9, 0.99]
COLUMNS = ["q0.1", "q0.5", "q0.9", "q0.99"]


def run(frame: pd.DataFrame, *, freq: str = "1h", steps: int = 24, **options: object) -> pd.DataFrame:
    return forecast(frame, freq=freq, horizon_steps=steps, levels=LEVELS, **options)


def test_each_length_of_history_has_its_rung() -> None:
    frame = long_frame({"a": [5.0], "b": demand(1), "c": demand(3)[:50], "d": demand(9)})
    alone = {name: run(part)["model"].unique().tolist() for name, part in frame.groupby("unique_id")}
    assert alone == {
        "a": ["last_window"],
        "b": ["last_window+persistence"],
        "c": ["ensemble"],
        "d": ["ensemble+conformal"],
    }
    together = run(frame)
    assert together.groupby("unique_id")["model"].first().tolist() == [
        "last_window",
        "last_window+persistence",
        "ensemble+conformal",  # its neighbour's errors calibrate it
        "ensemble+conformal",
    ]


@pytest.mark.parametrize(
    ("freq", "ahead", "inner"),
    [
        ("5min", "1h", ladder.WEIGHED), ("10min", "1h", ladder.ENSEMBLE),
        ("10min", "170min", ladder.ENSEMBLE),
        ("5min", "3h", ladder.LEARNT_OF_HOURS), ("10min", "3h", ladder.LEARNT_OF_HOURS),
        ("30min", "1D", ladder.LEARNT_OF_HOURS), ("7min", "1D", ladder.WEIGHED),
        ("25min", "1D", ladder.ENSEMBLE), ("1h", "6h", ladder.LEARNT),
    ],
)  # fmt: skip
def test_what_is_replayed_depends_on_the_step_and_how_far_it_looks(
    freq: str, ahead: str, inner: Forecaster
) -> None:
    step = pd.Timedelta(freq)
    y = np.arange(5 * pd.Timedelta("1D") // step) % 7 + 1.0
    panel = check_series(long_frame({"a": list(y)}, freq), freq)
    ((_, model),) = ladder.choose(panel, pd.Timedelta(ahead) // step, ladder.Ladder())
    assert isinstance(model, Conformal)
    assert model.inner == inner


def test_a_day_ahead_in_short_steps_the_week_is_known() -> None:
    """Three quiet days of seven: on the evening before one, yesterday's demand is twice what is to come."""
    hours = np.arange(24 * 7 * 3)
    quiet = (hours // 24) % 7 >= 4
    shape = (2 + np.sin(2 * np.pi * hours / 24)) * np.where(quiet, 50.0, 100.0)
    noise = np.random.default_rng(5).gamma(100.0, 0.01, 6 * hours.size)
    y = np.repeat(shape, 6) * noise
    known, actual = y[: -144 * 3], y[-144 * 3 : -144 * 2]  # the last day known is the last loud one
    made = run(long_frame({"a": known, "b": 3 * known}, "10min"), freq="10min", steps=144)
    mine = made.loc[made["unique_id"].eq("a"), "q0.99"].to_numpy()
    panel = check_series(long_frame({"a": known, "b": 3 * known}, "10min"), "10min")
    equal = Conformal(ladder.ENSEMBLE).quantiles(panel, 144, np.array([0.99]))[0, :, 0]
    assert plan_cost(actual, mine) < 0.6 * plan_cost(actual, equal)


def test_in_short_steps_the_member_that_was_right_counts_most() -> None:
    """A level that wanders: yesterday's slot says nothing, the last value nearly all."""
    y = 1_000 + np.cumsum(np.random.default_rng(3).normal(0, 1, 288 * 6))
    made = run(long_frame({"a": y}, "5min"), freq="5min", steps=6)
    last = made["q0.5"] - y[-1]
    assert last.abs().max() < 0.25 * np.ptp(y[-288:])
    equal = ladder.ENSEMBLE.quantiles(check_series(long_frame({"a": y}, "5min"), "5min"), 6, np.array([0.5]))
    assert last.abs().mean() < 0.5 * np.abs(equal[0, :, 0] - y[-1]).mean()


def test_the_horizon_begins_after_each_series_own_last_row() -> None:
    frame = pd.concat([long_frame({"a": demand(4)}), long_frame({"b": [*demand(2), np.nan, np.nan]})])
    result = run(frame, steps=3)
    first = result.groupby("unique_id")["ds"].min()
    assert first["a"] == START + pd.Timedelta(4, unit="D")
    assert first["b"] == START + pd.Timedelta("2D 2h")
    assert result.groupby("unique_id").size().tolist() == [3, 3]


def test_a_horizon_beyond_the_calendar_is_an_error_that_names_the_series() -> None:
    """A last row of 9999-12-31, as databases write "for ever"."""
    ds = pd.to_datetime(["9999-12-30", "9999-12-31"], utc=True)
    frame = pd.DataFrame({"unique_id": "eternal", "ds": ds.as_unit("us"), "y": 1.0})
    with pytest.raises(FrameError, match="series eternal, column ds: found 1 steps more"):
        run(frame, freq="1D", steps=1)
    assert len(run(frame.assign(ds=frame["ds"] - pd.Timedelta(1, unit="D")), freq="1D", steps=1)) == 1


def test_no_history_is_an_error_that_names_the_series() -> None:
    frame = long_frame({"new": [np.nan] * 5, "old": demand(3)})
    with pytest.raises(FrameError, match="series new, column y: found no observation"):
        run(frame)
    with pytest.raises(FrameError, match="horizon of 0 steps"):
        run(long_frame({"old": demand(3)}), steps=0)
    with pytest.raises(FrameError, match="negative value"):
        run(long_frame({"a": [-1.0, 2.0]}))
    assert (run(long_frame({"a": [-1.0, -2.0]}), non_negative=False)["q0.5"] < 0).all()


values = st.one_of(st.floats(0, 1e9), st.just(0.0), st.just(np.nan), st.integers(0, 3).map(float))


@given(st.lists(st.lists(values, min_size=1, max_size=150), min_size=1, max_size=3), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_any_history_keeps_the_output_contract(series: list[list[float]], steps: int) -> None:
    named = {f"s{i}": y for i, y in enumerate(series) if np.isfinite(y).any()}
    if not named:
        return
    frame = long_frame(named)
    result = run(frame, steps=steps)
    cap = 3 * frame.groupby("unique_id")["y"].max()
    check_quantiles(result, LEVELS, cap=cap)
    assert len(result) == steps * len(named)


def same_panel(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Both frames are the same series to the forecasters, which see nothing else of them."""
    a, b = (check_series(frame, "1h", non_negative=True) for frame in (one, other))
    assert (list(a.ids), list(a.start), list(a.end)) == (list(b.ids), list(b.start), list(b.end))
    np.testing.assert_array_equal(a.y, b.y)


@given(st.sets(st.integers(1, 24 * 6 - 2), max_size=60))
@settings(max_examples=25, deadline=None)
def test_a_missing_row_is_a_missing_value(holes: set[int]) -> None:
    same_panel(*holed(holes))


def test_a_missing_row_is_forecast_as_a_missing_value() -> None:
    without, empty = holed({5, 6, 7, 24, 80, 140})
    pd.testing.assert_frame_equal(run(without), run(empty))


def holed(holes: set[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two series, the second with holes: rows left out, and rows without a value."""
    frame = long_frame({"a": demand(6), "b": demand(6, seed=1)})
    rows = [h + 24 * 6 for h in holes]
    empty = frame.copy()
    empty.loc[rows, "y"] = np.nan
    return frame.drop(index=rows), empty


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_order_of_rows_is_nothing(random: object) -> None:
    frame = long_frame({"a": demand(5), "b": demand(5, seed=1), "c": demand(1)})
    order = list(range(len(frame)))
    random.shuffle(order)
    same_panel(frame, frame.iloc[order])


def test_rows_are_forecast_alike_in_any_order() -> None:
    frame = long_frame({"a": demand(5), "b": demand(5, seed=1), "c": demand(1)})
    pd.testing.assert_frame_equal(run(frame), run(frame[::-1]))


@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_the_unit_of_demand_is_nothing(factor: float) -> None:
    frame = long_frame({"a": demand(9), "b": demand(5, seed=1)})
    scaled = run(frame.assign(y=frame["y"] * factor))
    np.testing.assert_allclose(scaled[COLUMNS], run(frame)[COLUMNS] * factor, rtol=1e-9)


def test_the_same_clock_weeks_later_changes_nothing_but_the_times() -> None:
    y = {"a": demand(9), "b": demand(5, seed=1)}
    later = START + pd.Timedelta("14D")  # the hour and the day of the week tell something
    moved = run(long_frame(y, start=later))
    pd.testing.assert_frame_equal(moved.assign(ds=moved["ds"] - (later - START)), run(long_frame(y)))


def test_rows_of_the_future_must_not_be_there_and_are_not_used_by_replays() -> None:
    """Planted later rows move the end; cut off again, they have changed nothing."""
    y = demand(9)
    now = run(long_frame({"a": y}))
    planted = long_frame({"a": [*y, *[1e6] * 48]})
    pd.testing.assert_frame_equal(run(planted[planted["ds"] < START + pd.Timedelta(9, unit="D")]), now)


def test_an_outage_is_a_gap() -> None:
    y = demand(9)
    outage, gap = list(y), list(y)
    outage[150:156], gap[150:156] = [0.0] * 6, [np.nan] * 6
    pd.testing.assert_frame_equal(run(long_frame({"a": outage})), run(long_frame({"a": gap})))
    assert not run(long_frame({"a": y})).equals(run(long_frame({"a": outage})))


def test_demand_is_expected_back_after_an_outage_that_is_still_on() -> None:
    y = cycle([50.0] * 24, 9)
    result = run(long_frame({"a": y[:-5] + [0.0] * 5}))
    assert (result["q0.5"] > 40).all()
    assert result["ds"].min() == START + pd.Timedelta(9, unit="D")


def test_a_constant_series_stays_constant_and_an_unused_one_unused() -> None:
    result = run(long_frame({"a": [7.0] * 240, "b": [0.0] * 240}))
    np.testing.assert_allclose(result.loc[result["unique_id"] == "a", COLUMNS], 7.0)
    np.testing.assert_array_equal(result.loc[result["unique_id"] == "b", COLUMNS], 0.0)


def test_twice_the_same() -> None:
    frame = long_frame({"a": demand(9), "b": demand(3, seed=1)})
    pd.testing.assert_frame_equal(run(frame), run(frame))
    assert run(frame)["ds"].dtype == "datetime64[us, UTC]"


def test_the_input_is_left_alone() -> None:
    frame = long_frame({"a": demand(4)})
    before = frame.copy(deep=True)
    run(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_levels_may_come_in_any_order() -> None:
    frame = long_frame({"a": demand(6)})
    mixed = forecast(frame, freq="1h", horizon_steps=5, levels=[0.9, 0.1, 0.99, 0.5])
    assert list(mixed.columns) == ["unique_id", "ds", "model", "q0.9", "q0.1", "q0.99", "q0.5"]
    pd.testing.assert_frame_equal(mixed[run(frame, steps=5).columns], run(frame, steps=5))


def test_an_explosion_is_cut_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    class Explosive(LastWindow):
        def quantiles(self, panel: Panel, horizon_steps: int, levels: np.ndarray) -> np.ndarray:
            spread = np.sign(levels - 0.3) * 1e30
            return np.broadcast_to(spread, (len(panel), horizon_steps, levels.size)).copy()

    monkeypatch.setattr(ladder, "SHORT", Explosive())
    frame = long_frame({"a": [4.0, 10.0]})
    assert run(frame, steps=1)[COLUMNS].iloc[0].tolist() == [0, 30, 30, 30]  # 10 + 2 × (10 − 0)
    assert run(frame, steps=1, non_negative=False)[COLUMNS].iloc[0].tolist() == [-8, 22, 22, 22]


def test_daily_data_follows_the_week() -> None:
    y = cycle([100.0, 100, 100, 100, 100, 20, 20], 10)
    result = run(long_frame({"a": y}, "1D"), freq="1D", steps=7)
    assert result["q0.5"].iloc[5] < 60 < result["q0.5"].iloc[0]


def test_the_import_stays_light() -> None:
    code = (
        "import sys, models.ladder; "
        "print([m for m in ('sklearn', 'scipy', 'statsmodels', 'duckdb', 'data') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_demand_that_follows_the_wall_clock_is_forecast_across_a_change_of_the_clocks() -> None:
    """A peak at eight on the wall: after the clocks went forward it comes an hour earlier in UTC."""
    ds = pd.date_range("2026-03-10T00:00:00Z", periods=24 * 18 + 20, freq="h").as_unit("us")
    local = ds.tz_convert("Europe/Berlin")
    noise = np.random.default_rng(1).normal(0, 0.5, len(ds))
    frame = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.where(local.hour == 8, 100.0, 10.0) + noise})
    made = run(frame, steps=24, known={"a": Known(zone="Europe/Berlin")})
    assert made.loc[made["q0.5"].idxmax(), "ds"] == pd.Timestamp("2026-03-29T06:00:00Z")
    blind = run(frame, steps=24)
    assert blind.loc[blind["q0.5"].idxmax(), "ds"] == pd.Timestamp("2026-03-29T07:00:00Z")


def test_a_service_that_grew_overnight_is_forecast_at_its_new_size() -> None:
    y = np.array(demand(18, noise=0.1))
    y[-4 * 24 :] *= 5
    made = run(long_frame({"a": list(y)}))
    assert made["q0.5"].mean() > 0.7 * y[-4 * 24 :].mean()
