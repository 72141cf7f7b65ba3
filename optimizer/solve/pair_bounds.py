"""Least that one option or a pair can cost at given prices, without looking for the plan; compiled.

Arguments are named as in `optimizer.solve.desk`.
"""

from __future__ import annotations

from optimizer.compiled import compiled, in_any_order, inlined
from optimizer.problem import Floats, Ints
from optimizer.solve.desk import FIRM_LEFT, FIRM_USD, INF, ROUTED, UNIT_USD, USD, whole
from optimizer.solve.terms import ACTIVATION, CAPACITY, CURRENT, IS_FIRM, MIGRATION


@inlined
def bound_alike(need: float, usd_a: float, usd_b: float, unit_a: float, unit_b: float) -> float:
    """Least that a period can cost with two options that may both be firm: at least one of them runs."""
    return max(need * min(unit_a, unit_b), min(usd_a, usd_b) if need > 0.0 else 0.0)


@inlined
def bound_mixed(
    need: float, firm_usd: float, left: float, unit_a: float, unit_b: float, routed_a: float, routed_b: float
) -> float:
    """Least that a period can cost where the first option alone carries what must be firm."""
    return firm_usd + left * min(unit_a, unit_b) + (need - left) * min(routed_a, routed_b)


@inlined
def bound(
    need: float, is_mixed: bool, capacity_a: float, capacity_b: float, usd_a: float, usd_b: float,
    unit_a: float, unit_b: float, routed: float, firm_usd: float, left: float,
) -> float:  # fmt: skip
    """Least that a period can cost with a pair, of which a is firm wherever anything must be.

    Closer than the two above: one replica of the dearer option more than it must have, or none more. Numbers
    only: an array handed over, even to what becomes part of its caller, costs more than all these sums.
    """
    is_dearer = unit_a >= unit_b
    firm_usd, left = (firm_usd, left) if is_mixed else (0.0, need)
    usd_x, capacity_x = (usd_a, capacity_a) if is_dearer else (usd_b, capacity_b)  # dearer, cheaper
    usd_y, capacity_y, unit_y = (usd_b, capacity_b, unit_b) if is_dearer else (usd_a, capacity_a, unit_a)
    more = max(0.0, left - capacity_x)
    usd = firm_usd + usd_x + more * unit_y + (need - more) * routed
    none_usd, none_left = (firm_usd, left) if is_dearer else (0.0, need)  # without the spot b, a serves all
    none = none_usd + whole(none_left / capacity_y) * usd_y + need * routed
    return min(usd, none)


@compiled
def closer_bound(
    o: Floats, need: Floats, must_firm: bool, s: Floats, a: int, b: int, least: float, below: float
) -> float:
    """Sum of the closer bounds of a pair, which replace the parts of `least`; INF once it reaches `below`."""
    is_mixed = must_firm and o[b, IS_FIRM] == 0.0
    capacity_a, capacity_b = o[a, CAPACITY], o[b, CAPACITY]
    usd = least
    for t in range(need.size):
        usd_a, usd_b, unit_a, unit_b = s[USD, a, t], s[USD, b, t], s[UNIT_USD, a, t], s[UNIT_USD, b, t]
        routed_a, routed_b = s[ROUTED, a, t], s[ROUTED, b, t]
        firm_usd, left = s[FIRM_USD, a, t], s[FIRM_LEFT, a, t]
        if is_mixed:
            low = bound_mixed(need[t], firm_usd, left, unit_a, unit_b, routed_a, routed_b)
        else:
            low = bound_alike(need[t], usd_a, usd_b, unit_a, unit_b)
        usd -= low
        usd += bound(
            need[t], is_mixed, capacity_a, capacity_b, usd_a, usd_b, unit_a, unit_b, min(routed_a, routed_b),
            firm_usd, left,
        )  # fmt: skip
        if usd >= below:
            return INF
    return usd


@in_any_order
def bound_pairs(o: Floats, need: Floats, must_firm: bool, s: Floats, kept: Ints, bounds: Floats) -> None:
    """Fill the bounds of pairs of options kept; INF for those that cannot do, or stand in the other order."""
    options, periods = kept.size, need.size
    for row in range(options):
        for column in range(options):
            a, b = kept[row], kept[column]
            alike = not must_firm or o[a, IS_FIRM] == o[b, IS_FIRM]
            bounds[row, column] = INF
            if a == b or (must_firm and o[a, IS_FIRM] == 0.0) or (b < a and alike):
                continue
            usd = o[a, ACTIVATION] + o[b, ACTIVATION]
            usd -= o[a, MIGRATION] * o[a, CURRENT] + o[b, MIGRATION] * o[b, CURRENT]
            # The same sums as in `bound`, in loops without a choice: those the compiler makes wide.
            if alike:
                for t in range(periods):
                    usd += bound_alike(
                        need[t], s[USD, a, t], s[USD, b, t], s[UNIT_USD, a, t], s[UNIT_USD, b, t]
                    )
            else:
                for t in range(periods):
                    usd += bound_mixed(
                        need[t], s[FIRM_USD, a, t], s[FIRM_LEFT, a, t], s[UNIT_USD, a, t],
                        s[UNIT_USD, b, t], s[ROUTED, a, t], s[ROUTED, b, t],
                    )  # fmt: skip
            bounds[row, column] = usd


@in_any_order
def bound_singles(o: Floats, need: Floats, s: Floats, bounds: Floats) -> None:
    """Fill the least that each option alone can cost, fractions of replicas allowed."""
    for i in range(o.shape[0]):
        usd = -o[i, MIGRATION] * o[i, CURRENT]
        for t in range(need.size):
            usd += need[t] * s[UNIT_USD, i, t]
        bounds[i] = usd
