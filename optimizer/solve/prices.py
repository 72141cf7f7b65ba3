"""Prices of what workloads share, and what plans cost at them, part by part.

A limit has a rent and a committed dollar a worth, per period (`optimizer.solve.duals` has the equation).
At these prices every workload chooses as if it were alone, so a plan's cost can be split, and two plans
compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from optimizer.problem import Floats, Ints, Placement, Problem
from optimizer.solve.components import Part, as_part, groups, restrict
from optimizer.solve.solution import ShadowPrice
from optimizer.solve.terms import is_plain

PRECISE = 1e-5  # gap between bound and restricted master at which prices are taken
FEW = 1_500  # options times periods up to which the relaxed model is tried beside plans
PLANS, RELAXED = "plans", "relaxed"  # prices are of the master over whole plans, or of the relaxed model


@dataclass(frozen=True)
class Prices:
    """Prices of shared things.

    Attributes:
        rent: (P, T) USD per unit of each pool's limit over the period.
        worth: (C, T) USD per committed USD/h over the period.
    """

    rent: Floats
    worth: Floats

    @classmethod
    def none(cls, p: Problem) -> Prices:
        """Nothing is scarce."""
        periods = len(p.periods)
        return cls(np.zeros((len(p.pools), periods)), np.zeros((len(p.commitments), periods)))

    @classmethod
    def read(cls, p: Problem, found: Iterable[ShadowPrice]) -> Prices:
        """Shadow prices of a solution as arrays; what is not named is worth nothing."""
        periods = {name: t for t, name in enumerate(p.periods)}
        places = (
            {name: k for k, name in enumerate(p.pools)},
            {name: c for c, name in enumerate(p.commitments)},
        )
        prices = cls.none(p)
        for price in found:
            into, place = (prices.rent, places[0]) if price.kind == "pool" else (prices.worth, places[1])
            into[place[price.name], periods[price.period]] = price.usd_per_unit
        return prices

    def of_part(self, part: Part) -> Prices:
        """The prices that a part of the problem sees."""
        return Prices(
            self.rent[np.ix_(part.pools, part.periods)], self.worth[np.ix_(part.commitments, part.periods)]
        )


@dataclass(frozen=True)
class Parts:
    """USD over all periods, by what they are paid for; a difference of plans has the same parts.

    `lost_cover` is negative where commitments save; `churn` is activation and migration.
    """

    instances: float = 0.0
    quota_rent: float = 0.0
    lost_cover: float = 0.0
    egress: float = 0.0
    churn: float = 0.0

    @property
    def each(self) -> tuple[float, ...]:
        """All of them, in their order."""
        return tuple(getattr(self, part.name) for part in fields(self))

    @property
    def total(self) -> float:
        """Their sum."""
        return float(sum(self.each))

    def minus(self, other: Parts) -> Parts:
        """What one plan costs more than another."""
        return Parts(*(mine - yours for mine, yours in zip(self.each, other.each, strict=True)))


@dataclass(frozen=True)
class Plan:
    """What one workload runs: its options and (k, T) how many replicas of each."""

    option: Ints
    count: Floats


@dataclass(frozen=True)
class Priced:
    """A problem with prices of what its workloads share: what any plan costs at them."""

    problem: Problem
    prices: Prices

    @cached_property
    def saved(self) -> Floats:
        """(P, T) what one more on-demand unit under cover saves."""
        p = self.problem
        if not len(p.commitments):
            return np.zeros_like(self.prices.rent)
        listed = np.where(np.isnan(p.committed_rate), -np.inf, p.covered_list_price)
        rate = np.nan_to_num(p.committed_rate)
        each = listed[:, :, None] * p.hours - rate[:, :, None] * self.prices.worth[:, None, :]
        return np.asarray(np.maximum(each.max(axis=0), 0.0))

    def per_unit(self, options: Ints) -> tuple[Floats, Floats]:
        """(k, T) rents and savings by cover that fall on a pool unit of some options."""
        p, none = self.problem, np.zeros((1, len(self.problem.periods)))  # the row -1
        rent, saved = np.vstack([self.prices.rent, none]), np.vstack([self.saved, none])
        pool, quota = p.pool[options], p.quota_pool[options]
        once = np.where(quota == pool, -1, quota)  # one limit counts once
        return rent[pool] + rent[once], saved[np.where(p.is_coverable[options], pool, -1)]

    def parts(self, workload: int, plan: Plan) -> Parts:
        """What a plan costs; the present fleet of the workload's other options is dropped."""
        p, i, n = self.problem, plan.option, plan.count
        rent, saved = self.per_unit(i)
        units = p.pool_units[i][:, None] * n
        new = (n.max(axis=1, initial=0) > 0) & (p.current_replicas[i] <= 0)
        dropped = np.setdiff1d(p.options_of(workload), i)
        moved = p.migration_cost_usd[i] @ np.abs(n[:, 0] - p.current_replicas[i])
        moved += p.migration_cost_usd[dropped] @ p.current_replicas[dropped]
        return Parts(
            instances=float(p.price_hourly[i] @ n @ p.hours),
            quota_rent=float((units * rent).sum()),
            lost_cover=-float((units * saved).sum()),
            egress=float(p.egress_usd_per_unit[i] @ routed(p, workload, plan) @ p.hours),
            churn=float(p.activation_cost_usd[workload] * new.sum() + moved),
        )

    def values(self, placement: Placement) -> Floats:
        """(W,) what each workload's share of a placement costs."""
        p = self.problem
        usd = p.migration_cost_usd * np.abs(placement.replicas[:, 0] - p.current_replicas)
        i = np.flatnonzero(placement.replicas.max(axis=1, initial=0) > 0)  # few of many
        n, (rent, saved) = placement.replicas[i], self.per_unit(i)
        usd[i] += p.price_hourly[i] * (n @ p.hours) + p.egress_usd_per_unit[i] * (
            placement.served[i] @ p.hours
        )
        usd[i] += (p.pool_units[i][:, None] * n * (rent - saved)).sum(axis=1)
        if len(p.routes):
            routed = p.routes.egress_usd_per_unit * (placement.routed @ p.hours)
            np.add.at(usd, p.routes.option, routed)
        usd[i] += np.where(p.current_replicas[i] <= 0, p.activation_cost_usd[p.option_workload[i]], 0.0)
        return np.asarray(np.bincount(p.option_workload, usd, len(p.workloads)), dtype=float)

    def constant(self) -> float:
        """What the bound that these prices prove has beside the workloads' cheapest plans."""
        p, worth = self.problem, self.prices.worth
        limits = np.where(np.isfinite(p.pool_limit), p.pool_limit, 0.0)
        short = p.fee_per_usd * p.hours.sum() - worth.sum(axis=1)
        bought = np.where(short < 0, short * p.offered_max_usd_per_hour, 0.0)
        held = p.committed_usd_per_hour @ worth.sum(axis=1)
        return float(bought.sum() - (self.prices.rent * limits).sum() - held)


