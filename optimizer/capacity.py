"""The capacity plan: replicas per option and interval over the next hours, for machines.

Capacity covers a calibrated upper quantile of demand, a boot time ahead, plus the room that bursts need;
between plans a reactive loop may add replicas up to `max_replicas`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from optimizer.beforehand import beforehand, stored_as
from optimizer.config import Settings
from optimizer.coverage import best_cover
from optimizer.demand import over_intervals
from optimizer.describe import missing_rows, proof, reasons, scale_actions
from optimizer.formulate import Offer, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.needs import Candidate, Outlook, look_ahead, needs
from optimizer.node_shares import as_instances, instances, present_instances
from optimizer.plan import CapacityPlan, sealed
from optimizer.plan_nodes import node_actions
from optimizer.plan_parts import Allocation, AutoscaleRule, ForecastRow
from optimizer.problem import Floats, Ints, Problem, cost_parts
from optimizer.rows import rows_of
from optimizer.solve import Solution, prune_dominated, solve

LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Timeline:
    """The planned intervals: equal in length but for the last, which ends with the horizon."""

    starts: pd.DatetimeIndex
    ends: pd.DatetimeIndex

    @classmethod
    def of(cls, begin: pd.Timestamp, horizon: pd.Timedelta, length: pd.Timedelta) -> Timeline:
        """Intervals of a length from `begin` on."""
        starts = pd.date_range(begin, begin + horizon, freq=length, inclusive="left", unit="us")
        return cls(starts, pd.DatetimeIndex([*starts[1:], begin + horizon]).as_unit("us"))

    @property
    def hours(self) -> Floats:
        """(T,) length of each interval."""
        return np.asarray((self.ends - self.starts) / pd.Timedelta(hours=1), dtype=float)


def plan_capacity(inputs: Inputs, horizon: pd.Timedelta, settings: Settings) -> tuple[CapacityPlan, Outlook]:
    """Plan the next hours; also gives the forecasts it stands on.

    Raises:
        InfeasibleError: a workload has no admissible option.
    """
    level = settings.planning.demand_quantile
    length = pd.Timedelta(minutes=settings.planning.interval_minutes)
    times = Timeline.of(pd.Timestamp(inputs.as_of), horizon, length)
    before = beforehand(inputs, settings, stored_as("capacity"))
    outlook = look_ahead(
        inputs,
        horizon=horizon + length,
        levels=sorted({*LEVELS, level}),
        beforehand=before,
    )
    solved = None
    if outlook.candidates:
        whole = assemble(
            needs(outlook, times.starts, length, level=level),
            periods=[start.isoformat() for start in times.starts],
            hours=times.hours,
            fleet=inputs.fleet,
            offers=beside_held(inputs, list(outlook.held))[0],
            policy=Policy(spot_capacity=inputs.spot_capacity, shares_nodes=False),
            context=inputs.context,
        )
        problem = prune_dominated(whole)
        solved = problem, solve(problem, gap_share=settings.planning.gap_share)
    return document(inputs, outlook, settings, solved, times), outlook


def document(
    inputs: Inputs,
    outlook: Outlook,
    settings: Settings,
    solved: tuple[Problem, Solution] | None,
    times: Timeline,
) -> CapacityPlan:
    """The plan as a document with its hash."""
    hours = float(times.hours.sum())
    held_cost = held_usd_per_hour(inputs, list(outlook.held)) * hours
    planned = running_cost(*solved) if solved else 0.0
    return sealed(
        CapacityPlan(
            as_of=inputs.as_of,
            horizon_hours=hours,
            demand_quantile=settings.planning.demand_quantile,
            expected_cost_usd=planned + held_cost,
            current_cost_usd=present_cost(inputs, list(outlook.held), solved, hours),
            allocations=(
                *(allocations(*solved, times, settings) if solved else ()),
                *held_rows(inputs, outlook, times),
            ),
            autoscale={c.workload.name: autoscale_rule(settings) for c in reacting(outlook)},
            forecast=tuple(forecast_rows(outlook, times)),
            proof=proof(solved[1] if solved else None),
            actions=(*scale_actions(*solved, inputs), *node_actions(*solved, inputs)) if solved else (),
            shortfalls=missing_rows(solved[1] if solved else None),
            reasons=tuple(reasons(outlook, solved)),
            notes=(*inputs.notes, *own_nodes(outlook), *pods_left(inputs, outlook)),
            unpriced=inputs.unpriced,
            fingerprint=inputs.fingerprint,
        )
    )


def allocations(
    problem: Problem, solution: Solution, times: Timeline, settings: Settings
) -> Iterator[Allocation]:
    """Rows of every option in use, intervals of equal count joined; the scale-out option always has one.

    Replicas are instances; of workloads with resources, the nodes its pods have to themselves.
    """
    pods = solution.placement.replicas
    counts = np.rint(instances(problem, solution.placement)).astype(np.int64)
    top = most_replicas(as_instances(problem), counts, settings)
    for i in np.flatnonzero((counts.max(axis=1) > 0) | (top > 0)):
        for (count, inside), steps in runs(list(zip(counts[i].tolist(), pods[i].tolist(), strict=True))):
            yield Allocation(
                workload=problem.workloads[problem.option_workload[i]],
                option_id=problem.option_id[i],
                start=times.starts[steps[0]].to_pydatetime(),
                end=times.ends[steps[-1]].to_pydatetime(),
                replicas=count,
                max_replicas=max(count, int(top[i])),
                pods=inside if problem.nodes.is_shared[i] else None,
            )


def runs(counts: Sequence[Any]) -> Iterator[tuple[Any, list[int]]]:
    """Stretches of equal counts: the count and the positions it holds for."""
    for count, run in groupby(range(len(counts)), key=lambda t: counts[t]):
        yield count, list(run)


def most_replicas(problem: Problem, counts: Ints, settings: Settings) -> Ints:
    """(I,) how far the reactive loop may go: the cheapest option no provider can reclaim takes the surprise.

    Its limit lets the workload reach headroom_factor times its highest planned need, so that the cap
    binds only where a quota or max_replicas does. Limits of options add up, so max_replicas leaves room
    for the other options that are planned; a node of pods, which holds at least one, counts as one.
    """
    top = np.zeros(len(problem.option_id), dtype=np.int64)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        firm = [i for i in options if not problem.is_spot[i]] or list(options)
        best = min(firm, key=lambda i: (problem.price_hourly[i] / problem.capacity[i], problem.option_id[i]))
        need = settings.planning.autoscale.headroom_factor * float(problem.demand[w].max(initial=0.0))
        wish = int(np.ceil(need / problem.capacity[best]))
        quota = problem.quota_pool[best]
        limit = problem.pool_limit[quota].min() if quota >= 0 else np.inf
        beside = int((counts[options].sum(axis=0) - counts[best]).max(initial=0))
        room = problem.max_replicas[w] - beside
        top[best] = int(max(counts[best].max(initial=0), min(wish, limit, room)))
    return top


def held_rows(inputs: Inputs, outlook: Outlook, times: Timeline) -> list[Allocation]:
    """Workloads that are not planned keep what they run."""
    rows = inputs.fleet.loc[inputs.fleet["workload"].isin(outlook.held)]
    return [
        Allocation(
            workload=workload,
            option_id=option_id,
            start=times.starts[0].to_pydatetime(),
            end=times.ends[-1].to_pydatetime(),
            replicas=int(desired),
            max_replicas=int(desired),
        )
        for workload, option_id, desired in rows_of(rows, "workload", "option_id", "desired")
    ]


def reacting(outlook: Outlook) -> list[Candidate]:
    """Workloads that the reactive loop serves between plans."""
    return [c for c in outlook.candidates if c.workload.tier == "interactive"]


def autoscale_rule(settings: Settings) -> AutoscaleRule:
    """The loop's settings."""
    rule = settings.planning.autoscale
    return AutoscaleRule(
        target_utilization=rule.target_utilization, scale_down_window_s=rule.scale_down_window_s
    )


