"""What to do: from a placement plan, the bill and the metrics; each with its saving as a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from optimizer.batch_work import turn_of
from optimizer.change_words import change_kind, change_risk, machine, over_the_day, shape
from optimizer.inputs import Inputs
from optimizer.placement_parts import CommitmentAdvice, LadderAdvice, PlacementRow, WorkloadCost
from optimizer.plan import PlacementPlan
from optimizer.recurring import usual_work
from optimizer.report.data import Recommendation
from optimizer.report.view import by_saving
from optimizer.rows import rows_of
from optimizer.shortfalls import sentences

DAYS_PER_MONTH = 365.0 / 12.0
IDLE_SHARE = 0.05  # a machine whose busiest hours stay under this does nothing
IDLE_HOURS = 7 * 24  # seen for a week at least
LEAST_USD_PER_MONTH = 5.0


def recommend(
    plan: PlacementPlan | None, inputs: Inputs, costs: pd.DataFrame, utilisation: pd.DataFrame
) -> tuple[Recommendation, ...]:
    """Everything worth doing: shortages, then the largest saving first.

    Args:
        plan: the joint plan of a typical day; None where nothing is planned.
        inputs: what it was made from.
        costs: view `resource_cost`, one row per resource and month.
        utilisation: view `resource_utilisation`, one row per resource and metric.
    """
    found = [
        *(workload_changes(plan, inputs) if plan else ()),
        *idle_resources(whole_months(costs, inputs.as_of), utilisation),
        *(commitment_advice(plan) if plan else ()),
    ]
    return tuple(sorted(found, key=by_saving))


def workload_changes(plan: PlacementPlan, inputs: Inputs) -> Iterator[Recommendation]:
    """One recommendation per workload whose planned cost differs from the present one, or that is short."""
    owners = {w.name: w.owner for w in inputs.workloads}
    reasons = {reason.workload: reason.text for reason in plan.reasons}
    short, once = unserved(plan), days_of_once(plan, inputs)
    for cost in plan.workload_costs:
        if plan.current_cost_usd is None:
            continue
        is_short = cost.workload in short
        if not (is_short or is_worth_telling(cost)):
            continue
        rows = [row for row in plan.placements if row.workload == cost.workload]
        owner, reason = owners[cost.workload], reasons.get(cost.workload, "")
        change = workload_change(cost, rows, inputs, owner, reason, periods=[p.name for p in plan.periods])
        if cost.workload in once:
            change = done_once(change, once[cost.workload])
        yield shortage(change, short[cost.workload]) if is_short else change


def days_of_once(plan: PlacementPlan, inputs: Inputs) -> dict[str, float]:
    """Work with a deadline that does not come again, and how many typical days it takes."""
    usual = usual_work(inputs, [row.workload for row in plan.work])
    turns = {w.name: turn_of(w, inputs.as_of, len(plan.periods)) for w in inputs.workloads if w.name in usual}
    return {
        row.workload: row.work_units / turns[row.workload].units
        for row in plan.work
        if usual[row.workload] <= 0
    }


def done_once(change: Recommendation, days: float) -> Recommendation:
    """A change that lasts as long as the work does: what it saves in all, and nothing per month."""
    monthly = change.saving_usd_per_month_mid
    return replace(
        change,
        title=f"{change.target}: {dict(change.evidence)['planned']}",
        saving_usd_per_month_low=None,
        saving_usd_per_month_mid=None,
        saving_usd_per_month_high=None,
        once_usd=None if monthly is None else monthly / DAYS_PER_MONTH * days,
    )


def is_worth_telling(cost: WorkloadCost) -> bool:
    """Whether a change moves money, or may: where the present cost is not known, nobody can say."""
    now = cost.current_usd_per_day
    return now is None or abs(now - cost.planned_usd_per_day) * DAYS_PER_MONTH >= LEAST_USD_PER_MONTH


def unserved(plan: PlacementPlan) -> dict[str, str]:
    """Workloads of which the plan leaves demand or work undone, and the worst of it as a sentence."""
    found = [s for s in plan.shortfalls if s.rule in ("meet_demand", "finish_work")]
    periods = [period.name for period in plan.periods]
    names = dict.fromkeys(s.workload for s in found)
    return {name: next(sentences([s for s in found if s.workload == name], periods)) for name in names}


def shortage(change: Recommendation, reason: str) -> Recommendation:
    """A change that leaves demand unserved: what it costs more counts, what it would save does not."""
    return replace(
        change,
        kind="shortage",
        title=f"{change.target}: not all demand can be served",
        saving_usd_per_month_low=no_gain(change.saving_usd_per_month_low),
        saving_usd_per_month_mid=no_gain(change.saving_usd_per_month_mid),
        saving_usd_per_month_high=no_gain(change.saving_usd_per_month_high),
        once_usd=None if change.once_usd is None else no_gain(change.once_usd),
        reason=reason,
        risk="high: demand goes unserved until what is short is raised",
        effort="days: raise what is short, or change its rules; see the cheapest way out",
    )


def no_gain(usd: float | None) -> float:
    """A saving of which only what costs more counts, and nothing where it is not known."""
    return min(usd or 0.0, 0.0)


def workload_change(
    cost: WorkloadCost,
    rows: list[PlacementRow],
    inputs: Inputs,
    owner: str | None,
    reason: str,
    *,
    periods: Sequence[str],
) -> Recommendation:
    """From what a workload runs now to what the plan gives it."""
    low, mid, high = savings(cost)
    now = present(inputs, cost.workload)
    kind, effort = change_kind(now, rows)
    planned = shape(over_the_day(rows, periods))
    return Recommendation(
        id=f"workload/{cost.workload}",
        kind=kind,
        title=f"{cost.workload} needs more: {planned}"
        if mid is not None and mid <= 0
        else f"{cost.workload}: {planned}",
        target=cost.workload,
        owner=owner,
        saving_usd_per_month_low=low,
        saving_usd_per_month_mid=mid,
        saving_usd_per_month_high=high,
        reason=reason,
        risk=change_risk(now, rows),
        effort=effort,
        is_estimated=any(row.is_estimated_price for row in rows),
        evidence=(
            ("now", shape(list(rows_of(now, "machine", "desired")))),
            ("planned", planned),
        ),
    )


def savings(cost: WorkloadCost) -> tuple[float | None, float | None, float | None]:
    """Saving per month if demand turns out high, as planned and low; None where no present cost is known."""
    now = cost.current_usd_per_day
    if now is None:
        return None, None, None
    planned = (cost.planned_usd_per_day_high, cost.planned_usd_per_day, cost.planned_usd_per_day_low)
    low, mid, high = ((now - usd) * DAYS_PER_MONTH for usd in planned)
    return low, mid, high


def present(inputs: Inputs, workload: str) -> pd.DataFrame:
    """What a workload runs now, with where and how it is bought; shared nodes stand beside its own."""
    rows = inputs.fleet.loc[inputs.fleet["workload"].eq(workload)].assign(whose="")
    if any(w.shares_nodes for w in inputs.workloads if w.name == workload) and len(inputs.nodes):
        rows = pd.concat([rows, inputs.nodes.assign(workload=workload, whose=" shared")])
    columns = ["option_id", "provider", "region", "instance_type", "purchase"]
    known = rows.loc[rows["desired"].gt(0)].merge(inputs.options[columns], on="option_id", how="left")
    told = ("option_id", "whose", "instance_type", "purchase", "provider", "region")
    names = [
        (machine(*values) if pd.notna(values[0]) else option) + whose
        for option, whose, *values in rows_of(known, *told)
    ]
    return known.assign(machine=names)


def whole_months(costs: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Rows of months that had ended by as-of: a running month shows only part of a cost."""
    return costs.loc[costs["month"] < f"{as_of:%Y-%m}"]


