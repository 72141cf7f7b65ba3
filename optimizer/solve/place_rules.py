r"""Rules of the compact model about places: which route serves which origin, and what survives a loss.

Indices beside those of `optimizer.solve.compact`: g source of demand, r route, k region of a workload.

Variables
    f[r,t]       amount served over a route           only where routing decides something
    l[i,t]       replicas lost with the fullest zone  only where a zone may be lost and there are several
    fr[r,k,t]    amount over a route with region k gone, fz[r,k,t] with a zone of it gone: only where routes
                 tell origins and options apart
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve.program import NONE, Blocks, Rows, Term, numbered, only
from optimizer.solve.regions import has_region, region_number


def meet_origins(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{r \in w} f_{rt} + s_{wt} = D_{wt}$, kept apart by origin and option; open routes only."""
    routes, decides = p.routes, ~p.routes.is_free
    if not decides.any():
        return
    wanted, of = (p.demand > 0) & decides[:, None], routes.workload[routes.source]
    f = v.add("f", wanted[of] & routes.is_open[:, None])
    row = numbered(wanted)
    missed = only(v.missed("meet_demand", p.demand > 0), decides[:, None])
    terms: list[Term] = [(row[of], f, 1.0), (row, missed, 1.0)]
    yield Rows("meet_origins", row, terms, lower=p.demand, upper=p.demand)
    row = numbered(summed(f != NONE, routes.source, len(routes.workload)) > 0)
    asked = routes.share[:, None] * p.demand[routes.workload]
    yield Rows("within_origin", row, [(row[routes.source], f, 1.0)], upper=asked)
    row = numbered(summed(f != NONE, routes.option, len(v["n"])) > 0)
    terms = [(row[routes.option], f, 1.0), (row, v["n"], -p.capacity[:, None])]
    yield Rows("within_served", row, terms, upper=0.0)


def route_egress(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_{rt} h_t (e_i + e_r) f_{rt}$: of the option and on top of it of the route."""
    usd = p.egress_usd_per_unit[p.routes.option] + p.routes.egress_usd_per_unit
    return "f", usd[:, None] * p.hours


def summed(values: Bools, index: Ints, size: int) -> Ints:
    """(size, ...) how many hold, by their index."""
    total = np.zeros((size, *values.shape[1:]), dtype=np.int64)
    np.add.at(total, index, values.astype(np.int64))
    return total


def survive_region(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{i \notin k} a_i n_{it} + s_{wt} \ge \varphi_w D_{wt}$ for every region k."""
    nothing = np.full_like(v["n"], NONE)
    yield from survive(p, v, "survive_region", p.survive_region_loss, nothing)


def survive_zone(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_i a_i n_{it} - \sum_{i \in k} a_i l_{it} + s \ge \varphi_w D_{wt},\; z_i l_{it} \ge n_{it}$.

    For every region k: of each of its options the fullest of its zones is lost, all where zones are unknown.
    """
    ruled, zones = p.survival.survive_zone_loss, p.survival.zones
    several = ruled[p.option_workload] & (zones > 1)
    l = v.add("l", only(v["n"], several[:, None]) != NONE, whole=True)  # noqa: E741 - as in the equation
    row = numbered(l != NONE)
    yield Rows("lost_zone", row, [(row, l, zones[:, None].astype(float)), (row, v["n"], -1.0)], lower=0.0)
    yield from survive(p, v, "survive_zone", ruled, l)


def survive(p: Problem, v: Blocks, name: str, ruled: Bools, lost: Ints) -> Iterator[Rows]:
    """What is left with a part of any region gone serves its share of demand.

    Args:
        p: what is placed.
        v: variables; n among them.
        name: of the rule and its rows.
        ruled: (W,) for which workloads.
        lost: (I, T) columns of replicas lost where a region is hit; where there is none, all are.
    """
    wanted = (p.demand > 0) & ruled[:, None]
    missed = v.missed(f"{name}_loss", wanted)[:, None, :]
    need = (p.survival.headroom_share[:, None] * p.demand)[:, None, :]
    where = wanted[:, None, :] & has_region(p)[:, :, None]
    apart = ~p.routes.reaches_all[:, None, None]
    row = numbered(where & ~apart)
    i = np.flatnonzero(ruled[p.option_workload])
    w, room, n, gone = p.option_workload[i], p.capacity[i, None, None], v["n"][i, None, :], lost[i, None, :]
    hit = (region_number(p)[i, None] == np.arange(row.shape[1]))[:, :, None]
    left = only(row[w], ~hit | (gone != NONE))
    terms: list[Term] = [(left, n, room), (only(row[w], hit), gone, -room), (row, missed, 1.0)]
    yield Rows(name, row, terms, lower=need)
    if apart.any():
        yield from survive_apart(p, v, name, where & apart, lost)


def survive_apart(p: Problem, v: Blocks, name: str, asked_for: Bools, lost: Ints) -> Iterator[Rows]:
    """The same where not every option can serve every origin: what is left is routed anew.

    Where it is asked for, (w, k, t), as much as is needed flows over routes into what is left of options.
    """
    routes = p.routes
    of, into = routes.workload[routes.source], routes.option
    regions = np.arange(asked_for.shape[1])
    hit = (region_number(p)[:, None] == regions)[:, :, None]
    stays = ~hit | (lost != NONE)[:, None, :]
    where = asked_for[of] & routes.is_open[:, None, None] & stays[into]
    f = v.add("fr" if name == "survive_region" else "fz", where)
    row = numbered(asked_for)
    missed = v[f"s_{name}_loss"][:, None, :] if v.elastic else np.full((1, 1, 1), NONE)
    need = (p.survival.headroom_share[:, None] * p.demand)[:, None, :]
    yield Rows(f"{name}_routed", row, [(row[of], f, 1.0), (row, missed, 1.0)], lower=need)
    row = numbered(summed(f != NONE, routes.source, len(routes.workload)) > 0)
    asked = (routes.share[:, None] * p.demand[routes.workload])[:, None, :]
    yield Rows(f"{name}_origin", row, [(row[routes.source], f, 1.0)], upper=asked)
    row = numbered(summed(f != NONE, into, len(lost)) > 0)
    room = p.capacity[:, None, None]
    terms: list[Term] = [
        (row[into], f, 1.0),
        (row, v["n"][:, None, :], -room),
        (only(row, hit), lost[:, None, :], room),
    ]
    yield Rows(f"{name}_served", row, terms, upper=0.0)
