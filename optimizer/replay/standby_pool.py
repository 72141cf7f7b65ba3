"""The standby pool of a replay, compiled: replicas that booted once and wait at a lower price to be called.

The pool is filled again by launches that are paid for in full until they have booted. What the loop no longer
wants goes back to the pool as long as that lacks something: it is warm already. Pools never launch before the
loop does, but hold what they have under a quota.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.compiled import compiled
from optimizer.problem import Floats, Ints


class Pool(NamedTuple):
    """What stands by, and what says how long that takes; changed in place, (o) unless said otherwise."""

    ready: Ints  # that stand by
    warming: Ints  # (o, minutes since launch) on their way into the pool
    called_at: Ints  # minutes of a boot that a replica that is called has behind it
    warm_at: Ints  # minutes after which a launch of the pool stands by


def empty_pool(boot_s: Floats, standby_boot_s: Floats, ages: int) -> Pool:
    """Nothing stands by. A call takes whole minutes less than a boot: at most a minute too long."""
    spared = np.where(np.isnan(standby_boot_s), 0.0, boot_s - standby_boot_s)
    return Pool(
        ready=np.zeros(len(boot_s), dtype=np.int64),
        warming=np.zeros((len(boot_s), ages), dtype=np.int64),
        called_at=np.floor(spared / 60 + 1e-9).astype(np.int64),
        warm_at=np.maximum(0, np.ceil(boot_s / 60 - 1e-9) - 1).astype(np.int64),
    )


@compiled
def inside(pool: Pool, option: int) -> int:
    """Replicas of a pool, standing by or on their way there."""
    return int(pool.ready[option] + pool.warming[option].sum())


@compiled
def call(pool: Pool, option: int, missing: int, booting: Ints) -> int:
    """What is missing comes from the pool as far as it goes; how many were called."""
    called = min(missing, int(pool.ready[option]))
    pool.ready[option] -= called
    booting[option, pool.called_at[option]] += called
    return called


@compiled
def take_back(pool: Pool, option: int, wished: int, ended: int) -> None:
    """Ready replicas that are no longer wanted stand by where the pool has fewer than it should."""
    pool.ready[option] += min(ended, max(0, wished - pool.ready[option]))


@compiled
def take_over(pool: Pool, option: int, wished: int, ended: int, age: int) -> None:
    """Launches that are no longer wanted go on booting for the pool."""
    pool.warming[option, age] += min(ended, max(0, wished - inside(pool, option)))


@compiled
def shrink(pool: Pool, option: int, wished: int) -> None:
    """What a pool has beyond the wish ends, the youngest first."""
    beyond = max(0, inside(pool, option) - wished)
    for age in range(pool.warming.shape[1]):
        ended = min(beyond, pool.warming[option, age])
        pool.warming[option, age] -= ended
        beyond -= ended
    pool.ready[option] -= beyond


@compiled
def grow_older(pool: Pool) -> None:
    """A minute passes: who has booted stands by."""
    for i in range(len(pool.ready)):
        pool.ready[i] += pool.warming[i, pool.warm_at[i] :].sum()
        pool.warming[i, pool.warm_at[i] :] = 0
        for age in range(pool.warm_at[i], 0, -1):
            pool.warming[i, age] = pool.warming[i, age - 1]
        if pool.warm_at[i] > 0:
            pool.warming[i, 0] = 0
