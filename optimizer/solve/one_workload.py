"""The cheapest plan of one workload with any rules, at prices of what it shares: a small integer program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.solve import highs
from optimizer.solve.compact import RULES, build, honour_commitments, within_pools
from optimizer.solve.components import restrict
from optimizer.solve.highs import Limits
from optimizer.solve.prices import Plan, Priced

OWN = tuple(rule for rule in RULES if rule not in {honour_commitments, within_pools})
LIMITS = Limits(gap_share=1e-9, nodes=2_000, seconds=30.0)


def cheapest_plan(priced: Priced, workload: int, must: int | None, *, alone: bool = False) -> Plan | None:
    """The cheapest plan of a workload; None where it has none.

    Args:
        priced: the problem and prices of what is shared.
        workload: whose.
        must: an option that has to run.
        alone: nothing but this option may run.
    """
    part = restrict(priced.problem, np.array([workload]))
    rent, saved = priced.per_unit(part.options)
    program = build(part.problem, OWN)
    n = program.columns_of("n")
    cost, upper = program.cost.copy(), program.upper.copy()
    cost[n] += part.problem.pool_units[:, None] * (rent - saved)
    if alone:
        upper[n[part.options != must]] = 0.0
    program = replace(program, cost=cost, upper=upper)
    if must is not None:
        runs = np.zeros_like(cost)
        runs[n[part.options == must]] = -1.0
        program = program.and_row("must_run", runs, -1.0)
    found = highs.minimise(program, LIMITS)
    if found.values is None:
        return None
    count = np.rint(program.spread(found.values, "n"))
    used = count.max(axis=1, initial=0) > 0
    return Plan(part.options[used], count[used])
