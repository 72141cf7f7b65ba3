from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ensemble import Ensemble
from models.forecaster import Forecaster
from models.frames import Panel, check_series
from models.peers import LastValue, SeasonMax
from models.samples import quantiles
from models.seasonal import LastWindow, Persistence, SameSlot, SeasonalNaive
from tests.models.frames_of import START, cycle, demand, long_frame

LEVELS = [0.1, 0.5, 0.9, 0.99]
ALL: list[Forecaster] = [
    LastWindow(),
    SameSlot(),
    SeasonalNaive(),
    Persistence(),
    Ensemble((SameSlot(), Persistence())),
    LastValue(),
    SeasonMax(),
]
every_forecaster = pytest.mark.parametrize("forecaster", ALL, ids=lambda f: f.name)


def panel_of(freq: str = "1h", **series: list[float]) -> Panel:
    return check_series(long_frame(series, freq), freq)


def draw(forecaster: Forecaster, panel: Panel, steps: int = 30) -> np.ndarray:
    return forecaster.quantiles(panel, steps, np.array(LEVELS))


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=40))
def test_quantiles_are_those_of_numpy(sample: list[float]) -> None:
    values = np.array([sample, [np.nan] * len(sample)])
    found = quantiles(values, LEVELS)
    assert np.isnan(found[1]).all()
    finite = values[0][np.isfinite(values[0])]
    if finite.size:
        np.testing.assert_allclose(found[0], np.quantile(finite, LEVELS), rtol=1e-12, atol=1e-9)
    assert (np.diff(found[0]) >= 0).all() or not finite.size


def test_last_window_by_hand() -> None:
    panel = panel_of(a=[999.0] * 24 + [float(v) for v in range(24)])
    frame = LastWindow().fit(panel).predict(2, [0.5, 0.9])
    assert frame["q0.5"].tolist() == [11.5, 11.5]
    assert frame["q0.9"].tolist() == pytest.approx([20.7, 20.7])
    assert frame["ds"].tolist() == [START + pd.Timedelta(h, unit="h") for h in (48, 49)]
    assert set(frame["model"]) == {"last_window"}


def test_columns_come_in_the_order_asked_for() -> None:
    fitted = LastWindow().fit(panel_of(a=demand(2)))
    mixed, rising = fitted.predict(3, [0.9, 0.1, 0.5]), fitted.predict(3, [0.1, 0.5, 0.9])
    assert list(mixed.columns[3:]) == ["q0.9", "q0.1", "q0.5"]
    pd.testing.assert_frame_equal(mixed[rising.columns], rising)


def test_the_ensemble_is_the_mean_of_those_that_answer() -> None:
    panel = panel_of(a=demand(9), b=[np.nan] * 9)
    parts = [draw(member, panel) for member in (SameSlot(), Persistence())]
    found = draw(Ensemble((SameSlot(), Persistence())), panel)
    np.testing.assert_allclose(found[0], (parts[0][0] + parts[1][0]) / 2)
    assert np.isnan(found[1]).all()


def test_seasonal_naive_repeats_a_perfect_cycle_exactly() -> None:
    day = [float(v) for v in range(24)]
    found = draw(SeasonalNaive(), panel_of(a=cycle(day, 4)), 50)
    for level in range(len(LEVELS)):
        np.testing.assert_array_equal(found[0, :, level], (day * 3)[:50])


def test_seasonal_naive_spreads_by_past_differences() -> None:
    # Each day is 1 above the last, so the next is the last plus 1, and the one after plus 2, at every level.
    days = [h + d for d in range(5) for h in range(24)]
    found = draw(SeasonalNaive(), panel_of(a=[float(v) for v in days]), 48)
    expected = [h + d for d in (5, 6) for h in range(24)]
    np.testing.assert_allclose(found[0], np.repeat(np.array(expected, float)[:, None], len(LEVELS), axis=1))


def test_seasonal_naive_takes_the_week_after_two_weeks() -> None:
    week = [float(100 * d + h) for d in range(7) for h in range(24)]
    found = draw(SeasonalNaive(), panel_of(long=cycle(week, 2), short=cycle(week, 2)[24:]), 24)
    np.testing.assert_array_equal(found[0, :, 1], week[:24])
    assert not np.array_equal(found[1, :, 1], week[:24])


