"""What is known of a subject's cost: settled days, fees by month, and taxes as a ratio."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from data.lake import Lake
from models.frames import FloatArray
from optimizer.chargeback import bounds
from optimizer.cost_settings import Match
from optimizer.rows import rows_of
from optimizer.team_costs import TeamCosts, rows_for

DAY = pd.Timedelta(1, unit="D")
FEE_MONTHS = 6  # a fee's usual amount is the median of so many closed months
TAX_MONTHS = 3
ITEM = ["service", "account"]


def loaded_at(lake: Lake) -> pd.Timestamp | None:
    """When a bill was loaded last; None where none ever was."""
    ages = lake.read("freshness")
    loaded = ages.loc[ages["table_name"].eq("charges"), "newest_load"].max()
    return None if pd.isna(loaded) else pd.Timestamp(loaded)


def as_it_was(days: pd.DataFrame, as_of: datetime, loaded: pd.Timestamp | None) -> pd.DataFrame:
    """Rows without what was billed later, where the past is replayed: later months, and tax on later days."""
    moment = pd.Timestamp(as_of)
    if loaded is None or moment >= loaded or days.empty:
        return days
    is_later = days["month"].gt(f"{moment:%Y-%m}") | (days["kind"].eq("tax") & days["day"].ge(moment))
    return days.loc[~is_later]


@dataclass(frozen=True, eq=False)
class Known:
    """A subject's rows and what follows from them, all in its currency.

    Attributes:
        rows: rows of `team_costs` that are the subject's.
        use: `ds`, `y`: cost of daily charges on every settled day since its first; missing where the whole
            bill has a hole.
        settled_until: first day that is not settled.
        first_day: first day with a daily charge in the whole bill.
        months: closed months of the whole bill, oldest first.
    """

    rows: pd.DataFrame
    use: pd.DataFrame
    settled_until: pd.Timestamp
    first_day: pd.Timestamp
    months: tuple[str, ...]

    def is_closed(self, month: str) -> bool:
        """Whether the month is over and settled, and a bill covers it."""
        return month in self.months

    @cached_property
    def sums(self) -> pd.Series[float]:
        """(month, kind) cost billed."""
        return self.rows.groupby(["month", "kind"])["cost"].sum()

    @cached_property
    def early(self) -> pd.Series[float]:
        """(month, kind) cost of settled days."""
        settled = self.rows.loc[self.rows["day"] < self.settled_until]
        return settled.groupby(["month", "kind"])["cost"].sum()

    def closed_total(self, month: str) -> float:
        """Everything billed in a month."""
        return float(sum(self.sums.get((month, kind), 0.0) for kind in ("use", "fee", "tax")))

    def settled(self, month: str, kind: str) -> float:
        """Cost of the settled days of a month."""
        return float(self.early.get((month, kind), 0.0))

    def billed(self, month: str) -> float:
        """Cost of the settled days of an open month, with the tax they bring."""
        before_tax = self.settled(month, "use") + self.settled(month, "fee")
        return before_tax * (1 + self.tax_ratio)

    @cached_property
    def fees(self) -> pd.DataFrame:
        """(service and account, month) what was billed at once or by the month."""
        rows = self.rows.loc[self.rows["kind"].eq("fee")]
        return rows.pivot_table(index=ITEM, columns="month", values="cost", aggfunc="sum", fill_value=0.0)

    @cached_property
    def fee_history(self) -> pd.DataFrame:
        """The same for the last closed months, absent ones as 0."""
        return self.fees.reindex(columns=list(self.months[-FEE_MONTHS:]), fill_value=0.0)

    @cached_property
    def usual_fees(self) -> pd.Series[float]:
        """(service, account) usual amount: median of the last closed months, of any where none is closed."""
        if not self.fee_history.shape[1]:
            return self.fees.mean(axis=1)
        return self.fee_history.median(axis=1)

    def fee_items(self, month: str) -> pd.Series[float]:
        """(service, account) fees of a month: billed ones as they are, others in their usual amount."""
        if month not in self.fees:
            return self.usual_fees * (0.0 if self.is_closed(month) else 1.0)
        billed = self.fees[month]
        return billed if self.is_closed(month) else billed.where(billed != 0, self.usual_fees)

    def expected_fee(self, month: str) -> float:
        """All fees of a month."""
        return float(self.fee_items(month).sum())

    def fee_swings(self, month: str, paths: int) -> FloatArray:
        """(path) how far the fees of a month not billed yet may be off, as they were in closed months."""
        past = self.fee_history.sum(axis=0).to_numpy(dtype=np.float64)
        if month in self.fees or len(past) < 3:
            return np.zeros(paths)
        return np.resize(past - np.median(past), paths)

    @cached_property
    def tax_ratio(self) -> float:
        """Tax over what it is on, in the last closed months; in the open month where there is none."""
        months = self.months[-TAX_MONTHS:] or (f"{self.settled_until:%Y-%m}",)
        tax, base = (
            sum(float(self.sums.get((month, kind), 0.0)) for month in months for kind in kinds)
            for kinds in (("tax",), ("use", "fee"))
        )
        return max(tax / base, 0.0) if base > 0 else 0.0

    def with_tax(self, month: str, before_tax: FloatArray) -> FloatArray:
        """Totals with their tax, which is at least what a month was billed already."""
        billed = float(self.sums.get((month, "tax"), 0.0)) if month not in self.months else 0.0
        return np.asarray(before_tax + np.maximum(self.tax_ratio * before_tax, max(billed, 0.0)))

    def by_day(self, when: pd.DatetimeIndex) -> FloatArray:
        """(day) cost of settled days with its tax, 0 for others."""
        settled = self.rows.loc[self.rows["day"] < self.settled_until]
        month = f"{when[0]:%Y-%m}"
        is_closed = self.is_closed(month)
        counted = settled if is_closed else settled.loc[settled["kind"].ne("tax")]
        sums = counted.groupby("day")["cost"].sum().reindex(when, fill_value=0.0)
        return sums.to_numpy(dtype=np.float64) * (1.0 if is_closed else 1 + self.tax_ratio)

    def fees_between(self, before: str, now: str) -> pd.DataFrame:
        """service, account, before, now: fees of two months."""
        old, new = self.fee_items(before), self.fee_items(now)
        return pd.DataFrame({"before": old, "now": new}).fillna(0.0).reset_index()


def known_costs(
    costs: TeamCosts, owner: str | None, rule: Match, currency: str, settled: pd.Timestamp
) -> Known:
    """What is known of an owner or filter in one currency."""
    days = costs.days.loc[costs.days["currency"].eq(currency)]
    mine = rows_for(days, owner, rule)
    all_use = costs.days.loc[costs.days["kind"].eq("use") & (costs.days["day"] < settled)]
    first = all_use["day"].min()
    grid = pd.date_range(first, settled - DAY, freq="D")
    found = mine.loc[mine["kind"].eq("use") & (mine["day"] < settled)]
    sums = found.groupby("day")["cost"].sum().reindex(grid)
    covered = set(all_use["day"])
    y = sums.where(sums.notna(), [0.0 if day in covered else np.nan for day in grid])
    if len(found):
        y = y.loc[found["day"].min() :]
    use = (
        pd.DataFrame({"ds": y.index, "y": y.to_numpy()}) if len(found) else pd.DataFrame({"ds": [], "y": []})
    )
    months = tuple(
        month for (month,) in rows_of(costs.days[["month"]].drop_duplicates().sort_values("month"), "month")
        if pd.Timestamp(bounds(month)[1]) <= settled
    )  # fmt: skip
    return Known(mine, use, settled, first, months)
