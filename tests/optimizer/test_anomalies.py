"""Incidents of a real lake whose bill goes wrong in known ways: each is found, priced and explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.ingest import ingest
from data.lake import Lake
from optimizer.anomalies import Watched, find, highest_rejected
from optimizer.anomaly_causes import CAUSES, effects
from optimizer.incidents import COST, UTILISATION, Episode, grouped
from tests.data.bills import focus_csv
from tests.e2e.workspaces import cli

DAYS = pd.date_range("2026-03-01", "2026-05-20", freq="D", tz="UTC")
LOADED = datetime(2026, 5, 25, 6, tzinfo=UTC)  # before the month is closed
BROKEN = pd.Timestamp("2026-05-10", tz="UTC")
NEWEST = pd.Timestamp("2026-05-23", tz="UTC")  # that of the bill which goes on
SETTLED = pd.Timestamp("2026-05-19", tz="UTC")  # two days before the end of the 20th
TEAM = '{"team": "web"}'
Lines = Iterator[tuple[str, float, float, Mapping[str, str]]]  # sku, quantity, price, further columns


def lines(service: str, day: pd.Timestamp, much: float) -> Lines:
    """What each service is billed on a day: usually about `much`, from BROKEN on with its own fault."""
    is_broken = day >= BROKEN
    if service == "price":
        yield "a", much, 1.5 if is_broken else 1.0, {}
    elif service in {"usage", "usage beside it"}:
        yield "a", much * (1.6 if is_broken else 1.0), 1.0, {"ResourceId": f"i-{service}"}
    elif service == "mix":
        yield "a", much * (0.2 if is_broken else 0.8), 1.0, {}
        yield "b", much * (0.8 if is_broken else 0.2), 3.0, {}
    elif service == "new resource":
        yield "a", much, 1.0, {"ResourceId": "i-1"}
        if is_broken:
            yield "a", 60.0, 1.0, {"ResourceId": "i-2"}
    elif service == "commitment expiry":
        used = {"CommitmentDiscountId": "sp-1", "CommitmentDiscountStatus": "Used"}
        yield "a", much, 1.0 if is_broken else 0.6, {} if is_broken else used
    elif service == "credit":
        yield "a", much, 1.0, {}
        if day == BROKEN:
            yield "c", 1.0, -150.0, {"ChargeCategory": "Credit", "PricingQuantity": "", "PricingUnit": ""}
    elif service == "quiet":
        yield "a", much * (9.0 if day == DAYS[-1] else 1.0), 1.0, {}  # not settled yet


SERVICES = (
    "price",
    "usage",
    "usage beside it",
    "mix",
    "new resource",
    "commitment expiry",
    "credit",
    "quiet",
)


def charges() -> Iterator[dict[str, str]]:
    """Bills of AWS until the 20th, and of Acme until four days later."""
    rng = np.random.default_rng(5)
    for day in pd.date_range(DAYS[0], DAYS[-1] + pd.Timedelta(4, unit="D"), freq="D"):
        for service in SERVICES if day <= DAYS[-1] else ():
            much = 100.0 * rng.lognormal(0, 0.02)
            for sku, quantity, price, more in lines(service, day, much):
                yield charge(service, day, sku, quantity, price) | more
        yield charge("elsewhere", day, "a", 100.0, 1.0) | {"ProviderName": "Acme"}


def charge(service: str, day: pd.Timestamp, sku: str, quantity: float, price: float) -> dict[str, str]:
    """A line of the bill for one day."""
    place = "shared" if service.startswith("usage") else service
    cost = f"{quantity * price:.6f}"
    return dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), cost) | {
        "ServiceName": service,
        "SubAccountId": "prod",
        "RegionId": place,
        "SkuId": sku,
        "Tags": TEAM if place == "shared" else "",
        "ChargePeriodStart": f"{day:%Y-%m-%dT00:00:00Z}",
        "ChargePeriodEnd": f"{day + pd.Timedelta(1, unit='D'):%Y-%m-%dT00:00:00Z}",
        "BillingPeriodStart": f"{day:%Y-%m-01T00:00:00Z}",
        "BillingPeriodEnd": f"{(day + pd.offsets.MonthBegin(1)):%Y-%m-01T00:00:00Z}",
        "PricingQuantity": f"{quantity:.6f}",
        "PricingUnit": "Hours",
    }


def usage() -> pd.DataFrame:
    """CPU of a billed and of an unbilled resource, idle from BROKEN on, and of one slightly busier."""
    rng = np.random.default_rng(6)
    busy = np.where(DAYS >= BROKEN, 0.05, 0.6) * rng.lognormal(0, 0.03, len(DAYS))
    parts = [
        pd.DataFrame({"resource_id": name, "metric": "cpu", "ts": DAYS, "interval_s": 86400, "value": busy})
        for name in ("i-usage", "i-nobody-pays")
    ]
    steady = parts[0].assign(resource_id="i-steady", value=np.where(DAYS >= BROKEN, 0.62, 0.6))
    return pd.concat([*parts, steady], ignore_index=True).assign(unit="share", workload=None)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anomalies")
    with Lake.open(folder / "lake") as lake:
        ingest(lake, focus_csv(folder / "bill.csv", list(charges())), loaded_at=LOADED)
        lake.replace("usage", {}, usage())
    return folder


@pytest.fixture(scope="module")
def found(workspace: Path) -> Watched:
    with Lake.open(workspace / "lake", read_only=True) as lake:
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


def test_the_default_window_and_an_earlier_one(workspace: Path) -> None:
    with Lake.open(workspace / "lake", read_only=True) as lake:
        assert find(lake, settle_days=2).since == NEWEST - pd.Timedelta(30, unit="D")
        later = find(lake, settle_days=2, since=datetime(2026, 5, 12, tzinfo=UTC))
    assert not [one for one in later.incidents if one.first < BROKEN]


def test_an_empty_lake_has_no_incident(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        made = find(lake, settle_days=2)
    assert made.incidents == ()
    assert made.since is None


def test_the_command_prints_incidents_and_json(workspace: Path) -> None:
    ran = cli("anomalies", "--workspace", workspace, "--since", "2026-05-08T00:00:00+00:00", "--json")
    assert ran.code == 0
    causes = {part["cause"] for one in ran.json["incidents"] for part in one["contributions"]}
    assert {"price", "mix", "credit"} <= causes
    assert ran.json["series"] == {"cost": 9, "utilisation": 3}
    text = cli("anomalies", "--workspace", workspace, "--since", "2026-05-08T00:00:00+00:00")
    assert text.code == 0
    assert "commitment expiry" in text.out
    assert "not known" in text.out  # money of the resource that nobody bills
    json.dumps(ran.json)


def test_since_needs_a_zone_and_a_workspace_a_lake(workspace: Path, tmp_path: Path) -> None:
    ran = cli("anomalies", "--workspace", workspace, "--since", "2026-05-08")
    assert (ran.code, ran.err.split(":")[0]) == (2, "--since")
    assert cli("anomalies", "--workspace", tmp_path).code == 1


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
