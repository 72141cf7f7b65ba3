from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import Panel, check_series
from models.metrics import coverage, mase, pinball, plan_cost, wql
from models.scores import Sums, cost_column, cost_ratio_of, level_of
from tests.models.frames_of import demand, long_frame

LEVELS = np.array([0.5, 0.9, 0.99])
ASKED = [0.5, 0.9]
RATIOS = (99.0, 9.0)


def known(*history: float) -> Panel:
    """One daily series, so that a season is seven steps."""
    return check_series(long_frame({"a": list(history)}, "1D"), "1D")


def scored(panel: Panel, *cases: tuple[list[float], list[list[float]]]) -> dict[str, float]:
    """Scores of one series from (what came true, (step, level) quantiles) of each case."""
    sums = Sums.of(1, LEVELS)
    for y, made in cases:
        sums.add(np.array([0]), panel, np.array([y]), np.array([made]))
    return {str(name): float(value) for name, value in sums.scores(ASKED, RATIOS).iloc[0].items()}


def test_by_hand() -> None:
    # Seasonal naive errs by 2 in this history. At y = 10 the quantiles are 8, 12, 20; at y = 30: 30, 28, 25.
    panel = known(1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3)
    found = scored(
        panel, ([10.0], [[8.0, 12.0, 20.0]]), ([30.0, np.nan], [[30.0, 28.0, 25.0], [0.0, 0.0, 0.0]])
    )
    assert found["points"] == 2
    assert found["mean_demand"] == 20
    assert found["pinball_q0.5"] == pytest.approx((0.5 * 2 + 0) / 2)
    assert found["pinball_q0.9"] == pytest.approx((0.1 * 2 + 0.9 * 2) / 2)
    assert found["pinball_q0.99"] == pytest.approx((0.01 * 10 + 0.99 * 5) / 2)
    assert found["coverage_q0.5"] == 0.5
    assert found["coverage_q0.9"] == 0.5
    assert found["coverage_q0.99"] == 0.5
    assert found["wql"] == pytest.approx(2 * (0.5 + 1.0) / 2 / 20)
    assert found["mase"] == pytest.approx((2 / 2 + 0 / 2) / 2)
    assert found["plan_cost_99"] == pytest.approx((10 + 99 * 5) / 2 / 20)
    assert found["plan_cost_9"] == pytest.approx((2 + 9 * 2) / 2 / 20)


def test_sums_of_cases_are_the_metrics_of_all_steps() -> None:
    random = np.random.default_rng(0)
    panel = check_series(long_frame({"a": demand(3), "b": demand(3, seed=1)}), "1h")
    sums = Sums.of(3, LEVELS)
    parts = []
    for holes in (0.0, 0.3):
        y = np.where(random.random((2, 24)) < holes, np.nan, random.gamma(2.0, 10.0, (2, 24)))
        made = np.sort(random.gamma(2.0, 10.0, (2, 24, 3)), axis=-1)
        sums.add(np.array([2, 0]), panel, y, made)
        parts.append((y, made))
    y, made = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    found = sums.scores(ASKED, RATIOS).iloc[[2, 0]]
    np.testing.assert_allclose(found["wql"], wql(y, made[..., :2], ASKED))
    np.testing.assert_allclose(found["mase"], mase(y, made[..., 0], panel.y, 24))
    np.testing.assert_allclose(found["plan_cost_99"], plan_cost(y, made[..., 2], 99.0))
    np.testing.assert_allclose(found["plan_cost_9"], plan_cost(y, made[..., 1], 9.0))
    for i, level in enumerate(LEVELS):
        np.testing.assert_allclose(found[f"pinball_q{level:g}"], pinball(y, made[..., i], level))
        np.testing.assert_allclose(found[f"coverage_q{level:g}"], coverage(y, made[..., i]))
    assert sums.scores(ASKED, RATIOS).loc[1, ["points"]].eq(0).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=20), st.floats(0.01, 1e5))
def test_an_oracle_is_without_loss_and_a_constant_shift_costs_what_it_must(
    y: list[float], shift: float
) -> None:
    panel = known(*range(14))
    exact = scored(panel, (y, [[value] * 3 for value in y]))
    assert [exact[name] for name in ("pinball_q0.5", "wql", "mase", "plan_cost_99")] == [0, 0, 0, 0]
    assert exact["coverage_q0.5"] == exact["coverage_q0.99"] == 1
    above = scored(panel, (y, [[value + shift] * 3 for value in y]))
    below = scored(panel, (y, [[value - shift] * 3 for value in y]))
    mean = float(np.mean(y))
    near = {"rel": 1e-6, "abs": 1e-9 * max(y) / mean}
    assert above["pinball_q0.9"] == pytest.approx(0.1 * shift, rel=1e-6, abs=1e-9 * max(y))
    assert below["pinball_q0.9"] == pytest.approx(0.9 * shift, rel=1e-6, abs=1e-9 * max(y))
    assert above["plan_cost_99"] == pytest.approx(shift / mean, **near)
    assert below["plan_cost_99"] == pytest.approx(99 * shift / mean, rel=1e-6, abs=1e-7 * max(y) / mean)
    assert (above["coverage_q0.9"], below["coverage_q0.9"]) == (1, 0)


@pytest.mark.parametrize("history", [[5.0] * 14, [5.0] * 7, [1.0]])
def test_a_history_without_seasonal_change_gives_no_scale(history: list[float]) -> None:
    found = scored(known(*history), ([4.0], [[5.0, 5.0, 5.0]]))
    assert np.isnan(found["mase"])
    assert found["pinball_q0.5"] == 0.5


def test_a_case_without_scale_does_not_count_in_mase_alone() -> None:
    sums = Sums.of(1, LEVELS)
    for panel, error in ((known(*[5.0] * 14), 100.0), (known(*range(14)), 7.0)):
        sums.add(np.array([0]), panel, np.array([[10.0]]), np.full((1, 1, 3), 10.0 + error))
    found = sums.scores(ASKED, RATIOS).iloc[0]
    assert found["mase"] == 1.0
    assert found["pinball_q0.5"] == pytest.approx(0.5 * 107 / 2)


def test_no_demand_and_no_steps_are_not_known_rather_than_zero() -> None:
    idle = scored(known(*range(14)), ([0.0, 0.0], [[1.0] * 3] * 2))
    assert np.isnan([idle["wql"], idle["plan_cost_99"]]).all()
    assert idle["pinball_q0.5"] == 0.5
    nothing = scored(known(*range(14)), ([np.nan], [[1.0] * 3]))
    assert nothing["points"] == 0
    assert np.isnan([value for name, value in nothing.items() if name != "points"]).all()


@pytest.mark.parametrize(
    ("ratio", "level"), [(99.0, 0.99), (999.0, 0.999), (19.0, 0.95), (1.0, 0.5), (9.0, 0.9)]
)
def test_a_cost_ratio_and_its_quantile(ratio: float, level: float) -> None:
    assert level_of(ratio) == level
    assert cost_ratio_of(level) == ratio


def test_names_of_costs() -> None:
    assert cost_column(99.0) == "plan_cost_99"
    assert cost_column(cost_ratio_of(0.975)) == "plan_cost_39"
    assert isinstance(Sums.of(1, LEVELS).scores(ASKED, RATIOS), pd.DataFrame)
