from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.conformal import Conformal, conformal_quantiles, pooled_quantiles, series_scale, shrunk_quantiles
from models.frames import Panel, check_series
from models.metrics import coverage
from models.seasonal import LastWindow
from tests.models.frames_of import cycle, demand, long_frame


def panel_of(**series: list[float]) -> Panel:
    return check_series(long_frame(series), "1h")


def one_level(scores: np.ndarray, level: float) -> float:
    return float(conformal_quantiles(scores, np.array([level]))[0])


def test_the_conformal_quantile_by_hand() -> None:
    scores = np.array([3.0, 1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])  # 9 scores
    assert one_level(scores, 0.5) == 5  # ⌈10 × 0.5⌉ = 5th
    assert one_level(scores, 0.9) == 9  # exactly the 9th, in spite of floats
    assert one_level(scores, 0.99) == 9  # ⌈9.9⌉ = 10th: no such score, the largest
    assert np.isnan(one_level(np.full(3, np.nan), 0.9))
    assert np.isnan(one_level(np.zeros(0), 0.9))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.floats(0.5, 0.999))
def test_the_conformal_quantile_leaves_enough_scores_below(scores: list[float], level: float) -> None:
    found = one_level(np.array(scores), level)
    below = sum(score <= found for score in scores)
    assert below >= min(math.ceil((len(scores) + 1) * level - 1e-6), len(scores))


@given(st.lists(st.floats(-100, 100) | st.just(math.nan), max_size=50))
def test_the_pool_is_quantiles_of_all_scores(scores: list[float]) -> None:
    levels = np.array([0.1, 0.5, 0.9, 0.99])
    whole = conformal_quantiles(np.array(scores), levels)
    np.testing.assert_array_equal(pooled_quantiles(np.array([scores, scores[::-1]])[:1], levels), whole)


def test_one_column_of_scores_serves_every_level() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 40, 1))
    levels = np.array([0.5, 0.9])
    repeated = shrunk_quantiles(np.repeat(scores, 2, axis=2), levels)
    np.testing.assert_array_equal(shrunk_quantiles(scores, levels), repeated)


def test_few_scores_lean_on_the_pool_and_none_take_all_of_it() -> None:
    scores = np.full((3, 400, 1), np.nan)
    scores[0, :, 0] = 1.0
    scores[1, :4, 0] = 9.0
    found = shrunk_quantiles(scores, np.array([0.9]))[:, 0]
    many, few = 400 * 0.1, 4 * 0.1
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx((few * 9.0 + 4 * 1.0) / (few + 4))
    assert found[2] == pytest.approx(1.0)
    assert many > few
    np.testing.assert_array_equal(shrunk_quantiles(np.full((2, 5, 1), np.nan), np.array([0.9])), 0.0)


def test_the_scale_is_the_daily_change_and_never_vanishes() -> None:
    steps = [1.0 + d for d in range(8) for _ in range(24)]  # changes by 1 a day, mean of the last week 5
    still = cycle([10.0] * 24, 8)
    gone = [10.0] * 24 * 12 + [0.0] * 24 * 30
    panel = panel_of(still=still, steps=steps, unused=[0.0] * 48, gone=gone)
    scale = dict(zip(panel.ids, series_scale(panel), strict=True))
    assert scale["still"] == pytest.approx(0.2 * 10)
    assert scale["steps"] == pytest.approx(1.0)
    assert scale["unused"] == 0
    assert scale["gone"] == pytest.approx(0.2 * 0.1 * np.mean(gone))


def test_origins_are_fully_observed_recent_and_enough() -> None:
    forecaster = Conformal(LastWindow())
    origins = forecaster.origins(panel_of(a=demand(10)), 24)
    assert origins[0] == 8  # the first third of the horizon
    assert set(np.diff(origins)) == {8}
    assert origins[-1] <= 10 * 24 - 2 * 24
    assert forecaster.origins(panel_of(a=demand(90)), 24).size == 40
    assert forecaster.origins(panel_of(a=demand(2)), 24).size == 0


def test_nothing_after_an_origin_reaches_its_forecast() -> None:
    seen: list[tuple[int, float]] = []

    class Spy(LastWindow):
        def quantiles(self, panel: Panel, horizon_steps: int, levels: np.ndarray) -> np.ndarray:
            seen.append((panel.steps, float(np.nanmax(panel.y))))
            return super().quantiles(panel, horizon_steps, levels)

    panel = panel_of(a=[float(v) for v in range(240)])
    Conformal(Spy()).quantiles(panel, 24, np.array([0.9]))
    assert [steps for steps, _ in seen] == [240, *range(232, 47, -8)]
    assert all(largest == steps - 1 for steps, largest in seen)


