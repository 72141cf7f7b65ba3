"""The mix of spot and on demand, against every mix of its grid and against what can be worked out by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.load_ahead import FINE_STEP, PARTED_AT, LoadAhead, LoadBelowNeed
from optimizer.pool_losses import Patterns, PoolLosses
from optimizer.spot_mix import Moment, Prices, SpotMix

ALL_OF_IT = LoadAhead(np.zeros(0), (LoadBelowNeed(np.ones(1), np.ones(1)),))  # load is the need
PLENTY = np.full(4, 1000.0)


def mix_of(
    probability: list[float],
    is_lost: list[list[bool]],
    prices: Prices,
    load: LoadAhead = ALL_OF_IT,
    firm_share: float = 0.0,
) -> SpotMix:
    """A mix with given loss patterns of its pools."""
    pools = len(is_lost[0])
    nothing = np.zeros((pools, 0), dtype=bool)
    found = SpotMix(PoolLosses(6, nothing, nothing), load, prices, firm_share)
    found.patterns[tuple(range(pools))] = Patterns(np.array(probability), np.array(is_lost))
    return found


def moment(pools: int, need: float = 10.0) -> Moment:
    """All pools are up, and the last load was all of the need."""
    return Moment(need, 1.0, tuple(range(pools)))


def test_a_safe_pool_carries_all_of_the_need() -> None:
    mix = mix_of([1.0], [[False]], Prices(np.array([0.3]), 1.0, 500.0))
    assert mix.spot_wanted(moment(1), PLENTY[:1]) == pytest.approx([10.0])
    assert mix.firm_wanted(moment(1), np.array([10.0])) == 0.0


def test_a_pool_that_is_often_lost_carries_nothing_that_matters() -> None:
    mix = mix_of([0.9, 0.1], [[False], [True]], Prices(np.array([0.3]), 1.0, 500.0))
    spot = mix.spot_wanted(moment(1), PLENTY[:1])
    assert mix.firm_wanted(moment(1), spot) == pytest.approx(10.0)
    assert spot == pytest.approx([0.0])


def test_two_pools_cover_each_other_where_both_are_hardly_ever_lost() -> None:
    patterns = [[False, False], [True, False], [False, True], [True, True]]
    mix = mix_of([0.96, 0.02, 0.02 - 1e-6, 1e-6], patterns, Prices(np.array([0.3, 0.3]), 1.0, 500.0))
    assert mix.spot_wanted(moment(2), PLENTY[:2]) == pytest.approx([10.0, 10.0])


def test_pools_that_are_lost_together_are_covered_on_demand() -> None:
    patterns = [[False, False], [True, True]]
    mix = mix_of([0.98, 0.02], patterns, Prices(np.array([0.3, 0.3]), 1.0, 500.0))
    spot = mix.spot_wanted(moment(2), PLENTY[:2])
    assert mix.firm_wanted(moment(2), spot) == pytest.approx(10.0)


def test_what_must_stay_firm_is_on_demand() -> None:
    mix = mix_of([1.0], [[False]], Prices(np.array([0.3]), 1.0, 500.0), firm_share=0.4)
    spot = mix.spot_wanted(moment(1), PLENTY[:1])
    assert spot == pytest.approx([6.0])
    assert mix.firm_wanted(moment(1), np.array([10.0])) == pytest.approx(4.0)


def test_a_pool_gives_no_more_than_it_grants() -> None:
    mix = mix_of([1.0], [[False]], Prices(np.array([0.3]), 1.0, 500.0))
    spot = mix.spot_wanted(moment(1), np.array([3.3]))[0]
    assert 0.95 * 3.3 - 10.0 * FINE_STEP <= spot <= 3.3


@settings(max_examples=25, deadline=None)
@given(
    weights=st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4),
    spot=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
    late=st.floats(2.0, 1000.0),
    shares=st.lists(st.floats(0.2, 1.4), min_size=3, max_size=3),
)
def test_no_mix_of_the_first_grid_is_cheaper(
    weights: list[float], spot: tuple[float, float], late: float, shares: list[float]
) -> None:
    """The oracle adds up costs as the module's head says, mix by mix."""
    probability = np.array(weights) / sum(weights)
    is_lost = np.array([[False, False], [True, False], [False, True], [True, True]])
    load = LoadBelowNeed(np.sort(np.array(shares)), np.full(3, 1 / 3))
    prices = Prices(np.array(spot), 1.0, late)
    mix = mix_of(probability.tolist(), is_lost.tolist(), prices, LoadAhead(np.zeros(0), (load,)))

    def cost(x: np.ndarray, y: float) -> float:
        left = (~is_lost) @ x + y
        short = load.share[None, :] > np.floor(left / FINE_STEP + 1e-6)[:, None] * FINE_STEP + 1e-9
        lateness = float(probability @ short @ (load.weight * load.share))
        return float(prices.spot @ x) + y + late * lateness

    grid = np.arange(0, 21) * 0.1
    least = min(
        cost(np.array([a, b]), y)
        for a, b, y in product(grid, grid, np.arange(0, 41, 2) * 0.1)
        if a + b + y >= 1 - 1e-9
    )
    x = mix.spot_wanted(moment(2, need=1.0), PLENTY[:2])
    fine = np.arange(0, 4.0 + 1e-9, FINE_STEP)
    found = min(cost(x, y) for y in fine if x.sum() + y >= 1 - 1e-9)
    assert found <= least + 1e-6


@given(
    spot=st.lists(st.floats(0.0, 30.0), min_size=2, max_size=2),
    more=st.floats(0.0, 10.0),
)
def test_more_spot_never_asks_for_more_on_demand(spot: list[float], more: float) -> None:
    patterns = [[False, False], [True, False], [False, True], [True, True]]
    mix = mix_of([0.96, 0.02, 0.019, 0.001], patterns, Prices(np.array([0.3, 0.3]), 1.0, 500.0))
    before = mix.firm_wanted(moment(2), np.array(spot))
    after = mix.firm_wanted(moment(2), np.array(spot) + more)
    assert after <= before + 1e-9


def test_load_ahead_is_read_by_how_full_the_need_was() -> None:
    """A load that grows only where it is high already: low, it says that cover may be smaller."""
    load = np.tile(np.r_[np.full(200, 5.0), np.linspace(5.0, 10.0, 20), np.full(200, 5.0)], 5)
    ahead = LoadAhead.of(load, np.full(len(load), 10.0), 6)
    assert len(ahead.bins) == len(PARTED_AT) + 1
    assert ahead.at(0.5).share.max() < ahead.at(0.95).share.max()
    assert ahead.at(float("nan")) is ahead.bins[-1]


def test_without_history_load_is_all_of_the_need() -> None:
    ahead = LoadAhead.of(np.zeros(0), np.zeros(0), 6)
    assert ahead.at(0.3).share.tolist() == [1.0]


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=300))
def test_quantiles_keep_the_largest_share_and_all_of_the_weight(shares: list[float]) -> None:
    found = LoadBelowNeed.of(np.array(shares))
    assert found.weight.sum() == pytest.approx(1.0)
    assert found.share.max() == max(shares)
    assert (np.diff(found.late) <= 1e-12).all()
