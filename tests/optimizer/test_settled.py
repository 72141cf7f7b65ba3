"""Until when bills are complete, and that anomalies and budgets go by the same rule."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.lake import Lake
from optimizer import anomalies, budgets
from optimizer.config import Settings
from optimizer.settled import settled
from tests.optimizer.daily_bills import LOADED, Load, Row, day_rows, issuer, look, month_rows, named


def test_the_newest_days_of_a_load_are_not_believed(steady: Path) -> None:
    assert look(steady, months=1).settled_until == datetime(2026, 11, 13, tzinfo=UTC)
    bold = look(steady, months=1, costs={"settle_days": 0})
    assert bold.settled_until == datetime(2026, 11, 15, tzinfo=UTC)
    assert named(bold, "owner/ads/USD").months[0].middle < 1450  # it takes the empty days for the truth


def test_the_provider_that_is_latest_says_what_is_settled(load: Load, tmp_path: Path) -> None:
    rows = [
        *day_rows(lambda _: 10.0),
        *day_rows(lambda _: 5.0, last="2026-11-07", **issuer("Google Cloud")),
        *day_rows(lambda _: 5.0, last="2026-09-30", **issuer("Oracle")),  # sends no bill any more
    ]
    found = look(load(tmp_path, rows), months=1)
    assert found.settled_until == datetime(2026, 11, 6, tzinfo=UTC)


LATER = datetime(2026, 11, 20, tzinfo=UTC)
OCTOBER = pd.Timestamp("2026-10-01", tz="UTC")


def daily(**fields: Any) -> list[Row]:
    return [*day_rows(lambda _: 10.0, **{"first": "2026-10-01", **fields})]


BILLS = {
    "one provider": daily(),
    "hours of the newest day": [
        *daily(),
        *daily(first="2026-11-15", last="2026-11-15", ChargePeriodEnd="2026-11-15T05:00:00+00:00"),
    ],
    "an old export": daily(last="2026-11-09"),
    "a closed month alone": daily(last="2026-10-31"),
    "fees until the end of the month": [*daily(), *month_rows({"2026-11": 310.0})],
    "gone for good": [*daily(), *daily(last="2026-10-31", **issuer("Oracle"))],
    "late": [*daily(), *daily(last="2026-11-09", **issuer("Oracle"))],
}
BY_HAND = {
    "one provider": "2026-11-13",
    "hours of the newest day": "2026-11-13",
    "an old export": "2026-11-08",
    "a closed month alone": "2026-11-01",
    "fees until the end of the month": "2026-11-13",
    "gone for good": "2026-11-13",
    "late": "2026-11-08",
}


@pytest.mark.parametrize("name", BILLS)
def test_what_is_settled_by_hand(name: str, load: Load, tmp_path: Path) -> None:
    load(tmp_path, BILLS[name], LATER)
    with Lake.open(tmp_path / "lake", read_only=True) as lake:
        assert settled(lake, 2).everywhere == pd.Timestamp(BY_HAND[name], tz="UTC")


@pytest.mark.parametrize("name", ["a closed month alone", "late"])
def test_anomalies_and_budgets_believe_the_same_days(name: str, load: Load, tmp_path: Path) -> None:
    """Both go by `settled`: neither may write the rule again."""
    load(tmp_path, BILLS[name], LATER)
    with Lake.open(tmp_path / "lake", read_only=True) as lake:
        for days in (2, 5):
            rule = settled(lake, days)
            costs = Settings(costs={"settle_days": days})
            assert budgets.outlook(lake, costs, as_of=LATER, months=1).settled_until == rule.everywhere
            assert anomalies.find(lake, settle_days=days).settled == rule.by_provider
            newest = max(rule.by_provider.values())
            judged = anomalies.daily_costs(lake, rule.by_provider, OCTOBER, newest)
            assert judged["ds"].max() == newest - pd.Timedelta(1, unit="D")


def test_the_past_does_not_know_that_a_month_was_closed_later(load: Load, tmp_path: Path) -> None:
    load(tmp_path, BILLS["a closed month alone"], LOADED)  # 14 days after its end: closed
    known = {"2026-10-15": "2026-10-13", "2026-11-14": "2026-10-30", "2026-11-16": "2026-11-01"}
    with Lake.open(tmp_path / "lake", read_only=True) as lake:
        for as_of, expected in known.items():
            found = settled(lake, 2, datetime.fromisoformat(as_of).replace(tzinfo=UTC))
            assert found.everywhere == pd.Timestamp(expected, tz="UTC")
            assert found.by_provider == {"AWS": found.everywhere}


def test_a_lake_without_bills_has_no_settled_day(load: Load, tmp_path: Path) -> None:
    load(tmp_path, [])
    with Lake.open(tmp_path / "lake", read_only=True) as lake:
        found = settled(lake, 2)
    assert (found.by_provider, found.everywhere) == ({}, None)
