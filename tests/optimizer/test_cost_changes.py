"""Changes of cost that are known beforehand, by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.optimizer.daily_bills import look, named


def test_known_changes_of_the_settings(steady: Path) -> None:
    changes = [
        {"name": "price", "day": date(2026, 12, 1), "tag": {"team": "ads"}, "factor": 1.5},
        {"name": "service", "day": date(2026, 12, 11), "owner": "search", "amount_per_day": 10.0},
        {"name": "old", "day": date(2026, 9, 1), "factor": 3.0},
    ]
    found = look(steady, months=2, costs={"changes": changes})
    december = {key: named(found, key).months[1].middle for key in ("owner/ads/USD", "owner/search/USD")}
    assert december["owner/ads/USD"] == pytest.approx(31 * 75, rel=1e-6)
    assert december["owner/search/USD"] == pytest.approx(31 * 100 + 310 + 21 * 10, rel=1e-6)
    everything = named(found, "all/USD").months[1].middle
    assert everything == pytest.approx((31 * 175 + 310 + 21 * 10) * 1.1, rel=1e-6)


def test_an_amount_of_everything_is_in_no_budget_of_a_filter(steady: Path) -> None:
    """What comes on top of everything is nobody's part of it; the budget of everything has it."""
    budgets = [
        {"name": "filtered", "tag": {"team": "ads"}, "monthly_amount": 1.0},
        {"name": "whole", "monthly_amount": 1.0},
    ]
    changes = [{"name": "more", "day": date(2026, 12, 1), "amount_per_day": 7.0}]
    plain, more = (
        {name: named(found, f"budget/{name}").months[1].middle for name in ("filtered", "whole")}
        for found in (
            look(steady, months=2, budgets=budgets, costs=costs) for costs in ({}, {"changes": changes})
        )
    )
    assert more["filtered"] == plain["filtered"]
    assert more["whole"] == pytest.approx(plain["whole"] + 31 * 7 * 1.1, rel=1e-6)
