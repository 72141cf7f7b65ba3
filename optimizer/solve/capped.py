r"""Large problems under caps: what a cap rations gets a price, and the problem goes the way of plain ones.

With a price $\lambda_k \ge 0$ for each unit that a cap's workloads use, no placement that keeps the caps
costs less than

$$L(\lambda) = \min_x \big( \mathrm{cost}(x) + \sum_k \lambda_k (\mathrm{use}_k(x) - \mathrm{limit}_k) \big)$$

and the minimum is a problem without caps at other prices of options. A priced cap has its price as the most
that $\lambda_k$ may be. Prices are searched cap by cap between the dearest that is too low and the cheapest
that is high enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.caps import CHANGED, EVERY_PERIOD, KG_CO2E, RULE, USD, Caps
from optimizer.problem import Bools, Floats, Placement, Problem, cap_use, cost
from optimizer.solve.components import Part, admitted, together
from optimizer.solve.decomposition import decompose, shadow_prices
from optimizer.solve.solution import ShadowPrice, Shortfall, Solution
from optimizer.solve.terms import is_plain

MOST_PRICES = 10  # sets of prices that are tried
FIRST_SHARE = 0.1  # of the cost per unit used: the first price
STEEPER = 3.0  # as long as a price is too low
NEAR = 1e-9  # relative slack of a cap, as the checker has it


@dataclass(frozen=True)
class Tried:
    """What one set of prices came to: the placement and its use, and the bound before limits are counted."""

    prices: Floats
    placement: Placement
    usd: float
    use: Floats
    bound_usd: float


def is_capped(p: Problem) -> bool:
    """Whether caps are all that keeps a problem from being plain."""
    return len(p.caps) > 0 and bool(is_plain(without_caps(admitted(p).problem)).all())


def capped(problem: Problem, *, gap_share: float) -> Solution | None:
    """Place workloads that are plain but for caps.

    None where a shortage leaves a workload without room, or a hard cap is kept at no price: for the model
    that can tell what to miss.
    """
    caps, tried = problem.caps, list[Tried]()
    start: tuple[ShadowPrice, ...] = ()
    part = admitted(problem)
    low, high = np.zeros(len(caps)), np.full(len(caps), np.inf)
    prices = np.where(caps.ties, 0.0, np.nan_to_num(caps.usd_per_unit))
    for _ in range(MOST_PRICES):
        found = decompose(priced(part.problem, prices), gap_share=gap_share, start=start)
        if found is None or found.placement is None:
            return None
        start = tuple(shadow_prices(part.problem, found))
        tried.append(tried_with(problem, prices, part, found.placement, found.bound_usd))
        use = tried[-1].use
        best = best_of(caps, tried)
        if is_kept(caps, best.use).all() and best.usd - bound_usd(caps, tried) <= gap_share * abs(best.usd):
            break
        over = use > caps.limit
        low, high = (
            np.where(over, np.maximum(low, prices), low),
            np.where(over, high, np.minimum(high, prices)),
        )
        following = next_prices(caps, tried[0], low, high)
        if np.allclose(following, prices, rtol=1e-3, atol=1e-12):
            break
        prices = following
    return told(caps, tried, gap_share)


def tried_with(problem: Problem, prices: Floats, part: Part, placement: Placement, bound_usd: float) -> Tried:
    """What a placement of all that may run came to; what may not drops its fleet, at these prices too."""
    placement = together(problem, [(part, placement)])
    gone = np.where(problem.is_admissible, 0.0, problem.current_replicas)
    bound_usd += float(priced(problem, prices).migration_cost_usd @ gone)
    return Tried(prices, placement, cost(problem, placement), cap_use(problem, placement), bound_usd)


def told(caps: Caps, tried: list[Tried], gap_share: float) -> Solution | None:
    """The best of all, with the caps it misses; None where one of these is hard."""
    best = best_of(caps, tried)
    missed = np.flatnonzero(~is_kept(caps, best.use))
    if (~caps.is_soft[missed]).any():
        return None
    shortfalls = tuple(
        Shortfall(
            RULE[caps.kind[k]],
            caps.name[k],
            EVERY_PERIOD,
            float(best.use[k] - caps.limit[k]),
            float(caps.limit[k]),
        )
        for k in missed
    )
    # With caps missed, the bound is that of the same caps as wide as they are used.
    wide = replace(caps, limit=np.where(is_kept(caps, best.use), caps.limit, best.use))
    bound = min(bound_usd(wide, tried), best.usd)
    is_close = best.usd - bound <= gap_share * abs(best.usd) and not missed.size
    return Solution(best.placement, best.usd, bound, shortfalls, "gap" if is_close else "rounds")


def is_kept(caps: Caps, use: Floats) -> Bools:
    """(K,) caps that so much use keeps; priced ones always."""
    return np.asarray(caps.is_priced | (use <= caps.limit + NEAR * (1.0 + np.abs(caps.limit))), dtype=bool)


def best_of(caps: Caps, tried: list[Tried]) -> Tried:
    """The one that misses least, what must be missed last first; then the cheapest."""
    levels = np.unique(caps.levels[~caps.is_priced])

    def rank(one: Tried) -> tuple[float, ...]:
        over = np.where(is_kept(caps, one.use), 0.0, one.use - caps.limit)
        return (*(float(over[caps.levels == level].sum()) for level in levels), one.usd)

    return min(tried, key=rank)


def bound_usd(caps: Caps, tried: list[Tried]) -> float:
    """The best bound of all prices tried."""
    return max(one.bound_usd - float(one.prices @ caps.limit) for one in tried)


def next_prices(caps: Caps, first: Tried, low: Floats, high: Floats) -> Floats:
    """(K,) between a price that is too low and one that is high enough, or well above the former."""
    usual = FIRST_SHARE * abs(first.usd) / np.maximum(first.use, 1e-9)
    above = np.where(low > 0, STEEPER * low, usual)
    between = np.where(low > 0, (low + high) / 2, np.minimum(usual, high / 2))
    most = np.where(caps.is_priced, caps.usd_per_unit, np.inf)
    searched = np.where(np.isfinite(high) & (high < most), between, np.minimum(above, most))
    return np.asarray(np.where(caps.ties, np.where(high <= 0, 0.0, searched), most))


def without_caps(p: Problem) -> Problem:
    """The same with nothing capped."""
    return replace(p, caps=Caps.none(len(p.workloads), len(p.option_id)))


def priced(p: Problem, prices: Floats) -> Problem:
    """The problem without caps at which each unit that one rations costs so much more."""
    caps = p.caps
    of_kind: Callable[[str], Floats] = lambda kind: (prices * caps.of_kind(kind)) @ caps.member  # noqa: E731
    usd, kg, changed = (of_kind(kind)[p.option_workload] for kind in (USD, KG_CO2E, CHANGED))
    routes = p.routes
    if len(routes):
        dearer = routes.egress_usd_per_unit * (1.0 + usd[routes.option])
        routes = replace(routes, egress_usd_per_unit=dearer)
    return replace(
        without_caps(p),
        price_hourly=p.price_hourly * (1.0 + usd) + kg * caps.kg_co2e_hourly,
        egress_usd_per_unit=p.egress_usd_per_unit * (1.0 + usd),
        migration_cost_usd=p.migration_cost_usd + changed,
        routes=routes,
    )
