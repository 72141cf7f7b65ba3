"""A capacity plan as a policy: what others do with the document, so that a replay can play it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.minute_load import MINUTE
from optimizer.plan import CapacityPlan
from optimizer.plan_parts import Allocation, AutoscaleRule
from optimizer.problem import Floats
from optimizer.reactive import needed_load, utilization
from optimizer.replay.case import Case, no_replicas
from optimizer.replay.world import World
from optimizer.simulate import Orders


def orders_of(plan: CapacityPlan, case: Case) -> Orders:
    """What a plan wishes in each minute of a replay that begins when it was made.

    Rows of one option add up. While any row of a workload covers a minute, its options without one have 0;
    after the last row the last ones stay in force.
    """
    orders = no_replicas(case.world)
    for name, w in ((name, w) for w, name in enumerate(case.world.workloads)):
        rows = [row for row in plan.allocations if row.workload == name]
        place(orders, case.world, w, rows)
        if name in plan.autoscale:
            needed = needed_of(plan.autoscale[name], case.whole.load[w])
            orders.needed[w] = needed[case.begin :]
    return orders


def place(orders: Orders, world: World, workload: int, rows: list[Allocation]) -> None:
    """Adds the rows of one workload."""
    last = max((row.end for row in rows), default=None)
    position = {world.option_id[i]: i for i in world.options_of(workload)}
    for row in rows:
        begin, end = minute_of(world, row.start), minute_of(world, row.end)
        span = slice(max(0, begin), world.minutes if row.end == last else max(0, end))
        orders.replicas[position[row.option_id], span] += row.replicas
        orders.most[position[row.option_id], span] += row.max_replicas
        if orders.standby is not None:
            orders.standby[position[row.option_id], span] += row.standby or 0


def minute_of(world: World, moment: object) -> int:
    """The minute of a replay in which a moment lies."""
    return int((pd.Timestamp(moment) - world.start) // MINUTE)  # type: ignore[arg-type]


def needed_of(rule: AutoscaleRule, load: Floats) -> Floats:
    """(t) requests/s that a plan's rule wants served."""
    weights = dict(term.weighted for term in rule.terms or ()) or utilization(
        float(rule.target_utilization or np.nan)
    )
    return needed_load(load, weights, rule.scale_down_window_s)
