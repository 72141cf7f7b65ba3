"""Small problems of one period to the end: every plan that can be part of a better answer, all at once.

At the prices of the proof, a plan that is dearer than the best of its workload by more than the gap between
cost and bound cannot be part of an answer that costs less. With one period all others can be listed; an
integer program over them finds the optimum, and its own bound is one on all placements.
"""

from __future__ import annotations

import numpy as np

from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof
from optimizer.solve.highs import Limits
from optimizer.solve.joint import choose
from optimizer.solve.mixes import Mixes
from optimizer.solve.plans import Plans, Pricing

FIRST, FIRST_PLANS = (8, 60), 12_000  # pairs looked at first: of a workload, of all
ALL = 5_000  # pairs of a workload where every one must be there
MOST_PATTERNS = 250_000  # listed at once
NEAR_SHARE = 0.02  # of the bound: plans so much dearer are not worth a first look
FIRST_LIMITS = Limits(gap_share=1e-4, nodes=400, seconds=60.0)
LAST_LIMITS = Limits(gap_share=1e-5, nodes=4_000, seconds=60.0)


def finished(
    pricing: Pricing, shared: Shared, proof: Proof, plans: Plans, gap_share: float
) -> tuple[Plans, float]:
    """Plans at least as cheap as those given, and the bound.

    As they are where there are several periods, or too many workloads for a choice of plans each.
    """
    bound = proof.bound_usd
    if len(shared.hours) > 1 or not 0 < len(plans) * FIRST[0] <= FIRST_PLANS:
        return plans, bound
    usd = cost_usd(pricing, shared, plans)
    first = int(np.clip(FIRST_PLANS // len(plans), *FIRST))
    for most, limits in ((first, FIRST_LIMITS), (ALL, LAST_LIMITS)):
        slack = min(usd - bound, NEAR_SHARE * abs(bound))
        if slack <= gap_share * abs(bound):
            break
        mixes, is_whole = listed(pricing, shared, proof, most=most, slack=slack)
        if len(mixes.paid) > MOST_PATTERNS:
            break
        found = choose(mixes, shared, limits)
        if found is None:
            break
        if found.fits and found.usd < usd:
            plans, usd = found.plans, found.usd
        if is_whole and usd - bound <= slack:
            bound = max(bound, min(found.bound_usd, bound + slack))
    return plans, bound


def listed(pricing: Pricing, shared: Shared, proof: Proof, *, most: int, slack: float) -> tuple[Mixes, bool]:
    """Mixes with patterns dearer by at most `slack` than the best of their workload; whether that is all."""
    added = shared.added(proof.prices)
    every = np.arange(len(pricing.terms.demand))
    near = pricing.near(added, among=every, left=shared.limit, most=most, slack=slack)
    is_whole = int(np.bincount(near.workload, minlength=len(every)).max()) < most
    mixes = Mixes.of(pricing, near, shared.limit).and_also(proof.mixes)
    is_whole &= bool(mixes.is_all.all())
    value, _ = mixes.values(added)
    least = np.full(len(every), np.inf)
    np.minimum.at(least, mixes.workload, value)
    most_usd = (least + slack + 1e-9)[mixes.workload] - mixes.usd
    kept = mixes.pattern_values(added) <= most_usd[mixes.cell]
    each = np.bincount(mixes.cell[kept], minlength=len(mixes))
    return mixes.only(each > 0, kept)[0], is_whole


def cost_usd(pricing: Pricing, shared: Shared, plans: Plans) -> float:
    """What plans cost under the commitments there are."""
    _, used = plans.drawn(pricing)
    return float(plans.usd(pricing.terms).sum()) - shared.cover_usd(used)
