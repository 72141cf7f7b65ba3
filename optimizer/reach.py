"""How much of a workload's demand given capacity can serve when not every option serves every origin."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats, Ints, Problem

WHOLE = 1_000_000_000  # parts that flows are counted in: SciPy's are whole 32-bit numbers


def servable(problem: Problem, w: int, replicas: Ints) -> Floats:
    """(T,) what (options of w, T) replicas can serve: their capacity, or as much as routes let through.

    Where routes tell origins and options apart it is the largest flow from origins over open routes.
    """
    room = problem.capacity[problem.options_of(w)][:, None] * replicas
    if open_to_all(problem, w):
        return np.asarray(room.sum(axis=0), dtype=float)
    routes = problem.routes
    asked = routes.share[routes.sources_of(w)][:, None] * problem.demand[w]
    reached = reaches(problem, w)
    return np.array([largest_flow(asked[:, t], room[:, t], reached) for t in range(room.shape[1])])


def open_to_all(problem: Problem, w: int) -> bool:
    """Whether every origin of a workload may be served by every one of its options."""
    routes = problem.routes
    if not routes.is_routed[w]:
        return True
    return bool(reaches(problem, w).all())


def reaches(problem: Problem, w: int) -> np.ndarray:
    """(sources, options of w) where a route is open."""
    routes = problem.routes
    return routes.table(w, problem.options_of(w), np.ones(len(routes)), 0.0) > 0


def largest_flow(asked: Floats, room: Floats, reached: np.ndarray) -> float:
    """Most that can flow from origins that ask for so much into options with so much room."""
    from scipy.sparse import csr_array  # noqa: PLC0415  a tenth of a second that only routes should cost
    from scipy.sparse.csgraph import maximum_flow  # noqa: PLC0415  the same

    total = float(asked.sum())
    if total <= 0:
        return float(room.sum())
    origins, options = reached.shape
    unit = WHOLE / total
    size = origins + options + 2
    first, last = 0, size - 1
    edges = np.argwhere(reached)
    rows = [np.full(origins, first), edges[:, 0] + 1, np.arange(options) + origins + 1]
    columns = [np.arange(origins) + 1, edges[:, 1] + origins + 1, np.full(options, last)]
    most = [np.rint(asked * unit), np.full(len(edges), WHOLE), np.minimum(np.rint(room * unit), WHOLE)]
    shape = (np.concatenate(rows), np.concatenate(columns))
    graph = csr_array((np.concatenate(most).astype(np.int32), shape), shape=(size, size))
    return float(maximum_flow(graph, first, last).flow_value / unit)
