"""The restricted master in its dual: prices at which the mixes known promise most.

Prices of what is shared are few, patterns are many. The promise, a sum of least values, is made smooth
(log-sum-exp over the mixes of a workload and over the patterns of a period) and climbed by L-BFGS-B in a box.
Patterns and mixes that cannot be the best anywhere in the box are left out before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from optimizer.problem import Floats, Ints
from optimizer.solve.duals import Shared
from optimizer.solve.mixes import Mixes
from optimizer.solve.sums import keep_patterns, smooth_least
from optimizer.solve.threads import Each, several_threads

MOST_STEPS = 60  # of L-BFGS-B
PARTS = 4  # of the workloads, summed up apart
FEW_PATTERNS = 10_000  # that are not worth a second thread
COVER_SOFTNESS = 1e-3  # of the mean list price
Box = tuple[Floats, Floats]


@dataclass(frozen=True)
class Climbed:
    """Prices in the box, what the mixes promise there, and shares: (N,) of mixes, (M,) of patterns."""

    prices: Floats
    promise_usd: float
    share: Floats
    weight: Floats


def climb(shared: Shared, mixes: Mixes, start: Floats, softness: float, box: Box) -> Climbed:
    """Prices in a box at which the mixes promise most.

    Args:
        shared: rows of the master.
        mixes: at least one of every workload.
        start: prices, inside the box.
        softness: USD of the smooth least over the mixes of a workload; over patterns it is a part of it.
        box: least and most that each price may be.
    """
    few, which, places = within_reach(shared, mixes, start, box)
    with several_threads(worth=len(few.paid) > FEW_PATTERNS) as each:
        if start.size:
            found = minimize(
                ascent(shared, few, softness, each), start, jac=True, method="L-BFGS-B",
                bounds=np.stack(box, axis=1),
                options={"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "maxcor": 10},
            )  # fmt: skip
            start = found.x
        promise, few_share, few_weight, _ = smooth(
            few, shared.added(start), softness, len(shared.kinds.limit), each
        )
    share, weight = np.zeros(len(mixes)), np.zeros(len(mixes.paid))
    share[which], weight[places] = few_share, few_weight
    promise += shared.constant(start) + shared.anyway_usd(shared.saved(shared.split(start)[1]))
    return Climbed(start, promise, share, weight)


def ascent(
    shared: Shared, mixes: Mixes, softness: float, each: Each
) -> Callable[[Floats], tuple[float, Floats]]:
    """The smooth restricted dual and its slope, both negated: SciPy goes down."""
    listed = shared.listed[shared.listed > 0]
    scale = float(listed.mean()) * float(shared.hours.mean()) if listed.size else 1.0
    cover_softness, kinds = max(COVER_SOFTNESS * scale, 1e-12), len(shared.kinds.limit)

    def negated(prices: Floats) -> tuple[float, Floats]:
        rent, worth = shared.split(prices)
        saved, by_commitment = shared.saved_smoothly(worth, cover_softness)
        total, _, _, units = smooth(mixes, shared.kinds.prices(rent, saved), softness, kinds, each)
        drawn = shared.kinds.drawn(units)
        total += shared.anyway_usd(saved)
        return -(total + shared.constant(prices)), -shared.slope(prices, *drawn, by_commitment)

    return negated


def within_reach(shared: Shared, mixes: Mixes, prices: Floats, box: Box) -> tuple[Mixes, Ints, Ints]:
    """Mixes and patterns that may be the best somewhere in the box, and their places."""
    added, swing = shared.added(prices), shared.swing(prices, box)
    kept = np.zeros(len(mixes.paid), dtype=np.bool_)
    low, high = mixes.usd.copy(), mixes.usd.copy()
    keep_patterns(mixes.kind, mixes.first, mixes.units, mixes.paid, added, swing, kept, low, high)
    least = np.full(len(mixes.begin) - 1, np.inf)
    np.minimum.at(least, mixes.workload, high)
    return mixes.only(low <= least[mixes.workload] * (1 + 1e-12) + 1e-12, kept)


def smooth(
    mixes: Mixes, added: Floats, softness: float, kinds: int, each: Each
) -> tuple[float, Floats, Floats, Floats]:
    """Sum of the smooth least values, shares of mixes and of patterns, and (kinds, T) units they draw."""
    share, weight = mixes.usd.copy(), np.empty(len(mixes.paid))

    def of_some(begin: Ints) -> tuple[float, Floats]:
        units = np.zeros((kinds, added.shape[1]))
        total = smooth_least(
            mixes.kind, begin, mixes.first, mixes.units, mixes.paid, added, softness, share, weight, units
        )
        return float(total), units

    # As many parts on any machine: sums are added up in the same order.
    ends = np.linspace(0, len(mixes.begin) - 1, PARTS + 1).astype(np.int64)
    parts = [mixes.begin[a : b + 1] for a, b in itertools.pairwise(ends)]
    totals, units = zip(*each(of_some, parts), strict=True)
    return sum(totals), share, weight, sum(units, np.zeros((kinds, added.shape[1])))
