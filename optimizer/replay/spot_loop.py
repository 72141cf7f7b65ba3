"""Trimtab's minute loop with spot: as much as pools that may vanish together leave safe, on demand the rest.

What the loop wants served is what it wants on demand (`optimizer.replay.ours`); each minute it is spread over
the pools that are up by `optimizer.spot_mix`, fitted anew every day. Nothing stops before what takes its
place serves: what is beyond the best mix stays as long as the mix, without what still boots, would want it.

After a loss, until what replaces it serves, another one may leave too little, and a queue as long as the
timeout. What has been launched by then must drain that beside the load, or requests are late long after it
serves; so more is launched as long as that may happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from optimizer.control import HISTORY, Control, boot_minutes, choose
from optimizer.forms import FORMS, past_of
from optimizer.load_ahead import LoadAhead
from optimizer.pool_losses import PoolLosses
from optimizer.problem import Floats, Ints
from optimizer.replay.case import Case
from optimizer.replay.ours import followed
from optimizer.replay.wishes import NEAR, Need, at_once, filled, firm_options, known_capacity
from optimizer.replay.world import UNLIMITED, World
from optimizer.schedule import DAY
from optimizer.simulate import Orders, Policy, Seen
from optimizer.spot_mix import MOST_POOLS, Moment, Prices, SpotMix

# All requests that may be late cost, being late, as much as serving this share of all requests. Chosen
# on other draws of pools than those of the benchmark, where it keeps 99.895 % in the mean.
LATE_SHARE = 0.48
DRAINING = 1.3  # times what is wanted otherwise: after a loss that another one would make a queue of
LEAST_MISSABLE = 1e-5
STOPPED_SHARES = (1.0, 0.75, 0.5, 0.25)  # of what is beyond the best mix that may stop at once

Chosen = dict[tuple[int, int], Control]  # by workload and minute of history and replay


@dataclass(frozen=True)
class SpotLoop:
    """The policy, as a maker that other processes can be given."""

    def __call__(self, case: Case) -> Policy:
        """A policy that remembers the day's mixes."""
        chosen: Chosen = {}

        def choosing(workload: int, now: int, running: str) -> Control:
            found = choose(case.whole, workload, now, case.target[workload], FORMS, running=running)
            alone = Control(found.option, found.without or found.fitted)  # nothing stands by beside spot
            return chosen.setdefault((workload, now), alone)

        needed = followed(case, choosing).whole.needed
        served = [Served(case, w, needed[w], chosen) for w in range(len(case.whole.workloads))]
        return Looping(case, known_capacity(case), served)


@dataclass(frozen=True)
class Today:
    """How one workload is served for a day.

    Attributes:
        mix: of spot and on demand.
        spot: options, one of each pool.
        firm: options on demand, in the order in which they are taken.
    """

    mix: SpotMix
    spot: Ints
    firm: Ints


def today(case: Case, workload: int, minute: int, control: Control) -> Today:
    """What is best by what is known at a minute of the replay."""
    now = case.begin + minute
    past = case.whole.between(max(0, now - HISTORY), max(1, now))
    capacity = np.maximum(np.median(past.capacity, axis=1), NEAR)
    usd = case.whole.price_hourly / capacity
    spot = one_of_each_pool(case.whole, workload, usd, below=float(usd[control.option]))
    boot = boot_minutes(case.whole, control.option)
    load = past.load[workload]
    needed = control.fitted.factor * past_of(load, boot).needed(control.fitted.form)
    usd_of_pool = np.zeros(len(case.whole.pool_capacity))
    usd_of_pool[case.whole.pool[spot]] = usd[spot]
    firm = float(usd[control.option])
    missable = max(LEAST_MISSABLE, 1.0 - float(case.target[workload]))
    return Today(
        SpotMix(
            PoolLosses.of(past.pool_capacity, boot + 2),
            LoadAhead.of(load, needed, boot + 1),
            Prices(usd_of_pool, firm, LATE_SHARE / missable * firm),
            float(case.whole.firm_share[workload]),
        ),
        spot,
        firm_options(case, workload, case.whole.option_id[control.option]),
    )


def one_of_each_pool(world: World, workload: int, usd: Floats, *, below: float) -> Ints:
    """Spot options of a workload: of each pool the cheapest per request, and the pools that are cheapest."""
    mine = world.options_of(workload)
    spot = mine[world.is_spot[mine] & (usd[mine] < below)]
    spot = spot[np.lexsort((spot, usd[spot]))]
    _, first = np.unique(world.pool[spot], return_index=True)
    return spot[np.sort(first)][:MOST_POOLS]


