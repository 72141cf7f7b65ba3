"""The learner, its replay of the past, and the weights of an ensemble."""

from __future__ import annotations

import numpy as np
import pytest

from models.boosting import Boosting
from models.conformal import Conformal
from models.features import seen
from models.forecaster import Forecaster
from models.frames import FloatArray, Panel, check_series
from models.seasonal import Persistence, SameSlot
from models.weighted import Weighted
from tests.models.frames_of import demand, long_frame

LEVELS = np.array([0.5, 0.9, 0.99])
NOW = np.zeros(1, dtype=np.int64)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return check_series(long_frame({f"s{i}": demand(12, seed=i) for i in range(6)}), "1h")


def test_it_learns_what_the_median_of_the_slot_cannot_know(panel: Panel) -> None:
    """Every third day is double: the slot three days ago tells, its median over three days does not."""
    day = np.tile([1.0, 1.0, 2.0], 5)
    noise = np.random.default_rng(3).normal(1, 0.02, (5, 14, 24))
    y = {
        f"s{i}": [float(day[d]) * (10 + h % 7) * noise[i, d, h] for d in range(14) for h in range(24)]
        for i in range(5)
    }
    turning = check_series(long_frame(y), "1h")
    made = Boosting().quantiles(turning, 24, LEVELS)[0, :, 0]
    truth = np.array([day[14] * (10 + h % 7) for h in range(24)])
    naive = seen(turning, np.arange(1, 25)).base[0]
    assert np.abs(made - truth).mean() < 0.25 * np.abs(naive - truth).mean()


def test_too_little_to_learn_from_is_no_answer() -> None:
    short = check_series(long_frame({"a": demand(2)}), "1h")
    assert np.isnan(Boosting().quantiles(short, 24, LEVELS)).all()


@pytest.mark.parametrize(
    "forecaster",
    [Boosting(), Conformal(Boosting(), gives_spread=True), Weighted((SameSlot(), Persistence()))],
    ids=lambda f: f.name,
)
def test_a_replay_knows_nothing_of_what_came_later(forecaster: Forecaster, panel: Panel) -> None:
    backs = np.array([8, 16, 40])
    later = panel.y.copy()
    later[:, -8:] = 1e6
    other = Panel(panel.ids, later, panel.start, panel.end, panel.freq)
    one, two = (forecaster.replay(p, backs, 24, LEVELS) for p in (panel, other))
    np.testing.assert_array_equal(one, two)


def test_units_do_not_matter(panel: Panel) -> None:
    million = Panel(panel.ids, panel.y * 1e6, panel.start, panel.end, panel.freq)
    one, many = (Boosting().quantiles(p, 24, LEVELS) for p in (panel, million))
    np.testing.assert_allclose(many, one * 1e6, rtol=1e-4)


def test_a_step_that_does_not_reach_a_week_back_is_no_crash() -> None:
    """All weekly lags are missing: a column without any value stops scikit-learn."""
    short = check_series(long_frame({f"s{i}": demand(5, seed=i) for i in range(8)}), "1h")
    assert np.isfinite(Boosting().quantiles(short, 6, LEVELS)).all()


class Fixed(Forecaster):
    """The same value at every level, always."""

    def __init__(self, value: float) -> None:
        self.value, self.name = value, f"fixed {value}"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        return np.full((len(panel), horizon_steps, levels.size), self.value)


def test_who_was_right_counts_more_and_without_a_past_all_count_the_same() -> None:
    flat = check_series(long_frame({"a": [10.0] * 24 * 10}), "1h")
    both = Weighted((Fixed(10.5), Fixed(100.0)))
    assert both.quantiles(flat, 24, LEVELS)[0, 0, 0] == pytest.approx(55.25)
    backs = np.array([0, *range(24, 24 * 6, 24)])
    made = both.replay(flat, backs, 24, LEVELS)[0, 0, 0, 0]
    trust = 5 / (5 + both.shrinkage)
    assert made == pytest.approx(trust * 10.5 + (1 - trust) * 55.25, rel=1e-3)


def test_members_without_fault_share_and_no_loss_overflows() -> None:
    flat = check_series(long_frame({"a": [10.0] * 24 * 10}), "1h")
    backs = np.array([0, 24, 48, 72])
    made = Weighted((Fixed(10.0), Fixed(10.0), Fixed(1e80)), power=8.0).replay(flat, backs, 24, LEVELS)
    assert np.isfinite(made).all()


def test_a_spread_without_a_past_is_no_quantile() -> None:
    flat = check_series(long_frame({"a": [10.0] * 24 * 3}), "1h")
    assert np.isnan(Conformal(Fixed(5.0), gives_spread=True).quantiles(flat, 24, LEVELS)).all()


def test_a_spread_is_that_of_past_errors() -> None:
    panel = check_series(long_frame({"a": demand(30)}), "1h")
    made = Conformal(SameSlotMedian(), gives_spread=True).quantiles(panel, 24, np.array([0.1, 0.5, 0.9]))[0]
    actual = np.array(demand(31)[-24:])
    assert (np.diff(made, axis=-1) >= 0).all()
    assert 0.5 <= ((actual >= made[:, 0]) & (actual <= made[:, 2])).mean() <= 1.0
    assert (made[:, 2] - made[:, 0]).mean() > 0


class SameSlotMedian(SameSlot):
    """One value at every level."""

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        middle = super().quantiles(panel, horizon_steps, np.array([0.5]))
        return np.repeat(middle, levels.size, axis=-1)
