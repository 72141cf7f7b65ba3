"""Nodes of a plan as a reader sees them: one row per option and owner, over the whole day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.node_parts import NodeRow

SHARED = "shared"


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of one option, for all or for one workload.

    Attributes:
        owner: who has them alone, or "shared".
        low, high: fewest and most nodes over the periods.
        cpu_share, memory_share, gpu_share: requested of what they have, over the day; None of nothing.
        pods: most pods of each workload at a time, by name.
        usd_per_hour: mean over the day, at list price.
    """

    option_id: str
    provider: str
    region: str
    instance_type: str
    purchase: str
    owner: str
    low: int
    high: int
    cpu_share: float | None
    memory_share: float | None
    gpu_share: float | None
    pods: tuple[tuple[str, int], ...]
    usd_per_hour: float


def node_groups(rows: Sequence[NodeRow]) -> list[NodeGroup]:
    """Rows of a plan by option and owner, the dearest first; periods are of one length."""
    periods = sorted({row.period for row in rows})
    groups: dict[tuple[str, str], list[NodeRow]] = {}
    for row in rows:
        groups.setdefault((row.option_id, row.workload or SHARED), []).append(row)
    made = [group_of(owner, own, periods) for (_, owner), own in groups.items()]
    return sorted(made, key=lambda group: (-group.usd_per_hour, group.option_id, group.owner))


def group_of(owner: str, rows: Sequence[NodeRow], periods: Sequence[str]) -> NodeGroup:
    """Rows of one option and owner."""
    first = rows[0]
    counts = [sum(row.nodes for row in rows if row.period == period) for period in periods]
    return NodeGroup(
        option_id=first.option_id,
        provider=first.provider,
        region=first.region,
        instance_type=first.instance_type,
        purchase=first.purchase,
        owner=owner,
        low=min(counts),
        high=max(counts),
        cpu_share=mean_share(rows, "cpu_share"),
        memory_share=mean_share(rows, "memory_share"),
        gpu_share=mean_share(rows, "gpu_share"),
        pods=tuple(sorted(most_pods(rows, periods).items())),
        usd_per_hour=first.price_hourly_usd * sum(counts) / len(periods),
    )


def mean_share(rows: Sequence[NodeRow], name: str) -> float | None:
    """A share over all nodes of an option, which are of one size."""
    known = [(row.nodes, getattr(row, name)) for row in rows if getattr(row, name) is not None]
    return sum(n * share for n, share in known) / sum(n for n, _ in known) if known else None


def most_pods(rows: Sequence[NodeRow], periods: Sequence[str]) -> dict[str, int]:
    """Most pods of each workload in a period."""
    most: dict[str, int] = {}
    for period in periods:
        now: dict[str, int] = {}
        for row in (row for row in rows if row.period == period):
            for pods in row.pods:
                now[pods.workload] = now.get(pods.workload, 0) + pods.replicas * row.nodes
        for name, count in now.items():
            most[name] = max(most.get(name, 0), count)
    return most
