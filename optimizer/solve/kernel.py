"""The pricing kernel: the cheapest plan of one workload at given prices, exact for one and for two options.

A plan is at most two options and how many replicas of each run in every period. For two options the cheapest
counts of a period follow from how many replicas of the dearer one run (`counts`): those are tried one by one
until a bound says that more cannot pay. Pairs are tried only while their own bound
(`optimizer.solve.pair_bounds`) is below the best plan so far. Everything is compiled (numba) and lets other
threads run. Arguments are named as in `optimizer.solve.desk`.
"""

from __future__ import annotations

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Floats, Ints
from optimizer.solve.desk import (
    FIRM_LEFT,
    FIRM_USD,
    INF,
    LIMIT,
    NEAR,
    NO_LIMIT,
    ROOM,
    ROUTED,
    UNCOVERED,
    UNIT_USD,
    USD,
    copy_counts,
    egress_usd,
    largest,
    moved_usd,
    price_options,
    replicas_within,
    whole,
)
from optimizer.solve.pair_bounds import bound, bound_pairs, bound_singles, closer_bound
from optimizer.solve.terms import (
    ACTIVATION,
    CAPACITY,
    CURRENT,
    EGRESS,
    FEWEST,
    FEWEST_FIRM,
    FIRM_SHARE,
    IS_FIRM,
    MIGRATION,
    MOST,
    MOST_OPTIONS,
    PAIR,
    UNITS,
)


@inlined
def uncovered_usd(o: Floats, s: Floats, t: int, a: int, b: int, n: float, m: float) -> float:
    """What units beyond the room under commitments cost more; b may be -1, and may share the room of a."""
    units_a = n * o[a, UNITS]
    usd = 0.0
    if b >= 0 and m > 0.0 and s[UNCOVERED, b, t] > 0.0:
        units_b = m * o[b, UNITS]
        if s[ROOM, a, t] == s[ROOM, b, t] and s[UNCOVERED, a, t] == s[UNCOVERED, b, t]:
            units_a += units_b  # of one pool: two pools have the same room by chance only
        else:
            usd += s[UNCOVERED, b, t] * max(0.0, units_b - s[ROOM, b, t])
    return usd + (s[UNCOVERED, a, t] * max(0.0, units_a - s[ROOM, a, t]) if s[UNCOVERED, a, t] > 0.0 else 0.0)


@compiled
def count(o: Floats, u: Floats, need: Floats, s: Floats, t: int, a: int) -> tuple[float, float]:
    """USD and replicas of one option alone in a period; INF where it cannot do."""
    must_firm = u[FIRM_SHARE] * need[t] > NEAR or u[FEWEST_FIRM] > 0.0
    least = max(whole(need[t] / o[a, CAPACITY]), u[FEWEST], u[FEWEST_FIRM])
    top = min(u[MOST], s[LIMIT, a, t])
    if least > top or (must_firm and o[a, IS_FIRM] == 0.0):
        return INF, 0.0
    migration = o[a, MIGRATION] if t == 0 else 0.0
    n = max(least, min(o[a, CURRENT], top)) if migration > s[USD, a, t] else least
    usd = n * s[USD, a, t] + s[ROUTED, a, t] * need[t]
    if s[UNCOVERED, a, t] > 0.0:
        usd += uncovered_usd(o, s, t, a, -1, n, 0.0)
    return usd + moved_usd(n, o[a, CURRENT], migration), n


