"""What runs costs: planned fleets after commitments, the present fleet, workloads that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from optimizer.coverage import best_cover
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.node_shares import as_instances, present_instances
from optimizer.problem import Placement, Problem, cost_parts
from optimizer.rows import rows_of
from optimizer.solve import Solution


def running_cost(problem: Problem, placement: Placement) -> float:
    """USD for what runs over the horizon, after commitments; without the model's costs of change."""
    parts = cost_parts(problem, placement)
    running = ("instances", "nodes", "egress", "commitment_cover", "commitment_fees")
    return sum(parts[name] for name in running)


def present_cost(
    inputs: Inputs, held: Sequence[str], solved: tuple[Problem, Solution] | None, hours: float
) -> float | None:
    """USD of leaving what runs as it is, after what existing commitments cover; None if unknown.

    Workloads of which a part has no known price are left out.
    """
    if inputs.fleet.empty and inputs.nodes.empty:
        return None
    priced = [w.name for w in inputs.workloads if w.name not in inputs.unpriced]
    listed = fleet_usd_per_hour(inputs, [name for name in priced if name not in held])
    listed += held_usd_per_hour(inputs, held) + listed_usd(inputs.nodes, inputs.options)
    if solved is None:
        return listed * hours
    problem = as_instances(solved[0])
    known = np.isin(np.array(problem.workloads)[problem.option_workload], priced)
    present = np.where(known, present_instances(solved[0], solved[1].placement, inputs.nodes), 0.0)
    replicas = np.repeat(present[:, None], len(problem.periods), axis=1)
    covered = best_cover(problem, replicas, np.zeros(len(problem.commitments)))
    saved = np.einsum("cp,cpt,t->", np.nan_to_num(problem.covered_list_price), covered, problem.hours)
    return listed * hours - float(saved)


def beside_held(inputs: Inputs, held: Sequence[str]) -> tuple[tuple[Offer, ...], float]:
    """What existing commitments still offer beside workloads that stay as they are.

    Also gives the USD per hour of list price that they save for those workloads.
    """
    rows = inputs.fleet.loc[inputs.fleet["workload"].isin(held)]
    rows = rows.merge(inputs.options, on="option_id")
    rows = rows.loc[rows["purchase"].eq("on_demand")]
    left, saved = [], 0.0
    places = rows.groupby(["provider", "region", "instance_type"], as_index=False)
    rows = places.agg({"desired": "sum", "price_hourly": "max"})
    columns = ("provider", "region", "instance_type", "desired", "price_hourly")
    uncovered = {(p, r, t): [float(n), float(price)] for p, r, t, n, price in rows_of(rows, *columns)}
    for offer in inputs.commitments:
        budget = offer.existing_usd_per_hour
        for place in sorted(uncovered.keys() & offer.rates.keys()):
            count, price = uncovered[place]
            rate = offer.rates[place]
            covered = min(count, budget / rate) if rate > 0 else count
            uncovered[place][0] -= covered
            budget -= covered * rate
            saved += covered * price
        left.append(replace(offer, existing_usd_per_hour=budget))
    return tuple(left), saved


def held_usd_per_hour(inputs: Inputs, held: Sequence[str]) -> float:
    """Price per hour of workloads that stay as they are, after what commitments cover of them.

    Those of which a part has no known price are left out.
    """
    priced = [name for name in held if name not in inputs.unpriced]
    return fleet_usd_per_hour(inputs, priced) - beside_held(inputs, priced)[1]


def fleet_usd_per_hour(
    inputs: Inputs, workloads: Sequence[str], *, beyond: frozenset[str] | set[str] = frozenset()
) -> float:
    """Catalogue price per hour of what some workloads run now; options the catalogue lacks count nothing.

    `beyond` leaves out options that are counted elsewhere.
    """
    rows = inputs.fleet.loc[inputs.fleet["workload"].isin(workloads)]
    rows = rows.loc[~rows["option_id"].isin(beyond)]
    return listed_usd(rows, inputs.options)


def listed_usd(rows: pd.DataFrame, options: pd.DataFrame) -> float:
    """Catalogue price per hour of desired instances; those of unknown options count nothing."""
    priced = rows.merge(options[["option_id", "price_hourly"]], on="option_id")
    return float((priced["desired"].astype(float) * priced["price_hourly"].astype(float)).sum())
