"""Independent parts of a problem: workloads that share no limit and no commitment are solved apart.

So are periods that nothing ties together. Exact: the cost of a problem is the sum over its parts, and so is
the bound. Small models prove their gap in a fraction of the time that one large one takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.caps import CHANGED
from optimizer.nodes import Packing
from optimizer.problem import COMMITMENT_ARRAYS, OPTION_ARRAYS, OPTION_NAMES, Bools, Ints, Placement, Problem
from optimizer.solve.routing import freely_routed


@dataclass(frozen=True)
class Part:
    """One independent part, with the places of what is in it in the whole."""

    problem: Problem
    options: Ints
    commitments: Ints
    periods: Ints
    routes: Ints
    pools: Ints
    nodes: Ints


def groups(problem: Problem) -> list[Ints]:
    """Workloads of each independent part, in their order."""
    labels = part_of(problem)[: len(problem.workloads)]
    order = np.argsort(labels, kind="stable").astype(np.int64)
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []


def components(problem: Problem) -> Iterator[Part]:
    """Every independent part, cut into periods where nothing ties them together."""
    for group in groups(problem):
        yield from by_period(restrict(problem, group))


def by_period(part: Part) -> Iterator[Part]:
    """The part cut into its periods, unless something spans them: see `spans_periods`."""
    p = part.problem
    if spans_periods(p):
        yield part
        return
    for t in part.periods:
        one = replace(
            p,
            periods=(p.periods[t],),
            hours=p.hours[[t]],
            demand=p.demand[:, [t]],
            pool_limit=p.pool_limit[:, [t]],
            # Moving from the present fleet is paid in the first period only.
            migration_cost_usd=p.migration_cost_usd if t == 0 else np.zeros_like(p.migration_cost_usd),
            bounds=p.bounds.in_period(int(t)),
            scenarios=p.scenarios.in_period(int(t)),
            work=p.work.in_period(),
        )
        yield replace(part, problem=one, periods=np.array([t]))


def spans_periods(p: Problem) -> bool:
    """Whether a count of options, an activation, a purchase, a ramp, a cap or work ties periods together."""
    counted = np.isfinite(p.max_options).any() or (p.activation_cost_usd > 0).any()
    bought = (p.offered_max_usd_per_hour > 0).any()
    shared = p.caps.ties.any() or p.work.is_asked.any()
    return bool(counted or bought or shared or np.isfinite(p.ramp.max_replicas).any())


def part_of(problem: Problem) -> Ints:
    """(W + P + C + K + N,) label of the component of every workload, pool, commitment, cap and node pool."""
    w, p = len(problem.workloads), len(problem.pools)
    limited = np.asarray(np.isfinite(problem.pool_limit).any(axis=1), dtype=bool)
    reached = np.asarray((~np.isnan(problem.committed_rate)).any(axis=0), dtype=bool)
    drawing = (problem.pool, problem.quota_pool, np.where(problem.is_coverable, problem.pool, -1))
    edges = [
        np.stack([problem.option_workload[binds], w + pool[binds]])
        for pool, binding in zip(drawing, (limited, limited, reached), strict=True)
        if p
        for binds in [(pool >= 0) & binding[pool]]
    ]
    c, k = np.nonzero(~np.isnan(problem.committed_rate))
    cap, member = np.nonzero(problem.caps.member & problem.caps.ties[:, None])
    after = w + p + len(problem.commitments)
    more = (np.stack([w + p + c, w + k]), np.stack([after + cap, member]))
    last = after + len(problem.caps)
    under = edges_of_nodes(problem, last, w, limited, reached)
    rows, columns = np.concatenate([*edges, *more, *under], axis=1)
    size = last + len(problem.nodes)
    return connected(rows, columns, size)


def connected(one: Ints, other: Ints, size: int) -> Ints:
    """(size) component of each thing, numbered in their order, where pairs of things are tied together.

    Everything points to the first thing it is known to be tied to, until nothing changes. SciPy can do it as
    well, and importing what it takes for that is a tenth of a second.
    """
    first = np.arange(size)
    while True:
        before = first.copy()
        low = np.minimum(first[one], first[other])
        for end in (one, other):
            np.minimum.at(first, end, low)
            np.minimum.at(first, before[end], low)
        first = first[first]
        if (first == before).all():
            return np.unique(first, return_inverse=True)[1].astype(np.int64)


def edges_of_nodes(problem: Problem, first: int, pools: int, limited: Bools, reached: Bools) -> list[Ints]:
    """What ties node pools to the workloads on them, to limits and to pools that commitments reach.

    Args:
        problem: whose.
        first: number of the first node pool in the graph.
        pools: number of the first pool in it.
        limited: (P,) pools with a limit.
        reached: (P,) pools that commitments reach.
    """
    nodes, each = problem.nodes, np.arange(len(problem.nodes))
    on = np.flatnonzero(nodes.is_shared)
    edges = [np.stack([problem.option_workload[on], first + nodes.of_option[on]])]
    for pool, binding in (
        (nodes.pool, limited),
        (nodes.quota_pool, limited),
        (np.where(nodes.is_coverable, nodes.pool, -1), reached),
    ):
        binds = (pool >= 0) & np.append(binding, False)[pool]
        edges.append(np.stack([first + each[binds], pools + pool[binds]]))
    return edges


def together(problem: Problem, parts: Sequence[tuple[Part, Placement]]) -> Placement:
    """The parts' placements in the whole problem's order; nothing runs of what is in none of them."""
    if len(parts) == 1 and parts[0][0].problem is problem:
        return parts[0][1]
    _, options, periods = problem.shape
    replicas, served = np.zeros((options, periods), dtype=np.int64), np.zeros((options, periods))
    covered = np.zeros((len(problem.commitments), len(problem.pools), periods))
    bought = np.zeros(len(problem.commitments))
    routed = np.zeros((len(problem.routes), periods))
    packing = Packing.none()
    for part, placed in parts:
        rows = np.ix_(part.options, part.periods)
        replicas[rows], served[rows] = placed.replicas, placed.served
        covered[np.ix_(part.commitments, part.pools, part.periods)] = placed.covered
        packing = packing.and_also(placed.packing.within(part.nodes, part.options, part.periods))
        bought[part.commitments] = placed.bought_usd_per_hour
        if placed.routed.size:
            routed[np.ix_(part.routes, part.periods)] = placed.routed
    routed = freely_routed(problem, served, routed)
    return Placement(replicas, served, covered, bought, routed, packing)


def as_part(p: Problem) -> Part:
    """The whole problem as its only part: no copy, large ones are gigabytes."""
    _, options, periods = p.shape
    sizes = (options, len(p.commitments), periods, len(p.routes), len(p.pools), len(p.nodes))
    return Part(p, *(np.arange(size) for size in sizes))


def sizes_of(p: Problem) -> tuple[int, int, int, int, int]:
    """Numbers of workloads, options, pools, commitments and node pools."""
    return len(p.workloads), len(p.option_id), len(p.pools), len(p.commitments), len(p.nodes)


def admitted(problem: Problem) -> Part:
    """The whole problem without the options that no placement may use; see `optimizer.admit`."""
    if problem.is_admissible.all():
        return as_part(problem)
    return restrict(problem, np.arange(len(problem.workloads)), problem.is_admissible)


def only_with(problem: Problem, usable: Bools) -> Part:
    """The whole problem in which nothing runs but what is usable.

    Other options are left out, unless their present fleet counts: these stay, and are barred.
    """
    kept = usable | is_counted_from(problem)
    barred = kept & ~usable
    if barred.any():
        bounds = problem.bounds.barring(np.flatnonzero(barred), len(problem.periods))
        nodes = replace(problem.nodes, of_option=np.where(barred, -1, problem.nodes.of_option))
        problem = replace(problem, bounds=bounds, nodes=nodes)
    return restrict(problem, np.arange(len(problem.workloads)), kept)


def is_counted_from(p: Problem) -> Bools:
    """(I,) options whose present fleet a ramp or a cap on changes counts from, even where they never run.

    What dropping a fleet costs is the same in every placement without it: `solver.join` adds that.
    """
    ramped = p.ramp.from_current & np.isfinite(p.ramp.max_replicas)
    counted = (ramped | p.caps.counted(CHANGED))[p.option_workload]
    return np.asarray(counted & (p.current_replicas > 0), dtype=bool)


def restrict(problem: Problem, workloads: Ints, usable: Bools | None = None) -> Part:
    """The problem of some workloads only, with their pools and the commitments that can cover them.

    Options come in the order of workloads; of those that are not `usable` there are none.
    """
    order, _ = problem.by_workload
    options = order[np.isin(problem.option_workload[order], workloads)]
    if usable is not None:
        options = options[usable[options]]
    pools = problem.pools_of(options)
    nodes = problem.nodes.used_by(options)
    covering = np.union1d(
        problem.pool[options[problem.is_coverable[options]]],
        problem.nodes.pool[nodes[problem.nodes.is_coverable[nodes]]],
    )
    reached = ~np.isnan(problem.committed_rate[:, covering[covering >= 0]])
    commitments = np.flatnonzero(reached.any(axis=1))
    kept_sizes = (len(workloads), len(options), len(pools), len(commitments), len(nodes))
    if kept_sizes == sizes_of(problem) and (np.diff(options) > 0).all():
        return as_part(problem)
    new_pool = np.full(len(problem.pools) + 1, -1)
    new_pool[pools] = np.arange(len(pools))
    kept: dict[str, Any] = {name: getattr(problem, name)[workloads] for name in WORKLOAD_ARRAYS}
    kept |= {name: getattr(problem, name)[options] for name in OPTION_ARRAYS}
    kept |= {name: tuple(map(getattr(problem, name).__getitem__, options.tolist())) for name in OPTION_NAMES}
    kept |= {name: getattr(problem, name)[commitments] for name in COMMITMENT_ARRAYS}
    part = replace(
        problem,
        **kept,
        workloads=tuple(problem.workloads[w] for w in workloads),
        option_workload=np.searchsorted(workloads, problem.option_workload[options]),
        pool=new_pool[problem.pool[options]],
        quota_pool=new_pool[problem.quota_pool[options]],
        pools=tuple(problem.pools[k] for k in pools),
        pool_limit=problem.pool_limit[pools],
        commitments=tuple(problem.commitments[c] for c in commitments),
        committed_rate=problem.committed_rate[np.ix_(commitments, pools)],
        covered_list_price=problem.covered_list_price[np.ix_(commitments, pools)],
        **problem.groups_of(workloads, options, pools),
    )
    periods = np.arange(len(problem.periods))
    return Part(part, options, commitments, periods, problem.routes.into(options), pools, nodes)


WORKLOAD_ARRAYS = (
    "demand",
    "max_spot_share",
    "max_options",
    "activation_cost_usd",
    "min_regions",
    "max_region_share",
    "min_replicas",
    "max_replicas",
    "min_on_demand_replicas",
    "survive_region_loss",
)
