"""Advice on new commitments: how much of what, from draws of demand over the term, beside existing ones.

    plan ──▶ draws of spend (commitment_demand) ──▶ what existing ones leave (commitment_cover)
         ──▶ amounts (commitment_purchase) ──▶ tranches (commitment_ladder) ──▶ CommitmentAdvice

Nothing here is an action: a purchase cannot be undone, so no plan carries one out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.commitment_cover import Existing, Group, groups_of, loads_of
from optimizer.commitment_demand import Demand, Steps, levels_ahead, steps_until
from optimizer.commitment_ladder import EXTRA_HOURS, in_force, renewed
from optimizer.commitment_lines import Line, advice_of
from optimizer.commitment_offers import Sale, on_sale
from optimizer.commitment_purchase import Column, Load, Risk, buy, committed_by
from optimizer.config import Settings
from optimizer.formulate import Offer, with_commitments
from optimizer.inputs import Inputs
from optimizer.placement_parts import CommitmentAdvice
from optimizer.problem import Floats, Ints, Problem
from optimizer.recurring import usual_work
from optimizer.typical_day import Days

MIN_COMMITMENT_USD_PER_HOUR = 0.01
LEAST_SAVING_USD_PER_DAY = 0.2  # less is not worth a decision


@dataclass(frozen=True)
class Market:
    """What is on sale, and what there is to cover with it.

    Attributes:
        loads: per group (S, Q, T, J) USD/h at list price.
        hours: (Q, T).
    """

    sales: tuple[Sale, ...]
    groups: tuple[Group, ...]
    loads: tuple[Floats, ...]
    steps: Steps
    hours: Floats
    capital_cost_share: float
    risk: Risk

    def horizon(self, group: Group) -> int:
        """Steps of the longest term that reaches a group."""
        reach = [sale.hours for c, sale in enumerate(self.sales) if group.saves(c, self.fee(sale))]
        return self.steps.within(max(reach, default=0.0))

    def fee(self, sale: Sale) -> float:
        """Cost of a committed USD."""
        return sale.fee_per_usd(self.capital_cost_share)

    def columns(self, group: Group, load: Floats) -> dict[int, Column]:
        """By sale that reaches a group: bought now, renewed at the demand then seen while others last."""
        follows = renewed(load)
        return {
            c: Column(
                float(group.scale[c]),
                self.fee(sale),
                in_force(self.steps, follows, sale.hours, 1),
            )
            for c, sale in enumerate(self.sales)
            if group.saves(c, self.fee(sale))
        }


def advise(
    inputs: Inputs,
    problem: Problem,
    replicas: Floats | Ints,
    *,
    existing: Sequence[Offer],
    days: Days,
    settings: Settings,
) -> tuple[CommitmentAdvice, ...]:
    """Commitments that pay for a plan, largest saving first.

    Args:
        inputs: what it was made from.
        problem: a typical day.
        replicas: (I, T) instances that the plan runs; parts of shared ones are fractions.
        existing: what running commitments offer beside workloads that are not planned.
        days: how days differ from the typical one.
        settings: `[commitments]` and `[placement]`.
    """
    sales = tuple(on_sale(inputs.options))
    spend = listed_spend(inputs, problem, replicas)
    if not sales or not spend.any():
        return ()
    market = market_of(inputs, problem, spend, sales=sales, existing=existing, days=days, settings=settings)
    amounts = bought(market)
    lines = [
        line for line in lines_of(market, amounts) if line.saving_usd_per_day >= LEAST_SAVING_USD_PER_DAY
    ]
    found = [advice_of(line, market.steps, market.risk) for line in lines]
    return tuple(sorted(found, key=lambda item: (-item.saving_usd_per_day, item.commitment)))


def listed_spend(inputs: Inputs, problem: Problem, replicas: Floats | Ints) -> Floats:
    """(W, P, T) USD/h at list price that the plan runs on demand and that will come again."""
    spend = np.zeros((len(problem.workloads), len(problem.pools), replicas.shape[1]))
    used = problem.is_coverable & (problem.pool >= 0)
    cost = problem.price_hourly[:, None] * replicas
    np.add.at(spend, (problem.option_workload[used], problem.pool[used]), cost[used])
    return spend * lasting(inputs, problem)[:, None, None]


def lasting(inputs: Inputs, problem: Problem) -> Floats:
    """(W,) share of the planned day that days to come will need: 1, but for work with a deadline.

    Such work ends, and a commitment does not. It counts only where it was seen on most of the last days, and
    no more of it than was done then.
    """
    share = np.ones(len(problem.workloads))
    due = [w.name for w in inputs.workloads if w.work_units is not None and w.name in problem.workloads]
    for name, done in usual_work(inputs, due).items():
        w = problem.workloads.index(name)
        planned = float(problem.demand[w] @ problem.hours + problem.work.amount[w]) * 3600.0
        share[w] = min(1.0, done / planned) if planned > 0 else 0.0
    return share


def market_of(
    inputs: Inputs,
    problem: Problem,
    spend: Floats,
    *,
    sales: tuple[Sale, ...],
    existing: Sequence[Offer],
    days: Days,
    settings: Settings,
) -> Market:
    """Draws of what could be covered, per group."""
    choice = settings.commitments
    rate = rates(problem, [Offer(sale.name, 0.0, np.inf, sale.rates) for sale in sales])
    planned = spend.sum(axis=0) @ problem.hours
    alone = np.array([provider in choice.reservations_of for provider in pool_providers(problem)], dtype=bool)
    groups = groups_of(rate, planned, alone=alone)
    end_h = [hours_until(offer, inputs) for offer in existing]
    steps = steps_until(max(sale.hours for sale in sales) + EXTRA_HOURS, end_h)
    running = spend.any(axis=(1, 2))
    reached = np.flatnonzero(running)
    demand = Demand(
        spend=spend[reached],
        level=levels_ahead(
            inputs.demand,
            [problem.workloads[w] for w in reached],
            inputs.as_of,
            steps,
            size=spend[reached].sum(axis=1) @ problem.hours,
            draws=choice.draws,
            near_days=settings.placement.forecast_days,
        ),
        levels=days.levels,
        ratio=days.ratio[reached],
    )
    held = Existing(
        rates(problem, existing),
        np.array([offer.existing_usd_per_hour for offer in existing]),
        np.array(end_h),
    )
    hours = np.outer(steps.hours, problem.hours / problem.hours.sum())
    loads = tuple(loads_of(demand, steps, held, groups))
    risk = Risk(choice.risk_weight, choice.tail_share)
    return Market(sales, tuple(groups), loads, steps, hours, choice.capital_cost_share, risk)


def rates(problem: Problem, offers: Sequence[Offer]) -> Floats:
    """(C, P) committed USD per USD at list price; NaN where out of reach."""
    open_to = with_commitments(problem, tuple(offers))
    return open_to.committed_rate / open_to.covered_list_price


def pool_providers(problem: Problem) -> list[str]:
    """(P,) provider of each pool; empty where no option draws on it."""
    found = [""] * len(problem.pools)
    for i, p in enumerate(problem.pool):
        if p >= 0:
            found[p] = problem.provider[i]
    return found


def hours_until(offer: Offer, inputs: Inputs) -> float:
    """How long an existing commitment still lasts."""
    return np.inf if offer.ends is None else (offer.ends - inputs.as_of).total_seconds() / 3600.0


def bought(market: Market) -> Floats:
    """(G, C) committed USD/h per group and sale: each group for itself, under a risk of its own."""
    amounts = np.zeros((len(market.groups), len(market.sales)))
    for g, (group, load) in enumerate(zip(market.groups, market.loads, strict=True)):
        columns = market.columns(group, load)
        steps = market.horizon(group)
        cut = {c: Column(k.scale, k.fee, k.active[:, :steps]) for c, k in columns.items()}
        whole = Load(load, group.rate, market.hours, np.zeros(load.shape[:2])).first(steps)
        amounts[g, list(cut)] = buy(whole, list(cut.values()), market.risk)
    amounts[:, amounts.sum(axis=0) < MIN_COMMITMENT_USD_PER_HOUR] = 0.0
    return amounts


def lines_of(market: Market, amounts: Floats) -> Iterator[Line]:
    """One line per sale that is bought, with what the others cover of its groups."""
    every = [market.columns(group, load) for group, load in zip(market.groups, market.loads, strict=True)]
    for c in map(int, np.flatnonzero(amounts.sum(axis=0) > 0)):
        own = [int(g) for g in np.flatnonzero(amounts[:, c] > 0)]
        loads = []
        for g in own:
            others = [k for k in every[g] if k != c]
            beside = np.zeros(market.loads[g].shape[:2])
            if others:
                beside = committed_by([every[g][k] for k in others], amounts[g, others])
            loads.append(Load(market.loads[g], market.groups[g].rate, market.hours, beside))
        yield Line(market.sales[c], tuple(loads), tuple(every[g][c] for g in own), amounts[own, c])
