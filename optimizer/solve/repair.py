"""The cheapest way out of a shortage: which limits and rules to relax, and by how much.

All rules hold in the end but those that the repair names: a placement is found in which they do, and the
repair is read off it, so that applying it makes the problem feasible. Small problems are an integer program;
larger ones are solved period by period without whole numbers and then made whole, which may ask for a little
more than is needed. Workloads that need nothing scarce are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.check import check
from optimizer.problem import Bools, Floats, Placement, Problem
from optimizer.solve import highs
from optimizer.solve.compact import pinned
from optimizer.solve.components import groups, restrict
from optimizer.solve.draws import drawn_on
from optimizer.solve.highs import Limits
from optimizer.solve.leeway import (
    FEWER,
    FEWER_FIRM,
    MORE,
    OPTIONS,
    REGIONS,
    SHARE,
    SPOT,
    SURVIVE,
    Leeway,
    relaxable,
)
from optimizer.solve.regions import region_number
from optimizer.solve.repair_steps import Barred, Repair, Step, apply_steps
from optimizer.solve.routing import freely_routed, routed_apart
from optimizer.solve.small import share_out

LIMITS = Limits(gap_share=1e-6, nodes=500, seconds=30.0)  # nodes end it, the clock is a safety net
MOST_WHOLE = 400  # replicas to decide on (options times periods) up to which all periods are one program
NEAR = 1e-7

# What relaxing costs: raising by its whole size, or giving up, a rule. Quotas are raised on request; what
# protects a workload is given up last.
PRICES: Mapping[str, float] = {
    "within_pool": 1.0,
    "max_replicas": 1.0,
    "max_options": 1.5,
    "not_allowed": 2.0,
    "min_replicas": 3.0,
    "max_spot_share": 4.0,
    "max_region_share": 4.0,
    "min_on_demand_replicas": 5.0,
    "min_regions": 6.0,
    "survive_region_loss": 8.0,
}
SPOT_POOL_PRICE = 20.0  # a limit that only spot draws on is what the provider has: asking rarely helps
SMALL_USD = 1e-4  # weight of the cost among repairs that are as cheap


def repair(p: Problem, short: Iterable[str] | None = None, *, barred: Barred | None = None) -> Repair:
    """The cheapest steps that make a problem feasible.

    Args:
        p: every workload has an option. Options that a filter keeps out may be among them, see `barred`.
        short: workloads that are short; only what they share with others is looked at. All by default.
        barred: options that may be used only if the repair says so, and the rule each breaks.
    """
    names = set(p.workloads if short is None else short)
    replicas = np.zeros((len(p.option_id), len(p.periods)))
    barred, seen = barred or {}, set()
    for group in groups(p):
        own = {p.workloads[w] for w in group}
        if names & own:
            seen |= own
            part = restrict(p, group)
            inside = {int(k): barred[i] for k, i in enumerate(part.options.tolist()) if i in barred}
            replicas[part.options] = repaired(part.problem, inside)
    steps = sorted(steps_of(p, replicas, barred, seen), key=lambda step: (-priced(step), step.where))
    found = Repair(tuple(steps), replicas)
    if steps and not holds(p, found, [w for w, name in enumerate(p.workloads) if name in seen]):
        return Repair((), replicas)
    return found


def holds(p: Problem, found: Repair, workloads: list[int]) -> bool:
    """Whether all rules of some workloads hold once a repair is made: the checker has the last word."""
    part = restrict(apply_steps(p, found.steps), np.array(workloads, dtype=np.int64))
    q, n = part.problem, np.rint(found.replicas[part.options]).astype(np.int64)
    nothing = np.zeros((len(q.commitments), len(q.pools), len(q.periods)))
    served, routed = routed_apart(q, n, q.demand, share_out(q, n, q.demand))
    bought = np.zeros(len(q.commitments))
    placed = Placement(n, served, nothing, bought, freely_routed(q, served, routed))
    return bool(check(q, placed) == ())


def repaired(p: Problem, barred: Barred) -> Floats:
    """(I, T) whole replicas with which as little as possible has to be relaxed."""
    is_open = np.ones(len(p.option_id), dtype=bool)
    is_open[list(barred)] = False
    replicas = settled_alone(p, is_open)
    rest = np.flatnonzero(p.sum_by_workload(replicas).max(axis=1) == 0)
    if not len(rest):
        return replicas
    part = restrict(p, rest)
    inside = {int(k): barred[i] for k, i in enumerate(part.options.tolist()) if i in barred}
    program = Relaxing(part.problem, inside)
    small = int(program.worth.sum()) * len(p.periods) <= MOST_WHOLE
    replicas[part.options] = program.together() if small else program.period_by_period()
    return replicas


def settled_alone(p: Problem, is_open: Bools) -> Floats:
    """(I, T) replicas of workloads that keep all their rules with one option that nothing limits."""
    limited = np.append(np.isfinite(p.pool_limit).any(axis=1), False)  # the row -1
    w = p.option_workload
    asked = np.maximum(p.min_replicas, p.min_on_demand_replicas)[w][:, None]
    count = np.maximum(np.ceil(p.demand[w] / p.capacity[:, None] - NEAR), asked)
    firm = ~p.is_spot | ((p.max_spot_share[w] >= 1) & (p.min_on_demand_replicas[w] <= 0))
    anywhere = (p.min_regions <= 1) & (p.max_region_share >= 1) & ~p.survive_region_loss
    anywhere &= p.routes.reaches_all
    anywhere[w[p.bounds.option]] = False
    able = is_open & p.is_admissible & ~limited[p.pool] & ~limited[p.quota_pool] & firm & anywhere[w]
    able &= count.max(axis=1) <= p.max_replicas[w]
    replicas = np.zeros_like(count)
    chosen = np.flatnonzero(able)
    _, first = np.unique(w[chosen], return_index=True)
    replicas[chosen[first]] = count[chosen[first]]
    return replicas


class Relaxing:
    """One connected problem whose rules give way at a price."""

    def __init__(self, p: Problem, barred: Barred) -> None:
        self.p = p
        self.barred = barred
        self.worth = worth_having(p)
        peak = p.demand.max(axis=1, initial=0.0)[p.option_workload]
        asked = np.maximum(p.min_replicas, p.min_on_demand_replicas)[p.option_workload]
        spare = np.where(p.max_region_share[p.option_workload] < 1.0, 2.0, 1.0)
        enough = np.maximum(np.ceil(spare * peak / p.capacity) + asked + 1.0, pinned(p))
        self.top = np.where(self.worth, enough, 0.0)
        self.usd = self.replica_prices()
        self.pool_price = pool_prices(p)

    def replica_prices(self) -> Floats:
        """(I, T) cost of a replica: a little of its price; of a barred option its share of being let in."""
        p, periods = self.p, len(self.p.periods)
        whole = float((p.demand @ p.hours).sum()) * float(np.median(p.price_hourly / p.capacity)) or 1.0
        usd = SMALL_USD * p.price_hourly[:, None] * p.hours / whole
        for i in self.barred:
            fits = max(float(np.ceil(p.demand[p.option_workload[i]].max() / p.capacity[i])), 1.0)
            usd[i] += PRICES["not_allowed"] / fits / periods
        return usd

    def together(self) -> Floats:
        """All periods as one integer program."""
        program = relaxable(self.p, self.usd, self.top, leeway(self.p, self.pool_price))
        found = highs.minimise(program, LIMITS).values
        return self.period_by_period() if found is None else np.rint(program.spread(found, "n"))

    def period_by_period(self) -> Floats:
        """The busiest period first; what it has relaxed is free in the others."""
        p = self.p
        replicas = np.zeros(self.usd.shape)
        raised, top = np.zeros(len(p.pools)), self.top.copy()
        done: list[int] = []
        for t in np.argsort(-p.demand.sum(axis=0), kind="stable"):
            # Bounds of options may differ between periods of like demand.
            looked_at = () if len(p.bounds) else done
            like = next((k for k in looked_at if (p.demand[:, t] <= p.demand[:, k] + NEAR).all()), None)
            one = at_period(p, int(t), raised)
            if like is not None and (drawn_on(p, replicas[:, [like]]) <= one.pool_limit + NEAR).all():
                replicas[:, t] = replicas[:, like]
                continue
            replicas[:, t] = self.one_period(one, self.usd[:, [t]], top, replicas.max(axis=1) > 0)
            done.append(int(t))
            over = drawn_on(p, replicas[:, [t]]) - p.pool_limit[:, [t]]
            raised = np.maximum(raised, np.where(np.isfinite(over), over, 0.0).max(axis=1, initial=0.0))
            p = eased(p, replicas[:, [t]], int(t))
            used = replicas.max(axis=1) > 0
            count = np.bincount(p.option_workload[used], minlength=len(p.workloads))
            top = np.where((count >= p.max_options)[p.option_workload] & ~used, 0.0, top)
        return replicas

    def one_period(self, one: Problem, usd: Floats, top: Floats, used: Bools) -> Floats:
        """(I,) whole replicas of one period, by the program without whole numbers; others have `used`."""
        share = self.shares(one, usd, top)
        few = too_many(one, share, used)
        if few.any():
            top = np.where(few, 0.0, top)
            share = self.shares(one, usd, top)
        return made_whole(one, share, top, used)

    def shares(self, one: Problem, usd: Floats, top: Floats) -> Floats:
        """(I,) replicas of one period that need not be whole; none where even that cannot be."""
        program = relaxable(one, usd, top, leeway(one, self.pool_price)).relaxed()
        found = highs.minimise(program, LIMITS).values
        return np.zeros(len(top)) if found is None else program.spread(found, "n")[:, 0]


def worth_having(p: Problem) -> Bools:
    """(I,) options that may help: the most served per unit, the largest and the smallest of those alike."""
    place = np.unique([f"{a}\0{b}" for a, b in zip(p.provider, p.region, strict=True)], return_inverse=True)[
        1
    ]
    limited = np.append(np.isfinite(p.pool_limit).any(axis=1), False)
    pool = np.where(limited[p.pool], p.pool, -1)
    quota = np.where(limited[p.quota_pool], p.quota_pool, -1)
    reached = np.bincount(p.routes.option[p.routes.is_open], minlength=len(place))  # origins near enough
    alike = np.stack([p.option_workload, pool, quota, p.is_spot, place, reached], axis=1).astype(np.int64)
    label = np.unique(alike, axis=0, return_inverse=True)[1].ravel()
    kept = np.zeros(len(label), dtype=bool)
    for score in (p.capacity / np.maximum(p.pool_units, 1e-9), p.capacity, -p.capacity):
        order = np.lexsort((p.price_hourly, -score, label))
        _, first = np.unique(label[order], return_index=True)
        kept[order[first]] = True
    kept[p.bounds.option] = True  # their counts may be asked for, or bounded where others are not
    return np.asarray(kept & p.is_admissible)


def too_many(p: Problem, share: Floats, used: Bools) -> Bools:
    """(I,) options to do without if one workload uses more than it may: of each those that serve least.

    None of workloads with an origin that only some options reach.
    """
    w, served = p.option_workload, share * p.capacity
    must = ((p.max_spot_share < 1) & (p.demand[:, 0] > 0)) | (p.min_on_demand_replicas > 0)
    firm = np.flatnonzero(~p.is_spot & must[w])
    firm = firm[np.lexsort((p.pool_units[firm] / p.capacity[firm], -served[firm], ~used[firm], w[firm]))]
    first = np.zeros(len(w), dtype=bool)  # the firm option that each workload needs
    first[firm[np.unique(w[firm], return_index=True)[1]]] = True
    order = np.lexsort((-served, ~used, ~first, w))
    begin = np.searchsorted(w[order], np.arange(len(p.workloads)))
    rank = np.empty(len(w))
    rank[order] = np.arange(len(w)) - begin[w[order]]
    count = np.bincount(w[(share > NEAR) | used], minlength=len(p.workloads))
    return np.asarray((count > p.max_options).any() & (rank >= p.max_options[w]) & p.routes.reaches_all[w])


def leeway(p: Problem, pool_price: Floats) -> Leeway:
    """What may give way: each rule by its share of what it asks for."""
    peak = np.maximum(p.demand.max(axis=1, initial=0.0), 1e-9)
    size, most = np.ones((len(p.workloads), 8)), np.zeros((len(p.workloads), 8))
    rules: dict[int, tuple[str, Any, Any]] = {
        FEWER: ("min_replicas", p.min_replicas, p.min_replicas),
        MORE: ("max_replicas", np.where(np.isfinite(p.max_replicas), p.max_replicas, 1.0), np.inf),
        FEWER_FIRM: ("min_on_demand_replicas", p.min_on_demand_replicas, p.min_on_demand_replicas),
        SPOT: ("max_spot_share", np.ones_like(peak), 1.0 - p.max_spot_share),
        REGIONS: ("min_regions", p.min_regions, p.min_regions - 1.0),
        SHARE: ("max_region_share", peak, np.inf),
        SURVIVE: ("survive_region_loss", np.ones_like(peak), 1.0),
        OPTIONS: ("max_options", np.where(np.isfinite(p.max_options), p.max_options, 1.0), np.inf),
    }
    for rule, (name, whole, bound) in rules.items():
        size[:, rule] = PRICES[name] / np.maximum(whole, 1e-9 if rule == SHARE else 1.0)
        most[:, rule] = np.maximum(bound, 0.0)
    return Leeway(size, most, pool_price)


def pool_prices(p: Problem) -> Floats:
    """(P,) what one more unit of each limit costs: its share of the limit or of what could be drawn."""
    each = p.demand.max(axis=1, initial=0.0)[p.option_workload] * p.pool_units / p.capacity
    price = np.zeros(len(p.pools))
    for k in range(len(p.pools)):
        members = p.members(k)
        need = np.zeros(len(p.workloads))
        np.maximum.at(need, p.option_workload[members], each[members])
        limit = p.pool_limit[k][np.isfinite(p.pool_limit[k])].max(initial=0.0)
        only_spot = len(members) > 0 and bool(p.is_spot[members].all())
        price[k] = (SPOT_POOL_PRICE if only_spot else 1.0) * PRICES["within_pool"]
        price[k] /= max(limit, float(need.sum()), 1e-9)
    return price


def at_period(p: Problem, t: int, raised: Floats) -> Problem:
    """One period of a problem, with limits raised."""
    return replace(
        p, periods=(p.periods[t],), hours=p.hours[[t]], demand=p.demand[:, [t]],
        pool_limit=p.pool_limit[:, [t]] + raised[:, None], bounds=p.bounds.in_period(t),
        scenarios=p.scenarios.in_period(t), work=p.work.in_period(),
    )  # fmt: skip


def eased(p: Problem, replicas: Floats, t: int) -> Problem:
    """The problem with the rules of workloads as the replicas of one period need them."""
    one = at_period(p, t, np.zeros(len(p.pools)))
    found = steps_of(one, replicas, {}, set(p.workloads))
    return apply_steps(p, [step for step in found if step.rule not in {"within_pool", "max_options"}])


def made_whole(p: Problem, share: Floats, top: Floats, used: Bools) -> Floats:
    """(I,) whole replicas near fractional ones.

    Args:
        p: a problem of one period, limits as far as they have been raised; options in the order of workloads.
        share: (I,) replicas that need not be whole.
        top: (I,) most replicas.
        used: (I,) options that run in other periods.
    """
    from optimizer.solve.whole import make_whole  # noqa: PLC0415  numba takes a while

    rounded = np.ceil(share - NEAR)
    n = rounded.copy()
    left = np.append(p.pool_limit[:, 0] - drawn_on(p, n[:, None])[:, 0], np.inf)  # the row -1
    limited = np.append(np.isfinite(p.pool_limit).any(axis=1), False)
    scarce = p.pool_units * (limited[p.pool] | limited[p.quota_pool]) + 1e-9 * p.price_hourly
    quota = np.where(p.quota_pool == p.pool, -1, p.quota_pool)
    rules, begin = own_rules(p), p.by_workload[1]
    make_whole(
        begin, p.capacity, ~p.is_spot, region_number(p), p.pool_units, p.pool, quota, scarce, top, used,
        rules, n, left,
    )  # fmt: skip
    # It knows nothing of routes and bounds: workloads with an origin that some options do not reach, or with
    # bounds of options, stay rounded up.
    apart = ~p.routes.reaches_all
    apart[p.option_workload[p.bounds.option]] = True
    return np.where(apart[p.option_workload], rounded, n)


def own_rules(p: Problem) -> Floats:
    """(W, 9) the rules of workloads in the one period of a problem, in the order of `whole.RULES`."""
    need = p.demand[:, 0]
    floored = (need > 0) | (p.min_replicas > 0) | (p.min_on_demand_replicas > 0)
    columns = (
        need, (1.0 - p.max_spot_share) * need, p.min_replicas, p.max_replicas, p.min_on_demand_replicas,
        np.where(floored, p.min_regions, 0), p.max_region_share, p.survive_region_loss, p.max_options,
    )  # fmt: skip
    return np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.float64)


def steps_of(p: Problem, replicas: Floats, barred: Barred, names: set[str]) -> Iterator[Step]:
    """What has to be relaxed for some replicas to be allowed."""
    over = drawn_on(p, replicas) - p.pool_limit
    for k in np.flatnonzero((over > NEAR * (1.0 + np.abs(p.pool_limit))).any(axis=1)):
        at = np.flatnonzero(over[k] > NEAR)
        limit = float(p.pool_limit[k, at[over[k, at].argmax()]])
        yield Step(
            "within_pool", p.pools[k], limit, limit + float(over[k].max()), tuple(p.periods[t] for t in at)
        )
    for i, rule in barred.items():
        if replicas[i].max(initial=0) > 0:
            name = p.workloads[p.option_workload[i]]
            yield Step("not_allowed", name, None, None, option=p.option_id[i], by_rule=rule)
    rows = p.sum_by_workload(replicas), p.sum_by_workload(replicas * ~p.is_spot[:, None])
    firm = p.sum_by_workload(replicas * (p.capacity * ~p.is_spot)[:, None])
    for w, name in enumerate(p.workloads):
        if name in names:
            yield from counts_of(p, w, rows[0][w], rows[1][w], firm[w])
            yield from spread_of(p, w, replicas)


def counts_of(p: Problem, w: int, count: Floats, firm_count: Floats, firm: Floats) -> Iterator[Step]:
    """Steps for the rules of one workload that count replicas and firm capacity."""
    name = p.workloads[w]
    if count.max(initial=0.0) > p.max_replicas[w]:
        yield Step("max_replicas", name, float(p.max_replicas[w]), float(count.max()))
    if count.min(initial=np.inf) < p.min_replicas[w]:
        yield Step("min_replicas", name, float(p.min_replicas[w]), float(count.min()))
    if firm_count.min(initial=np.inf) < p.min_on_demand_replicas[w]:
        yield Step(
            "min_on_demand_replicas", name, float(p.min_on_demand_replicas[w]), float(firm_count.min())
        )
    wanted = p.demand[w] > 0
    share = 1.0 - float((firm[wanted] / p.demand[w, wanted]).min(initial=1.0))
    if share > p.max_spot_share[w] + NEAR:
        yield Step("max_spot_share", name, float(p.max_spot_share[w]), rounded_up(share))


def spread_of(p: Problem, w: int, replicas: Floats) -> Iterator[Step]:
    """Steps for the rules of one workload about regions and about how many options it uses."""
    name, options = p.workloads[w], p.options_of(w)
    n = replicas[options]
    used = int((n.max(axis=1, initial=0) > 0).sum())
    if used > p.max_options[w]:
        yield Step("max_options", name, float(p.max_options[w]), float(used))
    if not (p.min_regions[w] > 1 or p.max_region_share[w] < 1 or p.survive_region_loss[w]):
        return
    places = sorted({(p.provider[i], p.region[i]) for i in options})
    region = np.array([places.index((p.provider[i], p.region[i])) for i in options])
    held = np.zeros((len(places), n.shape[1]))
    np.add.at(held, region, p.capacity[options][:, None] * n)
    total, need = held.sum(axis=0), p.demand[w]
    floored = p.min_replicas[w] > 0 or p.min_on_demand_replicas[w] > 0
    in_use = (held > 0).sum(axis=0).astype(float)[(need > 0) | floored]
    if p.min_regions[w] > 1 and in_use.min(initial=np.inf) < p.min_regions[w]:
        yield Step("min_regions", name, float(p.min_regions[w]), float(in_use.min()))
    share = float((held.max(axis=0) / np.where(total > 0, total, 1.0)).max(initial=0.0))
    if share > p.max_region_share[w] + NEAR:
        yield Step("max_region_share", name, float(p.max_region_share[w]), rounded_up(share))
    if p.survive_region_loss[w] and (total - held.max(axis=0) < need - NEAR * (1.0 + need)).any():
        yield Step("survive_region_loss", name, None, None)


def rounded_up(share: float) -> float:
    """A share as people would set it, no less."""
    return min(1.0, float(np.ceil(share * 1000.0 - NEAR) / 1000.0))


def priced(step: Step) -> float:
    """What a step costs beside others: by how much of itself a rule gives way."""
    if step.found is None or step.needed is None:
        return PRICES[step.rule]
    size = 1.0 if step.rule.endswith("share") else max(abs(step.found), abs(step.needed), 1.0)
    return PRICES[step.rule] * abs(step.needed - step.found) / size
