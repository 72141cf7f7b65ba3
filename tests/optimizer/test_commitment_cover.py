"""What existing commitments leave: in order, never twice, not after their end; and groups of pools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.commitment_cover import Existing, by_discount, covered_by, group_of, groups_of, loads_of
from optimizer.commitment_demand import Demand, steps_until

NAN = np.nan


def listed(*values: float) -> np.ndarray:
    """(1, 1, P) USD/h at list price."""
    return np.array([[list(values)]])


def test_a_budget_goes_to_the_first_pools_first() -> None:
    covered = covered_by(listed(10.0, 10.0), np.array([0.5, 0.8]), 9.0)
    assert covered.tolist() == [[[10.0, 5.0]]]


def test_a_rate_of_nothing_covers_everything() -> None:
    assert covered_by(listed(10.0, 4.0), np.array([0.0, 0.5]), 1.0).tolist() == [[[10.0, 2.0]]]


def test_narrow_commitments_go_first_and_each_to_its_deepest_discount() -> None:
    wide, narrow = [0.9, 0.5, 0.7], [NAN, 0.6, NAN]
    existing = Existing(np.array([wide, narrow]), np.array([9.0, 3.0]), np.array([np.inf, np.inf]))
    # The narrow one covers 5 of the second pool; the wide one the other 5 (2.5 USD), then the third pool.
    left = existing.left_of(listed(10.0, 10.0, 5.0), 0.0)
    assert left[0, 0].tolist() == pytest.approx([10.0 - 3.0 / 0.9, 0.0, 0.0])


def test_a_commitment_that_has_ended_covers_nothing() -> None:
    existing = Existing(np.array([[0.5]]), np.array([2.0]), np.array([4380.0]))
    steps = steps_until(8760.0, existing.end_h)
    left = [existing.left_of(listed(10.0), begin)[0, 0, 0] for begin in steps.begin_h]
    assert steps.begin_h.tolist() == [0.0, 2190.0, 4380.0, 6570.0]
    assert left == [6.0, 6.0, 10.0, 10.0]


def test_steps_are_cut_where_a_commitment_ends() -> None:
    steps = steps_until(8760.0, [730.0 * 4 + 50.0, np.inf, 9999999.0, -5.0])
    assert steps.begin_h.tolist() == [0.0, 2190.0, 2920.0, 4380.0, 6570.0]
    assert steps.hours.sum() == pytest.approx(8760.0)
    assert steps.within(8760.0) == 5
    assert steps.within(2190.0) == 1
    assert [steps.at(hours) for hours in (0.0, 2190.0, 2500.0, 2920.0)] == [0, 1, 1, 2]


@settings(max_examples=80, deadline=None)
@given(
    spend=st.lists(st.floats(0.0, 20.0), min_size=3, max_size=3),
    rates=st.lists(st.sampled_from([NAN, 0.0, 0.4, 0.7, 1.2]), min_size=6, max_size=6),
    budgets=st.lists(st.floats(0.0, 15.0), min_size=2, max_size=2),
)
def test_nothing_is_covered_twice_and_no_budget_is_exceeded(
    spend: list[float], rates: list[float], budgets: list[float]
) -> None:
    rate = np.array(rates).reshape(2, 3)
    running, far = listed(*spend), np.array([np.inf, np.inf])
    left = Existing(rate, np.array(budgets), far).left_of(running, 0.0)
    assert (left >= -1e-9).all()
    assert (left <= running + 1e-9).all()
    assert (
        left[0, 0, np.isnan(rate).all(axis=0)].tolist() == running[0, 0, np.isnan(rate).all(axis=0)].tolist()
    )
    least = np.nanmin(np.where(np.isnan(rate), np.inf, rate), axis=0)  # what is covered costs at least this
    costly = np.isfinite(least) & (least > 0)
    assert ((running - left)[0, 0, costly] * least[costly]).sum() <= sum(budgets) + 1e-6


def test_pools_group_by_the_offers_that_reach_them() -> None:
    rate = np.array([[0.7, 0.7, NAN, 1.1], [NAN, 0.5, 0.5, NAN]])
    found = groups_of(rate, np.ones(4), alone=np.zeros(4, dtype=bool))
    assert [sorted(np.concatenate(group.parts).tolist()) for group in found] == [[0], [1], [2]]
    assert groups_of(rate, np.zeros(4), alone=np.zeros(4, dtype=bool)) == []


def test_reservations_are_a_group_each() -> None:
    rate = np.full((1, 3), 0.6)
    together = groups_of(rate, np.ones(3), alone=np.zeros(3, dtype=bool))
    apart = groups_of(rate, np.ones(3), alone=np.array([True, True, False]))
    assert len(together) == 1
    assert sorted(len(group.parts[0]) for group in apart) == [1, 1, 1]


def test_parts_are_by_discount_and_offers_add_up_at_a_factor() -> None:
    rate = np.array([[0.6, 0.8, 0.61], [0.3, 0.4, 0.305]])
    group = group_of(np.arange(3), rate, np.array([1.0, 1.0, 3.0]))
    assert [part.tolist() for part in group.parts] == [[0, 2], [1]]
    found = np.outer(group.scale, group.rate)
    assert found == pytest.approx(np.array([[(0.6 + 3 * 0.61) / 4, 0.8], [(0.3 + 3 * 0.305) / 4, 0.4]]))
    assert group.saves(0, 1.6)
    assert not group.saves(0, 1.7)


@settings(max_examples=40, deadline=None)
@given(rates=st.lists(st.floats(0.01, 1.5), min_size=1, max_size=40))
def test_parts_hold_every_pool_once_in_order(rates: list[float]) -> None:
    parts = list(by_discount(np.array(rates)))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rates)))
    assert len(parts) <= 4
    means = [np.array(rates)[part].mean() for part in parts]
    assert means == sorted(means)


def test_loads_are_what_is_left_per_group_and_part() -> None:
    spend = np.array([[[4.0], [6.0], [5.0]]])  # one workload on three pools
    demand = Demand(spend, np.ones((3, 4, 1)), np.array([0.1, 0.9]), np.ones((1, 1, 2)))
    steps = steps_until(8760.0)
    existing = Existing(np.array([[0.5, NAN, NAN]]), np.array([1.0]), np.array([2190.0 * 2]))
    groups = groups_of(np.array([[0.7, 0.5, NAN]]), np.ones(3), alone=np.zeros(3, dtype=bool))
    (load,) = loads_of(demand, steps, existing, groups)
    assert load.shape == (3, 4, 1, 2)
    assert load[0, :, 0].tolist() == [[6.0, 2.0], [6.0, 2.0], [6.0, 4.0], [6.0, 4.0]]
