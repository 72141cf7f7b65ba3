"""The placement problem as arrays: the one definition of feasible and of cost.

Every solver, baseline, planner and test is judged by `check` and `cost` below. They share no code with
the models that find placements, so a fault in a model shows as a violation here.

Index sets, in the order of the arrays:

    w  workloads            i  (workload, option) pairs, "options" for short
    t  periods              p  pools: what quotas limit and commitments cover
    c  commitments

Units: demand, capacity and served amounts share one unit (requests/s for services, units/s for batch);
prices are USD per instance-hour; a period stands for `hours` hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPOT = "spot"
ON_DEMAND = "on_demand"
TOLERANCE = 1e-6
BEST_EFFORT = frozenset(
    {
        "meet_demand",
        "min_replicas",
        "min_on_demand_replicas",
        "min_regions",
        "max_region_share",
        "survive_region_loss",
    }
)


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
    pool holds for every option that names it in either place.
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
    covered_list_price: Floats  # (C, P) USD one covered unit-hour saves; nan = not eligible

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

    def members(self, pool: int) -> Ints:
        """Options that draw on a pool's limit."""
        return np.flatnonzero((self.pool == pool) | (self.quota_pool == pool)).astype(np.int64)


@dataclass(frozen=True)
class Placement:
    """An answer: how many replicas of what, when; what they serve; what commitments cover."""

    replicas: Ints  # (I, T)
    served: Floats  # (I, T)
    covered: Floats  # (C, P, T) unit-hours per hour
    bought_usd_per_hour: Floats  # (C,)


@dataclass(frozen=True)
class Violation:
    """One rule that a placement breaks, and by how much."""

    rule: str
    where: str
    found: float
    allowed: float

    def __str__(self) -> str:
        return f"{self.rule}[{self.where}]: {self.found:.6g} against {self.allowed:.6g}"


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
        "egress": float(problem.egress_usd_per_unit @ placement.served @ hours),
        "activation": float(problem.activation_cost_usd[problem.option_workload[new]].sum()),
        "migration": float(problem.migration_cost_usd @ changed),
        "commitment_cover": -float(np.einsum("cp,cpt,t->", saved, placement.covered, hours)),
        "commitment_fees": float(problem.fee_per_usd @ placement.bought_usd_per_hour * hours.sum()),
    }


def sunk_usd(problem: Problem) -> float:
    """What existing commitments cost over the periods whatever is placed."""
    return float(problem.committed_usd_per_hour.sum() * problem.hours.sum())


def unserved(problem: Problem, placement: Placement) -> Floats:
    """(W, T) demand that nothing serves; positive only where quota or pools ran out."""
    return np.maximum(problem.demand - problem.sum_by_workload(placement.served), 0.0)


def check(problem: Problem, placement: Placement, *, best_effort: bool = False) -> tuple[Violation, ...]:
    """Every rule the placement breaks; an empty tuple means it is feasible.

    `best_effort` accepts what a shortage of quota or pools forces: the rules in BEST_EFFORT may then be
    missed (they are reported as shortfalls), but nothing is served twice, from nowhere or beyond a limit.
    """
    wrong_form = tuple(check_form(problem, placement))
    if wrong_form:
        return wrong_form
    rules = (
        check_domain,
        check_service,
        check_replicas,
        check_spot,
        check_spread,
        check_pools,
        check_coverage,
    )
    found: list[Violation] = []
    for rule in rules:
        found += rule(problem, placement)
    if best_effort:
        found = [violation for violation in found if violation.rule not in BEST_EFFORT]
    return tuple(found)


