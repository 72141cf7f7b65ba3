"""Ladders: what is in force when, that later parts follow what was seen, and that they lose less."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.commitment_demand import steps_until
from optimizer.commitment_ladder import best_of, in_force, ladder_of, renewed, seen, starts
from optimizer.commitment_purchase import Load, Risk, losses
from tests.optimizer.commitment_cases import always

YEAR = 8760.0
STEPS = steps_until(2 * YEAR)
HOURS = STEPS.hours[:, None]
FLAT = np.ones((1, 8))


def load(level: np.ndarray, rate: float = 0.6) -> Load:
    """From (S, Q) USD/h at list price."""
    return Load(level[:, :, None, None], np.array([rate]), HOURS, np.zeros(level.shape))


def falling(draws: int = 100) -> np.ndarray:
    """In half of the draws demand is gone after the first quarter."""
    level = np.full((draws, 8), 10.0)
    level[: draws // 2, 1:] = 0.0
    return level


@pytest.mark.parametrize(
    ("tranches", "expected"),
    [
        (1, [1.0] * 8),
        (2, [0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (4, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_parts_are_bought_over_a_year_and_renewed(tranches: int, expected: list[float]) -> None:
    assert in_force(STEPS, FLAT, YEAR, tranches)[0].tolist() == expected


def test_a_three_year_term_is_not_renewed_before_its_end() -> None:
    steps = steps_until(4 * YEAR)
    assert list(starts(steps, 3 * YEAR, 1)) == [0.0, 3 * YEAR]
    assert in_force(steps, np.ones((1, 16)), 3 * YEAR, 2)[0].tolist() == [0.5, 0.5, *[1.0] * 14]


def test_each_part_keeps_the_size_it_was_bought_at() -> None:
    follows = np.array([[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]])
    assert in_force(STEPS, follows, YEAR, 2)[0].tolist() == pytest.approx(
        [0.5, 0.5, 0.9, 0.9, 0.7, 0.7, 0.5, 0.5]
    )


def test_what_is_seen_is_of_the_step_before() -> None:
    level = np.array([[10.0, 10.0, 0.0, 0.0], [10.0, 10.0, 20.0, 20.0]])
    follows = seen(level[:, :, None, None])
    assert follows.tolist() == [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 2.0]]
    changed = level.copy()
    changed[:, 3] *= [[5.0], [0.2]][0][0]  # what comes in a step cannot be seen when it begins
    assert seen(changed[:, :, None, None])[:, 2].tolist() == pytest.approx(
        (follows[:, 2] * seen(changed[:, :, None, None])[0, 2]).tolist()
    )


def test_a_renewal_starts_from_what_there_is_now() -> None:
    level = np.array([[2.0, 4.0, 40.0]])
    assert renewed(level[:, :, None, None]).tolist() == [[1.0, 2.0, 4.0]]  # at most four times as large
    assert renewed(np.zeros((1, 3, 1, 1))).tolist() == [[1.0, 1.0, 1.0]]


def ladders(level: np.ndarray, risk: Risk, rate: float = 0.6) -> list:
    of = load(level, rate)
    return [ladder_of([of], [always(of)], STEPS, term_h=YEAR, tranches=n, risk=risk) for n in (1, 2, 4)]


def test_steady_demand_is_best_bought_at_once() -> None:
    risk = Risk(0.1, 0.05)
    found = ladders(np.full((20, 8), 10.0), risk)
    assert best_of(found, risk) == 0
    assert [rung.month for rung in found[2].rungs] == [0, 3, 6, 9]
    assert [ladder.usd_per_hour for ladder in found] == pytest.approx([6.0, 6.0, 6.0])
    savings = [-ladder.losses.mean() for ladder in found]
    assert savings[0] == pytest.approx(4.0 * 2 * YEAR)
    assert savings[1] == pytest.approx(4.0 * 1.75 * YEAR)  # half of it is missing for half a year
    assert savings[2] == pytest.approx(4.0 * (2 - 0.375) * YEAR)


def test_demand_that_may_fall_is_best_bought_in_parts() -> None:
    # At once it loses 16 in half of the first years and saves 14 in the others; the second half of a ladder
    # is bought when it is known which.
    risk = Risk(0.0, 0.05)
    whole, halves, quarters = ladders(falling(), risk, rate=0.65)
    assert best_of([whole, halves, quarters], risk) == 1
    assert -whole.losses.mean() == pytest.approx((-1.0 + 7.0) * 2190.0)
    assert -halves.losses.mean() == pytest.approx((0.5 * (-1.0 + 7.0) + 0.5 * 0.5 * 3.5 * 6) * 2190.0)


def test_for_equal_amounts_parts_lose_less_where_demand_falls() -> None:
    of = load(falling())
    worst = []
    for tranches in (1, 2, 4):
        column = always(of)
        tied = type(column)(1.0, 1.0, in_force(STEPS, seen(of.usd_per_hour), YEAR, tranches))
        worst.append(float(losses(of, [tied], np.array([6.0])).max()))
    assert worst[0] > worst[1] > worst[2]


def test_of_equal_ladders_the_simplest_is_taken() -> None:
    risk = Risk(0.1, 0.05)
    found = ladders(np.zeros((5, 8)), risk)
    assert best_of(found, risk) == 0
    assert found[2].usd_per_hour == 0.0
