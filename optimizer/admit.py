"""Which options a placement may use: filters before the model, and what to say where nothing is left.

Residency, latency and options excluded by their own bounds remove options; they are never constraints of a
model. A workload whose options are all gone, or an origin that nothing reaches, is infeasible: the message
counts what each filter left and names the one whose loosening admits the cheapest option.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Bools, Ints, Problem


def turned_away(problem: Problem) -> tuple[str, ...]:
    """What to tell of every workload, or origin of one, that no option may serve."""
    told: list[str] = []
    filters = filters_of(problem)
    kept = np.logical_and.reduce(list(filters.values()))
    left = np.bincount(problem.option_workload[kept], minlength=len(problem.workloads))
    for w, name in enumerate(problem.workloads):
        options = problem.options_of(w)
        if not len(options):
            told.append(f"Workload {name!r} has no option at all: add options to it or remove it.")
        elif not left[w]:
            told.append(explain(problem, w, filters))
        else:
            told += out_of_reach(problem, w, filters)
    return (*told, *pinned_away(problem, filters))


def pinned_away(problem: Problem, filters: dict[str, Bools]) -> Iterator[str]:
    """Options that must run and that a filter rules out."""
    bounds = problem.bounds
    for i in np.unique(bounds.option[bounds.fewest > 0]):
        w = int(problem.option_workload[i])
        for name, keeps in filters.items():
            if not keeps[i]:
                pinned = f"Option {problem.option_id[i]!r} of workload {problem.workloads[w]!r} must run"
                yield f"{pinned}, but {name} rules it out: {LOOSENED[name](problem, w, int(i))}, or unpin it."


def filters_of(problem: Problem) -> dict[str, Bools]:
    """(I,) what each filter keeps, by its name."""
    _, options, periods = problem.shape
    return {
        "residency": problem.residency.keeps(problem.option_workload),
        "max_latency_ms": problem.routes.keeps(problem.option_workload),
        "max_replicas": problem.bounds.keeps(options, periods),
    }


def explain(problem: Problem, w: int, filters: dict[str, Bools]) -> str:
    """Survivors after each filter that removed something, and the cheapest single way out."""
    options = problem.options_of(w)
    left, steps = np.ones(len(options), dtype=bool), [f"{len(options)} in the tables"]
    for name, keeps in filters.items():
        before = int(left.sum())
        left &= keeps[options]
        if int(left.sum()) < before:
            steps.append(f"{int(left.sum())} left after {name}")
    text = f"Workload {problem.workloads[w]!r} has no admissible option: " + ", ".join(steps) + "."
    return f"{text} {cheapest(ways_out(problem, w, filters))}"


def ways_out(problem: Problem, w: int, filters: dict[str, Bools]) -> Iterator[tuple[float, int, str]]:
    """USD per unit, option and loosening, for every option that only one filter keeps out."""
    for name in filters:
        others = np.logical_and.reduce([keeps for other, keeps in filters.items() if other != name])
        for i in problem.options_of(w)[others[problem.options_of(w)]]:
            offer = LOOSENED[name](problem, w, int(i))
            told = f"{offer}; that admits {problem.option_id[i]} at {problem.price_hourly[i]:.4g} USD/h"
            yield float(problem.price_hourly[i] / problem.capacity[i]), int(i), told


def cheapest(ways: Iterator[tuple[float, int, str]]) -> str:
    """The way out that comes first: by price per unit served, or by distance."""
    best = min(ways, default=None)
    if best is None:
        return "No single rule is the cause: relax at least two of them."
    return f"Cheapest way out: {best[2]}."


def out_of_reach(problem: Problem, w: int, filters: dict[str, Bools]) -> Iterator[str]:
    """Origins of a workload that no option reaches within the limit, with the nearest that would."""
    routes = problem.routes
    others = filters["residency"] & filters["max_replicas"]
    for g in routes.sources_of(w):
        own = np.flatnonzero((routes.source == g) & others[routes.option])
        if routes.share[g] <= 0 or routes.is_open[own].any():
            continue
        limit = float(routes.max_latency_ms[w])
        told = f"Workload {problem.workloads[w]!r}: no option serves {routes.origin[g]} within {limit:g} ms."
        yield f"{told} {cheapest(longer_routes(problem, own))}"


def longer_routes(problem: Problem, routes: Ints) -> Iterator[tuple[float, int, str]]:
    """Round trip and service time of each route, its option, and the limit that would open it."""
    for r in routes:
        i, total = int(problem.routes.option[r]), float(problem.routes.total_ms[r])
        told = f"{raised(total)}; that admits {problem.option_id[i]} at {problem.price_hourly[i]:.4g} USD/h"
        yield total, i, told


def allow_country(problem: Problem, _: int, i: int) -> str:
    """How residency lets an option in."""
    country = problem.residency.option_country[i]
    return f"allow {country} in residency" if country else "say the option's country, or drop residency"


def raise_latency(problem: Problem, w: int, i: int) -> str:
    """How the limit on latency lets an option in."""
    into = problem.routes.into(np.array([i]))
    alone = float(problem.routes.latency_ms[i])
    return raised(float(problem.routes.total_ms[into].min()) if problem.routes.is_routed[w] else alone)


def raised(total_ms: float) -> str:
    """The least limit in whole ms that a round trip and service time keep."""
    if np.isfinite(total_ms):
        return f"raise max_latency_ms to {np.ceil(total_ms - 1e-9):.0f}"
    return "drop max_latency_ms (the round trip is unknown)"


def lift_exclusion(problem: Problem, _: int, i: int) -> str:
    """How an option's own bound lets it in."""
    return f"raise max_replicas of {problem.option_id[i]} above 0"


LOOSENED = {
    "residency": allow_country,
    "max_latency_ms": raise_latency,
    "max_replicas": lift_exclusion,
}
