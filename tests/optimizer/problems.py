"""Small problems in words: workloads, options and commitments with defaults that ask for nothing.

A test names only what it is about; everything else is off. Amounts are requests/s, prices USD per hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.bounds import Bounds, Ramp
from optimizer.caps import CHANGED, Caps
from optimizer.nodes import Nodes
from optimizer.problem import Placement, Problem
from optimizer.residency import Residency
from optimizer.routes import Routes
from optimizer.survival import Survival

UNLIMITED = float("inf")


@dataclass(frozen=True)
class W:
    """A workload; `demand` has one entry per period."""

    name: str = "web"
    demand: Sequence[float] = (4.0,)
    max_spot_share: float = 1.0
    max_options: float = UNLIMITED
    activation_cost_usd: float = 0.0
    min_regions: int = 1
    max_region_share: float = 1.0
    min_replicas: float = 0.0
    max_replicas: float = UNLIMITED
    min_on_demand_replicas: float = 0.0
    survive_region_loss: bool = False
    origins: Mapping[str, float] = field(default_factory=dict)
    max_latency_ms: float = UNLIMITED
    residency: Sequence[str] = ()
    survive_zone_loss: bool = False
    headroom_share: float = 1.0
    max_ramp_replicas: float = UNLIMITED
    ramp_from_current: bool = False
    max_per_node: float = UNLIMITED


@dataclass(frozen=True)
class O:  # noqa: E742  reads as a word in `O("small", price=1.0)`, never as a digit
    """An option of a workload."""

    name: str
    workload: str = "web"
    price: float = 1.0
    capacity: float = 1.0
    provider: str = "aws"
    region: str = "eu"
    purchase: str = "on_demand"
    pool: str | None = None
    pool_units: float = 1.0
    quota_pool: str | None = None
    egress: float = 0.0
    current: float = 0.0
    migration: float = 0.0
    country: str = ""
    zones: int = 1
    latency_ms: float = 0.0
    fewest: float | Sequence[float] = 0.0
    most: float | Sequence[float] = UNLIMITED
    node: str | None = None
    cpu: float = 0.0
    memory_gib: float = 0.0
    gpu: float = 0.0


@dataclass(frozen=True)
class N:
    """Nodes that workloads may share."""

    name: str = "node"
    price: float = 1.0
    cpu: float = 4.0
    memory_gib: float = 16.0
    gpu: float = 0.0
    provider: str = "aws"
    region: str = "eu"
    purchase: str = "on_demand"
    pool: str | None = None
    pool_units: float = 1.0
    quota_pool: str | None = None


@dataclass(frozen=True)
class C:
    """A commitment; `covers` maps a pool to (committed rate, list price saved) per unit-hour."""

    name: str = "plan"
    covers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    existing: float = 0.0
    offered: float = 0.0
    fee: float = 1.0


def problem(
    workloads: W | Sequence[W],
    options: Sequence[O],
    *,
    pools: Mapping[str, float | Sequence[float]] | None = None,
    commitments: Sequence[C] = (),
    hours: Sequence[float] | None = None,
    rtt: Mapping[tuple[str, str], float] | None = None,
    egress: Mapping[tuple[str, str], float] | None = None,
    nodes: Sequence[N] = (),
) -> Problem:
    """The arrays of a problem; pools that options name but `pools` does not have no limit.

    `rtt` and `egress` are ms and USD per unit from an origin to a region; others are unknown, and free.
    """
    units = [workloads] if isinstance(workloads, W) else list(workloads)
    demand = np.array([w.demand for w in units], dtype=float).reshape(len(units), -1)
    periods = demand.shape[1]
    drawing = [*options, *nodes]
    names = sorted({p for o in drawing for p in (o.pool, o.quota_pool) if p} | set(pools or {}))
    limits = np.full((len(names), periods), UNLIMITED)
    for name, limit in (pools or {}).items():
        limits[names.index(name)] = limit
    rates = np.full((len(commitments), len(names)), np.nan)
    saved = rates.copy()
    for c, commitment in enumerate(commitments):
        for pool, (rate, listed) in commitment.covers.items():
            rates[c, names.index(pool)], saved[c, names.index(pool)] = rate, listed
    position = {w.name: index for index, w in enumerate(units)}
    number = {name: index for index, name in enumerate(names)}
    return Problem(
        workloads=tuple(w.name for w in units),
        periods=tuple(f"t{t}" for t in range(periods)),
        hours=np.asarray([1.0] * periods if hours is None else hours, dtype=float),
        demand=demand,
        max_spot_share=np.array([w.max_spot_share for w in units], dtype=float),
        max_options=np.array([w.max_options for w in units], dtype=float),
        activation_cost_usd=np.array([w.activation_cost_usd for w in units], dtype=float),
        min_regions=np.array([w.min_regions for w in units], dtype=np.int64),
        max_region_share=np.array([w.max_region_share for w in units], dtype=float),
        min_replicas=np.array([w.min_replicas for w in units], dtype=float),
        max_replicas=np.array([w.max_replicas for w in units], dtype=float),
        min_on_demand_replicas=np.array([w.min_on_demand_replicas for w in units], dtype=float),
        survive_region_loss=np.array([w.survive_region_loss for w in units], dtype=bool),
        option_workload=np.array([position[o.workload] for o in options], dtype=np.int64),
        option_id=tuple(o.name for o in options),
        provider=tuple(o.provider for o in options),
        region=tuple(o.region for o in options),
        instance_type=tuple(o.name for o in options),
        purchase=tuple(o.purchase for o in options),
        price_hourly=np.array([o.price for o in options], dtype=float),
        capacity=np.array([o.capacity for o in options], dtype=float),
        pool=np.array([number[o.pool] if o.pool else -1 for o in options], dtype=np.int64),
        pool_units=np.array([o.pool_units for o in options], dtype=float),
        quota_pool=np.array([number[o.quota_pool] if o.quota_pool else -1 for o in options], dtype=np.int64),
        egress_usd_per_unit=np.array([o.egress for o in options], dtype=float),
        current_replicas=np.array([o.current for o in options], dtype=float),
        migration_cost_usd=np.array([o.migration for o in options], dtype=float),
        pools=tuple(names),
        pool_limit=limits,
        commitments=tuple(c.name for c in commitments),
        committed_usd_per_hour=np.array([c.existing for c in commitments], dtype=float),
        offered_max_usd_per_hour=np.array([c.offered for c in commitments], dtype=float),
        fee_per_usd=np.array([c.fee for c in commitments], dtype=float),
        committed_rate=rates,
        covered_list_price=saved,
        routes=routes(units, options, rtt or {}, egress or {}),
        residency=Residency(
            workload=np.array([w for w, unit in enumerate(units) for _ in unit.residency], dtype=np.int64),
            country=tuple(country for unit in units for country in unit.residency),
            option_country=tuple(o.country for o in options),
        ),
        survival=Survival(
            zones=np.array([o.zones for o in options], dtype=np.int64),
            survive_zone_loss=np.array([w.survive_zone_loss for w in units], dtype=bool),
            headroom_share=np.array([w.headroom_share for w in units], dtype=float),
        ),
        bounds=bounds(options, periods),
        ramp=Ramp(
            max_replicas=np.array([w.max_ramp_replicas for w in units], dtype=float),
            from_current=np.array([w.ramp_from_current for w in units], dtype=bool),
        ),
        nodes=shared(units, options, nodes, number),
    )


def with_changes_capped(
    p: Problem, limit: float, *, priority: float = float("nan"), usd_per_unit: float = float("nan")
) -> Problem:
    """The same with a cap on replicas of all workloads changed against the present fleet."""
    workloads, options, _ = p.shape
    terms = (np.array([value]) for value in (limit, priority, usd_per_unit))
    return replace(
        p, caps=Caps(("calm",), (CHANGED,), *terms, np.ones((1, workloads), dtype=bool), np.zeros(options))
    )


def shared(units: Sequence[W], options: Sequence[O], nodes: Sequence[N], pools: Mapping[str, int]) -> Nodes:
    """Nodes, and what is packed on them."""
    place = {n.name: index for index, n in enumerate(nodes)}
    return Nodes(
        name=tuple(n.name for n in nodes),
        provider=tuple(n.provider for n in nodes),
        region=tuple(n.region for n in nodes),
        instance_type=tuple(n.name for n in nodes),
        purchase=tuple(n.purchase for n in nodes),
        price_hourly=np.array([n.price for n in nodes], dtype=float),
        pool=np.array([pools[n.pool] if n.pool else -1 for n in nodes], dtype=np.int64),
        pool_units=np.array([n.pool_units for n in nodes], dtype=float),
        quota_pool=np.array([pools[n.quota_pool] if n.quota_pool else -1 for n in nodes], dtype=np.int64),
        room=np.array([(n.cpu, n.memory_gib, n.gpu) for n in nodes], dtype=float).reshape(-1, 3),
        of_option=np.array([place[o.node] if o.node else -1 for o in options], dtype=np.int64),
        need=np.array([(o.cpu, o.memory_gib, o.gpu) for o in options], dtype=float).reshape(-1, 3),
        max_per_node=np.array([w.max_per_node for w in units], dtype=float),
    )


def routes(
    units: Sequence[W],
    options: Sequence[O],
    rtt: Mapping[tuple[str, str], float],
    egress: Mapping[tuple[str, str], float],
) -> Routes:
    """Every origin of a workload to every option of it."""
    sources = [(w, origin, share) for w, unit in enumerate(units) for origin, share in unit.origins.items()]
    ways = [
        (g, i, (origin, o.region))
        for g, (w, origin, _) in enumerate(sources)
        for i, o in enumerate(options)
        if o.workload == units[w].name
    ]
    return Routes(
        max_latency_ms=np.array([w.max_latency_ms for w in units], dtype=float),
        latency_ms=np.array([o.latency_ms for o in options], dtype=float),
        workload=np.array([w for w, _, _ in sources], dtype=np.int64),
        origin=tuple(origin for _, origin, _ in sources),
        share=np.array([share for _, _, share in sources], dtype=float),
        source=np.array([g for g, _, _ in ways], dtype=np.int64),
        option=np.array([i for _, i, _ in ways], dtype=np.int64),
        rtt_ms=np.array([rtt.get(way, UNLIMITED) for _, _, way in ways], dtype=float),
        is_estimated=np.zeros(len(ways), dtype=bool),
        egress_usd_per_unit=np.array([egress.get(way, 0.0) for _, _, way in ways], dtype=float),
    )


def bounds(options: Sequence[O], periods: int) -> Bounds:
    """Bounds of the options that have some, in every period."""
    fewest = np.array([np.broadcast_to(o.fewest, periods) for o in options], dtype=float).reshape(-1, periods)
    most = np.array([np.broadcast_to(o.most, periods) for o in options], dtype=float).reshape(-1, periods)
    i, t = np.nonzero((fewest > 0) | np.isfinite(most))
    return Bounds(i, t, fewest[i, t], most[i, t])


def placement(
    p: Problem,
    replicas: Mapping[str, int | Sequence[int]],
    *,
    served: Mapping[str, float | Sequence[float]] | None = None,
    covered: Mapping[tuple[str, str], float | Sequence[float]] | None = None,
    bought: Mapping[str, float] | None = None,
    routed: Mapping[tuple[str, str], float | Sequence[float]] | None = None,
) -> Placement:
    """A placement by option name; unless told, each option serves its capacity's share of demand.

    `routed` are amounts by origin and option name; what an option serves is then their sum.
    """
    _, options, periods = p.shape
    n = np.zeros((options, periods), dtype=np.int64)
    for name, count in replicas.items():
        n[p.option_id.index(name)] = count
    x = even_service(p, n)
    for name, amount in (served or {}).items():
        x[p.option_id.index(name)] = amount
    y = np.zeros((len(p.commitments), len(p.pools), periods))
    for (commitment, pool), amount in (covered or {}).items():
        y[p.commitments.index(commitment), p.pools.index(pool)] = amount
    b = np.array([(bought or {}).get(name, 0.0) for name in p.commitments])
    if routed is None:
        return Placement(n, x, y, b, freely_routed(p, x))
    over = np.zeros((len(p.routes), periods))
    names = [
        (p.routes.origin[g], p.option_id[i]) for g, i in zip(p.routes.source, p.routes.option, strict=True)
    ]
    for way, amount in routed.items():
        over[names.index(way)] = amount
    return Placement(n, p.routes.sum_by_option(over), y, b, over)


def freely_routed(p: Problem, served: np.ndarray) -> np.ndarray:
    """(R, T) what every option serves, split by the origins' shares."""
    return p.routes.share[p.routes.source][:, None] * served[p.routes.option]


