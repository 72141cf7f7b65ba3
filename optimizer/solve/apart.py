"""Large problems in which some workloads have rules that the kernel does not know.

First the whole problem without these rules: its prices tell what shared things are worth, its bound holds for
the problem with them, for rules only ever cost. Then each such workload alone, the largest first, by the
compact model at these prices and within what is left of limits: its options are chosen in a few periods that
stand for all, its counts period by period. The plain workloads are decomposed beside what these draw.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.bounds import Bounds, Ramp
from optimizer.losses import Scenarios
from optimizer.problem import Bools, Floats, Ints, Placement, Problem, cost
from optimizer.routes import Routes
from optimizer.solve.compact import build
from optimizer.solve.components import Part, admitted, by_period, only_with, restrict, together
from optimizer.solve.covering import cover_usd
from optimizer.solve.decomposition import decompose, with_cover
from optimizer.solve.draws import drawn_on
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.plans import Pricing
from optimizer.solve.small import solve_component
from optimizer.solve.solution import Solution
from optimizer.solve.terms import PAIR, is_plain, terms_of
from optimizer.survival import Survival

LEAST_USD = 1e-9  # of a replica-hour at prices
FEW_PERIODS = 3  # that stand for all where options are chosen
FIRM_EACH, SPOT_EACH = 2, 1  # options of a region that are looked at
SHARES = (1.0, 0.5, 0.1)  # of demand that they are cheapest for
MORE_REGIONS = 3  # than a workload must be in
CHOICE_GAP, ALONE_GAP = 0.05, 0.005
EXACT = Limits(gap_share=0.0, nodes=0, seconds=60.0)


def can_relax(p: Problem) -> bool:
    """Whether without rules that the kernel does not know the problem is plain: no caps, no shifting work."""
    return not len(p.caps) and not p.work.is_asked.any() and bool(is_plain(loose(p).problem).all())


def placed_apart(problem: Problem, *, gap_share: float) -> Solution | None:
    """A placement beside the bound of the problem without the rules; None where a workload finds no room."""
    plain = ~needs_model(problem)
    free = loose(problem)
    found = decompose(free.problem, gap_share=gap_share)
    if found is None:
        return None
    terms, kinds = terms_of(free.problem)
    added = found.shared.added(found.proof.prices)
    value, _ = Pricing(terms, kinds)(added, left=found.shared.limit)
    of_option = np.zeros(problem.shape[1:])
    of_option[free.options] = added[terms.kind]
    replica = replica_usd(problem, of_option)
    # That of the prices, which is a sum over workloads; one period may have a closer one that is not.
    dropped = float(problem.migration_cost_usd @ problem.current_replicas)
    bound = found.proof.bound_usd + dropped + float((least_usd(problem, replica, value) - value).sum())
    priced = at_prices(problem, replica)
    parts, left = list[tuple[Part, Placement]](), problem.pool_limit
    for w in np.flatnonzero(~plain)[np.argsort(-problem.demand[~plain].sum(axis=1), kind="stable")]:
        part = restrict(replace(priced, pool_limit=left), np.array([w]))
        placed = alone(part.problem)
        if placed is None:
            return None
        parts.append((part, placed))
        left = np.maximum(left - drawn_on(problem, placed.replicas, part.options), 0.0)
    rest = restrict(replace(in_pairs(problem), pool_limit=left), np.flatnonzero(plain))
    if len(rest.options):
        others = decompose(rest.problem, gap_share=gap_share)
        if others is None or others.placement is None:
            return None
        parts.append((rest, others.placement))
    placement = with_cover(problem, together(problem, parts))
    usd = cost(problem, placement)
    close = usd - bound <= gap_share * abs(usd)
    return Solution(placement, usd, min(bound, usd), (), "gap" if close else "rounds")


def loose(p: Problem) -> Part:
    """The whole problem `relaxed`, but without the options that no placement may use."""
    part = admitted(p)
    return replace(part, problem=relaxed(part.problem))


def relaxed(p: Problem) -> Problem:
    """The problem without the rules that the kernel does not know; at most two options each."""
    workloads, options, periods = p.shape
    return replace(
        in_pairs(p),
        min_regions=np.ones(workloads, dtype=np.int64),
        max_region_share=np.ones(workloads),
        survive_region_loss=np.zeros(workloads, dtype=bool),
        routes=Routes.none(workloads, options),
        survival=Survival.none(workloads, options),
        bounds=Bounds.none(),
        ramp=Ramp.none(workloads),
        scenarios=Scenarios.none(workloads, len(p.pools), periods),
    )


def least_usd(problem: Problem, replica: Floats, value: Floats) -> Floats:
    """(W,) least cost of each workload with its rules, over that of dropping what runs.

    Args:
        problem: with all rules.
        replica: (I, T) USD of a replica, at prices.
        value: (W,) least cost without the rules that the kernel does not know, with at most two options.
    """
    count = np.bincount(problem.option_workload, minlength=len(value))
    several = np.minimum(problem.max_options, count) > PAIR
    least = np.where(several, with_any_options(problem, replica, np.flatnonzero(several)), value)
    unpaid = without_commitments(problem)
    for w in np.flatnonzero(needs_model(problem)):
        part = restrict(unpaid, np.array([w]))
        stay = float(part.problem.migration_cost_usd @ part.problem.current_replicas)
        least[w] = max(least[w], in_fractions(part.problem, replica[part.options]) - stay)
    return least


def with_any_options(problem: Problem, replica: Floats, workloads: Ints) -> Floats:
    """(W,) least cost of some workloads with any number of options, over that of dropping what runs."""
    w = problem.option_workload
    egress = problem.egress_usd_per_unit[:, None] * problem.hours
    total = np.zeros(len(problem.workloads))
    begin = np.searchsorted(w, np.arange(len(total) + 1)).astype(np.int64)
    cover_usd(
        workloads, begin, problem.capacity, ~problem.is_spot, replica, egress, problem.demand,
        1.0 - problem.max_spot_share, total,
    )  # fmt: skip
    taken_up = np.where(problem.current_replicas > 0, 0.0, problem.activation_cost_usd[w])
    first = np.full(len(total), np.inf)
    np.minimum.at(first, w, taken_up)
    runs = problem.demand.max(axis=1, initial=0.0) > 0
    stay = np.bincount(w, problem.migration_cost_usd * problem.current_replicas, len(total))
    return np.asarray(total + np.where(runs, first, 0.0) - stay, dtype=float)


def needs_model(p: Problem) -> Bools:
    """(W,) workloads with rules that the kernel does not know; of more than two options, two will do."""
    return ~is_plain(in_pairs(p))


def in_pairs(p: Problem) -> Problem:
    """The problem with at most two options each."""
    return replace(p, max_options=np.minimum(p.max_options, PAIR))


def in_fractions(p: Problem, replica: Floats) -> float:
    """Cost of one workload in fractions of replicas, each at (I, T) USD: no placement of it costs less."""
    program = build(p)
    n, prices = program.columns_of("n"), program.cost.copy()
    prices[n] += replica - p.price_hourly[:, None] * p.hours
    found = minimise(replace(program.relaxed(), cost=prices), EXACT)
    return found.objective if found.values is not None else 0.0


def replica_usd(problem: Problem, added: Floats) -> Floats:
    """(I, T) USD of a replica in a period at (I, T) prices added to a unit; never below nothing."""
    usd = problem.price_hourly[:, None] * problem.hours + problem.pool_units[:, None] * added
    return np.asarray(np.maximum(usd, LEAST_USD), dtype=float)


def at_prices(problem: Problem, replica: Floats) -> Problem:
    """The problem with (I, T) USD of a replica, in the mean, as the price of options, and no commitments."""
    hourly = replica.sum(axis=1) / problem.hours.sum()
    return replace(without_commitments(problem), price_hourly=hourly)


def without_commitments(p: Problem) -> Problem:
    """The same with none: prices tell what they are worth."""
    none = np.zeros(0)
    return replace(
        p,
        commitments=(),
        committed_usd_per_hour=none,
        offered_max_usd_per_hour=none,
        fee_per_usd=none,
        committed_rate=p.committed_rate[:0],
        covered_list_price=p.covered_list_price[:0],
    )


def alone(p: Problem) -> Placement | None:
    """One workload by the compact model; None where it misses a rule."""
    near = only_near(p)
    chosen = solve_component(in_few_periods(near.problem), CHOICE_GAP)
    if chosen.shortfalls:
        return None
    usable = np.zeros(len(p.option_id), dtype=bool)
    # Pinned ones are among them: a plan without them misses a rule.
    usable[near.options[chosen.placement.replicas.max(axis=1) > 0]] = True
    few = only_with(p, usable)
    # Their number is settled and paid for, so that periods are apart unless a ramp ties them together.
    settled = replace(few.problem, max_options=np.full(1, np.inf), activation_cost_usd=np.zeros(1))
    parts = list[tuple[Part, Placement]]()
    for part in by_period(replace(few, problem=settled)) if usable.any() else ():
        found = solve_component(part.problem, ALONE_GAP)
        if found.shortfalls:
            return None
        parts.append((part, found.placement))
    return together(p, parts)


def only_near(p: Problem) -> Part:
    """The problem with a few options of the cheapest regions, those that run now and those that must run.

    Cheapest for all of demand, for half of it and for a little: large, small and beside others.
    """
    usable = p.current_replicas > 0
    usable[p.bounds.option] = True
    most = len(p.option_id) if len(p.routes) else int(p.min_regions[0]) + MORE_REGIONS
    for share in SHARES:
        need = share * p.demand[0]
        usd = np.ceil(need / p.capacity[:, None] - 1e-9) @ p.hours * p.price_hourly
        usd += p.egress_usd_per_unit * (need @ p.hours)
        order = np.argsort(usd, kind="stable")
        order = order[p.is_admissible[order]]
        regions = list(dict.fromkeys(p.region[i] for i in order))[:most]
        for is_spot, each in ((False, FIRM_EACH), (True, SPOT_EACH)):
            for region in regions:
                mine = [i for i in order if p.region[i] == region and bool(p.is_spot[i]) == is_spot]
                usable[mine[:each]] = True
    return restrict(p, np.arange(1), usable)


def in_few_periods(p: Problem) -> Problem:
    """The problem in the periods of least, middle and most demand, which stand for all others."""
    periods = len(p.periods)
    if periods <= FEW_PERIODS or len(p.bounds.option) or np.isfinite(p.ramp.max_replicas).any():
        return p
    order = np.argsort(p.demand[0], kind="stable")
    picked = np.sort(order[np.linspace(0, periods - 1, FEW_PERIODS).astype(int)])
    return replace(
        p,
        periods=tuple(p.periods[t] for t in picked),
        hours=np.full(FEW_PERIODS, p.hours.sum() / FEW_PERIODS),
        demand=p.demand[:, picked],
        pool_limit=p.pool_limit.min(axis=1, keepdims=True).repeat(FEW_PERIODS, axis=1),
        scenarios=Scenarios.none(1, len(p.pools), FEW_PERIODS),
        work=type(p.work).none(1, FEW_PERIODS),
    )
