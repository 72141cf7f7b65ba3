"""What every owner's charges cost by day, by the rules of the chargeback.

A month is allocated as `trimtab chargeback` does it, exactly; its days then say when. A day's direct charges
go to their owner. What is shared is split over the month as a whole, because splitting day by day would weigh
owners differently, and each owner's part is laid on the days on which the shared charges fell. So the days of
a month add up to the owner's total of the chargeback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.lake import Lake
from optimizer.allocation import Group, added, allocate, matches, owner_of
from optimizer.chargeback import bounds, groups_of, is_used, rates_at
from optimizer.cost_settings import Allocation, Match, has_filter

KEYS = (
    "source", "account", "account_name", "service", "region", "resource", "tags", "team", "category",
    "is_unused", "currency",
)  # fmt: skip
COLUMNS = ("month", "day", "kind", *KEYS, "owner", "is_shared", "cost")


@dataclass(frozen=True, eq=False)
class TeamCosts:
    """Charges by day, and the exact months.

    Attributes:
        days: `COLUMNS`; cost in `currency` as float. Rows of charges have `is_shared` False and the owner
            they go to, none where they are shared; rows with `is_shared` are an owner's part of such charges.
            Either all rows that are not shared, or all that have an owner, add up to the bill. kind is use,
            fee or tax.
        months: (month, owner, currency) to the chargeback's total.
        flags: which details of charges `days` tells apart.
        currency: that everything was converted to; None where nothing was.
    """

    days: pd.DataFrame
    months: Mapping[tuple[str, str, str], Decimal]
    flags: Mapping[str, bool]
    currency: str | None = None

    def total(self, month: str, currency: str, owner: str | None = None) -> Decimal:
        """The exact total of a month, of one owner or of all."""
        found = [
            amount
            for (name, whose, money), amount in self.months.items()
            if (name, money) == (month, currency) and owner in (None, whose)
        ]
        return added(*found)


def team_costs(
    lake: Lake, rules: Allocation, *, since: str, currency: str | None = None, more: Sequence[Match] = ()
) -> TeamCosts:
    """Costs by day and owner from a month (YYYY-MM) on.

    Args:
        lake: with charges in that time.
        rules: of the chargeback.
        since: first month.
        currency: to convert to, at each month's rate; the bill's own where None.
        more: further filters that `days` must be able to tell apart.

    Raises:
        InputError: an exchange rate is missing.
    """
    flags = {f"by_{name}": is_used(rules, name, more) for name in ("region", "resource", "tags")}
    raw = lake.read("allocation_days", since=since, **flags)
    if raw.empty:
        return TeamCosts(pd.DataFrame(columns=list(COLUMNS)), {}, flags, currency)
    found = raw.assign(owner=owners_of(raw, rules), is_shared=False, cost=raw[f"{rules.metric}_cost"])
    parts: list[pd.DataFrame] = []
    months: dict[tuple[str, str, str], Decimal] = {}
    for month, rows in found.groupby("month", sort=True):
        rates = rates_at(lake, set(rows["currency"]), currency, bounds(str(month))[1])
        own = converted(rows, currency, rates)
        groups, _ = groups_of(lake, rules, str(month), currency)
        shares, _ = allocate(groups, rules)
        parts += [own, _shared_days(own, shares)]
        for share in shares:
            key = (str(month), share.owner, share.currency)
            months[key] = added(months.get(key, Decimal(0)), share.total_cost)
    days = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return TeamCosts(days[list(COLUMNS)], months, flags, currency)


def converted(rows: pd.DataFrame, currency: str | None, rates: Mapping[str, Decimal]) -> pd.DataFrame:
    """Rows with cost in one currency, where one is asked for."""
    if currency is None:
        return rows
    factor = rows["currency"].map({base: float(rate) for base, rate in rates.items()})
    return rows.assign(cost=rows["cost"] * factor, currency=currency)


def owners_of(rows: pd.DataFrame, rules: Allocation) -> pd.Series[Any]:
    """The owner of each row's charges; missing where they are shared."""
    groups, place = groups_in(rows)
    names = [
        None if any(matches(rule.match, group) for rule in rules.shared) else owner_of(group, rules)
        for group in groups
    ]
    return pd.Series(np.asarray(names, dtype=object)[place], index=rows.index)


def groups_in(rows: pd.DataFrame) -> tuple[list[Group], npt.NDArray[np.int64]]:
    """The different charges among rows (without cost), and for each row which of them it is."""
    keys = list(KEYS)
    place = rows.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    first = rows.assign(place=place).drop_duplicates("place")
    plain = first[keys].astype(object).where(first[keys].notna(), None)
    fields: list[dict[str, Any]] = [
        dict(zip(keys, values, strict=True)) for values in plain.itertuples(index=False, name=None)
    ]
    groups = [Group(cost=Decimal(0), **values) for values in fields]
    order = first["place"].to_numpy()
    return [groups[i] for i in np.argsort(order)], np.asarray(place, dtype=np.int64)


def _shared_days(rows: pd.DataFrame, shares: Sequence[Any]) -> pd.DataFrame:
    """Each owner's shared cost of a month on the days of the charges that were shared."""
    pot = rows.loc[rows["owner"].isna()]
    made = []
    for share in shares:
        if not share.shared_cost:
            continue
        mine = pot.loc[pot["service"].eq(share.service) & pot["currency"].eq(share.currency)]
        weight = mine["cost"].to_numpy()
        if abs(weight.sum()) < 1e-9 * np.abs(weight).sum() or not weight.any():
            weight = np.ones(len(mine))  # charges and refunds cancel: when they fell says nothing
        part = float(share.shared_cost) * weight / weight.sum()
        made.append(mine.assign(owner=share.owner, is_shared=True, cost=part))
    return pd.concat(made, ignore_index=True) if made else rows.head(0)


def rows_for(days: pd.DataFrame, owner: str | None, rule: Match) -> pd.DataFrame:
    """The rows of an owner, its part of shared charges included, or of everyone; narrowed down by a filter.

    Of everyone the charges themselves count, each once.
    """
    mine = days.loc[days["owner"].eq(owner) if owner is not None else ~days["is_shared"].astype(bool)]
    return mine.loc[matching(mine, rule)] if has_filter(rule) else mine


def matching(rows: pd.DataFrame, rule: Match) -> npt.NDArray[np.bool_]:
    """(row) whether a filter fits its charges."""
    if rows.empty:
        return np.zeros(0, dtype=bool)
    groups, place = groups_in(rows)
    return np.asarray([matches(rule, group) for group in groups], dtype=bool)[place]


def meters(
    lake: Lake, rules: Allocation, costs: TeamCosts, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Rows of `allocation_meters` with owner and cost, in the currency of `costs`, for `cost_drivers`.

    Shared charges have no owner: their parts follow no meter.
    """
    flags = {name: used for name, used in costs.flags.items() if name != "by_region"}
    rows = lake.read("allocation_meters", since=since.to_pydatetime(), until=until.to_pydatetime(), **flags)
    found = rows.assign(cost=rows[f"{rules.metric}_cost"], is_shared=False)
    found["owner"] = owners_of(found, rules) if len(found) else ""
    rates = rates_at(lake, set(found["currency"]), costs.currency, bounds(f"{since:%Y-%m}")[1])
    return converted(found, costs.currency, rates)