def test_seasonal_naive_looks_further_back_behind_a_gap() -> None:
    day = [float(v) for v in range(24)]
    holes = cycle(day, 3)
    holes[48 + 5] = np.nan
    assert draw(SeasonalNaive(), panel_of(a=holes), 24)[0, 5, 1] == 5.0


def test_persistence_on_a_straight_line_is_the_line() -> None:
    found = draw(Persistence(), panel_of(a=[float(v) for v in range(72)]), 12)
    np.testing.assert_allclose(found[0, :, 1], np.arange(72.0, 84.0))
    gap = [float(v) for v in range(72)] + [np.nan] * 3
    np.testing.assert_allclose(draw(Persistence(), panel_of(a=gap), 12)[0, :, 1], np.arange(75.0, 87.0))


def slot_oracle(y: list[float], step: int, period: int, width: int) -> list[float]:
    """Quantiles of every past value at most `width` slots from the slot of the step, in plain Python."""
    target = (len(y) - 1 + step) % period
    near = [
        v
        for t, v in enumerate(y)
        if not np.isnan(v) and min((t - target) % period, (target - t) % period) <= width
    ]
    ordered = sorted(near)
    out = []
    for level in LEVELS:
        place = level * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        out.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return out


@given(st.integers(50, 200), st.integers(0, 2**32 - 1), st.floats(0, 0.4))
@settings(max_examples=25)
def test_same_slot_is_the_plain_loop(length: int, seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.gamma(1.0, 10.0, length)
    y[rng.random(length) < missing] = np.nan
    y[[0, -1]] = 1.0
    found = draw(SameSlot(), panel_of(a=list(y)), 60)
    for step in (1, 2, 23, 24, 25, 48, 60):
        np.testing.assert_allclose(found[0, step - 1], slot_oracle(list(y), step, 24, 1), rtol=1e-12)


def test_same_slot_thins_neighbours_of_short_steps() -> None:
    offsets = SameSlot().offsets(pd.Timedelta(1, unit="min"))
    assert offsets.tolist() == [-30, -20, -10, 0, 10, 20, 30]
    assert SameSlot().offsets(pd.Timedelta(1, unit="h")).tolist() == [-1, 0, 1]
    assert SameSlot().offsets(pd.Timedelta(7, unit="D")).tolist() == [0]


@every_forecaster
@pytest.mark.parametrize("freq", ["1h", "7min", "1D", "7D", "14D"])
def test_any_step_and_length_gives_ordered_finite_quantiles(forecaster: Forecaster, freq: str) -> None:
    for length in (1, 2, 3, 30, 200):
        found = draw(forecaster, panel_of(freq, a=demand(length, per_day=1)), 17)
        assert found.shape == (1, 17, len(LEVELS))
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=-1) >= -1e-9).all()


@every_forecaster
def test_levels_shift_and_scale_with_the_series(forecaster: Forecaster) -> None:
    y = np.array(demand(9))
    base = draw(forecaster, panel_of(a=list(y)))
    np.testing.assert_allclose(draw(forecaster, panel_of(a=list(y + 5))), base + 5)
    np.testing.assert_allclose(draw(forecaster, panel_of(a=list(3 * y))), 3 * base)


@every_forecaster
def test_a_later_clock_changes_nothing_but_the_times(forecaster: Forecaster) -> None:
    y = {"a": demand(9)}
    later = START + pd.Timedelta("3D 5h")
    first = forecaster.fit(check_series(long_frame(y), "1h")).predict(20, LEVELS)
    second = forecaster.fit(check_series(long_frame(y, start=later), "1h")).predict(20, LEVELS)
    pd.testing.assert_frame_equal(second, first.assign(ds=first["ds"] + (later - START)))


@every_forecaster
def test_series_do_not_touch_each_other(forecaster: Forecaster) -> None:
    together = draw(forecaster, panel_of(a=demand(9), b=demand(3, seed=1), c=demand(16, seed=2)))
    for i, (days, seed) in enumerate([(9, 0), (3, 1), (16, 2)]):
        np.testing.assert_allclose(together[i], draw(forecaster, panel_of(a=demand(days, seed=seed)))[0])


@every_forecaster
def test_nothing_observed_gives_nan_and_no_warning(forecaster: Forecaster) -> None:
    panel = panel_of(a=[1.0] * 30, b=[np.nan] * 30)
    found = draw(forecaster, panel)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    assert np.isnan(draw(forecaster, panel.before(30))).all()
