"""Parts of `placement-plan/1` about pods: the nodes they are on, and what sharing them saves."""

from __future__ import annotations

from optimizer.plan_parts import Count, Part, Rounded, Time, Usd


class Pods(Part):
    """Pods of one workload on one node."""

    workload: str
    replicas: Count


class NodeRow(Part):
    """Nodes of one option that hold the same pods, in one period of the typical day.

    `workload` has them to itself; None where they are shared. Shares are of what a node has for pods,
    requested by what is on it; None where it has none of that.
    """

    period: str
    option_id: str
    provider: str
    region: str
    instance_type: str
    purchase: str
    workload: str | None
    nodes: Count
    price_hourly_usd: Usd
    price_as_of: Time | None
    is_estimated_price: bool
    cpu_share: Rounded | None
    memory_share: Rounded | None
    gpu_share: Rounded | None
    pods: tuple[Pods, ...]


class Sharer(Part):
    """What a workload pays of nodes it shares with others per typical day, and what nodes of its own cost.

    Of a node each pays in proportion to the resource it requests most of. `alone_usd_per_day` is None where
    limits leave no room for nodes of its own.
    """

    workload: str
    beside: tuple[str, ...]
    usd_per_day: Usd
    alone_usd_per_day: Usd | None


class NodeUse(Part):
    """Share of what the nodes have for pods that is requested, over a typical day."""

    cpu_share: Rounded
    memory_share: Rounded
    gpu_share: Rounded | None


class Sharing(Part):
    """Workloads that share nodes, together: cost and use per typical day, and the same on nodes of their own.

    Alone is a plan of its own for these workloads, within the same limits and rules, by the same solver. It
    has limits and commitments to itself: what sharing saves is rather too low than too high.
    """

    usd_per_day: Usd
    alone_usd_per_day: Usd | None
    use: NodeUse
    alone_use: NodeUse | None
    workloads: tuple[Sharer, ...]
