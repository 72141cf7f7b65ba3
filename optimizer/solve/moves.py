"""Moves of the kernel: plans that fit what is left of limits, and workloads placed anew one after the other.

Arguments of one workload are named as in `optimizer.solve.desk`. `draws` (kind, 2) are the rows that a kind
of option draws on, -1 where none; `rows` (row, period) what is left of them.
"""

from __future__ import annotations

import numpy as np

from optimizer.compiled import compiled
from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.desk import (
    INF,
    LIMIT,
    NEAR,
    ROOM,
    ROUTED,
    UNCOVERED,
    USD,
    copy_counts,
    egress_usd,
    largest,
    moved_usd,
    price_options,
)
from optimizer.solve.kernel import limit_options, search, uncovered_usd
from optimizer.solve.terms import ACTIVATION, CAPACITY, CURRENT, MIGRATION, PAIR, UNITS


@compiled
def plan_usd(o: Floats, need: Floats, s: Floats, a: int, b: int, plan: Floats) -> float:
    """Cost of a plan at the prices on the desk; INF where it needs more than limits leave."""
    usd = float(o[a, ACTIVATION]) if largest(plan[:, 0]) > 0.0 else 0.0
    if b >= 0 and largest(plan[:, 1]) > 0.0:
        usd += o[b, ACTIVATION]
    for t in range(need.size):
        n, m = plan[t, 0], plan[t, 1]
        if n > s[LIMIT, a, t] or (b >= 0 and m > s[LIMIT, b, t]):
            return INF
        usd += n * s[USD, a, t] + (m * s[USD, b, t] if b >= 0 else 0.0)
        usd += uncovered_usd(o, s, t, a, b, n, m)
        if b >= 0:
            room_a, room_b = n * o[a, CAPACITY], m * o[b, CAPACITY]
            usd += egress_usd(need[t], room_a, room_b, s[ROUTED, a, t], s[ROUTED, b, t])
        else:
            usd += need[t] * s[ROUTED, a, t]
    usd += moved_usd(plan[0, 0], o[a, CURRENT], o[a, MIGRATION])
    if b >= 0:
        usd += moved_usd(plan[0, 1], o[b, CURRENT], o[b, MIGRATION])
    return float(usd)


@compiled
def draw(draws: Ints, units: float, n: float, t: int, rows: Floats) -> None:
    """Take what replicas draw from what is left of the rows of their kind."""
    for row in draws:
        if row >= 0:
            rows[row, t] -= units * n


@compiled
def draw_plan(
    kind: Ints, options: Floats, draws: Ints, chosen: Ints, plan: Floats, sign: float, rows: Floats
) -> None:
    """Take a whole plan from what is left, or give it back with a sign of -1."""
    for j in range(2):
        i = chosen[j]
        if i >= 0:
            for t in range(rows.shape[1]):
                draw(draws[kind[i]], options[i, UNITS], sign * plan[t, j], t, rows)


@compiled
def fits(draws: Ints, rows: Floats) -> bool:
    """Whether no row of these kinds is overdrawn."""
    for row in draws:
        if row >= 0:
            for t in range(rows.shape[1]):
                if rows[row, t] < -NEAR * (1.0 + abs(rows[row, t])) - 1e-7:
                    return False
    return True


@compiled
def fits_alone(kind: Ints, options: Floats, draws: Ints, option: Ints, count: Floats, rows: Floats) -> bool:
    """Whether a plan fits what is left; what is left is as before afterwards."""
    draw_plan(kind, options, draws, option, count, 1.0, rows)
    ok = fits(draws[kind[option[0]]], rows)
    if ok and option[1] >= 0:
        ok = fits(draws[kind[option[1]]], rows)
    draw_plan(kind, options, draws, option, count, -1.0, rows)
    return ok


@compiled
def fitting(
    option: Ints, count: Floats, kind: Ints, options: Floats, draws: Ints, rows: Floats, asked: Bools,
    found: Bools,
) -> None:  # fmt: skip
    """Which of the plans asked about fit what is left, each alone."""
    for n in range(option.shape[0]):
        if asked[n]:
            found[n] = fits_alone(kind, options, draws, option[n], count[n], rows)


