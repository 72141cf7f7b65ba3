"""Alarms: probabilities, days of crossing, and what people are told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimizer.budget_alerts import alerts_of
from tests.optimizer.daily_bills import look, named


def test_alarms_know_the_day_of_crossing(steady: Path) -> None:
    budgets = [
        {"name": "tight", "owner": "ads", "monthly_amount": 1000, "alarms": [
            {"share": 0.5, "probability": 0.9}, {"share": 1.0, "probability": 0.5}]},
        {"name": "wide", "owner": "ads", "monthly_amount": 1501},
        {"name": "passed", "service": "Compute*", "monthly_amount": 1000},
    ]  # fmt: skip
    found = look(steady, months=1, budgets=budgets)
    half, whole = named(found, "budget/tight").alarms
    assert (half.probability, half.crossing, half.is_raised) == (1.0, date(2026, 11, 11), True)
    assert (whole.probability, whole.crossing, whole.is_raised) == (1.0, date(2026, 11, 21), True)
    (wide,) = named(found, "budget/wide").alarms
    assert (wide.probability, wide.crossing, wide.is_raised) == (0.0, None, False)
    (passed,) = named(found, "budget/passed").alarms
    assert passed.crossing == date(2026, 11, 7)
    told = {alert.key: alert for alert in alerts_of(found)}
    assert {key: alert.severity for key, alert in told.items()} == {
        "budget/tight/2026-11/0.5": "info",
        "budget/tight/2026-11/1": "critical",
        "budget/passed/2026-11/1": "critical",
    }
    assert told["budget/passed/2026-11/1"].title == "passed has passed 100% of its budget for 2026-11"
    assert "day of passing it: 2026-11-21" in told["budget/tight/2026-11/1"].lines
    assert told["budget/tight/2026-11/1"].money == (pytest.approx(500, abs=1), "USD")
    assert not any(s.subject.key == "owner/ads/USD" for s in found.statuses)  # its budget stands for it
