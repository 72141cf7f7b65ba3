"""Prices the demo plans with against what its bills charge: of types billed before, and of others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from optimizer.lake_inputs import LakeTables
from optimizer.plan import PlacementPlan, read_plan
from optimizer.prices import FITTED_DAYS, KEY, LOOKBACK, effective, fit, unit_prices
from tests.demo_runs import DemoRuns

WEEK = pd.Timedelta(days=FITTED_DAYS)


class Priced(NamedTuple):
    """List prices, and the bill until a week before its end and from then on."""

    options: pd.DataFrame
    before: pd.DataFrame
    after: pd.DataFrame


@pytest.fixture(scope="module")
def priced(demo: DemoRuns) -> Iterator[Priced]:
    as_of: datetime = read_plan(demo.root / "plans/placement.json", PlacementPlan).as_of
    with Lake.open(demo.root / "lake", read_only=True) as lake:
        tables = LakeTables(lake, pd.Timestamp(as_of))
        newest = tables.newest_bill()
        assert newest is not None
        age = pd.Timestamp(as_of) - newest
        before, after = (
            tables.billed_prices(age + WEEK + LOOKBACK, age + WEEK),
            tables.billed_prices(age + WEEK),
        )
        yield Priced(tables.options(), before, after)


def test_modelled_prices_meet_what_is_billed_afterwards(priced: Priced) -> None:
    found = fit(*priced)
    assert len(found.ratios) > 20
    assert found.median == pytest.approx(1.0, abs=0.02)
    assert max(abs(ratio - 1.0) for ratio in found.ratios) <= 0.02


def test_a_type_that_was_never_billed_is_priced_as_well(priced: Priced) -> None:
    """Each type in turn as if the bill never had it: the list and the discount of the provider are left."""
    paid = unit_prices(priced.after, "Standard", "contracted_cost", newest_hours=np.inf)
    on_demand = priced.options.loc[priced.options["purchase"].eq("on_demand")]
    ratios: dict[str, float] = {}
    for _, row in on_demand.merge(paid, on=KEY).iterrows():
        own = (priced.before[KEY] == row[KEY]).all(axis=1)
        (price,) = effective(pd.DataFrame([row]), priced.before.loc[~own])["price_hourly"]
        ratios[":".join(row[KEY])] = price / row["unit_price"]
    assert len(ratios) > 15
    assert np.median(list(ratios.values())) == pytest.approx(1.0, abs=0.02)
    undiscounted = on_demand.merge(paid, on=KEY).eval("price_hourly / unit_price")
    assert (undiscounted > 1.04).any()  # so that the list alone would not have done
