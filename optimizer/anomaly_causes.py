"""Why the cost of one series changed: its price, its usage, its mix, something new, a commitment that ended.

The change of the mean day is split without rest over SKUs. For one SKU, in units of its own:

    change = quantity after x (price after - price before) + (quantity after - quantity before) x price before

Of the first part, what left a commitment for the price without one is the commitment's. Of the second, what
one SKU lost and another of the same unit won is the mix; what resources add that were not there before is
new; the rest is usage. Credits, refunds and corrections are a cause of their own, and so is a change of lines
without quantity, whose price nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

PRICE, USAGE, MIX, NEW = "price", "usage", "mix", "new resource"
COMMITMENT, CREDIT, UNKNOWN = "commitment expiry", "credit", "not known"
CAUSES = (PRICE, USAGE, MIX, NEW, COMMITMENT, CREDIT, UNKNOWN)
SIDES = ("before", "after")


def effects(
    detail: pd.DataFrame, *, begins: pd.Timestamp, days_before: int, days_after: int
) -> dict[str, float]:
    """Change of the mean day's cost by cause; the parts add up to the change.

    Args:
        detail: view `cost_detail` from before the change to its end.
        begins: first day of the change; rows before it are what was usual.
        days_before: days of the bill that the rows before stand for.
        days_after: days the others stand for.
    """
    side = np.where(detail["day"] < begins, *SIDES)
    days = np.where(side == "before", days_before, days_after)
    rows = detail.assign(side=side, cost=detail["effective_cost"] / days, quantity=detail["quantity"] / days)
    is_credit = rows["category"].isin(["Credit", "Adjustment"]) | rows["is_correction"] | rows["cost"].lt(0)
    has_price = rows["quantity"].gt(0) & rows["unit"].notna() & ~is_credit
    found = dict.fromkeys(CAUSES, 0.0)
    found[CREDIT] = moved(rows.loc[is_credit])
    found[UNKNOWN] = moved(rows.loc[~is_credit & ~has_price])
    priced = rows.loc[has_price]
    for _, same_unit in priced.groupby("unit", sort=True):
        for cause, amount in of_unit(same_unit).items():
            found[cause] += amount
    return found


def moved(rows: pd.DataFrame) -> float:
    """Cost after less cost before."""
    return float(rows["cost"].where(rows["side"].eq("after"), -rows["cost"]).sum())


def of_unit(rows: pd.DataFrame) -> dict[str, float]:
    """Effects among SKUs of one unit."""
    skus = by_side(rows, ["sku"])
    committed = by_side(rows.loc[rows["commitment"].notna()], ["sku"]).reindex(skus.index, fill_value=0.0)
    price_before = ratio(skus["cost_before"], skus["quantity_before"])
    price_after = ratio(skus["cost_after"], skus["quantity_after"])
    stayed = skus["quantity_before"].gt(0) & skus["quantity_after"].gt(0)
    repriced = (skus["quantity_after"] * (price_after - price_before)).where(stayed, 0.0)
    left = commitment_left(skus, committed).where(stayed, 0.0)
    reference = price_before.where(skus["quantity_before"].gt(0), price_after)
    grown = skus["quantity_after"] - skus["quantity_before"]
    up, down = grown.clip(lower=0.0), (-grown).clip(lower=0.0)
    swapped = min(up.sum(), down.sum())
    kept_up = up * (1.0 - (swapped / up.sum() if up.sum() else 0.0))
    kept_down = down * (1.0 - (swapped / down.sum() if down.sum() else 0.0))
    new_share = new_quantity(rows, skus).clip(upper=up) / up.where(up > 0, 1.0)
    return {
        PRICE: float((repriced - left).sum()),
        COMMITMENT: float(left.sum()),
        MIX: float(((up - kept_up - down + kept_down) * reference).sum()),
        NEW: float((kept_up * new_share * reference).sum()),
        USAGE: float(((kept_up * (1.0 - new_share) - kept_down) * reference).sum()),
    }


def by_side(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums of cost and quantity before and after, one row per key."""
    table = rows.pivot_table(index=keys, columns="side", values=["cost", "quantity"], aggfunc="sum")
    empty = pd.Series(0.0, index=table.index)
    return pd.DataFrame(
        {
            f"{what}_{side}": table.get((what, side), empty).fillna(0.0)
            for what in ("cost", "quantity")
            for side in SIDES
        },
        index=table.index,
    )


def ratio(cost: pd.Series[float], quantity: pd.Series[float]) -> pd.Series[float]:
    """Price; 0 where there is no quantity."""
    return (cost / quantity.where(quantity > 0)).fillna(0.0)


def commitment_left(skus: pd.DataFrame, committed: pd.DataFrame) -> pd.Series[float]:
    """Cost of what was covered by a commitment before and is no more, at the difference of the two prices."""
    share_before = ratio(committed["quantity_before"], skus["quantity_before"])
    share_after = ratio(committed["quantity_after"], skus["quantity_after"])
    lost = (share_before - share_after).clip(lower=0.0) * skus["quantity_after"]
    bare = ratio(
        skus["cost_after"] - committed["cost_after"], skus["quantity_after"] - committed["quantity_after"]
    )
    covered = ratio(committed["cost_before"], committed["quantity_before"])
    return lost * (bare - covered).clip(lower=0.0)


def new_quantity(rows: pd.DataFrame, skus: pd.DataFrame) -> pd.Series[float]:
    """Quantity by SKU of resources that were not there before, less that of those that are gone.

    A SKU that was not there before is new as a whole.
    """
    named = by_side(rows.loc[rows["resource"].notna()], ["sku", "resource"])
    came = named["quantity_after"].where(named["quantity_before"].le(0), 0.0)
    went = named["quantity_before"].where(named["quantity_after"].le(0), 0.0)
    net = (came - went).groupby("sku").sum().reindex(skus.index, fill_value=0.0)
    return net.clip(lower=0.0).where(skus["quantity_before"].gt(0), skus["quantity_after"])


def main_cause(found: Mapping[str, float], change: float) -> str:
    """The cause that moved the cost most in the direction of the change."""
    sign = 1.0 if change >= 0 else -1.0
    best = max(CAUSES, key=lambda cause: sign * found[cause])
    return best if sign * found[best] > 0 else UNKNOWN
