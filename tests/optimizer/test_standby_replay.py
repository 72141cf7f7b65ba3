"""Standby in the replay: worked by hand, and what always holds: no free capacity, no more than a quota."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.replay.results import Replayed
from optimizer.replay.world import World
from optimizer.simulate import Orders, Seen, simulate
from tests.optimizer.test_simulate import Path, world_with


@dataclass
class Pooled:
    """Wishes and standby known beforehand."""

    replicas: np.ndarray
    standby: np.ndarray

    def orders(self, world: World, seen: Seen) -> Orders:
        given = Path(self.replicas).orders(world, seen)
        return replace(given, standby=np.atleast_2d(self.standby)[:, seen.minute :])


def offering(minutes: int, *, price: float = 0.1, call_s: float = 60.0, **changes: object) -> World:
    """One option at 1 USD that boots in five minutes and may stand by."""
    offer = {"standby_price_hourly": np.array([price]), "standby_boot_s": np.array([call_s])}
    return world_with(np.full(minutes, 30.0), **offer, **changes)


def played(wished: list[int], standby: list[int], **changes: object) -> Replayed:
    given = offering(len(wished), **changes)  # type: ignore[arg-type]
    return simulate(given, Pooled(np.array(wished), np.array(standby)))


def test_a_call_serves_soon_and_a_launch_fills_the_pool_again() -> None:
    found = played([1, *[3] * 9], [2] * 10)
    assert found.ready[0].tolist() == [1, 1, *[3] * 8]
    assert found.standby[0].tolist() == [2, 0, 0, 0, 0, 0, 2, 2, 2, 2]
    assert found.paid[0].tolist() == [1, 5, 5, 5, 5, 5, 3, 3, 3, 3]  # two of them boot for the pool
    assert found.cost_usd == pytest.approx((1 + 5 * 5 + 4 * 3 + 0.1 * 2 * 5) / 60)
    assert (found.actions, int(found.launched.sum())) == (1, 2)


def test_beyond_the_pool_launches_boot_as_ever() -> None:
    assert played([1, *[4] * 7], [1] * 8).ready[0].tolist() == [1, 1, 2, 2, 2, 2, 4, 4]


def test_what_stops_goes_back_to_a_pool_that_lacks_something() -> None:
    found = played([1, 3, 3, 3, 1, 1, 1], [2] * 7)
    assert found.standby[0].tolist() == [2, 0, 0, 0, 2, 2, 2]
    assert found.paid[0].tolist() == [1, 5, 5, 5, 1, 1, 1]  # launches for the pool end: it is full again


def test_a_cancelled_launch_goes_on_booting_for_the_pool() -> None:
    found = played([1, 4, 1, 1, 1, 1, 1], [0, 0, 3, 3, 3, 3, 3])
    assert found.standby[0].tolist() == [0, 0, 0, 0, 0, 0, 3]
    assert found.paid[0].tolist() == [1, 4, 4, 4, 4, 4, 1]


def test_a_pool_that_is_wished_smaller_ends_the_youngest_first() -> None:
    found = played([1, 2, 2, 2], [2, 2, 1, 0])
    assert found.standby[0].tolist() == [2, 1, 1, 0]
    assert found.paid[0].tolist() == [1, 3, 2, 2]


@pytest.mark.parametrize(
    ("call_s", "minute"), [(0.0, 1), (60.0, 2), (90.0, 3), (300.0, 6)], ids=lambda v: f"{v:g}"
)
def test_calls_take_whole_minutes_less_than_a_boot(call_s: float, minute: int) -> None:
    found = played([1, *[2] * 7], [1] * 8, call_s=call_s)
    assert int(np.argmax(found.ready[0] == 2)) == minute


def test_what_runs_comes_before_what_stands_by_under_a_quota() -> None:
    limits = {"quota_pool": np.array([0]), "quota": np.array([3])}
    found = played([2, 2, 3, 3, 2, 2, 2, 2], [2] * 8, **limits)
    assert found.standby[0].tolist() == [1, 1, 0, 0, 1, 1, 1, 1]
    assert found.paid[0].tolist() == [2, 2, 3, 3, 2, 2, 2, 2]
    assert int(found.denied.sum()) == 0


counts = st.lists(st.integers(0, 6), min_size=12, max_size=40)


@settings(max_examples=60, deadline=None)
@given(counts, st.integers(0, 5), st.sampled_from([0.0, 60.0, 150.0, 300.0]), st.integers(1, 8))
def test_capacity_is_never_free_nor_beyond_the_quota(
    wished: list[int], pool: int, call_s: float, quota: int
) -> None:
    limits = {"quota_pool": np.array([0]), "quota": np.array([quota])}
    found = played(
        wished, [pool] * len(wished), call_s=call_s, failures_per_1000h=np.array([3000.0]), **limits
    )
    assert (found.ready <= np.array(wished)).all()  # no more serves than is wished
    assert (found.ready <= found.paid).all()
    assert (found.paid + found.standby <= quota).all()
    assert (found.standby <= pool).all()
    assert (found.paid - np.minimum(np.array(wished), quota) <= pool).all()
    none = played(wished, [0] * len(wished), call_s=call_s, **limits)
    if quota >= max(wished) + pool:
        alike = played(wished, [pool] * len(wished), call_s=call_s, **limits)
        assert (alike.ready >= none.ready).all()
        assert alike.cost_usd >= none.cost_usd  # head-room is saved by wishing less, never by standing by


@settings(max_examples=30, deadline=None)
@given(counts, st.integers(0, 5))
def test_a_pool_that_is_no_faster_serves_as_none_does(wished: list[int], pool: int) -> None:
    with_pool = played(wished, [pool] * len(wished), price=0.0, call_s=300.0)
    without = simulate(world_with(np.full(len(wished), 30.0)), Path(np.array(wished)))
    np.testing.assert_array_equal(with_pool.ready, without.ready)
    np.testing.assert_array_equal(with_pool.late, without.late)
    refilled = with_pool.paid - without.paid
    assert (refilled >= 0).all()
    assert with_pool.cost_usd == pytest.approx(without.cost_usd + refilled.sum() / 60)


def test_standby_that_nobody_offers_cannot_be_ordered() -> None:
    wished = Pooled(np.ones(3, dtype=int), np.ones(3, dtype=int))
    with pytest.raises(ValueError, match="standby that is not offered"):
        simulate(world_with(np.ones(3)), wished)
    with pytest.raises(ValueError, match="standby that is not offered"):
        played([1, 1], [-1, 0])


def test_worlds_with_odd_standby_are_refused_with_every_fault() -> None:
    one = offering(3, price=-1.0, call_s=301.0)
    with pytest.raises(InputError) as told:
        one.check()
    assert {"standby_price_hourly", "standby_boot_s"} <= set(str(told.value).replace(":", " ").split())
    with pytest.raises(InputError, match="one of price and boot alone"):
        replace(offering(3), standby_boot_s=np.array([np.nan])).check()