def check_form(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """The arrays have the problem's shape and hold numbers; no other rule can be read off them if not."""
    _, options, periods = problem.shape
    commitments = len(problem.commitments)
    expected = {
        "replicas": (options, periods),
        "served": (options, periods),
        "covered": (commitments, len(problem.pools), periods),
        "bought_usd_per_hour": (commitments,),
    }
    for name, shape in expected.items():
        values = getattr(placement, name)
        if values.shape != shape:
            yield Violation("shape", f"{name} {values.shape}", values.size, float(np.prod(shape)))
        elif not np.isfinite(values).all():
            yield Violation("finite", name, float("nan"), 0.0)


def check_domain(_: Problem, placement: Placement) -> Iterator[Violation]:
    """Counts are whole and nothing is negative."""
    for name in ("replicas", "served", "covered"):
        least = float(getattr(placement, name).min(initial=0.0))
        if least < -TOLERANCE:
            yield Violation("non_negative", name, least, 0.0)
    if not np.issubdtype(placement.replicas.dtype, np.integer):
        yield Violation("integer", f"replicas {placement.replicas.dtype}", 0.0, 0.0)


def check_service(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Served amounts add up to demand, and no replica serves more than it can."""
    room = problem.capacity[:, None] * placement.replicas
    for i, t in np.argwhere(placement.served > room + slack(room)):
        where = f"{problem.option_id[i]},{problem.periods[t]}"
        yield Violation("within_capacity", where, float(placement.served[i, t]), float(room[i, t]))
    served = problem.sum_by_workload(placement.served)
    for w, t in np.argwhere(served > problem.demand + slack(problem.demand)):
        yield Violation(
            "not_over_served", at(problem, w, t), float(served[w, t]), float(problem.demand[w, t])
        )
    for w, t in np.argwhere(served < problem.demand - slack(problem.demand)):
        yield Violation("meet_demand", at(problem, w, t), float(served[w, t]), float(problem.demand[w, t]))


def check_replicas(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Replica totals stay within their bounds, and not too many different options are used."""
    total = problem.sum_by_workload(placement.replicas)
    low, high = problem.min_replicas[:, None], problem.max_replicas[:, None]
    for w, t in np.argwhere(total < low - TOLERANCE):
        yield Violation("min_replicas", at(problem, w, t), float(total[w, t]), float(low[w, 0]))
    for w, t in np.argwhere(total > high + TOLERANCE):
        yield Violation("max_replicas", at(problem, w, t), float(total[w, t]), float(high[w, 0]))
    used = placement.replicas.max(axis=1, initial=0) > 0
    options = np.bincount(problem.option_workload[used], minlength=len(problem.workloads))
    for w in np.flatnonzero(options > problem.max_options + TOLERANCE):
        yield Violation("max_options", problem.workloads[w], int(options[w]), float(problem.max_options[w]))


def check_spot(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Capacity that no provider can reclaim carries its share of what is served."""
    served = problem.demand - unserved(problem, placement)
    is_firm = ~problem.is_spot[:, None]
    have = problem.sum_by_workload(problem.capacity[:, None] * is_firm * placement.replicas)
    need = (1.0 - problem.max_spot_share)[:, None] * served
    for w, t in np.argwhere(have < need - slack(need)):
        yield Violation("cap_spot", at(problem, w, t), float(have[w, t]), float(need[w, t]))
    count, floor = problem.sum_by_workload(is_firm * placement.replicas), problem.min_on_demand_replicas
    for w, t in np.argwhere(count < floor[:, None] - TOLERANCE):
        yield Violation("min_on_demand_replicas", at(problem, w, t), float(count[w, t]), float(floor[w]))


def check_spread(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Enough regions are in use, losing one is survived, and none holds more than its share of capacity.

    A workload that needs nothing in a period and has no floor may be in fewer regions, or in none.
    """
    floored = (problem.min_replicas > 0) | (problem.min_on_demand_replicas > 0)
    ruled = (problem.min_regions > 1) | (problem.max_region_share < 1) | problem.survive_region_loss
    for w in map(int, np.flatnonzero(ruled)):
        options = problem.options_of(w)
        room = problem.capacity[options][:, None] * placement.replicas[options]
        regions = sorted({(problem.provider[i], problem.region[i]) for i in options})
        held = np.array([region_rows(problem, options, region) @ room for region in regions])
        if not len(held):
            continue
        total = held.sum(axis=0)
        for t in range(len(problem.periods)):
            in_use = int((held[:, t] > 0).sum())
            fewest = float(problem.min_regions[w])
            must_run = problem.demand[w, t] > 0 or floored[w]
            if must_run and fewest > 1 and in_use < fewest:
                yield Violation("min_regions", at(problem, w, t), in_use, fewest)
            left, need = total[t] - held[:, t].max(), problem.demand[w, t]
            if problem.survive_region_loss[w] and left < need - slack(need):
                yield Violation("survive_region_loss", at(problem, w, t), float(left), float(need))
            allowed = problem.max_region_share[w] * total[t]
            if held[:, t].max() > allowed + slack(allowed):
                yield Violation(
                    "max_region_share", at(problem, w, t), float(held[:, t].max()), float(allowed)
                )


def check_pools(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """No pool gives more than it has."""
    units = problem.pool_units[:, None] * placement.replicas
    for p, name in enumerate(problem.pools):
        drawn = units[problem.members(p)].sum(axis=0)
        for t in np.flatnonzero(drawn > problem.pool_limit[p] + slack(drawn)):
            where = f"{name},{problem.periods[t]}"
            yield Violation("within_pool", where, float(drawn[t]), float(problem.pool_limit[p, t]))


def check_coverage(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Commitments cover only running on-demand units, and never beyond what was committed."""
    covered, bought = placement.covered, placement.bought_usd_per_hour
    units = (problem.pool_units * problem.is_coverable)[:, None] * placement.replicas
    for p, name in enumerate(problem.pools):
        running = units[problem.pool == p].sum(axis=0)
        total = covered[:, p].sum(axis=0)
        for t in np.flatnonzero(total > running + slack(running)):
            where = f"{name},{problem.periods[t]}"
            yield Violation("cover_only_running", where, float(total[t]), float(running[t]))
    for c, name in enumerate(problem.commitments):
        not_eligible = np.isnan(problem.committed_rate[c])
        if covered[c, not_eligible].sum() > TOLERANCE:
            yield Violation("cover_only_eligible", name, float(covered[c, not_eligible].sum()), 0.0)
        rate = np.where(not_eligible, 0.0, problem.committed_rate[c])
        budget = problem.committed_usd_per_hour[c] + bought[c]
        spent = rate @ covered[c]
        for t in np.flatnonzero(spent > budget + slack(spent)):
            yield Violation(
                "within_commitment", f"{name},{problem.periods[t]}", float(spent[t]), float(budget)
            )
        if bought[c] > problem.offered_max_usd_per_hour[c] + TOLERANCE or bought[c] < -TOLERANCE:
            yield Violation(
                "within_offer", name, float(bought[c]), float(problem.offered_max_usd_per_hour[c])
            )


def region_rows(problem: Problem, options: Ints, region: tuple[str, str]) -> Floats:
    """1.0 for each of the given options that lies in a (provider, region), else 0.0."""
    return np.array([(problem.provider[i], problem.region[i]) == region for i in options], dtype=float)


def at(problem: Problem, workload: int | np.integer, period: int | np.integer) -> str:
    """Name of one workload in one period, as it stands in messages."""
    return f"{problem.workloads[workload]},{problem.periods[period]}"


def slack(values: Floats) -> Floats:
    """Absolute plus relative tolerance: solvers keep rows to about 1e-7 of their size."""
    return np.asarray(TOLERANCE * (1.0 + np.abs(values)))
