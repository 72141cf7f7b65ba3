"""The checker's rules about shared nodes: what is on them fits, and every replica is on one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.nodes import RESOURCES
from optimizer.problem import Placement, Problem
from optimizer.violations import TOLERANCE, Violation, of_option, slack


def check_packing_form(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """The arrays of the packing belong together and name what exists; nothing can be read off them if not."""
    packing, (_, options, periods) = placement.packing, problem.shape
    kinds, entries = len(packing.node), len(packing.kind)
    for name, size, below in (
        ("node", kinds, len(problem.nodes)),
        ("period", kinds, periods),
        ("count", kinds, None),
        ("kind", entries, kinds),
        ("option", entries, options),
        ("replicas", entries, None),
    ):
        values = getattr(packing, name)
        if values.shape != (size,):
            yield Violation("shape", f"packing.{name} {values.shape}", values.size, float(size))
        elif not np.issubdtype(values.dtype, np.integer):
            yield Violation("integer", f"packing.{name} {values.dtype}", 0.0, 0.0)
        elif size and below is not None and not 0 <= values.min() <= values.max() < below:
            yield Violation("shape", f"packing.{name}", float(values.max()), float(below - 1))
        elif values.min(initial=0) < 0:
            yield Violation("non_negative", f"packing.{name}", float(values.min()), 0.0)


def check_nodes(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """What is on a node fits in every resource, is allowed there, and adds up to the replicas."""
    nodes, packing = problem.nodes, placement.packing
    _, options, periods = problem.shape
    shared = nodes.is_shared[:, None]
    packed = packing.packed((options, periods)) if len(packing) else np.zeros((options, periods))
    for i, t in np.argwhere(shared & (packed != placement.replicas)):
        where = of_option(problem, i, t)
        yield Violation("replicas_on_nodes", where, float(packed[i, t]), float(placement.replicas[i, t]))
    for e in np.flatnonzero(nodes.of_option[packing.option] != packing.node[packing.kind]):
        where = f"{of_option(problem, packing.option[e])} on {node_name(problem, placement, packing.kind[e])}"
        yield Violation("node_of_option", where, float(packing.replicas[e]), 0.0)
    used = np.zeros((len(packing), len(RESOURCES)))
    np.add.at(used, packing.kind, nodes.need[packing.option] * packing.replicas[:, None])
    room = nodes.room[packing.node]
    for k, r in np.argwhere(used > room + slack(room)):
        where = f"{node_name(problem, placement, k)},{RESOURCES[r]}"
        yield Violation("fit_node", where, float(used[k, r]), float(room[k, r]))
    together = np.zeros((len(packing), len(problem.workloads)))
    np.add.at(together, (packing.kind, problem.option_workload[packing.option]), packing.replicas)
    for k, w in np.argwhere(together > nodes.max_per_node + TOLERANCE):
        where = f"{problem.workloads[w]} on {node_name(problem, placement, k)}"
        yield Violation("max_per_node", where, float(together[k, w]), float(nodes.max_per_node[w]))


def node_name(problem: Problem, placement: Placement, kind: int | np.integer) -> str:
    """Name of a kind of packed node, as it stands in messages."""
    packing = placement.packing
    node, period = problem.nodes.name[packing.node[kind]], problem.periods[packing.period[kind]]
    return f"{node} #{kind},{period}"
