"""Small problems of one period to the end: every plan that can be part of a better answer, all at once.

At the prices of the proof, a plan that is dearer than the best of its workload by more than the gap between
cost and bound cannot be part of an answer that costs less. With one period all others can be listed
(`optimizer.solve.listing`); an integer program over them finds the optimum, and its own bound is one on all
placements. First the nearest only: a better answer makes the list of the rest short.
"""

from __future__ import annotations

from dataclasses import replace

from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof
from optimizer.solve.highs import Limits
from optimizer.solve.joint import choose
from optimizer.solve.listing import near_mixes
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.rounding import cost_usd

MOST_WORKLOADS = 1_500  # a choice among plans of more is no matter of seconds
AT_ONCE = (0.03, 0.1)  # of the gap asked for: how much dearer plans may be that are chosen from first
PARTS = (0.1, 0.3, 1.0)  # of what is between cost and bound: how much dearer plans may be, pass by pass
FINE = 0.2  # of the gap asked for that a choice may leave
MOST_PATTERNS = 100_000  # chosen from at once
FIRST_LIMITS = Limits(gap_share=1e-4, nodes=400, seconds=60.0)
LAST_LIMITS = Limits(gap_share=1e-5, nodes=4_000, seconds=60.0)


def chosen_at_once(pricing: Pricing, shared: Shared, proof: Proof, gap_share: float) -> Plans | None:
    """Plans that keep the gap, chosen together from the very nearest; None where that does not do.

    In one period this is often quicker than a dive.
    """
    if len(shared.hours) > 1 or not 0 < len(pricing.terms.demand) <= MOST_WORKLOADS:
        return None
    added, usd = shared.added(proof.prices), gap_share * abs(proof.bound_usd)
    least, _ = pricing(added, left=shared.limit)
    for part in AT_ONCE:
        mixes, _ = near_mixes(pricing, shared, added, least, part * usd)
        found = choose(mixes, shared, replace(FIRST_LIMITS, gap_share=gap_share / 2))
        if found is not None and found.fits and found.usd <= proof.bound_usd + usd:
            return found.plans
    return None


def finished(
    pricing: Pricing, shared: Shared, proof: Proof, plans: Plans, gap_share: float
) -> tuple[Plans, float]:
    """Plans at least as cheap as those given, and the bound.

    As they are where there are several periods, or too many workloads for a choice of plans each.
    """
    bound = proof.bound_usd
    if len(shared.hours) > 1 or not 0 < len(plans) <= MOST_WORKLOADS:
        return plans, bound
    usd, added = cost_usd(pricing, shared, plans), shared.added(proof.prices)
    least, _ = pricing(added, left=shared.limit)
    for part in PARTS:
        slack = part * (usd - proof.bound_usd)
        if usd - bound <= gap_share * abs(bound):
            break
        mixes, is_whole = near_mixes(pricing, shared, added, least, slack)
        if len(mixes.paid) > MOST_PATTERNS:
            break
        limits = LAST_LIMITS if part == PARTS[-1] else FIRST_LIMITS
        found = choose(mixes, shared, replace(limits, gap_share=max(limits.gap_share, FINE * gap_share)))
        if found is None:
            break
        if found.fits and found.usd < usd:
            plans, usd = found.plans, found.usd
        if is_whole:
            # What is not listed costs more than the bound by more than the slack.
            bound = max(bound, min(found.bound_usd, proof.bound_usd + slack))
    return plans, min(bound, usd)
