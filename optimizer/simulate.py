"""The replay: plays a policy on a world minute by minute and counts what it costs and whom it fails.

How the world behaves is what a user's cloud charges for: launches serve nothing until they have booted and
are paid for from launch, stops are immediate, replicas fail and are launched again, spot pools take back
what they no longer grant, launches beyond capacity or quota are denied and asked for again each minute, a
backlog is carried over, and a commitment once taken is paid to the end. Where an option offers standby,
replicas may wait at its price and serve sooner once called (`optimizer.replay.standby_pool`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.minutes import Counts, Fleet, Minutes, Offered, add_reactive, run
from optimizer.replay.queue import SECONDS, bursts
from optimizer.replay.results import Replayed
from optimizer.replay.standby_pool import empty_pool
from optimizer.replay.world import World

STRETCH = 1440  # minutes whose seconds are held at once
SPARE_S = 8  # seconds of the curves beyond the longest wait
MINUTES_PER_1000H = 1000 * 60


@dataclass(frozen=True)
class Orders:
    """What a policy wishes for the minutes from now on: the plan's counts and the loop between plans.

    Attributes:
        replicas, most: (o, minute) wished, and how far the loop may go.
        needed: (w, minute) requests/s that the loop wants served; 0 = no loop. That of a minute may know
            the load of the minutes before it.
        standby: (o, minute) replicas that should stand by besides; None = none.
    """

    replicas: Ints
    most: Ints
    needed: Floats
    standby: Ints | None = None


@dataclass(frozen=True)
class Seen:
    """What a policy may know at the beginning of a minute, besides the load of the minutes before it.

    Attributes:
        minute: that begins now.
        ready, running: (o) replicas that serve, and those with what is on its way.
        denied, reclaimed: (o) launches denied and replicas taken back in the minute before.
    """

    minute: int
    ready: Ints
    running: Ints
    denied: Ints
    reclaimed: Ints


class Policy(Protocol):
    """Decides; one object per replay, for it may remember."""

    def orders(self, world: World, seen: Seen) -> Orders:
        """What is wished from `seen.minute` on, for at least one minute; asked again when these are over.

        It must not look at what arrives from `seen.minute` on.
        """
        ...


def simulate(world: World, policy: Policy, *, seed: int = 0) -> Replayed:
    """Replay a policy; it starts with the fleet of the first orders ready.

    Args:
        world: what happens.
        policy: what is wished.
        seed: of bursts, failures and reclaims; every policy meets the same bursts under the same seed.

    Raises:
        InputError: the world's arrays do not fit each other.
    """
    play = Play(world.check(), seed)
    while play.minute < world.minutes:
        play.follow(policy.orders(world, play.seen()))
    return play.result()


class Play:
    """A replay under way: the fleet, the queues, and what was counted so far."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.minute = 0
        self.offered = offered(world)
        self.lag = int(np.ceil(max(0.0, float(world.wait_s.max(initial=0.0))))) + 2
        self.fleet = idle(world, self.offered, self.lag)
        self.counts = blank(world)
        self.chance = np.random.default_rng([seed, 0])
        self.seed = seed
        self.day = -1
        self.arriving = np.zeros((0, 0, 0))

    def seen(self) -> Seen:
        """What the policy may know now."""
        ready, running = self.fleet.ready.copy(), self.fleet.ready + self.fleet.booting.sum(axis=1)
        last = self.minute - 1
        if last < 0:
            return Seen(0, ready, running, np.zeros_like(ready), np.zeros_like(ready))
        return Seen(self.minute, ready, running, self.counts.denied[:, last], self.counts.reclaimed[:, last])

    def follow(self, orders: Orders) -> None:
        """Plays the minutes that orders are given for."""
        length = min(orders.replicas.shape[1], self.world.minutes - self.minute)
        if length < 1:
            raise ValueError("orders for no minute")
        done = 0
        while done < length:
            day, begin = divmod(self.minute, STRETCH)
            self.open(day)
            steps = min(length - done, STRETCH - begin)
            self.play(orders, done, steps)
            done += steps

    def open(self, day: int) -> None:
        """Draws how the requests of a day's minutes fall on their seconds."""
        if day == self.day:
            return
        part = self.world.requests[:, day * STRETCH : (day + 1) * STRETCH]
        self.arriving = np.stack(
            [
                bursts(part[w], self.world.burstiness[w], np.random.default_rng([self.seed, 1, w, day]))
                for w in range(len(part))
            ]
        )
        self.day = day

    def play(self, orders: Orders, done: int, steps: int) -> None:
        """Plays minutes of one day."""
        world, now = self.world, slice(self.minute, self.minute + steps)
        within, given = slice(self.minute % STRETCH, self.minute % STRETCH + steps), slice(done, done + steps)
        stretch = Minutes(
            arriving=self.arriving[:, within],
            capacity=world.capacity[:, now],
            wait_s=world.wait_s[:, now],
            pool_capacity=world.pool_capacity[:, now],
            replicas=orders.replicas[:, given].astype(np.int64),
            most=orders.most[:, given].astype(np.int64),
            needed=orders.needed[:, given].astype(np.float64),
            standby=standing_by(orders, world)[:, given],
        )
        self.run(stretch)
        self.minute += steps

    def run(self, stretch: Minutes) -> None:
        """Hands minutes to the compiled loop, all arrays laid out alike, or it would be compiled again."""
        alike = Minutes._make(map(np.ascontiguousarray, stretch))
        if self.minute == 0:
            ready, standby = first_fleet(self.offered, alike)
            self.fleet.ready[:], self.fleet.pool.ready[:] = ready, standby
        run(self.offered, alike, self.fleet, self.counts, (self.minute, self.lag), self.chance)

    def result(self) -> Replayed:
        """What was counted; a minute more is played in which nobody comes, until it is known who was late."""
        world, running = self.world, (self.fleet.ready + self.fleet.booting.sum(axis=1))[:, None]
        after = Minutes(
            arriving=np.zeros((len(world.workloads), 1, SECONDS)),
            capacity=world.capacity[:, -1:],
            wait_s=world.wait_s[:, -1:],
            pool_capacity=world.pool_capacity[:, -1:],
            replicas=running,
            most=running,
            needed=np.zeros((len(world.workloads), 1)),
            standby=np.zeros_like(running),
        )
        self.run(after)
        return Replayed(world=world, **{name: part[:, :-1] for name, part in self.counts._asdict().items()})


