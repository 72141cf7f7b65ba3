"""The pricing kernel: the cheapest plan of one workload at given prices, exact for one and for two options.

A plan is at most two options and how many replicas of each run in every period. For two options the cheapest
counts of a period follow from how many replicas of the dearer one run (`counts`): those are tried one by one
until a bound says that more cannot pay. Pairs are tried only while their own bound (`bound`) is below the
best plan so far. Everything is compiled (numba) and lets other threads run.

Arguments of the inner functions are of one workload: `o` (option, column) its options and `u` (column) its
rules as in `optimizer.solve.terms`, `need` (period) its demand, `s` (column, option, period) its desk:

    USD        per replica, all prices added     FIRM_USD   of what must be firm, from this option alone
    UNIT_USD   per unit served, egress included  FIRM_LEFT  demand that is left to serve then
    ROUTED     egress per unit served            LIMIT      replicas that limits leave
    UNCOVERED  more, per pool unit beyond ROOM   ROOM       pool units that commitments still cover
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np

from optimizer.problem import Floats, Ints
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
    PRICE,
    UNITS,
)

USD, UNIT_USD, ROUTED, FIRM_USD, FIRM_LEFT, LIMIT, UNCOVERED, ROOM = range(8)
INF = math.inf
NEAR = 1e-9  # relative slack of a ceiling: 3.0000000001 replicas are three
LEAST = 1e-12  # a price is at least this much, so that more replicas never come for free
NO_LIMIT = -1.0

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compiled on first use, kept on disk, without the interpreter's lock."""
    return cast("F", nb.njit(nogil=True, cache=True)(function))


def in_any_order(function: F) -> F:
    """The same, sums in the order that is quickest; only for bounds, which need not be exact to the bit."""
    return cast("F", nb.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})(function))


def inlined(function: F) -> F:
    """The same, as part of its callers: an array handed over costs more than these few sums."""
    return cast("F", nb.njit(nogil=True, cache=True, inline="always")(function))


@inlined
def whole(amount: float) -> float:
    """Replicas that an amount of replicas takes."""
    return float(np.ceil(amount - NEAR * max(1.0, amount))) if amount > NEAR else 0.0


@inlined
def replicas_within(left: float, units: float) -> float:
    """Replicas of so many units that fit into what is left, which may be endless: no floor to an integer."""
    return float(np.floor(left / units + NEAR))


@inlined
def moved_usd(replicas: float, current: float, migration: float) -> float:
    """Cost of changing to so many replicas, over that of dropping the option."""
    return migration * (abs(replicas - current) - current) if migration > 0.0 else 0.0


@inlined
def egress_usd(amount: float, room_a: float, room_b: float, egress_a: float, egress_b: float) -> float:
    """Egress of serving from two rooms, the cheaper first."""
    if egress_a <= egress_b:
        first = min(amount, room_a)
        return egress_a * first + egress_b * (amount - first)
    first = min(amount, room_b)
    return egress_b * first + egress_a * (amount - first)


@compiled
def price_options(
    o: Floats, u: Floats, need: Floats, kind: Ints, hours: Floats, added: Floats, s: Floats
) -> None:
    """Fill the desk; `added` (kind, period) is USD per pool unit on top of the price."""
    for i in range(o.shape[0]):
        for t in range(hours.size):
            usd = max(hours[t] * o[i, PRICE] + o[i, UNITS] * added[kind[i], t], LEAST)
            s[USD, i, t] = usd
            s[ROUTED, i, t] = hours[t] * o[i, EGRESS]
            s[UNIT_USD, i, t] = usd / o[i, CAPACITY] + s[ROUTED, i, t]
            n = whole(u[FIRM_SHARE] * need[t] / o[i, CAPACITY])
            s[FIRM_USD, i, t] = n * usd
            s[FIRM_LEFT, i, t] = max(0.0, need[t] - n * o[i, CAPACITY])
            s[LIMIT, i, t], s[ROOM, i, t] = INF, INF
            s[UNCOVERED, i, t] = 0.0


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


@inlined
def bound_alike(need: float, usd_a: float, usd_b: float, unit_a: float, unit_b: float) -> float:
    """Least that a period can cost with two options that may both be firm: at least one of them runs."""
    return max(need * min(unit_a, unit_b), min(usd_a, usd_b) if need > 0.0 else 0.0)


@inlined
def bound_mixed(
    need: float, firm_usd: float, left: float, unit_a: float, unit_b: float, routed_a: float, routed_b: float
) -> float:
    """Least that a period can cost where the first option alone carries what must be firm."""
    return firm_usd + left * min(unit_a, unit_b) + (need - left) * min(routed_a, routed_b)


