"""The replay in worlds that can be worked out by hand, and its queue beside one played event by event."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.replay.queue import bursts
from optimizer.replay.world import NONE, World
from optimizer.simulate import Orders, Seen, simulate

START = pd.Timestamp("2026-05-04", tz="UTC")


def world_with(requests: object, **changes: object) -> World:
    """One workload on one option that serves 1 request/s; even arrivals, no failures, no limits."""
    amounts = np.atleast_2d(np.asarray(requests, dtype=float))
    workloads, minutes = amounts.shape
    options = len(np.atleast_1d(changes.get("price_hourly", np.ones(workloads))))
    base = World(
        start=START,
        workloads=tuple(f"w{w}" for w in range(workloads)),
        requests=amounts,
        burstiness=np.zeros(workloads),
        timeout_s=np.full(workloads, 30.0),
        action_cost_usd=np.zeros(workloads),
        firm_share=np.zeros(workloads),
        firm_replicas=np.zeros(workloads, dtype=np.int64),
        option_id=tuple(f"o{i}" for i in range(options)),
        option_workload=np.zeros(options, dtype=np.int64) if workloads == 1 else np.arange(options),
        price_hourly=np.ones(options),
        boot_s=np.full(options, 300.0),
        standby_price_hourly=np.full(options, np.nan),
        standby_boot_s=np.full(options, np.nan),
        failures_per_1000h=np.zeros(options),
        concurrency=np.zeros(options),
        is_committed=np.zeros(options, dtype=bool),
        capacity=np.ones((options, minutes)),
        wait_s=np.full((options, minutes), 2.0),
        pool=np.full(options, NONE),
        pool_capacity=np.zeros((0, minutes), dtype=np.int64),
        quota_pool=np.full(options, NONE),
        quota=np.zeros(0, dtype=np.int64),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@dataclass
class Path:
    """Wishes known beforehand."""

    replicas: np.ndarray
    most: np.ndarray | None = None
    needed: np.ndarray | None = None

    def orders(self, world: World, seen: Seen) -> Orders:
        wished = np.atleast_2d(self.replicas)[:, seen.minute :]
        most = wished if self.most is None else np.atleast_2d(self.most)[:, seen.minute :]
        none = np.zeros((len(world.workloads), wished.shape[1]))
        needed = none if self.needed is None else np.atleast_2d(self.needed)[:, seen.minute :]
        return Orders(wished, most, needed)


def test_a_launch_serves_after_its_boot_and_is_paid_from_launch() -> None:
    wished = np.array([1, 2, 2, 2, 2, 2, 2, 2, 2, 1])
    played = simulate(world_with(np.full(10, 30.0)), Path(wished))
    assert played.ready[0].tolist() == [1, 1, 1, 1, 1, 1, 2, 2, 2, 1]
    assert played.paid[0].tolist() == wished.tolist()
    assert played.cost_usd == pytest.approx(wished.sum() / 60)
    assert (played.launched.sum(), played.stopped.sum(), played.actions) == (1, 1, 2)


def test_a_boot_that_ends_within_a_minute_serves_the_rest_of_it() -> None:
    """90 s after its launch: half of the second minute is served."""
    world = world_with([0.0, 60.0, 60.0], boot_s=np.array([90.0]), timeout_s=np.array([1000.0]))
    played = simulate(world, Path(np.array([0, 1, 1])))
    assert played.ready[0].tolist() == [0, 0, 1]
    half = simulate(world_with([0.0, 0.0, 30.0], boot_s=np.array([90.0])), Path(np.array([0, 1, 1])))
    assert half.late.sum() == pytest.approx(0.0)


def test_who_stops_first_was_launched_last() -> None:
    played = simulate(world_with(np.zeros(12)), Path(np.array([1, 1, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2])))
    assert played.ready[0, -1] == 2
    assert played.stopped[0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert played.ready[0].tolist()[6:8] == [1, 2]  # the one that stayed has its own boot behind it


def test_overload_makes_all_wait_and_a_backlog_is_carried_over() -> None:
    """Twice what can be served: who arrives after u seconds waits as long: two seconds keep it."""
    played = simulate(world_with([120.0, 30.0, 0.0]), Path(np.ones(3, dtype=int)))
    kept = 4.0  # two requests a second
    assert played.late[0, 0] == pytest.approx(120 - kept, abs=1.5)
    assert played.late[0, 1] == pytest.approx(30 - 4 / 2, abs=1.5)  # 60 wait, half a second less each second
    assert played.attainment() == pytest.approx(1 - played.late.sum() / 150)


def test_requests_that_wait_longer_than_their_timeout_are_dropped() -> None:
    played = simulate(world_with([600.0, 0.0, 0.0]), Path(np.ones(3, dtype=int)))
    assert played.dropped.sum() == pytest.approx(
        600 - 60 - 30, abs=1
    )  # served in the minute and 30 s after it
    nothing = simulate(world_with([60.0, 0.0, 0.0]), Path(np.zeros(3, dtype=int)))
    assert (nothing.dropped.sum(), nothing.late.sum()) == pytest.approx((60.0, 60.0))


def test_pools_reclaim_and_deny_and_quotas_deny() -> None:
    capacity = np.array([[3, 3, 1, 1, 2, 2]])
    shared = {"pool": np.array([0]), "pool_capacity": capacity}
    played = simulate(world_with(np.zeros(6), **shared), Path(np.full(6, 3)))
    assert played.paid[0].tolist() == capacity[0].tolist()
    assert played.reclaimed[0].tolist() == [0, 0, 2, 0, 0, 0]
    assert played.denied[0].tolist() == [0, 0, 2, 2, 1, 1]
    limited = simulate(
        world_with(np.zeros((2, 6)), quota_pool=np.array([0, 0]), quota=np.array([3])),
        Path(np.full((2, 6), 2)),
    )
    assert limited.paid.sum(axis=0).tolist() == [3] * 6


def test_commitments_are_paid_to_the_end() -> None:
    played = simulate(world_with(np.zeros(4), is_committed=np.array([True])), Path(np.array([1, 2, 0, 0])))
    assert played.paid[0].tolist() == [1, 2, 2, 2]


def test_the_loop_adds_the_cheapest_first_and_no_more_than_it_may() -> None:
    options = {"price_hourly": np.array([1.0, 3.0]), "capacity": np.array([[1.0] * 8, [2.0] * 8])}
    played = simulate(
        world_with(np.zeros(8), **options),
        Path(np.zeros((2, 8), dtype=int), np.full((2, 8), 3), np.array([0, 0, 2.5, 2.5, 6, 6, 20, 0])),
    )
    assert played.paid.tolist() == [[0, 0, 3, 3, 3, 3, 3, 0], [0, 0, 0, 0, 2, 2, 3, 0]]


def test_failures_come_at_their_rate_and_are_launched_again() -> None:
    world = world_with(
        np.full(6000, 30.0), failures_per_1000h=np.array([1000.0]), concurrency=np.array([10.0])
    )
    played = simulate(world, Path(np.full(6000, 20)))
    expected = 20 * 6000 / 60  # one per replica and hour, less those that are booting meanwhile
    assert 0.85 * expected < played.failed.sum() < 1.0 * expected
    assert played.launched.sum() == pytest.approx(played.failed.sum(), abs=20)
    assert played.late.sum() > 0


def test_equal_seeds_give_equal_replays_however_long_the_orders_are() -> None:
    rng = np.random.default_rng(1)
    world = world_with(
        rng.uniform(0, 100, 3000), burstiness=np.array([4.0]), failures_per_1000h=np.array([50.0])
    )
    wished = rng.integers(1, 4, 3000)

    class ByMinute(Path):
        def orders(self, world: World, seen: Seen) -> Orders:
            whole = super().orders(world, seen)
            return Orders(whole.replicas[:, :1], whole.most[:, :1], whole.needed[:, :1])

    whole, pieces = simulate(world, Path(wished)), simulate(world, ByMinute(wished))
    assert whole.paid.tolist() == pieces.paid.tolist()
    np.testing.assert_allclose(whole.late.sum(), pieces.late.sum(), rtol=1e-9)
    other = simulate(world, Path(wished), seed=1)
    assert other.late.sum() != whole.late.sum()


def test_minutes_nobody_counted_are_not_judged() -> None:
    requests = np.array([30.0, np.nan, np.nan, 30.0])
    played = simulate(world_with(requests), Path(np.array([1, 0, 0, 1])))
    assert played.attainment() == pytest.approx(0.5)  # the launch of the last minute comes too late
    assert played.late[0].tolist()[1:3] == [0.0, 0.0]


def test_a_world_that_does_not_fit_is_refused_with_every_fault() -> None:
    wrong = world_with(np.zeros(3), boot_s=np.array([-1.0]), pool=np.array([0, 0]))
    with pytest.raises(InputError) as error:
        simulate(wrong, Path(np.zeros(3)))
    assert {fault.where for fault in error.value.faults} == {"world: boot_s", "world: pool"}


@pytest.mark.parametrize("burstiness", [1.0, 4.0, 16.0])
@pytest.mark.parametrize("load_share", [0.5, 0.7, 0.85, 0.95, 1.0, 1.1])
def test_the_queue_agrees_with_one_played_event_by_event(load_share: float, burstiness: float) -> None:
    """Within five points of the share in time: bursts of requests at random moments, served one by one."""
    rate, minutes = 40.0, 240
    rng = np.random.default_rng(5)
    counts = event_counts(rng, load_share * rate, burstiness, minutes)
    world = world_with(counts, burstiness=np.array([burstiness]), capacity=np.full((1, minutes), rate))
    played = simulate(world, Path(np.ones(minutes, dtype=int)), seed=3)
    exact = in_time_event_by_event(rng, counts, burstiness, rate, wait_s=2.0, timeout_s=30.0)
    assert played.attainment() == pytest.approx(exact, abs=0.05)


def event_counts(rng: np.random.Generator, load: float, burstiness: float, minutes: int) -> np.ndarray:
    """Requests of each minute: bursts of equal size, Poisson many."""
    return np.asarray(rng.poisson(load * 60 / burstiness, minutes) * burstiness)


def in_time_event_by_event(
    rng: np.random.Generator,
    counts: np.ndarray,
    burstiness: float,
    rate: float,
    *,
    wait_s: float,
    timeout_s: float,
) -> float:
    """Share in time of single requests, in bursts at uniform moments of their minute, before 8 servers."""
    servers = [0.0] * 8
    heapq.heapify(servers)
    in_time = total = 0
    for minute, count in enumerate(counts):
        moments = np.sort(rng.uniform(0, 60, round(count / burstiness)))
        for at in np.repeat(minute * 60 + moments, int(burstiness)):
            total += 1
            start = max(at, servers[0])
            if start - at > timeout_s:
                continue  # it leaves before it is served
            heapq.heapreplace(servers, start + len(servers) / rate)
            in_time += start - at <= wait_s
    return in_time / total


def test_bursts_keep_the_amount_of_their_minute_and_have_the_variance_they_should() -> None:
    drawn = bursts(np.full(3000, 1200.0), 4.0, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.sum(axis=1), 1200.0)
    assert drawn.var() / drawn.mean() == pytest.approx(4.0 * 59 / 60, rel=0.05)
    assert bursts(np.array([np.nan, 0.0]), 4.0, np.random.default_rng(0)).sum() == 0
