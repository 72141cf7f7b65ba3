"""A placement explained, as it stands in documents: why not another option, what is scarce, how to repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from optimizer.caps import Caps
from optimizer.losses import Scenarios
from optimizer.period_words import when
from optimizer.placement_parts import AlternativeRow, CostParts, Explanation, RepairRow, ScarceRow, WhyNotRow
from optimizer.problem import Floats, Problem
from optimizer.shift import Work
from optimizer.solve import Solution
from optimizer.solve.explain import Alternative, WhyNot, explain, on_nodes, sentence
from optimizer.solve.prices import Parts, Relaxation
from optimizer.solve.repair import repair
from optimizer.solve.repair_steps import Barred, Step
from optimizer.solve.repair_steps import sentence as repair_sentence
from optimizer.solve.scarce import Scarcity, days, scarcities
from optimizer.violations import TOLERANCE

# Options times periods up to which scarce things are confirmed by solving again: so many of each kind.
CONFIRMED = ((30_000, 3), (100_000, 1))
MOST_RULES = 1_000_000  # options times periods up to which rules are priced
RULE_WORDS = {
    "max_spot_share": "the cap on spot",
    "min_on_demand_replicas": "min_on_demand_replicas",
    "min_replicas": "min_replicas",
    "max_replicas": "max_replicas",
    "min_regions": "min_regions",
    "max_region_share": "max_region_share",
    "survive_region_loss": "surviving the loss of a region",
}
# Prices what is kept out before a problem is made: of the problem, its prices, (W,) cheapest plans at these.
Filters = Callable[[Problem, Relaxation, Floats], Sequence[Scarcity]]
DAYS_PER_MONTH = 365.0 / 12.0


def explained(
    p: Problem,
    solution: Solution,
    *,
    filters: Filters | None = None,
    repair_of: tuple[Problem, Barred] | None = None,
) -> Explanation:
    """Everything that is told about a placement.

    Args:
        p: the problem solved.
        solution: its solution.
        filters: tells what is kept out before the problem is made and what that costs.
        repair_of: the same problem with options that filters keep out, which a repair may let in.
    """
    found, size = explain(p, solution), len(p.option_id) * len(p.periods)
    scarce: tuple[Scarcity, ...] = ()
    if found.relaxation is not None and found.part is not None and found.best_usd is not None:
        confirm = next((count for most, count in CONFIRMED if size <= most), 0)
        scarce = scarcities(
            found.part, found.relaxation, confirm=confirm, rules=size <= MOST_RULES, best_usd=found.best_usd
        )
        more = filters(found.part, found.relaxation, found.best_usd) if filters and not found.unpriced else ()
        scarce = tuple(sorted((*scarce, *more), key=lambda each: -each.best_usd_per_day))
    span = days(p)
    steps = tuple(repair_rows(p, solution, repair_of))
    return Explanation(
        prices=found.source,
        gap_usd_per_day=found.gap_usd / span,
        unused_usd_per_day=found.unused_usd / span,
        why_not=tuple(why_not_row(told, span) for told in found.workloads),
        scarce=tuple(scarce_row(each, p) for each in scarce),
        repair=steps,
        no_repair=None if steps else why_no_repair(p, solution),
    )


def why_not_row(told: WhyNot, span: float) -> WhyNotRow:
    """One workload, per day."""
    return WhyNotRow(
        workload=told.workload,
        runs=told.runs,
        usd_per_day=told.usd / span,
        regret_usd_per_day=told.regret_usd / span,
        alternatives=tuple(alternative_row(each, span) for each in told.alternatives),
    )


def alternative_row(each: Alternative, span: float) -> AlternativeRow:
    """One option, per day."""
    parts = Parts(*(usd / span for usd in each.parts.each))
    return AlternativeRow(
        option_id=each.option,
        other=each.other,
        beside=each.partner,
        more_usd_per_day=parts.total,
        alone_more_usd_per_day=None if each.alone_usd is None else each.alone_usd / span,
        parts=CostParts(
            instances=parts.instances,
            scarce_quota=parts.quota_rent,
            lost_cover=parts.lost_cover,
            egress=parts.egress,
            change=parts.churn,
        ),
        text=sentence(each, span),
    )


def scarce_row(each: Scarcity, p: Problem) -> ScarceRow:
    """One scarce thing."""
    return ScarceRow(
        kind=each.kind,
        name=each.name,
        rule=each.rule,
        usd_per_day=each.usd_per_day,
        confirmed_usd_per_day=each.confirmed_usd_per_day,
        tried=each.step,
        periods=each.periods,
        text=scarce_text(each, p),
    )


def scarce_text(each: Scarcity, p: Problem) -> str:
    """What it saves, in money per day, and when it is scarce."""
    usd = each.best_usd_per_day
    if each.kind == "rule":
        word = RULE_WORDS.get(str(each.rule), str(each.rule))
        return f"{word} of {each.name} costs {usd:,.2f} USD a day, {usd * DAYS_PER_MONTH:,.0f} USD a month"
    is_part = 0 < len(each.periods) < len(p.periods)
    at = f" ({when(each.periods, p.periods)})" if is_part else ""
    if each.kind == "commitment":
        return f"one more committed USD per hour in {each.name} saves {usd:,.2f} USD a day before its fee{at}"
    return f"one more unit of {each.name} saves {usd:,.2f} USD a day{at}"


def short_workloads(p: Problem, solution: Solution) -> set[str]:
    """Workloads with a shortfall of their own; a budget that is missed takes money, not a repair."""
    return {shortfall.workload for shortfall in solution.shortfalls} & set(p.workloads)


def repair_rows(
    p: Problem, solution: Solution, repair_of: tuple[Problem, Barred] | None
) -> Iterator[RepairRow]:
    """Steps that end the shortfalls."""
    shared = {p.workloads[w] for w in np.flatnonzero(on_nodes(p))}  # a repair knows nothing of packing
    short = short_workloads(p, solution) - shared
    if not short:
        return
    whole, barred = repair_of or (p, {})
    fixed = at_found_rates(whole, p.sum_by_workload(solution.placement.served))
    for step in repair(fixed, short, barred=barred).steps:
        yield repair_row(step, whole)


def why_no_repair(p: Problem, solution: Solution) -> str | None:
    """Why a shortage has no steps that end it; None where nothing is short."""
    short = short_workloads(p, solution)
    if not solution.shortfalls:
        return None
    if not short:
        return "no way out is offered: only caps or budgets are missed; raise them, or need less"
    if short <= {p.workloads[w] for w in np.flatnonzero(on_nodes(p))}:
        return (
            "no way out is offered: the workloads that are short share nodes, which repairs know nothing of"
        )
    return "no way out is offered: no limit or rule that may be relaxed ends the shortage"


def at_found_rates(p: Problem, served: Floats) -> Problem:
    """The problem with shifting work as demand: done as found, what finds no room evenly over its window.

    Without caps and scenarios: they take money, and no repair changes them.
    """
    work = p.work
    window = work.window(len(p.periods))
    done = np.where(window, served, 0.0)
    open_hours = np.maximum(window @ p.hours, TOLERANCE)
    left = np.maximum(work.amount - done @ p.hours, 0.0) / open_hours
    rates = done + np.where(window, left[:, None], 0.0)
    demand = np.where(work.is_asked[:, None], rates, p.demand)
    nothing_lost = Scenarios.none(len(p.workloads), len(p.pools), len(p.periods))
    none = Work.none(*p.demand.shape)
    return replace(p, demand=demand, work=none, caps=Caps.none(*p.shape[:2]), scenarios=nothing_lost)


def repair_row(step: Step, p: Problem) -> RepairRow:
    """One step."""
    return RepairRow(
        rule=step.rule if step.by_rule is None else step.by_rule,
        where=step.where,
        periods=step.periods,
        found=step.found,
        needed=step.needed,
        option_id=step.option,
        text=repair_sentence(step, p),
    )
