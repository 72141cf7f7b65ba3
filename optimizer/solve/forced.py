"""The cheapest plan of a workload that must run a given option, alone or with any partner: exact, compiled.

Where the best plan of a pair leaves the given option out in every period, one replica is asked for in the
period where that costs least: periods have nothing in common but which options are used.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Floats, Ints
from optimizer.solve.desk import (
    INF,
    NEAR,
    NO_LIMIT,
    ROUTED,
    UNIT_USD,
    USD,
    copy_counts,
    egress_usd,
    moved_usd,
    price_options,
    whole,
)
from optimizer.solve.kernel import count, counts, worth_pairing
from optimizer.solve.terms import (
    ACTIVATION,
    CAPACITY,
    CURRENT,
    FEWEST,
    FEWEST_FIRM,
    FIRM_SHARE,
    IS_FIRM,
    MIGRATION,
    MOST,
    MOST_OPTIONS,
    PAIR,
)


@inlined
def best_partner(
    o: Floats, u: Floats, need: Floats, s: Floats, t: int, b: int, a: int, n: float
) -> tuple[float, float]:
    """USD of a period with n replicas of b and the cheapest count of a (-1: none), and that count."""
    amount, firm = need[t], u[FIRM_SHARE] * need[t]
    move_b = o[b, MIGRATION] if t == 0 else 0.0
    usd_b = n * s[USD, b, t] + moved_usd(n, o[b, CURRENT], move_b)
    room_b, firm_b = n * o[b, CAPACITY], n * o[b, IS_FIRM]
    short = max(amount - room_b, firm - firm_b * o[b, CAPACITY])
    slack = NEAR * max(1.0, amount)
    if a < 0:
        if short > slack or n < u[FEWEST] or firm_b < u[FEWEST_FIRM] or n > u[MOST]:
            return INF, 0.0
        return usd_b + s[ROUTED, b, t] * amount, 0.0
    rest, least = amount - room_b, u[FEWEST] - n
    if o[a, IS_FIRM] > 0.0:
        rest, least = max(rest, firm - firm_b * o[b, CAPACITY]), max(least, u[FEWEST_FIRM] - firm_b)
    elif firm - firm_b * o[b, CAPACITY] > slack or firm_b < u[FEWEST_FIRM]:
        return INF, 0.0
    least, high = max(whole(rest / o[a, CAPACITY]), least, 0.0), u[MOST] - n
    if least > high:
        return INF, 0.0
    best, best_m = INF, 0.0
    move_a = o[a, MIGRATION] if t == 0 else 0.0
    # Convex in the partner's count: cheapest at the fewest, where migration turns, or where egress does.
    for turn in range(4):
        m = least
        if turn == 1:
            m = min(max(o[a, CURRENT], least), high)
        elif turn > 1:
            m = min(max(math.floor(amount / o[a, CAPACITY]) + turn - 2, least), high)
        usd = m * s[USD, a, t] + moved_usd(m, o[a, CURRENT], move_a)
        usd += egress_usd(amount, room_b, m * o[a, CAPACITY], s[ROUTED, b, t], s[ROUTED, a, t])
        if usd < best:
            best, best_m = usd, m
    return usd_b + best, best_m


@compiled
def at_least_one(
    o: Floats, u: Floats, need: Floats, s: Floats, t: int, b: int, a: int
) -> tuple[float, float, float]:
    """USD and replicas of b and of a in a period in which b runs; INF where that cannot be."""
    best, best_n, best_m = INF, 0.0, 0.0
    top = whole(need[t] / o[b, CAPACITY]) + max(u[FEWEST], u[FEWEST_FIRM]) + o[b, CURRENT] + 1.0
    move_b = o[b, MIGRATION] * o[b, CURRENT] if t == 0 else 0.0
    move_a = o[a, MIGRATION] * o[a, CURRENT] if t == 0 and a >= 0 else 0.0
    n = 1.0
    while n <= min(top, u[MOST]):
        if n * s[USD, b, t] - move_b - move_a >= best:
            break
        usd, m = best_partner(o, u, need, s, t, b, a, n)
        if usd < best:
            best, best_n, best_m = usd, n, m
        n += 1.0
    return best, best_n, best_m


@compiled
def forced_usd(
    o: Floats, u: Floats, need: Floats, s: Floats, b: int, a: int, below: float, plan: Floats
) -> float:
    """Cost of the cheapest plan that runs b, with the partner a (-1: none); counts, b first, in `plan`."""
    total = o[b, ACTIVATION] + (o[a, ACTIVATION] if a >= 0 else 0.0)
    is_idle = True
    for t in range(need.size):
        if a < 0:
            usd, n = count(o, u, need, s, t, b)
            m = 0.0
        else:
            is_dearer = s[UNIT_USD, b, t] >= s[UNIT_USD, a, t]
            dear, cheap = (b, a) if is_dearer else (a, b)
            usd, n, m = counts(o, u, need, s, t, dear, cheap, NO_LIMIT, INF)
            if not is_dearer:
                n, m = m, n
        if usd == INF:
            return INF
        total += usd
        plan[t, 0], plan[t, 1] = n, m
        is_idle = is_idle and n == 0.0
    if not is_idle or total >= below:
        return float(total)
    more, when, n_best, m_best = INF, 0, 0.0, 0.0
    for t in range(need.size):
        usd, n, m = at_least_one(o, u, need, s, t, b, a)
        first, second, count_now = (b, a, 0.0) if a < 0 else (a, b, plan[t, 1])
        now = best_partner(o, u, need, s, t, first, second, count_now)[0]
        if usd - now < more:
            more, when, n_best, m_best = usd - now, t, n, m
    plan[when, 0], plan[when, 1] = n_best, m_best
    return float(total + more)


@compiled
def forced_plans(
    jobs: Ints, begin: Ints, kind: Ints, options: Floats, rules: Floats, demand: Floats, hours: Floats,
    added: Floats, value: Floats, alone: Floats, partner: Ints, count_of: Floats,
) -> None:  # fmt: skip
    """For each job (workload, option) the cheapest plan that runs the option; INF where there is none.

    Args:
        jobs: (J, 2) workload and place of an option among all; workloads in one run are cut into once.
        begin, kind, options, rules, demand, hours: see `Terms`.
        added: (kind, period) USD per pool unit on top of prices.
        value: (J,) out: cost of the plan.
        alone: (J,) out: cost of the plan of this option alone.
        partner: (J,) out: place of the partner among all options; -1 where alone is cheapest.
        count_of: (J, T, 2) out: replicas, those of the option first.
    """
    before = -1
    s = np.empty((8, 0, hours.size))
    kept = np.empty(0, np.int64)
    plan = np.zeros((hours.size, PAIR))
    for j in range(jobs.shape[0]):
        w, place = jobs[j, 0], jobs[j, 1]
        at, end = begin[w], begin[w + 1]
        o, u, need, b = options[at:end], rules[w], demand[w], place - at
        if w != before:
            s = np.empty((8, end - at, hours.size))
            price_options(o, u, need, kind[at:end], hours, added, s)
            kept = worth_pairing(o, u, need, kind[at:end], s)
            before = w
        partner[j] = -1  # handed over from here: a literal would be a type of its own, compiled once more
        alone[j] = forced_usd(o, u, need, s, b, partner[j], INF, plan)
        value[j] = alone[j]
        copy_counts(plan, count_of[j])
        if u[MOST_OPTIONS] < PAIR:
            continue
        for x in range(kept.size):
            a = kept[x]
            if a == b:
                continue
            usd = forced_usd(o, u, need, s, b, a, value[j], plan)
            if usd < value[j]:
                value[j], partner[j] = usd, at + a
                copy_counts(plan, count_of[j])
