"""Instances now and planned, by workload and option, as a report shows them."""

from __future__ import annotations

import pandas as pd

from optimizer.inputs import Inputs
from optimizer.placement_parts import PlacementRow
from optimizer.plan import PlacementPlan
from optimizer.report.data import FRAMES, empty

SHARED_NODES = "shared nodes that run now"


def capacity_rows(plan: PlacementPlan, inputs: Inputs) -> pd.DataFrame:
    """Present against planned replicas per workload and option; planned ones are means over the day.

    Of pods these are the nodes they pay. Shared nodes that run now have a row without a plan of their own.
    """
    if inputs.fleet.empty and inputs.nodes.empty and not plan.placements:
        return empty("capacity")
    keys = ["workload", "option_id"]
    columns = ["provider", "region", "instance_type", "purchase", "price_hourly"]
    options = inputs.options[["option_id", *columns]]
    shared = inputs.nodes.assign(workload=SHARED_NODES)
    running = pd.concat([part for part in (inputs.fleet, shared) if len(part)] or [inputs.fleet])
    now = running.rename(columns={"desired": "current_replicas"})[[*keys, "current_replicas"]]
    hours = {period.name: period.hours / 24.0 for period in plan.periods}
    planned = pd.DataFrame(
        [(r.workload, r.option_id, instances_of(r) * hours[r.period]) for r in plan.placements],
        columns=[*keys, "planned_replicas"],
    )
    planned = planned.groupby(keys, as_index=False).sum()
    planned_for = {SHARED_NODES, *(cost.workload for cost in plan.workload_costs)}
    rows = now.merge(planned, on=keys, how="outer").merge(options, on="option_id", how="left")
    rows["current_replicas"] = rows["current_replicas"].astype(float).fillna(0.0)
    stays = ~rows["workload"].isin(planned_for)
    rows["planned_replicas"] = rows["planned_replicas"].where(~stays, rows["current_replicas"]).fillna(0.0)
    rows["current_usd_per_hour"] = rows["current_replicas"] * rows["price_hourly"].astype(float)
    rows["planned_usd_per_hour"] = rows["planned_replicas"] * rows["price_hourly"].astype(float)
    shown = rows.loc[rows["current_replicas"].gt(0) | rows["planned_replicas"].gt(0)]
    return shown[list(FRAMES["capacity"])].reset_index(drop=True) if len(shown) else empty("capacity")


def instances_of(row: PlacementRow) -> float:
    """Instances that a row pays."""
    return row.replicas if row.nodes is None else row.nodes
