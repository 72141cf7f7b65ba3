r"""Rules of the compact model about nodes that workloads share.

Variables beside those of `optimizer.solve.compact`
    k[j,t]       nodes of pool j that run, whole
    kc[c]        USD for nodes that count in a cap of money: what is on them tells which
    pack[..]     nodes packed in one way; columns that `optimizer.solve.sharing` adds as it finds them

Data beside it
    o[i]         node pool that option i is packed on
    c[i]         replicas of i on a node packed in one way

As long as no way of packing is known, nothing runs on nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.caps import USD
from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve.program import NONE, Blocks, Rows, everywhere, numbered


def add_nodes(p: Problem, v: Blocks, most: Floats) -> None:
    """Make the counts of nodes: no more than replicas (`most` of each option), or than limits allow."""
    if len(p.nodes):
        upper = most_nodes(p, most)
        v.add("k", everywhere(*upper.shape), upper=upper, whole=True)
        most_usd = float((upper * p.nodes.price_hourly[:, None] * p.hours).sum())
        v.add("kc", p.caps.of_kind(USD), upper=most_usd)


def most_nodes(p: Problem, most: Floats) -> Floats:
    """(N, T) most nodes that can be of use: one for each replica, within what pools have."""
    nodes, on = p.nodes, np.flatnonzero(p.nodes.is_shared)
    replicas = np.bincount(nodes.of_option[on], weights=most[on], minlength=len(nodes))
    top = np.repeat(replicas[:, None], len(p.periods), axis=1)
    endless = np.vstack([p.pool_limit, np.full((1, len(p.periods)), np.inf)])
    units = np.where(nodes.pool_units > 0, nodes.pool_units, np.nan)[:, None]
    for pool in (nodes.pool, nodes.quota_pool):
        top = np.fmin(top, np.floor(endless[pool] / units + 1e-9))
    return np.asarray(top, dtype=float)


def share_nodes(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum \mathrm{pack} = k_{jt}$ and $n_{it} \le \sum c_i\,\mathrm{pack}$ over ways to pack.

    And $\sum h_t\,p_j\,\mathrm{pack} \le \mathrm{kc}_c$ over those with a workload of cap c.
    """
    if "k" not in v:
        return
    row = numbered(v["k"] != NONE)
    yield Rows("nodes_used", row, [(row, v["k"], -1.0)], lower=0.0, upper=0.0)
    row = numbered(v["kc"] != NONE)
    yield Rows("nodes_in_cap", row, [(row, v["kc"], -1.0)], upper=0.0)
    row = numbered(np.repeat(p.nodes.is_shared[:, None], len(p.periods), axis=1))
    yield Rows("packed", row, [(row, v["n"], 1.0)], upper=0.0)


def round_demand(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_i \min(\lceil a_i / b \rceil, R)\,n_{it} \ge R = \lceil D_{wt} / b \rceil$, b any capacity.

    Follows from `meet_demand` for whole counts (and, for firm capacity, from `cap_spot`): without it the
    bound of small workloads is worth nothing. Not where demand may be missed.
    """
    if "k" not in v or v.elastic:
        return
    asked = {"all": (p.demand, np.ones_like(p.is_spot)), "firm": (firm_demand(p), ~p.is_spot)}
    for name, (demand, serves) in asked.items():
        size = sizes(p, serves)
        fewest = np.zeros((*size.shape, len(p.periods)))
        there = size > 0
        fewest[there] = np.ceil(
            np.broadcast_to(demand[:, None], fewest.shape)[there] / size[there][:, None] - 1e-9
        )
        row = numbered(fewest > 0)
        w = p.option_workload
        each = np.divide(p.capacity[:, None], size[w], out=np.zeros_like(size[w]), where=size[w] > 0)
        counted = np.minimum(np.ceil(each - 1e-9)[:, :, None], fewest[w]) * serves[:, None, None]
        yield Rows(f"round_{name}", row, [(row[w], v["n"][:, None, :], counted)], lower=fewest)


def firm_demand(p: Problem) -> Floats:
    """(W, T) demand that spot may not carry; none where nothing is spot."""
    has_spot = np.bincount(p.option_workload[p.is_spot], minlength=len(p.workloads)) > 0
    return np.asarray((has_spot * (1.0 - p.max_spot_share))[:, None] * p.demand)


def sizes(p: Problem, serves: Bools) -> Floats:
    """(W, B) different capacities of options of workloads that may share nodes; 0 where there are fewer."""
    shares = np.zeros(len(p.workloads), dtype=bool)
    shares[p.option_workload[p.nodes.is_shared]] = True
    of: list[Ints | Floats] = [
        np.unique(p.capacity[(p.option_workload == w) & serves]) if shares[w] else np.zeros(0)
        for w in range(len(p.workloads))
    ]
    table = np.zeros((len(of), max((len(own) for own in of), default=0)))
    for w, own in enumerate(of):
        table[w, : len(own)] = own
    return table


def node_usd(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_{jt} h_t\,p_j\,k_{jt}$: nodes are paid, not what is on them."""
    return "k", p.nodes.price_hourly[:, None] * p.hours
