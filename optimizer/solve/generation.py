"""Column generation: cheapest plans at given prices, better prices for the plans known, until they agree.

The restricted master is climbed inside a box around the best prices so far (`optimizer.solve.restricted`);
the box grows where the bound kept what the mixes promised and shrinks where it did not (Lemaréchal's serious
and null steps). Every pricing pass proves a bound, whatever the prices are. Where what is near the best is
small, the last prices are those of a linear program (`exactly`). No plan may draw more than a limit has, were
it alone: that makes the bound closer where a workload is large beside a pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.duals import Shared
from optimizer.solve.joint import relaxed
from optimizer.solve.mixes import Mixes
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.restricted import Climbed, climb

MOST_ROUNDS = 60
FIRST_RADIUS, LEAST_RADIUS = 0.3, 1e-3  # of the box, as shares of what prices may be
# First, where an exact program may take over, and last; as shares of the mean cost of a plan.
SOFTNESS = (1e-2, 2e-3, 1e-4)
FINENESS = 0.25  # of the gap asked for: where mixes are huge, softer than that is not worth the rounds
HUGE = 500_000  # patterns
COOLING = 0.6
REPRICED = 2  # passes after a step of a dive
DIVE_SOFTNESS = 4e-3  # sharper ones are cheaper, but their shares do not keep within limits
DIVE_RADIUS = 0.2  # of the box after a step of a dive
SMALL = 90_000  # patterns up to which the restricted master is solved as a linear program
MOST_EXACT = 6  # such programs at the end of column generation
MOST_NARROWER = 6  # times that what takes part in the first is narrowed
OUTWARD = (1.0, 0.5)  # ways from the best prices to those of a linear program that are tried
NEAR_SHARE, WIDER = 0.01, 3.0  # of a mean plan: what takes part in the first, and so much more in the next
RENT_RANGE = 3.0  # times the price of an ordinary unit: scale of rents


@dataclass(frozen=True)
class Proof:
    """What column generation found.

    Attributes:
        prices: best prices of shared things.
        bound_usd: no placement costs less; without the sunk and the dropping of the present fleet.
        mixes: all that were generated.
        climbed: what the restricted master promises, and how much of which mix and pattern it takes.
        rounds: pricing passes.
    """

    prices: Floats
    bound_usd: float
    mixes: Mixes
    climbed: Climbed
    rounds: int


def generate(
    pricing: Pricing, shared: Shared, *, gap_share: float, start: Floats | None = None
) -> Proof | None:
    """Generate mixes until bound and restricted master are within a share of each other.

    None where a workload has no plan at all, whatever the others do.

    Args:
        pricing: finds cheapest plans.
        shared: what workloads share.
        gap_share: when to stop.
        start: prices to begin with, such as those of an earlier run.
    """
    unit = usual_usd_per_unit(pricing)
    low, high = shared.bounds(RENT_RANGE * unit)
    best = np.clip(first_prices(shared, unit) if start is None else start, low, high)
    value, plans = pricing(shared.added(best), left=shared.limit)
    if len(plans) < len(value):
        return None
    mixes = Mixes.of(pricing, plans, shared.limit)
    bound, rounds = float(value.sum()) + shared.constant(best), 0
    mean = max(abs(float(value.mean())), 1e-9)
    softness, warm, coldest = (part * mean for part in SOFTNESS)
    radius = FIRST_RADIUS
    coarse = max(coldest, FINENESS * gap_share * mean)
    prices, gained = best, np.inf
    is_exact = value.size * len(shared.hours) <= SMALL / WIDER  # with a program about so large in the end
    if start is not None and not is_exact:  # a program needs more mixes than those of the last prices
        radius, softness = radius / 3, warm
    while True:
        rounds += 1
        box = np.maximum(low, best - radius * high), np.minimum(high, best + radius * high)
        climbed = climb(shared, mixes, np.clip(prices, *box), softness, box)
        prices, promise = climbed.prices, climbed.promise_usd
        size = len(mixes.paid)
        is_cold = softness == coldest or (softness <= warm and is_exact)
        is_cold |= softness <= coarse and size > HUGE
        is_close = promise - bound <= gap_share * abs(bound) and gained <= gap_share * abs(bound)
        if (is_cold and is_close) or rounds > MOST_ROUNDS:
            break
        value, plans = better_plans(pricing, shared, mixes, prices)
        known, mixes = len(mixes), mixes.and_also(Mixes.of(pricing, plans, shared.limit))
        proved = float(value.sum()) + shared.constant(prices)
        gained = proved - bound
        if gained > 0:
            radius = min(1.5 * radius, 1.0) if proved - bound > 0.5 * (promise - bound) else radius
            bound, best = proved, prices
        else:
            radius *= 0.5
        if len(mixes) == known and (promise - bound <= gap_share * abs(bound) or radius < LEAST_RADIUS):
            break
        softness = max(COOLING * softness, coarse if size > HUGE else coldest)
    if is_exact:
        mixes, best, bound = exactly(pricing, shared, mixes, (best, bound), gap_share)
    box = np.maximum(low, best - DIVE_RADIUS * high), np.maximum(high * DIVE_RADIUS + best, best)
    climbed = climb(shared, mixes, best, max(softness, DIVE_SOFTNESS * mean), box)
    return Proof(best, bound, mixes, climbed, rounds)


def better_plans(
    pricing: Pricing, shared: Shared, mixes: Mixes, prices: Floats, among: Ints | None = None
) -> tuple[Floats, Plans]:
    """(W,) least cost of each workload at prices, and plans cheaper than all mixes known.

    Only some workloads are looked at where `among` says which.
    """
    added = shared.added(prices)
    least = np.full(len(mixes.begin) - 1, np.inf)
    np.minimum.at(least, mixes.workload, mixes.values(added)[0])
    return pricing(added, least, among=among, left=shared.limit)


def exactly(
    pricing: Pricing, shared: Shared, mixes: Mixes, proved: tuple[Floats, float], gap_share: float
) -> tuple[Mixes, Floats, float]:
    """Mixes, prices and bound by the restricted master as a linear program, where what is near is small.

    The smooth climb comes to rest on ridges, where a rent and the worth of a commitment would have to move
    together; a linear program does not. Its own prices may lie far from all others, so that those halfway to
    the best so far are tried as well (in-out separation: Ben-Ameur and Neto, 2007). Only what is near the
    best at the prices so far takes part: the bound holds whatever is left out.
    """
    best, bound = proved
    reach = NEAR_SHARE * max(abs(float(mixes.values(shared.added(best))[0].mean())), 1e-9)
    for _ in range(MOST_NARROWER):
        points = [(shared.added(best), reach)]
        if len(mixes.near_any(points).paid) <= SMALL / 2:
            break
        reach /= WIDER
    for _ in range(MOST_EXACT):
        few = mixes.near_any(points)
        exact = relaxed(few, shared) if len(few.paid) <= SMALL else None
        if exact is None:
            break
        center = best
        for part in OUTWARD:
            prices = center + part * (exact.prices - center)
            value, plans = better_plans(pricing, shared, mixes, prices)
            usd = float(value.sum()) + shared.constant(prices)
            if usd > bound:
                best, bound = prices, usd
            if exact.promise_usd - bound <= gap_share * abs(bound):
                return mixes, best, bound
            mixes = mixes.and_also(Mixes.of(pricing, plans, shared.limit))
            points.append((shared.added(prices), reach / WIDER))
    return mixes, best, bound


def reprice(
    pricing: Pricing, shared: Shared, mixes: Mixes, *, prices: Floats, among: Ints
) -> tuple[Mixes, Climbed]:
    """New prices near others for fewer mixes, and the mixes with some more of the workloads `among`."""
    low, high = shared.bounds(RENT_RANGE * usual_usd_per_unit(pricing))
    softness = DIVE_SOFTNESS * max(abs(float(mixes.values(shared.added(prices))[0].mean())), 1e-9)
    for number in range(REPRICED):
        least = np.maximum(low, prices - DIVE_RADIUS * high)
        # Exact prices may be above what prices are searched up to.
        box = least, np.maximum(np.minimum(high, prices + DIVE_RADIUS * high), least)
        climbed = climb(shared, mixes, np.clip(prices, *box), softness, box)
        prices = climbed.prices
        if number + 1 < REPRICED and among.size:
            _, plans = better_plans(pricing, shared, mixes, prices, among)
            mixes = mixes.and_also(Mixes.of(pricing, plans, shared.limit))
    return mixes, climbed


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
