"""How rivals see the past, and how a need for replicas becomes orders within quotas.

Load is counted in busy replicas of an option: load / capacity of the same minute. So a policy that follows
it also follows requests that grow longer, and never asks what a replica will serve in the minute to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.quota_shares import LEAST_CAPACITY
from optimizer.reactive import LAST, paths
from optimizer.replay.case import Case
from optimizer.replay.world import NONE, UNLIMITED, World
from optimizer.simulate import Orders

NEAR = 1e-9


@dataclass(frozen=True)
class Need:
    """What a workload is to have in each minute of the replay.

    Attributes:
        options: to take it from, in this order, each as far as its quota goes.
        replicas: (t) of the first of them that would do.
    """

    options: Ints
    replicas: Floats


def history(case: Case) -> World:
    """The minutes before the replay; its first minute where there are none."""
    return case.whole.between(0, max(1, case.begin))


def firm_options(case: Case, workload: int, option_id: str | None = None) -> Ints:
    """On-demand options of a workload, the cheapest per request in the history first.

    Args:
        case: what is replayed.
        workload: which.
        option_id: stands before all others where the workload may use it.
    """
    past, mine = history(case), case.whole.options_of(workload)
    firm = mine[~past.is_spot[mine] & ~past.is_committed[mine]]
    firm = firm if len(firm) else mine  # nothing on demand: whatever there is
    usual = np.array([past.option_id[i] == option_id for i in firm])
    return firm[np.lexsort((firm, past.usd_per_unit[firm], ~usual))]


def busy(case: Case, option: int) -> Floats:
    """(minute of history and replay) replicas of an option that the load keeps busy; NaN: nobody counted."""
    world = case.whole
    capacity = np.maximum(world.capacity[option], LEAST_CAPACITY)
    return np.asarray(world.load[world.option_workload[option]] / capacity)


def last_busy(case: Case, option: int) -> Floats:
    """(minute of history and replay) the same of the minute before, or of the last one that was counted."""
    return paths(busy(case, option), [LAST])[LAST]


def quantile(values: Floats, level: float) -> float:
    """A quantile of what was counted; 0 where nothing was."""
    counted = values[~np.isnan(values)]
    return float(np.quantile(counted, level)) if len(counted) else 0.0


def largest(values: Floats) -> float:
    """The largest of what was counted; 0 where nothing was."""
    return quantile(values, 1.0)


def known_capacity(case: Case) -> Floats:
    """(o, t) requests/s of a replica in the minute before each minute of the replay."""
    before = np.arange(case.begin, case.whole.minutes) - 1
    return np.maximum(case.whole.capacity[:, np.maximum(before, 0)], LEAST_CAPACITY)


def wished(case: Case, needs: Sequence[Need], given: Ints | None = None) -> Orders:
    """Orders that meet the needs of all workloads, in their order, as far as quotas go.

    Args:
        case: what is replayed.
        needs: (w).
        given: (o, t) replicas wished anyway, to which only what is missing is added.
    """
    capacity = known_capacity(case)
    given = np.zeros(capacity.shape, dtype=np.int64) if given is None else given
    return at_once(case.world, filled(case.world, needs, capacity, given))


def filled(world: World, needs: Sequence[Need], capacity: Floats, given: Ints) -> Ints:
    """(o, t) replicas: what is given and what the needs miss; `capacity` is that of the minute before."""
    wishes = given.copy()
    for workload, need in enumerate(needs):
        mine = world.options_of(workload)
        missing = need.replicas * capacity[need.options[0]] - (wishes * capacity)[mine].sum(axis=0)
        for option in need.options:
            wanted = np.ceil(missing / capacity[option] - NEAR).clip(0, UNLIMITED).astype(np.int64)
            added = np.minimum(wanted, quota_left(world, wishes, option))
            wishes[option] += added
            missing -= added * capacity[option]
    return wishes


def quota_left(world: World, wishes: Ints, option: int) -> Ints:
    """(t) replicas of an option that may still be wished."""
    group = world.quota_pool[option]
    if group == NONE:
        return np.full(wishes.shape[1:], UNLIMITED)
    taken = wishes[world.quota_pool == group].sum(axis=0)
    return np.asarray(np.maximum(world.quota[group] - taken, 0))


def at_once(world: World, wishes: Ints) -> Orders:
    """Orders without a loop between them."""
    return Orders(wishes, wishes, np.zeros((len(world.workloads), wishes.shape[1])))


def within_quotas(world: World, counts: Ints) -> Ints:
    """(o, t) counts as far as quotas go, the first options first."""
    kept = counts.copy()
    for group, limit in enumerate(world.quota):
        left = np.full(counts.shape[1], limit)
        for option in np.flatnonzero(world.quota_pool == group):
            kept[option] = np.minimum(kept[option], left)
            left -= kept[option]
    return kept
