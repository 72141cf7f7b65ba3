r"""The compact mixed-integer model: one rule per function, its equation in the docstring.

Exact and readable; meant for small problems and as the reference that faster methods are held against.
Indices as in `optimizer.problem`: w workload, i (workload, option) pair, t period, p pool, c commitment;
r counts the regions of a workload.

Variables:

    n[i,t]       replicas, whole                     z[i]      option i is used at all, 0/1
    x[i,t]       served by i (only where egress is charged)
    g[w,r,t]     region r is in use, 0/1             m[i]      replicas changed against the present fleet
    y[c,p,t]     unit-hours covered                  b[c]      commitment bought, USD/h
    s_rule[...]  how far a rule is missed; exists only in the elastic model
    f[r,t]       amount over a route r from an origin g to an option (only where routing decides something)
    l[i,t]       replicas that go with the fullest zone (only where a zone may be lost and there are several)
    k[j,t]       nodes of a pool that workloads share (only where there are some)

Data:

    D[w,t]       demand                              a[i]      capacity of a replica
    sigma[w]     share that spot may carry           rho[w]    share of capacity that one region may hold
    N[w], F[w]   replicas: least, most, firm ones    R[w]      regions to be in
    Q[p,t]       limit of a pool                     v[i]      pool units of a replica
    B[c], f[c]   committed USD/h, fee of one more    r, l[c,p] USD that a covered unit-hour uses up, saves
    h[t], p[i]   hours, price of an instance-hour    e[i]      egress of a unit served for an hour
    mu[i], A[w]  USD per replica moved, per option newly used; n0[i] replicas of the present fleet
    D[g,t]       demand from an origin               z[i]      zones that replicas are spread over
    phi[w]       share of demand after a loss        Delta[w]  change of a total from period to period

A rule makes the variables that only it is about, and yields rows; a cost names the variables that it is paid
for. How rows are written with whole arrays is told at the head of `optimizer.solve.program`.
Residency, latency and fit are not here: they removed pairs before the problem was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from optimizer.caps import CHANGED, THIRD
from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve.count_rules import bound_options, leave_out, limit_ramps
from optimizer.solve.node_rules import add_nodes, node_usd, round_demand, share_nodes
from optimizer.solve.place_rules import meet_origins, route_egress, survive_region, survive_zone
from optimizer.solve.program import NONE, Blocks, Program, Rows, Term, along, everywhere, numbered, only
from optimizer.solve.regions import has_region, region_number
from optimizer.solve.shared_rules import (
    cap_prices,
    finish_work,
    keep_caps,
    lose_in_scenarios,
    slo,
    work_egress,
)

MOST_MULTIPLE = 400  # of the largest replica, up to which regions are balanced
EVEN = 0.05  # likewise, one divided by it, where no such multiple is known

Rule = Callable[[Problem, Blocks], Iterator[Rows]]
Cost = Callable[[Problem], tuple[str, Floats]]


def build(
    problem: Problem, rules: tuple[Rule, ...] | None = None, *, elastic: bool = False, roomy: bool = False
) -> Program:
    """The program of a problem: its rules, minimising its costs.

    Args:
        problem: what to place.
        rules: which rules hold; all of `RULES` by default.
        elastic: let the rules of a best effort be missed; `missed_levels` says how much that matters.
        roomy: allow counts beyond what these rules can make optimal, for more rules that come later.
    """
    _, options, periods = problem.shape
    v = Blocks(elastic=elastic)
    most = most_replicas(problem)
    if roomy:
        most = np.minimum(10.0 * most + 100.0, np.floor(problem.max_replicas[problem.option_workload]))
    v.add("n", everywhere(options, periods), upper=most[:, None], whole=True)
    add_nodes(problem, v, most)
    rows = [row for rule in (RULES if rules is None else rules) for row in rule(problem, v)]
    for paid in COSTS:
        v.pay(*paid(problem))
    return v.program(rows)


def meet_demand(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_i a_i n_{it} + s_{wt} \ge D_{wt}$; with egress $\sum_i x_{it} + s_{wt} = D_{wt}, x \le a n$."""
    wanted, routed, w = p.demand > 0, charges_egress(p), p.option_workload
    row = numbered(wanted & p.routes.is_free[:, None])  # the rest is for `meet_origins`
    x = v.add("x", ((row != NONE) & routed[:, None])[w])
    yield Rows(
        "meet_demand",
        row,
        [
            (only(row[w], ~routed[w, None]), v["n"], p.capacity[:, None]),
            (row[w], x, 1.0),
            (row, v.missed("meet_demand", wanted), 1.0),
        ],
        lower=p.demand,
        upper=np.where(routed[:, None], p.demand, np.inf),
    )
    row = numbered(x != NONE)
    yield Rows("within_capacity", row, [(row, x, 1.0), (row, v["n"], -p.capacity[:, None])], upper=0.0)