@inlined
def bound(
    need: float, is_mixed: bool, capacity_a: float, capacity_b: float, usd_a: float, usd_b: float,
    unit_a: float, unit_b: float, routed: float, firm_usd: float, left: float,
) -> float:  # fmt: skip
    """Least that a period can cost with a pair, of which a is firm wherever anything must be.

    Closer than the two above: one replica of the dearer option more than it must have, or none more. Numbers
    only: an array handed over, even to what becomes part of its caller, costs more than all these sums.
    """
    is_dearer = unit_a >= unit_b
    firm_usd, left = (firm_usd, left) if is_mixed else (0.0, need)
    usd_x, capacity_x = (usd_a, capacity_a) if is_dearer else (usd_b, capacity_b)  # dearer, cheaper
    usd_y, capacity_y, unit_y = (usd_b, capacity_b, unit_b) if is_dearer else (usd_a, capacity_a, unit_a)
    more = max(0.0, left - capacity_x)
    usd = firm_usd + usd_x + more * unit_y + (need - more) * routed
    none_usd, none_left = (firm_usd, left) if is_dearer else (0.0, need)  # without the spot b, a serves all
    none = none_usd + whole(none_left / capacity_y) * usd_y + need * routed
    return min(usd, none)


@compiled
def closer_bound(
    o: Floats, need: Floats, must_firm: bool, s: Floats, a: int, b: int, least: float, below: float
) -> float:
    """Sum of the closer bounds of a pair, which replace the parts of `least`; INF once it reaches `below`."""
    is_mixed = must_firm and o[b, IS_FIRM] == 0.0
    capacity_a, capacity_b = o[a, CAPACITY], o[b, CAPACITY]
    usd = least
    for t in range(need.size):
        usd_a, usd_b, unit_a, unit_b = s[USD, a, t], s[USD, b, t], s[UNIT_USD, a, t], s[UNIT_USD, b, t]
        routed_a, routed_b = s[ROUTED, a, t], s[ROUTED, b, t]
        firm_usd, left = s[FIRM_USD, a, t], s[FIRM_LEFT, a, t]
        if is_mixed:
            low = bound_mixed(need[t], firm_usd, left, unit_a, unit_b, routed_a, routed_b)
        else:
            low = bound_alike(need[t], usd_a, usd_b, unit_a, unit_b)
        usd -= low
        usd += bound(
            need[t], is_mixed, capacity_a, capacity_b, usd_a, usd_b, unit_a, unit_b, min(routed_a, routed_b),
            firm_usd, left,
        )  # fmt: skip
        if usd >= below:
            return INF
    return usd


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
    total = s[USD].sum(axis=1)
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


@in_any_order
def bound_pairs(o: Floats, need: Floats, must_firm: bool, s: Floats, kept: Ints, bounds: Floats) -> None:
    """Fill the bounds of pairs of options kept; INF for those that cannot do, or stand in the other order."""
    options, periods = kept.size, need.size
    for row in range(options):
        for column in range(options):
            a, b = kept[row], kept[column]
            alike = not must_firm or o[a, IS_FIRM] == o[b, IS_FIRM]
            bounds[row, column] = INF
            if a == b or (must_firm and o[a, IS_FIRM] == 0.0) or (b < a and alike):
                continue
            usd = o[a, ACTIVATION] + o[b, ACTIVATION]
            usd -= o[a, MIGRATION] * o[a, CURRENT] + o[b, MIGRATION] * o[b, CURRENT]
            # The same sums as in `bound`, in loops without a choice: those the compiler makes wide.
            if alike:
                for t in range(periods):
                    usd += bound_alike(
                        need[t], s[USD, a, t], s[USD, b, t], s[UNIT_USD, a, t], s[UNIT_USD, b, t]
                    )
            else:
                for t in range(periods):
                    usd += bound_mixed(
                        need[t], s[FIRM_USD, a, t], s[FIRM_LEFT, a, t], s[UNIT_USD, a, t],
                        s[UNIT_USD, b, t], s[ROUTED, a, t], s[ROUTED, b, t],
                    )  # fmt: skip
            bounds[row, column] = usd


@in_any_order
def bound_singles(o: Floats, need: Floats, s: Floats, bounds: Floats) -> None:
    """Fill the least that each option alone can cost, fractions of replicas allowed."""
    for i in range(o.shape[0]):
        usd = -o[i, MIGRATION] * o[i, CURRENT]
        for t in range(need.size):
            usd += need[t] * s[UNIT_USD, i, t]
        bounds[i] = usd


@inlined
def needs_firm(u: Floats, need: Floats) -> bool:
    """Whether a plan must have an option that no provider can reclaim."""
    return bool(u[FIRM_SHARE] * need.max() > NEAR or u[FEWEST_FIRM] > 0.0)


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
            best[:] = plan
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
                    best[:] = plan
    return usd_best, a_best, b_best


@compiled
def left_of(shared: Ints, rows: Floats, left: Floats) -> None:
    """Fill what is left of the rows that two options share, the scarcer one; NO_LIMIT where none."""
    left[:] = NO_LIMIT
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
