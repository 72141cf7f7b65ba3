"""Trimtab's loop with spot: it looks at nothing to come, keeps to limits, and lets nothing go early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.control import choose
from optimizer.forms import FORMS
from optimizer.replay.case import Case
from optimizer.replay.ours import minute_loop
from optimizer.replay.results import Replayed
from optimizer.replay.spot_loop import SpotLoop, today
from optimizer.replay.world import NONE
from optimizer.simulate import simulate
from tests.optimizer.test_rivals import OPTIONS, heard, two_workloads, with_another_future
from tests.optimizer.test_simulate import world_with

DAY = 1440
POOLS = 4


def hedged(days: int = 5, begin: int = 3 * DAY, seed: int = 0, **changes: object) -> Case:
    """A daily rhythm on one option on demand and four pools, each up four hours and down two, at random."""
    minutes, rng = days * DAY, np.random.default_rng(seed)
    load = 40 * (1.5 + np.sin(2 * np.pi * np.arange(minutes) / DAY)) * rng.gamma(400, 1 / 400, minutes)
    granted = np.zeros((POOLS, minutes), dtype=np.int64)
    for pool in granted:
        at, is_up = 0, True
        while at < minutes:
            end = at + max(5, int(rng.exponential(240 if is_up else 120)))
            pool[at:end] = 150 if is_up else 0
            at, is_up = end, not is_up
    options = POOLS + 1
    parts = {
        "price_hourly": np.array([1.0, 0.3, 0.3, 0.35, 0.4]),
        "capacity": np.ones((options, minutes)),
        "wait_s": np.full((options, minutes), 2.0),
        "boot_s": np.full(options, 300.0),
        "pool": np.array([NONE, *range(POOLS)]),
        "pool_capacity": granted,
    }
    return Case(world_with(60 * load, **(parts | changes)), begin, np.array([0.999]))


@pytest.fixture(scope="module")
def spot() -> Replayed:
    """The usual case under the loop with spot."""
    case = hedged()
    return simulate(case.world, SpotLoop()(case), seed=1)


def test_it_does_not_look_ahead() -> None:
    case = two_workloads()
    minute = 297
    one, other = heard(SpotLoop(), case), heard(SpotLoop(), with_another_future(case, minute))
    np.testing.assert_array_equal(one[: minute + 1], other[: minute + 1])
    assert (one[minute + 1 :] != other[minute + 1 :]).any()


def test_it_keeps_to_quotas_and_pools_and_takes_no_commitment() -> None:
    case = two_workloads()
    wishes, world = heard(SpotLoop(), case)[:, :OPTIONS], case.world
    for group, limit in enumerate(world.quota):
        assert wishes[:, world.quota_pool == group].sum(axis=1).max() <= limit
    assert not wishes[:, world.is_committed].any()
    before = case.whole.pool_capacity[:, case.begin - 1 : case.begin - 1 + world.minutes]
    for pool, granted in enumerate(before):
        assert (wishes[:, world.pool == pool].sum(axis=1) <= granted).all()


def test_spot_that_vanishes_costs_less_than_on_demand_and_keeps_the_objective(spot: Replayed) -> None:
    """Four independent pools, each gone a third of the time, all at once and unannounced."""
    case = hedged()
    firm = simulate(case.world, minute_loop(case), seed=1)
    assert spot.reclaimed.sum() > 100
    assert spot.cost_usd < 0.85 * firm.cost_usd
    assert spot.attainment() > 0.995


def test_pools_that_go_down_together_are_trusted_less(spot: Replayed) -> None:
    apart = hedged()
    granted = apart.whole.pool_capacity
    together = replace(apart, whole=replace(apart.whole, pool_capacity=granted[[0, 0, 0, 0]]))
    replayed = simulate(together.world, SpotLoop()(together), seed=1)
    assert replayed.paid[0].mean() > 1.5 * spot.paid[0].mean()


def test_on_demand_stays_until_spot_serves() -> None:
    """All pools come up at once: what serves does not fall below the load while spot boots."""
    minutes = 3 * DAY
    granted = np.full((POOLS, minutes), 150, dtype=np.int64)
    granted[:, 2 * DAY - 120 : 2 * DAY + 60] = 0
    case = hedged(days=3, begin=2 * DAY, pool_capacity=granted)
    replayed = simulate(case.world, SpotLoop()(case), seed=1)
    assert replayed.ready[0, 30] > 0
    assert replayed.ready[0, 80] < replayed.ready[0, 30]
    assert replayed.ready.sum(axis=0)[30:90].min() > case.world.load[0, 30:90].max()
    assert replayed.late[0, 30:90].sum() == 0


def test_a_queue_that_a_second_loss_leaves_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pools are up; the second is lost in the last minute before what replaces the first one serves."""
    case = hedged(days=4, begin=3 * DAY)
    lost = 3 * DAY + 600
    granted = case.whole.pool_capacity.copy()
    granted[:, 3 * DAY :] = 0
    granted[0, 3 * DAY : lost] = granted[1, 3 * DAY : lost + 5] = 150
    case = replace(case, whole=replace(case.whole, pool_capacity=granted))
    monkeypatch.setattr("optimizer.replay.spot_loop.LATE_SHARE", 0.4)  # so that nothing covers both losses
    waits = simulate(case.world, SpotLoop()(case), seed=1).late[0]
    monkeypatch.setattr("optimizer.replay.spot_loop.DRAINING", 1.0)
    waits_longer = simulate(case.world, SpotLoop()(case), seed=1).late[0]
    assert waits[605] == pytest.approx(waits_longer[605], rel=0.05)  # nothing helps in that minute
    assert waits[606:].sum() < 0.7 * waits_longer[606:].sum()


