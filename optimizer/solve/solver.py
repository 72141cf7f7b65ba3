"""Solve a `Problem`: independent parts apart, small ones by the compact model, large ones by decomposition.

Whatever finds a placement, the checker of `optimizer.problem` has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from optimizer.admit import turned_away
from optimizer.check import check
from optimizer.cover_rule import oversaved
from optimizer.errors import InfeasibleError, SolverError
from optimizer.problem import Placement, Problem, cost
from optimizer.processes import processes
from optimizer.solve.components import Part, by_period, groups, only_with, restrict, together
from optimizer.solve.solution import ShadowPrice, Solution, last_reason
from optimizer.solve.terms import is_plain

if TYPE_CHECKING:
    from optimizer.solve.pulp_model import OwnRows, Solver

# Options times periods from which on plain workloads are placed by decomposition: at 2,160 (60 workloads) the
# compact model proves 0.5 % not in five minutes, decomposition in less than a second.
LARGE = 1_500
# From which on they are tried by decomposition first, and by the compact model where that leaves a gap.
MEDIUM = 300
MOST_COMPARED = 300  # workloads up to which simpler policies are tried even where the gap is proven


def solve(
    problem: Problem,
    *,
    gap_share: float = 0.005,
    priced: bool = False,
    start: Sequence[ShadowPrice] = (),
    rows: OwnRows | None = None,
    solver: Solver | None = None,
    jobs: int = 1,
) -> Solution:
    """Place every workload at least cost.

    Args:
        problem: options that residency, latency or their own bounds rule out are left aside.
        gap_share: stop a part once its gap is proven to be this small.
        priced: also tell what limits and commitments are worth.
        start: shadow prices of a problem much alike, such as yesterday's: a large problem is placed sooner
            from there. They change neither what is proven nor the gap.
        rows: adds rows to the compact model, see `optimizer.solve.pulp_model.to_pulp`; called for each model
            that is made (a shortage takes two more). Small problems only. Counts may then be up to ten times
            what could be optimal without these rows, and 100 more.
        solver: a solver of PuLP, such as `pulp.GUROBI(msg=False)`, instead of HiGHS. Small problems only.
        jobs: processes that may solve parts of a large problem; the answer is the same.

    Raises:
        ValueError: a commitment saves more for a unit than it costs; own rows or a solver would be ignored.
        InfeasibleError: a workload, or an origin of one, has no admissible option.
        SolverError: no placement came back or the checker refused it.
    """
    breaches = list(oversaved(problem))
    if breaches:
        raise ValueError("\n".join(breaches))
    told = turned_away(problem)
    if told:
        raise InfeasibleError("\n".join(told))
    if rows is not None or solver is not None:
        whole = solved_with_pulp(problem, gap_share, rows, solver, priced=priced)
    elif problem.is_admissible.all():
        whole = join(problem, list(solved_parts(problem, gap_share, priced=priced, start=start, jobs=jobs)))
    else:
        part = only_with(problem, problem.is_admissible)
        found = list(solved_parts(part.problem, gap_share, priced=priced, start=start, jobs=jobs))
        whole = join(problem, [(part, join(part.problem, found))])
    refused = check(problem, whole.placement)
    if whole.shortfalls:
        known = {(s.rule, f"{s.workload},{s.period}") for s in whole.shortfalls}
        refused = tuple(violation for violation in refused if (violation.rule, violation.where) not in known)
    if refused:
        raise SolverError("the checker refuses the placement: " + "; ".join(map(str, refused[:5])))
    return whole


def solved_with_pulp(
    problem: Problem, gap_share: float, rows: OwnRows | None, solver: Solver | None, *, priced: bool
) -> Solution:
    """The whole problem as one model: own rows may tie anything together."""
    _, options, periods = problem.shape
    if options * periods >= LARGE:
        raise ValueError(
            f"own rows and solvers are for fewer than {LARGE} options times periods, here are "
            f"{options * periods}: what is larger is placed by decomposition, which would ignore them"
        )
    if len(problem.nodes):
        raise ValueError(
            "own rows and solvers know nothing of packing: give each option instances of its own"
        )
    if priced:
        raise ValueError("shadow prices are those of the model without own rows: ask for either, not both")
    from optimizer.solve.small import Own, solve_component  # noqa: PLC0415  a solver takes a while to load

    return solve_component(problem, gap_share, Own(rows, solver))


def solved_parts(
    problem: Problem, gap_share: float, *, priced: bool, start: Sequence[ShadowPrice] = (), jobs: int = 1
) -> Iterator[tuple[Part, Solution]]:
    """Every part with its solution; all that can be decomposed is one part."""
    _, options, periods = problem.shape
    apart = groups(problem)
    if options * periods >= LARGE:
        plain = is_plain(problem)
        together = [group for group in apart if plain[group].all()]
        if together:
            part = restrict(problem, np.sort(np.concatenate(together)))
            solution = decomposed(part.problem, gap_share, start)
            if solution is not None:
                yield part, solution
                apart = [group for group in apart if not plain[group].all()]
    for group in apart:
        whole = restrict(problem, group)
        solution = by_prices(whole.problem, gap_share)
        if solution is not None:
            yield whole, solution
            continue
        yield from each_solved(list(by_period(whole)), gap_share, priced=priced, jobs=jobs)


def each_solved(
    parts: Sequence[Part], gap_share: float, *, priced: bool, jobs: int
) -> Iterator[tuple[Part, Solution]]:
    """Parts with their solutions, those of a large problem by so many processes: the same however many."""
    find = partial(solved_part, gap_share=gap_share, priced=priced)
    jobs = min(jobs, len(parts))
    if jobs < 2 or sum(part.problem.demand.shape[1] * len(part.options) for part in parts) < LARGE:
        yield from ((part, find(part.problem)) for part in parts)
        return
    with processes(jobs) as pool:
        yield from zip(parts, pool.map(find, [part.problem for part in parts]), strict=True)


def by_prices(problem: Problem, gap_share: float) -> Solution | None:
    """A large part that is not plain, by prices all the same; None where the compact model has to do it.

    Caps are rationed by a price of their own, workloads with rules that the kernel does not know go first.
    """
    _, options, periods = problem.shape
    if options * periods < LARGE:
        return None
    from optimizer.solve.apart import can_relax, placed_apart  # noqa: PLC0415  numba takes a while
    from optimizer.solve.capped import capped, is_capped  # noqa: PLC0415  the same

    if is_capped(problem):
        return capped(problem, gap_share=gap_share)
    return placed_apart(problem, gap_share=gap_share) if can_relax(problem) else None


def solved_part(problem: Problem, gap_share: float, *, priced: bool) -> Solution:
    """A small part: by decomposition where that proves the gap, else by the compact model as well."""
    from optimizer.solve.small import shadow_prices, solve_component  # noqa: PLC0415  HiGHS takes a while

    _, options, periods = problem.shape
    is_medium = options * periods >= MEDIUM and bool(is_plain(problem).all())
    first = decomposed(problem, gap_share) if is_medium else None
    if first is not None and first.stopped_by == "gap":
        return first
    second = with_nodes(problem, gap_share) if len(problem.nodes) else solve_component(problem, gap_share)
    if first is not None and not second.shortfalls:
        best = min(first, second, key=lambda solution: solution.cost_usd)
        return replace(best, bound_usd=min(max(first.bound_usd, second.bound_usd), best.cost_usd))
    return replace(second, shadow_prices=tuple(shadow_prices(problem)) if priced else ())


def with_nodes(problem: Problem, gap_share: float) -> Solution:
    """Shared nodes where they are cheaper than instances alone."""
    from optimizer.solve.small import solve_component  # noqa: PLC0415  HiGHS takes a while

    shared = solve_component(problem, gap_share)
    own, bounds = ~problem.nodes.is_shared, problem.bounds
    served = np.bincount(problem.option_workload[own], minlength=len(problem.workloads)) > 0
    if not served.all() or (bounds.fewest[problem.nodes.is_shared[bounds.option]] > 0).any():
        return shared
    part = only_with(problem, own)
    alone = join(problem, [(part, solve_component(part.problem, gap_share))])
    if alone.shortfalls or (not shared.shortfalls and shared.cost_usd <= alone.cost_usd):
        return shared
    bound = 0.0 if shared.shortfalls else shared.bound_usd
    return replace(alone, bound_usd=min(bound, alone.cost_usd), stopped_by=shared.stopped_by)


def decomposed(problem: Problem, gap_share: float, start: Sequence[ShadowPrice] = ()) -> Solution | None:
    """By prices of what workloads share; None where a shortage leaves one of them without room."""
    from optimizer.solve import decomposition  # noqa: PLC0415  numba takes a while

    found = decomposition.decompose(problem, gap_share=gap_share, start=start)
    if found is None or found.placement is None:
        return None
    placement, usd = found.placement, cost(problem, found.placement)
    close = usd - found.bound_usd <= gap_share * abs(usd)
    if not close or len(problem.workloads) <= MOST_COMPARED:
        placement = cheapest(problem, placement)
        usd = cost(problem, placement)
        close = usd - found.bound_usd <= gap_share * abs(usd)
    stopped_by = "gap" if close else "rounds"
    prices = tuple(decomposition.shadow_prices(problem, found))
    return Solution(placement, usd, min(found.bound_usd, usd), (), stopped_by, prices)


def cheapest(problem: Problem, placement: Placement) -> Placement:
    """The placement, or what a simpler policy or the present fleet costs, if that is less."""
    from optimizer.solve import baselines  # noqa: PLC0415  numba takes a while

    policies = (baselines.current, baselines.greedy)
    others = [other for other in (policy(problem) for policy in policies) if other is not None]
    return min((placement, *others), key=lambda each: cost(problem, each))


def is_whole(part: Part, problem: Problem) -> bool:
    """Whether a part is the whole problem in its order."""
    p = part.problem
    same = p.shape == problem.shape and p.pools == problem.pools and p.commitments == problem.commitments
    same = same and p.nodes.name == problem.nodes.name
    return same and bool((part.options == np.arange(len(problem.option_id))).all())


def join(problem: Problem, parts: Sequence[tuple[Part, Solution]]) -> Solution:
    """The parts' placements put together in the whole problem's order.

    Options in none of the parts do not run: that drops their present fleet, whatever it costs.
    """
    if len(parts) == 1 and not len(problem.routes) and is_whole(parts[0][0], problem):
        return parts[0][1]  # large ones are gigabytes: no copy
    dropped = problem.migration_cost_usd * problem.current_replicas
    for part, _ in parts:
        dropped[part.options] = 0.0
    placement = together(problem, [(part, solution.placement) for part, solution in parts])
    return Solution(
        placement,
        cost(problem, placement),
        sum(solution.bound_usd for _, solution in parts) + float(dropped.sum()),
        tuple(shortfall for _, solution in parts for shortfall in solution.shortfalls),
        last_reason(solution.stopped_by for _, solution in parts),
        tuple(price for _, solution in parts for price in solution.shadow_prices),
    )
