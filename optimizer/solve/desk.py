"""The desk: what the compiled code of the solver knows of one workload, and the sums it makes of it.

Arguments are of one workload: `o` (option, column) its options and `u` (column) its rules as in
`optimizer.solve.terms`, `need` (period) its demand, `s` (column, option, period) its desk:

    USD        per replica, all prices added     FIRM_USD   of what must be firm, from this option alone
    UNIT_USD   per unit served, egress included  FIRM_LEFT  demand that is left to serve then
    ROUTED     egress per unit served            LIMIT      replicas that limits leave
    UNCOVERED  more, per pool unit beyond ROOM   ROOM       pool units that commitments still cover
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled, inlined
from optimizer.problem import Floats, Ints
from optimizer.solve.terms import CAPACITY, EGRESS, FIRM_SHARE, PRICE, UNITS

USD, UNIT_USD, ROUTED, FIRM_USD, FIRM_LEFT, LIMIT, UNCOVERED, ROOM = range(8)
INF = math.inf
NEAR = 1e-9  # relative slack of a ceiling: 3.0000000001 replicas are three
LEAST = 1e-12  # a price is at least this much, so that more replicas never come for free
NO_LIMIT = -1.0


@inlined
def whole(amount: float) -> float:
    """Replicas that an amount of replicas takes."""
    return float(np.ceil(amount - NEAR * max(1.0, amount))) if amount > NEAR else 0.0


@inlined
def replicas_within(left: float, units: float) -> float:
    """Replicas of so many units that fit into what is left, which may be endless: no floor to an integer."""
    return float(np.floor(left / units + NEAR))


@inlined
def moved_usd(replicas: float, current: float, migration: float) -> float:
    """Cost of changing to so many replicas, over that of dropping the option."""
    return migration * (abs(replicas - current) - current) if migration > 0.0 else 0.0


@inlined
def egress_usd(amount: float, room_a: float, room_b: float, egress_a: float, egress_b: float) -> float:
    """Egress of serving from two rooms, the cheaper first."""
    if egress_a <= egress_b:
        first = min(amount, room_a)
        return egress_a * first + egress_b * (amount - first)
    first = min(amount, room_b)
    return egress_b * first + egress_a * (amount - first)


# Loops in the place of NumPy's own: assigning an array brings the text of an error, which takes longer to
# compile than everything here, and a largest value takes a second.
@compiled
def copy_counts(plan: Floats, into: Floats) -> None:
    """Write the counts of a plan (period, 2) into another."""
    for t in range(plan.shape[0]):
        into[t, 0], into[t, 1] = plan[t, 0], plan[t, 1]


@compiled
def copy_row(row: Floats | Ints, into: Floats | Ints) -> None:
    """Write some numbers over others."""
    for i in range(row.size):
        into[i] = row[i]


@compiled
def largest(values: Floats) -> float:
    """The largest of some values that are at least 0; 0 of none."""
    most = 0.0
    for value in values:
        most = max(most, value)
    return most


@compiled
def price_options(
    o: Floats, u: Floats, need: Floats, kind: Ints, hours: Floats, added: Floats, s: Floats
) -> None:
    """Fill the desk; `added` (kind, period) is USD per pool unit on top of the price."""
    for i in range(o.shape[0]):
        for t in range(hours.size):
            usd = max(hours[t] * o[i, PRICE] + o[i, UNITS] * added[kind[i], t], LEAST)
            s[USD, i, t] = usd
            s[ROUTED, i, t] = hours[t] * o[i, EGRESS]
            s[UNIT_USD, i, t] = usd / o[i, CAPACITY] + s[ROUTED, i, t]
            n = whole(u[FIRM_SHARE] * need[t] / o[i, CAPACITY])
            s[FIRM_USD, i, t] = n * usd
            s[FIRM_LEFT, i, t] = max(0.0, need[t] - n * o[i, CAPACITY])
            s[LIMIT, i, t], s[ROOM, i, t] = INF, INF
            s[UNCOVERED, i, t] = 0.0