def forecast_rows(outlook: Outlook, times: Timeline) -> Iterator[ForecastRow]:
    """Requests per interval. Quantiles of slots are added up, which overstates the spread of the sum."""
    starts, ends = times.starts, times.ends
    for c in outlook.candidates:
        if c.series is None:
            continue
        own = outlook.forecasts.loc[outlook.forecasts["unique_id"].eq(c.workload.name)]
        totals = {level: over_intervals(own, starts, ends, f"q{level:g}", how="total") for level in LEVELS}
        for t, (start, end) in enumerate(zip(starts, ends, strict=True)):
            yield ForecastRow(
                workload=c.workload.name,
                start=start.to_pydatetime(),
                end=end.to_pydatetime(),
                requests_p10=round(float(totals[0.1][t]), 3),
                requests_p50=round(float(totals[0.5][t]), 3),
                requests_p90=round(float(totals[0.9][t]), 3),
            )


def own_nodes(outlook: Outlook) -> list[str]:
    """What a capacity plan takes for granted of workloads with resources."""
    names = [c.workload.name for c in outlook.candidates if c.workload.resources is not None]
    if not names:
        return []
    own = f"{', '.join(names)}: replicas are nodes of their own, with `pods` on them"
    return [f"{own}; `trimtab plan --kind placement` shares nodes"]


def pods_left(inputs: Inputs, outlook: Outlook) -> list[str]:
    """Pods of workloads that stay as they are may be on shared nodes, which plans count without them."""
    names = [w.name for w in inputs.workloads if w.shares_nodes and w.name in outlook.held]
    if not names or inputs.nodes.empty:
        return []
    return [f"{', '.join(names)} stays as it is: add the nodes that its pods need to the shared ones planned"]


def running_cost(problem: Problem, solution: Solution) -> float:
    """USD for what runs over the horizon, after commitments; without the model's costs of change."""
    parts = cost_parts(problem, solution.placement)
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
