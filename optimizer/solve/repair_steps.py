"""The steps of a repair: what each relaxes, the problem with them applied, and their sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.period_words import when, whole_of
from optimizer.problem import OPTION_ARRAYS, OPTION_NAMES, Floats, Problem


@dataclass(frozen=True)
class Step:
    """One relaxation.

    Attributes:
        rule: "within_pool" (a limit), "not_allowed" (an option that a filter keeps out), or the rule of a
            workload as it is named in `Problem`.
        where: the pool, or the workload.
        periods: where a limit is raised; empty for rules of workloads.
        found: what holds now; None for what is only on or off.
        needed: what would do.
        option: the option to let in, and the filter that keeps it out.
    """

    rule: str
    where: str
    found: float | None
    needed: float | None
    periods: tuple[str, ...] = ()
    option: str | None = None
    by_rule: str | None = None

    @property
    def by(self) -> float:
        """How much it is relaxed."""
        return abs((self.needed or 0.0) - (self.found or 0.0))


@dataclass(frozen=True)
class Repair:
    """Steps that together make a problem feasible, the largest first.

    None where it is feasible already, or where what cannot give way stands against it.
    """

    steps: tuple[Step, ...]
    replicas: Floats  # (I, T) of the workloads looked at, with which all else holds

    def __bool__(self) -> bool:
        return bool(self.steps)


Barred = Mapping[int, str]  # option of a problem to the rule that keeps it out


def apply_repair(p: Problem, found: Repair, *, barred: Barred | None = None) -> Problem:
    """The problem with its limits and rules relaxed as a repair says; barred options it lets in stay."""
    allowed = {(step.where, step.option) for step in found.steps if step.rule == "not_allowed"}
    out = {i for i in barred or {} if (p.workloads[p.option_workload[i]], p.option_id[i]) not in allowed}
    return without(apply_steps(p, found.steps), out) if out else apply_steps(p, found.steps)


def apply_steps(p: Problem, steps: Iterable[Step]) -> Problem:
    """The problem with some limits and rules relaxed."""
    numbers = {name: w for w, name in enumerate(p.workloads)}
    changed: dict[str, Any] = {}
    for step in steps:
        if step.rule == "not_allowed":
            continue
        name = "pool_limit" if step.rule == "within_pool" else step.rule
        values = changed.setdefault(name, getattr(p, name).copy())
        if step.rule == "within_pool":
            at = [p.periods.index(period) for period in step.periods]
            values[p.pools.index(step.where), at] += step.by
        else:
            values[numbers[step.where]] = False if step.needed is None else step.needed
    return replace(p, **changed)


def without(p: Problem, options: Iterable[int]) -> Problem:
    """The problem without some options."""
    kept = np.setdiff1d(np.arange(len(p.option_id)), list(options))
    arrays = (*OPTION_ARRAYS, "option_workload", "pool", "quota_pool")
    values: dict[str, Any] = {name: getattr(p, name)[kept] for name in arrays}
    values |= {name: tuple(getattr(p, name)[i] for i in kept) for name in OPTION_NAMES}
    return replace(p, **values)


SENTENCES = {
    "within_pool": "raise the limit of {where} by {by:,.6g}, from {found:,.6g} to {needed:,.6g}{at}",
    "not_allowed": "allow {option} for {where} ({by_rule} keeps it out)",
    "max_replicas": "raise max_replicas of {where} from {found:.6g} to {needed:.6g}",
    "max_options": "let {where} use {needed:.6g} different options instead of {found:.6g}",
    "min_replicas": "lower min_replicas of {where} from {found:.6g} to {needed:.6g}",
    "max_spot_share": "let spot carry {needed:.1%} of {where} instead of {found:.1%}",
    "max_region_share": "let one region hold {needed:.1%} of {where} instead of {found:.1%}",
    "min_on_demand_replicas": "lower min_on_demand_replicas of {where} from {found:.6g} to {needed:.6g}",
    "min_regions": "let {where} run in {needed:.6g} regions instead of {found:.6g}",
    "survive_region_loss": "give up that {where} survives the loss of a region",
}


def sentence(step: Step, p: Problem) -> str:
    """A step in words."""
    at = f" {when(step.periods, p.periods, whole_of(p.hours))}" if step.periods else ""
    return SENTENCES[step.rule].format(**vars(step), by=step.by, at=at)