def idle_resources(costs: pd.DataFrame, utilisation: pd.DataFrame) -> Iterator[Recommendation]:
    """Resources of no workload that cost money while every metric of theirs stays near nothing.

    What a workload runs is left to its own recommendation, so that no saving counts twice.
    """
    shares = utilisation.loc[utilisation["metric"].str.endswith("utilisation_share")]
    shares = shares.loc[shares["workload"].isna() & ~shares["metric"].str.startswith("memory")]
    by_resource = shares.groupby("resource").agg(busiest=("p95", "max"), hours=("hours", "max"))
    idle = by_resource.loc[by_resource["busiest"].lt(IDLE_SHARE) & by_resource["hours"].ge(IDLE_HOURS)]
    newest = newest_cost(costs)
    found = newest.loc[newest["effective_cost"].ge(LEAST_USD_PER_MONTH)]
    found = found.merge(idle, left_on="resource", right_index=True)
    columns = ("resource", "team", "month", "effective_cost", "busiest", "hours")
    for resource, team, month, cost, busiest, hours in rows_of(found, *columns):
        yield Recommendation(
            id=f"idle/{resource}",
            kind="idle",
            title=f"Stop {resource.rsplit('/', 1)[-1]}",
            target=resource,
            owner=None if pd.isna(team) else team,
            saving_usd_per_month_low=float(cost),
            saving_usd_per_month_mid=float(cost),
            saving_usd_per_month_high=float(cost),
            reason=f"95 % of its hours stay under {busiest:.1%} utilisation",
            risk="medium: ask its owner whether it waits for something",
            effort="minutes: stop it, delete it after a grace period",
            is_estimated=False,
            evidence=(("observed", f"{int(hours)} h"), ("cost of", month)),
        )


