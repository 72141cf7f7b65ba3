from __future__ import annotations

import numpy as np
import pytest

from models.metrics import coverage, mase, pinball, plan_cost, wql

Y = np.array([10.0, 20.0, np.nan, 30.0])
Q = np.array([12.0, 15.0, 99.0, 30.0])


def test_by_hand() -> None:
    # errors −2, 5, 0 at level 0.9: 0.1 × 2, 0.9 × 5, 0
    assert pinball(Y, Q, 0.9) == pytest.approx((0.2 + 4.5 + 0) / 3)
    assert wql(Y, Q[:, None], [0.9]) == pytest.approx(2 * 4.7 / 60)
    assert coverage(Y, Q) == pytest.approx(2 / 3)
    assert plan_cost(Y, Q) == pytest.approx((2 + 99 * 5) / 60)
    assert plan_cost(Y, Q, 9) == pytest.approx((2 + 9 * 5) / 60)
    # naive errors with season 2: |3−1|, |5−2| → 2.5; forecast errors 2, 5, 0
    assert mase(Y, Q, np.array([1.0, 2.0, 3.0, 5.0]), 2) == pytest.approx((7 / 3) / 2.5)


def test_missing_steps_do_not_count_on_either_side() -> None:
    kept = np.isfinite(Y)
    for metric in (lambda y, q: pinball(y, q, 0.9), coverage, plan_cost):
        assert metric(Y, Q) == pytest.approx(metric(Y[kept], Q[kept]))
    holes = np.array([12.0, np.nan, np.nan, 30.0])
    assert plan_cost(Y, holes) == pytest.approx(2 / 40)
    assert wql(Y, holes[:, None], [0.9]) == pytest.approx(2 * 0.2 / 40)


def test_nothing_to_judge_is_nan_without_a_warning() -> None:
    empty = np.full((2, 3), np.nan)
    assert np.isnan(coverage(empty, empty)).all()
    assert np.isnan(plan_cost(np.zeros(3), np.ones(3)))
    assert np.isnan(mase(Y, Q, np.ones(10), 2))
    assert np.isnan(mase(Y, Q, np.ones(2), 2))


def test_the_cheapest_capacity_is_the_quantile_of_the_cost_ratio() -> None:
    y = np.arange(1.0, 1001.0)
    costs = {c: float(plan_cost(y, np.full_like(y, c), 9.0)) for c in range(850, 960)}
    assert min(costs, key=costs.__getitem__) == pytest.approx(900, abs=1)
    losses = {c: float(pinball(y, np.full_like(y, c), 0.9)) for c in range(850, 960)}
    assert min(losses, key=losses.__getitem__) == pytest.approx(900, abs=1)


def test_leading_indices_are_kept() -> None:
    y = np.stack([Y, 2 * Y])
    np.testing.assert_allclose(plan_cost(y, np.stack([Q, 2 * Q])), plan_cost(Y, Q))
    assert wql(y, np.zeros((2, 4, 3)), [0.1, 0.5, 0.9]).shape == (2,)
