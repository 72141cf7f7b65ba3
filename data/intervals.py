"""Lengths of counted intervals where a source counted in longer ones at first.

An hour that was counted as one row is no minute of which 59 neighbours are missing. What stands at even
distances for a day's worth of rows, before rows come more often, was counted in intervals of that length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LEAST_ROWS = 24  # that are as far from each other: fewer may be what is left of shorter intervals


def own_intervals(starts: Ints, usual: int, longest: int) -> Ints:
    """Length of each interval: the usual one, or a longer one in which the first rows were counted.

    Args:
        starts: sorted and distinct.
        usual: interval of the last rows, in the unit of the starts.
        longest: that an interval may be.
    """
    found = np.full(len(starts), usual, dtype=np.int64)
    steps = np.diff(starts)
    begin = 0
    while begin < len(steps) and usual < steps[begin] <= longest:
        length = steps[begin]
        others = np.flatnonzero(steps[begin:] != length)
        end = begin + int(others[0]) if len(others) else len(steps)  # of the row that ends the last such step
        if end - begin < LEAST_ROWS or end == len(steps) or steps[end] > length or length % usual:
            break
        found[begin:end] = length  # the row at the end is followed sooner: it is of the next length
        begin = end
    return found
