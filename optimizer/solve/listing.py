"""Every plan of one period that can be part of a better answer: compiled, complete, each worth keeping once.

A plan leaves the list where another of its workload costs no more and draws no more on anything shared, even
if all cover that the first could have is counted for it. Options of one kind draw alike, so that few plans
stay of a great many.
"""

from __future__ import annotations

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.desk import LIMIT, price_options
from optimizer.solve.duals import Shared
from optimizer.solve.kernel import left_of, limit_options, needs_firm
from optimizer.solve.mixes import Mixes
from optimizer.solve.pair_bounds import bound_pairs, closer_bound
from optimizer.solve.patterns import of_pair, of_single
from optimizer.solve.plans import Pricing
from optimizer.solve.terms import ACTIVATION, CAPACITY, IS_FIRM, MOST, MOST_OPTIONS, PAIR, UNITS
from optimizer.solve.threads import several_threads

MOST_COUNTS = 4_096  # of a pair; a workload with more is not listed whole
MOST_LISTED = 1_000_000  # plans of a workload looked at; the same
PLACES = 20_000  # plans kept that room is made for at first


@inlined
def draws_of(
    kind: Ints, is_drawing: Bools, most_saved: Floats, o: Floats, option: Ints, count: Floats, usd: float,
    key: Ints, drawn: Floats,
) -> float:  # fmt: skip
    """What a plan draws, by at most two kinds in rising order, and its cost less all cover it could have."""
    none = is_drawing.size
    key[0], key[1], drawn[0], drawn[1] = none, none, 0.0, 0.0
    for j in range(PAIR):
        i = option[j]
        if i >= 0 and count[j] > 0.0 and is_drawing[kind[i]]:
            units = count[j] * o[i, UNITS]
            usd -= most_saved[kind[i]] * units
            place = 1 if key[0] < none and key[0] != kind[i] else 0
            key[place] = kind[i]
            drawn[place] += units
    if key[0] > key[1]:
        key[0], key[1] = key[1], key[0]
        drawn[0], drawn[1] = drawn[1], drawn[0]
    return usd


@inlined
def is_replaced(
    head: Ints, after: Ints, kept_units: Floats, x: int, y: int, first: float, second: float
) -> bool:
    """Whether one of the plans that draw on these kinds draws no more of either."""
    k = head[x, y]
    while k >= 0:
        if kept_units[k, 0] <= first and kept_units[k, 1] <= second:
            return True
        k = after[k]
    return False


@compiled
def thinned(
    kind: Ints, is_drawing: Bools, most_saved: Floats, o: Floats, option: Ints, count: Floats, usd: Floats,
    size: int, head: Ints, kept: Ints,
) -> int:  # fmt: skip
    """Places in `kept` of the plans that no other one replaces; how many.

    Args:
        kind, o: of the workload's options.
        is_drawing, most_saved: (K,) whether a kind draws on anything shared; USD that cover saves of a unit.
        option, count, usd: plans, the first `size` of them.
        head: (K + 1, K + 1) all -1, and so again afterwards.
    """
    none = is_drawing.size
    keys, drawn, covered = np.empty((size, PAIR), np.int64), np.empty((size, PAIR)), np.empty(size)
    for p in range(size):
        covered[p] = draws_of(kind, is_drawing, most_saved, o, option[p], count[p], usd[p], keys[p], drawn[p])
    after, kept_units = np.empty(size, np.int64), np.empty((size, PAIR))
    found = 0
    # By cost less all cover: who comes first would cost less even if all the other draws were covered.
    for p in np.argsort(covered, kind="mergesort"):
        x, y, first, second = keys[p, 0], keys[p, 1], drawn[p, 0], drawn[p, 1]
        if is_replaced(head, after, kept_units, x, y, first, second) or head[none, none] >= 0:
            continue
        if y < none and (
            is_replaced(head, after, kept_units, x, none, first, 0.0)
            or is_replaced(head, after, kept_units, y, none, second, 0.0)
        ):
            continue
        kept[found], kept_units[found, 0], kept_units[found, 1] = p, first, second
        after[found], head[x, y] = head[x, y], found
        found += 1
    for k in range(found):
        head[keys[kept[k], 0], keys[kept[k], 1]] = -1
    return found


