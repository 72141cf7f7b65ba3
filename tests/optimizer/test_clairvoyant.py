"""The clairvoyant optimum beside closed forms and plans worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import optimizer.replay.clairvoyant as module
from optimizer.replay.case import Case
from optimizer.replay.clairvoyant import clairvoyant, plan, relaxed
from optimizer.replay.world import World
from optimizer.simulate import simulate
from tests.optimizer.test_rivals import two_workloads
from tests.optimizer.test_simulate import world_with

HOURS = 5 / 60  # of a block


def world_of_blocks(needs: object, **changes: object) -> World:
    """A load that stays the same for five minutes, in requests/s."""
    return world_with(60.0 * np.repeat(np.asarray(needs, dtype=float), 5), **changes)


@pytest.mark.parametrize("seed", range(5))
def test_one_option_that_boots_a_block_is_paid_for_its_block_and_the_next(seed: int) -> None:
    needs = np.random.default_rng(seed).uniform(0, 20, 40)
    paid = np.maximum(needs, np.append(needs[1:], 0))
    found = relaxed(world_of_blocks(needs))
    assert found.usd == pytest.approx(paid.sum() * HOURS)
    assert found.unserved == pytest.approx(0.0)


def test_the_highest_minute_of_a_block_counts_at_its_own_capacity() -> None:
    """Six busy replicas in the fourth minute, whose requests are long, though the first brings more."""
    load, capacity = np.array([4.0, 1, 1, 3, 1]), np.array([[1.0, 1, 1, 0.5, 1]])
    assert relaxed(world_with(60 * load, capacity=capacity)).usd == pytest.approx(6 * HOURS)


def test_a_quick_boot_serves_a_short_peak_where_it_is_cheaper() -> None:
    """Four more for a block: slow ones are paid for two blocks at 1 USD, quick ones for one at 1.5."""
    options = {"price_hourly": np.array([1.0, 1.5]), "boot_s": np.array([300.0, 0.0])}
    world = world_of_blocks([1, 1, 5, 1], capacity=np.ones((2, 20)), wait_s=np.full((2, 20), 2.0), **options)
    found = relaxed(world)
    np.testing.assert_allclose(found.paid, [[1, 1, 1, 1], [0, 0, 4, 0]], atol=1e-7)
    assert found.usd == pytest.approx((4 + 6) * HOURS)
    long = relaxed(replace(world, price_hourly=np.array([1.0, 2.5])))
    assert long.usd == pytest.approx((4 + 8) * HOURS)


def test_a_boot_of_three_blocks_is_paid_for_three_blocks_before() -> None:
    found = relaxed(world_of_blocks([1, 1, 1, 1, 1, 3, 1], boot_s=np.array([840.0])))
    np.testing.assert_allclose(found.paid[0], [1, 1, 3, 3, 3, 3, 1], atol=1e-7)


def test_a_quota_sends_the_rest_elsewhere_and_leaves_unserved_what_nothing_serves() -> None:
    options = {"price_hourly": np.array([1.0, 3.0]), "capacity": np.ones((2, 10))}
    limits = {"quota_pool": np.array([0, 1]), "quota": np.array([4, 3])}
    world = world_of_blocks([6, 9], wait_s=np.full((2, 10), 2.0), **options, **limits)
    found = relaxed(world)
    np.testing.assert_allclose(found.paid[:, 1], [4, 3], atol=1e-7)
    assert found.unserved == pytest.approx(2 * 60)


def test_options_that_never_pay_are_left_out_and_the_optimum_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_workloads().world.between(0, 200)
    usable = module.undominated(world)
    assert usable.tolist() == [0, 1, 5, 6]  # quotas and boots leave a use for all of them
    wide = replace(world, quota=np.full(2, 10**6), boot_s=np.full(10, 300.0))
    assert module.undominated(wide).tolist() == [0, 5]
    fewer = relaxed(wide).usd
    monkeypatch.setattr(module, "undominated", lambda world: usable)
    assert relaxed(wide).usd == pytest.approx(fewer)


def test_the_plan_is_replayed_until_it_meets_the_target() -> None:
    needs = np.random.default_rng(3).uniform(3, 20, 60)
    even = Case(world_of_blocks(needs), 0, np.array([0.999]))
    found = clairvoyant(even)
    assert (found.headroom.tolist(), found.replayed.attainment()) == ([1.0], 1.0)
    assert found.bound_usd <= found.replayed.cost_usd <= found.bound_usd + 60 * HOURS
    bursty = replace(even, whole=replace(even.whole, burstiness=np.array([1.0])))
    more = clairvoyant(bursty)
    assert more.headroom[0] > 1.0
    assert more.replayed.attainment() >= 0.999
    less = plan(bursty.world, relaxed(bursty.world, more.headroom - module.HEADROOM_STEP))
    assert simulate(bursty.world, less).attainment() < 0.999
    again = simulate(bursty.world, more.policy)
    assert again.cost_usd == more.replayed.cost_usd


def test_several_workloads_share_quotas_and_gaps_need_nothing() -> None:
    case = two_workloads()
    found = clairvoyant(case)
    assert min(found.replayed.attainment(w) for w in (0, 1)) >= 0.99
    assert not found.policy.whole.replicas[case.world.is_spot | case.world.is_committed].any()
    for group, limit in enumerate(case.world.quota):
        assert found.policy.whole.replicas[case.world.quota_pool == group].sum(axis=0).max() <= limit


def test_bounds_of_workloads_add_up_and_are_those_of_each_where_nothing_is_short() -> None:
    needs = np.random.default_rng(4).uniform(3, 20, (2, 60))
    both = world_with(60 * np.repeat(needs, 5, axis=1), price_hourly=np.array([1.0, 3.0]))
    bounds = clairvoyant(Case(both, 0, np.full(2, 0.99))).bounds_usd
    each = [relaxed(world_of_blocks(own)).usd * price for own, price in zip(needs, (1.0, 3.0), strict=True)]
    assert bounds == pytest.approx(each)


def test_each_workload_has_its_own_head_room() -> None:
    """Bursts of one are no reason to buy more for the other."""
    needs = np.random.default_rng(3).uniform(3, 20, 60)
    load = 60 * np.repeat(np.stack([needs, needs]), 5, axis=1)
    world = world_with(load, burstiness=np.array([0.0, 1.0]))
    found = clairvoyant(Case(world, 0, np.full(2, 0.999)))
    even, bursty = found.headroom.tolist()
    assert (even, bursty > 1.0) == (1.0, True)
    bare = plan(world, relaxed(world)).whole.replicas
    np.testing.assert_array_equal(found.policy.whole.replicas[0], bare[0])
    assert found.policy.whole.replicas[1].sum() > bare[1].sum()
    assert min(found.replayed.attainment(w) for w in (0, 1)) >= 0.999


def test_a_target_out_of_reach_ends_with_what_misses_least() -> None:
    limits = {"quota_pool": np.array([0]), "quota": np.array([1])}
    found = clairvoyant(Case(world_of_blocks([6, 6], **limits), 0, np.array([0.99])))
    assert found.unserved == pytest.approx(2 * 5 * 60)
    assert found.replayed.attainment() < 0.99
    assert found.headroom.tolist() == [1.0]  # more of nothing is nothing


def test_a_short_quota_of_one_leaves_the_others_as_they_are() -> None:
    """The first may have one replica of the six it needs; the second is not bought head-room for that."""
    limits = {"quota_pool": np.array([0, 1]), "quota": np.array([1, 100])}
    world = world_with(60 * np.repeat([[6.0, 6.0], [6.0, 6.0]], 5, axis=1), **limits)
    found = clairvoyant(Case(world, 0, np.full(2, 0.99)))
    assert found.replayed.paid.max(axis=1).tolist() == [1, 6]
    assert found.replayed.attainment(1) == 1.0


@pytest.mark.parametrize("least", [0, 1, 2, 3, 7, 8, 11, 30, 31])
def test_steps_are_doubled_then_halved(least: int) -> None:
    wanted = np.array([least, 5, 0])
    found = module.least_steps(lambda steps: steps >= wanted, 30, 3)
    assert found.tolist() == [min(least, 30), 5, 0]
