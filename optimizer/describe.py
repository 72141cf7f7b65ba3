"""A solution in words: proof, shortfalls, reasons and actions of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from optimizer.caps import RULE, USD
from optimizer.coverage import best_cover
from optimizer.inputs import Inputs
from optimizer.needs import Candidate, Outlook
from optimizer.node_parts import Sharer, Sharing
from optimizer.node_shares import as_instances, instances, on_common_nodes
from optimizer.plan_parts import Action, Missing, Proof, Reason, Replicas, Target
from optimizer.problem import Floats, Problem
from optimizer.rows import rows_of
from optimizer.shortfalls import sentence
from optimizer.solve import Solution

METHOD = "compact mixed-integer model by component, HiGHS; cost and rules recomputed by the checker"


LEAST_SHARE_TOLD = 0.005  # prices closer than this are the same to a reader
MOST_NAMED = 3  # workloads that one shares nodes with


def proof(solution: Solution | None) -> Proof:
    """What the solver proved and the checker confirmed; nothing to prove where nothing was planned."""
    if solution is None:
        return Proof(objective_usd=0.0, bound_usd=0.0, gap_share=0.0, stopped_by="gap", method=METHOD)
    return Proof(
        objective_usd=solution.cost_usd,
        bound_usd=solution.bound_usd,
        gap_share=round(solution.gap_share, 9),
        stopped_by=solution.stopped_by,
        method=METHOD,
    )


def missing_rows(solution: Solution | None) -> tuple[Missing, ...]:
    """Shortfalls as they stand in a plan; those of budgets are told apart, after what commitments cover."""
    found = [s for s in solution.shortfalls if s.rule != RULE[USD]] if solution else []
    return tuple(
        Missing(
            rule=s.rule,
            workload=s.workload,
            period=s.period,
            missing=round(s.missing, 6),
            wanted=round(s.wanted, 6),
            text=sentence(s),
        )
        for s in found
    )


def reasons(
    outlook: Outlook, solved: tuple[Problem, Solution] | None, shared: Sharing | None = None
) -> Iterator[Reason]:
    """Why each workload gets the option it gets, or stays as it is; why pods share nodes."""
    instead = instead_texts(outlook, *solved) if solved else {}
    instead |= {row.workload: sharing_text(row) for row in (shared.workloads if shared else ())}
    for c in outlook.candidates:
        name = c.workload.name
        yield Reason(workload=name, text=cheapest_text(c) + instead.get(name, ""))
    for name, why in outlook.held.items():
        yield Reason(workload=name, text=f"left as it is: {why}")


def sharing_text(row: Sharer) -> str:
    """Why a workload shares nodes, against nodes of its own."""
    others = f"with {', '.join(row.beside[:MOST_NAMED])}" if row.beside else "with nobody else now"
    if len(row.beside) > MOST_NAMED:
        others += f" and {len(row.beside) - MOST_NAMED} more"
    text = f"; its pods are on nodes it shares {others}, its part costs {row.usd_per_day:,.2f} USD a day"
    if row.alone_usd_per_day is None:
        return text + "; limits leave no room for nodes of its own"
    return text + f", on nodes of its own {row.alone_usd_per_day:,.2f}"


def cheapest_text(c: Candidate) -> str:
    """The cheapest admissible option per unit of work, and by how much the next other type is dearer.

    Whole replicas, spread, spot and quota rules may still make the plan choose another.
    """
    ranked = by_unit_price(c)
    best = ranked.iloc[0]
    counted = "requests" if c.workload.tier == "interactive" else "units of work"
    bought = str(best["purchase"]).replace("_", "-")
    text = f"of {len(ranked)} admissible options {best['instance_type']} {bought} in {best['region']} is "
    text += f"cheapest when full, {best['unit']:.3g} USD per 1,000 {counted}"
    others = ranked.loc[ranked["instance_type"].ne(best["instance_type"])]
    if len(others) and best["unit"] > 0:
        dearer = float(others["unit"].iloc[0] / best["unit"]) - 1
        by = f"{dearer:.0%} more" if dearer >= LEAST_SHARE_TOLD else "as much"
        text += f"; the next type, {others['instance_type'].iloc[0]}, costs {by}"
    return text


def by_unit_price(c: Candidate) -> pd.DataFrame:
    """Admissible options with their USD per 1,000 units, cheapest first."""
    unit = (c.pairs["price_hourly"] / c.pairs["capacity"] / 3.6).rename("unit")
    return c.pairs.assign(unit=unit).sort_values(["unit", "option_id"])


def instead_texts(outlook: Outlook, problem: Problem, solution: Solution) -> dict[str, str]:
    """Of workloads that run mostly another option than the cheapest when full: which, and why."""
    running = solution.placement.replicas
    covered = best_cover(problem, running, solution.placement.bought_usd_per_hour).sum(axis=2)
    served = running @ problem.hours * problem.capacity
    found = {}
    for c in outlook.candidates:
        options = problem.options_of(problem.workloads.index(c.workload.name))
        if not served[options].any():
            continue
        main = int(options[np.argmax(served[options])])
        best = by_unit_price(c).iloc[0]
        if problem.option_id[main] != best["option_id"]:
            bought = problem.purchase[main].replace("_", "-")
            runs = f"{problem.instance_type[main]} {bought} in {problem.region[main]}"
            why = why_instead(problem, main, best, covered)
            found[c.workload.name] = f"; the plan runs mostly {runs}: {why}"
    return found


def why_instead(problem: Problem, main: int, best: pd.Series[Any], covered: Floats) -> str:
    """What speaks for an option that is not the cheapest when full, as far as it can be named."""
    w, pool = problem.option_workload[main], problem.pool[main]
    if pool >= 0 and problem.is_coverable[main] and (covered[:, pool] > 0).any():
        paying = [problem.commitments[c] for c in np.flatnonzero(covered[:, pool] > 0)]
        return f"{', '.join(paying)} pays for it already"
    if best["purchase"] == "spot" and not problem.is_spot[main]:
        share, least = problem.max_spot_share[w], problem.min_on_demand_replicas[w]
        if share < 1 or least > 0:
            return f"spot may carry {share:.0%} of it, beside {least:.0f} on-demand replicas at least"
    return "in whole replicas, with all rules and limits, that is cheaper"


def scale_actions(
    problem: Problem,
    solution: Solution,
    inputs: Inputs,
    staying: Mapping[tuple[str, str], int] = MappingProxyType({}),
) -> Iterator[Action]:
    """From the present fleet to the first interval: one action per option whose count changes.

    `staying` is what runs on beside the solution, by workload and option.
    """
    alone, shared = as_instances(problem), on_common_nodes(problem)
    now = np.rint(alone.current_replicas).astype(np.int64)
    first = np.rint(instances(problem, solution.placement)[:, 0]).astype(np.int64)
    first[shared] = 0  # nodes that nobody has to himself are no workload's
    names = [problem.workloads[w] for w in problem.option_workload]
    keys = list(zip(names, problem.option_id, strict=True))
    first += np.array([staying.get(key, 0) for key in keys], dtype=np.int64)
    for i in np.flatnonzero(first != now):
        yield change(*keys[i], int(now[i]), int(first[i]), alone.price_hourly[i])
    planned = set(keys)
    for workload, option, desired in rows_of(inputs.fleet, "workload", "option_id", "desired"):
        if workload in problem.workloads and (workload, option) not in planned:
            after = staying.get((workload, option), 0)
            if desired != after:
                yield change(workload, option, int(desired), after, price_of(inputs, option))


def change(workload: str | None, option_id: str, before: int, after: int, price_hourly: float) -> Action:
    """One change of a count; workload is None for nodes that several share."""
    grows = after > before
    whose = f"{option_id} of {workload}" if workload else f"shared nodes of {option_id}"
    has = "have" if workload is None else "has"
    return Action(
        id=f"{workload or 'nodes'}/{option_id}",
        target=Target(workload=workload, option_id=option_id),
        before=Replicas(replicas=before),
        after=Replicas(replicas=after),
        inverse=Replicas(replicas=before),
        preconditions=(f"{whose} still {has} {before} desired replicas",),
        saving_usd_per_hour=(before - after) * price_hourly,
        reason="covers the planned quantile of demand" if grows else "not needed for the planned demand",
        risk="a launch may be denied by quota or capacity" if grows else "demand above the planned quantile",
    )


def price_of(inputs: Inputs, option_id: str) -> float:
    """Catalogue price of an option; 0 where the catalogue lacks it."""
    price: pd.Series[float] = inputs.options.loc[inputs.options["option_id"].eq(option_id), "price_hourly"]
    return float(price.iloc[0]) if len(price) else 0.0
