"""Kinds of nodes that another kind replaces one for one, with whatever is packed on them, at no cost.

Node b goes for a when a costs no more, has as much of every resource, and each workload that may be on b has
an option on a that serves as much, needs no more and is as good in any other respect a model can see.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.node_shares import pods_as_instances
from optimizer.problem import Bools, Ints, Problem

Dominated = Callable[[Problem, int, Ints], Bools]  # which options of a workload one of them replaces


def on_dominated_nodes(problem: Problem, dominated: Dominated) -> Bools:
    """(I,) options on nodes that another kind replaces.

    Args:
        problem: with nodes, or without.
        dominated: the same question for instances, where pods and what they are on count as one.
    """
    nodes, on = problem.nodes, problem.nodes.is_shared
    if not on.any():
        return on
    replaced = replacements(problem, dominated)
    users = np.zeros((len(problem.workloads), len(nodes)), dtype=bool)
    users[problem.option_workload[on], nodes.of_option[on]] = True
    better = replaced == users.sum(axis=0)
    np.fill_diagonal(better, val=False)
    gone = np.zeros(len(nodes), dtype=bool)
    for a in np.lexsort((np.arange(len(nodes)), nodes.price_hourly)):
        if not gone[a]:
            gone |= better[a]
    return np.asarray(on & gone[np.maximum(nodes.of_option, 0)], dtype=bool)


def replacements(problem: Problem, dominated: Dominated) -> Ints:
    """(N, N) workloads that node a serves as well as node b does."""
    nodes = problem.nodes
    count = np.zeros((len(nodes), len(nodes)), dtype=np.int64)
    one_each = pods_as_instances(problem)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        options = options[nodes.is_shared[options]]
        for a in options:
            near = options[is_as_roomy(problem, int(a), options)]
            fine = near[dominated(one_each, int(a), near)]
            count[nodes.of_option[a], np.unique(nodes.of_option[fine])] += 1
    return count


def is_as_roomy(problem: Problem, a: int, options: Ints) -> Bools:
    """Which options of a workload a replaces pod by pod, on nodes of no more room and no lower price."""
    nodes = problem.nodes
    here, there = nodes.of_option[a], nodes.of_option[options]
    fine = problem.capacity[options] <= problem.capacity[a]
    fine &= (nodes.need[a] <= nodes.need[options]).all(axis=1)
    fine &= (nodes.room[here] >= nodes.room[there]).all(axis=1)
    return np.asarray(fine & (nodes.price_hourly[here] <= nodes.price_hourly[there]), dtype=bool)