def even_service(p: Problem, n: np.ndarray) -> np.ndarray:
    """(I, T) demand in proportion to capacity, never more than there is."""
    room = p.capacity[:, None] * n
    total = np.zeros_like(p.demand)
    np.add.at(total, p.option_workload, room)
    share = np.divide(p.demand, total, out=np.zeros_like(total), where=total > 0)
    return room * np.minimum(share, 1.0)[p.option_workload]


def with_options(p: Problem, order: Sequence[int]) -> Problem:
    """The problem with its options in another order."""
    rows = np.asarray(order)
    arrays = (
        "option_workload", "price_hourly", "capacity", "pool", "pool_units", "quota_pool",
        "egress_usd_per_unit", "current_replicas", "migration_cost_usd",
    )  # fmt: skip
    names = ("option_id", "provider", "region", "instance_type", "purchase")
    kept: dict[str, object] = {name: getattr(p, name)[rows] for name in arrays}
    kept |= {name: tuple(getattr(p, name)[i] for i in rows) for name in names}
    kept |= p.groups_of(np.arange(len(p.workloads)), rows)
    return replace(p, **kept)  # type: ignore[arg-type]


def with_workloads(p: Problem, order: Sequence[int]) -> Problem:
    """The problem with its workloads in another order; options stay where they are."""
    rows = np.asarray(order)
    arrays = (
        "demand", "max_spot_share", "max_options", "activation_cost_usd", "min_regions",
        "max_region_share", "min_replicas", "max_replicas", "min_on_demand_replicas", "survive_region_loss",
    )  # fmt: skip
    kept: dict[str, object] = {name: getattr(p, name)[rows] for name in arrays}
    kept["workloads"] = tuple(p.workloads[w] for w in rows)
    kept["option_workload"] = np.argsort(rows)[p.option_workload]
    kept |= p.groups_of(rows, np.arange(len(p.option_id)))
    return replace(p, **kept)  # type: ignore[arg-type]
