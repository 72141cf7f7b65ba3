"""How much capacity a load needs so that queueing keeps to the objective: apart from room for growth.

Arrivals come in bursts: the count of a minute has variance z times its mean, as if requests came z at a
time at Poisson moments. The capacity c [requests/s] that keeps the share of waits beyond d at 1 - target is
the effective bandwidth of that process (Kelly 1996, Notes on effective bandwidths, eq. 2.5 ff.):

    P(wait > d) = exp(-theta c d)   with   lam (exp(theta z) - 1) / (theta z) = c
    c = k / ln(1 + k / lam)         with   k = z ln(1 / (1 - target)) / d

Against a queue played out request by request, at 50-95 % load: within 3 % for bursts of equal size, up to
10 % too little where burst sizes are geometric.
"""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats


def needed_capacity(load: Floats, *, burstiness: float, wait_s: float, target: float) -> Floats:
    """Requests/s of capacity that serve a load within its objective.

    Args:
        load: requests/s, any shape; 0 needs 0.
        burstiness: variance over mean of the counts per minute; 0 = perfectly even arrivals.
        wait_s: longest queueing time allowed, in seconds.
        target: share of requests that must keep to it, below 1.
    """
    late = max(1.0 - target, 1e-9)
    room = burstiness * np.log(1.0 / late) / wait_s
    if room <= 0:
        return np.asarray(load, dtype=float)
    with np.errstate(divide="ignore"):  # no load: room / ln(inf) = 0
        return np.asarray(room / np.log1p(room / np.asarray(load, dtype=float)))