def newest_cost(costs: pd.DataFrame) -> pd.DataFrame:
    """`resource, month, effective_cost, team` of each resource's newest month, its charges added up.

    Only charges in US dollars: a recommendation is in dollars, and currencies are never added up. The team
    is that of the largest charge.
    """
    priced = costs.loc[costs["currency"].eq("USD")].sort_values("effective_cost", ascending=False)
    newest = priced.loc[priced["month"].eq(priced.groupby("resource")["month"].transform("max"))]
    return newest.groupby(["resource", "month"], as_index=False).agg(
        effective_cost=("effective_cost", "sum"), team=("team", "first")
    )


def commitment_advice(plan: PlacementPlan) -> Iterator[Recommendation]:
    """Commitments worth weighing."""
    return map(commitment, plan.commitments)


def commitment(item: CommitmentAdvice) -> Recommendation:
    """One commitment: saving in the worst draws of demand, on average and in the best."""
    use = item.utilization
    evidence = [
        ("breaks even at", f"{item.break_even_utilization:.0%} use"),
        ("use, 10 % to 90 % of draws", f"{use.p10:.0%} to {use.p90:.0%}"),
    ]
    best = next((ladder for ladder in item.ladders if ladder.is_recommended), None)
    if best is not None and len(best.tranches) > 1:
        evidence.append(("better in parts", rungs(best)))
    if item.payback_months is not None:
        evidence.append(("paid back after", f"{item.payback_months:.0f} months"))
    years = "a year" if item.term_years == 1 else f"{item.term_years} years"
    return Recommendation(
        id=f"commitment/{item.commitment}",
        kind="commitment",
        title=f"Weigh {item.usd_per_hour:,.2f} USD/h of {item.commitment}",
        target=item.commitment,
        owner=None,
        saving_usd_per_month_low=min(item.saving_usd_per_day_tail, item.saving_usd_per_day) * DAYS_PER_MONTH,
        saving_usd_per_month_mid=item.saving_usd_per_day * DAYS_PER_MONTH,
        saving_usd_per_month_high=max(item.saving_usd_per_day_high, item.saving_usd_per_day) * DAYS_PER_MONTH,
        reason="covers on-demand capacity at the committed price, as demand may go over the term",
        risk=f"high: paid for {years} whether used or not; {item.loss_probability:.0%} of draws lose by it",
        effort="hours: a decision of finance, never automatic",
        is_estimated=True,
        evidence=tuple(evidence),
    )


def rungs(ladder: LadderAdvice) -> str:
    """Tranches as people say them: "2.80 USD/h now, 3.90 in month 6"."""
    first, *later = ladder.tranches
    parts = [f"{first.usd_per_hour:,.2f} USD/h now"]
    return ", ".join(parts + [f"{part.usd_per_hour:,.2f} in month {part.month}" for part in later])