def test_a_loss_is_one_for_as_long_as_what_replaces_it_may_boot() -> None:
    """The oracle looks at every minute since: up in the first, next to nothing granted in a later one."""
    case = hedged()
    own = SpotLoop()(case).served[0]
    own.today = today(case, 0, 0, own.chosen[0, case.begin])
    granted, window = case.whole.pool_capacity, 5 + 2
    for before in range(case.begin, case.begin + 2 * DAY - 1, 7):
        since = granted[:, before + 1 - window : before + 1]
        lost = any(pool[0] > 0 and min(pool) < pool[0] / 3 for pool in since.tolist())
        assert own.lost_a_pool(before) == lost


def test_what_may_not_be_spot_is_on_demand() -> None:
    case = hedged(firm_share=np.array([0.5]), firm_replicas=np.array([0]))
    replayed = simulate(case.world, SpotLoop()(case), seed=1)
    assert (replayed.paid[0] >= 0.5 * case.world.load[0]).mean() > 0.99
    case = hedged(firm_replicas=np.array([7]))
    assert simulate(case.world, SpotLoop()(case), seed=1).paid[0].min() >= 7


@pytest.mark.parametrize("begin", [0, 30])
def test_it_works_from_the_first_minute(begin: int) -> None:
    case = hedged(days=1, begin=begin)
    assert simulate(case.world, SpotLoop()(case), seed=1).attainment() > 0.95


def test_without_pools_it_is_the_loop_on_demand() -> None:
    case = hedged(days=3, begin=2 * DAY, pool_capacity=np.zeros((POOLS, 3 * DAY), dtype=np.int64))
    spot = simulate(case.world, SpotLoop()(case), seed=1)
    firm = simulate(case.world, minute_loop(case), seed=1)
    assert spot.paid[1:].sum() == 0
    assert spot.cost_usd == pytest.approx(firm.cost_usd, rel=0.02)


def test_it_does_not_count_on_replicas_that_stand_by() -> None:
    """Where the option on demand offers a pool, the loop with spot has none and keeps its head-room."""
    offer = np.array([0.01, *[np.nan] * POOLS]), np.array([60.0, *[np.nan] * POOLS])
    offered = hedged(days=3, begin=2 * DAY, standby_price_hourly=offer[0], standby_boot_s=offer[1])
    assert choose(offered.whole, 0, offered.begin, 0.999, FORMS).standby > 0
    one, other = heard(SpotLoop(), offered), heard(SpotLoop(), hedged(days=3, begin=2 * DAY))
    np.testing.assert_array_equal(one, other)
