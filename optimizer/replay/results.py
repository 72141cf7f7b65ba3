"""What a replay counted, and the numbers people read off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.world import World

MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Replayed:
    """A replay minute by minute.

    Attributes:
        world: it was played in.
        ready, paid: (o, t) replicas that served at the beginning of the minute, and those paid for in full.
        launched, stopped, failed, reclaimed, denied: (o, t) replicas.
        standby: (o, t) replicas that stood by, paid at the price of that.
        late: (w, t) requests of each minute that missed their objective, those dropped included.
        dropped: (w, t) requests that waited longer than their timeout.
    """

    world: World
    ready: Ints
    paid: Ints
    launched: Ints
    stopped: Ints
    failed: Ints
    reclaimed: Ints
    denied: Ints
    standby: Ints
    late: Floats
    dropped: Floats

    @property
    def usd(self) -> Floats:
        """(t) cost of each minute."""
        standby_price = np.nan_to_num(self.world.standby_price_hourly)
        hourly = self.world.price_hourly @ self.paid + standby_price @ self.standby
        return np.asarray(hourly / MINUTES_PER_HOUR)

    @property
    def cost_usd(self) -> float:
        """Cost of the whole replay."""
        return float(self.usd.sum())

    def attainment(self, workload: int = 0) -> float:
        """Share of requests that kept their objective; NaN where there were none."""
        return share_in_time(self.world.requests[workload], self.late[workload])

    def worst_hour(self, workload: int = 0) -> float:
        """The same of the hour of the clock in which it was lowest."""
        requests, late = self.world.requests[workload], self.late[workload]
        hours = np.arange(len(requests)) // MINUTES_PER_HOUR
        arrived, missed = np.bincount(hours, np.nan_to_num(requests)), np.bincount(hours, late)
        return float(1.0 - (missed[arrived > 0] / arrived[arrived > 0]).max(initial=0.0))

    @property
    def scaled(self) -> Ints:
        """(o) times an option was scaled: minutes in which it launched or stopped anything."""
        return np.asarray(((self.launched > 0) | (self.stopped > 0)).sum(axis=1))

    @property
    def actions(self) -> int:
        """The same of all options."""
        return int(self.scaled.sum())

    @property
    def action_usd(self) -> float:
        """What these actions cost, beside the capacity."""
        return float(self.world.action_cost_usd[self.world.option_workload] @ self.scaled)


def share_in_time(requests: Floats, late: Floats) -> float:
    """Share of requests that kept their objective; NaN where there were none."""
    total = float(np.nansum(requests))
    return 1.0 - float(late.sum()) / total if total > 0 else float("nan")
