"""Shared nodes by workload: what part of each node a workload pays, and the same as instances of its own.

A node is paid whole. Who is on it pays in proportion to what its pods request of the resource they need most
of (the dominant resource of Ghodsi et al. 2011, *Dominant Resource Fairness*), so that shares add up to the
nodes and what is left empty is shared alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from optimizer.nodes import Bools, Nodes, Packing
from optimizer.problem import Floats, Placement, Problem
from optimizer.rows import rows_of


def on_common_nodes(problem: Problem) -> Bools:
    """(I,) options whose nodes are for all who share them: these have the name of the option they are."""
    names = np.array([*problem.nodes.name, None], dtype=object)[problem.nodes.of_option]
    return np.asarray(names == np.array(problem.option_id, dtype=object), dtype=bool)


def pods_per_node(problem: Problem) -> Floats:
    """(I,) replicas on a node full of one option; 1 where replicas are instances of their own."""
    nodes = problem.nodes
    full = np.ones(len(problem.option_id))
    on = np.flatnonzero(nodes.is_shared)
    need, room = nodes.need[on], nodes.room[nodes.of_option[on]]
    fits = np.full(need.shape, np.inf)
    np.divide(room, need, out=fits, where=need > 0)
    most = nodes.max_per_node[problem.option_workload[on]]
    full[on] = np.maximum(np.minimum(np.floor(fits + 1e-9).min(axis=1), most), 1.0)
    return full


def instances(problem: Problem, placement: Placement) -> Floats:
    """(I, T) instances that each option pays: its replicas, or its part of the nodes they are on."""
    packing, nodes = placement.packing, problem.nodes
    count = placement.replicas.astype(float)
    count[nodes.is_shared] = 0.0
    part = parts(problem, packing)
    np.add.at(count, (packing.option, packing.period[packing.kind]), part * packing.count[packing.kind])
    return count


def parts(problem: Problem, packing: Packing) -> Floats:
    """(E,) the part of one node that each entry pays; those of a node add up to 1."""
    need = problem.nodes.need[packing.option] * packing.replicas[:, None]
    room = problem.nodes.room[packing.node[packing.kind]]
    share = np.divide(need, room, out=np.zeros_like(need), where=room > 0).max(axis=1, initial=0.0)
    total = np.bincount(packing.kind, weights=share, minlength=len(packing))[packing.kind]
    return np.asarray(np.divide(share, total, out=np.zeros_like(share), where=total > 0), dtype=float)


def as_instances(problem: Problem) -> Problem:
    """The same with instances full of one workload's pods in place of nodes, for costs by workload."""
    if not problem.nodes.is_shared.any():
        return problem
    full, one_each = pods_per_node(problem), pods_as_instances(problem)
    capacity, current = problem.capacity * full, problem.current_replicas / full
    return replace(one_each, capacity=capacity, current_replicas=current)


def pods_as_instances(problem: Problem) -> Problem:
    """The same with the price and the pools of its node on every pod."""
    nodes, on = problem.nodes, problem.nodes.is_shared
    place = np.maximum(nodes.of_option, 0)
    return replace(
        problem,
        price_hourly=np.where(on, nodes.price_hourly[place], problem.price_hourly),
        pool=problem.source_pool,
        pool_units=np.where(on, nodes.pool_units[place], problem.pool_units),
        quota_pool=np.where(on, nodes.quota_pool[place], problem.quota_pool),
        nodes=Nodes.none(len(problem.workloads), len(problem.option_id)),
    )


def shares_of_nodes(problem: Problem, placement: Placement) -> Floats:
    """(W,) what each workload pays of all nodes that are shared; even where none is planned."""
    common = on_common_nodes(problem)
    planned = instances(problem, placement) @ problem.hours * common
    paid = np.bincount(problem.option_workload, weights=planned, minlength=len(problem.workloads))
    if paid.sum() <= 0:
        paid[problem.option_workload[common]] = 1.0
    return np.asarray(paid / max(paid.sum(), 1.0e-12), dtype=float)


def present_instances(problem: Problem, placement: Placement, nodes: pd.DataFrame) -> Floats:
    """(I,) instances that each option pays now: its own, and its part of the shared nodes that run.

    Nobody counts what is on these now: they are shared as the planned ones are, evenly where none is planned.

    Args:
        problem: with the present fleet of instances.
        placement: what is planned.
        nodes: `option_id, desired` of the shared nodes that run; those that no option is on are left out.
    """
    count: Floats = as_instances(problem).current_replicas.copy()
    common, share = on_common_nodes(problem), shares_of_nodes(problem, placement)
    for option, desired in rows_of(nodes, "option_id", "desired"):
        here = np.flatnonzero(common & (np.array(problem.option_id) == option))
        weight = share[problem.option_workload[here]]
        total = weight.sum()
        count[here] += float(desired) * (weight / total if total > 0 else 1.0 / max(len(here), 1))
    return count


def nodes_of_no_option(problem: Problem, nodes: pd.DataFrame) -> pd.DataFrame:
    """Shared nodes that run and that no option of the problem is on."""
    common = set(np.array(problem.option_id, dtype=object)[on_common_nodes(problem)])
    return nodes.loc[~nodes["option_id"].isin(common)]
