"""The closed form against a queue that is played out request by request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.queueing import needed_capacity

BURSTS = 400_000


def equal_bursts(burstiness: float, rng: np.random.Generator) -> np.ndarray:
    """Every burst has z requests: variance over mean of the counts is z."""
    return np.full(BURSTS, burstiness)


def geometric_bursts(burstiness: float, rng: np.random.Generator) -> np.ndarray:
    """Geometric with mean m: variance over mean of the counts is 2m - 1."""
    return rng.geometric(2.0 / (burstiness + 1.0), BURSTS).astype(float)


def capacity_in_simulation(load: float, size: np.ndarray, wait_s: float, target: float) -> float:
    """Capacity at which the stated share of requests waits longer, found by bisection on one sample.

    Bursts arrive at Poisson times; one server works them off at a constant rate (Lindley's recursion).
    """
    gap_s = np.random.default_rng(11).exponential(size.mean() / load, len(size))
    low, high = load * 1.0001, load * 6.0
    for _ in range(14):
        middle = (low + high) / 2.0
        if late_share(gap_s, size, middle, wait_s) > 1.0 - target:
            low = middle
        else:
            high = middle
    return high


def late_share(gap_s: np.ndarray, size: np.ndarray, capacity: float, wait_s: float) -> float:
    """Share of requests that wait longer, where those of a burst queue behind one another."""
    steps = size[:-1] / capacity - gap_s[1:]
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    backlog_s = walk - np.minimum.accumulate(np.minimum(walk, 0.0))
    in_time = np.clip(np.floor((wait_s - backlog_s) * capacity) + 1.0, 0.0, size)
    return 1.0 - float(in_time.sum() / size.sum())


@pytest.mark.parametrize(
    ("load", "burstiness", "wait_s", "target"),
    [
        (3.0, 3.0, 2.0, 0.99),
        (5.0, 4.0, 2.0, 0.99),
        (20.0, 4.0, 2.0, 0.99),
        (40.0, 1.0, 0.5, 0.95),
        (80.0, 3.0, 2.0, 0.99),
    ],
)
def test_closed_form_agrees_with_the_queue_from_50_to_95_percent_load(
    load: float, burstiness: float, wait_s: float, target: float
) -> None:
    asked = float(needed_capacity(np.array(load), burstiness=burstiness, wait_s=wait_s, target=target))
    assert 0.5 <= load / asked <= 0.97, "the case is outside of the range that is claimed"
    rng = np.random.default_rng(7)
    equal = capacity_in_simulation(load, equal_bursts(burstiness, rng), wait_s, target)
    assert asked == pytest.approx(equal, rel=0.03)
    uneven = capacity_in_simulation(load, geometric_bursts(burstiness, rng), wait_s, target)
    assert 0.9 * uneven < asked < 1.03 * uneven


def test_by_hand() -> None:
    # k = z ln(100) / d = 4 ln(100) / 2; c = k / ln(1 + k / 10)
    k = 2.0 * np.log(100.0)
    asked = needed_capacity(np.array([10.0]), burstiness=4.0, wait_s=2.0, target=0.99)
    assert asked[0] == pytest.approx(k / np.log(1.0 + k / 10.0))
    theta = np.log(100.0) / (asked[0] * 2.0)
    assert 10.0 * (np.exp(4.0 * theta) - 1.0) / (4.0 * theta) == pytest.approx(asked[0])


def test_in_heavy_traffic_it_is_the_diffusion_limit() -> None:
    # c^2 - lam c = z lam ln(1 / late) / (2 d), Harrison 1985
    asked = float(needed_capacity(np.array(1e4), burstiness=4.0, wait_s=2.0, target=0.99))
    assert asked == pytest.approx(5e3 + np.sqrt(25e6 + 1e4 * np.log(100.0)), rel=1e-6)


def test_no_load_needs_nothing_and_even_arrivals_need_no_room() -> None:
    assert needed_capacity(np.zeros(3), burstiness=4.0, wait_s=1.0, target=0.99).tolist() == [0.0, 0.0, 0.0]
    assert needed_capacity(np.array([7.0]), burstiness=0.0, wait_s=1.0, target=0.99).tolist() == [7.0]


def test_a_gap_stays_a_gap() -> None:
    assert np.isnan(needed_capacity(np.array([np.nan]), burstiness=1.0, wait_s=1.0, target=0.9)).all()


loads = st.floats(0.01, 1e5)


@given(load=loads, more=st.floats(1.001, 10), burstiness=st.floats(0.1, 50), wait_s=st.floats(0.01, 60))
def test_more_load_more_bursts_less_patience_or_a_higher_target_need_more(
    load: float, more: float, burstiness: float, wait_s: float
) -> None:
    def asked(load: float = load, z: float = burstiness, d: float = wait_s, target: float = 0.99) -> float:
        return float(needed_capacity(np.array(load), burstiness=z, wait_s=d, target=target))

    assert load <= asked() <= min(asked(load=load * more), asked(z=burstiness * more), asked(d=wait_s / more))
    assert asked() <= asked(target=0.999) <= asked(target=1.0) < np.inf
    # Room grows more slowly than load: pooling two loads never needs more than serving them apart.
    assert asked(load=2 * load) <= 2 * asked() * (1 + 1e-12)
