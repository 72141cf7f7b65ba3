"""The problem of a typical day: its blocks, what each workload needs in them, budgets and losses.

A block's demand is the median, over the forecast days, of the highest need inside it at the chosen quantile;
batch work may move within the blocks before its deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from optimizer.batch_work import as_work
from optimizer.config import Settings
from optimizer.formulate import Need, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.loss_history import lost_days, miss_usd
from optimizer.needs import Outlook, needs
from optimizer.problem import Bools, Floats, Problem
from optimizer.running_cost import beside_held
from optimizer.scenarios import at_levels
from optimizer.spend_limits import SpendLimit, with_limits

LOW, HIGH = 0.1, 0.99  # quantiles that bound a saving
PAYBACK_DAYS = 30.0  # one-off costs of a change are weighed against this many days of saving


@dataclass(frozen=True)
class Days:
    """How the need of a day differs from the planned one.

    Attributes:
        levels: (L,) quantile levels, ascending.
        ratio: (W, T, L) need at each level over the planned need.
    """

    levels: Floats
    ratio: Floats

    def factor(self, paid: Bools) -> Floats:
        """(L, W, T) the ratio where it is paid for, else 1."""
        return np.moveaxis(np.where(paid[:, None, None], self.ratio, 1.0), 2, 0)


def levels_of(settings: Settings) -> list[float]:
    """Quantile levels a placement needs."""
    return sorted({LOW, 0.5, 0.9, HIGH, settings.placement.demand_quantile})


def typical_day(
    inputs: Inputs,
    outlook: Outlook,
    settings: Settings,
    limits: Sequence[SpendLimit] = (),
    *,
    shares_nodes: bool = True,
) -> Problem:
    """The problem of one typical day, with some budgets as caps."""
    choice = settings.placement
    problem = assemble(
        typical_needs(inputs, outlook, settings, choice.demand_quantile),
        periods=[f"{block:%H:%M}" for block in block_starts(inputs, settings)[: choice.blocks_per_day]],
        hours=np.full(choice.blocks_per_day, 24.0 / choice.blocks_per_day),
        fleet=inputs.fleet,
        offers=beside_held(inputs, list(outlook.held))[0],
        policy=Policy(
            activation_cost_usd=choice.activation_cost_usd / PAYBACK_DAYS,
            max_options=choice.max_options,
            spot_capacity=inputs.spot_capacity,
            has_ramps=True,
            shares_nodes=shares_nodes,
        ),
        context=inputs.context,
    )
    return with_limits(with_misses(problem, inputs, outlook, settings), limits)


def with_misses(problem: Problem, inputs: Inputs, outlook: Outlook, settings: Settings) -> Problem:
    """The problem with every day of history at every level of demand as scenarios.

    As it is where no workload says what a miss costs.
    """
    usd = miss_usd(problem, inputs)
    if not usd.any():
        return problem
    days = day_to_day(inputs, outlook, settings, problem)
    lost = lost_days(problem, inputs)
    return replace(
        problem, scenarios=at_levels(lost, days.factor(usd > 0), days.levels, slo_usd_per_unit=usd)
    )


def day_to_day(inputs: Inputs, outlook: Outlook, settings: Settings, problem: Problem) -> Days:
    """How much each workload needs on a day at each quantile level, over what is planned."""
    levels = levels_of(settings)
    needed = [typical_needs(inputs, outlook, settings, level) for level in levels]
    need = np.stack([np.array([n.demand for n in at_level]) for at_level in needed], axis=2)
    planned = problem.demand[:, :, None]
    ratio = np.divide(need, planned, out=np.ones_like(need), where=planned > 0)
    return Days(np.array(levels), np.maximum.accumulate(ratio, axis=2))


def block_starts(inputs: Inputs, settings: Settings) -> pd.DatetimeIndex:
    """Beginnings of every block of the forecast days, from the first midnight (UTC) after as-of."""
    choice = settings.placement
    begin = pd.Timestamp(inputs.as_of).ceil("D")
    length = pd.Timedelta(hours=24) / choice.blocks_per_day
    count = choice.forecast_days * choice.blocks_per_day
    return pd.date_range(begin, periods=count, freq=length, unit="us")


def typical_needs(inputs: Inputs, outlook: Outlook, settings: Settings, level: float) -> list[Need]:
    """Needs of one typical day: the median over days of each block's need."""
    choice = settings.placement
    starts = block_starts(inputs, settings)
    length = pd.Timedelta(hours=24) / choice.blocks_per_day
    shape = (choice.forecast_days, choice.blocks_per_day)
    return [typical_need(need, shape, inputs.as_of) for need in needs(outlook, starts, length, level=level)]


def typical_need(need: Need, shape: tuple[int, int], as_of: datetime) -> Need:
    """The need of a typical day from that of many; work with a deadline is done once."""
    profile = np.asarray(np.median(need.demand.reshape(shape), axis=0), dtype=float)
    typical = replace(need, demand=profile)
    return typical if need.workload.work_units is None else as_work(typical, as_of)
