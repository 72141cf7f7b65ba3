"""Budgets: months that equal the chargeback, month-ends worked out by hand, drivers, alarms, and a replay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner

from data.ingest import ingest
from data.lake import Lake
from data.synthetic import write_demo
from optimizer.budget_alerts import alerts_of
from optimizer.budget_status import Status
from optimizer.budgets import Outlook, outlook
from optimizer.chargeback import make as make_chargeback
from optimizer.cli import app
from optimizer.config import Settings
from optimizer.cost_drivers import EFFECTS
from optimizer.errors import InputError
from optimizer.team_costs import team_costs
from tests.data.bills import focus_csv

LOADED = datetime(2026, 11, 15, 12, tzinfo=UTC)  # 2 days to settle: known up to and with November 12
SHARED_TAX = {"shared": [{"match": {"category": "Tax"}, "split": "proportional"}]}
Row = dict[str, str]


def day_rows(
    cost: Callable[[pd.Timestamp], float | None],
    *,
    first: str = "2026-08-01",
    last: str = "2026-11-14",
    quantity: Callable[[pd.Timestamp], float] = lambda _: 24.0,
    **fields: str,
) -> Iterator[Row]:
    """A charge a day; None leaves the day out."""
    for day in pd.date_range(first, last, freq="D", tz="UTC"):
        amount = cost(day)
        if amount is not None:
            yield {
                **month_of(day), "ChargePeriodStart": day.isoformat(),
                "ChargePeriodEnd": (day + pd.Timedelta(1, unit="D")).isoformat(),
                "BilledCost": f"{amount:.6f}", "EffectiveCost": f"{amount:.6f}", "ListCost": f"{amount:.6f}",
                "ContractedCost": f"{amount:.6f}", "PricingQuantity": f"{quantity(day):.3f}",
                "PricingUnit": "Hours", "ChargeFrequency": "Usage-Based", "SkuMeter": "box",
                "Tags": '{"team": "search"}', **fields,
            }  # fmt: skip


def issuer(name: str) -> Row:
    return {"ProviderName": name, "InvoiceIssuerName": name, "BillingAccountId": name}


def month_of(day: pd.Timestamp) -> Row:
    start = day.normalize().replace(day=1)
    end = start + pd.DateOffset(months=1)
    return {"BillingPeriodStart": start.isoformat(), "BillingPeriodEnd": end.isoformat()}


def month_rows(amounts: Mapping[str, float], **fields: str) -> Iterator[Row]:
    """A charge for a whole month."""
    for month, amount in amounts.items():
        start = pd.Timestamp(f"{month}-01", tz="UTC")
        period = month_of(start)
        yield {
            **period, "ChargePeriodStart": period["BillingPeriodStart"],
            "ChargePeriodEnd": period["BillingPeriodEnd"], "BilledCost": f"{amount}",
            "EffectiveCost": f"{amount}", "ListCost": f"{amount}", "ContractedCost": f"{amount}",
            "ChargeFrequency": "One-Time", "Tags": '{"team": "search"}', **fields,
        }  # fmt: skip


def load(folder: Path, rows: Sequence[Row], at: datetime = LOADED) -> Path:
    with Lake.open(folder / "lake") as lake:
        ingest(lake, focus_csv(folder / "bill.csv", rows), loaded_at=at)
    return folder


def look(folder: Path, *, as_of: datetime = LOADED, **keys: Any) -> Outlook:
    asked = {name: keys.pop(name) for name in ("period", "months") if name in keys}
    with Lake.open(folder / "lake", read_only=True) as lake:
        return outlook(lake, Settings(**keys), as_of=as_of, **asked)


def named(found: Outlook, key: str) -> Status:
    return next(status for status in found.statuses if status.subject.key == key)


MONTHS = ("2026-08", "2026-09", "2026-10")


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 a day for search, 50 for ads, 310 a month for support of search, 10 % tax to share.

    The two newest days are almost empty: they have not arrived yet.
    """
    late = pd.Timestamp("2026-11-13", tz="UTC")
    lengths = {"2026-08": 31, "2026-09": 30, "2026-10": 31}
    taxes = {month: 0.1 * (150 * days + 310) for month, days in lengths.items()}
    rows = [
        *day_rows(lambda day: 100.0 if day < late else 3.0),
        *day_rows(lambda day: 50.0 if day < late else 1.0, Tags='{"team": "ads"}'),
        *month_rows(dict.fromkeys((*MONTHS, "2026-11"), 310.0), ServiceName="Support"),
        *month_rows({**taxes, "2026-11": 0.1 * 1500}, ServiceName="Tax", ChargeCategory="Tax", Tags=""),
    ]
    return load(tmp_path_factory.mktemp("steady"), rows)


