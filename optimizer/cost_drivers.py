"""What makes a month dearer or cheaper than the one before: price, usage, what is new and what ended.

Months differ in length and the current one is not over, so costs per settled day are compared and scaled to
the month's length. A change of a meter's cost is split as Bennet (1920) does, each half weighed with the mean
of both months, so that the parts add up exactly: price Δp·(q₁+q₂)/2, usage Δq·(p₁+p₂)/2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

EFFECTS = ("price", "usage", "new", "ended", "other")
PLACE = ["service", "account", "region"]
METER = [*PLACE, "meter", "unit"]


@dataclass(frozen=True)
class Driver:
    """Part of the change from last month to this, in the subject's currency per month; `change` is the sum.

    Attributes:
        price: the same, at another price.
        usage: more or less of the same.
        new: not there last month.
        ended: not there any more.
        other: what has no quantity: fees, credits.
    """

    service: str
    account: str
    region: str
    price: float = 0.0
    usage: float = 0.0
    new: float = 0.0
    ended: float = 0.0
    other: float = 0.0

    @property
    def change(self) -> float:
        """All effects together."""
        return self.price + self.usage + self.new + self.ended + self.other


def drivers(before: pd.DataFrame, now: pd.DataFrame, fees: pd.DataFrame) -> tuple[Driver, ...]:
    """Every service, account and region with what it adds to the change; largest first.

    Args:
        before: `PLACE`, meter, unit, quantity, cost of last month, scaled to this month's length.
        now: the same of this month.
        fees: service, account, before, now: totals of what is billed by the month.
    """
    effects = pd.concat([meter_effects(before, now), fee_effects(fees)], ignore_index=True)
    sums = effects.groupby(PLACE, dropna=False, sort=True)[list(EFFECTS)].sum()
    found = [Driver(*place, *values) for place, values in _rows(sums)]
    kept = [driver for driver in found if any(abs(getattr(driver, name)) > 1e-9 for name in EFFECTS)]
    return tuple(sorted(kept, key=lambda d: (-abs(d.change), d.service, d.account, d.region)))


def _rows(sums: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], list[float]]]:
    for place, row in zip(sums.index, sums.to_numpy(dtype=np.float64), strict=True):
        service, account, region = (str(part) for part in place)
        yield (service, account, region), [float(value) for value in row]


def meter_effects(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """`PLACE` and `EFFECTS`, a row per meter that was billed in either month."""
    both = pd.concat([_summed(before).add_suffix("_1"), _summed(now).add_suffix("_2")], axis=1)
    was, is_now = both["cost_1"].notna(), both["cost_2"].notna()
    c1, c2 = (both[name].fillna(0.0).to_numpy(np.float64) for name in ("cost_1", "cost_2"))
    q1, q2 = (both[name].fillna(0.0).to_numpy(np.float64) for name in ("quantity_1", "quantity_2"))
    measured = np.asarray(was & is_now) & (q1 > 0) & (q2 > 0)
    p1, p2 = (np.divide(c, q, out=np.zeros_like(c), where=measured) for c, q in ((c1, q1), (c2, q2)))
    change = c2 - c1
    price = np.where(measured, (p2 - p1) * (q1 + q2) / 2, 0.0)
    return both.reset_index()[PLACE].assign(
        price=price,
        usage=np.where(measured, change - price, 0.0),
        new=np.where(~was, change, 0.0),
        ended=np.where(~is_now, change, 0.0),
        other=np.where(was & is_now & ~measured, change, 0.0),
    )


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    plain = rows.assign(**{name: rows[name].astype(object).where(rows[name].notna(), "") for name in METER})
    return plain.groupby(METER, sort=True)[["quantity", "cost"]].sum()


def fee_effects(fees: pd.DataFrame) -> pd.DataFrame:
    """The same of what is billed by the month, which has no region."""
    change = (fees["now"] - fees["before"]).to_numpy(np.float64)
    was, is_now = fees["before"].ne(0).to_numpy(), fees["now"].ne(0).to_numpy()
    return fees[["service", "account"]].assign(
        region="",
        price=0.0,
        usage=0.0,
        new=np.where(~was, change, 0.0),
        ended=np.where(was & ~is_now, change, 0.0),
        other=np.where(was & is_now, change, 0.0),
    )
