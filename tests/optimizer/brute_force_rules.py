"""The oracle's part for places, losses, own bounds and ramps; shares no code with model or checker."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from optimizer.problem import Problem

EPS = 1e-7


def usable(p: Problem) -> np.ndarray:
    """(I,) options in an allowed country and fast enough, for some origin where origins are known."""
    fine = []
    for i, w in enumerate(p.option_workload):
        countries = [c for v, c in zip(p.residency.workload, p.residency.country, strict=True) if v == w]
        limit, service = p.routes.max_latency_ms[w], p.routes.latency_ms[i]
        ways = [r for r in range(len(p.routes.option)) if p.routes.option[r] == i]
        times = [p.routes.rtt_ms[r] + service for r in ways] if w in p.routes.workload else [service]
        fine.append((not countries or p.residency.option_country[i] in countries) and min(times) <= limit)
    return np.array(fine, dtype=bool)


def within_own_bounds(p: Problem, counts: np.ndarray, t: int) -> np.ndarray:
    """Which rows of counts keep the bounds of single options."""
    ok: np.ndarray = (counts[:, ~usable(p)] == 0).all(axis=1)
    for n in range(len(p.bounds.option)):
        if p.bounds.period[n] == t:
            count = counts[:, p.bounds.option[n]]
            ok &= (count >= p.bounds.fewest[n]) & (count <= p.bounds.most[n])
    return ok


def ways(p: Problem, w: int) -> dict[int, list[int]]:
    """Options that each source of a workload may be served by."""
    r = p.routes
    open_to: dict[int, list[int]] = {g: [] for g in range(len(r.workload)) if r.workload[g] == w}
    for g, i, rtt in zip(r.source, r.option, r.rtt_ms, strict=True):
        if int(g) in open_to and rtt + r.latency_ms[i] <= r.max_latency_ms[w]:
            open_to[int(g)].append(int(i))
    return open_to


def serves(p: Problem, room: np.ndarray, own: np.ndarray, w: int, t: int) -> np.ndarray:
    """(rows,) most of a workload's demand that capacity serves: the least cut between origins and options."""
    need = p.demand[w, t]
    open_to = ways(p, w)
    if not open_to:
        return np.minimum(room[:, own].sum(axis=1), need)
    most = np.full(len(room), need)
    for size in range(1, len(open_to) + 1):
        for some in combinations(open_to, size):
            reached = sorted({i for g in some for i in open_to[g]})
            others = need * sum(p.routes.share[g] for g in open_to if g not in some)
            most = np.minimum(most, others + room[:, reached].sum(axis=1))
    return most


def survives(p: Problem, counts: np.ndarray, own: np.ndarray, w: int, t: int) -> np.ndarray:
    """Which rows still serve the share of demand with any region, or any zone of one, gone."""
    ok = np.ones(len(counts), dtype=bool)
    need = p.survival.headroom_share[w] * p.demand[w, t] - EPS
    for place in set(zip(p.provider, p.region, strict=True)):
        here = np.array([q == place for q in zip(p.provider, p.region, strict=True)])
        if p.survive_region_loss[w]:
            ok &= serves(p, counts * p.capacity * ~here, own, w, t) >= need
        if p.survival.survive_zone_loss[w]:
            lost = np.ceil(counts / p.survival.zones) * here
            ok &= serves(p, (counts - lost) * p.capacity, own, w, t) >= need
    return ok


def routing_usd(p: Problem, room: np.ndarray, w: int, t: int) -> np.ndarray:
    """(rows,) USD per hour of the cheapest way to serve every origin of a workload."""
    r, open_to = p.routes, ways(p, w)
    pairs = [(g, i) for g, options in open_to.items() for i in options]
    extra = {(int(g), int(i)): e for g, i, e in zip(r.source, r.option, r.egress_usd_per_unit, strict=True)}
    usd = [p.egress_usd_per_unit[i] + extra[g, i] for g, i in pairs]
    if not any(usd) or p.demand[w, t] <= 0:
        return np.zeros(len(room))
    asked = [[float(h == g) for h, _ in pairs] for g in open_to]
    options = sorted({i for _, i in pairs})
    taken = [[float(j == i) for _, j in pairs] for i in options]
    needs = [p.demand[w, t] * r.share[g] for g in open_to]
    # Room beyond the whole demand serves nothing more: most rows are the same to the program.
    rows, place = np.unique(np.minimum(room[:, options], p.demand[w, t]), axis=0, return_inverse=True)
    found = [linprog(usd, A_ub=taken, b_ub=row + EPS, A_eq=asked, b_eq=needs).fun for row in rows]
    return np.array(found, dtype=float)[place.ravel()]


def ramped(p: Problem, allowed: list[np.ndarray]) -> Iterator[tuple[int, ...]]:
    """Row numbers, one per period, between which no total changes too much."""
    totals = [np.array([rows[:, p.option_workload == w].sum(axis=1) for w in range(len(p.workloads))]).T
              for rows in allowed]  # fmt: skip
    now = [p.current_replicas[p.option_workload == w].sum() for w in range(len(p.workloads))]
    first = np.abs(totals[0] - now) <= np.where(p.ramp.from_current, p.ramp.max_replicas, np.inf)
    for a in np.flatnonzero(first.all(axis=1)):
        if len(totals) == 1:
            yield (int(a),)
            continue
        for b in np.flatnonzero((np.abs(totals[1] - totals[0][a]) <= p.ramp.max_replicas).all(axis=1)):
            yield int(a), int(b)
