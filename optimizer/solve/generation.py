"""Column generation: cheapest plans at given prices, better prices for the plans known, until they agree.

The restricted master is solved in its dual: prices of what is shared are few, plans are many. Its objective
is made smooth (log-sum-exp instead of the least of a workload's plans) and climbed by L-BFGS-B inside a box
around the best prices so far; the box grows where the bound kept what the plans promised and shrinks where it
did not (Lemaréchal's serious and null steps). Every pricing pass proves a bound, whatever the prices are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from optimizer.problem import Floats, Ints
from optimizer.solve.columns import Columns
from optimizer.solve.duals import Shared
from optimizer.solve.plans import Pricing

MOST_ROUNDS = 60
MOST_STEPS = 150  # of L-BFGS-B in a round
FIRST_RADIUS, LEAST_RADIUS = 0.3, 1e-3  # of the box, as shares of what prices may be
SOFTNESS = (1e-2, 1e-4)  # first and last, as a share of the mean cost of a plan
COOLING = 0.6
REPRICED = 2  # passes after a step of a dive
DIVE_RADIUS = 0.2  # of the box after a step of a dive
RENT_RANGE = 3.0  # times the price of an ordinary unit: scale of rents


@dataclass(frozen=True)
class Proof:
    """What column generation found.

    Attributes:
        prices: best prices of shared things.
        bound_usd: no placement costs less; without the sunk and the dropping of the present fleet.
        columns: all plans generated.
        share: (N,) how much of each plan the restricted master takes.
        promise_usd: what the restricted master costs at its own prices.
    """

    prices: Floats
    bound_usd: float
    columns: Columns
    share: Floats
    promise_usd: float
    rounds: int


def generate(
    pricing: Pricing, shared: Shared, *, gap_share: float, start: Floats | None = None
) -> Proof | None:
    """Generate plans until bound and restricted master are within a share of each other.

    None where a workload has no plan at all, whatever the others do.

    Args:
        pricing: finds cheapest plans.
        shared: what workloads share.
        gap_share: when to stop.
        start: prices to begin with, such as those of an earlier run.
    """
    terms, unit = pricing.terms, usual_usd_per_unit(pricing)
    low, high = shared.bounds(RENT_RANGE * unit)
    prices = best = np.clip(first_prices(shared, unit) if start is None else start, low, high)
    value, plans = pricing(shared.added(prices))
    if len(plans) < len(value):
        return None
    columns = Columns.of(terms, plans)
    bound = float(value.sum()) + shared.constant(prices)
    mean, radius = max(abs(float(value.mean())), 1e-9), FIRST_RADIUS
    softness, coldest = (part * mean for part in SOFTNESS)
    rounds = 0
    while True:
        rounds += 1
        box = np.maximum(low, best - radius * high), np.minimum(high, best + radius * high)
        prices, promise, share = climb(shared, columns, np.clip(prices, *box), softness, box)
        is_close = promise - bound <= gap_share * abs(bound)
        if (softness == coldest and is_close) or rounds > MOST_ROUNDS:
            break
        added = shared.added(prices)
        value, plans = pricing(added, columns.least(added))
        proved, known = float(value.sum()) + shared.constant(prices), len(columns.usd)
        columns = columns.with_plans(terms, plans)
        if proved > bound:
            radius = min(1.5 * radius, 1.0) if proved - bound > 0.5 * (promise - bound) else radius
            bound, best = proved, prices
        else:
            radius *= 0.5
        if len(columns.usd) == known and (promise - bound <= gap_share * abs(bound) or radius < LEAST_RADIUS):
            break
        softness = max(COOLING * softness, coldest)
    if len(columns.usd) != len(share):
        prices, promise, share = climb(shared, columns, best, softness, box)
    return Proof(best, bound, columns, share, promise, rounds)


def reprice(
    pricing: Pricing, shared: Shared, columns: Columns, *, prices: Floats, among: Ints, left: Floats
) -> tuple[Floats, Floats, Columns]:
    """New prices near others for fewer plans, (N,) shares of the plans, and the plans with some more.

    Args:
        pricing: finds cheapest plans.
        shared: what workloads share.
        columns: at least one plan of every workload.
        prices: where to begin.
        among: workloads to find further plans for.
        left: (L, T) what those plans have to fit in.
    """
    low, high = shared.bounds(RENT_RANGE * usual_usd_per_unit(pricing))
    softness = SOFTNESS[1] * max(abs(float(columns.usd.mean())), 1e-9)
    share = np.zeros(len(columns.usd))
    for number in range(REPRICED):
        box = np.maximum(low, prices - DIVE_RADIUS * high), np.minimum(high, prices + DIVE_RADIUS * high)
        prices, _, share = climb(shared, columns, prices, softness, box)
        if number + 1 < REPRICED:
            added = shared.added(prices)
            _, plans = pricing(added, columns.least(added), among=among, left=left)
            columns = columns.with_plans(pricing.terms, plans)
    return prices, share, columns


def usual_usd_per_unit(pricing: Pricing) -> float:
    """Price of an ordinary pool unit per hour."""
    o = pricing.terms.options
    drawing = o[:, 2] > 0
    return float(np.median(o[drawing, 0] / o[drawing, 2])) if drawing.any() else 1.0


def first_prices(shared: Shared, unit: float) -> Floats:
    """Little rent; a committed dollar is worth a little more than a dollar."""
    rents, worths, _ = shared.sizes
    hours = shared.hours
    return np.concatenate([
        np.tile(0.1 * unit * hours, rents // len(hours)), np.tile(1.2 * hours, worths // len(hours))
    ])  # fmt: skip


def climb(
    shared: Shared, columns: Columns, start: Floats, softness: float, box: tuple[Floats, Floats]
) -> tuple[Floats, float, Floats]:
    """Prices in a box at which the plans known promise most, the promise, and (N,) shares of the plans."""
    climbing = ascent(shared, columns, softness)
    if start.size:
        found = minimize(
            climbing, start, jac=True, method="L-BFGS-B", bounds=np.stack(box, axis=1),
            options={"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "maxcor": 20},
        )  # fmt: skip
        start = found.x
    value = columns.values(shared.added(start))
    promise, share = columns.soft_least(value, softness)
    return start, promise + shared.constant(start), share


def ascent(shared: Shared, columns: Columns, softness: float) -> Callable[[Floats], tuple[float, Floats]]:
    """The smooth restricted dual and its slope, both negated: SciPy goes down."""
    listed = shared.listed[shared.listed > 0]
    cover_softness = (
        max(1e-3 * float(listed.mean()) * float(shared.hours.mean()), 1e-12) if listed.size else 1.0
    )
    kinds = len(shared.kinds.limit)

    def negated(prices: Floats) -> tuple[float, Floats]:
        rent, worth = shared.split(prices)
        saved, by_commitment = shared.saved_smoothly(worth, cover_softness)
        value = columns.values(shared.kinds.prices(rent, saved))
        least, share = columns.soft_least(value, softness)
        drawn = shared.kinds.drawn(columns.drawn(share, kinds))
        return -(least + shared.constant(prices)), -shared.slope(prices, *drawn, by_commitment)

    return negated
