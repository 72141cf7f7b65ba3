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

Data:

    D[w,t]       demand                              a[i]      capacity of a replica
    sigma[w]     share that spot may carry           rho[w]    share of capacity that one region may hold
    N[w], F[w]   replicas: least, most, firm ones    R[w]      regions to be in
    Q[p,t]       limit of a pool                     v[i]      pool units of a replica
    B[c], f[c]   committed USD/h, fee of one more    r, l[c,p] USD that a covered unit-hour uses up, saves
    h[t], p[i]   hours, price of an instance-hour    e[i]      egress of a unit served for an hour
    mu[i], A[w]  USD per replica moved, per option newly used; n0[i] replicas of the present fleet

A rule makes the variables that only it is about, and yields rows; a cost names the variables that it is paid
for. How rows are written with whole arrays is told at the head of `optimizer.solve.program`.
Residency, latency and fit are not here: they removed pairs before the problem was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve.program import NONE, Blocks, Program, Rows, along, everywhere, numbered, only

Rule = Callable[[Problem, Blocks], Iterator[Rows]]
Cost = Callable[[Problem], tuple[str, Floats]]


def build(
    problem: Problem, rules: tuple[Rule, ...] | None = None, *, elastic: bool = False, roomy: bool = False
) -> Program:
    """The program of a problem: its rules, minimising its costs.

    Args:
        problem: what to place.
        rules: which rules hold; all of `RULES` by default.
        elastic: let the rules of a best effort be missed; `missed_weights` says how much that matters.
        roomy: allow counts beyond what these rules can make optimal, for more rules that come later.
    """
    _, options, periods = problem.shape
    v = Blocks(elastic=elastic)
    most = most_replicas(problem)
    if roomy:
        most = np.minimum(10.0 * most + 100.0, np.floor(problem.max_replicas[problem.option_workload]))
    v.add("n", everywhere(options, periods), upper=most[:, None], whole=True)
    rows = [row for rule in (RULES if rules is None else rules) for row in rule(problem, v)]
    for paid in COSTS:
        v.pay(*paid(problem))
    return v.program(rows)


