"""Which option serves which origin, for given replicas: any of them, or what a linear program says."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, vstack

from optimizer.coverage import minimise
from optimizer.problem import Floats, Ints, Problem


def freely_routed(problem: Problem, served: Floats, routed: Floats) -> Floats:
    """(R, T) routed amounts with those of workloads whose routing decides nothing filled in.

    Every option then serves every origin by the origin's share of demand.
    """
    routes = problem.routes
    if not len(routes):
        return routed
    free = routes.is_free[routes.workload[routes.source]]
    share = routes.share[routes.source[free]]
    filled = routed.copy()
    filled[free] = share[:, None] * served[routes.option[free]]
    return filled


def routed_apart(problem: Problem, replicas: Ints, amounts: Floats, served: Floats) -> tuple[Floats, Floats]:
    """(I, T) served and (R, T) routed, with what the routes of workloads that are not free decide.

    Args:
        problem: what is placed.
        replicas: (I, T) what runs.
        amounts: (W, T) most that each workload may be served.
        served: (I, T) as if every option could serve every origin.
    """
    routes = problem.routes
    routed = np.zeros((len(routes), replicas.shape[1]))
    served = served.copy()
    for w in map(int, np.flatnonzero(~routes.is_free)):
        options = problem.options_of(w)
        own = routes.into(options)
        own = own[routes.is_open[own]]
        room = problem.capacity[:, None] * replicas
        for t in range(replicas.shape[1]):
            routed[own, t] = cheapest_routing(problem, own, t, room[:, t], float(amounts[w, t]))
        served[options] = 0.0
        np.add.at(served, routes.option[own], routed[own])
    return served, routed


def cheapest_routing(problem: Problem, own: Ints, t: int, room: Floats, most: float) -> Floats:
    """(own,) amounts over open routes of one workload in a period: as much as may be, then least egress.

    Args:
        problem: what is placed.
        own: routes.
        t: period.
        room: (I,) what options can serve.
        most: what may be served in all.
    """
    if not own.size or most <= 0:
        return np.zeros(len(own))
    routes, each, ones = problem.routes, np.arange(len(own)), np.ones(len(own))
    by_source = coo_array((ones, (routes.source[own], each)), shape=(len(routes.share), len(own)))
    by_option = coo_array((ones, (routes.option[own], each)), shape=(len(room), len(own)))
    rows = vstack([by_source, by_option, coo_array(ones[None, :])]).tocsr()
    asked = routes.share * problem.demand[routes.workload, t]
    limits = np.concatenate([asked, room, [most]])
    binds = np.diff(rows.indptr) > 0
    usd = problem.egress_usd_per_unit[routes.option[own]] + routes.egress_usd_per_unit[own]
    # Serving one unit more may send units of every other source another way: it must pay even then.
    worth = (len(np.unique(routes.source[own])) + 1) * (float(usd.max()) + 1.0)
    found = minimise(usd - worth, A_ub=rows[binds], b_ub=limits[binds])
    return np.asarray(np.maximum(found.x, 0.0), dtype=float)
