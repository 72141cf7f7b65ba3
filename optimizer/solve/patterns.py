"""Patterns: the counts worth running of one or two options in one period, each once.

More replicas than needed never pay at prices above nothing, so that a pattern is the fewest of one option
beside a count of the other; where egress or migration make more worth their price, those counts as well
(see `kernel.counts`). Arguments are named as in `optimizer.solve.desk`.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.desk import (
    INF,
    LEAST,
    LIMIT,
    NEAR,
    NO_LIMIT,
    copy_row,
    egress_usd,
    moved_usd,
    replicas_within,
    whole,
)
from optimizer.solve.kernel import left_of, limit_options, needs_firm
from optimizer.solve.terms import (
    CAPACITY,
    CURRENT,
    EGRESS,
    FEWEST,
    FEWEST_FIRM,
    FIRM_SHARE,
    IS_FIRM,
    MIGRATION,
    MOST,
    PAIR,
    PRICE,
    UNITS,
)

MOST_PATTERNS = 512  # of a mix in a period; beyond, counts are skipped evenly
LOOKED_BACK = 8  # patterns that a new one is held against: what comes twice only takes room
TURNS = 4  # counts of the second option tried beside one of the first


@inlined
def own_usd(o: Floats, hours: float, amount: float, move: float, a: int, b: int, n: float, m: float) -> float:
    """Cost of a pattern without shared prices; `move` is 1 in the period in which migration is paid."""
    usd = hours * n * o[a, PRICE] + moved_usd(n, o[a, CURRENT], move * o[a, MIGRATION])
    if b < 0:
        return float(usd + hours * o[a, EGRESS] * amount)
    usd += hours * m * o[b, PRICE] + moved_usd(m, o[b, CURRENT], move * o[b, MIGRATION])
    rooms = n * o[a, CAPACITY], m * o[b, CAPACITY]
    return float(usd + hours * egress_usd(amount, rooms[0], rooms[1], o[a, EGRESS], o[b, EGRESS]))


@compiled
def of_single(
    o: Floats, u: Floats, amount: float, hours: float, move: float, top: float, a: int, count: Floats,
    usd: Floats,
) -> int:  # fmt: skip
    """Patterns of one option; how many."""
    must_firm = u[FIRM_SHARE] * amount > NEAR or u[FEWEST_FIRM] > 0.0
    least = max(whole(amount / o[a, CAPACITY]), u[FEWEST], u[FEWEST_FIRM])
    if least > top or (must_firm and o[a, IS_FIRM] == 0.0):
        return 0
    count[0, 0], count[0, 1] = least, 0.0
    usd[0] = own_usd(o, hours, amount, move, a, -1, least, 0.0)
    more = min(o[a, CURRENT], top)
    if move * o[a, MIGRATION] == 0.0 or more <= least:
        return 1
    count[1, 0], count[1, 1] = more, 0.0
    usd[1] = own_usd(o, hours, amount, move, a, -1, more, 0.0)
    return 2


@inlined
def fewest(o: Floats, u: Floats, amount: float, a: int, b: int, n: float) -> float:
    """Replicas of b that must run beside n of a."""
    rest, least = amount - n * o[a, CAPACITY], u[FEWEST] - n
    if o[b, IS_FIRM] > 0.0:
        firm = o[a, IS_FIRM] > 0.0
        rest = max(rest, u[FIRM_SHARE] * amount - (n * o[a, CAPACITY] if firm else 0.0))
        least = max(least, u[FEWEST_FIRM] - (n if firm else 0.0))
    return max(float(whole(rest / o[b, CAPACITY])), float(least), 0.0)


@inlined
def first_count(o: Floats, u: Floats, amount: float, a: int, b: int) -> float:
    """Fewest of a that leave b able to do the rest; INF where nothing does."""
    firm = u[FIRM_SHARE] * amount
    if o[b, IS_FIRM] > 0.0 or not (firm > NEAR or u[FEWEST_FIRM] > 0.0):
        return 0.0
    return max(whole(firm / o[a, CAPACITY]), u[FEWEST_FIRM]) if o[a, IS_FIRM] > 0.0 else INF


@compiled
def of_pair(
    o: Floats, u: Floats, amount: float, hours: float, move: float, tops: tuple[float, float], left: float,
    a: int, b: int, count: Floats, usd: Floats, beside: Floats,
) -> tuple[int, bool]:  # fmt: skip
    """Patterns of a pair, in rising counts of a; how many, and whether these are all."""
    n = first_count(o, u, amount, a, b)
    top = whole(amount / o[a, CAPACITY]) + max(u[FEWEST], u[FEWEST_FIRM]) + o[a, CURRENT] * move
    top = min(top, tops[0], u[MOST])
    if n > top:
        return 0, True
    turns = 1 if o[a, EGRESS] == o[b, EGRESS] and move * o[b, MIGRATION] == 0.0 else TURNS
    step = max(1.0, math.ceil((top - n + 1.0) * turns / count.shape[0]))
    size, is_all = 0, step == 1.0
    while n <= top:
        least, high = fewest(o, u, amount, a, b, n), min(tops[1], u[MOST] - n)
        if left > NO_LIMIT and o[b, UNITS] > 0.0:
            high = min(high, replicas_within(left - n * o[a, UNITS], o[b, UNITS]))
        for turn in range(turns if least <= high else 0):
            m = least
            if turn == 1:
                m = min(max(move * o[b, CURRENT], least), high)
            elif turn > 1:
                m = min(max(math.floor(amount / o[b, CAPACITY]) + turn - 2, least), high)
            paid = own_usd(o, hours, amount, move, a, b, n, m)
            other = paid - hours * (n * o[a, PRICE] + m * o[b, PRICE])
            if not is_worse(count, beside, size, n, m, other) and size < count.shape[0]:
                count[size, 0], count[size, 1], usd[size], beside[size] = n, m, paid, other
                size += 1
        n += step
    return size, is_all


@inlined
def is_worse(count: Floats, beside: Floats, size: int, n: float, m: float, other: float) -> bool:
    """Whether one of the last patterns needs no more replicas of either and no more egress and migration.

    The price of instances is left aside: cover may bring it down to almost nothing, never below.
    """
    for k in range(size - 1, max(size - 1 - LOOKED_BACK, -1), -1):
        if count[k, 1] <= m and count[k, 0] <= n and beside[k] <= other + LEAST:
            return True
    return False


@compiled
def enumerate_patterns(
    workload: Ints, option: Ints, known: Floats, kind: Ints, options: Floats, rules: Floats,
    demand: Floats, hours: Floats, draws: Ints, shared: Ints, rows: Floats, first: Ints, count: Floats,
    usd: Floats, is_all: Bools,
) -> int:  # fmt: skip
    """Fill the patterns of every mix and period; returns the places used, or -1 where there are too few.

    Args:
        workload, option: (N,), (N, 2) the mixes, -1 for no second option.
        known: (N, T, 2) counts that are a pattern in any case.
        kind, options, rules, demand, hours: see `Terms`.
        draws, shared, rows: limits as in `kernel.best_plans`.
        first: (N * T + 1,) out: place of the first pattern of each mix and period.
        count, usd: (places, 2), (places,) out: replicas, and cost without shared prices.
        is_all: (N,) out: whether no pattern was skipped.
    """
    periods = hours.size
    found, paid, beside = np.empty((MOST_PATTERNS, PAIR)), np.empty(MOST_PATTERNS), np.empty(MOST_PATTERNS)
    o, left = np.empty((PAIR, options.shape[1])), np.empty(periods)
    s, of = np.empty((LIMIT + 1, PAIR, periods)), np.empty(PAIR, np.int64)
    place = 0
    for k in range(workload.size):
        u, need, is_pair = rules[workload[k]], demand[workload[k]], option[k, 1] >= 0
        for j in range(PAIR):
            at = option[k, j] if option[k, j] >= 0 else option[k, 0]
            of[j] = kind[at]
            copy_row(options[at], o[j])
        s[LIMIT] = INF
        limit_options(o, of, draws, rows, s)
        left_of(shared[of[0], of[1]], rows, left)
        # The larger of the two counts first: fewer patterns to look at, the same found.
        a = 0 if not is_pair or o[0, CAPACITY] >= o[1, CAPACITY] else 1
        if is_pair and needs_firm(u, need) and o[0, IS_FIRM] != o[1, IS_FIRM]:
            a = 0 if o[0, IS_FIRM] > 0.0 else 1
        is_all[k] = True
        for t in range(periods):
            move = 1.0 if t == 0 else 0.0
            if is_pair:
                tops = s[LIMIT, a, t], s[LIMIT, 1 - a, t]
                size, every = of_pair(
                    o, u, need[t], hours[t], move, tops, left[t], a, 1 - a, found, paid, beside
                )  # fmt: skip
                is_all[k] &= every
            else:
                size = of_single(o, u, need[t], hours[t], move, min(s[LIMIT, 0, t], u[MOST]), 0, found, paid)
            if place + size + 1 > usd.size:
                return -1
            first[k * periods + t] = place
            is_known = False
            for p in range(size):
                n, m = (found[p, 0], found[p, 1]) if a == 0 else (found[p, 1], found[p, 0])
                count[place, 0], count[place, 1], usd[place] = n, m, paid[p]
                is_known |= n == known[k, t, 0] and m == known[k, t, 1]
                place += 1
            if not is_known:
                n, m = known[k, t, 0], known[k, t, 1]
                count[place, 0], count[place, 1] = n, m
                usd[place] = own_usd(o, hours[t], need[t], move, 0, 1 if is_pair else -1, n, m)
                place += 1
    first[workload.size * periods] = place
    return place
