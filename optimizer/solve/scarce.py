"""What is scarce, in money per day: limits, commitments and rules, the dearest first.

A price holds for a little more; how much a little is, nobody knows. So the dearest are confirmed: the problem
is solved again without whole numbers, from the prices known, with the limit raised, the commitment larger or
the rule gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from optimizer.problem import Floats, Problem
from optimizer.solve.choices import Choices
from optimizer.solve.components import restrict
from optimizer.solve.prices import Priced, Relaxation, relax
from optimizer.solve.terms import is_plain

MOST_TOLD = 10
MOST_CONFIRMED = 3  # of each kind
LEAST_USD_PER_DAY = 0.005  # less is nothing
MOST_DOUBT = 0.2  # of a number, for it to count as confirmed
STEP_SHARE = 0.02  # of a limit or commitment: what one more is tried with, at least a replica's worth
# What each rule of workloads is when it is not there.
DROPPED = {
    "max_spot_share": 1.0,
    "min_on_demand_replicas": 0.0,
    "min_replicas": 0.0,
    "max_replicas": np.inf,
    "min_regions": 1,
    "max_region_share": 1.0,
    "survive_region_loss": False,
}


@dataclass(frozen=True)
class Scarcity:
    """What one more unit of something, or one rule less, saves.

    Attributes:
        kind: "pool", "commitment" or "rule".
        name: the pool, the commitment, or the workload whose rule it is.
        rule: of the workload; None for others.
        usd_per_day: at the prices: of one more unit in every period, of one more committed USD/h, of the
            rule.
        periods: in which it is scarce; empty for rules.
        confirmed_usd_per_day: the same by solving again; None where that was not tried.
        step: how much more was tried; per unit of it the confirmed number is.
    """

    kind: Literal["pool", "commitment", "rule"]
    name: str
    rule: str | None
    usd_per_day: float
    periods: tuple[str, ...]
    confirmed_usd_per_day: float | None = None
    step: float = 1.0

    @property
    def best_usd_per_day(self) -> float:
        """The confirmed number where there is one."""
        return self.usd_per_day if self.confirmed_usd_per_day is None else self.confirmed_usd_per_day


def scarcities(
    p: Problem,
    found: Relaxation,
    *,
    confirm: int = MOST_CONFIRMED,
    rules: bool = True,
    best_usd: Floats | None = None,
) -> tuple[Scarcity, ...]:
    """The dearest limits, commitments and rules of a problem, the dearest first.

    Args:
        p: the problem.
        found: its prices and bound.
        confirm: so many of each kind are solved again.
        rules: also what rules of workloads cost.
        best_usd: (W,) what the cheapest plans cost at the prices; found here by default.
    """
    told: list[Scarcity] = []
    rules_of = partial(rules_at, best_usd=best_usd)
    for kind in (limits, commitments, *((rules_of,) if rules else ())):
        dearest = sorted(kind(p, found), key=lambda x: (-x.usd_per_day, x.name, x.rule or ""))[:MOST_TOLD]
        sure = [confirmed(p, found, each) for each in dearest[:confirm]]
        told += [each for each in sure if each.best_usd_per_day >= LEAST_USD_PER_DAY] + dearest[confirm:]
    return tuple(sorted(told, key=lambda x: -x.best_usd_per_day))


def days(p: Problem) -> float:
    """Days that all periods stand for."""
    return float(p.hours.sum()) / 24.0


def limits(p: Problem, found: Relaxation) -> Iterator[Scarcity]:
    """Pools whose limit has a rent."""
    for k, usd in enumerate(found.prices.rent):
        if usd.sum() / days(p) >= LEAST_USD_PER_DAY:
            yield Scarcity("pool", p.pools[k], None, float(usd.sum()) / days(p), where(p, usd))


def commitments(p: Problem, found: Relaxation) -> Iterator[Scarcity]:
    """Commitments that would save more if they were larger; their fee is not taken off."""
    for c, usd in enumerate(found.prices.worth):
        if usd.sum() / days(p) >= LEAST_USD_PER_DAY:
            yield Scarcity("commitment", p.commitments[c], None, float(usd.sum()) / days(p), where(p, usd))


def where(p: Problem, usd: Floats) -> tuple[str, ...]:
    """Periods with a price worth the name, a hundredth of the highest per hour."""
    per_hour = usd / p.hours
    return tuple(p.periods[t] for t in np.flatnonzero(per_hour > 0.01 * per_hour.max()))


def rules_at(p: Problem, found: Relaxation, best_usd: Floats | None) -> Iterator[Scarcity]:
    """Rules of workloads: what the cheapest plan costs less at the prices without one of them.

    Only of those that are plain without it: others take a program each.
    """
    priced = Priced(p, found.prices)
    own = Choices(priced).values() if best_usd is None else best_usd
    for rule, nothing in DROPPED.items():
        ruled = np.flatnonzero(getattr(p, rule) != nothing)
        ruled = ruled[is_plain(dropped(p, rule, ruled))[ruled]]
        if not len(ruled):
            continue
        part = restrict(p, ruled)
        free = dropped(part.problem, rule, np.arange(len(ruled)))
        saved = (own[ruled] - Choices(Priced(free, priced.prices.of_part(part))).values()) / days(p)
        for w, usd in zip(ruled, saved, strict=True):
            if usd >= LEAST_USD_PER_DAY:
                yield Scarcity("rule", p.workloads[w], rule, float(usd), ())


def dropped(p: Problem, rule: str, workloads: np.ndarray) -> Problem:
    """The problem without a rule of some workloads."""
    values = getattr(p, rule).copy()
    values[workloads] = DROPPED[rule]
    return replace(p, **{rule: values})


def confirmed(p: Problem, found: Relaxation, one: Scarcity) -> Scarcity:
    """The same with the number that solving again gives."""
    step = 1.0 if one.kind == "rule" else step_of(p, one)
    after = relax(eased(p, one, step), near=found.prices)
    if after is None:
        return one
    saved = found.bound_usd - after.bound_usd
    if max(found.doubt_usd, after.doubt_usd) > MOST_DOUBT * max(saved, one.usd_per_day * days(p) * step):
        return one  # what is not known of the bounds would be most of the number
    return replace(one, confirmed_usd_per_day=max(0.0, saved / days(p) / step), step=step)


def step_of(p: Problem, one: Scarcity) -> float:
    """How much more is tried: a replica's worth, or a share of what there is."""
    if one.kind == "commitment":
        return max(1.0, STEP_SHARE * float(p.committed_usd_per_hour[p.commitments.index(one.name)]))
    k = p.pools.index(one.name)
    limit = p.pool_limit[k][np.isfinite(p.pool_limit[k])].max(initial=0.0)
    return max(float(p.pool_units[p.members(k)].max(initial=1.0)), float(np.ceil(STEP_SHARE * limit)))


def eased(p: Problem, one: Scarcity, step: float) -> Problem:
    """The problem with something less scarce."""
    if one.kind == "rule":
        return dropped(p, str(one.rule), np.array([p.workloads.index(one.name)]))
    if one.kind == "pool":
        more = np.where(np.array(p.pools) == one.name, step, 0.0)
        return replace(p, pool_limit=p.pool_limit + more[:, None])
    more = np.where(np.array(p.commitments) == one.name, step, 0.0)
    return replace(p, committed_usd_per_hour=p.committed_usd_per_hour + more)
