"""What to put on one node, compiled: the dearest contents that fit, or all that are worth enough.

Depth first over counts of one item after another, those that are worth most for their size first. A branch
ends where even what fits in part, all resources weighed as one, cannot be worth enough. Exact, unless the
search is cut off: then the bound still holds.

Arguments: `value`, `top` (most on a node) and `group` (its workload) of the items, `need` (item, resource),
`room` (resource), `most` (most items of each group).
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Floats, Ints
from optimizer.solve.desk import copy_row

NEAR = 1e-9
STEPS = 6  # of the grid over weights of resources


@inlined
def fits(i: int, need: Floats, left: Floats, top: int, spare: float) -> int:
    """How many of an item still fit."""
    count = min(float(top), spare)
    for r in range(left.size):
        if need[i, r] > 0.0:
            count = min(count, math.floor(left[r] / need[i, r] + NEAR))
    return int(count)


@inlined
def promise(i: int, value: Floats, size: Floats, top: Ints, left: float) -> float:
    """What items from i on are worth at most in what is left, if parts of them could be put in."""
    usd, left = 0.0, max(left, 0.0)
    for j in range(i, value.size):
        whole = size[j] * top[j]
        if whole > left:
            return float(usd + value[j] * left / size[j])
        usd += value[j] * top[j]
        left -= whole
    return usd


@compiled
def search(  # noqa: C901, PLR0912, PLR0917  one loop, an inner one of compiled code
    value: Floats, need: Floats, top: Ints, group: Ints, most: Floats, room: Floats, weight: Floats,
    least: float, found: Ints, visits: int,
) -> tuple[int, float, bool]:  # fmt: skip
    """Search contents worth more than `least`: the best only if `found` has one row, else all maximal ones.

    Items are in the order of value per size; `weight` of resources makes their size one number. Gives how
    many were found, the value of the best, and whether the search came to its end.
    """
    items, resources = need.shape
    left, spare, count = room.copy(), most.copy(), np.zeros(items, np.int64)
    size = np.zeros(items)
    for i in range(items):
        for r in range(resources):
            size[i] += weight[r] * need[i, r]
    only_best = found.shape[0] == 1
    best, known, usd, i, down = least, 0, 0.0, 0, True
    while i >= 0:
        visits -= 1
        if visits < 0:
            return known, best, False
        if down and i < items:
            room_left = 0.0
            for r in range(resources):
                room_left += weight[r] * left[r]
            if usd + promise(i, value, size, top, room_left) > best:
                n = fits(i, need, left, top[i], spare[group[i]])
                count[i] = n
                usd += n * value[i]
                spare[group[i]] -= n
                for r in range(resources):
                    left[r] -= n * need[i, r]
                i += 1
                continue
        elif down and usd > best:
            if only_best:
                best, known = usd, 1
                copy_row(count, found[0])
            else:
                maximal = True
                for j in range(items):
                    if fits(j, need, left, top[j] - count[j], spare[group[j]]) > 0:
                        maximal = False
                        break
                if maximal:
                    if known == found.shape[0]:
                        return known, best, False
                    copy_row(count, found[known])
                    known += 1
        down = False
        i -= 1
        if i >= 0 and count[i] > 0:
            count[i] -= 1
            usd -= value[i]
            spare[group[i]] += 1.0
            for r in range(resources):
                left[r] += need[i, r]
            i, down = i + 1, True
    return known, best, True


@compiled
def best_weights(value: Floats, need: Floats, top: Ints, room: Floats) -> tuple[Floats, float]:
    """Weights of resources under which what fits in part is worth least, and that worth."""
    items, resources = need.shape
    best, weight = math.inf, np.zeros(resources)
    trial, size = np.zeros(resources), np.zeros(items)
    for code in range((STEPS + 1) ** resources):
        rest, total = code, 0
        for r in range(resources):
            trial[r] = float(rest % (STEPS + 1))
            total += rest % (STEPS + 1)
            rest //= STEPS + 1
        if total != STEPS:
            continue
        left = 0.0
        for r in range(resources):
            trial[r] = trial[r] / room[r] if room[r] > 0.0 else 0.0
            left += trial[r] * room[r]
        for i in range(items):
            size[i] = 0.0
            for r in range(resources):
                size[i] += trial[r] * need[i, r]
        order = np.argsort(-value / np.maximum(size, 1e-12))
        usd = promise(0, value[order], size[order], top[order], left)
        if usd < best:
            best = usd
            copy_row(trial, weight)
    return weight, best