@compiled
def counts(
    o: Floats, u: Floats, need: Floats, s: Floats, t: int, a: int, b: int, left: float, below: float
) -> tuple[float, float, float]:
    """Cheapest replicas of two options in a period, a being the dearer per unit served.

    `left` is what is left of a limit that both draw on, NO_LIMIT where there is none. Returns USD, replicas
    of a and of b; USD is INF where nothing below `below` exists.
    """
    amount, firm = need[t], u[FIRM_SHARE] * need[t]
    firm_a, firm_b = o[a, IS_FIRM] > 0.0, o[b, IS_FIRM] > 0.0
    room_a, room_b, units_a, units_b = o[a, CAPACITY], o[b, CAPACITY], o[a, UNITS], o[b, UNITS]
    usd_a, usd_b, unit_b = s[USD, a, t], s[USD, b, t], s[UNIT_USD, b, t]
    egress_a, egress_b = s[ROUTED, a, t], s[ROUTED, b, t]
    move_a, move_b = (o[a, MIGRATION], o[b, MIGRATION]) if t == 0 else (0.0, 0.0)
    now_a, now_b, limit_b = o[a, CURRENT], o[b, CURRENT], s[LIMIT, b, t]
    base, egress = -move_a * now_a - move_b * now_b, min(egress_a, egress_b)
    fewest, fewest_firm, most = u[FEWEST], u[FEWEST_FIRM], u[MOST]
    is_shared = left > NO_LIMIT and units_b > 0.0
    is_uncovered = s[UNCOVERED, a, t] > 0.0 or s[UNCOVERED, b, t] > 0.0
    best, best_a, best_b = below, -1.0, 0.0
    n = 0.0
    if not firm_b:
        if not firm_a and (firm > NEAR or fewest_firm > 0.0):
            return INF, 0.0, 0.0
        if firm_a:
            n = max(whole(firm / room_a), fewest_firm)
    top = whole(amount / room_a) + max(fewest, fewest_firm) + now_a
    top = min(top, s[LIMIT, a, t], most)
    turns = 1 if egress_b >= egress_a and move_b <= usd_b else 4
    while n <= top:
        served = min(amount, n * room_a)
        if n * usd_a + (amount - served) * unit_b + served * egress + base >= best:
            break
        rest, least = amount - n * room_a, fewest - n
        if firm_b:
            rest = max(rest, firm - (n * room_a if firm_a else 0.0))
            least = max(least, fewest_firm - (n if firm_a else 0.0))
        least, high = max(whole(rest / room_b), least), min(limit_b, most - n)
        if is_shared:
            high = min(high, replicas_within(left - n * units_a, units_b))
        if least <= high:
            # Convex in b: cheapest at the fewest, where migration turns, or where egress does.
            for turn in range(turns):
                m = least
                if turn == 1:
                    m = min(max(now_b, least), high)
                elif turn > 1:
                    m = min(max(np.floor(amount / room_b) + turn - 2, least), high)
                usd = n * usd_a + m * usd_b + egress_usd(amount, n * room_a, m * room_b, egress_a, egress_b)
                usd += moved_usd(n, now_a, move_a) + moved_usd(m, now_b, move_b)
                if is_uncovered:
                    usd += uncovered_usd(o, s, t, a, b, n, m)
                if usd < best:
                    best, best_a, best_b = usd, n, m
        if rest <= NEAR and least <= 0.0 and move_a <= usd_a:
            break
        n += 1.0
    return (best, best_a, best_b) if best_a >= 0.0 else (INF, 0.0, 0.0)


@compiled
def pair_usd(
    o: Floats, u: Floats, need: Floats, must_firm: bool, s: Floats, a: int, b: int,
    least: float, left: Floats, below: float, plan: Floats,
) -> float:  # fmt: skip
    """Cost of the best plan of a pair, its counts in `plan` (period, 2); INF once it cannot be below `below`.

    `least` is the bound of the pair, which its periods replace one after the other; `left` (period) is what
    is left of a limit that both draw on.
    """
    is_mixed, total = must_firm and o[b, IS_FIRM] == 0.0, least
    for t in range(need.size):
        low = bound(
            need[t], is_mixed, o[a, CAPACITY], o[b, CAPACITY], s[USD, a, t], s[USD, b, t],
            s[UNIT_USD, a, t], s[UNIT_USD, b, t], min(s[ROUTED, a, t], s[ROUTED, b, t]),
            s[FIRM_USD, a, t], s[FIRM_LEFT, a, t],
        )  # fmt: skip
        if t == 0:
            low -= o[a, MIGRATION] * o[a, CURRENT] + o[b, MIGRATION] * o[b, CURRENT]
        is_dearer = s[UNIT_USD, a, t] >= s[UNIT_USD, b, t]
        x, y = (a, b) if is_dearer else (b, a)
        usd, n, m = counts(o, u, need, s, t, x, y, left[t], low + below - total)
        total += usd - low
        if usd == INF or total >= below:
            return INF
        plan[t, 0], plan[t, 1] = (n, m) if is_dearer else (m, n)
    return total


