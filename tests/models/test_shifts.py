"""Lasting changes of level are found, episodes and noise are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import check_series
from models.shifts import before_shift
from tests.models.frames_of import demand, long_frame


def mask(y: list[float]) -> np.ndarray:
    return before_shift(check_series(long_frame({"a": y}), "1h"))[0]


@pytest.mark.parametrize("factor", [3.0, 0.25])
@pytest.mark.parametrize("lasted", [3, 6])
def test_what_was_before_a_lasting_change_is_masked(factor: float, lasted: int) -> None:
    days = 16
    y = np.array(demand(days, noise=0.1))
    y[-lasted * 24 :] *= factor
    found = mask(list(y))
    assert found[: (days - lasted) * 24].all()
    assert not found[(days - lasted) * 24 :].any()


@pytest.mark.parametrize("lasted", [1, 2])
def test_an_episode_is_not_believed_yet(lasted: int) -> None:
    y = np.array(demand(16, noise=0.1))
    y[-lasted * 24 :] *= 4
    assert not mask(list(y)).any()


def test_an_episode_that_is_over_changes_nothing() -> None:
    y = np.array(demand(20, noise=0.1))
    y[5 * 24 : 9 * 24] *= 4
    assert not mask(list(y)).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.05, 1.0))
def test_noise_is_no_shift(seed: int, noise: float) -> None:
    assert not mask(demand(20, seed=seed, noise=noise)).any()


@pytest.mark.parametrize("y", [[5.0] * 24 * 12, [0.0] * 24 * 12, [np.nan] * 23 + [1.0], [3.0]])
def test_series_with_nothing_to_compare(y: list[float]) -> None:
    assert not mask(y).any()


def test_of_two_changes_the_clearer_counts() -> None:
    y = np.array(demand(24, noise=0.1))
    y[8 * 24 :] *= 2
    y[16 * 24 :] *= 5
    assert mask(list(y)).sum() == 16 * 24
