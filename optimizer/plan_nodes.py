"""Nodes in a placement plan: what is on them, what sharing saves, and the actions that get there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from optimizer.describe import change, price_of
from optimizer.inputs import Inputs
from optimizer.node_parts import NodeRow, NodeUse, Pods, Sharer, Sharing
from optimizer.node_shares import on_common_nodes
from optimizer.nodes import RESOURCES
from optimizer.plan_parts import Action
from optimizer.problem import Floats, Ints, Placement, Problem
from optimizer.rows import rows_of
from optimizer.solve import Solution
from optimizer.spend_limits import usd_per_day

SHARES = ("cpu_share", "memory_share", "gpu_share")


def node_rows(problem: Problem, solution: Solution, inputs: Inputs) -> Iterator[NodeRow]:
    """Each kind of packed node in each period, with what is on one of them."""
    packing, nodes = solution.placement.packing, problem.nodes
    prices = inputs.options.set_index("option_id")
    common = on_common_nodes(problem)
    used = requested(problem, solution.placement)
    for k in np.lexsort((np.arange(len(packing)), packing.node, packing.period)):
        held = [e for e in np.flatnonzero(packing.kind == k) if packing.replicas[e] > 0]
        if not packing.count[k] or not held:
            continue
        n, first = packing.node[k], packing.option[held[0]]
        option = problem.option_id[first]
        as_of = prices.loc[option].get("price_as_of")
        shares = share_of(used[k], nodes.room[n])
        yield NodeRow(
            period=problem.periods[packing.period[k]],
            option_id=option,
            provider=nodes.provider[n],
            region=nodes.region[n],
            instance_type=nodes.instance_type[n],
            purchase=nodes.purchase[n],
            workload=None if common[first] else problem.workloads[problem.option_workload[first]],
            nodes=int(packing.count[k]),
            price_hourly_usd=float(nodes.price_hourly[n]),
            price_as_of=None if pd.isna(as_of) else pd.Timestamp(as_of).to_pydatetime(),
            is_estimated_price=bool(prices.loc[option].get("is_estimated", False)),
            **shares,
            pods=tuple(
                Pods(
                    workload=problem.workloads[problem.option_workload[packing.option[e]]],
                    replicas=int(packing.replicas[e]),
                )
                for e in held
            ),
        )


def requested(problem: Problem, placement: Placement) -> Floats:
    """(K, R) what is on one node of each kind requests."""
    packing = placement.packing
    used = np.zeros((len(packing), len(RESOURCES)))
    np.add.at(used, packing.kind, problem.nodes.need[packing.option] * packing.replicas[:, None])
    return used


def share_of(used: Floats, room: Floats) -> dict[str, float | None]:
    """Requested over what there is, by resource."""
    shares = zip(SHARES, used, room, strict=True)
    return {name: float(wanted / has) if has > 0 else None for name, wanted, has in shares}


def sharers(problem: Problem) -> Ints:
    """Workloads whose pods may be on nodes with those of others."""
    return np.unique(problem.option_workload[on_common_nodes(problem)])


def sharing(problem: Problem, solution: Solution, alone: tuple[Problem, Solution] | None) -> Sharing | None:
    """What sharing costs and saves; None where nobody shares.

    Args:
        problem: of a typical day, and its solution.
        solution: of it.
        alone: the same workloads on nodes of their own, solved; None where nobody may share.
    """
    common = sharers(problem)
    if not len(common) or alone is None:
        return None
    costs = usd_per_day(problem, solution.placement)
    apart = {} if alone[1].shortfalls else usd_per_day(alone[0], alone[1].placement)
    names = [problem.workloads[w] for w in common]
    beside = neighbours(problem, solution.placement)
    return Sharing(
        usd_per_day=sum(costs[name] for name in names),
        alone_usd_per_day=sum(apart[name] for name in names) if apart else None,
        use=node_use(problem, solution.placement, common),
        alone_use=node_use(alone[0], alone[1].placement, np.arange(len(apart))) if apart else None,
        workloads=tuple(
            Sharer(
                workload=name,
                beside=tuple(beside.get(name, ())),
                usd_per_day=costs[name],
                alone_usd_per_day=apart.get(name),
            )
            for name in names
        ),
    )


def neighbours(problem: Problem, placement: Placement) -> dict[str, list[str]]:
    """Of each workload with pods, who else is on a node with them at some time, by name."""
    packing, found = placement.packing, dict[str, set[str]]()
    for k in range(len(packing)):
        there = packing.option[(packing.kind == k) & (packing.replicas > 0)]
        held = {problem.workloads[w] for w in problem.option_workload[there]} if packing.count[k] else set()
        for name in held:
            found.setdefault(name, set()).update(held - {name})
    return {name: sorted(others) for name, others in found.items()}


def node_use(problem: Problem, placement: Placement, workloads: Ints) -> NodeUse:
    """Requested over what nodes have, over all node-hours of some workloads."""
    packing = placement.packing
    of = np.isin(problem.option_workload[packing.option], workloads) & (packing.replicas > 0)
    there = np.isin(np.arange(len(packing)), packing.kind[of])
    hours = packing.count * problem.hours[packing.period] * there
    shares = share_of(hours @ requested(problem, placement), hours @ problem.nodes.room[packing.node])
    return NodeUse(
        cpu_share=shares["cpu_share"] or 0.0,
        memory_share=shares["memory_share"] or 0.0,
        gpu_share=shares["gpu_share"],
    )


def node_actions(problem: Problem, solution: Solution, inputs: Inputs) -> Iterator[Action]:
    """From the shared nodes that run now to those of the first period."""
    packing, common = solution.placement.packing, on_common_nodes(problem)
    planned: dict[str, int] = {problem.option_id[i]: 0 for i in np.flatnonzero(common)}
    names = problem.nodes.name
    for k in np.flatnonzero(packing.period == 0):
        if names[packing.node[k]] in planned:
            planned[names[packing.node[k]]] += int(packing.count[k])
    now = {str(o): int(n) for o, n in rows_of(inputs.nodes, "option_id", "desired")}
    for option in sorted(planned.keys() | now.keys()):
        before, after = now.get(option, 0), planned.get(option, 0)
        if before != after:
            yield change(None, option, before, after, price_of(inputs, option))
