"""Which spot pools vanish together while a launch boots, and how often: what cover is sized by.

What was seen counts, pools that went down together above all. Histories are short and losses rare, so two
things that would otherwise rest on a handful of events are drawn to what is usual. How often a pool is lost
is drawn to the mean of all pools. Several are lost at once as often as independent pools would be; or, which
is rare, in a share of the losses of the one that is lost least (a common cause), of which little is known:

    seen ~ Poisson(watched apart)                    with probability 1 - DEPENDENT
    seen ~ Poisson(watched share single),  share ~ Gamma(SHAPE, mean USUAL_SHARE)        with DEPENDENT

(a spike and a slab). So one or two coincidences, which independent pools have too, hardly matter, and more of
them count as what they are. Never less than independence: that a thing was not seen in a week does not say
that it does not happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, lgamma, log

import numpy as np

from optimizer.problem import Bools, Floats, Ints

LEFT_SHARE = 1 / 3  # of what a pool granted: what grants less is lost
USUAL_EVENTS = 8.0  # losses of a pool of its own that count as much as the mean of all pools
DEPENDENT = 0.1  # how likely it is beforehand that pools are lost together more often than by chance
SHAPE, USUAL_SHARE = 0.5, 0.2  # and then in which share of losses: anything between hardly any and all
MOST_ODDS = 700.0  # logarithm; beyond it a float ends
LEAST = 1e-7  # patterns rarer than this are left out


@dataclass(frozen=True)
class Patterns:
    """What may be lost of some pools.

    Attributes:
        probability: (s) sums to 1.
        is_lost: (s, p).
    """

    probability: Floats
    is_lost: Bools


@dataclass(frozen=True)
class PoolLosses:
    """Windows of the history, one from every minute on.

    Attributes:
        window: minutes of one: the last that is known when a launch is decided, those that it boots, and the
            first that it serves.
        is_up: (p, t) whether the pool granted anything at the beginning of the window.
        is_lost: (p, t) whether it granted next to nothing of that before the window was over.
    """

    window: int
    is_up: Bools
    is_lost: Bools

    @classmethod
    def of(cls, capacity: Ints, window: int) -> PoolLosses:
        """Read off what pools granted.

        Args:
            capacity: (p, t) replicas.
            window: minutes.
        """
        count = max(0, capacity.shape[1] - window + 1)
        if count == 0:
            nothing = np.zeros((len(capacity), 0), dtype=bool)
            return cls(window, nothing, nothing)
        least = np.lib.stride_tricks.sliding_window_view(capacity, window, axis=1).min(axis=2)
        first = capacity[:, :count]
        return cls(window, first > 0, (first > 0) & (least < LEFT_SHARE * first))

    @cached_property
    def chance(self) -> Floats:
        """(p) of a pool that is up to be lost within a window. Without history it is a half."""
        lost, watched = self.is_lost.sum(axis=1), self.is_up.sum(axis=1)
        usual = (lost.sum() + self.window) / (watched.sum() + 2 * self.window)  # one loss and one calm window
        weight = USUAL_EVENTS * self.window / usual  # a loss is seen in as many windows as one has minutes
        return np.asarray((lost + weight * usual) / (watched + weight), dtype=np.float64)

    def patterns(self, pools: tuple[int, ...]) -> Patterns:
        """What is lost of pools that are all up, with what probability."""
        places = np.arange(len(pools))
        is_lost = (np.arange(1 << len(pools))[:, None] >> places & 1).astype(bool)
        mine = list(pools)
        together = self.is_up[mine].all(axis=0)
        code = (self.is_lost[mine][:, together] << places[:, None]).sum(axis=0)
        seen = np.bincount(code, minlength=len(is_lost)) / self.window  # a loss is seen in as many windows
        watched = float(together.sum()) / self.window
        probability = np.where(is_lost, self.chance[mine], 1.0 - self.chance[mine]).prod(axis=1)
        for s in np.flatnonzero(is_lost.sum(axis=1) > 1):
            single = float(self.chance[mine][is_lost[s]].min())
            probability[s] = joint(float(seen[s]), watched, float(probability[s]), single)
        kept = probability > LEAST
        return Patterns(probability[kept] / probability[kept].sum(), is_lost[kept])


def joint(seen: float, watched: float, apart: float, single: float) -> float:
    """How likely pools are lost together.

    Args:
        seen: times that it happened.
        watched: windows in which it might have.
        apart: how likely it is of independent pools; it is never less.
        single: how likely the pool is lost that is lost least; it is never more.
    """
    shape, rate = SHAPE + seen, SHAPE / USUAL_SHARE + watched * single
    odds = log(DEPENDENT / (1.0 - DEPENDENT)) + seen * log(single / apart) + watched * apart
    odds += lgamma(shape) - lgamma(SHAPE) + SHAPE * log(SHAPE / USUAL_SHARE) - shape * log(rate)
    dependent = 1.0 / (1.0 + exp(min(-odds, MOST_ODDS)))
    return max(apart, (1.0 - dependent) * apart + dependent * single * min(1.0, shape / rate))