def routed(p: Problem, workload: int, plan: Plan) -> Floats:
    """(k, T) what each option of a plan serves: those of cheaper egress first."""
    left, served = p.demand[workload].copy(), np.zeros(plan.count.shape)
    for j in np.argsort(p.egress_usd_per_unit[plan.option], kind="stable"):
        served[j] = np.minimum(left, p.capacity[plan.option[j]] * plan.count[j])
        left = left - served[j]
    return served


def part_of(p: Problem, workloads: Ints) -> Part:
    """The part of some workloads; the problem itself where it is that already: copies of large ones cost."""
    used = np.union1d(p.pool, p.quota_pool)
    covered = np.unique(p.pool[p.is_coverable & (p.pool >= 0)])
    is_whole = len(workloads) == len(p.workloads) and int((used >= 0).sum()) == len(p.pools)
    is_whole &= bool((~np.isnan(p.committed_rate[:, covered])).any(axis=1).all())
    if is_whole and bool((np.diff(p.option_workload) >= 0).all()):
        return as_part(p)
    return restrict(p, workloads)


@dataclass(frozen=True)
class Relaxation:
    """Where prices and plans agree: what no placement can cost less than, and the prices.

    Attributes:
        bound_usd: of the whole problem.
        prices: at which the bound holds.
        source: what was relaxed: "plans", "relaxed", or both joined by "+".
        doubt_usd: by how much the bound may be below the best that prices can prove.
    """

    bound_usd: float
    prices: Prices
    source: str
    doubt_usd: float = 0.0


def relax(p: Problem, *, near: Prices | None = None) -> Relaxation | None:
    """The bound and the prices of a problem; None where a shortage has no price.

    Args:
        p: every workload has an option.
        near: prices to begin with, such as those of a problem that differs little.
    """
    plain, apart = is_plain(p), groups(p)
    together = [group for group in apart if plain[group].all()]
    others = [group for group in apart if not plain[group].all()]
    prices, bound, doubt, sources = Prices.none(p), 0.0, 0.0, []
    for some, how in ((together, PLANS), (others, RELAXED)):
        if not some:
            continue
        part = restrict(p, np.sort(np.concatenate(some)))
        begin = near.of_part(part) if near else None
        found = relax_plans(part.problem, begin) if how == PLANS else relax_model(part.problem)
        if how == PLANS and len(part.options) * len(p.periods) <= FEW:
            found = better(found, relax_model(part.problem))
        if found is None:
            return None
        bound += found.bound_usd
        doubt += found.doubt_usd
        prices.rent[part.pools] += found.prices.rent
        prices.worth[part.commitments] += found.prices.worth
        sources.append(found.source)
    return Relaxation(bound, prices, "+".join(sources), doubt)


def better(one: Relaxation | None, other: Relaxation | None) -> Relaxation | None:
    """The one that proves more, the first of equals; None where one of them finds no placement."""
    if one is None or other is None:
        return None
    return one if one.bound_usd >= other.bound_usd - PRECISE * abs(one.bound_usd) else other


def relax_plans(p: Problem, near: Prices | None) -> Relaxation | None:
    """By column generation, for plain workloads."""
    from optimizer.solve.duals import Shared  # noqa: PLC0415  numba takes a while
    from optimizer.solve.generation import generate  # noqa: PLC0415
    from optimizer.solve.plans import Pricing  # noqa: PLC0415
    from optimizer.solve.terms import terms_of  # noqa: PLC0415

    terms, kinds = terms_of(p)
    shared = Shared.of(p, kinds)
    start = None
    if near is not None:
        start = np.concatenate([near.rent[kinds.limited].ravel(), near.worth.ravel()])
    proof = generate(Pricing(terms, kinds), shared, gap_share=PRECISE, start=start)
    if proof is None:
        return None
    prices = Prices.none(p)
    prices.rent[kinds.limited], prices.worth[:] = shared.split(proof.prices)
    dropped = float(p.migration_cost_usd @ p.current_replicas)
    doubt = max(0.0, proof.climbed.promise_usd - proof.bound_usd)
    return Relaxation(proof.bound_usd + dropped, prices, PLANS, doubt)


def relax_model(p: Problem) -> Relaxation | None:
    """By the compact model without whole numbers."""
    from optimizer.solve.small import relaxed  # noqa: PLC0415  HiGHS takes a while

    found = relaxed(p)
    if found is None:
        return None
    usd, rent, worth = found
    return Relaxation(usd, Prices(rent, worth), RELAXED)
