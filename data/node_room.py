"""Whether nodes are large enough for the pods that workloads.yaml declares: every one that fits nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from data.errors import Fault
from data.workloads import Workload
from data.workloads_yaml import FILE as WORKLOADS_FILE

NODE_ROOM = ("cpu", "memory_gib", "gpu")  # columns of the catalogue: what a node has for pods
WORDS = {"cpu": "CPUs", "memory_gib": "GiB of memory", "gpu": "GPUs"}
FITS = 1e-9


def node_room(options: pd.DataFrame) -> pd.DataFrame:
    """What each option offers to pods, `cpu, memory_gib, gpu`; NaN where it is no node.

    Without `gpu` all accelerators are for pods; those of an instance without any are none.
    """
    room = options.reindex(columns=list(NODE_ROOM)).astype(float)
    chips = options.reindex(columns=["accelerator_count"])["accelerator_count"].astype(float)
    room["gpu"] = room["gpu"].fillna(chips).fillna(0.0)
    return room.where(room.notna().all(axis=1))


def room_faults(options: pd.DataFrame, workloads: Sequence[Workload], where: str) -> Iterator[Fault]:
    """What keeps pods from running anywhere: nodes of unknown size, or too small ones.

    Args:
        options: the catalogue, with `purchase`.
        workloads: those without resources need no node.
        where: the file the options come from.
    """
    asking = [w for w in workloads if w.resources is not None]
    for_sale = options.loc[options["purchase"].ne("commitment")]
    if not asking or for_sale.empty:
        return
    empty = [c for c in NODE_ROOM[:2] if c not in for_sale or for_sale[c].isna().all()]
    for column in empty:
        expected = f"{WORDS[column]} that a node has for pods, as {names(asking)} has resources"
        yield Fault(where, "no value", expected, "fill it in for what may be a node", column=column)
    if empty:
        return
    room = node_room(for_sale)
    for workload in asking:
        yield from too_large(workload, room, where)


def too_large(workload: Workload, room: pd.DataFrame, where: str) -> Iterator[Fault]:
    """Resources of a pod above those of every node, each told; or that no node has together."""
    requests = workload.resources.requests if workload.resources is not None else {}
    action = "request less, or add a larger node"
    fits = np.ones(len(room), dtype=bool)
    alone = True
    for resource, amount in requests.items():
        inside = room[resource].to_numpy() + FITS >= amount
        fits &= inside
        if not inside.any():
            alone = False
            most = f"at most {room[resource].max():g}, what the largest node of {where} has"
            key = f"resources.{resource} of {workload.name}"
            yield Fault(WORKLOADS_FILE, f"{amount:g} {WORDS[resource]}", most, action, column=key)
    if alone and not fits.any():
        found = " with ".join(f"{amount:g} {WORDS[r]}" for r, amount in requests.items() if amount > 0)
        expected, key = f"what one node of {where} has together", f"resources of {workload.name}"
        yield Fault(WORKLOADS_FILE, found, expected, action, column=key)


def names(workloads: Sequence[Workload]) -> str:
    """Names of some workloads, the first few."""
    shown = ", ".join(w.name for w in workloads[:3])
    return shown if len(workloads) <= 3 else f"{shown} and {len(workloads) - 3} more"
