from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.champion import DRAWS, Ratio, champion, compared, costs_of, overall
from models.peers import OURS

NAIVE = "seasonal_naive"
LEVELS = (0.5, 0.99)


def scores(costs: Mapping[str, Sequence[float]], *, demand: Sequence[float] | None = None) -> pd.DataFrame:
    """Scores of series 0, 1, 2 … by model, from their plan costs at 99:1."""
    parts = []
    for model, values in costs.items():
        cost = np.asarray(values, dtype=float)
        mean = np.ones(cost.size) if demand is None else np.asarray(demand, dtype=float)
        part = {
            "unique_id": [f"s{i}" for i in range(cost.size)], "model": model, "points": 10,
            "mean_demand": mean, "plan_cost_99": cost, "pinball_q0.99": cost * mean / 100,
            "pinball_q0.5": 1.0, "coverage_q0.5": 0.5, "coverage_q0.99": np.linspace(0.9, 1.0, cost.size),
            "wql": 0.1, "mase": 1.0,
        }  # fmt: skip
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def test_the_cheapest_that_beats_seasonal_naive_wins() -> None:
    found = champion(scores({NAIVE: [4, 4, 4], "a": [3, 3, 3], "b": [2, 2, 2], "c": [5, 5, 5]}), 99.0)
    assert found is not None
    assert (found.model, found.cheapest, found.better, found.ties) == ("b", "b", ("b", "a"), ())
    assert found.against == Ratio(0.5, 0.5, 0.5)


def test_seasonal_naive_stays_where_the_cheapest_may_be_chance() -> None:
    wild = [1.0, 1.0, 1.0, 1.0, 1.0, 18.0]  # cheaper on the whole and on most series, by far dearer on one
    found = champion(scores({NAIVE: [4.0] * 6, "wild": wild}), 99.0)
    assert found is not None
    assert (found.model, found.cheapest, found.ties) == (NAIVE, "wild", ("wild",))
    assert found.better == ()


def test_a_sure_win_goes_before_a_cheaper_gamble() -> None:
    costs = {NAIVE: [4.0] * 6, "wild": [1.0, 1.0, 1.0, 1.0, 1.0, 14.0], "sure": [3.5] * 6}
    found = champion(scores(costs), 99.0)
    assert found is not None
    assert (found.model, found.cheapest, found.ties) == ("sure", "wild", ("wild",))


def test_seasonal_naive_stays_where_it_is_best_or_equal() -> None:
    for rival in ([5.0, 5.0], [4.0, 4.0]):
        found = champion(scores({NAIVE: [4.0, 4.0], "a": rival}), 99.0)
        assert found is not None
        assert found.model == NAIVE
        assert found.ties == (("a",) if rival[0] == 4 else ())


@pytest.mark.parametrize(
    ("cost", "winner"), [(3.7, "a"), (3.81, NAIVE), (4.0, NAIVE), (4.19, NAIVE), (5.0, NAIVE)]
)
def test_one_series_is_no_ground_for_an_interval(cost: float, winner: str) -> None:
    found = champion(scores({NAIVE: [4.0], "a": [cost]}), 99.0)
    assert found is not None
    assert found.model == winner
    assert found.against.low is None
    assert found.ties == (("a",) if abs(cost / 4 - 1) <= 0.05 else ())


def test_nothing_beats_a_plan_without_cost() -> None:
    found = champion(scores({NAIVE: [0.0, 0.0], "a": [0.0, 1.0]}), 99.0)
    assert found is not None
    assert found.model == NAIVE
    assert found.against.value is None


def test_series_without_a_plan_cost_do_not_count() -> None:
    found = scores({NAIVE: [4.0, np.nan, 4.0], "a": [2.0, np.nan, 2.0]})
    assert len(costs_of(found, 99.0)) == 2
    idle = scores({NAIVE: [np.nan], "a": [np.nan]})
    assert champion(idle, 99.0) is None
    table = overall(idle, [99.0], LEVELS)
    assert table[["plan_cost_99", "ratio_99", "not_worse_share_99"]].isna().all(axis=None)


