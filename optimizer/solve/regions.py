"""The regions of a workload, counted from 0: indices of the compact model."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Bools, Ints, Problem


def region_number(p: Problem) -> Ints:
    """(I,) which of its workload's regions an option lies in, counted in the order of their names."""
    places = list(zip(p.provider, p.region, strict=True))
    code = {place: number for number, place in enumerate(sorted(set(places)))}
    pair = p.option_workload * len(code) + np.array([code[place] for place in places], dtype=np.int64)
    used, which = np.unique(pair, return_inverse=True)
    first = np.searchsorted(used, p.option_workload * len(code))
    return np.asarray(which - first, dtype=np.int64)


def has_region(p: Problem) -> Bools:
    """(W, R) which numbers of regions a workload has, R the most of any workload."""
    number = region_number(p)
    held = np.zeros((len(p.workloads), int(number.max(initial=-1)) + 1), dtype=bool)
    held[p.option_workload, number] = True
    return held
