"""The regions of a workload, counted from 0: indices of the compact model."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Bools, Ints, Problem


def region_number(p: Problem) -> Ints:
    """(I,) which of its workload's regions an option lies in, counted in the order of their names."""
    places = np.array([f"{a}\0{b}" for a, b in zip(p.provider, p.region, strict=True)], dtype=str)
    pairs = np.stack([p.option_workload, np.unique(places, return_inverse=True)[1]], axis=1)
    used, which = np.unique(pairs, axis=0, return_inverse=True)
    first = np.searchsorted(used[:, 0], p.option_workload)
    return np.asarray(which.ravel() - first, dtype=np.int64)


def has_region(p: Problem) -> Bools:
    """(W, R) which numbers of regions a workload has, R the most of any workload."""
    number = region_number(p)
    held = np.zeros((len(p.workloads), int(number.max(initial=-1)) + 1), dtype=bool)
    held[p.option_workload, number] = True
    return held
