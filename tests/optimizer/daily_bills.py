"""Bills of a charge a day and a fee a month, as FOCUS rows, and what the budget makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pytest

from data.ingest import ingest
from data.lake import Lake
from optimizer.budget_status import Status
from optimizer.budgets import Outlook, outlook
from optimizer.config import Settings
from tests.data.bills import focus_csv

LOADED = datetime(2026, 11, 15, 12, tzinfo=UTC)  # 2 days to settle: known up to and with November 12
SHARED_TAX = {"shared": [{"match": {"category": "Tax"}, "split": "proportional"}]}
MONTHS = ("2026-08", "2026-09", "2026-10")
Row = dict[str, str]


class Load(Protocol):
    """Put a bill into a new lake in a folder, and give back the folder."""

    def __call__(self, folder: Path, rows: Sequence[Row], at: datetime = LOADED) -> Path: ...


@pytest.fixture(scope="session")
def load(empty_lake: Path) -> Load:
    """Loads into copies of an empty lake that is made once."""

    def into(folder: Path, rows: Sequence[Row], at: datetime = LOADED) -> Path:
        shutil.copytree(empty_lake, folder / "lake")
        if rows:
            with Lake.open(folder / "lake") as lake:
                ingest(lake, focus_csv(folder / "bill.csv", rows), loaded_at=at)
        return folder

    return into


@pytest.fixture(scope="session")
def steady(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def look(folder: Path, *, as_of: datetime = LOADED, **keys: Any) -> Outlook:
    asked = {name: keys.pop(name) for name in ("period", "months") if name in keys}
    with Lake.open(folder / "lake", read_only=True) as lake:
        return outlook(lake, Settings(**keys), as_of=as_of, **asked)


def named(found: Outlook, key: str) -> Status:
    return next(status for status in found.statuses if status.subject.key == key)
