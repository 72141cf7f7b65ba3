"""Stored forecasts that promised too much: who is raised, by how much, and who is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models.promises import CONFIDENCE, LARGEST_SHARE, _most_misses, kept, raised

SLOTS = pd.date_range("2026-05-01", periods=400, freq="1h", tz="UTC", unit="us")


@settings(max_examples=200, deadline=None)
@given(count=st.integers(0, 3_000), share=st.floats(0.001, 0.5))
def test_the_most_misses_are_the_binomial_quantile(count: int, share: float) -> None:
    assert _most_misses(count, share) == max(binom.ppf(CONFIDENCE, count, share), 0)


def test_a_quantile_that_held_is_left_alone() -> None:
    random = np.random.default_rng(1)
    actual = random.normal(100, 10, 400)
    for level in (0.9, 0.99):
        assert raised(actual, np.full(400, np.quantile(actual, level)), level) == 0
    assert raised(actual, np.full(400, 1e9), 0.99) == 0


def test_a_quantile_that_missed_is_raised_by_what_it_missed_by() -> None:
    """By hand: 400 slots count as 200; half of them missed by 20; the trust is 20 / (20 + 4)."""
    actual = np.tile([100.0, 120.0], 200)
    assert raised(actual, np.full(400, 100.0), 0.9) == pytest.approx(20 * 20 / 24)
    assert raised(actual * 100, np.full(400, 1.0), 0.9) == pytest.approx(LARGEST_SHARE * 11_000)


def test_weeks_of_short_slots_are_raised_like_days_of_them() -> None:
    """28 days in slots of 10 minutes: 4,032, of which every single one was above the median that was said."""
    actual, value = np.full(4_032, 10.0), np.full(4_032, 5.0)
    assert raised(actual, value, 0.5) == pytest.approx(5.0, rel=0.01)


def test_one_miss_in_a_day_is_no_surprise() -> None:
    actual = np.full(24, 100.0)
    value = np.full(24, 110.0)
    value[3] = 90.0
    assert raised(actual, value, 0.99) == 0


def frames(missed_by: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    forecasts = pd.DataFrame(
        {
            "unique_id": ["a", "b"],
            "ds": SLOTS[-1],
            "model": "m",
            "q0.99": [50.0, 50.0],
            "q0.5": 10.0,
            "q0.9": 40.0,
        }
    )
    past = pd.DataFrame({"unique_id": "a", "ds": SLOTS, "quantile": 0.9, "value": 40.0})
    actual = pd.DataFrame({"unique_id": "a", "ds": SLOTS, "y": 40.0 + missed_by})
    return forecasts, past, actual


def test_only_who_missed_is_raised_and_no_level_passes_another() -> None:
    forecasts, past, actual = frames(15.0)
    made = kept(forecasts, past, actual, [0.99, 0.5, 0.9]).set_index("unique_id")
    raised_to = 40 + 15 * 20 / 24
    assert made.loc["a", ["q0.5", "q0.9", "q0.99"]].tolist() == pytest.approx([10.0, raised_to, raised_to])
    assert made.loc["b", ["q0.5", "q0.9", "q0.99"]].tolist() == [10.0, 40.0, 50.0]
    assert list(made.reset_index().columns) == list(forecasts.columns)


def test_gaps_and_slots_off_the_grid_say_nothing() -> None:
    forecasts, past, actual = frames(15.0)
    pd.testing.assert_frame_equal(kept(forecasts, past, actual.assign(y=np.nan), [0.5, 0.9, 0.99]), forecasts)
    late = past.assign(ds=past["ds"] + pd.Timedelta(1, unit="min"))
    pd.testing.assert_frame_equal(kept(forecasts, late, actual, [0.5, 0.9, 0.99]), forecasts)


def test_without_a_past_nothing_is_raised_where_nothing_was_counted_either() -> None:
    """The first plan of a launch: no forecast was stored, and its series holds gaps alone."""
    forecasts, past, actual = frames(1.0)
    nothing = pd.DataFrame(columns=list(past.columns))
    assert kept(forecasts, nothing, actual.assign(y=np.nan), [0.5, 0.9]) is forecasts
