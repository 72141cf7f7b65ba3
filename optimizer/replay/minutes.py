"""What happens in a minute of a replay, compiled: reclaims, failures, launches, stops, service.

The rules are those of a plan in force: `replicas` of each option are wished, and between plans a loop adds
replicas, cheapest per request first and up to `most`, until what is wished serves the needed load.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.compiled import compiled
from optimizer.problem import Bools, Floats, Ints
from optimizer.replay.queue import SECONDS, late_of_second, serve_second
from optimizer.replay.standby_pool import Pool, call, grow_older, inside, shrink, take_back, take_over

NEAR = 1e-9


class Offered(NamedTuple):
    """What may be launched: (o) unless said otherwise; see `optimizer.replay.world.World`."""

    first: Ints  # (w + 1) options of workload w are [first[w], first[w + 1])
    by_price: Ints  # positions of options, the cheapest per request of a workload first
    boot_minutes: Ints  # whole minutes in which a launch serves nothing
    boot_rest: Floats  # share of the minute after those in which it still does not serve
    failure: Floats  # chance of a ready replica to fail within a minute
    concurrency: Floats
    is_committed: Bools
    pool: Ints
    quota_pool: Ints
    quota: Ints  # (q)
    timeout_s: Floats  # (w)


class Minutes(NamedTuple):
    """What the minutes of a stretch bring and what is wished in them."""

    arriving: Floats  # (w, t, second)
    capacity: Floats  # (o, t) requests/s of a replica
    wait_s: Floats  # (o, t)
    pool_capacity: Ints  # (p, t)
    replicas: Ints  # (o, t)
    most: Ints  # (o, t)
    needed: Floats  # (w, t) requests/s that the loop wants served; 0 = no loop
    standby: Ints  # (o, t)


class Fleet(NamedTuple):
    """What runs, and the queues before it; changed in place from minute to minute."""

    ready: Ints  # (o)
    booting: Ints  # (o, minutes since launch)
    paid: Ints  # (o) replicas paid for, launched or committed
    used: Floats  # (w) share of capacity in use in the last minute
    arrived: Floats  # (w, ring) curves of `optimizer.replay.queue`
    left: Floats  # (w, ring)
    pool: Pool  # what stands by


class Counts(NamedTuple):
    """What is counted, from the beginning of the replay: (o, minute) replicas, (w, minute) requests."""

    ready: Ints  # that serve in the minute, or in a part of it
    paid: Ints  # in full: what runs or boots
    launched: Ints
    stopped: Ints
    failed: Ints
    reclaimed: Ints
    denied: Ints
    standby: Ints  # that stand by
    late: Floats
    dropped: Floats


@compiled
def run(
    offered: Offered,
    minutes: Minutes,
    fleet: Fleet,
    counts: Counts,
    moment: tuple[int, int],
    rng: np.random.Generator,
) -> None:
    """Plays minutes of a stretch; fleet and counts are filled in place.

    Args:
        offered: what may be launched.
        minutes: the stretch.
        fleet: as the minute before left it.
        counts: of the whole replay.
        moment: minutes passed before the stretch, and seconds after which it is known who was late: more
            than the longest wait.
        rng: seeded.
    """
    passed, lag = moment
    wished = np.zeros(len(offered.pool), dtype=np.int64)
    for t in range(minutes.replicas.shape[1]):
        now = passed + t
        reclaim(offered.pool, minutes.pool_capacity[:, t], fleet, counts.reclaimed[:, now], rng)
        fail(offered.failure, fleet, counts.failed[:, now], rng)
        wished[:] = minutes.replicas[:, t]
        for w in range(len(offered.timeout_s)):
            add_reactive(offered, minutes, t, w, wished)
        stop(fleet, wished, minutes.standby[:, t], counts.stopped[:, now])
        launch(offered, minutes.pool_capacity[:, t], fleet, wished, counts, now)
        refill(offered, minutes.standby[:, t], fleet, counts, now)
        for w in range(len(offered.timeout_s)):
            serve(offered, minutes, t, w, fleet, counts, now, lag)
        boot(offered.boot_minutes, fleet)
        grow_older(fleet.pool)


@compiled
def held(fleet: Fleet, option: int) -> int:
    """Replicas of an option, ready or on their way."""
    return int(fleet.ready[option] + fleet.booting[option].sum())


@compiled
def carried(shared: Ints, groups: int, fleet: Fleet) -> Ints:
    """(group) replicas of all options that share a pool or a quota, those that stand by among them."""
    total = np.zeros(groups, dtype=np.int64)
    for i in range(len(shared)):
        if shared[i] >= 0:
            total[shared[i]] += held(fleet, i) + inside(fleet.pool, i)
    return total


@compiled
def reclaim(pool: Ints, capacity: Ints, fleet: Fleet, reclaimed: Ints, rng: np.random.Generator) -> None:
    """Pools that fell below what they carry take replicas back, any of them with equal chance."""
    in_pool = carried(pool, len(capacity), fleet)
    for p in range(len(capacity)):
        while in_pool[p] > capacity[p]:
            drawn = int(rng.random() * in_pool[p])
            for i in range(len(pool)):
                if pool[i] != p:
                    continue
                here = held(fleet, i)
                if drawn < here:
                    lose_one(fleet, i, drawn)
                    reclaimed[i] += 1
                    break
                drawn -= here
            in_pool[p] -= 1


@compiled
def lose_one(fleet: Fleet, option: int, which: int) -> None:
    """Takes one replica away: the ready ones are counted first, then those on their way by age."""
    if which < fleet.ready[option]:
        fleet.ready[option] -= 1
        return
    which -= fleet.ready[option]
    for age in range(fleet.booting.shape[1]):
        if which < fleet.booting[option, age]:
            fleet.booting[option, age] -= 1
            return
        which -= fleet.booting[option, age]


@compiled
def fail(chance: Floats, fleet: Fleet, failed: Ints, rng: np.random.Generator) -> None:
    """Ready replicas fail by chance."""
    for i in range(len(chance)):
        if fleet.ready[i] > 0 and chance[i] > 0:
            failed[i] = rng.binomial(fleet.ready[i], chance[i])
            fleet.ready[i] -= failed[i]


@compiled
def add_reactive(offered: Offered, minutes: Minutes, t: int, w: int, wished: Ints) -> None:
    """Adds to the plan's replicas of a workload what the loop wants more."""
    missing = minutes.needed[w, t]
    if missing <= 0:
        return
    options = range(offered.first[w], offered.first[w + 1])
    for i in options:
        missing -= wished[i] * minutes.capacity[i, t]
    for place in options:
        i = offered.by_price[place]
        rate = minutes.capacity[i, t]
        if missing <= NEAR or rate <= 0:
            continue
        added = min(minutes.most[i, t] - wished[i], int(np.ceil(missing / rate - NEAR)))
        if added > 0:
            wished[i] += added
            missing -= added * rate


