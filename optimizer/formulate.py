"""From needs to a `Problem`: the arrays, in the order of workload and option_id.

Nothing is decided here. What a workload may use comes from `optimizer.admissible`, what a replica does from
`optimizer.throughput`, how much is needed from `optimizer.demand` and `optimizer.queueing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.admissible import NOTHING_KNOWN, Context
from optimizer.extent import check_extent
from optimizer.node_table import on_nodes, with_nodes
from optimizer.option_table import option_table, pool_limits, pool_names
from optimizer.problem import ON_DEMAND, Floats, Problem
from optimizer.shift import Work
from optimizer.workload_rules import limits_of, places_needed, rule_groups


@dataclass(frozen=True)
class Shift:
    """Work that may be done at any time from a first to a last period, both included.

    Attributes:
        amount: in the unit of `capacity` times hours.
        last: before the first where the window passes midnight.
    """

    amount: float
    first: int
    last: int


@dataclass(frozen=True)
class Need:
    """One workload with the options it may use and the capacity it needs.

    Attributes:
        pairs: admissible options with `capacity` [units/s per instance] and the option columns; with
            resources also `pods`, which an instance full of them has.
        demand: (T,) capacity needed in each period, in the unit of `capacity`; 0 where work shifts.
        shift: work that may be done at any time in a window instead.
    """

    workload: Workload
    pairs: pd.DataFrame
    demand: Floats
    shift: Shift | None = None


@dataclass(frozen=True)
class Offer:
    """A commitment on a provider: existing, or on offer at a rate per instance-hour of each type.

    Attributes:
        rates: (provider, region, instance_type) to committed USD per instance-hour.
        ends: when an existing one ends; None if that is not known.
    """

    name: str
    existing_usd_per_hour: float
    offered_max_usd_per_hour: float
    rates: Mapping[tuple[str, str, str], float]
    fee_per_usd: float = 1.0
    ends: datetime | None = None


@dataclass(frozen=True)
class Policy:
    """What the kind of plan decides: costs of change, whether periods are blocks of a day, shared nodes."""

    activation_cost_usd: float = 0.0
    max_options: float = np.inf
    spot_capacity: Mapping[str, float] = field(default_factory=dict)
    has_ramps: bool = False
    shares_nodes: bool = True  # else pods have nodes of their own, as if all asked for dedicated ones


def assemble(
    needs: Sequence[Need],
    *,
    periods: Sequence[str],
    hours: Floats,
    fleet: pd.DataFrame,
    offers: Sequence[Offer],
    policy: Policy,
    context: Context = NOTHING_KNOWN,
) -> Problem:
    """The arrays of a problem, options in the order of workload and option_id.

    Args:
        needs: at least one; each with at least one pair.
        periods: names of the T periods.
        hours: (T,) hours each period stands for.
        fleet: present fleet, `workload, option_id, desired`.
        offers: commitments, existing or on offer.
        policy: costs of change, spot capacity that is known.
        context: countries of regions, round trips from origins.
    """
    check_extent("plan", sum(len(need.pairs) for need in needs), len(periods))
    table = option_table({need.workload.name: need.pairs for need in needs}, fleet)
    units = [need.workload for need in needs]
    is_pod = np.array([w.resources is not None for w in units])
    problem = Problem(
        workloads=tuple(w.name for w in units),
        periods=tuple(periods),
        hours=np.asarray(hours, dtype=float),
        demand=np.array([need.demand for need in needs], dtype=float),
        max_options=most_options(needs, policy, context),
        activation_cost_usd=np.where(is_pod, 0.0, policy.activation_cost_usd),
        **limits_of(units),
        **option_arrays(table),
        **pool_arrays(table, len(periods), policy),
        **rule_groups(units, table, context, has_ramps=policy.has_ramps),
        work=work_of(needs, len(periods)),
    )
    return with_commitments(with_nodes(problem, table, units, shares=policy.shares_nodes), offers)


def most_options(needs: Sequence[Need], policy: Policy, context: Context) -> Floats:
    """(W,) distinct options: as the policy says, or as many as rules about regions need; any for pods."""
    most = [np.inf if need.workload.resources is not None else policy.max_options for need in needs]
    places = [places_needed(need.workload, need.pairs, context) for need in needs]
    return np.array([max(own, least) for own, least in zip(most, places, strict=True)], dtype=float)


def option_arrays(table: pd.DataFrame) -> dict[str, Any]:
    """(I,) what options are, cost and do; moving a replica costs its price while it boots.

    Pods cost nothing themselves, `optimizer.node_table` adds the nodes they are on. Starting one elsewhere
    is free: a cluster does it in seconds.
    """
    names = ("option_id", "provider", "region", "instance_type", "purchase")
    pods = on_nodes(table)
    price = np.where(pods, 0.0, table["price_hourly"].astype(float))
    per_instance = np.where(pods, table["pods"].astype(float), 1.0)
    return {
        **{name: tuple(table[name]) for name in names},
        "option_workload": table["w"].to_numpy(dtype=np.int64),
        "price_hourly": price,
        "capacity": table["capacity"].to_numpy(dtype=float) / per_instance,
        "egress_usd_per_unit": np.zeros(len(table)),
        "current_replicas": table["current"].to_numpy(dtype=float) * per_instance,
        "migration_cost_usd": price * table["boot_seconds"].to_numpy(dtype=float) / 3600.0,
    }


def pool_arrays(table: pd.DataFrame, periods: int, policy: Policy) -> dict[str, Any]:
    """Pools with their limits, what of them options draw, and no commitment yet."""
    pools = pool_names(table)
    index = {name: position for position, name in enumerate(pools)}
    none = np.zeros((0, len(pools)))
    limits = pool_limits(table, pools, policy.spot_capacity)
    pool = np.array([index[name] for name in table["pool_name"]], dtype=np.int64)
    quota = np.array([index.get(name, -1) for name in table["quota_name"]], dtype=np.int64)
    return {
        "pools": pools,
        "pool": np.where(on_nodes(table), -1, pool),
        "pool_units": np.ones(len(table)),
        "quota_pool": np.where(on_nodes(table), -1, quota),
        "pool_limit": np.repeat(limits[:, None], periods, axis=1),
        "commitments": (),
        "committed_usd_per_hour": np.zeros(0),
        "offered_max_usd_per_hour": np.zeros(0),
        "fee_per_usd": np.zeros(0),
        "committed_rate": none,
        "covered_list_price": none,
    }


def work_of(needs: Sequence[Need], periods: int) -> Work:
    """Work that may shift; none where a workload needs a rate."""
    work = Work.none(len(needs), periods)
    for w, need in enumerate(needs):
        if need.shift is not None:
            work.amount[w], work.begin[w], work.end[w] = need.shift.amount, need.shift.first, need.shift.last
    return work


def with_commitments(problem: Problem, offers: Sequence[Offer]) -> Problem:
    """The problem with commitments on the pools of its on-demand options and nodes; it has none before."""
    shape = (len(offers), len(problem.pools))
    rates, saved = np.full(shape, np.nan), np.full(shape, np.nan)
    for place, pool, listed in coverable(problem):
        for c, offer in enumerate(offers):
            if place in offer.rates:
                rates[c, pool] = offer.rates[place]
                saved[c, pool] = np.fmin(saved[c, pool], listed)
    return replace(
        problem,
        commitments=tuple(offer.name for offer in offers),
        committed_usd_per_hour=np.array([offer.existing_usd_per_hour for offer in offers], dtype=float),
        offered_max_usd_per_hour=np.array([offer.offered_max_usd_per_hour for offer in offers], dtype=float),
        fee_per_usd=np.array([offer.fee_per_usd for offer in offers], dtype=float),
        committed_rate=rates,
        covered_list_price=saved,
    )


def coverable(problem: Problem) -> Iterator[tuple[tuple[str, str, str], int, float]]:
    """Place, pool and list price per unit of whatever commitments may cover."""
    nodes = problem.nodes
    for of, price in ((problem, problem.price_hourly), (nodes, nodes.price_hourly)):
        for i, (pool, purchase) in enumerate(zip(of.pool, of.purchase, strict=True)):
            if pool >= 0 and purchase == ON_DEMAND:
                place = (of.provider[i], of.region[i], of.instance_type[i])
                yield place, int(pool), float(price[i] / of.pool_units[i])