def meet_demand(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_i a_i n_{it} + s_{wt} \ge D_{wt}$; with egress $\sum_i x_{it} + s_{wt} = D_{wt}, x \le a n$."""
    wanted, routed = p.demand > 0, charges_egress(p)
    w = p.option_workload
    x = v.add("x", (wanted & routed[:, None])[w])
    row = numbered(wanted)
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


def survive_region(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i \notin r} a_i n_{it} + s_{wt} \ge D_{wt}$ for every region r: any one may be lost."""
    wanted = (p.demand > 0) & p.survive_region_loss[:, None]
    row = numbered(wanted[:, None, :] & has_region(p)[:, :, None])
    i = np.flatnonzero(p.survive_region_loss[p.option_workload])
    elsewhere = region_number(p)[i, None] != np.arange(row.shape[1])
    yield Rows(
        "survive_region",
        row,
        [
            (
                only(row[p.option_workload[i]], elsewhere[:, :, None]),
                v["n"][i, None, :],
                p.capacity[i, None, None],
            ),
            (row, v.missed("survive_region_loss", wanted)[:, None, :], 1.0),
        ],
        lower=p.demand[:, None, :],
    )


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
    r"""$\sum_{i \in p} v_i n_{it} \le Q_{pt}$."""
    row = numbered(np.isfinite(p.pool_limit))
    other = np.where(
        p.quota_pool != p.pool, p.quota_pool, NONE
    )  # an option draws once on what it names twice
    units = p.pool_units[:, None]
    yield Rows(
        "within_pool",
        row,
        [(along(row, p.pool), v["n"], units), (along(row, other), v["n"], units)],
        upper=p.pool_limit,
    )


def honour_commitments(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_c y_{cpt} \le \sum_{i \in p,\,od} v_i n_{it}$ and $\sum_p r_{cp} y_{cpt} \le B_c + b_c$."""
    reached, periods = ~np.isnan(p.committed_rate), len(p.periods)
    b = v.add("b", everywhere(len(p.commitments)), upper=p.offered_max_usd_per_hour)
    y = v.add("y", np.repeat(reached[:, :, None], periods, axis=2))
    row = numbered(np.repeat(np.any(reached, axis=0, keepdims=True).T, periods, axis=1))
    running = along(row, np.where(p.is_coverable, p.pool, NONE))
    yield Rows("cover_running", row, [(row, y, 1.0), (running, v["n"], -p.pool_units[:, None])], upper=0.0)
    row = numbered(everywhere(len(p.commitments), periods))
    yield Rows(
        "within_commitment",
        row,
        [(row[:, None, :], y, p.committed_rate[:, :, None]), (row, b[:, None], -1.0)],
        upper=p.committed_usd_per_hour[:, None],
    )


def count_moves(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$m_i \ge \lvert n_{i0} - n^0_i \rvert$: what keeping or moving the present fleet costs."""
    m = v.add("m", p.migration_cost_usd > 0)
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


COSTS: tuple[Cost, ...] = (instances, egress, commitment_cover, commitment_fees, migration, activation)


MISSED_WEIGHT = {"meet_demand": 100.0, "survive_region_loss": 10.0, "min_replicas": 10.0}  # 1 for the rest


def missed_weights(p: Problem, program: Program) -> Floats:
    """(columns,) what missing each rule counts, relative to its size so that units do not matter.

    Unserved demand weighs most: a region short is better than a request lost.
    """
    weights = np.zeros(len(program.cost))
    for rule, place in missed_rules(program):
        there = place != NONE
        size = np.broadcast_to(rule_size(p, rule), place.shape)[there]
        weights[place[there]] = MISSED_WEIGHT.get(rule, 1.0) / np.maximum(size, 1e-9)
    return weights


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
    a rule, and running it never pays (cover saves no more than the price). Only a cap on a region's share
    asks for more, see `balance_room`.
    """
    w = p.option_workload
    floor = np.floor(np.maximum(np.maximum(p.min_replicas, p.min_on_demand_replicas), 1.0))[w]
    present = np.where(p.migration_cost_usd > 0, np.floor(p.current_replicas), 0.0)
    enough = np.ceil(p.demand.max(axis=1, initial=0.0)[w] / p.capacity - 1e-9)
    balanced = np.ceil(balance_room(p)[w] / p.capacity) + floor
    top = np.where(p.max_region_share[w] < 1.0, balanced, enough)
    return np.floor(np.minimum(np.maximum(np.maximum(top, floor), present), p.max_replicas[w]))


def balance_room(p: Problem) -> Floats:
    """(W,) capacity within which regions of whole replicas can be brought below their share.

    With m the fewest regions that may share the load, whole replicas of size L leave a region off its
    even part by at most L, which a total of L / (share - 1/m) absorbs. Where the share allows even parts
    only, balance may need a common multiple of the sizes: 20 of the largest replica are allowed for. A
    present fleet that is dear to move may have to be balanced as well.
    """
    share, w = p.max_region_share, p.option_workload
    fewest = np.minimum(np.floor(1.0 / share) + 1, np.maximum(has_region(p).sum(axis=1), 1))
    spare = share - 1.0 / fewest
    dear = p.current_replicas * p.capacity * (p.migration_cost_usd > 0)
    kept = np.bincount(w, weights=dear, minlength=len(share))
    largest = np.zeros(len(share))
    np.maximum.at(largest, w, p.capacity)
    need = np.maximum(p.demand.max(axis=1, initial=0.0), kept / share)
    return np.asarray(need + largest * (1.0 + 1.0 / np.where(spare > 0, np.maximum(spare, 0.05), 0.05)))


def region_number(p: Problem) -> Ints:
    """(I,) which of its workload's regions an option lies in, counted in the order of their names."""
    places = list(zip(p.provider, p.region, strict=True))
    code = {place: number for number, place in enumerate(sorted(set(places)))}
    pair = p.option_workload * len(code) + np.array([code[place] for place in places], dtype=np.int64)
    used, which = np.unique(pair, return_inverse=True)
    first = np.searchsorted(used, p.option_workload * len(code))
    return np.asarray(which - first, dtype=np.int64)


def has_region(p: Problem) -> Bools:
    """(W, R) which numbers of regions a workload has, R the most of any workload."""
    number = region_number(p)
    held = np.zeros((len(p.workloads), int(number.max(initial=-1)) + 1), dtype=bool)
    held[p.option_workload, number] = True
    return held
