"""The world of a replay as arrays: what arrives in each minute, what may serve it and what that costs.

Index sets: w workloads, o options (an option as it serves one workload, as in `optimizer.problem`),
t minutes, p spot pools, q quotas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.errors import Fault, InputError
from optimizer.problem import Bools, Floats, Ints

MINUTE_S = 60
NONE = -1  # an option without a pool, or without a quota
UNLIMITED = np.iinfo(np.int64).max // 4
SHAPES = {
    "requests": "wt",
    "burstiness": "w",
    "timeout_s": "w",
    "action_cost_usd": "w",
    "firm_share": "w",
    "firm_replicas": "w",
    "option_workload": "o",
    "price_hourly": "o",
    "boot_s": "o",
    "standby_price_hourly": "o",
    "standby_boot_s": "o",
    "failures_per_1000h": "o",
    "concurrency": "o",
    "is_committed": "o",
    "capacity": "ot",
    "wait_s": "ot",
    "pool": "o",
    "pool_capacity": "pt",
    "quota_pool": "o",
    "quota": "q",
}
NOT_NEGATIVE = (
    "burstiness",
    "timeout_s",
    "action_cost_usd",
    "firm_share",
    "firm_replicas",
    "price_hourly",
    "boot_s",
    "failures_per_1000h",
    "capacity",
    "quota",
)


@dataclass(frozen=True)
class World:
    """Everything a replay needs to know, and nothing that a policy decides.

    Attributes:
        start: beginning of the first minute.
        workloads: (w) names.
        requests: (w, t) that arrive within each minute; NaN where nobody counted: the minute is played
            without arrivals and judged as if it were not there.
        burstiness: (w) variance over mean of arrivals inside a minute; 0 = perfectly even.
        timeout_s: (w) longest wait before a request is dropped.
        action_cost_usd: (w) what it costs to scale one option once, beside the capacity.
        firm_share, firm_replicas: (w) share of demand, and replicas, that spot may not carry.
        option_id, option_workload: (o) names, and positions of the workloads they serve.
        price_hourly: (o) USD per replica.
        boot_s: (o) from launch until it serves.
        standby_price_hourly: (o) USD of a replica that has booted and stands by; NaN where there is none.
        standby_boot_s: (o) from its call until it serves, at most boot_s; NaN likewise.
        failures_per_1000h: (o) of a replica that is ready.
        concurrency: (o) requests that one replica has in hand when full.
        is_committed: (o) paid until the end once launched.
        capacity: (o, t) requests/s of one replica, which differ as requests grow longer and shorter.
        wait_s: (o, t) longest time in the queue that keeps the objective: what processing leaves of it.
        pool, pool_capacity: (o) position or -1; (p, t) replicas the pool grants, all options together.
        quota_pool, quota: (o) position or -1; (q) replicas.
    """

    start: pd.Timestamp
    workloads: tuple[str, ...]
    requests: Floats
    burstiness: Floats
    timeout_s: Floats
    action_cost_usd: Floats
    firm_share: Floats
    firm_replicas: Ints
    option_id: tuple[str, ...]
    option_workload: Ints
    price_hourly: Floats
    boot_s: Floats
    standby_price_hourly: Floats
    standby_boot_s: Floats
    failures_per_1000h: Floats
    concurrency: Floats
    is_committed: Bools
    capacity: Floats
    wait_s: Floats
    pool: Ints
    pool_capacity: Ints
    quota_pool: Ints
    quota: Ints

    @property
    def minutes(self) -> int:
        """Length of the replay."""
        return int(self.requests.shape[1])

    @property
    def load(self) -> Floats:
        """(w, t) requests/s of each minute; NaN where nobody counted."""
        return self.requests / MINUTE_S

    @property
    def is_spot(self) -> Bools:
        """(o) whether a pool may take it back."""
        return np.asarray(self.pool != NONE)

    @property
    def has_standby(self) -> Bools:
        """(o) whether replicas of it may stand by."""
        return ~np.isnan(self.standby_price_hourly)

    @cached_property
    def usd_per_unit(self) -> Floats:
        """(o) price of one request/s for an hour, at the capacity of the middle minute."""
        return np.asarray(self.price_hourly / np.nanmedian(self.capacity, axis=1))

    def options_of(self, workload: int) -> Ints:
        """Positions of the options that serve a workload."""
        return np.flatnonzero(self.option_workload == workload)

    def between(self, begin: int, end: int) -> World:
        """The same world for the minutes [begin, end)."""
        timed = ("requests", "capacity", "wait_s", "pool_capacity")
        cut = {name: getattr(self, name)[:, begin:end] for name in timed}
        return replace(self, start=self.start + pd.Timedelta(minutes=begin), **cut)

    def check(self) -> World:
        """The world itself.

        Raises:
            InputError: shapes that do not fit, or amounts that make no sense; every fault at once.
        """
        faults = [*wrong_shapes(self), *wrong_amounts(self)]
        if faults:
            raise InputError(faults)
        return self


def wrong_shapes(world: World) -> list[Fault]:
    """Arrays whose shape is not that of their index sets."""
    size = {"w": len(world.workloads), "o": len(world.option_id), "t": world.requests.shape[-1]}
    size |= {"p": world.pool_capacity.shape[0], "q": len(world.quota)}
    return [
        fault(name, f"shape {getattr(world, name).shape}", f"{wanted} for ({', '.join(index)})")
        for name, index in SHAPES.items()
        if getattr(world, name).shape != (wanted := tuple(size[letter] for letter in index))
    ]


def wrong_amounts(world: World) -> list[Fault]:
    """Amounts that make no sense; NaN is one except where it says that nobody counted."""
    found = [
        fault(name, "a negative or missing amount", "amounts of at least 0")
        for name in NOT_NEGATIVE
        if not bool((getattr(world, name) >= 0).all())
    ]
    if bool((world.requests < 0).any()):
        found.append(fault("requests", "a negative amount", "counts, or NaN where nobody counted"))
    found += wrong_standby(world)
    if bool((np.diff(world.option_workload) < 0).any()):
        found.append(fault("option_workload", "options in another order", "options in order of workloads"))
    return found


def wrong_standby(world: World) -> list[Fault]:
    """Standby with one number only, below 0, or that serves later than a launch would."""
    price, boot_s = world.standby_price_hourly, world.standby_boot_s
    found = []
    if bool((np.isnan(price) != np.isnan(boot_s)).any()):
        found.append(fault("standby_boot_s", "one of price and boot alone", "both or none of each option"))
    if bool((price < 0).any()):
        found.append(fault("standby_price_hourly", "a negative amount", "at least 0, NaN without standby"))
    if bool(((boot_s < 0) | (boot_s > world.boot_s)).any()):
        found.append(fault("standby_boot_s", "amounts out of range", "from 0 to boot_s"))
    return found


def fault(name: str, found: str, expected: str) -> Fault:
    """One array of a world that does not fit."""
    return Fault(f"world: {name}", found, expected, "build worlds with `optimizer.replay.history.world_of`")
