"""Small problems in units of their own: a model knows no difference below about 1e-7 of what it counts.

Where a demand is counted in millions, what a unit costs or how much missing it weighs is less than that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.problem import Floats, Placement, Problem

USUAL = 1024.0  # replicas up to this size, and down to one divided by it, leave units as they are


def sizes_of(p: Problem) -> Floats:
    """(W,) units of each workload: its largest replica, as a power of two, which changes no digit."""
    largest = np.zeros(len(p.workloads))
    np.maximum.at(largest, p.option_workload, p.capacity)
    far = (largest > USUAL) | ((largest > 0) & (largest < 1.0 / USUAL))
    return np.asarray(np.where(far, np.exp2(np.rint(np.log2(np.where(far, largest, 1.0)))), 1.0))


def in_units(p: Problem, size: Floats) -> Problem:
    """The problem with so many units of each workload counted as one."""
    if (size == 1.0).all():
        return p
    of_option, routes = size[p.option_workload], p.routes
    return replace(
        p,
        demand=p.demand / size[:, None],
        capacity=p.capacity / of_option,
        egress_usd_per_unit=p.egress_usd_per_unit * of_option,
        work=replace(p.work, amount=p.work.amount / size),
        routes=replace(
            routes, egress_usd_per_unit=routes.egress_usd_per_unit * size[routes.workload[routes.source]]
        ),
        scenarios=replace(p.scenarios, slo_usd_per_unit=p.scenarios.slo_usd_per_unit * size),
    )


def back(p: Problem, placed: Placement, size: Floats) -> Placement:
    """The placement with what is served in the problem's own units."""
    routed = placed.routed
    if routed.size:
        routed = routed * size[p.routes.workload[p.routes.source]][:, None]
    return replace(placed, served=placed.served * size[p.option_workload][:, None], routed=routed)