# -- what is known ---------------------------------------------------------------------------------


def test_closed_months_equal_the_chargeback_to_the_last_decimal(steady: Path) -> None:
    allocation = Settings(allocation=SHARED_TAX).allocation
    found = look(steady, period="2026-08", months=3, allocation=SHARED_TAX)
    with Lake.open(steady / "lake", read_only=True) as lake:
        for place, month in enumerate(MONTHS):
            made = make_chargeback(lake, allocation, (), period=month)
            for owner, currency, total, _ in made.by_owner():
                cost = named(found, f"owner/{owner}/{currency}").months[place]
                assert (cost.month, cost.is_closed, cost.known) == (month, True, total)
                assert cost.low == cost.high == float(total)
            assert named(found, "all/USD").months[place].known == made.totals["USD"]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One month of charges, fees, refunds that cancel them, and taxes, of several teams."""
    costs = ((300, "search", "A"), (-50, "ads", "A"), (700, "", "B"), (20, "other", "B"), (0, "ads", "C"))
    rows: list[Row] = []
    for place, (cost, name, service) in enumerate(costs):
        fields = {"ServiceName": service, "Tags": json.dumps({"team": name}) if name else ""}
        start, end = f"2026-10-{place + 1:02}", f"2026-10-{2 * place + 2:02}"
        rows += day_rows(lambda _, c=cost: c / 7, first=start, last=end, **fields)
    for service, amounts in {"Tax": (100 / 3,), "Refund": (40.0, -40.0), "Refund2": (9.0, -9.5)}.items():
        for amount in amounts:
            fields = {"ServiceName": service, "Tags": "", "ChargeCategory": "Tax", "SkuMeter": f"{amount}"}
            rows += month_rows({"2026-10": amount}, **fields)
    return load(tmp_path_factory.mktemp("mixed"), rows)


SPLITS = (
    {"split": "even"},
    {"split": "proportional"},
    {"split": "fixed", "shares": {"search": 0.3, "x": 0.7}},
)
MATCHES = (
    {"category": "Tax"},
    {"service": "B"},
    {"tag": {"team": "other"}},
    {"service": "A"},
    {"service": "*"},
    {"tag": {"team": "search"}},
)
OWNERS = ({"owner": "a", "service": "A"}, {"owner_from": "tag:team"}, {"owner": "b", "tag": {"team": "ads"}})


@settings(max_examples=6, deadline=None)
@example(shared=[(MATCHES[5], {"split": "even", "among": ["ads"]})], rules=[], metric="effective")
@given(
    shared=st.lists(st.tuples(st.sampled_from(MATCHES), st.sampled_from(SPLITS)), max_size=3),
    rules=st.lists(st.sampled_from(OWNERS), max_size=2),
    metric=st.sampled_from(["effective", "billed"]),
)
def test_days_add_up_to_the_chargeback_whatever_the_rules(
    mixed: Path, shared: list[tuple[dict[str, Any], dict[str, Any]]], rules: list[dict[str, Any]], metric: str
) -> None:
    how = {"rules": rules, "metric": metric, "shared": [{"match": m, **split} for m, split in shared]}
    allocation = Settings(allocation=how).allocation
    with Lake.open(mixed / "lake", read_only=True) as lake:
        found = team_costs(lake, allocation, since="2026-10")
        made = make_chargeback(lake, allocation, (), period="2026-10")
    sums = found.days.loc[found.days["owner"].notna()].groupby("owner")["cost"].sum()
    for owner, _, total, _ in made.by_owner():
        assert sums.get(owner, 0.0) == pytest.approx(float(total), abs=1e-8)
        assert found.total("2026-10", "USD", owner) == total
    bill = found.days.loc[~found.days["is_shared"].astype(bool), "cost"].sum()
    assert bill == pytest.approx(float(made.totals["USD"]), abs=1e-8)


def test_the_newest_days_of_a_load_are_not_believed(steady: Path) -> None:
    assert look(steady, months=1).settled_until == datetime(2026, 11, 13, tzinfo=UTC)
    bold = look(steady, months=1, costs={"settle_days": 0})
    assert bold.settled_until == datetime(2026, 11, 15, tzinfo=UTC)
    assert named(bold, "owner/ads/USD").months[0].middle < 1450  # it takes the empty days for the truth


def test_the_provider_that_is_latest_says_what_is_settled(tmp_path: Path) -> None:
    rows = [
        *day_rows(lambda _: 10.0),
        *day_rows(lambda _: 5.0, last="2026-11-07", **issuer("Google Cloud")),
        *day_rows(lambda _: 5.0, last="2026-09-30", **issuer("Oracle")),  # sends no bill any more
    ]
    found = look(load(tmp_path, rows), months=1)
    assert found.settled_until == datetime(2026, 11, 6, tzinfo=UTC)


# -- month-ends ------------------------------------------------------------------------------------


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


def test_a_filter_without_charges_says_so(steady: Path) -> None:
    found = look(steady, months=1, budgets=[{"name": "none", "service": "Quantum*", "monthly_amount": 5}])
    status = named(found, "budget/none")
    assert (status.months, status.alarms) == ((), ())
    assert status.notes == ("no charge matches so far: nothing to forecast",)


def test_a_budget_in_another_currency_needs_the_rate(steady: Path, tmp_path: Path) -> None:
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


def test_a_replay_of_the_past_does_not_know_what_came_later(tmp_path: Path) -> None:
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


# -- why -------------------------------------------------------------------------------------------


def test_drivers_tell_price_usage_new_and_ended_apart(tmp_path: Path) -> None:
    november = pd.Timestamp("2026-11-01", tz="UTC")

    def box(hours: float, price: float) -> dict[str, Any]:
        return {"cost": lambda _: hours * price, "quantity": lambda _: hours}

    def switch(before: tuple[float, float], after: tuple[float, float]) -> dict[str, Any]:
        pick = lambda day: after if day >= november else before  # noqa: E731
        return {"cost": lambda d: pick(d)[0] * pick(d)[1], "quantity": lambda d: pick(d)[0]}

    rows = [
        *day_rows(**switch((24, 1.0), (24, 1.25)), ServiceName="Dearer"),
        *day_rows(**switch((24, 1.0), (36, 1.0)), ServiceName="Busier"),
        *day_rows(**switch((10, 1.0), (20, 2.0)), ServiceName="Both"),
        *day_rows(**box(24, 2.0), first="2026-11-01", ServiceName="New"),
        *day_rows(**box(24, 3.0), last="2026-10-31", ServiceName="Ended"),
        *month_rows({"2026-09": 310.0, "2026-10": 310.0, "2026-11": 400.0}, ServiceName="Fee"),
    ]
    status = named(look(load(tmp_path, rows), months=1), "owner/search/USD")
    found = {d.service: [round(getattr(d, name), 6) for name in EFFECTS] for d in status.drivers}
    assert found == {  # per day × 30
        "Dearer": [30 * 24 * 0.25, 0, 0, 0, 0],
        "Busier": [0, 30 * 12, 0, 0, 0],
        "Both": [30 * 15, 30 * 15, 0, 0, 0],
        "New": [0, 0, 30 * 48, 0, 0],
        "Ended": [0, 0, 0, -30 * 72, 0],
        "Fee": [0, 0, 0, 0, 90],
    }
    assert [abs(d.change) for d in status.drivers] == sorted(
        (abs(d.change) for d in status.drivers), reverse=True
    )


# -- the demo's bills ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder, seed=7, as_of=datetime(2026, 11, 16, tzinfo=UTC))
    with Lake.open(folder / "lake") as lake:
        for path in (folder / "exports").iterdir():
            if path.name != "utilisation":
                ingest(lake, path, loaded_at=datetime(2026, 11, 16, 1, tzinfo=UTC))
    return folder


def test_commitments_that_end_are_listed_with_their_effect(demo: Path) -> None:
    together = {"rules": [{"owner": "everyone"}]}
    found = look(demo, months=6, as_of=datetime(2026, 11, 16, 1, tzinfo=UTC), allocation=together)
    effects = {item.description: item.per_day for item in found.expiries}
    with Lake.open(demo / "lake", read_only=True) as lake:
        october = lake.read("charges").query("x_Month == '2026-10'")
    mine = october.loc[october["CommitmentDiscountId"].str.endswith("orders-1y", na=False)]
    used = mine.loc[mine["CommitmentDiscountStatus"].eq("Used")]
    by_hand = (used["ContractedCost"].sum() - mine["EffectiveCost"].sum()) / 31
    assert effects["orders-1y"] == pytest.approx(by_hand)
    assert by_hand > 0
    assert {item.ends for item in found.expiries} == {pd.Timestamp("2027-04-01", tz="UTC")}
    costs = {"commitments_end": False}
    without = look(demo, months=6, as_of=found.as_of, allocation=together, costs=costs)
    march, april = (
        named(found, "all/USD").months[i].middle - named(without, "all/USD").months[i].middle for i in (4, 5)
    )
    assert march == pytest.approx(0, abs=1)
    assert april == pytest.approx(30 * sum(filter(None, effects.values())), rel=0.05)  # and its tax


def test_month_ends_forecast_from_within_october_hold(demo: Path) -> None:
    """Replayed from three days, for eleven owners: the truth is the chargeback of the closed month."""
    truth = look(demo, period="2026-10", months=1, as_of=datetime(2026, 11, 16, 1, tzinfo=UTC))
    inside, errors = [], []
    for day in (12, 20, 27):
        found = look(demo, period="2026-10", months=1, as_of=datetime(2026, 10, day, tzinfo=UTC))
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


# -- the command -----------------------------------------------------------------------------------


TOML = """
[[budgets]]
name = "ads"
owner = "ads"
monthly_amount = 1000
[[alerts.channels]]
name = "ops"
kind = "webhook"
url_env = "HOOK_URL"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    rows = [*day_rows(lambda _: 50.0, first="2026-09-01", Tags='{"team": "ads"}')]
    load(tmp_path, rows)
    (tmp_path / "trimtab.toml").write_text(TOML)
    return tmp_path