def cap_spot(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i\,firm} a_i n_{it} \ge (1 - \sigma_w)(D_{wt} - s_{wt})$."""
    wanted, w = p.demand > 0, p.option_workload
    has_spot = np.bincount(w[p.is_spot], minlength=len(wanted)) > 0
    firm_share = 1.0 - p.max_spot_share[:, None]
    row = numbered(wanted & (firm_share > 0) & has_spot[:, None])
    yield Rows(
        "cap_spot",
        row,
        [
            (only(row[w], ~p.is_spot[:, None]), v["n"], p.capacity[:, None]),
            (row, v.missed("meet_demand", wanted), firm_share),
        ],
        lower=firm_share * p.demand,
    )


def bound_replicas(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\underline N_w - s_{wt} \le \sum_i n_{it} \le \overline N_w$."""
    low, high = p.min_replicas[:, None], p.max_replicas[:, None]
    floored = np.broadcast_to(low > 0, p.demand.shape)
    row = numbered(floored)
    missed = v.missed("min_replicas", floored)
    yield Rows("min_replicas", row, [(row[p.option_workload], v["n"], 1.0), (row, missed, 1.0)], lower=low)
    row = numbered(np.broadcast_to(np.isfinite(high), p.demand.shape))
    yield Rows("max_replicas", row, [(row[p.option_workload], v["n"], 1.0)], upper=high)


def floor_on_demand(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i\,firm} n_{it} + s_{wt} \ge F_w$."""
    floor = p.min_on_demand_replicas[:, None]
    floored = np.broadcast_to(floor > 0, p.demand.shape)
    row = numbered(floored)
    firm = only(row[p.option_workload], ~p.is_spot[:, None])
    missed = v.missed("min_on_demand_replicas", floored)
    yield Rows("floor_on_demand", row, [(firm, v["n"], 1.0), (row, missed, 1.0)], lower=floor)


def count_options(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$n_{it} \le M_i z_i$ and $\sum_i z_i \le \mathrm{max\_options}_w$."""
    w = p.option_workload
    new = (p.activation_cost_usd[w] > 0) & (p.current_replicas <= 0)
    z = v.add("z", np.isfinite(p.max_options[w]) | new, upper=1.0, whole=True)
    row = numbered(only(v["n"], (z != NONE)[:, None]) != NONE)
    yield Rows("used", row, [(row, v["n"], 1.0), (row, z[:, None], -v.most("n"))], upper=0.0)
    row = numbered(np.isfinite(p.max_options))
    yield Rows("max_options", row, [(row[w], z, 1.0)], upper=p.max_options)


