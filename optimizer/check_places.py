"""The checker's rules about places: countries, latency, routes, and what is left when one place is lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Placement, Problem
from optimizer.reach import servable
from optimizer.violations import TOLERANCE, Violation, at, of_option, slack


def check_residency(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Nothing runs in a country where its workload may not be."""
    used = placement.replicas.max(axis=1, initial=0)
    for i in np.flatnonzero((used > 0) & ~problem.residency.keeps(problem.option_workload)):
        country = problem.residency.option_country[i] or "country unknown"
        yield Violation("residency", f"{of_option(problem, i)} in {country}", float(used[i]), 0.0)


def check_latency(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Round trip and service time keep the limit on every route in use; nothing runs where no route does."""
    routes, limit = problem.routes, problem.routes.max_latency_ms
    used = placement.replicas.max(axis=1, initial=0) > 0
    for i in np.flatnonzero(used & ~routes.keeps(problem.option_workload)):
        least = min([routes.total_ms[r] for r in routes.into(np.array([i]))], default=routes.latency_ms[i])
        allowed = float(limit[problem.option_workload[i]])
        yield Violation("max_latency_ms", of_option(problem, i), float(least), allowed)
    if not len(routes):
        return
    for r in np.flatnonzero(~routes.is_open & (placement.routed.max(axis=1, initial=0.0) > TOLERANCE)):
        where = f"{of_option(problem, routes.option[r])} from {routes.origin[routes.source[r]]}"
        allowed = float(limit[routes.workload[routes.source[r]]])
        yield Violation("max_latency_ms", where, float(routes.total_ms[r]), allowed)


def check_routes(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """What an option serves is what comes over its routes, and no origin gets more than it asks for."""
    routes = problem.routes
    if not len(routes):
        return
    over = routes.sum_by_option(placement.routed)
    routed = routes.is_routed[problem.option_workload][:, None]
    for i, t in np.argwhere(routed & (np.abs(over - placement.served) > slack(placement.served))):
        found, told = float(over[i, t]), float(placement.served[i, t])
        yield Violation("routed_as_served", of_option(problem, i, t), found, told)
    asked = routes.share[:, None] * problem.demand[routes.workload]
    served = routes.sum_by_source(placement.routed)
    for g, t in np.argwhere(served > asked + slack(asked)):
        where = f"{problem.workloads[routes.workload[g]]} from {routes.origin[g]},{problem.periods[t]}"
        yield Violation("not_over_served", where, float(served[g, t]), float(asked[g, t]))


def check_survival(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Each region, and each zone, is deleted in turn: what is left serves its share of demand."""
    for flags, losses, rule in (
        (problem.survive_region_loss, without_regions, "survive_region_loss"),
        (problem.survival.survive_zone_loss, without_zones, "survive_zone_loss"),
    ):
        for w in map(int, np.flatnonzero(flags)):
            need = problem.survival.headroom_share[w] * problem.demand[w]
            left = losses(problem, placement, w)
            least = np.min(list(left.values()), axis=0) if left else np.zeros(len(need))
            for t in np.flatnonzero(least < need - slack(need)):
                yield Violation(rule, at(problem, w, t), float(least[t]), float(need[t]))


def without_regions(problem: Problem, placement: Placement, w: int) -> dict[str, Floats]:
    """(T,) demand that a workload can still serve with one of its regions gone, by "provider/region"."""
    count = placement.replicas[problem.options_of(w)]
    return {
        name: servable(problem, w, count * ~here[:, None])
        for name, here in regions_in_use(problem, w, count).items()
    }


def without_zones(problem: Problem, placement: Placement, w: int) -> dict[str, Floats]:
    """(T,) demand that a workload can still serve with the fullest zone of a region gone, by region."""
    options = problem.options_of(w)
    count = placement.replicas[options]
    lost = -(-count // problem.survival.zones[options][:, None])
    return {
        name: servable(problem, w, count - lost * here[:, None])
        for name, here in regions_in_use(problem, w, count).items()
    }


def regions_in_use(problem: Problem, w: int, count: Ints) -> dict[str, Bools]:
    """Which of a workload's options lie in each region where any of them runs, by "provider/region"."""
    options = problem.options_of(w)
    places = [(problem.provider[i], problem.region[i]) for i in options]
    used = sorted({places[n] for n in np.flatnonzero(count.max(axis=1, initial=0) > 0)})
    return {
        f"{provider}/{region}": np.array([place == (provider, region) for place in places], dtype=bool)
        for provider, region in used
    }