def test_a_forecast_that_is_always_too_low_is_lifted_by_what_it_missed() -> None:
    class TooLow(LastWindow):
        def quantiles(self, panel: Panel, horizon_steps: int, levels: np.ndarray) -> np.ndarray:
            return super().quantiles(panel, horizon_steps, levels) - 3.0

    panel = panel_of(a=[20.0] * 240)
    found = Conformal(TooLow()).quantiles(panel, 24, np.array([0.1, 0.5, 0.99]))
    np.testing.assert_allclose(found[0, :, 1:], 20.0)
    np.testing.assert_allclose(found[0, :, 0], 17.0)  # lower levels are not calibrated


def test_a_part_of_the_horizon_not_yet_over_is_not_scored() -> None:
    """Of 30 steps the parts are 10 long; only the origin 18 back sees the last 6 steps in its second part."""

    class Zero(LastWindow):
        def quantiles(self, panel: Panel, horizon_steps: int, levels: np.ndarray) -> np.ndarray:
            return np.zeros((len(panel), horizon_steps, levels.size))

    panel = panel_of(a=[10.0] * 234 + [100.0] * 6)
    found = Conformal(Zero(), max_move=1e9).quantiles(panel, 30, np.array([0.99]))[0, :, 0]
    usual = 10.0 / (0.2 * 10.0) * series_scale(panel)[0]
    np.testing.assert_allclose(found[10:20], usual)
    assert found[0] > 5 * usual  # the first part was over, and seen


def test_the_move_is_capped() -> None:
    y = [10.0] * 240
    y[100:160] = [1e9] * 60
    panel = panel_of(a=y, b=[10.0] * 240)
    found = Conformal(LastWindow()).quantiles(panel, 24, np.array([0.99]))
    assert found[1].max() <= 10 + Conformal(LastWindow()).max_move * series_scale(panel)[1]


def test_levels_stay_ordered() -> None:
    panel = panel_of(**{f"s{i}": demand(9, seed=i, noise=2.0) for i in range(5)})
    found = Conformal(LastWindow()).quantiles(panel, 24, np.array([0.1, 0.49, 0.5, 0.51, 0.9, 0.99, 0.999]))
    assert (np.diff(found, axis=-1) >= 0).all()


def heavy_tails(series: int, days: int) -> Panel:
    rng = np.random.default_rng(7)
    wave = 2 + np.sin(2 * np.pi * np.arange(days * 24) / 24)
    sizes = 10 ** rng.uniform(-2, 4, (series, 1))  # pooling must not mind units
    y = sizes * wave * (1 + rng.pareto(3.0, (series, days * 24)))
    return panel_of(**{f"s{i:03d}": list(row) for i, row in enumerate(y)})


def test_coverage_on_heavy_tails() -> None:
    """60 series × 6 days of forecasts: 8,640 points, so ±0.004 is four standard errors at 0.99."""
    panel = heavy_tails(60, 20)
    levels = np.array([0.9, 0.99])
    raw, calibrated, actual = [], [], []
    for back in range(24, 24 * 7, 24):
        past = panel.before(back)
        actual.append(panel.y[:, past.steps : past.steps + 24])
        raw.append(LastWindow().quantiles(past, 24, levels))
        calibrated.append(Conformal(LastWindow()).quantiles(past, 24, levels))
    y = np.stack(actual, axis=1)
    covered = [coverage(y, np.stack(calibrated, axis=1)[..., i]).mean() for i in range(2)]
    uncalibrated = coverage(y, np.stack(raw, axis=1)[..., 1]).mean()
    assert uncalibrated < 0.97
    assert covered[0] == pytest.approx(0.9, abs=0.02)
    assert covered[1] == pytest.approx(0.99, abs=0.004)


@settings(max_examples=20)
@given(st.permutations(range(5)))
def test_the_order_of_series_is_nothing(order: list[int]) -> None:
    y = [demand(6, seed=i) for i in range(5)]
    names = [f"s{i}" for i in range(5)]
    one = Conformal(LastWindow()).quantiles(
        panel_of(**dict(zip(names, y, strict=True))), 12, np.array([0.99])
    )
    panel = panel_of(**{names[place]: y[i] for place, i in enumerate(order)})
    two = Conformal(LastWindow()).quantiles(panel, 12, np.array([0.99]))
    for place, i in enumerate(order):
        np.testing.assert_allclose(two[place], one[i], rtol=1e-12)