@compiled
def list_plans(
    workloads: Ints, begin: Ints, kind: Ints, options: Floats, rules: Floats, demand: Floats, hours: Floats,
    added: Floats, draws: Ints, shared: Ints, rows: Floats, is_drawing: Bools, most_saved: Floats,
    top: Floats, places: int, owner: Ints, option: Ints, count: Floats, usd: Floats, is_all: Bools,
) -> int:  # fmt: skip
    """Plans of some workloads that cost at most `top` at the prices; how many, -1 where there is no room.

    Args:
        workloads, begin, kind, options, rules, demand, hours, added, draws, shared, rows: see `best_plans`.
        is_drawing, most_saved: see `thinned`.
        top: (W,) USD.
        places: plans of one workload that there is room for.
        owner, option, count, usd: out: workload, options (place among all; -1 for none), replicas, cost
            without shared prices and without activation.
        is_all: (W,) out: whether no plan was left out.
    """
    place, none = 0, is_drawing.size
    head = np.full((none + 1, none + 1), -1, np.int64)
    mine, counts, paid = np.empty((places, PAIR), np.int64), np.empty((places, PAIR)), np.empty(places)
    kept, whole_usd = np.empty(places, np.int64), np.empty(places)
    for w in workloads:
        at, end = begin[w], begin[w + 1]
        o = options[at:end]
        size, is_all[w] = near_plans(
            o, rules[w], demand[w], kind[at:end], hours, added, draws, shared, rows, top[w], mine, counts,
            paid,
        )  # fmt: skip
        for p in range(size):
            whole_usd[p] = paid[p] + taken_up_usd(o, mine[p], counts[p])
        found = thinned(kind[at:end], is_drawing, most_saved, o, mine, counts, whole_usd, size, head, kept)
        if place + found > usd.size:
            return -1
        for k in range(found):
            p = kept[k]
            owner[place], usd[place] = w, paid[p]
            count[place, 0], count[place, 1] = counts[p, 0], counts[p, 1]
            option[place, 0], option[place, 1] = at + mine[p, 0], at + mine[p, 1] if mine[p, 1] >= 0 else -1
            place += 1
    return place


@inlined
def taken_up_usd(o: Floats, option: Ints, count: Floats) -> float:
    """Activation of a plan's options."""
    if option[1] >= 0:
        return float(o[option[0], ACTIVATION] + o[option[1], ACTIVATION])
    return float(o[option[0], ACTIVATION]) if count[0] > 0.0 else 0.0


@compiled
def near_plans(
    o: Floats, u: Floats, need: Floats, kind: Ints, hours: Floats, added: Floats, draws: Ints, shared: Ints,
    rows: Floats, top: float, option: Ints, count: Floats, paid: Floats,
) -> tuple[int, bool]:  # fmt: skip
    """All plans of one workload that cost at most `top`; how many, and whether these are all."""
    n, is_all, size = o.shape[0], True, 0
    s, left = np.empty((8, n, hours.size)), np.empty(hours.size)
    found, usd, beside = np.empty((MOST_COUNTS, PAIR)), np.empty(MOST_COUNTS), np.empty(MOST_COUNTS)
    price_options(o, u, need, kind, hours, added, s)
    limit_options(o, kind, draws, rows, s)
    for a in range(n):
        limit = min(s[LIMIT, a, 0], u[MOST])
        many = of_single(o, u, need[0], hours[0], 1.0, limit, a, found, usd)
        size = keep(o, kind, added, top, a, -1, found, usd, many, option, count, paid, size)
    if u[MOST_OPTIONS] < PAIR or n < PAIR:
        return size, is_all
    kept, bounds, must_firm = np.arange(n), np.empty((n, n)), needs_firm(u, need)
    bound_pairs(o, need, must_firm, s, kept, bounds)
    for i in range(n):
        for j in range(n):
            if bounds[i, j] > top or closer_bound(o, need, must_firm, s, i, j, bounds[i, j], top) > top:
                continue
            # The larger of the two counts first: fewer plans to look at, the same found.
            a, b = (i, j) if o[i, CAPACITY] >= o[j, CAPACITY] else (j, i)
            if must_firm and o[i, IS_FIRM] != o[j, IS_FIRM]:
                a, b = (i, j) if o[i, IS_FIRM] > 0.0 else (j, i)
            left_of(shared[kind[a], kind[b]], rows, left)
            limits = s[LIMIT, a, 0], s[LIMIT, b, 0]
            many, every = of_pair(
                o, u, need[0], hours[0], 1.0, limits, left[0], a, b, found, usd, beside
            )  # fmt: skip
            is_all &= every
            if size + many > paid.size:
                return size, False
            size = keep(o, kind, added, top, a, b, found, usd, many, option, count, paid, size)
    return size, is_all


