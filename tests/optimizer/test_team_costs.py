"""Costs by day and owner: they add up to the chargeback, to the last decimal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.lake import Lake
from optimizer.chargeback import make as make_chargeback
from optimizer.config import Settings
from optimizer.team_costs import team_costs
from tests.optimizer.daily_bills import MONTHS, SHARED_TAX, Load, Row, day_rows, look, month_rows, named


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
def mixed(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
