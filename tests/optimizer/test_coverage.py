"""What commitments cover of a fleet: by hand, and never beaten by another feasible use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.check import check_coverage
from optimizer.coverage import best_cover, saved_per_unit_hour
from optimizer.problem import Placement, Problem
from tests.optimizer.problems import C, O, W, problem


def two_pools(*commitments: C) -> Problem:
    options = [
        O("a", pool="p", pool_units=2.0),
        O("b", pool="q"),
        O("spot", pool="q", purchase="spot"),
        O("free"),
    ]
    return problem(W(demand=[1.0, 1.0]), options, commitments=commitments)


def saved(p: Problem, covered: np.ndarray) -> float:
    return float(np.einsum("cp,cpt,t->", np.nan_to_num(p.covered_list_price), covered, p.hours))


def test_a_budget_goes_where_it_saves_most_per_committed_dollar() -> None:
    p = two_pools(C(covers={"p": (0.5, 1.0), "q": (0.5, 2.0)}, existing=1.0))
    replicas = np.array([[3, 3], [1, 4], [5, 5], [1, 1]])
    covered = best_cover(p, replicas, np.zeros(1))
    # One unit of q runs in the first period: the other half of the budget covers one unit of p.
    assert covered[0].tolist() == [[1.0, 0.0], [1.0, 2.0]]


def test_bought_adds_to_what_is_committed() -> None:
    p = two_pools(C(covers={"q": (0.5, 2.0)}, existing=0.5))
    replicas = np.array([[0, 0], [4, 4], [0, 0], [0, 0]])
    assert best_cover(p, replicas, np.array([1.0]))[0, 1].tolist() == [3.0, 3.0]


def test_only_running_on_demand_units_are_covered_in_pool_units() -> None:
    p = two_pools(C(covers={"p": (0.1, 1.0), "q": (0.1, 1.0)}, existing=99.0))
    replicas = np.array([[3, 0], [1, 0], [5, 5], [1, 1]])
    assert best_cover(p, replicas, np.zeros(1))[0].tolist() == [[6.0, 0.0], [1.0, 0.0]]


def test_two_commitments_share_a_pool_without_covering_a_unit_twice() -> None:
    p = two_pools(
        C("wide", covers={"p": (0.5, 1.0), "q": (0.5, 1.0)}, existing=1.0),
        C("narrow", covers={"q": (0.5, 1.0)}, existing=1.0),
    )
    replicas = np.array([[1, 1], [2, 2], [0, 0], [0, 0]])
    covered = best_cover(p, replicas, np.zeros(2))
    assert saved(p, covered) == pytest.approx(2 * 4.0)  # wide on p leaves q to narrow
    assert covered.sum(axis=0).max() <= 2.0 + 1e-9


def test_no_commitment_reaches_anything() -> None:
    p = two_pools(C(covers={}, existing=1.0))
    assert not best_cover(p, np.ones((4, 2)), np.zeros(1)).any()
    assert best_cover(two_pools(), np.ones((4, 2)), np.zeros(0)).shape == (0, 2, 2)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    rates=st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=4, max_size=4),
    budgets=st.lists(st.sampled_from([0.0, 0.7, 2.0]), min_size=2, max_size=2),
    mix=st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
def test_the_best_cover_is_feasible_and_no_other_saves_more(
    counts: list[int], rates: list[float], budgets: list[float], mix: list[float]
) -> None:
    p = two_pools(
        C("x", covers={"p": (rates[0], 1.0), "q": (rates[1], 1.5)}, existing=budgets[0]),
        C("y", covers={"p": (rates[2], 0.8), "q": (rates[3], 1.1)}, existing=budgets[1]),
    )
    replicas = np.array(counts).reshape(4, 2)
    covered = best_cover(p, replicas, np.zeros(2))
    assert not list(check_coverage(p, Placement(replicas, np.zeros((4, 2)), covered, np.zeros(2))))
    other = np.array(mix).reshape(2, 2, 2)
    running = np.array([2.0 * replicas[0], replicas[1]])
    other *= np.minimum(1.0, running / np.maximum(other.sum(axis=0), 1e-9))
    spent = np.einsum("cp,cpt->ct", p.committed_rate, other)
    other *= np.minimum(1.0, p.committed_usd_per_hour[:, None] / np.maximum(spent, 1e-9))[:, None, :]
    assert saved(p, other) <= saved(p, covered) + 1e-9


def test_savings_are_shared_evenly_by_running_unit_hour() -> None:
    p = two_pools(C(covers={"p": (0.5, 1.0), "q": (0.5, 2.0)}, existing=1.0))
    replicas = np.array([[3, 3], [1, 4], [5, 5], [1, 1]])
    per_unit = saved_per_unit_hour(p, replicas, best_cover(p, replicas, np.zeros(1)))
    assert per_unit.tolist() == pytest.approx(np.array([[1 / 6, 0.0], [2.0, 1.0]]))


def test_nothing_running_saves_nothing() -> None:
    p = two_pools(C(covers={"p": (0.5, 1.0)}, existing=1.0))
    assert not saved_per_unit_hour(p, np.zeros((4, 2)), np.zeros((1, 2, 2))).any()
