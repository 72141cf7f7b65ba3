"""Sums over patterns, compiled: values of mixes at prices, the smooth restricted master, marks.

Arguments are of a `Mixes`: `kind` (N, 2), `begin` (W + 1,), `first` (N * T + 1,), `units` (M, 2), `paid`
(M,); `added` (K, T) is USD per pool unit on top of prices.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.desk import NEAR

FAR = 40.0  # softnesses above the least: a weight below the last digit of the sum


@inlined
def pattern_usd(units: Floats, paid: Floats, p: int, added_a: float, added_b: float) -> float:
    """Cost of a pattern where its options' units cost so much more."""
    return float(paid[p] + units[p, 0] * added_a + units[p, 1] * added_b)


@inlined
def added_to(kind: Ints, n: int, j: int, added: Floats, t: int) -> float:
    """What shared things add to a unit of one option of a mix."""
    return float(added[kind[n, j], t]) if kind[n, j] >= 0 else 0.0


@compiled
def least_patterns(
    kind: Ints, first: Ints, units: Floats, paid: Floats, added: Floats, value: Floats, best: Ints
) -> None:
    """Add the least cost of each period to (N,) values, and note the places of the patterns."""
    periods = added.shape[1]
    for n in range(kind.shape[0]):
        for t in range(periods):
            cell = n * periods + t
            least = np.inf
            a, b = added_to(kind, n, 0, added, t), added_to(kind, n, 1, added, t)
            for p in range(first[cell], first[cell + 1]):
                usd = pattern_usd(units, paid, p, a, b)
                if usd < least:
                    least, best[n, t] = usd, p
            value[n] += least


@compiled
def mark_near(
    kind: Ints, first: Ints, units: Floats, paid: Floats, added: Floats, slack: float, kept: Bools
) -> None:
    """Mark the patterns that cost at most `slack` more than the best of their mix and period."""
    periods = added.shape[1]
    for n in range(kind.shape[0]):
        for t in range(periods):
            start, end = first[n * periods + t], first[n * periods + t + 1]
            least = np.inf
            a, b = added_to(kind, n, 0, added, t), added_to(kind, n, 1, added, t)
            for p in range(start, end):
                least = min(least, pattern_usd(units, paid, p, a, b))
            for p in range(start, end):
                kept[p] = pattern_usd(units, paid, p, a, b) <= least + slack


@compiled
def mark_fitting(kind: Ints, first: Ints, units: Floats, draws: Ints, left: Floats, kept: Bools) -> None:
    """Mark the patterns of which no row that they draw on is left too little of."""
    periods = left.shape[1]
    for n in range(kind.shape[0]):
        for t in range(periods):
            for p in range(first[n * periods + t], first[n * periods + t + 1]):
                kept[p] = True
                for j in range(2):
                    for row in draws[kind[n, j]] if kind[n, j] >= 0 else draws[:0, 0]:
                        if row >= 0:
                            mine = 0.0
                            for other in range(2):
                                if kind[n, other] >= 0 and (draws[kind[n, other]] == row).any():
                                    mine += units[p, other]
                            kept[p] &= mine <= left[row, t] + NEAR * (1.0 + abs(left[row, t]))


@compiled
def keep_patterns(
    kind: Ints, first: Ints, units: Floats, paid: Floats, added: Floats, swing: Floats, kept: Bools,
    low: Floats, high: Floats,
) -> None:  # fmt: skip
    """Mark patterns that may be the best of their period where prices swing; bounds of each mix's value."""
    periods = added.shape[1]
    for n in range(kind.shape[0]):
        for t in range(periods):
            begin, end = first[n * periods + t], first[n * periods + t + 1]
            a, b = added_to(kind, n, 0, swing, t), added_to(kind, n, 1, swing, t)
            added_a, added_b = added_to(kind, n, 0, added, t), added_to(kind, n, 1, added, t)
            best, least = begin, np.inf
            for p in range(begin, end):
                usd = pattern_usd(units, paid, p, added_a, added_b)
                if usd < least:
                    least, best = usd, p
            lowest, highest = np.inf, np.inf
            for p in range(begin, end):
                usd = pattern_usd(units, paid, p, added_a, added_b)
                apart = a * abs(units[p, 0] - units[best, 0]) + b * abs(units[p, 1] - units[best, 1])
                kept[p] = usd - apart <= least
                reach = a * units[p, 0] + b * units[p, 1]
                lowest, highest = min(lowest, usd - reach), min(highest, usd + reach)
            low[n] += lowest
            high[n] += highest


@compiled
def draw_mix(
    kind: Ints, first: Ints, units: Floats, weight: Floats, n: int, share: float, drawn: Floats
) -> None:
    """Add what a mix draws by its share and its patterns' weights to (kind, period) units."""
    periods = drawn.shape[1]
    for j in range(2):
        if kind[n, j] >= 0:
            for t in range(periods):
                for p in range(first[n * periods + t], first[n * periods + t + 1]):
                    drawn[kind[n, j], t] += share * weight[p] * units[p, j]


@inlined
def soft_weight(above: float) -> float:
    """Weight in a smooth least of what lies so far above the least, in softnesses: soon not worth an exp."""
    return math.exp(-above) if above < FAR else 0.0


@compiled
def smooth_least(
    kind: Ints, begin: Ints, first: Ints, units: Floats, paid: Floats, added: Floats, softness: float,
    share: Floats, weight: Floats, drawn: Floats,
) -> float:  # fmt: skip
    """Sum over workloads of the smooth least of their mixes; `share` holds what mixes cost in any case.

    Only the workloads that `begin` is about: part of it is enough for a part of them.
    """
    periods = added.shape[1]
    within = softness / periods
    for n in range(begin[0], begin[-1]):
        for t in range(periods):
            start, end = first[n * periods + t], first[n * periods + t + 1]
            least = np.inf
            a, b = added_to(kind, n, 0, added, t), added_to(kind, n, 1, added, t)
            for p in range(start, end):
                weight[p] = pattern_usd(units, paid, p, a, b)
                least = min(least, weight[p])
            if end == start + 1:
                share[n] += least
                weight[start] = 1.0
                continue
            total = 0.0
            for p in range(start, end):
                weight[p] = soft_weight((weight[p] - least) / within)
                total += weight[p]
            if total == 1.0:  # one pattern far below all others, as most often
                share[n] += least
                continue
            for p in range(start, end):
                weight[p] /= total
            share[n] += least - within * np.log(total)
    whole = 0.0
    for w in range(begin.size - 1):
        least = np.inf
        for n in range(begin[w], begin[w + 1]):
            least = min(least, share[n])
        total = 0.0
        for n in range(begin[w], begin[w + 1]):
            share[n] = soft_weight((share[n] - least) / softness)
            total += share[n]
        for n in range(begin[w], begin[w + 1]):
            share[n] /= total
            if share[n] > 1e-9:
                draw_mix(kind, first, units, weight, n, share[n], drawn)
        if begin[w + 1] > begin[w]:
            whole += least - softness * np.log(total)
    return whole
