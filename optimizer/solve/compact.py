r"""The compact mixed-integer model: one rule per function, its equation in the docstring.

Exact and readable; meant for small problems and as the reference that faster methods are held against.
Indices as in `optimizer.problem`: w workload, i (workload, option) pair, t period, p pool, c commitment.

Variables
    n[i,t]       replicas, whole                     z[i]      option i is used at all, 0/1
    x[i,t]       served by i (only where egress is charged)
    g[w,r,t]     region r is in use, 0/1             m[i]      replicas changed against the present fleet
    y[c,p,t]     unit-hours covered                  b[c]      commitment bought, USD/h
    s[rule,...]  how far a rule is missed; exists only in the elastic model

Residency, latency and fit are not here: they removed pairs before the problem was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pulp

from optimizer.problem import Problem

Rule = Callable[["Problem", "Vars"], Iterator[tuple[str, pulp.LpConstraint]]]
Expression: TypeAlias = Any  # a pulp expression, variable or number; pulp ships no types


@dataclass
class Vars:
    """The model's variables by index; see the table at the head of this module."""

    model: pulp.LpProblem
    elastic: bool
    n: dict[tuple[int, int], pulp.LpVariable] = field(default_factory=dict)
    x: dict[tuple[int, int], pulp.LpVariable] = field(default_factory=dict)
    z: dict[int, pulp.LpVariable] = field(default_factory=dict)
    g: dict[tuple[int, tuple[str, str], int], pulp.LpVariable] = field(default_factory=dict)
    m: dict[int, pulp.LpVariable] = field(default_factory=dict)
    y: dict[tuple[int, int, int], pulp.LpVariable] = field(default_factory=dict)
    b: dict[int, pulp.LpVariable] = field(default_factory=dict)
    s: dict[tuple[str, int, int], pulp.LpVariable] = field(default_factory=dict)

    def missed(self, rule: str, w: int, t: int) -> Expression:
        """How far a rule may be missed: nothing in the strict model, a variable in the elastic one."""
        if not self.elastic:
            return 0.0
        key = (rule, w, t)
        if key not in self.s:
            self.s[key] = self.model.add_variable(f"s_{rule}_{w}_{t}", lowBound=0)
        return self.s[key]


def build(
    problem: Problem, rules: tuple[Rule, ...] | None = None, *, elastic: bool = False
) -> tuple[pulp.LpProblem, Vars]:
    """The model with its objective and rules; variables and rows are made in index order.

    Args:
        problem: what to place.
        rules: which rules hold; all of `RULES` by default.
        elastic: let the rules of a best effort be missed and minimise by how much instead of the cost.
    """
    model = pulp.LpProblem("placement", pulp.LpMinimize)
    v = make_variables(problem, model, elastic=elastic)
    rows = [row for rule in (RULES if rules is None else rules) for row in rule(problem, v)]
    model += missed_total(problem, v) if elastic else total_cost(problem, v)
    for name, row in rows:
        model.addConstraint(row, name)
    return model, v


def make_variables(p: Problem, model: pulp.LpProblem, *, elastic: bool) -> Vars:
    """Variables of every index that can matter; those that cannot are left out, not fixed."""
    v = Vars(model, elastic)
    make_option_variables(p, v)
    make_region_variables(p, v)
    make_commitment_variables(p, v)
    return v


def make_option_variables(p: Problem, v: Vars) -> None:
    """Option variables: what runs (n), serves (x), is used at all (z) and changes (m)."""
    model, (_, options, periods) = v.model, p.shape
    for i in range(options):
        w = int(p.option_workload[i])
        top = most_replicas(p, i)
        for t in range(periods):
            v.n[i, t] = model.add_variable(f"n_{i}_{t}", 0, top, pulp.LpInteger)
            if charges_egress(p, w):
                v.x[i, t] = model.add_variable(f"x_{i}_{t}", 0)
        if needs_used(p, i):
            v.z[i] = model.add_variable(f"z_{i}", 0, 1, pulp.LpBinary)
        if p.migration_cost_usd[i] > 0:
            v.m[i] = model.add_variable(f"m_{i}", 0)


def make_region_variables(p: Problem, v: Vars) -> None:
    """Region variables (g): which regions a workload is in, where it must be in several."""
    for w in np.flatnonzero(p.min_regions > 1):
        for r, region in enumerate(regions_of(p, int(w))):
            for t in range(len(p.periods)):
                v.g[int(w), region, t] = v.model.add_variable(f"g_{w}_{r}_{t}", 0, 1, pulp.LpBinary)


