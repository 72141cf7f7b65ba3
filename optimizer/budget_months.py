"""A subject's months as distributions: what is billed, what is drawn, fees and taxes added up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from models.frames import FloatArray
from optimizer.budget_costs import Known
from optimizer.chargeback import bounds

LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class MonthCost:
    """A month: what is known, and the 10 %, 50 % and 90 % quantile of its total; equal once it is closed."""

    month: str
    is_closed: bool
    known: Decimal
    low: float
    middle: float
    high: float


def month_totals(known: Known, month: str, rest: FloatArray | None, days: pd.DatetimeIndex) -> FloatArray:
    """(path) totals of a month: settled days, drawn days, fees, taxes; one path where nothing is open."""
    if known.is_closed(month):
        return np.asarray([known.closed_total(month)])
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    inside = np.asarray((days >= start) & (days < end))
    drawn = rest[:, inside].sum(axis=1) if rest is not None else np.zeros(1)
    fees = known.expected_fee(month) - known.settled(month, "fee") + known.fee_swings(month, len(drawn))
    before_tax = known.settled(month, "use") + known.settled(month, "fee") + drawn + fees
    return np.asarray(known.with_tax(month, before_tax))


def month_cost(month: str, totals: FloatArray, known: Known, exact: Decimal | None) -> MonthCost:
    """A month of these totals; `exact` stands for what is closed, where the chargeback knows it."""
    low, middle, high = (float(value) for value in np.quantile(totals, LEVELS))
    is_closed = known.is_closed(month)
    if is_closed:
        total = exact if exact is not None else cents(middle)
        return MonthCost(month, is_closed, total, float(total), float(total), float(total))
    return MonthCost(month, is_closed, cents(known.billed(month)), low, middle, high)


def cents(amount: float) -> Decimal:
    """Money for people."""
    return Decimal(str(round(amount, 2)))


def cumulative(
    known: Known, month: str, rest: FloatArray | None, days: pd.DatetimeIndex
) -> tuple[FloatArray, pd.DatetimeIndex]:
    """(path, day) cost of the month up to and with each day, and the days."""
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    when = pd.date_range(start, end, freq="D", inclusive="left")
    past = known.by_day(when)
    open_days = np.asarray(when >= known.settled_until)
    daily = np.tile(past, (1 if rest is None else len(rest), 1))
    if rest is not None and open_days.any():
        fee = (known.expected_fee(month) - known.settled(month, "fee")) / open_days.sum()
        daily[:, open_days] = (rest[:, np.asarray((days >= start) & (days < end))] + fee) * (
            1 + known.tax_ratio
        )
    return np.asarray(daily.cumsum(axis=1)), when
