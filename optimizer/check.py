"""Whether a placement is feasible: every rule of `optimizer.problem`, read off the placement itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.caps import RULE
from optimizer.check_nodes import check_nodes, check_packing_form
from optimizer.check_places import check_latency, check_residency, check_routes, check_survival
from optimizer.check_shared import check_caps, check_work
from optimizer.problem import Floats, Ints, Placement, Problem, unserved
from optimizer.violations import TOLERANCE, Violation, at, of_option, slack

BEST_EFFORT = frozenset(
    {
        "meet_demand",
        "min_replicas",
        "min_on_demand_replicas",
        "min_regions",
        "max_region_share",
        "survive_region_loss",
        "survive_zone_loss",
        "option_min_replicas",
        "max_ramp_replicas",
        "finish_work",
        *RULE.values(),
    }
)


def check(problem: Problem, placement: Placement, *, best_effort: bool = False) -> tuple[Violation, ...]:
    """Every rule the placement breaks; an empty tuple means it is feasible.

    `best_effort` accepts what a shortage of quota or pools forces: the rules in BEST_EFFORT may then be
    missed (they are reported as shortfalls), but nothing is served twice, from nowhere or beyond a limit.
    """
    wrong_form = tuple(check_form(problem, placement))
    if wrong_form:
        return wrong_form
    rules = (
        check_domain,
        check_service,
        check_replicas,
        check_spot,
        check_spread,
        check_pools,
        check_coverage,
        check_residency,
        check_latency,
        check_routes,
        check_survival,
        check_bounds,
        check_ramp,
        check_caps,
        check_work,
        check_nodes,
    )
    found: list[Violation] = []
    for rule in rules:
        found += rule(problem, placement)
    if best_effort:
        found = [violation for violation in found if violation.rule not in BEST_EFFORT]
    return tuple(found)


def check_form(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """The arrays have the problem's shape and hold numbers; no other rule can be read off them if not."""
    _, options, periods = problem.shape
    commitments = len(problem.commitments)
    expected = {
        "replicas": (options, periods),
        "served": (options, periods),
        "covered": (commitments, len(problem.pools), periods),
        "bought_usd_per_hour": (commitments,),
    }
    if len(problem.routes):
        expected["routed"] = (len(problem.routes), periods)
    for name, shape in expected.items():
        values = getattr(placement, name)
        if values.shape != shape:
            yield Violation("shape", f"{name} {values.shape}", values.size, float(np.prod(shape)))
        elif not np.isfinite(values).all():
            yield Violation("finite", name, float("nan"), 0.0)
    yield from check_packing_form(problem, placement)


def check_domain(_: Problem, placement: Placement) -> Iterator[Violation]:
    """Counts are whole and nothing is negative."""
    for name in ("replicas", "served", "covered", "routed"):
        least = float(getattr(placement, name).min(initial=0.0))
        if least < -TOLERANCE:
            yield Violation("non_negative", name, least, 0.0)
    if not np.issubdtype(placement.replicas.dtype, np.integer):
        yield Violation("integer", f"replicas {placement.replicas.dtype}", 0.0, 0.0)


