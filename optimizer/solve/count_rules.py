r"""Rules of the compact model about counts: bounds of single options, and change from period to period.

Variables beside those of `optimizer.solve.compact`
    u[j]         replicas that bound j of an option is short of; exists only in the elastic model
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Problem
from optimizer.solve.program import NONE, Blocks, Rows, Term, numbered


def leave_out(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_t n_{it} \le 0$ for options that residency, latency or their own bounds rule out.

    The solver leaves them out before it builds a model, except where rows of one's own, or a ramp or a cap
    on changes, count on them.
    """
    row = numbered(~p.is_admissible)
    yield Rows("left_out", row, [(row[:, None], v["n"], 1.0)], upper=0.0)


def bound_options(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\underline n_{it} - u_{it} \le n_{it} \le \overline n_{it}$, $\sum_{i \in w} u_{it} \le s_{wt}$."""
    b = p.bounds
    if not len(b):
        return
    n, at = v["n"][b.option, b.period], (p.option_workload[b.option], b.period)
    row = numbered(np.isfinite(b.most))
    yield Rows("option_max", row, [(row, n, 1.0)], upper=b.most)
    pinned = np.zeros(p.demand.shape, dtype=bool)
    pinned[at] = True
    missed = v.missed("option_min_replicas", pinned)
    u = v.add("u", np.full(len(b), v.elastic))
    row = numbered(b.fewest > 0)
    yield Rows("option_min", row, [(row, n, 1.0), (row, u, 1.0)], lower=b.fewest)
    row = numbered(missed != NONE)
    yield Rows("options_short", row, [(row[at], u, 1.0), (row, missed, -1.0)], upper=0.0)


def limit_ramps(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$|\sum_i n_{it} - \sum_i n_{i,t-1}| \le \Delta_w + s_{wt}$; before the first period, what runs now."""
    ramp, w = p.ramp, p.option_workload
    ruled = np.repeat(np.isfinite(ramp.max_replicas)[:, None], len(p.periods), axis=1)
    ruled[:, :1] &= ramp.from_current[:, None]
    if not ruled.any():
        return
    row = numbered(ruled)
    missed = v.missed("max_ramp_replicas", ruled)
    nothing = np.full((len(row), 1), NONE, dtype=np.int64)
    following = np.concatenate([row[:, 1:], nothing], axis=1)  # the row in which a count is the one before
    change: list[Term] = [(row[w], v["n"], 1.0), (following[w], v["n"], -1.0)]
    before = np.zeros(row.shape)
    before[:, 0] = np.bincount(w, weights=p.current_replicas, minlength=len(row))
    most = np.where(ruled, ramp.max_replicas[:, None], 0.0)
    yield Rows("ramp_up", row, [*change, (row, missed, -1.0)], upper=before + most)
    yield Rows("ramp_down", row, [*change, (row, missed, 1.0)], lower=before - most)