def ran(workspace: Path, *more: str) -> Any:
    asked = ["budget", "--workspace", str(workspace), "--as-of", "2026-11-15T12:00:00+00:00", *more]
    return CliRunner().invoke(app, asked)


def test_the_command_shows_and_tells(
    workspace: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("HOOK_URL", httpserver.url_for("/hook"))
    httpserver.expect_request("/hook").respond_with_data("ok")
    human = ran(workspace, "--months", "2")
    assert human.exit_code == 0, human.output
    assert (
        "alarm: ads passes 100% of its budget (1,000 USD) with 100% probability, on 2026-11-21"
        in human.stdout
    )
    assert httpserver.log == []  # only when asked
    told = ran(workspace, "--months", "2", "--alert", "--json")
    assert told.exit_code == 0, told.output
    summary = json.loads(told.stdout)
    (budget,) = [item for item in summary["budgets"] if item["key"] == "budget/ads"]
    assert [month["month"] for month in budget["months"]] == ["2026-11", "2026-12"]
    assert budget["months"][0]["q0.5"] == pytest.approx(1500)
    assert Decimal(budget["months"][0]["known"]) == 600
    assert budget["alarms"][0]["crossing"] == "2026-11-21"
    assert [item["status"] for item in summary["deliveries"]] == ["sent"]
    again = json.loads(ran(workspace, "--alert", "--json").stdout)
    assert [item["status"] for item in again["deliveries"]] == ["repeated"]
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--period", "2026-08"), "a month from 2026-09 (first bill) to 2028-11"),
        (("--period", "November"), "a month such as 2026-10"),
        (("--months", "0"), "expected 1 to 36"),
    ],
)
def test_what_cannot_be_answered_is_bad_input(workspace: Path, asked: tuple[str, ...], said: str) -> None:
    found = ran(workspace, *asked)
    assert found.exit_code == 2
    assert said in found.stderr


def test_no_bill_at_all(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake"):
        pass
    with pytest.raises(InputError, match="no charge of a settled day"):
        look(tmp_path)


def test_the_frame_holds_every_month_of_everyone(steady: Path) -> None:
    frame = look(steady, months=4).frame()
    assert len(frame) == 4 * frame["key"].nunique()
    assert (frame[["q0.1", "q0.5", "q0.9"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
