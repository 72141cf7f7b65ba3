"""What one more hour of an instance type costs this user: list price, contract, spot as billed.

A price list knows nobody's contract. The bill does: it gives what an hour of a type cost at list and at the
contracted price. Where the last `LOOKBACK` of the bill has the type itself, the price of its newest days is
used; else the list price times the discount the bill shows for the provider's machines. Spot that was billed
since the spot offer was read takes its place. Whatever is not in the bill keeps its list price, and every
step says where it is from. What commitments leave unused comes on top, in `optimizer.marginal`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

CURRENCY = "USD"  # of every plan; amounts in another are left out, never taken for dollars
LOOKBACK = pd.Timedelta(days=60)
FITTED_DAYS = 7  # the newest days of the bill, which the price model is tested on
ENOUGH_HOURS = 24.0  # billed instance-hours below which a unit price or a discount is chance
LOWEST_RATIO = 0.05  # contracted over list; below it the bill's list cost is something else
KEY = ["provider", "region", "instance_type"]
COSTS = ("list_cost", "contracted_cost", "effective_cost")
BILLED = [*KEY, "category", "currency", "day", "hours", *COSTS, "newest"]
TYPES = dict.fromkeys(("hours", *COSTS), "float64") | dict.fromkeys(("day", "newest"), "datetime64[us, UTC]")
MODELLED = {"on_demand": ("Standard", "contracted_cost"), "spot": ("Dynamic", "effective_cost")}


@dataclass(frozen=True)
class Unused:
    """What a commitment costs without covering anything, and the end of the bill that says so."""

    usd_per_hour: float
    as_of: pd.Timestamp


@dataclass(frozen=True)
class Fit:
    """How well modelled prices meet billed ones: modelled over billed, a ratio per type and region."""

    ratios: tuple[float, ...]

    @property
    def median(self) -> float | None:
        """Median ratio; None where nothing can be compared."""
        return float(np.median(self.ratios)) if self.ratios else None


def effective(options: pd.DataFrame, billed: pd.DataFrame) -> pd.DataFrame:
    """Options at the price this user pays.

    Args:
        options: `provider, region, instance_type, purchase, price_hourly, price_as_of, price_source`; USD.
        billed: rows of the view billed_prices; those in another currency are not used.

    Returns:
        The options with `price_hourly`, `price_source` and `price_as_of` of what is paid, those of the list
        as `list_hourly`, `list_source` and `list_as_of`, and `price_basis`: list, contract, discount or spot.
        A missing price stays missing unless the bill has one.
    """
    found = options.assign(
        list_hourly=options["price_hourly"],
        list_source=options["price_source"],
        list_as_of=options["price_as_of"],
        price_basis="list",
    )
    for purchase, (category, cost) in MODELLED.items():
        found = _from_bill(found, purchase, unit_prices(billed, category, cost))
    return _discounted(found, discounts(billed))


def unit_prices(
    billed: pd.DataFrame, category: str, cost: str, *, newest_hours: float = ENOUGH_HOURS
) -> pd.DataFrame:
    """`provider, region, instance_type, unit_price, newest` of one category, in USD per instance-hour.

    Of each type and region the newest days count that hold `newest_hours` together: a price that changed is
    not averaged with what it was. Types with fewer than `ENOUGH_HOURS` in all are left out.
    """
    rows = _newest(_known(billed, category, cost), KEY, newest_hours)
    sums = rows.groupby(KEY, as_index=False).agg(
        hours=("hours", "sum"), paid=(cost, "sum"), newest=("newest", "max")
    )
    enough = sums.loc[sums["hours"] >= ENOUGH_HOURS]
    price = (enough["paid"] / enough["hours"]).round(12)
    return enough.assign(unit_price=price)[[*KEY, "unit_price", "newest"]]


def discounts(billed: pd.DataFrame) -> pd.DataFrame:
    """`provider, ratio, newest`: contracted over list cost of on-demand machine hours, newest days first."""
    rows = _newest(_known(billed, "Standard", "contracted_cost", "list_cost"), ["provider"], ENOUGH_HOURS)
    sums = rows.groupby("provider").agg(
        hours=("hours", "sum"),
        listed=("list_cost", "sum"),
        paid=("contracted_cost", "sum"),
        newest=("newest", "max"),
    )
    ratio = (sums["paid"] / sums["listed"]).round(12)
    known = (sums["hours"] >= ENOUGH_HOURS) & ratio.between(LOWEST_RATIO, 1.0)
    return sums.assign(ratio=ratio).loc[known, ["ratio", "newest"]].reset_index()


def _known(billed: pd.DataFrame, category: str, *costs: str) -> pd.DataFrame:
    """Hours of a category in USD whose costs are known."""
    billed = billed.astype(TYPES)  # without a bill the columns have none
    known = billed["category"].eq(category) & billed["currency"].eq(CURRENCY) & billed["hours"].gt(0)
    for cost in costs:
        known &= billed[cost].gt(0)
    return billed.loc[known]


def _newest(rows: pd.DataFrame, by: Sequence[str], enough: float) -> pd.DataFrame:
    """The newest days of each group that hold `enough` hours together, whole days."""
    group = list(by)
    daily = rows.groupby([*group, "day"], as_index=False).agg(hours=("hours", "sum"))
    daily = daily.sort_values("day", ascending=False, kind="stable")
    later = daily.groupby(group)["hours"].cumsum() - daily["hours"]
    return rows.merge(daily.loc[later < enough, [*group, "day"]], on=[*group, "day"])


def _from_bill(options: pd.DataFrame, purchase: str, prices: pd.DataFrame) -> pd.DataFrame:
    """Options of one purchase at the unit price the bill has for just that type and region."""
    joined = options[KEY].merge(prices, on=KEY, how="left").set_index(options.index)
    known = options["purchase"].eq(purchase) & joined["unit_price"].notna()
    if purchase == "spot":  # a spot price read later than the bill is the better one
        known &= joined["newest"].gt(options["price_as_of"])
    paid = pd.DataFrame({"price": joined["unit_price"], "source": "bill", "as_of": joined["newest"]})
    return _with(options, known, paid, basis="contract" if purchase == "on_demand" else "spot")


def _discounted(options: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """On-demand options that the bill does not have, at the discount it shows for the provider.

    Such a price is as old as the older of its two parts.
    """
    joined = options[["provider"]].merge(ratios, on="provider", how="left").set_index(options.index)
    is_listed = options["purchase"].eq("on_demand") & options["price_basis"].eq("list")
    source = options["price_source"].astype(object) + " × discount in the bill"
    as_of = options["list_as_of"].where(options["list_as_of"] < joined["newest"], joined["newest"])
    paid = pd.DataFrame({"price": options["list_hourly"] * joined["ratio"], "source": source, "as_of": as_of})
    return _with(options, is_listed & joined["ratio"].lt(1.0), paid, basis="discount")


def _with(options: pd.DataFrame, known: pd.Series[bool], paid: pd.DataFrame, *, basis: str) -> pd.DataFrame:
    """The options, those that are `known` at what is paid (`price`, `source`, `as_of`)."""
    return options.assign(
        price_hourly=options["price_hourly"].astype(float).where(~known, paid["price"]),
        price_basis=options["price_basis"].where(~known, basis),
        price_source=options["price_source"].astype(object).where(~known, paid["source"]),
        price_as_of=options["price_as_of"].where(~known, paid["as_of"]),
    )


def fit(options: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> Fit:
    """Prices modelled from the bill up to a moment, over what was billed on average after it.

    Args:
        options: with list prices, as given to `effective`.
        before: rows of billed_prices up to the moment.
        after: the same from then on.
    """
    modelled = effective(options, before)
    ratios: list[float] = []
    for purchase, (category, cost) in MODELLED.items():
        paid = unit_prices(after, category, cost, newest_hours=math.inf)
        own = modelled.loc[modelled["purchase"].eq(purchase)].merge(paid, on=KEY)
        ratios += (own["price_hourly"] / own["unit_price"]).dropna().tolist()
    return Fit(tuple(ratios))
