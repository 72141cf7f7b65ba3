"""SpotHedge, the policy of SkyServe (Mao et al. 2025): spot spread over pools, on demand while it lacks.

More spot replicas than needed are wished, each new one in the pool that holds the least; a pool that denied
or reclaimed is left alone until one of its launches is ready, or until fewer than two pools are left, when
all of them are tried again. On demand runs what the spot replicas that are ready do not carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.case import Case
from optimizer.replay.reactive_rivals import reactive
from optimizer.replay.rivals import Knobs, Rival
from optimizer.replay.wishes import NEAR, Need, at_once, filled, firm_options, history, known_capacity
from optimizer.replay.world import World
from optimizer.simulate import Orders, Policy, Seen

LEAST_POOLS = 2  # that are tried


@dataclass(frozen=True)
class SpotHedge(Rival):
    """What a team tells SkyServe.

    Attributes:
        target: utilisation at which the last minute's load is to be served.
        window_s: downscale delay; 1200 is the default of SkyServe. It delays scaling up too; not so here.
        extra_share: spot replicas beyond what is needed; at least one.
        pools: how many of the cheapest pools.
    """

    KNOBS: ClassVar[Knobs] = {
        "target": (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85),
        "window_s": (300, 600, 1200, 1800, 2400),
        "extra_share": (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5),
    }

    target: float = 0.7
    window_s: int = 1200
    extra_share: float = 0.2
    pools: int = 4

    def __call__(self, case: Case) -> Policy:
        """A policy that remembers pools."""
        groups = [self.hedge(case, w) for w in range(len(case.whole.workloads))]
        capacity = known_capacity(case)
        needs = np.stack([reactive(case, own.firm[0], self.target, self.window_s) for own in groups])
        wanted = np.maximum(needs, 1.0) * capacity[[own.firm[0] for own in groups]]
        return Hedging(tuple(groups), capacity, wanted, self.extra_share)

    def hedge(self, case: Case, workload: int) -> Hedge:
        """The options of a workload: of each pool the cheapest, where it is cheaper than on demand."""
        past, firm = history(case), firm_options(case, workload, self.option_id)
        mine = past.options_of(workload)
        spot = mine[past.is_spot[mine] & (past.usd_per_unit[mine] < past.usd_per_unit[firm[0]])]
        spot = spot[np.argsort(past.usd_per_unit[spot], kind="stable")]
        _, first = np.unique(past.pool[spot], return_index=True)
        return Hedge(firm, spot[np.sort(first)][: self.pools])


@dataclass
class Hedge:
    """A workload's options, and what is remembered of its pools.

    Attributes:
        firm, spot: options, the cheapest first.
        wishes: (spot) replicas wished.
        is_active: (spot) whether its pool gets new replicas.
        was_ready: (spot) replicas a minute ago.
    """

    firm: Ints
    spot: Ints
    wishes: Ints = field(init=False)
    is_active: Ints = field(init=False)
    was_ready: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.wishes, self.was_ready = np.zeros((2, len(self.spot)), dtype=np.int64)
        self.is_active = np.ones(len(self.spot), dtype=bool)

    def look(self, seen: Seen) -> None:
        """Remembers what pools did in the minute before."""
        ready, running = seen.ready[self.spot], seen.running[self.spot]
        failed = (seen.denied[self.spot] > 0) | (seen.reclaimed[self.spot] > 0)
        self.is_active = (self.is_active | (ready > self.was_ready)) & ~failed
        self.wishes = np.where(failed, running, self.wishes)
        self.was_ready = ready
        if np.count_nonzero(self.is_active) < LEAST_POOLS:
            self.is_active[:] = True

    def spread(self, capacity: Floats, wanted: float) -> None:
        """Wishes for so many requests/s: more where least is held, fewer where most is."""
        per_replica, wishes = capacity.tolist(), self.wishes.tolist()
        held = [count * rate for count, rate in zip(wishes, per_replica, strict=True)]
        total, active = sum(held), np.flatnonzero(self.is_active).tolist()
        while total < wanted - NEAR:
            at = min(active, key=held.__getitem__)
            wishes[at] += 1
            held[at] += per_replica[at]
            total += per_replica[at]
        while True:
            at = max(range(len(held)), key=held.__getitem__)
            if held[at] <= 0 or total - per_replica[at] < wanted - NEAR:
                break
            wishes[at] -= 1
            held[at] -= per_replica[at]
            total -= per_replica[at]
        self.wishes = np.array(wishes, dtype=np.int64)


@dataclass
class Hedging:
    """The policy: decides anew each minute.

    Attributes:
        hedges: (w).
        capacity: (o, t) of the minute before each minute.
        wanted: (w, t) requests/s to serve.
        extra_share: spot beyond that.
    """

    hedges: tuple[Hedge, ...]
    capacity: Floats
    wanted: Floats
    extra_share: float

    def orders(self, world: World, seen: Seen) -> Orders:
        """Of one minute."""
        capacity = self.capacity[:, seen.minute]
        wishes = np.zeros((len(world.option_id), 1), dtype=np.int64)
        needs = []
        for w, own in enumerate(self.hedges):
            missing = self.place(own, capacity, float(self.wanted[w, seen.minute]), seen)
            needs.append(Need(own.firm, np.array([missing / capacity[own.firm[0]]])))
        wishes = filled(world, needs, capacity[:, None], wishes)
        for own in self.hedges:
            wishes[own.spot, 0] = own.wishes
        return at_once(world, wishes)

    def place(self, own: Hedge, capacity: Floats, wanted: float, seen: Seen) -> float:
        """Sets the wishes for spot replicas; gives the requests/s to serve on demand meanwhile."""
        if not len(own.spot):
            return wanted
        own.look(seen)
        extra = max(wanted * self.extra_share, float(capacity[own.spot[0]]))
        own.spread(capacity[own.spot], wanted + extra)
        ready = float((seen.ready * capacity)[own.spot].sum())
        return min(wanted, max(0.0, wanted + extra - ready))
