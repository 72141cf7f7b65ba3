"""A queue inside a minute, second by second: who waits how long when arrivals are bursty.

Arrivals A and departures D are curves: requests since the replay began, linear within a second. First come,
first served, so a request that arrives at u leaves when D reaches A(u), and keeps its objective if

    D(u + d) >= A(u)        d: longest wait in the queue

which is exact for a fluid (Newell 1982, Applications of Queueing Theory, ch. 2). Bursts: amounts of seconds
are gamma distributed with variance z times their mean, given the amount of the minute (z: burstiness).
"""

from __future__ import annotations

import numpy as np

from optimizer.compiled import compiled
from optimizer.problem import Floats

SECONDS = 60
LEAST_SHAPE = 1e-3  # of a gamma distribution: below it nearly everything falls into one second


def bursts(requests: Floats, burstiness: float, rng: np.random.Generator) -> Floats:
    """(minute, second) how the requests of each minute fall on its seconds.

    Args:
        requests: (minute) amounts; NaN counts as none.
        burstiness: variance over mean of what arrives in a second; 0 = perfectly even.
        rng: seeded.
    """
    amount = np.nan_to_num(requests)
    if burstiness <= 0:
        return np.repeat(amount[:, None] / SECONDS, SECONDS, axis=1)
    shape = np.maximum(amount / (SECONDS * burstiness), LEAST_SHAPE)
    drawn = rng.standard_gamma(np.repeat(shape[:, None], SECONDS, axis=1))
    total = drawn.sum(axis=1, keepdims=True)
    even = np.full_like(drawn, 1.0 / SECONDS)
    return np.asarray(amount[:, None] * np.divide(drawn, total, out=even, where=total > 0))


@compiled
def curve_at(curve: Floats, at_s: float) -> float:
    """A curve between its seconds; it lies in a ring, and second s at position s modulo its length."""
    whole = int(np.floor(at_s))
    size = len(curve)
    low, high = curve[whole % size], curve[(whole + 1) % size]
    return float(low + (high - low) * (at_s - whole))


@compiled
def late_of_second(arrived: Floats, left: Floats, second: int, wait_s: float) -> float:
    """Requests that arrived within a second and wait longer than `wait_s`; both curves must reach so far."""
    size = len(arrived)
    begin, end = arrived[second % size], arrived[(second + 1) % size]
    spare_begin = curve_at(left, second + wait_s) - begin
    spare_end = curve_at(left, second + 1 + wait_s) - end
    slack = 1e-9 * max(1.0, end)
    on_time_begin, on_time_end = spare_begin >= -slack, spare_end >= -slack
    if on_time_begin and on_time_end:
        return 0.0
    if on_time_begin == on_time_end:
        return float(end - begin)
    share = abs(spare_begin) / max(abs(spare_begin) + abs(spare_end), 1e-300)
    return float((end - begin) * (1.0 - share if on_time_begin else share))


@compiled
def serve_second(
    arrived: Floats, left: Floats, second: int, arriving: float, rate: float, timeout_s: float
) -> float:
    """Lets a second pass: extends both curves, gives what is dropped because it has waited too long.

    Args:
        arrived, left: rings of the curves, known up to `second`.
        second: that passes, counted from the start of the replay.
        arriving: requests within it.
        rate: requests/s that can be served.
        timeout_s: longest wait; the rings must hold more seconds than that.
    """
    size = len(arrived)
    now, after = second % size, (second + 1) % size
    arrived[after] = arrived[now] + arriving
    served = min(arrived[after], left[now] + rate)
    overdue = curve_at(arrived, max(0.0, second + 1 - timeout_s))
    left[after] = max(served, overdue)
    return float(max(0.0, overdue - served))