@compiled
def stop(fleet: Fleet, wished: Ints, standby: Ints, stopped: Ints) -> None:
    """What is beyond the wish ends at once, the youngest first: those on their way are cancelled.

    It goes to the standby pool where that has fewer than it should.
    """
    for i in range(len(wished)):
        beyond = held(fleet, i) - wished[i]
        if beyond <= 0:
            continue
        stopped[i] = beyond
        take_back(fleet.pool, i, standby[i], max(0, beyond - fleet.booting[i].sum()))
        for age in range(fleet.booting.shape[1]):
            ended = min(beyond, fleet.booting[i, age])
            fleet.booting[i, age] -= ended
            take_over(fleet.pool, i, standby[i], ended, age)
            beyond -= ended
        fleet.ready[i] -= beyond


@compiled
def launch(
    offered: Offered, pool_capacity: Ints, fleet: Fleet, wished: Ints, counts: Counts, now: int
) -> None:
    """What is missing is called from standby, then launched as far as pools and quotas grant it.

    The rest is denied and asked for again.
    """
    in_pool = carried(offered.pool, len(pool_capacity), fleet)
    in_quota = carried(offered.quota_pool, len(offered.quota), fleet)
    for i in offered.by_price:
        running, p, q = held(fleet, i), offered.pool[i], offered.quota_pool[i]
        missing = max(0, wished[i] - running)
        called = call(fleet.pool, i, missing, fleet.booting)
        missing, running = missing - called, running + called
        granted = missing
        if p >= 0:
            granted = min(granted, max(0, pool_capacity[p] - in_pool[p]))
        if q >= 0:
            granted = min(granted, max(0, offered.quota[q] - in_quota[q]))
        if p >= 0:
            in_pool[p] += granted
        if q >= 0:
            in_quota[q] += granted
        fleet.booting[i, 0] += granted
        counts.launched[i, now] = called + granted
        counts.denied[i, now] = missing - granted
        fleet.paid[i] = (
            max(fleet.paid[i], running + granted) if offered.is_committed[i] else running + granted
        )
        counts.paid[i, now] = fleet.paid[i]


