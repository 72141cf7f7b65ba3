"""Incidents of a real lake whose bill goes wrong in known ways: each is found, priced and explained."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from optimizer.anomalies import Watched, find, highest_rejected
from optimizer.anomaly_causes import CAUSES, effects
from optimizer.incidents import COST, UTILISATION, Episode, grouped
from tests.optimizer.broken_bill import BROKEN, NEWEST, SETTLED


@pytest.fixture(scope="module")
def found(broken: Path) -> Watched:
    with Lake.open(broken / "lake", read_only=True) as lake:
        return find(lake, settle_days=2, since=datetime(2026, 5, 8, tzinfo=UTC))


def episodes(found: Watched) -> dict[str, Episode]:
    return {
        one.resource or one.place["service"]: one
        for incident in found.incidents
        for one in incident.contributions
    }


@pytest.mark.parametrize("service", ["price", "usage", "mix", "new resource", "commitment expiry", "credit"])
def test_each_cause_is_recognised(found: Watched, service: str) -> None:
    one = episodes(found)[service]
    assert one.kind == COST
    assert one.first == BROKEN
    assert one.cause == service


def test_a_service_that_is_as_always_is_silent_and_unsettled_days_are_not_judged(found: Watched) -> None:
    assert "quiet" not in episodes(found)
    assert max(one.last for one in episodes(found).values() if one.kind == COST) < SETTLED
    assert found.settled == {"AWS": SETTLED, "Acme": NEWEST}


def test_an_excess_is_money_beyond_the_band(found: Watched) -> None:
    price = episodes(found)["price"]
    assert price.currency == "USD"
    assert price.expected == pytest.approx(100, rel=0.05)
    assert price.actual == pytest.approx(150, rel=0.05)
    assert price.excess == pytest.approx(price.days * 47, rel=0.1)  # 50 less the 0.9 quantile of 2 % noise
    credit = episodes(found)["credit"]
    assert credit.days == 1
    assert credit.excess == pytest.approx(-147, rel=0.1)


def test_what_shares_its_place_and_days_is_one_incident(found: Watched) -> None:
    (one,) = [incident for incident in found.incidents if incident.shared.get("region") == "shared"]
    assert one.shared == {"provider": "AWS", "sub_account": "prod", "region": "shared", "team": "web"}
    services = [part.place["service"] for part in one.contributions if part.kind == COST]
    assert set(services) == {"usage", "usage beside it"}
    shares = [one.share(part) or 0.0 for part in one.contributions if part.kind == COST]
    assert shares == sorted(shares, reverse=True)
    assert one.severity == pytest.approx(
        sum(part.excess or 0.0 for part in one.contributions if part.kind == COST)
    )


def test_utilisation_is_priced_by_its_resource_where_that_is_billed(found: Watched) -> None:
    billed, unbilled = (episodes(found)[name] for name in ("i-usage", "i-nobody-pays"))
    assert billed.kind == unbilled.kind == UTILISATION
    assert billed.first == unbilled.first == BROKEN
    assert billed.place["sub_account"] == "prod"
    assert billed.excess == pytest.approx(billed.days * 107, rel=0.1)  # mean cost of a day of the resource
    assert unbilled.excess is None
    assert unbilled.currency is None
    assert "i-steady" not in episodes(found)  # certain, but too little


def test_the_default_window_and_an_earlier_one(broken: Path) -> None:
    with Lake.open(broken / "lake", read_only=True) as lake:
        assert find(lake, settle_days=2).since == NEWEST - pd.Timedelta(30, unit="D")
        later = find(lake, settle_days=2, since=datetime(2026, 5, 12, tzinfo=UTC))
    assert later.incidents == ()  # what began before goes on alerting: no beginning


def test_an_empty_lake_has_no_incident(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        made = find(lake, settle_days=2)
    assert made.incidents == ()
    assert made.since is None


# -- causes ----------------------------------------------------------------------------------------------


def detail(*rows: tuple[int, str, str | None, str | None, float, float]) -> pd.DataFrame:
    """Rows of `cost_detail`: day of May, sku, resource, commitment, quantity, cost; in hours of use."""
    names = ["day", "sku", "resource", "commitment", "quantity", "effective_cost"]
    table = pd.DataFrame(rows, columns=pd.Index(names)).astype(
        {"resource": "str", "commitment": "str", "sku": "str"}
    )
    days = pd.to_datetime(table["day"].map("2026-05-{:02d}".format), utc=True)
    return table.assign(day=days, category="Usage", is_correction=False, unit="Hours")


def split(*rows: tuple[int, str, str | None, str | None, float, float]) -> dict[str, float]:
    found = effects(detail(*rows), begins=BROKEN, days_before=1, days_after=1)
    assert set(found) == set(CAUSES)
    return {cause: round(amount, 6) for cause, amount in found.items() if round(amount, 6)}


def test_causes_by_hand() -> None:
    assert split((9, "a", None, None, 10, 10), (10, "a", None, None, 10, 15)) == {"price": 5}
    assert split((9, "a", None, None, 10, 10), (10, "a", None, None, 12, 12)) == {"usage": 2}
    assert split((9, "a", None, None, 10, 10), (10, "a", None, None, 12, 24)) == {"price": 12, "usage": 2}
    # 4 hours move from a SKU at 1 to one at 3, and 2 hours more of that
    assert split(
        (9, "a", None, None, 10, 10), (9, "b", None, None, 10, 30),
        (10, "a", None, None, 6, 6), (10, "b", None, None, 16, 48),
    ) == {"mix": 8, "usage": 6}  # fmt: skip
    # a resource of 5 hours beside one that stays, another replaced like for like
    assert split(
        (9, "a", "i-1", None, 10, 10), (9, "a", "i-2", None, 4, 4),
        (10, "a", "i-1", None, 10, 10), (10, "a", "i-3", None, 4, 4), (10, "a", "i-4", None, 5, 5),
    ) == {"new resource": 5}  # fmt: skip
    # half of 10 hours leaves a commitment at 0.6 for 1.0
    assert split(
        (9, "a", "i-1", "sp", 10, 6),
        (10, "a", "i-1", "sp", 5, 3), (10, "a", "i-1", None, 5, 5),
    ) == {"commitment expiry": 2}  # fmt: skip


def test_causes_add_up_to_the_change() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = [
            (int(rng.choice([9, 10])), str(rng.choice(["a", "b", "c"])), str(rng.choice(["i-1", "i-2"])),
             rng.choice(["sp", None]), float(rng.uniform(0, 9)), float(rng.uniform(-1, 9)))
            for _ in range(12)
        ]  # fmt: skip
        table = detail(*rows)
        change = table["effective_cost"].where(table["day"].ge(BROKEN), -table["effective_cost"]).sum()
        found = effects(table, begins=BROKEN, days_before=1, days_after=1)
        assert sum(found.values()) == pytest.approx(change)


# -- across series ---------------------------------------------------------------------------------------


def test_the_limit_of_benjamini_and_hochberg() -> None:
    # 4 tests at 0.1: limits 0.025, 0.05, 0.075, 0.1
    assert highest_rejected(np.array([0.5, 0.01, 0.06, 0.9])) == 0.01
    assert highest_rejected(np.array([0.5, 0.03, 0.04, 0.07])) == 0.07  # together they are no chance
    assert highest_rejected(np.array([0.03, 0.5, 0.6, 0.9])) == -1.0
    assert highest_rejected(np.array([])) == -1.0


def episode(first: str, actual: float = 2.0, **place: str) -> Episode:
    day = pd.Timestamp(first, tz="UTC")
    return Episode(COST, {"provider": "AWS", **place}, "USD", day, day, 1.0, actual, 1.0, actual - 1.0)


def test_incidents_need_two_things_in_common_the_same_days_and_direction() -> None:
    one = episode("2026-05-10", sub_account="p", service="x", region="r")
    near = episode("2026-05-11", sub_account="p", service="y", region="r")
    late = episode("2026-05-13", sub_account="p", service="y", region="r")
    apart = episode("2026-05-10", sub_account="p", service="z", region="q")
    fall = episode("2026-05-10", actual=0.0, sub_account="p", service="y", region="r")
    assert [len(incident.contributions) for incident in grouped([one, near])] == [2]
    for other in (late, apart, fall):
        assert len(grouped([one, other])) == 2
    assert grouped([near, one]) == grouped([one, near])
