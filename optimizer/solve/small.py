"""Small problems: the compact model, the solver's status never trusted.

Feasibility and cost are computed anew by `optimizer.problem`; the bound is the solver's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from optimizer.caps import EVERY_PERIOD, RULE, USD
from optimizer.check import check
from optimizer.errors import SolverError
from optimizer.nodes import Packing
from optimizer.problem import Floats, Placement, Problem, cap_use, cost
from optimizer.solve import highs
from optimizer.solve.compact import build, is_strict_first, missed_levels, missed_rules, rule_size
from optimizer.solve.highs import Limits
from optimizer.solve.own_units import back, in_units, sizes_of
from optimizer.solve.program import NONE, Program, taken
from optimizer.solve.routing import freely_routed, routed_apart
from optimizer.solve.solution import ShadowPrice, Shortfall, Solution, last_reason
from optimizer.violations import slack

if TYPE_CHECKING:
    from optimizer.solve.pulp_model import OwnRows, Solver
    from optimizer.solve.sharing import Sharing

MAX_NODES = 20_000
FEW_COLUMNS = 50  # up to which all nodes are searched where something is missed
MANY_COLUMNS = 600  # beyond which each workload goes on missing what was found for it
TIME_LIMIT_SECONDS = 300.0
LEAST_MISSED_GAP_SHARE = 1e-6  # of what is missed: the cost is weighed only among placements that miss least
ROUNDING = 1e-7  # of what a rule asks for, up to which it is not missed
LEEWAYS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)  # of what is missed, relative to its size: what solvers round


@dataclass(frozen=True)
class Own:
    """What a caller brings along: rows beside those of the model, and a solver of PuLP's."""

    rows: OwnRows | None = None
    solver: Solver | None = None


# Runs a solver on a program to a gap, from values to begin with where there are any.
Find: TypeAlias = "Callable[[Program, float, Floats | None], Run | None]"


def solve_component(problem: Problem, gap_share: float, own: Own | None = None) -> Solution:
    """Strictly where possible; else miss as little as possible, by priority, then at least cost."""
    roomy = own is not None and own.rows is not None
    size = np.ones(len(problem.workloads)) if roomy else sizes_of(problem)  # own rows are in the usual units
    p = in_units(problem, size)
    sharing = sharing_of(p) if len(p.nodes) else None
    find: Find = partial(minimise, own=own) if sharing is None else sharing.minimise
    found = None
    if is_strict_first(p):
        found = by_priority(p, build(p, roomy=roomy), gap_share, find)
    if found is None:
        program = build(p, elastic=True, roomy=roomy)
        is_large = len(program.cost) > MANY_COLUMNS and sharing is None and own is None
        found = by_priority(p, program, gap_share, find, keeps_each=is_large)
    if found is None:
        clash = "upper limits or own rows clash" if roomy else "upper limits clash"
        raise SolverError(f"no placement exists for {', '.join(problem.workloads)}: {clash}")
    program, run = found
    placement = back(problem, read_placement(p, program, run.values, sharing, as_routed=roomy), size)
    missed = missed_places(p, program, run.values)
    shortfalls = tuple(read_shortfalls(problem, missed, placement))
    usd = cost(problem, placement)
    return Solution(placement, usd, run.bound, shortfalls, run.stopped_by)


def sharing_of(problem: Problem) -> Sharing:
    """How nodes that are shared can be packed."""
    from optimizer.solve.sharing import Sharing  # noqa: PLC0415  numba takes a while

    return Sharing(problem)