@inlined
def keep(
    o: Floats, kind: Ints, added: Floats, top: float, a: int, b: int, found: Floats, usd: Floats, many: int,
    option: Ints, count: Floats, paid: Floats, size: int,
) -> int:  # fmt: skip
    """Put those of the counts found that cost at most `top` with the others; how many there are then."""
    taken_up = o[a, ACTIVATION] + (o[b, ACTIVATION] if b >= 0 else 0.0)
    for p in range(many):
        n, m = found[p, 0], found[p, 1]
        value = usd[p] + n * o[a, UNITS] * added[kind[a], 0]
        value += m * o[b, UNITS] * added[kind[b], 0] if b >= 0 else 0.0
        if value + (taken_up if n > 0.0 or b >= 0 else 0.0) <= top:
            option[size, 0], option[size, 1] = a, b
            count[size, 0], count[size, 1], paid[size] = n, m, usd[p]
            size += 1
    return size


def near_mixes(
    pricing: Pricing, shared: Shared, added: Floats, least: Floats, slack: float
) -> tuple[Mixes, bool]:
    """Mixes of the plans that cost at most `slack` more than the least of their workload; whether all are.

    Args:
        pricing: workloads with one period.
        shared: limits and commitments.
        added: (K, 1) USD per pool unit on top of prices.
        least: (W,) cost of the cheapest plan of each workload.
        slack: USD.
    """
    k, kinds = pricing.terms, pricing.kinds
    is_drawing = (kinds.draws >= 0).any(axis=1) | (kinds.cover >= 0)
    listed = np.where(shared.rate > 0, shared.listed, 0.0).max(axis=0, initial=0.0) * shared.hours[0]
    saved = np.where(kinds.cover >= 0, np.append(np.maximum(listed, 0.0), 0.0)[kinds.cover], 0.0)
    is_all, top = np.ones(len(least), dtype=np.bool_), least + slack + 1e-9

    def work(part: Ints) -> tuple[Ints, Ints, Floats, Floats]:
        places, size = PLACES, -1
        while size < 0:
            owner, option = np.empty(places, np.int64), np.empty((places, PAIR), np.int64)
            count, usd = np.empty((places, PAIR)), np.empty(places)
            size = list_plans(
                part, k.begin, k.kind, k.options, k.rules, k.demand, k.hours, added, kinds.draws,
                kinds.shared,
                shared.limit, is_drawing, saved, top, MOST_LISTED, owner, option, count, usd, is_all,
            )  # fmt: skip
            places *= 4
        return owner[:size], option[:size], count[:size], usd[:size]

    parts = np.array_split(np.arange(len(least)), min(4 * pricing.threads, len(least)))
    with several_threads(count=pricing.threads) as each:
        found = list(each(work, parts))
    owner, option, count, usd = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return Mixes.of_patterns(pricing, owner, option, count, usd), bool(is_all.all())
