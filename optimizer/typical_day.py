"""The problem of a typical day: its blocks, what each workload needs in them, budgets and losses.

A block's demand is the median, over the forecast days, of the highest need inside it at the chosen quantile;
batch work may move within the blocks before its deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from optimizer.batch_work import as_work
from optimizer.capacity import beside_held
from optimizer.config import Settings
from optimizer.formulate import Need, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.loss_history import with_losses
from optimizer.needs import Outlook, needs
from optimizer.problem import Problem
from optimizer.spend_limits import SpendLimit, with_limits

LOW, HIGH = 0.1, 0.99  # quantiles that bound a saving
PAYBACK_DAYS = 30.0  # one-off costs of a change are weighed against this many days of saving


def levels_of(settings: Settings) -> list[float]:
    """Quantile levels a placement needs."""
    return sorted({LOW, 0.5, 0.9, HIGH, settings.placement.demand_quantile})


def typical_day(
    inputs: Inputs, outlook: Outlook, settings: Settings, limits: Sequence[SpendLimit] = ()
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
        ),
        context=inputs.context,
    )
    return with_limits(with_losses(problem, inputs), limits)


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