def by_priority(
    problem: Problem, program: Program, gap_share: float, find: Find, *, keeps_each: bool = False
) -> tuple[Program, Run] | None:
    """What may be missed is minimised in the order of its priority, each kept at its least; then the cost.

    Each begins from the answer of the one before, which is not lost where a limit of nodes ends the search.
    Where such a limit leaves open what the least is, `keeps_each` has each workload miss no more than in the
    answer, which is weighed in a tenth of the time: measured on 300 workloads, at 1 % more cost. The bound
    holds for all that miss no more together.
    Gives the program with these rows; None where nothing is feasible at all.
    """
    missed = [(weights, LEAST_MISSED_GAP_SHARE) for _, weights in missed_levels(problem, program)]
    run, upper = None, program.upper
    reasons: list[str] = []
    for weights, gap in (*missed, (program.cost, gap_share)):
        kept = [program] if run is None else least_missed(program, run, len(reasons), keeps_each=keeps_each)
        start = None if run is None else run.values
        for one in kept:
            program = replace(one, cost=weights)
            run = find(program, gap, start)
            if run is not None:
                reasons.append(run.stopped_by)
                break
        if run is None:
            break
    if run is None and reasons:
        raise SolverError("the solver lost the least-missed placement it had found")
    if run is not None and program.upper is not upper:
        least = find(replace(program, upper=upper).relaxed(), 0.0, None)
        run = replace(run, bound=-np.inf if least is None else min(run.bound, least.objective))
    return None if run is None else (program, replace(run, stopped_by=last_reason(reasons)))


def least_missed(program: Program, run: Run, level: int, *, keeps_each: bool) -> Iterator[Program]:
    """The program with no more missed by its cost than in a run: a hair's breadth, more if that loses all."""
    for leeway in LEEWAYS:
        kept = program.and_row(f"least_missed_{level}", program.cost, run.objective * (1 + 1e-6) + leeway)
        if keeps_each and run.stopped_by != "gap":
            each = np.where(program.cost > 0, run.values * (1 + 1e-6) + leeway, np.inf)
            kept = replace(kept, upper=np.minimum(kept.upper, each))
        yield kept


def shadow_prices(problem: Problem) -> Iterator[ShadowPrice]:
    """What one more unit of each limit or commitment is worth: duals without whole numbers."""
    if not np.isfinite(problem.pool_limit).any() and not len(problem.commitments):
        return
    found = relaxed(problem)
    if found is None:
        return  # a shortage: what more would be worth has no price
    _, pools, commitments = found
    for t, period in enumerate(problem.periods):
        for k, name in enumerate(problem.pools):
            yield ShadowPrice("pool", name, period, float(pools[k, t]))
        for c, name in enumerate(problem.commitments):
            yield ShadowPrice("commitment", name, period, float(commitments[c, t]))


def relaxed(problem: Problem) -> tuple[float, Floats, Floats] | None:
    """Cost without whole numbers, (P, T) rents, (C, T) worths of commitments; None where infeasible."""
    program = build(problem).relaxed()
    run = sharing_of(problem).duals(program) if len(problem.nodes) else minimise(program, 0.0)
    if run is None:
        return None
    pools, commitments = (
        np.maximum(0.0, -taken(run.duals, program.rows_of(name)))
        for name in ("within_pool", "within_commitment")
    )
    periods = len(problem.periods)
    return (
        run.objective,
        pools if pools.size else np.zeros((len(problem.pools), periods)),
        commitments if commitments.size else np.zeros((len(problem.commitments), periods)),
    )


@dataclass(frozen=True)
class Run:
    """What one call of the solver proved."""

    values: Floats
    objective: float
    bound: float
    stopped_by: str
    duals: Floats


def minimise(
    program: Program, gap_share: float, start: Floats | None = None, own: Own | None = None
) -> Run | None:
    """Run the solver to a gap or a node limit; None if it is infeasible. The clock is only a safety net."""
    limits = Limits(gap_share, MAX_NODES, TIME_LIMIT_SECONDS)
    if own is not None:
        return by_pulp(program, limits, own)
    fewer = replace(limits, nodes=most_nodes(program))
    found = highs.minimise(program, fewer, start)
    if start is not None and np.isneginf(found.bound):  # a start may mislead HiGHS: see there
        alone = highs.minimise(program, fewer)
        found = found if alone.values is None else alone
    if "nfeasible" in found.status:
        return None
    if found.values is None:
        found = highs.minimise(program, limits, start)
    if found.values is None or found.status not in STOPPED_BY:
        without = " and without a placement" if found.values is None else ""
        raise SolverError(f"HiGHS ended with {found.status!r}{without}")
    return Run(found.values, found.objective, found.bound, STOPPED_BY[found.status], found.duals)