def make_commitment_variables(p: Problem, v: Vars) -> None:
    """Commitment variables: what is bought (b) and what it covers (y)."""
    for c in range(len(p.commitments)):
        most = float(p.offered_max_usd_per_hour[c])
        v.b[c] = v.model.add_variable(f"b_{c}", 0, most if math.isfinite(most) else None)
        for k in np.flatnonzero(~np.isnan(p.committed_rate[c])):
            for t in range(len(p.periods)):
                v.y[c, int(k), t] = v.model.add_variable(f"y_{c}_{k}_{t}", 0)


def meet_demand(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_i a_i n_{it} + s \ge D_{wt}$; with egress $\sum_i x_{it} + s = D_{wt}$, $x \le a n$."""
    for w, t in wanted(p):
        options = p.options_of(w)
        missed = v.missed("meet_demand", w, t)
        if not charges_egress(p, w):
            room = pulp.lpSum(float(p.capacity[i]) * v.n[i, t] for i in options)
            yield f"meet_demand_{w}_{t}", room + missed >= float(p.demand[w, t])
            continue
        served = pulp.lpSum(v.x[i, t] for i in options)
        yield f"meet_demand_{w}_{t}", served + missed == float(p.demand[w, t])
        for i in options:
            yield f"within_capacity_{i}_{t}", v.x[i, t] <= float(p.capacity[i]) * v.n[i, t]


def cap_spot(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_{i\,firm} a_i n_{it} \ge (1 - \sigma_w)(D_{wt} - s_{wt})$."""
    spot = p.is_spot
    for w, t in wanted(p):
        options = p.options_of(w)
        if p.max_spot_share[w] >= 1.0 or not spot[options].any():
            continue
        firm = pulp.lpSum(float(p.capacity[i]) * v.n[i, t] for i in options if not spot[i])
        share = 1.0 - float(p.max_spot_share[w])
        yield (
            f"cap_spot_{w}_{t}",
            firm + share * v.missed("meet_demand", w, t) >= share * float(p.demand[w, t]),
        )


def bound_replicas(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\underline N_w - s \le \sum_i n_{it} \le \overline N_w$."""
    for w in range(len(p.workloads)):
        for t in range(len(p.periods)):
            total = pulp.lpSum(v.n[i, t] for i in p.options_of(w))
            if p.min_replicas[w] > 0:
                missed = v.missed("min_replicas", w, t)
                yield f"min_replicas_{w}_{t}", total + missed >= float(p.min_replicas[w])
            if math.isfinite(p.max_replicas[w]):
                yield f"max_replicas_{w}_{t}", total <= float(p.max_replicas[w])


def floor_on_demand(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_{i\,firm} n_{it} + s \ge F_w$."""
    spot = p.is_spot
    for w in np.flatnonzero(p.min_on_demand_replicas > 0):
        for t in range(len(p.periods)):
            firm = pulp.lpSum(v.n[i, t] for i in p.options_of(int(w)) if not spot[i])
            missed = v.missed("min_on_demand_replicas", int(w), t)
            yield f"floor_on_demand_{w}_{t}", firm + missed >= float(p.min_on_demand_replicas[w])


def survive_region(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_{i \notin r} a_i n_{it} + s \ge D_{wt}$ for every region r: any one may be lost."""
    for w, t in wanted(p):
        if not p.survive_region_loss[w]:
            continue
        for r, region in enumerate(regions_of(p, w)):
            lost = set(in_region(p, w, region))
            left = pulp.lpSum(float(p.capacity[i]) * v.n[i, t] for i in p.options_of(w) if int(i) not in lost)
            missed = v.missed("survive_region_loss", w, t)
            yield f"survive_region_{w}_{r}_{t}", left + missed >= float(p.demand[w, t])


def count_options(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$n_{it} \le M_i z_i$ and $\sum_i z_i \le \mathrm{max\_options}_w$."""
    for i, z in v.z.items():
        for t in range(len(p.periods)):
            yield f"used_{i}_{t}", v.n[i, t] <= most_replicas(p, i) * z
    for w in np.flatnonzero(np.isfinite(p.max_options)):
        total = pulp.lpSum(v.z[int(i)] for i in p.options_of(int(w)))
        yield f"max_options_{w}", total <= float(p.max_options[w])


def spread_regions(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$g_{wrt} \le \sum_{i \in r} n_{it}$ and $\sum_r g_{wrt} + s \ge R_w$ where anything must run."""
    must_run = (p.demand > 0) | ((p.min_replicas > 0) | (p.min_on_demand_replicas > 0))[:, None]
    for w, t in np.argwhere(must_run & (p.min_regions > 1)[:, None]).tolist():
        regions = regions_of(p, w)
        for r, region in enumerate(regions):
            here = pulp.lpSum(v.n[i, t] for i in in_region(p, w, region))
            yield f"region_used_{w}_{r}_{t}", v.g[w, region, t] <= here
        in_use = pulp.lpSum(v.g[w, region, t] for region in regions)
        yield f"min_regions_{w}_{t}", in_use + v.missed("min_regions", w, t) >= int(p.min_regions[w])


def cap_region(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_{i \in r} a_i n_{it} \le \rho_w \sum_i a_i n_{it} + s$."""
    for w in np.flatnonzero(p.max_region_share < 1.0):
        for t in range(len(p.periods)):
            total = pulp.lpSum(float(p.capacity[i]) * v.n[i, t] for i in p.options_of(int(w)))
            for r, region in enumerate(regions_of(p, int(w))):
                here = pulp.lpSum(float(p.capacity[i]) * v.n[i, t] for i in in_region(p, int(w), region))
                allowed = float(p.max_region_share[w]) * total + v.missed("max_region_share", int(w), t)
                yield f"max_region_share_{w}_{r}_{t}", here <= allowed


def within_pools(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_{i \in p} v_i n_{it} \le Q_{pt}$."""
    for k in range(len(p.pools)):
        members = p.members(k)
        for t in range(len(p.periods)):
            if len(members) and math.isfinite(p.pool_limit[k, t]):
                drawn = pulp.lpSum(float(p.pool_units[i]) * v.n[i, t] for i in members)
                yield f"within_pool_{k}_{t}", drawn <= float(p.pool_limit[k, t])


def honour_commitments(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$\sum_c y_{cpt} \le \sum_{i \in p,\,od} v_i n_{it}$ and $\sum_p r_{cp} y_{cpt} \le B_c + b_c$."""
    coverable = p.is_coverable
    for t in range(len(p.periods)):
        for k in sorted({k for _, k, _ in v.y}):
            members = [i for i in np.flatnonzero(p.pool == k) if coverable[i]]
            running = pulp.lpSum(float(p.pool_units[i]) * v.n[int(i), t] for i in members)
            covered = pulp.lpSum(v.y[c, k, t] for c in v.b if (c, k, t) in v.y)
            yield f"cover_running_{k}_{t}", covered <= running
        for c, bought in v.b.items():
            spent = pulp.lpSum(
                float(p.committed_rate[c, k]) * y for (c_, k, t_), y in v.y.items() if c_ == c and t_ == t
            )
            yield f"within_commitment_{c}_{t}", spent <= float(p.committed_usd_per_hour[c]) + bought


def count_moves(p: Problem, v: Vars) -> Iterator[tuple[str, pulp.LpConstraint]]:
    r"""$m_i \ge |n_{i0} - n^0_i|$: what keeping or moving the present fleet costs."""
    for i, moved in v.m.items():
        now = float(p.current_replicas[i])
        yield f"moved_up_{i}", moved >= v.n[i, 0] - now
        yield f"moved_down_{i}", moved >= now - v.n[i, 0]


RULES: tuple[Rule, ...] = (
    meet_demand,
    cap_spot,
    bound_replicas,
    floor_on_demand,
    survive_region,
    count_options,
    spread_regions,
    cap_region,
    within_pools,
    honour_commitments,
    count_moves,
)


def total_cost(p: Problem, v: Vars) -> pulp.LpAffineExpression:
    r"""$\sum_t h_t(\sum_i p_i n_{it} + e_i x_{it} - \sum_{cp} l_{cp} y_{cpt} + \sum_c f_c b_c) + fixed$.

    Fixed are activation (once per option newly used) and migration (per replica changed).
    """
    hours = p.hours
    terms = [float(p.price_hourly[i] * hours[t]) * n for (i, t), n in v.n.items()]
    terms += [float(p.egress_usd_per_unit[i] * hours[t]) * x for (i, t), x in v.x.items()]
    terms += [-float(p.covered_list_price[c, k] * hours[t]) * y for (c, k, t), y in v.y.items()]
    terms += [float(p.fee_per_usd[c] * hours.sum()) * bought for c, bought in v.b.items()]
    terms += [float(p.migration_cost_usd[i]) * moved for i, moved in v.m.items()]
    new = [i for i in v.z if p.current_replicas[i] <= 0]
    terms += [float(p.activation_cost_usd[p.option_workload[i]]) * v.z[i] for i in new]
    return pulp.lpSum(terms)


def missed_total(p: Problem, v: Vars) -> pulp.LpAffineExpression:
    """Total by which rules are missed, each relative to its size so that units do not matter.

    Unserved demand weighs most: a region short is better than a request lost.
    """
    weight = {"meet_demand": 100.0, "survive_region_loss": 10.0, "min_replicas": 10.0}
    terms = [
        weight.get(rule, 1.0) / max(rule_size(p, rule, w, t), 1e-9) * s for (rule, w, t), s in v.s.items()
    ]
    return pulp.lpSum(terms)


def rule_size(p: Problem, rule: str, w: int, t: int) -> float:
    """What a rule asks for, in its own unit: replicas, regions or demand (1 where there is none)."""
    asked = {
        "min_replicas": p.min_replicas[w],
        "min_on_demand_replicas": p.min_on_demand_replicas[w],
        "min_regions": p.min_regions[w],
    }
    return float(asked.get(rule, p.demand[w, t] or 1.0))


def wanted(p: Problem) -> Iterator[tuple[int, int]]:
    """Workloads and periods with demand."""
    for w, t in np.argwhere(p.demand > 0):
        yield int(w), int(t)


def charges_egress(p: Problem, w: int) -> bool:
    """Whether routing matters for the cost of a workload."""
    return bool((p.egress_usd_per_unit[p.options_of(w)] > 0).any())


def needs_used(p: Problem, i: int) -> bool:
    """Whether anything depends on an option being used at all."""
    w = p.option_workload[i]
    return bool(
        np.isfinite(p.max_options[w]) or (p.activation_cost_usd[w] > 0 and p.current_replicas[i] <= 0)
    )


def most_replicas(p: Problem, i: int) -> int:
    """A count that no optimal placement exceeds: the M of `count_options`, as small as is safe.

    A replica beyond ceil(D / a), beyond the floors and beyond the present fleet could go without breaking
    a rule, and running it never pays (cover saves no more than the price). Only a cap on a region's share
    asks for more, see `balance_room`.
    """
    w = int(p.option_workload[i])
    floor = int(max(p.min_replicas[w], p.min_on_demand_replicas[w], 1.0))
    present = int(p.current_replicas[i]) if p.migration_cost_usd[i] > 0 else 0
    if p.max_region_share[w] < 1.0:
        top = math.ceil(balance_room(p, w) / float(p.capacity[i])) + floor
    else:
        top = math.ceil(float(p.demand[w].max(initial=0.0)) / float(p.capacity[i]) - 1e-9)
    return int(min(max(top, floor, present), p.max_replicas[w]))


def balance_room(p: Problem, w: int) -> float:
    """Capacity within which regions of whole replicas can be brought below their share.

    With m the fewest regions that may share the load, whole replicas of size L leave a region off its
    even part by at most L, which a total of L / (share - 1/m) absorbs. Where the share allows even parts
    only, balance may need a common multiple of the sizes: 20 of the largest replica are allowed for. A
    present fleet that is dear to move may have to be balanced as well.
    """
    options, share = p.options_of(w), float(p.max_region_share[w])
    spare = share - 1.0 / min(math.floor(1.0 / share) + 1, len(regions_of(p, w)))
    kept = p.current_replicas[options] * p.capacity[options] * (p.migration_cost_usd[options] > 0)
    need = max(float(p.demand[w].max(initial=0.0)), float(kept.sum()) / share)
    return need + float(p.capacity[options].max()) * (1.0 + (min(1.0 / spare, 20.0) if spare > 0 else 20.0))


def regions_of(p: Problem, w: int) -> list[tuple[str, str]]:
    """The (provider, region) pairs a workload may use, sorted."""
    return sorted({(p.provider[i], p.region[i]) for i in p.options_of(w)})


def in_region(p: Problem, w: int, region: tuple[str, str]) -> list[int]:
    """A workload's options in one region."""
    return [int(i) for i in p.options_of(w) if (p.provider[i], p.region[i]) == region]
