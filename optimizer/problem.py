"""The placement problem as arrays: the one definition of feasible and of cost.

Every solver, baseline, planner and test is judged by `cost` below and by `optimizer.check`. They share no
code with the models that find placements, so a fault in a model shows as a violation there.

Index sets, in the order of the arrays:

    w  workloads            i  (workload, option) pairs, "options" for short
    t  periods              p  pools: what quotas limit and commitments cover
    c  commitments

Units: demand, capacity and served amounts share one unit (requests/s for services, units/s for batch);
prices are USD per instance-hour; a period stands for `hours` hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.bounds import Bounds, Ramp
from optimizer.caps import CHANGED, KG_CO2E, USD, Caps, Priorities
from optimizer.losses import Scenarios
from optimizer.nodes import Nodes, Packing
from optimizer.residency import Residency
from optimizer.routes import Routes
from optimizer.shift import Work
from optimizer.survival import Survival

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPOT = "spot"
ON_DEMAND = "on_demand"

# Arrays by what they belong to, for those who cut, write or read whole problems.
OPTION_ARRAYS = (
    "price_hourly",
    "capacity",
    "pool_units",
    "egress_usd_per_unit",
    "current_replicas",
    "migration_cost_usd",
)
OPTION_NAMES = ("option_id", "provider", "region", "instance_type", "purchase")
COMMITMENT_ARRAYS = ("committed_usd_per_hour", "offered_max_usd_per_hour", "fee_per_usd")


@dataclass(frozen=True)
class Problem:
    """One joint placement problem.

    Attributes with shape (W,) belong to workloads, (I,) to options, (P, T) to pools and periods.
    An absent limit is infinity. `pool` and `quota_pool` hold -1 where an option has none; the limit of a
    pool holds for every option that names it in either place. The groups at the end ask for nothing unless
    they are given.
    """

    workloads: tuple[str, ...]
    periods: tuple[str, ...]
    hours: Floats  # (T,)
    demand: Floats  # (W, T)
    max_spot_share: Floats  # (W,) share of demand that spot may carry
    max_options: Floats  # (W,) distinct options over all periods
    activation_cost_usd: Floats  # (W,) once per option used that the present fleet does not hold
    min_regions: Ints  # (W,)
    max_region_share: Floats  # (W,) share of capacity in one region, per period
    min_replicas: Floats  # (W,)
    max_replicas: Floats  # (W,)
    min_on_demand_replicas: Floats  # (W,) replicas no provider can reclaim
    survive_region_loss: Bools  # (W,) demand is still met with any one region gone
    option_workload: Ints  # (I,)
    option_id: tuple[str, ...]
    provider: tuple[str, ...]
    region: tuple[str, ...]
    instance_type: tuple[str, ...]
    purchase: tuple[str, ...]
    price_hourly: Floats  # (I,)
    capacity: Floats  # (I,) per replica
    pool: Ints  # (I,)
    pool_units: Floats  # (I,) per replica
    quota_pool: Ints  # (I,)
    egress_usd_per_unit: Floats  # (I,) per unit served and hour
    current_replicas: Floats  # (I,)
    migration_cost_usd: Floats  # (I,) per replica changed against the present fleet in the first period
    pools: tuple[str, ...]
    pool_limit: Floats  # (P, T) in pool units
    commitments: tuple[str, ...]
    committed_usd_per_hour: Floats  # (C,) existing; its fee is sunk
    offered_max_usd_per_hour: Floats  # (C,) how much more may be bought
    fee_per_usd: Floats  # (C,) cost per hour of one more committed USD/h
    committed_rate: Floats  # (C, P) USD of commitment one covered unit-hour uses up; nan = not eligible
    covered_list_price: (
        Floats  # (C, P) USD one covered unit-hour saves, at most its price; nan = not eligible
    )
    routes: Routes = None  # type: ignore[assignment]  # where demand comes from, what latency allows
    residency: Residency = None  # type: ignore[assignment]  # countries
    survival: Survival = None  # type: ignore[assignment]  # zones, and what is served after a loss
    bounds: Bounds = None  # type: ignore[assignment]  # counts of single options
    ramp: Ramp = None  # type: ignore[assignment]  # change of totals from period to period
    caps: Caps = None  # type: ignore[assignment]  # money, carbon and change over many workloads
    priorities: Priorities = None  # type: ignore[assignment]  # which rules are missed first in a shortage
    scenarios: Scenarios = None  # type: ignore[assignment]  # what may be lost, and what that costs
    work: Work = None  # type: ignore[assignment]  # work that may be done at any time in a window
    nodes: Nodes = None  # type: ignore[assignment]  # instances that replicas of several workloads share

    def __post_init__(self) -> None:
        """Groups of rules that are not given ask for nothing; that takes the sizes of the others."""
        workloads, options, periods = self.shape
        neutral: dict[str, Callable[[], object]] = {
            "routes": lambda: Routes.none(workloads, options),
            "residency": lambda: Residency.none(options),
            "survival": lambda: Survival.none(workloads, options),
            "bounds": Bounds.none,
            "ramp": lambda: Ramp.none(workloads),
            "caps": lambda: Caps.none(workloads, options),
            "priorities": Priorities.none,
            "scenarios": lambda: Scenarios.none(workloads, len(self.pools), periods),
            "work": lambda: Work.none(workloads, periods),
            "nodes": lambda: Nodes.none(workloads, options),
        }
        for name, group in neutral.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, group())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of workloads, options and periods."""
        return len(self.workloads), len(self.option_id), len(self.periods)

    @cached_property
    def by_workload(self) -> tuple[Ints, Ints]:
        """(I,) options in the order of workloads, and (W + 1,) where each workload's begin in it."""
        order = np.argsort(self.option_workload, kind="stable").astype(np.int64)
        workloads = np.arange(len(self.workloads) + 1)
        return order, np.searchsorted(self.option_workload[order], workloads).astype(np.int64)

    def options_of(self, workload: int) -> Ints:
        """Indices of the options of one workload."""
        order, begin = self.by_workload
        return order[begin[workload] : begin[workload + 1]]

    def sum_by_workload(self, values: Floats | Ints) -> Floats:
        """(W, T) sums over the options of each workload of (I, T) values."""
        order, begin = self.by_workload
        total = np.zeros((len(self.workloads), values.shape[1]))
        filled = begin[:-1] < begin[1:]
        if filled.any():
            total[filled] = np.add.reduceat(values[order], begin[:-1][filled], axis=0)
        return total

    @cached_property
    def is_spot(self) -> Bools:
        """(I,) which options can be reclaimed by the provider."""
        return np.array([purchase == SPOT for purchase in self.purchase], dtype=bool)

    @cached_property
    def is_coverable(self) -> Bools:
        """(I,) which options commitments can cover."""
        return np.array([purchase == ON_DEMAND for purchase in self.purchase], dtype=bool)

    @cached_property
    def is_admissible(self) -> Bools:
        """(I,) options that residency, latency and bounds let a placement use."""
        _, options, periods = self.shape
        near = self.residency.keeps(self.option_workload) & self.routes.keeps(self.option_workload)
        return np.asarray(near & self.bounds.keeps(options, periods), dtype=bool)

    def groups_of(self, workloads: Ints, options: Ints, pools: Ints | None = None) -> dict[str, Any]:
        """The groups of rules of some workloads, options and pools (None = all), in the order given."""
        return {
            "routes": self.routes.restrict(workloads, options),
            "residency": self.residency.restrict(workloads, options),
            "survival": self.survival.restrict(workloads, options),
            "bounds": self.bounds.restrict(options),
            "ramp": self.ramp.restrict(workloads),
            "caps": self.caps.restrict(workloads, options),
            "priorities": self.priorities.restrict(workloads),
            "scenarios": self.scenarios.restrict(workloads, pools),
            "work": self.work.restrict(workloads),
            "nodes": self.nodes.restrict(workloads, options, pools),
        }

    def pools_of(self, options: Ints) -> Ints:
        """Pools that some options, or the nodes under them, draw on, in their order."""
        used = np.union1d(self.pool[options], self.quota_pool[options])
        return np.union1d(used[used >= 0], self.nodes.pools_under(options)).astype(np.int64)

    @cached_property
    def source_pool(self) -> Ints:
        """(I,) the pool whose loss takes replicas along: an option's own, or that of the nodes under it."""
        return self.nodes.pool_of(self.pool)

    def members(self, pool: int) -> Ints:
        """Options that draw on a pool's limit."""
        return np.flatnonzero((self.pool == pool) | (self.quota_pool == pool)).astype(np.int64)


