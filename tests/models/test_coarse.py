"""Means of hours: by hand, over gaps, at any origin, and what a forecast of them is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.coarse import Coarse, averaged, between_middles, divides
from models.frames import Panel, check_series
from models.ladder import forecast
from models.peers import LastValue
from models.seasonal import LastWindow, SeasonalNaive
from tests.models.frames_of import START, demand, long_frame

LEVELS = np.array([0.1, 0.5, 0.9])


def panel_of(freq: str = "10min", **series: list[float]) -> Panel:
    return check_series(long_frame(series, freq), freq)


@pytest.mark.parametrize(
    ("freq", "whole"), [("10min", True), ("1min", True), ("7min", False), ("1h", False), ("2h", False)]
)
def test_only_steps_that_fill_the_hour_are_made_hours(freq: str, whole: bool) -> None:
    assert divides(pd.Timedelta(freq)) is whole


def test_means_by_hand_are_counted_from_the_end() -> None:
    nan = float("nan")
    panel = panel_of(
        "20min", a=[100.0, 1, 2, 6, 10, 20, 30], b=[nan, nan, nan, 4, nan, 5, 7], c=[nan] * 6 + [9.0]
    )
    hours = averaged(panel, 3)
    assert hours.freq == pd.Timedelta("1h")
    np.testing.assert_array_equal(hours.y, [[100, 3, 20], [nan, 4, 6], [nan, nan, 9]])
    assert list(hours.end) == [START + pd.Timedelta("80min")] * 3  # when the last hour began


@given(steps=st.integers(1, 60), per=st.integers(2, 7), seed=st.integers(0, 99))
def test_nothing_is_lost_or_counted_twice(steps: int, per: int, seed: int) -> None:
    y = np.random.default_rng(seed).random(steps)
    panel = panel_of("1min", a=list(y))
    hours = averaged(panel, per)
    assert hours.steps == -(-steps // per)
    for block in range(1, steps // per + 1):
        part = y[steps - block * per : steps - (block - 1) * per]
        assert hours.y[0, -block] == pytest.approx(part.mean())


def test_a_straight_line_stays_one_between_the_middles() -> None:
    made = np.array([10.0, 20.0, 40.0])[None, :, None]
    found = between_middles(made, 3, 8)[0, :, 0]
    np.testing.assert_allclose(found, [10, 10, 40 / 3, 50 / 3, 20, 80 / 3, 100 / 3, 40])


@pytest.mark.parametrize("back", [0, 1, 5, 6, 13])
def test_an_origin_sees_what_a_cut_panel_shows(back: int) -> None:
    panel = panel_of(a=demand(20, per_day=144), b=demand(5, per_day=144, seed=1))
    model = Coarse(SeasonalNaive())
    others = np.array([2, back, 24])
    replayed = model.replay(panel, others, 15, LEVELS)[1]
    np.testing.assert_array_equal(replayed, model.quantiles(panel.before(back), 15, LEVELS))


@settings(max_examples=20)
@given(hours=st.integers(24 * 3, 24 * 20), seed=st.integers(0, 99))
def test_of_flat_hours_it_says_what_is_said_of_the_hours(hours: int, seed: int) -> None:
    y = np.random.default_rng(seed).gamma(2.0, size=hours)
    inner = LastWindow()
    fine = Coarse(inner).quantiles(panel_of(a=list(np.repeat(y, 6))), 144, LEVELS)
    whole = inner.quantiles(panel_of("1h", a=list(y)), 24, LEVELS)
    np.testing.assert_allclose(fine[:, ::6], whole)


def test_a_series_shorter_than_an_hour_or_empty_has_no_answer_or_a_mean() -> None:
    few = panel_of(a=[1.0, 2.0], b=[float("nan")] * 2)
    found = Coarse(LastValue()).quantiles(few, 4, LEVELS)
    assert np.isnan(found[1]).all()
    assert Coarse(LastValue()).quantiles(few.before(2), 4, LEVELS).shape == (2, 4, 3)


@pytest.mark.parametrize("every", [3, 6, 7])
def test_a_series_counted_more_rarely_than_its_grid_still_has_quantiles(every: int) -> None:
    y = np.array(demand(12, per_day=144))
    y[np.arange(y.size) % every != 0] = np.nan
    made = forecast(long_frame({"a": list(y)}, "10min"), freq="10min", horizon_steps=144, levels=[0.5, 0.99])
    assert np.isfinite(made[["q0.5", "q0.99"]]).all(axis=None)
    assert made["q0.99"].max() > np.nanmedian(y)