def most_nodes(program: Program) -> int:
    """Where a search ends. What many workloads miss is never proven to be the least, only searched for.

    A node takes time by the square of the columns. Measured on 100 workloads whose quotas serve 57 % of their
    demand: 20,000 nodes an interval find 0.3 % less to miss than the first one does.
    """
    if not any(True for _ in missed_rules(program)):
        return MAX_NODES
    share = min(1.0, (FEW_COLUMNS / max(1, len(program.cost))) ** 2)
    return max(1, int(MAX_NODES * share))


def by_pulp(program: Program, limits: Limits, own: Own) -> Run | None:
    """Run a solver of PuLP. Its status names no limit, so without a proven gap it was stopped by time."""
    from optimizer.solve import pulp_model  # noqa: PLC0415  PuLP takes a while and is rarely asked for

    found = pulp_model.minimise(program, limits, own.rows, own.solver)
    if found.values is None and found.status in ("Infeasible", "Undefined"):
        return None
    if found.values is None:
        raise SolverError(f"the solver ended with {found.status!r} and without a placement")
    close = found.objective - found.bound <= limits.gap_share * abs(found.objective) + 1e-9
    return Run(found.values, found.objective, found.bound, "gap" if close else "time", found.duals)


STOPPED_BY = {
    "Optimal": "gap",
    "Time limit reached": "time",
    "Solution limit reached": "nodes",
    "Iteration limit reached": "nodes",
}


def read_placement(
    problem: Problem, program: Program, values: Floats, sharing: Sharing | None, *, as_routed: bool = False
) -> Placement:
    """The program's values as arrays: counts rounded to whole numbers, demand shared out over what runs.

    `as_routed` leaves demand where the program sent it, which rows of one's own may be about.
    """
    replicas = np.rint(program.spread(values, "n")).astype(np.int64)
    covered = np.maximum(0.0, program.spread(values, "y"))
    bought = np.maximum(0.0, program.spread(values, "b"))
    amounts = servable(problem, replicas)
    served = share_out(problem, replicas, amounts) + work_done(problem, replicas, problem.work.amount)
    if as_routed:
        sent = np.clip(program.spread(values, "x"), 0.0, problem.capacity[:, None] * replicas)
        served = np.where(program.columns_of("x") != NONE, sent, served)
    served, routed = routed_apart(problem, replicas, amounts, served)
    packing = Packing.none() if sharing is None else sharing.packing(program, values, replicas)
    placed = Placement(replicas, served, covered, bought, freely_routed(problem, served, routed), packing)
    left = left_for_caps(problem, program, values, placed)
    return placed if left is None else serving_less(problem, placed, *left)


def serving_less(problem: Problem, placed: Placement, demand_left: Floats, work_left: Floats) -> Placement:
    """The placement with (W, T) demand and work left undone, from where egress is dearest."""
    replicas = placed.replicas
    amounts = np.minimum(servable(problem, replicas), problem.demand - demand_left)
    served = share_out(problem, replicas, amounts)
    served += work_done(problem, replicas, problem.work.amount - work_left.sum(axis=1))
    served, routed = routed_apart(problem, replicas, amounts, served)
    return replace(placed, served=served, routed=freely_routed(problem, served, routed))


def left_for_caps(
    problem: Problem, program: Program, values: Floats, placed: Placement
) -> tuple[Floats, Floats] | None:
    """(W, T) demand and work that the program leaves undone because egress would break a cap on money.

    None where all that runs may serve without breaking a cap that the program keeps.
    """
    caps, missed = problem.caps, dict(missed_rules(program))
    money = np.flatnonzero(caps.of_kind(USD) & ~caps.is_priced)
    if not missed or not len(money):
        return None
    most = caps.limit + taken(values, program.columns_of("over"))
    excess: Floats = cap_use(problem, placed) - most - slack(most)
    broken = money[excess[money] > 0]
    if not len(broken):
        return None
    inside, nothing = np.any(caps.member[broken], axis=0, keepdims=True).T, np.zeros_like(problem.demand)
    demand, work = (
        np.where(inside, taken(values, missed[rule]), 0.0) if rule in missed else nothing
        for rule in ("meet_demand", "finish_work")
    )
    return demand, work


