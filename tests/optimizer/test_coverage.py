"""What commitments cover of a fleet: by hand, and never beaten by another feasible use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.check import check_coverage
from optimizer.coverage import best_cover, best_purchase, saved_per_unit_hour
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


@pytest.mark.parametrize("names", [("p", "q"), ("q", "p")])
def test_where_the_discount_is_the_same_cover_is_shared_by_what_runs(names: tuple[str, str]) -> None:
    """A unit of the second is worth three of the first: 2 and 2 units are 2 and 6 of what USD 4 cover."""
    small, large = names
    options = [O("a", pool=small), O("b", pool=large, price=3.0)]
    cover = {small: (0.6, 1.0), large: (1.8, 3.0)}
    p = problem(W(), options, commitments=[C(covers=cover, existing=2.4)])
    covered = best_cover(p, np.array([[2], [2]]), np.zeros(1))[0, :, 0]
    by_pool = dict(zip(p.pools, covered.tolist(), strict=True))
    assert by_pool == pytest.approx({small: 1.0, large: 1.0})


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


def cover_usd(p: Problem, replicas: np.ndarray, bought: np.ndarray) -> float:
    """USD of list price that commitments save for given replicas."""
    return saved(p, best_cover(p, replicas, bought))


@settings(max_examples=40, deadline=None)
@given(
    replicas=st.lists(st.integers(0, 6), min_size=2, max_size=2),
    hours=st.lists(st.sampled_from([1.0, 6.0, 18.0]), min_size=2, max_size=2),
    rate=st.floats(0.2, 3.0),
    existing=st.sampled_from([0.0, 1.0, 2.5]),
)
def test_the_best_purchase_is_the_best_of_all_amounts(
    replicas: list[int], hours: list[float], rate: float, existing: float
) -> None:
    terms = [C("old", {"p": (1.0, 2.0)}, existing=existing), C("new", {"p": (rate, 2.0)}, offered=50.0)]
    p = problem(W(demand=(1.0, 1.0)), [O("a", price=2.0, pool="p")], commitments=terms, hours=hours)
    n = np.array([replicas])

    def gain(amount: float) -> float:
        """Machines beyond the old commitment, covered as far as the amount reaches; by hand."""
        spare = [max(count - existing, 0.0) for count in replicas]
        covered = [min(count, amount / rate) for count in spare]
        return sum(h * (2.0 * c - amount) for h, c in zip(hours, covered, strict=True))

    bought = best_purchase(p, n)
    best = max(gain(count * rate) for count in np.arange(0.0, 6.5, 0.5))  # kinks: multiples of half a machine
    found = cover_usd(p, n, bought) - cover_usd(p, n, np.zeros(2)) - bought.sum() * sum(hours)
    if rate < 1.0:  # then the new one may stand in for the old one, but never saves more by it
        assert found >= best - 1e-6
    else:
        assert found == pytest.approx(best, abs=1e-6)


def test_the_saving_of_new_commitments_counts_idle_old_ones() -> None:
    # In the quiet half one machine runs, which the old commitment could cover as well as the new one.
    terms = [C("old", {"p": (1.0, 3.0)}, existing=1.0), C("new", {"p": (1.0, 3.0)}, offered=9.0)]
    p = problem(W(demand=(1.0, 1.0)), [O("a", price=3.0, pool="p")], commitments=terms, hours=[1.0, 1.0])
    n = np.array([[2, 1]])
    bought = best_purchase(p, n)
    assert bought.tolist() == pytest.approx([0.0, 1.0])
    assert cover_usd(p, n, bought) - cover_usd(p, n, np.zeros(2)) == pytest.approx(3.0)