@dataclass(frozen=True)
class Placement:
    """An answer: how many replicas of what, when; what they serve, and whom; what commitments cover."""

    replicas: Ints  # (I, T)
    served: Floats  # (I, T)
    covered: Floats  # (C, P, T) unit-hours per hour
    bought_usd_per_hour: Floats  # (C,)
    routed: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # (R, T) served over each route
    packing: Packing = field(default_factory=Packing.none)  # what is on nodes that are shared


def cost(problem: Problem, placement: Placement) -> float:
    """USD of a placement over all periods; existing commitments' own fees are sunk and not in it."""
    return float(sum(cost_parts(problem, placement).values()))


def cost_parts(problem: Problem, placement: Placement) -> dict[str, float]:
    """The cost split by what it is paid for, in USD over all periods."""
    hours, n = problem.hours, placement.replicas
    used = n.max(axis=1, initial=0) > 0
    new = used & (problem.current_replicas <= 0)
    changed = np.abs(n[:, 0] - problem.current_replicas) if n.shape[1] else np.zeros(len(n))
    saved = np.where(np.isnan(problem.covered_list_price), 0.0, problem.covered_list_price)
    return {
        "instances": float(problem.price_hourly @ n @ hours),
        "nodes": float(node_usd(problem, placement).sum()),
        "egress": egress_usd(problem, placement),
        "activation": float(problem.activation_cost_usd[problem.option_workload[new]].sum()),
        "migration": float(problem.migration_cost_usd @ changed),
        "commitment_cover": -float(np.einsum("cp,cpt,t->", saved, placement.covered, hours)),
        "commitment_fees": float(problem.fee_per_usd @ placement.bought_usd_per_hour * hours.sum()),
        "caps": cap_usd(problem, placement),
        "slo": slo_usd(problem, placement),
    }


