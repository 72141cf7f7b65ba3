"""Nodes of a problem, from the catalogue's options and the workloads whose pods may be on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from data.node_room import node_room
from data.workloads import Workload
from optimizer.nodes import NODE_NAMES, RESOURCES, Bools, Floats, Ints, Nodes
from optimizer.problem import Problem

ALONE = "{option} for {workload}"  # name of nodes that one workload has to itself


def on_nodes(table: pd.DataFrame) -> Bools:
    """(I,) options whose replicas are pods."""
    return table["pods"].notna().to_numpy(dtype=bool)


def with_nodes(problem: Problem, table: pd.DataFrame, units: Sequence[Workload], *, shares: bool) -> Problem:
    """The problem with the nodes its pods are on, in the order of their names.

    Args:
        problem: without nodes; its pools are there.
        table: options in its order.
        units: workloads in its order.
        shares: whether pods share nodes; else each workload has its own, as with `dedicated_nodes`.
    """
    rows = table.loc[on_nodes(table)]
    if rows.empty:
        return problem
    names = pd.Series(node_names(rows, units, shares=shares), index=rows.index)
    first = rows.loc[~names.duplicated()].assign(node=names).sort_values("node")
    place = {name: n for n, name in enumerate(first["node"])}
    index = {name: p for p, name in enumerate(problem.pools)}
    of_option = np.full(len(table), -1, dtype=np.int64)
    of_option[on_nodes(table)] = [place[name] for name in names]
    nodes = Nodes(
        name=tuple(first["node"]),
        **{told: tuple(first[told]) for told in NODE_NAMES},
        price_hourly=first["price_hourly"].to_numpy(dtype=float),
        pool=np.array([index[name] for name in first["pool_name"]], dtype=np.int64),
        pool_units=np.ones(len(first)),
        quota_pool=quotas(first, index),
        room=node_room(first)[list(RESOURCES)].to_numpy(dtype=float),
        of_option=of_option,
        need=needed(table, units),
        max_per_node=np.array([float(w.placement.max_per_node or np.inf) for w in units]),
    )
    return replace(problem, nodes=nodes)


def quotas(rows: pd.DataFrame, index: dict[str, int]) -> Ints:
    """(N,) the pool whose limit nodes count against beside their own; their own where there is none."""
    own = rows["quota_name"].where(rows["quota_name"].notna(), rows["pool_name"])
    return np.array([index[name] for name in own], dtype=np.int64)


def node_names(rows: pd.DataFrame, units: Sequence[Workload], *, shares: bool) -> list[str]:
    """Which nodes each option is on: those of all who share them, or of its workload alone."""
    alone = [not (shares and w.shares_nodes) for w in units]
    return [
        ALONE.format(option=option, workload=units[w].name) if alone[w] else option
        for option, w in zip(rows["option_id"], rows["w"], strict=True)
    ]


def needed(table: pd.DataFrame, units: Sequence[Workload]) -> Floats:
    """(I, R) what one pod requests of a node."""
    requests = [w.resources.requests if w.resources else dict.fromkeys(RESOURCES, 0.0) for w in units]
    return np.array([[requests[w][r] for r in RESOURCES] for w in table["w"]], dtype=float)
