"""Alarms of a budget: how probably the month ends above it, and when the limit is passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from models.frames import FloatArray
from optimizer.budget_costs import Known
from optimizer.budget_months import cumulative
from optimizer.cost_settings import Alarm, Budget


@dataclass(frozen=True)
class AlarmState:
    """One alarm of a budget.

    Attributes:
        share: of the budget. limit: that share in money. asked: probability from which it is raised.
        probability: of the month ending above the limit. crossing: day on which the limit is passed in the
        middle of those futures that pass it; None if none does.
        is_raised: whether it is to be told.
    """

    share: float
    limit: float
    asked: float
    probability: float
    crossing: date | None
    is_raised: bool


def alarm_states(
    budget: Budget | None,
    known: Known,
    month: str,
    totals: FloatArray,
    *,
    rest: FloatArray | None,
    days: pd.DatetimeIndex,
) -> tuple[AlarmState, ...]:
    """Every alarm of a budget with its probability and the day of crossing."""
    if budget is None:
        return ()
    course, when = cumulative(known, month, rest, days)
    return tuple(_alarm(alarm, budget, totals, course, when) for alarm in budget.alarms)


def _alarm(
    alarm: Alarm, budget: Budget, totals: FloatArray, course: FloatArray, when: pd.DatetimeIndex
) -> AlarmState:
    limit = alarm.share * budget.monthly_amount
    probability = float((totals > limit).mean())
    above = course > limit
    crosses = above.any(axis=1)
    first = np.argmax(above[crosses], axis=1)
    day = when[int(np.median(first))].date() if crosses.any() else None
    return AlarmState(
        alarm.share, limit, alarm.probability, probability, day, probability >= alarm.probability
    )