def node_usd(problem: Problem, placement: Placement) -> Floats:
    """(N,) USD for nodes that are shared, before commitments cover any."""
    count = placement.packing.nodes((len(problem.nodes), len(problem.periods)))
    return np.asarray(problem.nodes.price_hourly * (count @ problem.hours), dtype=float)


def cap_use(problem: Problem, placement: Placement) -> Floats:
    """(K,) what the workloads of each cap use of what it is about."""
    caps, n, hours = problem.caps, placement.replicas, problem.hours
    usd = (
        problem.price_hourly[:, None] * n + problem.egress_usd_per_unit[:, None] * placement.served
    ) @ hours
    if len(problem.routes):
        np.add.at(usd, problem.routes.option, problem.routes.egress_usd_per_unit * (placement.routed @ hours))
    changed = np.abs(n[:, 0] - problem.current_replicas) if n.shape[1] else np.zeros(len(n))
    amounts = {USD: usd, KG_CO2E: caps.kg_co2e_hourly * (n @ hours), CHANGED: changed}
    inside = caps.member[:, problem.option_workload]
    rows = [inside[k] @ amounts[kind] for k, kind in enumerate(caps.kind)]
    return np.array(rows, dtype=float) + node_usd_in_caps(problem, placement)


def node_usd_in_caps(problem: Problem, placement: Placement) -> Floats:
    """(K,) USD for nodes that workloads of each cap are on."""
    packing = placement.packing
    usd = problem.nodes.price_hourly[packing.node] * packing.count * problem.hours[packing.period]
    held = np.zeros((len(packing), len(problem.workloads)), dtype=bool)
    there = packing.replicas > 0
    held[packing.kind[there], problem.option_workload[packing.option[there]]] = True
    return np.asarray(problem.caps.counts_nodes(held) @ usd, dtype=float)


def cap_usd(problem: Problem, placement: Placement) -> float:
    """USD for what priced caps are exceeded by."""
    if not len(problem.caps):
        return 0.0
    over = np.maximum(cap_use(problem, placement) - problem.caps.limit, 0.0)
    return float(np.nan_to_num(problem.caps.usd_per_unit) @ over)


def slo_usd(problem: Problem, placement: Placement) -> float:
    """USD expected for demand that scenarios leave unserved."""
    scenarios = problem.scenarios
    if not scenarios.is_paid.any():
        return 0.0
    room = problem.capacity[:, None] * placement.replicas
    left = np.stack(
        [problem.sum_by_workload(room * kept) for kept in scenarios.kept_share(problem.source_pool)]
    )
    unserved_units = np.maximum(scenarios.demand_factor * problem.demand - left, 0.0)
    usd = np.einsum("swt,w,t->s", unserved_units, scenarios.slo_usd_per_unit, problem.hours)
    return float(scenarios.probability @ usd)


def egress_usd(problem: Problem, placement: Placement) -> float:
    """USD for what leaves the regions of options, and for what the routes to origins cost on top."""
    usd = float(problem.egress_usd_per_unit @ placement.served @ problem.hours)
    if len(problem.routes):
        usd += float(problem.routes.egress_usd_per_unit @ placement.routed @ problem.hours)
    return usd


def sunk_usd(problem: Problem) -> float:
    """What existing commitments cost over the periods whatever is placed."""
    return float(problem.committed_usd_per_hour.sum() * problem.hours.sum())


def unserved(problem: Problem, placement: Placement) -> Floats:
    """(W, T) demand that nothing serves; positive only where quota or pools ran out."""
    return np.maximum(problem.demand - problem.sum_by_workload(placement.served), 0.0)