def check_service(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Served amounts add up to demand, and no replica serves more than it can."""
    room = problem.capacity[:, None] * placement.replicas
    for i, t in np.argwhere(placement.served > room + slack(room)):
        where = f"{problem.option_id[i]},{problem.periods[t]}"
        yield Violation("within_capacity", where, float(placement.served[i, t]), float(room[i, t]))
    served = problem.sum_by_workload(placement.served)
    work = problem.work.is_asked[:, None]  # see `check_work`
    for w, t in np.argwhere(~work & (served > problem.demand + slack(problem.demand))):
        yield Violation(
            "not_over_served", at(problem, w, t), float(served[w, t]), float(problem.demand[w, t])
        )
    for w, t in np.argwhere(served < problem.demand - slack(problem.demand)):
        yield Violation("meet_demand", at(problem, w, t), float(served[w, t]), float(problem.demand[w, t]))


def check_replicas(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Replica totals stay within their bounds, and not too many different options are used."""
    total = problem.sum_by_workload(placement.replicas)
    low, high = problem.min_replicas[:, None], problem.max_replicas[:, None]
    for w, t in np.argwhere(total < low - TOLERANCE):
        yield Violation("min_replicas", at(problem, w, t), float(total[w, t]), float(low[w, 0]))
    for w, t in np.argwhere(total > high + TOLERANCE):
        yield Violation("max_replicas", at(problem, w, t), float(total[w, t]), float(high[w, 0]))
    used = placement.replicas.max(axis=1, initial=0) > 0
    options = np.bincount(problem.option_workload[used], minlength=len(problem.workloads))
    for w in np.flatnonzero(options > problem.max_options + TOLERANCE):
        yield Violation("max_options", problem.workloads[w], int(options[w]), float(problem.max_options[w]))


def check_spot(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Capacity that no provider can reclaim carries its share of what is served."""
    served = problem.demand - unserved(problem, placement)
    is_firm = ~problem.is_spot[:, None]
    have = problem.sum_by_workload(problem.capacity[:, None] * is_firm * placement.replicas)
    need = (1.0 - problem.max_spot_share)[:, None] * served
    for w, t in np.argwhere(have < need - slack(need)):
        yield Violation("cap_spot", at(problem, w, t), float(have[w, t]), float(need[w, t]))
    count, floor = problem.sum_by_workload(is_firm * placement.replicas), problem.min_on_demand_replicas
    for w, t in np.argwhere(count < floor[:, None] - TOLERANCE):
        yield Violation("min_on_demand_replicas", at(problem, w, t), float(count[w, t]), float(floor[w]))


def check_spread(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Enough regions are in use, and none holds more than its share of capacity.

    A workload that needs nothing in a period and has no floor may be in fewer regions, or in none.
    """
    floored = (problem.min_replicas > 0) | (problem.min_on_demand_replicas > 0)
    ruled = (problem.min_regions > 1) | (problem.max_region_share < 1)
    for w in map(int, np.flatnonzero(ruled)):
        options = problem.options_of(w)
        room = problem.capacity[options][:, None] * placement.replicas[options]
        regions = sorted({(problem.provider[i], problem.region[i]) for i in options})
        held = np.array([region_rows(problem, options, region) @ room for region in regions])
        if not len(held):
            continue
        total = held.sum(axis=0)
        for t in range(len(problem.periods)):
            in_use = int((held[:, t] > 0).sum())
            fewest = float(problem.min_regions[w])
            must_run = problem.demand[w, t] > 0 or floored[w]
            if must_run and fewest > 1 and in_use < fewest:
                yield Violation("min_regions", at(problem, w, t), in_use, fewest)
            allowed = problem.max_region_share[w] * total[t]
            if held[:, t].max() > allowed + slack(allowed):
                yield Violation(
                    "max_region_share", at(problem, w, t), float(held[:, t].max()), float(allowed)
                )


def check_pools(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """No pool gives more than it has."""
    units = problem.pool_units[:, None] * placement.replicas
    nodes = problem.nodes
    by_nodes = nodes.drawn(placement.packing.nodes((len(nodes), len(problem.periods))), len(problem.pools))
    for p, name in enumerate(problem.pools):
        drawn = units[problem.members(p)].sum(axis=0) + by_nodes[p]
        for t in np.flatnonzero(drawn > problem.pool_limit[p] + slack(drawn)):
            where = f"{name},{problem.periods[t]}"
            yield Violation("within_pool", where, float(drawn[t]), float(problem.pool_limit[p, t]))


def check_coverage(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Commitments cover only running on-demand units, and never beyond what was committed."""
    covered, bought = placement.covered, placement.bought_usd_per_hour
    units = (problem.pool_units * problem.is_coverable)[:, None] * placement.replicas
    nodes = problem.nodes
    count = placement.packing.nodes((len(nodes), len(problem.periods)))
    of_nodes = (nodes.pool_units * nodes.is_coverable)[:, None] * count
    for p, name in enumerate(problem.pools):
        running = units[problem.pool == p].sum(axis=0) + of_nodes[nodes.pool == p].sum(axis=0)
        total = covered[:, p].sum(axis=0)
        for t in np.flatnonzero(total > running + slack(running)):
            where = f"{name},{problem.periods[t]}"
            yield Violation("cover_only_running", where, float(total[t]), float(running[t]))
    for c, name in enumerate(problem.commitments):
        not_eligible = np.isnan(problem.committed_rate[c])
        if covered[c, not_eligible].sum() > TOLERANCE:
            yield Violation("cover_only_eligible", name, float(covered[c, not_eligible].sum()), 0.0)
        rate = np.where(not_eligible, 0.0, problem.committed_rate[c])
        budget = problem.committed_usd_per_hour[c] + bought[c]
        spent = rate @ covered[c]
        for t in np.flatnonzero(spent > budget + slack(spent)):
            yield Violation(
                "within_commitment", f"{name},{problem.periods[t]}", float(spent[t]), float(budget)
            )
        if bought[c] > problem.offered_max_usd_per_hour[c] + TOLERANCE or bought[c] < -TOLERANCE:
            yield Violation(
                "within_offer", name, float(bought[c]), float(problem.offered_max_usd_per_hour[c])
            )


def check_bounds(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Counts of single options stay within their own bounds; what is short is told by workload."""
    b = problem.bounds
    count = placement.replicas[b.option, b.period]
    for n in np.flatnonzero(count > b.most + TOLERANCE):
        where = of_option(problem, b.option[n], b.period[n])
        yield Violation("option_max_replicas", where, float(count[n]), float(b.most[n]))
    have, need = np.zeros_like(problem.demand), np.zeros_like(problem.demand)
    rows = problem.option_workload[b.option], b.period
    np.add.at(have, rows, np.minimum(count, b.fewest))
    np.add.at(need, rows, b.fewest)
    for w, t in np.argwhere(have < need - TOLERANCE):
        yield Violation("option_min_replicas", at(problem, w, t), float(have[w, t]), float(need[w, t]))


def check_ramp(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Totals change by no more than allowed from period to period; see `optimizer.bounds.Ramp`."""
    ramp = problem.ramp
    if not np.isfinite(ramp.max_replicas).any():
        return
    change = steps(problem, placement)
    for w, t in np.argwhere(change > ramp.max_replicas[:, None] + TOLERANCE):
        yield Violation(
            "max_ramp_replicas", at(problem, w, t), float(change[w, t]), float(ramp.max_replicas[w])
        )


def steps(problem: Problem, placement: Placement) -> Floats:
    """(W, T) by how many replicas each total differs from the one before; 0 at first, unless asked for."""
    total = problem.sum_by_workload(placement.replicas)
    now = problem.sum_by_workload(problem.current_replicas[:, None])[:, 0]
    before = np.where(problem.ramp.from_current, now, total[:, 0]) if total.shape[1] else now
    return np.abs(np.diff(total, axis=1, prepend=before[:, None]))


def region_rows(problem: Problem, options: Ints, region: tuple[str, str]) -> Floats:
    """1.0 for each of the given options that lies in a (provider, region), else 0.0."""
    return np.array([(problem.provider[i], problem.region[i]) == region for i in options], dtype=float)
