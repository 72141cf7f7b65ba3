"""Budgets: month-ends worked out by hand, other currencies, the past as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from data.ingest import ingest
from data.lake import Lake
from optimizer.errors import InputError
from tests.optimizer.daily_bills import LOADED, SHARED_TAX, Load, day_rows, look, month_rows, named


def test_a_month_ends_with_what_is_billed_and_what_is_still_to_come(steady: Path) -> None:
    found = look(steady, months=3, allocation=SHARED_TAX)
    assert found.period == "2026-11"
    everything, ads = (named(found, key).months for key in ("all/USD", "owner/ads/USD"))
    # 30 days at 150 and the support fee, with 10 % tax; 12 of the days are billed, and as much of the fee.
    assert everything[0].middle == pytest.approx((30 * 150 + 310) * 1.1, rel=1e-6)
    assert float(everything[0].known) == pytest.approx((12 * 150 + 310 * 12 / 30) * 1.1, rel=1e-5)
    assert everything[1].middle == pytest.approx((31 * 150 + 310) * 1.1, rel=1e-6)
    assert [month.month for month in everything] == ["2026-11", "2026-12", "2027-01"]
    assert not any(month.is_closed for month in everything)
    tax = 0.1 * (31 * 150 + 310) * (50 * 31) / (31 * 150 + 310) / (50 * 31)  # a third of it, in proportion
    assert ads[0].middle == pytest.approx(30 * 50 * (1 + tax), rel=1e-3)
    assert ads[0].high - ads[0].low < 1e-6 * ads[0].middle
    assert named(found, "owner/ads/USD").last_month == pytest.approx(31 * 50 * (1 + tax), rel=1e-9)


def test_a_filter_without_charges_says_so(steady: Path) -> None:
    found = look(steady, months=1, budgets=[{"name": "none", "service": "Quantum*", "monthly_amount": 5}])
    status = named(found, "budget/none")
    assert (status.months, status.alarms) == ((), ())
    assert status.notes == ("no charge matches so far: nothing to forecast",)


def test_a_budget_in_another_currency_needs_the_rate(load: Load, steady: Path, tmp_path: Path) -> None:
    budgets = [{"name": "euro", "owner": "ads", "monthly_amount": 1500, "currency": "EUR"}]
    with pytest.raises(InputError, match="no rate from USD to EUR"):
        look(steady, months=1, budgets=budgets)
    rows = [*day_rows(lambda _: 50.0, Tags='{"team": "ads"}')]
    load(tmp_path, rows)
    (tmp_path / "fx.csv").write_text("date,base_currency,quote_currency,rate\n2026-01-01,USD,EUR,0.8\n")
    with Lake.open(tmp_path / "lake") as lake:
        ingest(lake, tmp_path / "fx.csv", loaded_at=LOADED)
    status = named(look(tmp_path, months=1, budgets=budgets), "budget/euro")
    assert status.months[0].middle == pytest.approx(0.8 * 50 * 30, rel=1e-6)
    assert status.drivers == ()


def test_a_replay_of_the_past_does_not_know_what_came_later(load: Load, tmp_path: Path) -> None:
    seen = []
    change = pd.Timestamp("2026-10-13", tz="UTC")
    for folder, later in (("one", 1.0), ("other", 4.0)):
        fees = {"2026-08": 310.0, "2026-09": 310.0, "2026-10": 310.0, "2026-11": 310.0 * later}
        rows = [
            *day_rows(lambda day, by=later: 100.0 * (by if day >= change else 1.0)),
            *month_rows(fees, ServiceName="Support"),
            *month_rows({"2026-09": 331.0, "2026-11": 50.0 * later}, ChargeCategory="Tax", ServiceName="Tax"),
        ]
        (tmp_path / folder).mkdir()
        load(tmp_path / folder, rows)
        found = look(tmp_path / folder, months=2, as_of=datetime(2026, 10, 15, tzinfo=UTC))
        assert found.period == "2026-10"
        seen.append([status.months for status in found.statuses])
    assert seen[0] == seen[1]
    assert not any(month.is_closed for months in seen[0] for month in months)


@pytest.mark.parametrize(("first", "is_little"), [("2026-10-01", True), ("2026-08-01", False)])
def test_a_forecast_from_few_days_says_so(load: Load, tmp_path: Path, first: str, is_little: bool) -> None:
    found = look(load(tmp_path, list(day_rows(lambda _: 100.0, first=first))), months=3)
    told = [note for note in found.notes if "of bills are known" in note]
    assert [note[:16] for note in told] == (["only 43 days of "] if is_little else [])


@pytest.mark.parametrize(
    ("as_of", "last", "word"),
    [
        (datetime(2029, 1, 1, tzinfo=UTC), "2026-11-14", "found none of the 25 months before 2029-01-01"),
        (datetime(2026, 8, 3, tzinfo=UTC), "2026-08-02", "found no daily charge before 2026-08-01, where"),
    ],
)  # fmt: skip
def test_bills_that_say_nothing_yet_or_any_more(
    load: Load, tmp_path: Path, as_of: datetime, last: str, word: str
) -> None:
    folder = load(tmp_path, list(day_rows(lambda _: 100.0, last=last)))
    with pytest.raises(InputError, match=word):
        look(folder, months=1, as_of=as_of)


def test_no_bill_at_all(load: Load, tmp_path: Path) -> None:
    load(tmp_path, [])
    with pytest.raises(InputError, match="found none with daily charges; expected a bill"):
        look(tmp_path)


def test_the_frame_holds_every_month_of_everyone(steady: Path) -> None:
    frame = look(steady, months=4).frame()
    assert len(frame) == 4 * frame["key"].nunique()
    assert (frame[["q0.1", "q0.5", "q0.9"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