def offered(world: World) -> Offered:
    """The world's options as compiled code reads them."""
    whole = np.floor(world.boot_s / SECONDS + 1e-9)
    order = np.lexsort((np.arange(len(world.option_id)), world.usd_per_unit, world.option_workload))
    return Offered(
        first=np.searchsorted(world.option_workload, np.arange(len(world.workloads) + 1)).astype(np.int64),
        by_price=order,
        boot_minutes=whole.astype(np.int64),
        boot_rest=world.boot_s / SECONDS - whole,
        failure=-np.expm1(-world.failures_per_1000h / MINUTES_PER_1000H),
        concurrency=world.concurrency,
        is_committed=world.is_committed,
        pool=world.pool,
        quota_pool=world.quota_pool,
        quota=world.quota,
        timeout_s=world.timeout_s,
    )


def idle(world: World, options: Offered, lag: int) -> Fleet:
    """Nothing runs and nobody waits."""
    count, workloads = len(world.option_id), len(world.workloads)
    ring = int(np.ceil(world.timeout_s.max(initial=0.0))) + lag + SPARE_S
    ages = int(options.boot_minutes.max(initial=0)) + 1
    return Fleet(
        ready=np.zeros(count, dtype=np.int64),
        booting=np.zeros((count, ages), dtype=np.int64),
        paid=np.zeros(count, dtype=np.int64),
        used=np.zeros(workloads),
        arrived=np.zeros((workloads, ring)),
        left=np.zeros((workloads, ring)),
        pool=empty_pool(world.boot_s, world.standby_boot_s, ages),
    )


def blank(world: World) -> Counts:
    """Nothing counted yet, in the minutes of the world and in one after them."""
    minutes = world.minutes + 1
    ready, paid, launched, stopped, failed, reclaimed, denied, standby = np.zeros(
        (8, len(world.option_id), minutes), dtype=np.int64
    )
    late, dropped = np.zeros((2, len(world.workloads), minutes))
    return Counts(ready, paid, launched, stopped, failed, reclaimed, denied, standby, late, dropped)


def standing_by(orders: Orders, world: World) -> Ints:
    """(o, minute) replicas that should stand by.

    Raises:
        ValueError: an option that has no standby, or less than none.
    """
    if orders.standby is None:
        return np.zeros(orders.replicas.shape, dtype=np.int64)
    if bool((orders.standby < 0).any() or (orders.standby[~world.has_standby] > 0).any()):
        raise ValueError("orders for standby that is not offered")
    return orders.standby.astype(np.int64)


def first_fleet(options: Offered, stretch: Minutes) -> tuple[Ints, Ints]:
    """(o) replicas that the first minute wishes to run and to stand by, as pools and quotas grant them."""
    wished = stretch.replicas[:, 0].copy()
    for w in range(len(options.timeout_s)):
        add_reactive(options, stretch, 0, w, wished)
    granted(wished, options.pool, stretch.pool_capacity[:, 0].copy())
    left, standby = options.quota.copy(), stretch.standby[:, 0].copy()
    for counts in (wished, standby):  # what runs first
        granted(counts, options.quota_pool, left)
    return wished, standby


def granted(wished: Ints, group: Ints, left: Ints) -> None:
    """Cuts counts to what their group has left, and takes them from it."""
    for i in np.flatnonzero(group >= 0):
        wished[i] = min(wished[i], left[group[i]])
        left[group[i]] -= wished[i]