@compiled
def take(
    workloads: Ints, begin: Ints, largest_first: Ints, kind: Ints, options: Floats, draws: Ints,
    option: Ints, count: Floats, rows: Floats, chosen: Ints, count_of: Floats,
) -> None:  # fmt: skip
    """Give each workload in turn the plan of largest share, if it fits what is left.

    `largest_first` are places of plans by workload and falling share, `begin` (W + 1,) where each workload's
    begin in it.
    """
    for w in workloads:
        if begin[w] < begin[w + 1]:
            n = largest_first[begin[w]]
            if fits_alone(kind, options, draws, option[n], count[n], rows):
                draw_plan(kind, options, draws, option[n], count[n], 1.0, rows)
                chosen[w, 0], chosen[w, 1] = option[n, 0], option[n, 1]
                copy_counts(count[n], count_of[w])


@compiled
def cover_options(kind: Ints, cover: Ints, uncovered: Floats, room: Floats, s: Floats) -> None:
    """What lies beyond the room under commitments, onto the desk."""
    for i in range(kind.size):
        row = cover[kind[i]]
        if row >= 0:
            for t in range(room.shape[1]):
                s[UNCOVERED, i, t] = uncovered[row, t]
                s[ROOM, i, t] = max(room[row, t], 0.0)


@compiled
def improve(
    workloads: Ints, begin: Ints, kind: Ints, options: Floats, rules: Floats, demand: Floats, hours: Floats,
    added: Floats, draws: Ints, shared: Ints, rows: Floats, cover: Ints, uncovered: Floats, room: Floats,
    chosen: Ints, count_of: Floats,
) -> int:  # fmt: skip
    """Place each of some workloads anew, as cheaply as what the others leave allows; how many changed.

    Args:
        workloads: in this order.
        begin, kind, options, rules, demand, hours: see `Terms`.
        added: (kind, period) USD per pool unit on top of prices, all of it under cover.
        draws, shared, rows: limits as in `best_plans`; what is left is kept up to date.
        cover: (kind,) row of the room under commitments; -1 where none.
        uncovered: (row, period) USD that a unit beyond the room costs more.
        room: (row, period) units that commitments still cover; kept up to date, negative where overdrawn.
        chosen, count_of: (W, 2), (W, T, 2) the plans; -1 where a workload is not placed.
    """
    changed = 0
    best = np.zeros((hours.size, PAIR))
    under = cover.reshape(-1, 1)
    for w in workloads:
        at, end = begin[w], begin[w + 1]
        o, u, need, s = options[at:end], rules[w], demand[w], np.empty((8, end - at, hours.size))
        draw_plan(kind, options, draws, chosen[w], count_of[w], -1.0, rows)
        draw_plan(kind, options, under, chosen[w], count_of[w], -1.0, room)
        price_options(o, u, need, kind[at:end], hours, added, s)
        limit_options(o, kind[at:end], draws, rows, s)
        cover_options(kind[at:end], cover, uncovered, room, s)
        usd = INF
        if chosen[w, 0] >= 0:
            second = chosen[w, 1] - at if chosen[w, 1] >= 0 else -1
            usd = plan_usd(o, need, s, chosen[w, 0] - at, second, count_of[w])
            usd -= NEAR * abs(usd)
        _, a, b = search(o, u, need, kind[at:end], s, shared, rows, usd, best)
        if a >= 0:
            changed += 1
            chosen[w, 0], chosen[w, 1] = at + a, at + b if b >= 0 else -1
            copy_counts(best, count_of[w])
        elif usd == INF:
            chosen[w] = -1
            count_of[w] = 0.0
        draw_plan(kind, options, draws, chosen[w], count_of[w], 1.0, rows)
        draw_plan(kind, options, under, chosen[w], count_of[w], 1.0, room)
    return changed