@dataclass
class Served:
    """One workload under the loop.

    Attributes:
        case: what is replayed.
        workload: position.
        needed: (t) requests/s that the loop wants served in each minute of the replay.
        chosen: option and form, once a day.
        today: how it is served.
    """

    case: Case
    workload: int
    needed: Floats
    chosen: Mapping[tuple[int, int], Control]
    today: Today = field(init=False)

    def wish(self, wishes: Ints, capacity: Floats, room: Ints, seen: Seen) -> Need:
        """Writes the wishes for spot; gives what is wanted on demand.

        Args:
            wishes: (o) replicas.
            capacity: (o) requests/s of a replica.
            room: (o) replicas that pools and quotas leave to this workload.
            seen: what runs.
        """
        if seen.minute % DAY == 0:
            control = self.chosen[self.workload, self.case.begin + seen.minute]
            self.today = today(self.case, self.workload, seen.minute, control)
        day, before = self.today, max(0, self.case.begin + seen.minute - 1)
        spot, need = day.spot[room[day.spot] > 0], float(self.needed[seen.minute])
        last, rate, firm = float(self.case.whole.load[self.workload, before]), capacity[spot], day.firm
        serving = Serving(seen.ready[spot] * rate, float((seen.ready * capacity)[firm].sum()))
        full = last / max(need, NEAR)
        if self.lost_a_pool(before) and not serving.without_largest >= last:
            need *= DRAINING
        moment = Moment(need, full, tuple(self.case.whole.pool[spot].tolist()))
        if len(spot) and need > 0:
            best = np.ceil(day.mix.spot_wanted(moment, room[spot] * rate) / rate - NEAR).astype(np.int64)
            wishes[spot] = self.staying(moment, np.minimum(best, room[spot]), seen.running[spot], serving)
        ready = np.minimum(seen.ready[spot], wishes[spot])
        later, now = (day.mix.firm_wanted(moment, count * rate) for count in (wishes[spot], ready))
        running = float((seen.running * capacity)[firm].sum())
        least = float(self.case.whole.firm_replicas[self.workload])
        return Need(firm, np.array([max(least, max(later, min(running, now)) / capacity[firm[0]])]))

    def lost_a_pool(self, before: int) -> bool:
        """Whether one was lost so shortly before a minute that what replaces it may not serve yet."""
        window, pools = self.today.mix.losses.window, self.case.whole.pool[self.today.spot]
        granted = self.case.whole.pool_capacity[pools, max(0, before + 1 - window) : before + 1]
        return bool(PoolLosses.of(granted, granted.shape[1]).is_lost.any())

    def staying(self, moment: Moment, best: Ints, running: Ints, serving: Serving) -> Ints:
        """(spot) wishes: the best mix, and what must still run until all of it serves.

        Args:
            moment: what is to be served.
            best: (spot) replicas.
            running: (spot) the same.
            serving: requests/s.
        """
        beyond = np.maximum(0, running - best)
        for share in STOPPED_SHARES:
            left = running - np.floor(share * beyond).astype(np.int64)
            kept = serving.spot * np.minimum(1.0, left / np.maximum(running, 1))
            if self.today.mix.firm_wanted(moment, kept) <= serving.firm + NEAR:
                return np.where(beyond > 0, left, best)
        return np.maximum(running, best)


@dataclass(frozen=True)
class Serving:
    """Requests/s that replicas serve which are ready.

    Attributes:
        spot: (spot).
        firm: on demand.
    """

    spot: Floats
    firm: float

    @property
    def without_largest(self) -> float:
        """What is left once the pool is lost that serves most."""
        return float(self.spot.sum() - self.spot.max(initial=0.0)) + self.firm


@dataclass
class Looping:
    """The policy: decides anew each minute.

    Attributes:
        case: what is replayed.
        capacity: (o, t) of the minute before each minute.
        served: (w).
    """

    case: Case
    capacity: Floats
    served: list[Served]

    def orders(self, world: World, seen: Seen) -> Orders:
        """Of one minute."""
        capacity = self.capacity[:, seen.minute]
        wishes = np.zeros((len(world.option_id), 1), dtype=np.int64)
        before = max(0, self.case.begin + seen.minute - 1)
        limits = [
            (world.pool, self.case.whole.pool_capacity[:, before]),
            (world.quota_pool, world.quota),
        ]
        wanted = seen.running.copy()
        needs = []
        for w, own in enumerate(self.served):
            mine = world.option_workload == w
            room = np.min([left(*limit, np.where(mine, 0, wanted)) for limit in limits], axis=0)
            needs.append(own.wish(wishes[:, 0], capacity, room, seen))
            wanted = np.where(mine, np.maximum(wanted, wishes[:, 0]), wanted)
        firm = filled(world, needs, capacity[:, None], np.zeros_like(wishes))
        return at_once(world, wishes + firm)


def left(group: Ints, limit: Ints, taken: Ints) -> Ints:
    """(o) replicas of each option that a pool or quota leaves beside what is taken; without one, any."""
    used = np.bincount(group + 1, taken, len(limit) + 1)[1:]
    return np.append(np.maximum(0, limit - used.astype(np.int64)), UNLIMITED)[group]
