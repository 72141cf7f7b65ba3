"""A lake whose bill goes wrong on one day, a service for each cause, with utilisation beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import focus_csv

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


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    with Lake.open(folder / "lake") as lake:
        ingest(lake, focus_csv(folder / "bill.csv", list(charges())), loaded_at=LOADED)
        lake.replace("usage", {}, usage())
    return folder