@compiled
def single_usd(o: Floats, u: Floats, need: Floats, s: Floats, a: int, below: float, plan: Floats) -> float:
    """Cost of the best plan of one option alone, its counts in `plan`; INF once it reaches `below`.

    Only migration can make a period cheaper than nothing, and that the first one alone.
    """
    total, is_idle = 0.0, True
    for t in range(need.size):
        usd, n = count(o, u, need, s, t, a)
        total += usd
        if n > 0.0 and is_idle:
            total, is_idle = total + o[a, ACTIVATION], False
        if total >= below:
            return INF
        plan[t, 0], plan[t, 1] = n, 0.0
    return total


@compiled
def replaces(o: Floats, u: Floats, need: Floats, kind: Ints, s: Floats, j: int, i: int) -> bool:
    """Whether at these prices enough replicas of j cost no more than one of i does, and fit where it fits."""
    is_larger, most = o[j, CAPACITY] >= o[i, CAPACITY], max(whole(o[i, CAPACITY] / o[j, CAPACITY]), 1.0)
    for t in range(need.size):
        copies = most
        if not is_larger and need[t] < o[i, CAPACITY]:
            copies = max(whole(need[t] / o[j, CAPACITY]), 1.0)
        usd_j, usd_i = s[USD, j, t], s[USD, i, t]
        if t == 0:
            usd_j, usd_i = usd_j + o[j, MIGRATION], usd_i + o[i, MIGRATION]
        if copies * usd_j > usd_i or (copies > 1.0 and u[MOST] < INF):
            return False
        if s[LIMIT, j, t] < INF and not (kind[j] == kind[i] and copies * o[j, UNITS] <= o[i, UNITS]):
            return False
    return True


@compiled
def worth_pairing(o: Floats, u: Floats, need: Floats, kind: Ints, s: Floats) -> Ints:
    """Options that no other one replaces at these prices, the cheapest first."""
    total = np.zeros(o.shape[0])
    for i in range(o.shape[0]):  # a sum along an axis takes numba three seconds to compile
        for t in range(need.size):
            total[i] += s[USD, i, t]
    order = np.argsort(total)
    kept = np.empty(order.size, np.int64)
    size = 0
    for i in order:
        firm, activation, egress = o[i, IS_FIRM], o[i, ACTIVATION], o[i, EGRESS]
        amount, usd = min(o[i, CAPACITY], need[0]), s[USD, i, 0]
        is_replaced = False
        for place in range(size if o[i, MIGRATION] * o[i, CURRENT] <= 0.0 else 0):
            j = kept[place]
            # What rules nearly all out is asked here: a call costs as much as ten such questions.
            if o[j, IS_FIRM] < firm or o[j, EGRESS] > egress or o[j, ACTIVATION] > activation:
                continue
            if s[USD, j, 0] * amount > usd * o[j, CAPACITY]:
                continue
            if replaces(o, u, need, kind, s, j, i):
                is_replaced = True
                break
        if not is_replaced:
            kept[size] = i
            size += 1
    return kept[:size]


@inlined
def needs_firm(u: Floats, need: Floats) -> bool:
    """Whether a plan must have an option that no provider can reclaim."""
    return bool(u[FIRM_SHARE] * largest(need) > NEAR or u[FEWEST_FIRM] > 0.0)


