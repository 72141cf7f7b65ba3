"""What a policy is given before a replay: the history it may learn from, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from optimizer.problem import Floats
from optimizer.replay.world import World
from optimizer.simulate import Orders, Policy, Seen


@dataclass(frozen=True)
class Case:
    """A world with its history: minutes before `begin` are known, the others are played and judged.

    Attributes:
        whole: history and replay.
        begin: first minute of the replay.
        target: (w) share of requests that must keep their objective.
    """

    whole: World
    begin: int
    target: Floats

    @cached_property
    def world(self) -> World:
        """What is played."""
        return self.whole.between(self.begin, self.whole.minutes)


Maker: TypeAlias = Callable[[Case], Policy]


@dataclass(frozen=True)
class Known:
    """A policy whose wishes depend on the load alone, so that all of them are computed at once.

    Attributes:
        whole: orders for every minute of the replay; each may know the load of the minutes before it.
    """

    whole: Orders

    def orders(self, world: World, seen: Seen) -> Orders:  # noqa: ARG002 - what is wished does not depend on it
        """The rest of them."""
        rest = slice(seen.minute, None)
        whole = self.whole
        standby = None if whole.standby is None else whole.standby[:, rest]
        return Orders(whole.replicas[:, rest], whole.most[:, rest], whole.needed[:, rest], standby)


def no_replicas(world: World) -> Orders:
    """Nothing wished; to be filled. Standby is None where no option offers it."""
    replicas, most, standby = np.zeros((3, len(world.option_id), world.minutes), dtype=np.int64)
    needed = np.zeros((len(world.workloads), world.minutes))
    return Orders(replicas, most, needed, standby if world.has_standby.any() else None)
