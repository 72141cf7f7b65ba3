"""Plans as outcomes: what each workload costs in a day and runs, and what is proven of all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from optimizer.capacity import document, expected_costs, make
from optimizer.config import Settings
from optimizer.inputs import Inputs
from optimizer.needs import held_because
from optimizer.placement import plan_placement
from optimizer.plan import CapacityPlan, PlacementPlan
from optimizer.plan_parts import Missing
from optimizer.recommend import DAYS_PER_MONTH
from optimizer.running_cost import held_usd_per_hour
from optimizer.shortfalls import sentences
from optimizer.whatif.outcome import Measures, Outcome, possible, without_option

NO_POLICY = ""


def placed(inputs: Inputs, settings: Settings) -> Outcome:
    """The placement of a typical day; workloads that nothing may serve are left out, and told."""
    usual = replace(inputs, spot_capacity=inputs.usual_spot_capacity)
    impossible = unplanned(usual)
    kept = possible(inputs, impossible)
    plan, outlook = plan_placement(kept, without_advice(settings))
    costs = {row.workload: row.planned_usd_per_day for row in plan.workload_costs}
    misses = {row.workload: row for row in plan.miss_costs}
    running = placed_runs(plan)
    rows = {
        name: {
            **line(cost, running.get(name, []), plan.shortfalls, name),
            "covered_quantile": misses[name].covered_quantile if name in misses else None,
            "misses_usd_per_day": misses[name].expected_usd_per_day if name in misses else None,
        }
        for name, cost in costs.items()
    }
    periods = [each.name for each in plan.periods]
    held = 24.0 * held_usd_per_hour(kept, list(outlook.held))
    return replace(outcome(plan, rows, periods, hours=24.0, held=held), impossible=impossible)


def without_advice(settings: Settings) -> Settings:
    """The settings without advice on commitments, which no plan buys and no difference is told of."""
    placement = settings.placement.model_copy(update={"offer_commitments": False})
    return settings.model_copy(update={"placement": placement})


def scheduled(inputs: Inputs, settings: Settings, horizon: pd.Timedelta) -> Outcome:
    """The capacity of the next hours, its costs told for a day."""
    impossible = unplanned(inputs)
    kept = possible(inputs, impossible)
    made = make(kept, horizon, settings)
    plan = document(made)
    running = scheduled_runs(plan)
    rows = {
        name: line(usd * 24.0 / plan.horizon_hours, running.get(name, []), plan.shortfalls, name)
        for name, usd in expected_costs(made).items()
    }
    times = [start.isoformat() for start in made.times.starts]
    held = 24.0 * held_usd_per_hour(kept, list(made.outlook.held))
    return replace(outcome(plan, rows, times, hours=plan.horizon_hours, held=held), impossible=impossible)


def unplanned(inputs: Inputs) -> dict[str, str]:
    """Workloads that would be planned and that nothing may serve, and why."""
    histories = {str(name): rows for name, rows in inputs.demand.groupby("workload")}
    none = inputs.demand.iloc[:0]
    asked = [
        w for w in inputs.workloads if held_because(w, histories.get(w.name, none), inputs.as_of) is None
    ]
    return without_option(inputs, asked, inputs.context)


def outcome(
    plan: CapacityPlan | PlacementPlan,
    rows: Mapping[str, Measures],
    periods: Sequence[str],
    *,
    hours: float,
    held: float,
) -> Outcome:
    """A plan as measures; objective and bound of a placement hold its costs of change too.

    Args:
        plan: of either kind.
        rows: measures of each planned workload.
        periods: names that shortfalls may have.
        hours: that costs of the plan are of.
        held: USD per day of workloads that stay as they are.
    """
    missed: dict[tuple[str, str], list[Missing]] = {}
    for each in plan.shortfalls:
        missed.setdefault((each.workload, each.rule), []).append(each)
    usd_per_day = plan.expected_cost_usd * 24.0 / hours
    total = {
        "usd_per_day": usd_per_day,
        "usd_per_month": usd_per_day * DAYS_PER_MONTH,
        "left_as_is_usd_per_day": held,
        "shortfalls": len(missed),
        "gap_share": plan.proof.gap_share,
    }
    if isinstance(plan, PlacementPlan):  # of a capacity plan they are those of its floors alone
        total |= {"objective_usd": plan.proof.objective_usd, "bound_usd": plan.proof.bound_usd}
    return Outcome(
        rows={(name, NO_POLICY): row for name, row in rows.items()},
        totals={NO_POLICY: total},
        fingerprint=plan.fingerprint,
        shortfalls={key: tuple(sentences(each, periods)) for key, each in missed.items()},
        notes=plan.notes,
    )


def line(
    usd_per_day: float, runs: list[dict[str, Any]], shortfalls: Iterable[Missing], name: str
) -> dict[str, Any]:
    """Measures of one workload that both kinds of plan have."""
    missed = {each.rule for each in shortfalls if each.workload == name}
    return {"usd_per_day": usd_per_day, "runs": runs, "shortfalls": len(missed)}


def placed_runs(plan: PlacementPlan) -> dict[str, list[dict[str, Any]]]:
    """By workload the options it runs with their fewest and most replicas over the day."""
    counts: dict[tuple[str, str], list[int]] = {}
    for row in plan.placements:
        counts.setdefault((row.workload, row.option_id), []).append(row.replicas)
    idle = {key for key, rows in counts.items() if len(rows) < len(plan.periods)}
    found: dict[str, list[dict[str, Any]]] = {}
    for (workload, option_id), rows in sorted(counts.items()):
        fewest = 0 if (workload, option_id) in idle else min(rows)
        found.setdefault(workload, []).append(run(option_id, fewest, max(rows), max(rows)))
    return found


def scheduled_runs(plan: CapacityPlan) -> dict[str, list[dict[str, Any]]]:
    """The same of the floors of a capacity plan, with how far the loop may go."""
    found: dict[str, list[dict[str, Any]]] = {}
    frame = pd.DataFrame(
        [(row.workload, row.option_id, row.replicas, row.max_replicas) for row in plan.allocations],
        columns=["workload", "option_id", "replicas", "most"],
    )
    for (workload, option_id), rows in frame.groupby(["workload", "option_id"]):
        counts = (int(rows["replicas"].min()), int(rows["replicas"].max()), int(rows["most"].max()))
        found.setdefault(str(workload), []).append(run(str(option_id), *counts))
    return found


def run(option_id: str, fewest: int, most: int, reach: int) -> dict[str, Any]:
    """Planned replicas of an option at least and at most, and how far a loop may go beyond."""
    return {"option_id": option_id, "fewest": fewest, "most": most, "reach": reach}