def spread_regions(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$g_{wrt} \le \sum_{i \in r} n_{it}$ and $\sum_r g_{wrt} + s_{wt} \ge R_w$ where anything must run."""
    must_run = (p.demand > 0) | ((p.min_replicas > 0) | (p.min_on_demand_replicas > 0))[:, None]
    ruled = must_run & (p.min_regions > 1)[:, None]
    g = v.add("g", ruled[:, None, :] & has_region(p)[:, :, None], upper=1.0, whole=True)
    row = numbered(g != NONE)
    here = row[p.option_workload, region_number(p)]
    yield Rows("region_used", row, [(row, g, 1.0), (here, v["n"], -1.0)], upper=0.0)
    row = numbered(ruled)
    missed = v.missed("min_regions", ruled)
    yield Rows(
        "min_regions", row, [(row[:, None, :], g, 1.0), (row, missed, 1.0)], lower=p.min_regions[:, None]
    )


def cap_region(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i \in r} a_i n_{it} \le \rho_w \sum_i a_i n_{it} + s_{wt}$."""
    capped = p.max_region_share < 1.0
    ruled = np.broadcast_to(capped[:, None], p.demand.shape)
    row = numbered(ruled[:, None, :] & has_region(p)[:, :, None])
    i = np.flatnonzero(capped[p.option_workload])
    w, n, room = p.option_workload[i], v["n"][i], p.capacity[i]
    yield Rows(
        "max_region_share",
        row,
        [
            (row[w, region_number(p)[i]], n, room[:, None]),
            (row[w], n[:, None, :], -(p.max_region_share[w] * room)[:, None, None]),
            (row, v.missed("max_region_share", ruled)[:, None, :], -1.0),
        ],
        upper=0.0,
    )


def within_pools(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i \in p} v_i n_{it} + \sum_{j \in p} v_j k_{jt} \le Q_{pt}$."""
    row = numbered(np.isfinite(p.pool_limit))
    other = np.where(
        p.quota_pool != p.pool, p.quota_pool, NONE
    )  # an option draws once on what it names twice
    units = p.pool_units[:, None]
    drawn: list[Term] = [(along(row, p.pool), v["n"], units), (along(row, other), v["n"], units)]
    if "k" in v:
        units = p.nodes.pool_units[:, None]
        drawn += [(along(row, pool), v["k"], units) for pool in (p.nodes.pool, p.nodes.other_pool)]
    yield Rows("within_pool", row, drawn, upper=p.pool_limit)


def honour_commitments(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_c y_{cpt} \le \sum_{i \in p,\,od} v_i n_{it}$ and $\sum_p r_{cp} y_{cpt} \le B_c + b_c$.

    Nodes that are shared count among what runs.
    """
    reached, periods = ~np.isnan(p.committed_rate), len(p.periods)
    b = v.add("b", everywhere(len(p.commitments)), upper=p.offered_max_usd_per_hour)
    y = v.add("y", np.repeat(reached[:, :, None], periods, axis=2))
    row = numbered(np.repeat(np.any(reached, axis=0, keepdims=True).T, periods, axis=1))
    running = along(row, np.where(p.is_coverable, p.pool, NONE))
    terms: list[Term] = [(row, y, 1.0), (running, v["n"], -p.pool_units[:, None])]
    if "k" in v:
        on_nodes = along(row, np.where(p.nodes.is_coverable, p.nodes.pool, NONE))
        terms.append((on_nodes, v["k"], -p.nodes.pool_units[:, None]))
    yield Rows("cover_running", row, terms, upper=0.0)
    row = numbered(everywhere(len(p.commitments), periods))
    yield Rows(
        "within_commitment",
        row,
        [(row[:, None, :], y, p.committed_rate[:, :, None]), (row, b[:, None], -1.0)],
        upper=p.committed_usd_per_hour[:, None],
    )


def count_moves(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$m_i \ge \lvert n_{i0} - n^0_i \rvert$: what keeping or moving the present fleet costs."""
    m = v.add("m", (p.migration_cost_usd > 0) | p.caps.counted(CHANGED)[p.option_workload])
    row, first = numbered(m != NONE), v["n"][:, 0]
    yield Rows("moved_up", row, [(row, m, 1.0), (row, first, -1.0)], lower=-p.current_replicas)
    yield Rows("moved_down", row, [(row, m, 1.0), (row, first, 1.0)], lower=p.current_replicas)


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
    meet_origins,
    survive_zone,
    leave_out,
    bound_options,
    limit_ramps,
    finish_work,
    lose_in_scenarios,
    keep_caps,
    share_nodes,
    round_demand,
)


def instances(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_{it} h_t\,p_i\,n_{it}$."""
    return "n", p.price_hourly[:, None] * p.hours


def egress(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_{it} h_t\,e_i\,x_{it}$."""
    return "x", p.egress_usd_per_unit[:, None] * p.hours


def commitment_cover(p: Problem) -> tuple[str, Floats]:
    r"""$-\sum_{cpt} h_t\,l_{cp}\,y_{cpt}$: what is covered is not paid at list price."""
    return "y", -p.covered_list_price[:, :, None] * p.hours


def commitment_fees(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_c H f_c b_c$ with H all hours; fees of existing commitments are sunk."""
    return "b", p.fee_per_usd * p.hours.sum()


def migration(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_i \mu_i m_i$: once per replica changed against the present fleet."""
    return "m", p.migration_cost_usd


def activation(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_i A_w z_i$ over options that the present fleet does not hold."""
    return "z", np.where(p.current_replicas <= 0, p.activation_cost_usd[p.option_workload], 0.0)


COSTS: tuple[Cost, ...] = (
    instances,
    egress,
    commitment_cover,
    commitment_fees,
    migration,
    activation,
    route_egress,
    cap_prices,
    slo,
    work_egress,
    node_usd,
)


def missed_levels(p: Problem, program: Program) -> list[tuple[float, Floats]]:
    """What may be missed, by priority: what comes first, and (columns,) how much missing it counts.

    Within a priority it counts relative to its size, so that units do not matter.
    """
    level, weight = np.full(len(program.cost), np.nan), np.zeros(len(program.cost))
    for rule, place in missed_rules(program):
        there = place != NONE
        size = np.broadcast_to(rule_size(p, rule), place.shape)[there]
        own = np.broadcast_to(p.priorities.of(rule, len(p.workloads))[:, None], place.shape)[there]
        level[place[there]], weight[place[there]] = own, 1.0 / np.maximum(size, 1e-9)
    if len(p.caps):
        over = program.columns_of("over")
        there = over != NONE
        level[over[there]] = p.caps.levels[there]
        weight[over[there]] = 1.0 / np.maximum(p.caps.limit[there], 1.0)
    return [(float(k), np.where(level == k, weight, 0.0)) for k in np.unique(level[~np.isnan(level)])]


def is_strict_first(p: Problem) -> bool:
    """Whether every rule comes before every soft cap: then the caps wait until the rules are kept."""
    softest = max([THIRD, *p.priorities.priority.tolist()])
    return bool((p.caps.levels[p.caps.is_soft] > softest).all())


def missed_rules(program: Program) -> Iterator[tuple[str, Ints]]:
    """Every rule that may be missed, with the columns that say by how much."""
    for block in program.variables:
        if block.name.startswith("s_"):
            yield block.name.removeprefix("s_"), block.place


def rule_size(p: Problem, rule: str) -> Floats:
    """(W, T) what a rule asks for, in its own unit: replicas, regions or demand (1 where there is none)."""
    asked = {
        "min_replicas": p.min_replicas,
        "min_on_demand_replicas": p.min_on_demand_replicas,
        "min_regions": p.min_regions.astype(float),
        "max_ramp_replicas": np.maximum(p.ramp.max_replicas, 1.0),
        "finish_work": p.work.amount,
    }
    if rule in asked:
        return np.broadcast_to(asked[rule][:, None], p.demand.shape)
    return np.where(p.demand > 0, p.demand, 1.0)


def charges_egress(p: Problem) -> Bools:
    """(W,) whether routing matters for the cost of a workload."""
    return np.bincount(p.option_workload[p.egress_usd_per_unit > 0], minlength=len(p.workloads)) > 0


def most_replicas(p: Problem) -> Floats:
    """(I,) counts that no optimal placement exceeds: the M of `count_options`, as small as is safe.

    A replica beyond ceil(D / a), beyond the floors and beyond the present fleet could go without breaking
    a rule, and running it never pays (cover saves no more than the price). A zone that may be lost and a cap
    on a region's share ask for more, see `with_zone_lost` and `balance_room`. Where a ramp ties a total to
    its neighbours, a replica must stay although nothing else needs it, but no total has to exceed the sum
    of what is enough of each option (or the present fleet, where the ramp begins there).
    """
    w = p.option_workload
    floor = np.floor(np.maximum(np.maximum(p.min_replicas, p.min_on_demand_replicas), 1.0))[w]
    kept = (p.migration_cost_usd > 0) | p.caps.counted(CHANGED)[w]
    present = np.where(kept, np.floor(p.current_replicas), 0.0)
    enough = np.maximum(np.ceil(p.demand.max(axis=1, initial=0.0)[w] / p.capacity - 1e-9), with_zone_lost(p))
    balanced = np.ceil(balance_room(p)[w] / p.capacity) + floor
    top = np.where(p.max_region_share[w] < 1.0, balanced, enough)
    top = np.maximum.reduce([top, floor, present, pinned(p), in_scenarios(p), for_work(p)])
    in_all = np.bincount(w, weights=top, minlength=len(p.workloads))
    now = np.bincount(w, weights=p.current_replicas, minlength=len(p.workloads))
    in_all = np.maximum(in_all, np.where(p.ramp.from_current, now, 0.0))
    top = np.where(np.isfinite(p.ramp.max_replicas)[w], in_all[w], top)
    return np.floor(np.minimum(top, p.max_replicas[w]))


def with_zone_lost(p: Problem) -> Floats:
    r"""(I,) replicas of which enough are left with a zone lost: $n - \lceil n/z \rceil \ge m$."""
    w, zones = p.option_workload, p.survival.zones
    ruled = p.survival.survive_zone_loss[w] & (zones > 1)
    need = (p.survival.headroom_share * p.demand.max(axis=1, initial=0.0))[w]
    left = np.ceil(need / p.capacity - 1e-9)
    return np.where(ruled, left + np.ceil(left / np.maximum(zones - 1, 1)), 0.0)


def in_scenarios(p: Problem) -> Floats:
    r"""(I,) replicas enough in every scenario that leaves any: $\lceil f D / (a (1 - \lambda)) \rceil$."""
    paid = p.scenarios.is_paid[p.option_workload]
    if not paid.any():
        return np.zeros(len(paid))
    asked = (p.scenarios.demand_factor * p.demand)[:, p.option_workload]
    left = p.scenarios.kept_share(p.source_pool) * p.capacity[:, None]
    need = np.divide(asked, left, out=np.zeros_like(asked), where=left > 0)
    return np.where(paid, np.ceil(need.max(axis=(0, 2), initial=0.0) - 1e-9), 0.0)


def for_work(p: Problem) -> Floats:
    """(I,) replicas that do all the work of a workload in the shortest period of its window."""
    window = p.work.window(len(p.periods))
    shortest = np.where(window, p.hours, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.ceil((p.work.amount / shortest)[p.option_workload] / p.capacity - 1e-9))


def pinned(p: Problem) -> Floats:
    """(I,) most replicas that an option must have in any period."""
    fewest = np.zeros(len(p.option_id))
    np.maximum.at(fewest, p.bounds.option, p.bounds.fewest)
    return fewest


def balance_room(p: Problem) -> Floats:
    """(W,) capacity within which regions of whole replicas can be brought below their share.

    With m the fewest regions that may share the load, whole replicas of size L leave a region off its
    even part by at most L, which a total of L / (share - 1/m) absorbs. Where the share allows even parts
    only, balance takes a common multiple of the sizes, see `common_multiple`. A present fleet that is dear to
    move may have to be balanced as well, and so has what must be in one region: options pinned there, demand
    that can be served nowhere else, room for a zone that may be lost.
    """
    share, w = p.max_region_share, p.option_workload
    fewest = np.minimum(np.floor(1.0 / share) + 1, np.maximum(running_regions(p), 1))
    spare = np.maximum(share - 1.0 / fewest, 0.0)
    dear = p.current_replicas * p.capacity * (p.migration_cost_usd > 0)
    kept = np.bincount(w, weights=dear, minlength=len(share))
    largest = np.zeros(len(share))
    np.maximum.at(largest, w, p.capacity)
    most, held = p.demand.max(axis=1, initial=0.0), np.zeros(len(share))
    np.maximum.at(held, w, np.maximum.reduce([with_zone_lost(p), in_scenarios(p), for_work(p)]) * p.capacity)
    held = np.maximum(held, np.where(p.routes.reaches_all, 0.0, most))
    held += np.bincount(w, weights=pinned(p) * p.capacity, minlength=len(share))
    need = np.maximum(most, np.maximum(kept, held) / share)
    absorbed = np.where(spare > 1.0 / MOST_MULTIPLE, spare, EVEN)
    return np.asarray(need + np.maximum(largest * (1.0 + 1.0 / absorbed), common_multiple(p)))


def running_regions(p: Problem) -> Ints:
    """(W,) regions of each workload in which an option can run: it is admissible, and its limits hold one."""
    most = np.append(p.pool_limit.max(axis=1, initial=0.0), np.inf)  # the last one is for no pool
    fits = np.minimum(most[p.pool], most[p.quota_pool]) >= p.pool_units
    runs = np.zeros(has_region(p).shape, dtype=bool)
    can_run = p.is_admissible & fits
    runs[p.option_workload[can_run], region_number(p)[can_run]] = True
    return np.asarray(runs.sum(axis=1), dtype=np.int64)


def common_multiple(p: Problem) -> Floats:
    """(W,) least common multiple of replica sizes where a share allows even parts only: 1/2, 1/3 and so on.

    0 elsewhere, and where it is above `MOST_MULTIPLE` of the largest: then a shortfall of the share may be
    told although more replicas than are looked at would keep it.
    """
    parts = 1.0 / p.max_region_share
    even = np.flatnonzero((p.max_region_share < 1.0) & (np.abs(parts - np.rint(parts)) < 1e-6))
    multiple = np.zeros(len(parts))
    for w in map(int, even):
        sizes = np.unique(p.capacity[p.options_of(w)])
        exact = [Fraction(size).limit_denominator(1_000) for size in sizes]
        common = math.lcm(*(x.numerator for x in exact)) / math.gcd(*(x.denominator for x in exact))
        if np.allclose([float(x) for x in exact], sizes, rtol=1e-9) and common <= MOST_MULTIPLE * sizes.max():
            multiple[w] = common
    return multiple
