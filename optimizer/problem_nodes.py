"""Shared nodes from problem tables and back, and what their tables may not say together.

Columns are told in `optimizer.problem_rules`; tables without nodes have none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from data.sheet import Sheet, shown
from optimizer.nodes import NODE_NAMES, RESOURCES, Nodes
from optimizer.problem import Problem
from optimizer.problem_rules import NODES, OPTIONS, WORKLOADS
from optimizer.problem_values import filled, places, pool_names

SAME = ("provider", "region", "purchase")  # of an option and its nodes
DRAWS = ("pool", "quota_pool")


def nodes(tables: Mapping[str, pd.DataFrame], options: pd.DataFrame) -> Nodes:
    """Node pools of the checked tables, in the order of their table; `options` in their order."""
    rows, pools = tables[NODES], pool_names(tables)
    of_option = places(pd.Index(rows["node"]), options["node"])
    need = np.stack([filled(options, resource) for resource in RESOURCES], axis=1)
    need[of_option < 0] = 0.0
    return Nodes(
        name=tuple(rows["node"]),
        provider=tuple(rows["provider"]),
        region=tuple(rows["region"]),
        instance_type=tuple(rows["instance_type"].fillna("")),
        purchase=tuple(rows["purchase"]),
        price_hourly=rows["price_hourly"].to_numpy(dtype=float),
        pool=places(pools, rows["pool"]),
        pool_units=filled(rows, "pool_units"),
        quota_pool=places(pools, rows["quota_pool"].where(rows["quota_pool"].notna(), rows["pool"])),
        room=np.stack([filled(rows, resource) for resource in RESOURCES], axis=1),
        of_option=of_option,
        need=need,
        max_per_node=filled(tables[WORKLOADS], "max_per_node"),
    )


def node_columns(p: Problem) -> dict[str, np.ndarray]:
    """Columns of `options`: where replicas are packed, and what they need there."""
    names = np.array([*p.nodes.name, None], dtype=object)
    return {"node": names[p.nodes.of_option], **dict(zip(RESOURCES, p.nodes.need.T, strict=True))}


def node_frames(p: Problem) -> Iterator[tuple[str, pd.DataFrame]]:
    """The table of node pools; without rows where there is none."""
    n, pools = p.nodes, np.array([*p.pools, None], dtype=object)
    told = {name: list(getattr(n, name)) for name in NODE_NAMES}
    drawn = {"pool": pools[n.pool], "pool_units": n.pool_units, "quota_pool": pools[n.quota_pool]}
    room = dict(zip(RESOURCES, n.room.T, strict=True))
    yield NODES, pd.DataFrame({"node": list(n.name), **told, "price_hourly": n.price_hourly, **drawn, **room})


def check_nodes(sheets: Mapping[str, Sheet]) -> None:
    """An option on nodes fits on one, is where they are, and neither costs nor draws anything itself."""
    options, nodes = sheets[OPTIONS], sheets[NODES]
    if not (options.usable("node", *RESOURCES) and nodes.usable("node", *RESOURCES)):
        return
    frame = options.frame
    place = places(pd.Index(nodes.frame["node"].drop_duplicates()), frame["node"])
    of = nodes.frame.drop_duplicates("node").iloc[np.maximum(place, 0)] if len(nodes.frame) else nodes.frame
    known = place >= 0
    if not known.any():
        return
    for column in SAME:
        differs = known & (frame[column].to_numpy() != of[column].to_numpy())
        told = f"the {column} of its nodes"
        options.refuse(column, differs, told, "correct one of the two, or leave node empty")
    if options.usable("price_hourly"):
        paid = known & (frame["price_hourly"] > 0).to_numpy(dtype=bool)
        options.refuse(
            "price_hourly", paid, "0 for an option on nodes", "nodes are paid, not what is on them"
        )
    for column in DRAWS:
        drawing = known & frame[column].notna().to_numpy(dtype=bool)
        options.refuse(column, drawing, "no pool for an option on nodes", "name it in nodes.parquet")
    if options.usable("zones"):
        zoned = known & (frame["zones"] > 1).to_numpy(dtype=bool)
        options.refuse("zones", zoned, "1 for an option on nodes", "make a node pool of each zone")
    needs = np.stack([filled(frame, resource) for resource in RESOURCES], axis=1)
    room = np.stack([filled(of, resource) for resource in RESOURCES], axis=1)
    nothing = known & (needs <= 0).all(axis=1)
    options.refuse(RESOURCES[0], nothing, "a need of some resource", "say what a replica needs on a node")
    for r, resource in enumerate(RESOURCES):
        large = known & (needs[:, r] > room[:, r])

        def found(row: int, r: int = r) -> str:
            return f"{needs[row, r]:g} on {shown(frame['node'].iloc[row])}, which has {room[row, r]:g}"

        options.refuse(resource, large, "what fits on a node", "choose larger nodes", found)
