"""Exact money for made-up bills: whole numbers of 1e-10 USD and of 0.001 of a quantity; billed days.

No provider's list price has more than ten decimals, so nothing is lost, sums are exact in 64 bits, and equal
seeds give equal bytes on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

UNITS_PER_USD = 10**10
UNITS_PER_CENT = UNITS_PER_USD // 100
QUANTITY_SCALE = 1000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Calendar:
    """The days that are billed, and the first days of their months."""

    days: pd.DatetimeIndex
    months: pd.DatetimeIndex

    @classmethod
    def until(cls, as_of: datetime) -> Calendar:
        """Two full months and the days of the current one that are over."""
        end = pd.Timestamp(as_of).floor("D")
        start = end.replace(day=1) - pd.DateOffset(months=2)
        days = pd.date_range(start, end, freq="D", inclusive="left").as_unit("us")
        return cls(days, days[days.day == 1])


def units(usd: Decimal) -> int:
    """USD as whole units of 1e-10."""
    return int((usd * UNITS_PER_USD).to_integral_value(ROUND_HALF_EVEN))


def usd(money: int) -> Decimal:
    """Whole units as USD, exactly."""
    return Decimal(money).scaleb(-10)


def decimal_text(number: int, scale: int = UNITS_PER_USD) -> str:
    """Whole units as plain decimal text: 1.5 USD is 1.5, never 1.5000000000 or 15E-1."""
    sign = "-" if number < 0 else ""
    whole, rest = divmod(abs(number), scale)
    digits = str(scale + rest)[1:].rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def priced(list_price: Ints, contracted_price: Ints, quantity: Ints) -> dict[str, Ints]:
    """FOCUS columns of ordinary usage: a quantity (thousandths) at the list and at the negotiated price."""
    list_cost, cost = ((price * quantity + QUANTITY_SCALE // 2) // QUANTITY_SCALE
                       for price in (list_price, contracted_price))  # fmt: skip
    return {
        "PricingQuantity": quantity, "ListUnitPrice": list_price, "ContractedUnitPrice": contracted_price,
        "ListCost": list_cost, "ContractedCost": cost, "BilledCost": cost, "EffectiveCost": cost,
    }  # fmt: skip