@compiled
def refill(offered: Offered, standby: Ints, fleet: Fleet, counts: Counts, now: int) -> None:
    """Standby pools are filled as far as quotas leave room beside what runs, or cut to what is wished."""
    pool = fleet.pool
    in_quota = carried(offered.quota_pool, len(offered.quota), fleet)
    for i in offered.by_price:
        shrink(pool, i, standby[i])
        launched, q = standby[i] - inside(pool, i), offered.quota_pool[i]
        if launched > 0 and q >= 0:
            launched = min(launched, max(0, offered.quota[q] - in_quota[q]))
            in_quota[q] += launched
        pool.warming[i, 0] += launched
        counts.paid[i, now] += pool.warming[i].sum()
        counts.standby[i, now] = pool.ready[i]


@compiled
def boot(boot_minutes: Ints, fleet: Fleet) -> None:
    """A minute passes: launches grow older, and who has booted is ready."""
    for i in range(len(boot_minutes)):
        age = boot_minutes[i]
        fleet.ready[i] += fleet.booting[i, age]
        for older in range(age, 0, -1):
            fleet.booting[i, older] = fleet.booting[i, older - 1]
        fleet.booting[i, 0] = 0


@compiled
def serving(offered: Offered, fleet: Fleet, option: int) -> float:
    """Replicas of an option that serve in this minute; one that becomes ready within it counts in part."""
    fresh = fleet.booting[option, offered.boot_minutes[option]] * (1.0 - offered.boot_rest[option])
    return float(fleet.ready[option] + fresh)


@compiled
def serve(
    offered: Offered, minutes: Minutes, t: int, w: int, fleet: Fleet, counts: Counts, now: int, lag: int
) -> None:
    """Sixty seconds of the queue of one workload; what replicas had in hand that were lost is late too."""
    begin, end = offered.first[w], offered.first[w + 1]
    shares = np.zeros(end - begin)
    for i in range(begin, end):
        counts.ready[i, now] = fleet.ready[i] + fleet.booting[i, offered.boot_minutes[i]]
        shares[i - begin] = serving(offered, fleet, i) * minutes.capacity[i, t]
        lost = counts.failed[i, now] + counts.reclaimed[i, now]
        counts.late[w, now] += lost * offered.concurrency[i] * fleet.used[w]
    rate = shares.sum()
    arrived, left = fleet.arrived[w], fleet.left[w]
    start = now * SECONDS
    dropped, before = 0.0, left[start % len(left)]
    for second in range(start, start + SECONDS):
        arriving = minutes.arriving[w, t, second - start]
        dropped += serve_second(arrived, left, second, arriving, rate, offered.timeout_s[w])
        judged = second - lag
        if judged >= 0:
            late = late_of(arrived, left, judged, shares, minutes.wait_s[begin:end, t])
            counts.late[w, judged // SECONDS] += late
    counts.dropped[w, now] = dropped
    served = left[(start + SECONDS) % len(left)] - before - dropped
    fleet.used[w] = min(1.0, max(0.0, served / (rate * SECONDS))) if rate > 0 else 0.0


@compiled
def late_of(arrived: Floats, left: Floats, second: int, shares: Floats, wait_s: Floats) -> float:
    """Requests of a second that miss their objective, spread over options as these serve."""
    total = shares.sum()
    if total <= 0:
        return late_of_second(arrived, left, second, wait_s.max())
    late = 0.0
    for i in range(len(shares)):
        if shares[i] > 0:
            late += shares[i] / total * late_of_second(arrived, left, second, wait_s[i])
    return float(late)