def servable(problem: Problem, replicas: np.ndarray) -> Floats:
    """(W, T) demand that running capacity can serve without leaning on spot beyond its share."""
    room = problem.capacity[:, None] * replicas
    total, firm = np.zeros_like(problem.demand), np.zeros_like(problem.demand)
    np.add.at(total, problem.option_workload, room)
    np.add.at(firm, problem.option_workload, room * ~problem.is_spot[:, None])
    share = 1.0 - problem.max_spot_share[:, None]
    most = np.divide(firm, share, out=np.full_like(firm, np.inf), where=share > 0)
    return np.minimum(problem.demand, np.minimum(total, most))


def share_out(problem: Problem, replicas: np.ndarray, amounts: Floats) -> Floats:
    """(I, T) served by each option: cheapest egress first, then in proportion to what is left.

    For given replicas and amounts (W, T) this routing is optimal: no other cost depends on it.
    """
    served = np.zeros(replicas.shape)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        left = amounts[w].copy()
        egress = problem.egress_usd_per_unit[options]
        for level in np.unique(egress):
            tier = options[egress == level]
            room = problem.capacity[tier][:, None] * replicas[tier]
            total = room.sum(axis=0)
            taken = np.minimum(left, total)
            served[tier] = room * np.divide(taken, total, out=np.zeros_like(total), where=total > 0)
            left -= taken
    return served


def work_done(problem: Problem, replicas: np.ndarray, most: Floats) -> Floats:
    """(I, T) work done by options in its window, (W,) `most`: cheapest egress, then in proportion to room."""
    done, hours = np.zeros(replicas.shape), problem.hours
    window = problem.work.window(len(hours))
    for w in map(int, np.flatnonzero(problem.work.is_asked)):
        options, share = problem.options_of(w), 1.0 - problem.max_spot_share[w]
        room = problem.capacity[options][:, None] * replicas[options] * window[w]
        firm = float((room[~problem.is_spot[options]] @ hours).sum())
        left = min(most[w], firm / share if share > 0 else np.inf)
        egress = problem.egress_usd_per_unit[options]
        for level in np.unique(egress):
            tier = egress == level
            total = float((room[tier] @ hours).sum())
            taken = min(left, total)
            if total > 0:
                done[options[tier]] = room[tier] * (taken / total)
            left -= taken
    return done


def missed_places(problem: Problem, program: Program, values: Floats) -> Iterator[tuple[str, str, str]]:
    """Rule, workload or cap, and period of what the elastic model missed by more than rounding."""
    caps = problem.caps
    over = taken(values, program.columns_of("over")) if len(caps) else np.zeros(0)
    for k in np.flatnonzero(over > ROUNDING * (1.0 + caps.limit)):
        yield RULE[caps.kind[k]], caps.name[k], EVERY_PERIOD
    for rule, place in sorted(missed_rules(program)):
        for w, t in np.argwhere(taken(values, place) > ROUNDING * (1.0 + rule_size(problem, rule))):
            yield rule, problem.workloads[w], problem.periods[t]


def read_shortfalls(
    problem: Problem, missed: Iterable[tuple[str, str, str]], placement: Placement
) -> Iterable[Shortfall]:
    """The rules that are missed, by rule, workload and period; by how much is the checker's word."""
    found = {(violation.rule, violation.where): violation for violation in check(problem, placement)}
    for rule, workload, period in missed:
        violation = found.get((rule, f"{workload},{period}"))
        if violation is not None:
            missing = abs(violation.allowed - violation.found)
            yield Shortfall(rule, workload, period, missing, violation.allowed)
