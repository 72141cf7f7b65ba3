"""The demo's bills: commitments that end, and month-ends against what the months really cost."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from tests.demo_runs import DemoRuns
from tests.optimizer.daily_bills import look, named


def test_commitments_that_end_are_listed_with_their_effect(demo: DemoRuns) -> None:
    together = {"rules": [{"owner": "everyone"}]}
    found = look(demo.root, months=6, as_of=datetime(2026, 11, 16, 1, tzinfo=UTC), allocation=together)
    effects = {item.description: item.per_day for item in found.expiries}
    with Lake.open(demo.root / "lake", read_only=True) as lake:
        october = lake.read("charges").query("x_Month == '2026-10'")
    mine = october.loc[october["CommitmentDiscountId"].str.endswith("orders-1y", na=False)]
    used = mine.loc[mine["CommitmentDiscountStatus"].eq("Used")]
    by_hand = (used["ContractedCost"].sum() - mine["EffectiveCost"].sum()) / 31
    assert effects["orders-1y"] == pytest.approx(by_hand)
    assert by_hand > 0
    assert {item.ends for item in found.expiries} == {pd.Timestamp("2027-04-01", tz="UTC")}
    costs = {"commitments_end": False}
    without = look(demo.root, months=6, as_of=found.as_of, allocation=together, costs=costs)
    march, april = (
        named(found, "all/USD").months[i].middle - named(without, "all/USD").months[i].middle for i in (4, 5)
    )
    assert march == pytest.approx(0, abs=1)
    assert april == pytest.approx(30 * sum(filter(None, effects.values())), rel=0.05)  # and its tax


def test_month_ends_forecast_from_within_october_hold(demo: DemoRuns) -> None:
    """Replayed from three days, for eleven owners: the truth is the chargeback of the closed month."""
    truth = look(demo.root, period="2026-10", months=1, as_of=datetime(2026, 11, 16, 1, tzinfo=UTC))
    inside, errors = [], []
    for day in (12, 20, 27):
        found = look(demo.root, period="2026-10", months=1, as_of=datetime(2026, 10, day, tzinfo=UTC))
        for status in found.statuses:
            if not status.subject.key.startswith("owner/"):
                continue
            actual, month = float(named(truth, status.subject.key).months[0].known), status.months[0]
            assert not month.is_closed
            inside.append(month.low <= actual <= month.high)
            errors.append(abs(month.middle / actual - 1))
    assert len(inside) == 33
    assert np.mean(inside) >= 0.7
    assert np.median(errors) < 0.03