def test_all_models_meet_the_same_drawn_series() -> None:
    naive = np.random.default_rng(1).pareto(1.2, 30) + 0.1
    found = compared(costs_of(scores({NAIVE: naive, "half": naive / 2}), 99.0), NAIVE)
    assert found["half"].low == pytest.approx(0.5, abs=1e-12)
    assert found["half"].high == pytest.approx(0.5, abs=1e-12)


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    random = np.random.default_rng(2)
    naive, other = random.gamma(2.0, 1.0, 40) + 0.1, random.gamma(2.0, 0.8, 40) + 0.1
    found = compared(costs_of(scores({NAIVE: naive, "a": other}), 99.0), NAIVE)["a"]
    picks = [random.integers(0, 40, 40) for _ in range(DRAWS)]
    plain = np.quantile([other[p].mean() / naive[p].mean() for p in picks], [0.025, 0.975])
    assert found.value == pytest.approx(other.mean() / naive.mean())
    np.testing.assert_allclose([found.low, found.high], plain, rtol=0.05)  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(8)), st.floats(1e-3, 1e3))
def test_neither_the_order_of_series_nor_the_unit_matters(order: list[int], unit: float) -> None:
    random = np.random.default_rng(3)
    costs = {NAIVE: random.gamma(2.0, 1.0, 8), "a": random.gamma(2.0, 1.0, 8), "b": random.gamma(1.0, 1.0, 8)}
    frame = scores(costs)
    mixed = pd.concat([frame.iloc[[k * 8 + i for i in order]] for k in (2, 0, 1)])
    assert champion(mixed, 99.0) == champion(frame, 99.0)
    scaled = champion(frame.assign(plan_cost_99=frame["plan_cost_99"] * unit), 99.0)
    plain = champion(frame, 99.0)
    assert scaled is not None
    assert plain is not None
    assert (scaled.model, scaled.ties) == (plain.model, plain.ties)


def test_overall_by_hand() -> None:
    table = overall(scores({NAIVE: [4.0, 2.0], "a": [4.2, 1.0]}, demand=[1.0, 3.0]), [99.0], LEVELS)
    assert table["model"].tolist() == ["a", NAIVE]
    first, second = table.to_dict("records")
    assert (first["series"], first["points"]) == (2, 20)
    assert first["plan_cost_99"] == pytest.approx(2.6)
    assert first["plan_cost_99_pooled"] == pytest.approx((4.2 * 1 + 1.0 * 3) / 4)
    assert second["plan_cost_99_pooled"] == pytest.approx((4.0 * 1 + 2.0 * 3) / 4)
    assert first["ratio_99"] == pytest.approx(2.6 / 3)
    assert second["ratio_99"] == 1.0
    assert first["not_worse_share_99"] == 1.0  # 4.2 is 5 % above 4, not over
    assert first["coverage_q0.99"] == pytest.approx(0.95)
    assert first["worst_decile_q0.99"] == pytest.approx(0.91)


def test_dearer_by_more_than_a_twentieth_is_worse() -> None:
    table = overall(scores({NAIVE: [4.0, 0.0, 0.0], "a": [4.3, 0.0, 0.1]}), [99.0], LEVELS).set_index("model")
    assert table.loc["a", "not_worse_share_99"] == pytest.approx(1 / 3)


PLANNED_BY_OURS = {NAIVE: [4.0, 5.0, 4.0, 5.0], OURS: [3.0, 3.5, 3.0, 3.6]}


@pytest.mark.parametrize(
    ("costs", "planner"),
    [
        (PLANNED_BY_OURS, OURS),
        ({NAIVE: [4.0] * 6, OURS: [1.0, 1.0, 1.0, 1.0, 1.0, 18.0]}, OURS),  # cheaper, if by chance
        ({NAIVE: [4.0] * 6, OURS: [1.0, 1.0, 1.0, 1.0, 1.0, 19.5]}, NAIVE),  # dearer, if by chance
        ({NAIVE: [4.0] * 4, OURS: [5.0] * 4}, NAIVE),
        ({NAIVE: [4.0] * 4, OURS: [5.0] * 4, "rival": [3.0] * 4}, "rival"),
        ({NAIVE: [4.0] * 4, OURS: [3.0] * 4, "rival": [2.0] * 4}, "rival"),
        ({NAIVE: [4.0] * 4, OURS: [2.9, 3.0, 3.0, 3.0], "rival": [3.5, 2.0, 3.4, 2.9]}, OURS),  # a tie
        ({NAIVE: [4.0], OURS: [3.0], "rival": [2.0]}, OURS),  # one series is no ground for a change
        ({NAIVE: [4.0], OURS: [4.5], "rival": [2.0]}, "rival"),
        ({NAIVE: [4.0], OURS: [4.5], "rival": [3.9]}, NAIVE),
    ],
)
def test_who_plans(costs: Mapping[str, Sequence[float]], planner: str) -> None:
    found = champion(scores(costs), 99.0)
    assert found is not None
    assert found.planner == planner
