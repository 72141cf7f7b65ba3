"""Options from price lists: documented defaults for what a list does not say, and what commitments reach."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from data.catalogue import instance_types, list_prices
from optimizer.rows import prices_of

DEFAULT_BOOT_SECONDS = 300.0
ONE_YEAR = ("1y", "")  # terms of committed prices that are used; longer ones bind for too long to advise


def listed_options(as_of: datetime) -> pd.DataFrame:
    """Options from the public list prices that come with Trimtab, as far as they are not later than as-of."""
    offers = list_prices()
    return options_from_offers(offers.loc[offers["as_of"] <= pd.Timestamp(as_of)], instance_types())


def options_from_offers(offers: pd.DataFrame, types: pd.DataFrame) -> pd.DataFrame:
    """Options from price rows: documented defaults for what a price list does not say."""
    sizes = types[["provider", "instance_type", "accelerator", "accelerator_count", "vcpu", "memory_gib"]]
    offers = offers.merge(sizes, on=["provider", "instance_type"], how="left")
    room = allocatable(offers.pop("vcpu").astype(float), offers["memory_gib"].astype(float))
    term = offers["term"].fillna("")
    suffix = ("-" + term).where(offers["purchase"].eq("commitment"), "")
    place = offers["provider"] + ":" + offers["region"] + ":" + offers["instance_type"]
    pool = offers["provider"] + "/" + offers["region"] + "/" + offers["instance_type"] + "/spot"
    return offers.rename(columns={"as_of": "price_as_of", "source": "price_source"}).assign(
        option_id=place + ":" + offers["purchase"] + suffix,
        boot_seconds=DEFAULT_BOOT_SECONDS,
        quota=float("nan"),
        pool=pool.where(offers["purchase"].eq("spot")),
        failures_per_1000h=float("nan"),
        **room,
    )


# What a node keeps for itself, as GKE documents it: (up to so much, share of it).
KEPT_CPU = ((1.0, 0.06), (2.0, 0.01), (4.0, 0.005), (np.inf, 0.0025))
KEPT_GIB = ((4.0, 0.25), (8.0, 0.2), (16.0, 0.1), (128.0, 0.06), (np.inf, 0.02))
EVICTION_GIB = 100.0 / 1024.0


def allocatable(vcpu: pd.Series[float], memory_gib: pd.Series[float]) -> dict[str, pd.Series[float]]:
    """`cpu` and `memory_gib` that pods may use of published sizes, less what a node needs itself."""
    left = memory_gib - kept(memory_gib, KEPT_GIB) - EVICTION_GIB
    return {"cpu": vcpu - kept(vcpu, KEPT_CPU), "memory_gib": left.clip(lower=0.0)}


def kept(size: pd.Series[float], steps: Sequence[tuple[float, float]]) -> pd.Series[float]:
    """What a node keeps of a resource, step by step."""
    total, below = size * 0.0, 0.0
    for most, share in steps:
        total += share * size.clip(below, most).sub(below)
        below = most
    return total


SCOPE = ("regions", "instance_types", "description")  # of a commitment, as the bill and its contract show it


def by_spend(category: object) -> bool:
    """Whether a commitment is to an amount of money (FOCUS: Spend): it reaches every type of its provider."""
    return category == "Spend"


def committed_rates(
    options: pd.DataFrame, provider: str, scope: Sequence[Any] | None
) -> dict[tuple[str, str, str], float]:
    """Committed price per instance-hour of what a commitment reaches, where one is known.

    Args:
        options: the catalogue.
        provider: whose commitment it is.
        scope: regions and types it was seen to cover, and its description; None reaches everything. A
            reservation or resource commitment reaches only types that were seen or that its description
            names, in the regions where it was seen.
    """
    committed = committed_options(options)
    own = committed.loc[committed["provider"].eq(provider.lower())]
    if scope is None:
        return prices_of(own)
    regions, types, description = (str(text) if pd.notna(text) else "" for text in scope)
    seen = own["instance_type"].isin(types.split(","))
    named = pd.Series([name in description for name in own["instance_type"]], index=own.index, dtype=bool)
    return prices_of(own.loc[own["region"].isin(regions.split(",")) & (seen | named)])


def committed_options(options: pd.DataFrame) -> pd.DataFrame:
    """Options at the price of a 1-year commitment; where no term is given, all count as such."""
    committed = options.loc[options["purchase"].eq("commitment")]
    if "term" not in committed:
        return committed
    return committed.loc[committed["term"].fillna("").isin(ONE_YEAR)]
