"""What is read off the history of spot pools: how often they are lost, alone and together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, poisson

from optimizer.pool_losses import DEPENDENT, SHAPE, USUAL_SHARE, PoolLosses, joint

WINDOW = 6


def alternating(minutes: int, up: int, down: int, shift: int = 0) -> np.ndarray:
    """(t) ten replicas for so many minutes, then none."""
    return np.where((np.arange(minutes) + shift) % (up + down) < up, 10, 0)


def test_a_pool_that_is_lost_every_four_hours_is_lost_in_six_of_240_windows() -> None:
    losses = PoolLosses.of(np.array([alternating(20_000, 240, 120)]), WINDOW)
    assert losses.chance[0] == pytest.approx(5 / 240, rel=0.1)  # the window begins before the last minute


def test_pools_that_go_down_together_are_lost_together() -> None:
    one = alternating(20_000, 240, 120)
    together = PoolLosses.of(np.array([one, one]), WINDOW).patterns((0, 1))
    apart = PoolLosses.of(np.array([one, alternating(20_000, 240, 120, 100)]), WINDOW).patterns((0, 1))
    both = np.array([True, True])
    assert probability(together, both) == pytest.approx(5 / 240, rel=0.15)
    assert probability(apart, both) < 1e-3


def test_what_was_never_seen_together_is_as_rare_as_of_independent_pools() -> None:
    """Two pools of which one is never up when the other goes down: independence is the least there is."""
    losses = PoolLosses.of(
        np.array([alternating(20_000, 240, 120), alternating(20_000, 240, 120, 60)]), WINDOW
    )
    found = probability(losses.patterns((0, 1)), np.array([True, True]))
    assert found == pytest.approx(losses.chance.prod(), rel=1e-3)  # all together are made 1


def test_a_smaller_grant_is_no_loss() -> None:
    shrinking = np.where(np.arange(5000) % 200 < 100, 10, 6)
    assert not PoolLosses.of(np.array([shrinking]), WINDOW).is_lost.any()


def test_without_history_a_pool_is_as_likely_lost_as_not() -> None:
    losses = PoolLosses.of(np.zeros((2, 0), dtype=np.int64), WINDOW)
    assert losses.chance.tolist() == [0.5, 0.5]
    assert losses.patterns((0, 1)).probability == pytest.approx([0.25] * 4)


def test_a_new_pool_is_taken_for_one_like_the_others() -> None:
    known = alternating(20_000, 240, 120)
    new = np.where(np.arange(20_000) >= 19_990, 10, 0)
    chance = PoolLosses.of(np.array([known, known, new]), WINDOW).chance
    assert chance[2] == pytest.approx(chance[0], rel=0.05)


@pytest.mark.parametrize(
    ("seen", "watched", "apart", "single"),
    [
        (0, 0.0, 1e-3, 0.02),
        (0, 600, 7e-4, 0.03),
        (2, 600, 7e-4, 0.03),
        (4, 900, 1e-3, 0.02),
        (8, 600, 1e-6, 0.03),
    ],
)
def test_joint_losses_are_the_mean_of_what_they_may_be(
    seen: int, watched: float, apart: float, single: float
) -> None:
    """The oracle weighs every share of losses in common by how well it explains what was seen."""
    share = np.geomspace(1e-9, 20.0, 200_000)
    density = gamma.pdf(share, SHAPE, scale=USUAL_SHARE / SHAPE)
    likely = poisson.pmf(seen, watched * share * single)
    common = DEPENDENT * np.trapezoid(density * likely, share)
    lost = DEPENDENT * np.trapezoid(density * likely * share * single, share)
    chance = (1.0 - DEPENDENT) * poisson.pmf(seen, watched * apart)
    expected = (chance * apart + lost) / (chance + common)
    assert joint(seen, watched, apart, single) == pytest.approx(max(apart, expected), rel=0.01)


def test_a_coincidence_of_independent_pools_is_not_taken_for_a_common_cause() -> None:
    """A week of pools at random, many times: what is said of two at once is near the product of both."""
    ratios, rng = [], np.random.default_rng(1)
    for _ in range(40):
        pools = np.array([at_random(rng, 7 * 1440) for _ in range(2)])
        losses = PoolLosses.of(pools, WINDOW)
        both = probability(losses.patterns((0, 1)), np.array([True, True]))
        ratios.append(both / losses.chance.prod())
    assert np.mean(ratios) < 1.5
    assert np.quantile(ratios, 0.9) < 2.0


def test_more_of_them_are_one() -> None:
    """Half of the losses of one pool take the other along."""
    rng = np.random.default_rng(2)
    leader, pool = at_random(rng, 7 * 1440), at_random(rng, 7 * 1440)
    for lost in np.flatnonzero((leader[:-1] > 0) & (leader[1:] == 0)) + 1:
        if rng.random() < 1 / 2:
            pool[lost : lost + 60] = 0
    losses = PoolLosses.of(np.array([leader, pool]), WINDOW)
    both = probability(losses.patterns((0, 1)), np.array([True, True]))
    assert 0.2 * losses.chance.min() < both < losses.chance.min()


def at_random(rng: np.random.Generator, minutes: int) -> np.ndarray:
    """(t) ten replicas for four hours in the mean, then none for two."""
    found, at, is_up = np.zeros(minutes, dtype=np.int64), 0, True
    while at < minutes:
        end = at + max(5, int(rng.exponential(240 if is_up else 120)))
        found[at:end] = 10 if is_up else 0
        at, is_up = end, not is_up
    return found


@given(
    seen=st.floats(0, 50),
    more=st.floats(0, 10),
    watched=st.floats(0, 10_000),
    single=st.floats(1e-6, 0.5),
    share=st.floats(1e-9, 1.0),
)
def test_joint_losses_lie_between_independence_and_the_rarest_pool(
    seen: float, more: float, watched: float, single: float, share: float
) -> None:
    apart = single * share
    found = joint(seen, watched, apart, single)
    assert apart <= found <= single * (1 + 1e-9)
    assert joint(seen + more, watched, apart, single) >= found * (1 - 1e-9)


@given(
    grants=st.lists(
        st.lists(st.sampled_from([0, 1, 5, 40]), min_size=30, max_size=30), min_size=1, max_size=4
    ),
    window=st.integers(1, 40),
)
def test_patterns_are_a_distribution(grants: list[list[int]], window: int) -> None:
    found = PoolLosses.of(np.array(grants), window).patterns(tuple(range(len(grants))))
    assert found.probability.sum() == pytest.approx(1.0)
    assert (found.probability > 0).all()
    assert len(np.unique(found.is_lost, axis=0)) == len(found.is_lost)


def probability(patterns: object, is_lost: np.ndarray) -> float:
    """Of one pattern."""
    return float(patterns.probability[(patterns.is_lost == is_lost).all(axis=1)].sum())  # type: ignore[attr-defined]
