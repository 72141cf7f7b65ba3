"""Forms of the minute loop: nothing of the future, nothing scaled in because nobody counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.forms import FORMS, TARGETS, Form, around_yesterday, past_of, rises, scatter
from optimizer.schedule import DAY, HOUR

EVERY = (*FORMS, *TARGETS)


def week(days: int = 3, seed: int = 0) -> np.ndarray:
    """A daily wave with noise."""
    minute = np.arange(days * DAY)
    wave = 100 + 60 * np.sin(minute / DAY * 2 * np.pi)
    return np.asarray(wave * np.random.default_rng(seed).normal(1, 0.02, len(minute)))


@pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3 * DAY - 1), st.floats(0, 1e4))
def test_what_comes_is_not_known(form: Form, minute: int, other: float) -> None:
    load = week()
    changed = np.concatenate([load[:minute], np.full(len(load) - minute, other)])
    one, two = (past_of(given_load, 5).needed(form)[: minute + 1] for given_load in (load, changed))
    np.testing.assert_allclose(one, two, rtol=1e-9)


@pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
def test_need_scales_with_load(form: Form) -> None:
    load = week()
    one, ten = past_of(load, 5).needed(form), past_of(10 * load, 5).needed(form)
    if form.name in ("smooth", "noisy"):  # the room for scatter grows with the root of a Poisson-like load
        assert (ten[DAY:] <= 10 * one[DAY:] * 1.0001).all()
    else:
        np.testing.assert_allclose(ten, 10 * one, rtol=1e-6)


@pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
def test_hours_without_counts_do_not_scale_in(form: Form) -> None:
    load = week()
    load[2 * DAY : 2 * DAY + 5 * HOUR] = np.nan
    needed = past_of(load, 5).needed(form)
    blind = needed[2 * DAY + 1 : 2 * DAY + 5 * HOUR]
    assert blind.min() >= 0.9 * load[2 * DAY - 30 : 2 * DAY].mean()


def test_every_form_covers_a_steady_load() -> None:
    for form in EVERY:
        needed = past_of(np.full(3 * DAY, 50.0), 5).needed(form)
        assert (needed[DAY:] >= 50.0 * 0.95).all(), form.name
        assert (needed[DAY:] <= 50.0 * 1.6).all(), form.name


def test_a_ramp_is_led_and_a_fall_is_followed_at_once() -> None:
    load = np.concatenate([np.full(2 * DAY, 100.0), 100 + 10.0 * np.arange(20), np.full(100, 300.0)])
    needed = past_of(load, 5).needed(FORMS[0])
    climbing = 2 * DAY + np.arange(10, 18)
    assert (needed[climbing] >= load[climbing + 5]).all()


def test_rises_are_known_when_they_have_happened() -> None:
    load = np.array([10.0] * 10 + [30.0] * 10)
    assert rises(load, 6)[:11].tolist() == [0.0] * 11
    assert rises(load, 6)[11] == pytest.approx(2.0)
    assert rises(load, 6)[18:].tolist() == [0.0] * 2


def test_scatter_is_the_noise_of_a_minute_over_the_root_of_its_level() -> None:
    rng = np.random.default_rng(3)
    level = 100 + 50 * np.sin(np.arange(4 * DAY) / 700)
    found = scatter(rng.normal(level, 0.7 * np.sqrt(level)))
    assert found[-1] == pytest.approx(0.7, rel=0.08)
    assert scatter(level)[-1] < 0.05


def test_yesterday_is_half_an_hour_before_and_after_the_same_time() -> None:
    load = np.zeros(2 * DAY)
    load[600] = 7.0
    seen = np.flatnonzero(around_yesterday(load) == 7.0)
    assert (seen.min(), seen.max()) == (DAY + 570, DAY + 630)