@compiled
def search(
    o: Floats, u: Floats, need: Floats, kind: Ints, s: Floats, shared: Ints, rows: Floats, below: float,
    best: Floats,
) -> tuple[float, int, int]:  # fmt: skip
    """The cheapest plan below `below`: its cost, its options (-1: none), its counts in `best`.

    `shared` (kind, kind, 2) are the rows of limits that two kinds share (-1: none), `rows` (row, period) what
    is left of them.
    """
    usd_best, a_best, b_best = below, -1, -1
    periods = need.size
    plan, left = np.zeros((periods, PAIR)), np.empty(periods)
    alone = np.empty(o.shape[0])
    bound_singles(o, need, s, alone)
    for a in range(o.shape[0]):
        if alone[a] >= usd_best:
            continue
        usd = single_usd(o, u, need, s, a, usd_best, plan)
        if usd < usd_best:
            usd_best, a_best = usd, a
            copy_counts(plan, best)
    if u[MOST_OPTIONS] < PAIR or o.shape[0] < PAIR:
        return usd_best, a_best, b_best
    kept = worth_pairing(o, u, need, kind, s)
    options = kept.size
    bounds = np.empty((options, options))
    must_firm = needs_firm(u, need)
    bound_pairs(o, need, must_firm, s, kept, bounds)
    # First along the row and the column of the pair of least bound: a good plan soon spares most others.
    place = bounds.argmin()
    top, side = place // options, place % options
    for turn in range(3):
        for x in range(options):
            for y in range(options if turn == 2 else 1):
                row = top if turn == 0 else x
                column = x if turn == 0 else side if turn == 1 else y
                least = bounds[row, column]
                if least >= usd_best:
                    continue
                bounds[row, column] = INF
                a, b = kept[row], kept[column]
                least = closer_bound(o, need, must_firm, s, a, b, least, usd_best)
                if least >= usd_best:
                    continue
                left_of(shared[kind[a], kind[b]], rows, left)
                usd = pair_usd(o, u, need, must_firm, s, a, b, least, left, usd_best, plan)
                if usd < usd_best:
                    usd_best, a_best, b_best = usd, a, b
                    copy_counts(plan, best)
    return usd_best, a_best, b_best


@compiled
def left_of(shared: Ints, rows: Floats, left: Floats) -> None:
    """Fill what is left of the rows that two options share, the scarcer one; NO_LIMIT where none."""
    for t in range(left.size):
        left[t] = NO_LIMIT
    for row in shared:
        if row >= 0:
            for t in range(left.size):
                known = rows[row, t] if left[t] == NO_LIMIT else min(left[t], rows[row, t])
                left[t] = max(known, 0.0)


@compiled
def limit_options(o: Floats, kind: Ints, draws: Ints, rows: Floats, s: Floats) -> None:
    """Replicas of each option that the rows leave, onto the desk."""
    for i in range(o.shape[0]):
        for row in draws[kind[i]]:
            if row >= 0 and o[i, UNITS] > 0.0:
                for t in range(rows.shape[1]):
                    s[LIMIT, i, t] = min(s[LIMIT, i, t], replicas_within(max(rows[row, t], 0.0), o[i, UNITS]))


@compiled
def best_plans(
    workloads: Ints, begin: Ints, kind: Ints, options: Floats, rules: Floats, demand: Floats, hours: Floats,
    added: Floats, draws: Ints, shared: Ints, rows: Floats, value: Floats, chosen: Ints, count_of: Floats,
) -> None:  # fmt: skip
    """Cheapest plan of some workloads whose cost is below `value`, each as if it were alone.

    Args:
        workloads: which.
        begin, kind, options, rules, demand, hours: see `Terms`.
        added: (kind, period) USD per pool unit on top of prices.
        draws: (kind, 2) rows of limits that each kind draws on; -1 where none.
        shared: (kind, kind, 2) rows that two kinds have in common; -1 where none.
        rows: (row, period) what limits leave; no rows where prices alone ration them.
        value: (W,) in: only plans below; out: cost of the plan, as it was where there is none.
        chosen: (W, 2) out: place among all options; -1 where none.
        count_of: (W, T, 2) out: replicas.
    """
    for w in workloads:
        at, end = begin[w], begin[w + 1]
        o, u, need, s = options[at:end], rules[w], demand[w], np.empty((8, end - at, hours.size))
        price_options(o, u, need, kind[at:end], hours, added, s)
        if rows.shape[0]:
            limit_options(o, kind[at:end], draws, rows, s)
        value[w], a, b = search(o, u, need, kind[at:end], s, shared, rows, value[w], count_of[w])
        chosen[w, 0] = at + a if a >= 0 else -1
        chosen[w, 1] = at + b if b >= 0 else -1
