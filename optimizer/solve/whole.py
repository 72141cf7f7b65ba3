"""Whole replicas near fractional ones, compiled: rounded up, then fewer, others where limits are exceeded.

Arguments of one workload: `a` capacity, `firm`, `region` of its options; `rule` its rules (see `RULES`); `n`
replicas; `used` options that run in other periods.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Bools, Floats, Ints

NEED, FIRM_NEED, FEWEST, MOST, FEWEST_FIRM, REGIONS, SHARE, SURVIVES, MOST_OPTIONS = RULES = range(9)
UNMET = 1e6  # demand is met whatever else gives way
NEAR = 1e-7
PASSES = 2


@compiled
def missed(a: Floats, firm: Bools, region: Ints, rule: Floats, n: Floats, used: Bools) -> float:
    """How badly rules are missed: each by its share of what it asks for, demand above all."""
    total, firm_total, count, firm_count, options = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n.size):
        total += a[i] * n[i]
        count += n[i]
        if firm[i]:
            firm_total += a[i] * n[i]
            firm_count += n[i]
        if n[i] > 0.0 or used[i]:
            options += 1.0
    need = max(rule[NEED], 1e-9)
    bad = UNMET * max(rule[NEED] - total - NEAR * need, 0.0) / need
    bad += max(rule[FIRM_NEED] - firm_total - NEAR * need, 0.0) / need
    bad += max(rule[FEWEST] - count, 0.0) + max(count - rule[MOST], 0.0)
    bad += max(rule[FEWEST_FIRM] - firm_count, 0.0)
    bad += max(options - rule[MOST_OPTIONS], 0.0)
    if rule[REGIONS] <= 1.0 and rule[SHARE] >= 1.0 and rule[SURVIVES] == 0.0:
        return float(bad)
    top, regions = 0.0, 0.0
    for r in range(region.min(), region.max() + 1):
        held = 0.0
        for i in range(n.size):
            if region[i] == r:
                held += a[i] * n[i]
        top = max(top, held)
        regions += 1.0 if held > 0.0 else 0.0
    bad += max(rule[REGIONS] - regions, 0.0) if rule[REGIONS] > 1.0 else 0.0
    if rule[SHARE] < 1.0 and total > 0.0:
        bad += max(top / total - rule[SHARE] - NEAR, 0.0)
    if rule[SURVIVES] > 0.0:
        bad += max(rule[NEED] - (total - top) - NEAR * need, 0.0) / need
    return float(bad)


@compiled
def trim(
    a: Floats, firm: Bools, region: Ints, scarce: Floats, rule: Floats, n: Floats, used: Bools,
    units: Floats, pool: Ints, quota: Ints, left: Floats,
) -> None:  # fmt: skip
    """Fewer replicas, those that draw most first, as long as no more is missed."""
    now = missed(a, firm, region, rule, n, used)
    for i in np.argsort(-scarce):
        while n[i] > 0.0:
            n[i] -= 1.0
            bad = missed(a, firm, region, rule, n, used)
            if bad > now + NEAR:
                n[i] += 1.0
                break
            now = bad
            draw(i, -1.0, units, pool, quota, left)


@inlined
def draw(i: int, replicas: float, units: Floats, pool: Ints, quota: Ints, left: Floats) -> None:
    """Take replicas of an option out of what pools have left; the last place stands for none."""
    left[pool[i]] -= replicas * units[i]
    left[quota[i]] -= replicas * units[i]


@inlined
def may_draw(
    i: int, other: int, replicas: float, units: Floats, pool: Ints, quota: Ints, left: Floats
) -> bool:
    """Whether replicas of another option in the place of one of i take no pool further beyond its limit."""
    for k in (pool[other], quota[other]):
        if k < 0:
            continue
        drawn = replicas * units[other]
        if (k == pool[i] or k == quota[i]) and drawn < units[i] - NEAR:
            continue
        if left[k] < drawn - NEAR:
            return False
    return True


@compiled
def swap(
    a: Floats, firm: Bools, region: Ints, rule: Floats, n: Floats, used: Bools, top: Floats,
    units: Floats, pool: Ints, quota: Ints, left: Floats,
) -> None:  # fmt: skip
    """Put other options, or smaller ones, in the place of those that draw on a pool beyond its limit."""
    for i in range(n.size):
        while n[i] > 0.0 and (left[pool[i]] < -NEAR or left[quota[i]] < -NEAR):
            now = missed(a, firm, region, rule, n, used)
            n[i] -= 1.0
            draw(i, -1.0, units, pool, quota, left)
            short = rule[NEED]
            for j in range(n.size):
                short -= a[j] * n[j]
            best, replicas, least = -1, 0.0, math.inf
            for j in range(n.size):
                m = max(math.ceil(short / a[j] - NEAR), 1.0)
                drawn = m * units[j] if pool[j] >= 0 or quota[j] >= 0 else 0.0
                if j == i or drawn >= least or n[j] + m > top[j]:
                    continue
                if not may_draw(i, j, m, units, pool, quota, left):
                    continue
                n[j] += m
                if missed(a, firm, region, rule, n, used) <= now + NEAR:
                    best, replicas, least = j, m, drawn
                n[j] -= m
            if best < 0:
                n[i] += 1.0
                draw(i, 1.0, units, pool, quota, left)
                break
            n[best] += replicas
            draw(best, replicas, units, pool, quota, left)


@compiled
def make_whole(
    begin: Ints, a: Floats, firm: Bools, region: Ints, units: Floats, pool: Ints, quota: Ints,
    scarce: Floats, top: Floats, used: Bools, rules: Floats, n: Floats, left: Floats,
) -> None:  # fmt: skip
    """Make (I,) whole replicas fewer, and others where limits are exceeded.

    Args:
        begin: (W + 1,) first option of each workload.
        a, firm, region, units, pool, quota: of options; -1 where a pool or quota is none.
        scarce: (I,) how much a replica draws on limits.
        top: (I,) most replicas.
        used: (I,) options that run in other periods.
        rules: (W, 9) see `RULES`.
        n: (I,) replicas, changed in place.
        left: (P + 1,) what pools have left, changed in place; the last place is for no pool.
    """
    for w in range(begin.size - 1):
        s = slice(begin[w], begin[w + 1])
        trim(a[s], firm[s], region[s], scarce[s], rules[w], n[s], used[s], units[s], pool[s], quota[s], left)
    for _ in range(PASSES):
        for w in range(begin.size - 1):
            s = slice(begin[w], begin[w + 1])
            swap(a[s], firm[s], region[s], rules[w], n[s], used[s], top[s], units[s], pool[s], quota[s], left)
