"""What the bill files of all providers have in common: months, SKUs, invoice numbers, text."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

import pandas as pd

from data.synthetic.money import decimal_text

TIME = "%Y-%m-%dT%H:%M:%SZ"


def months(rows: pd.DataFrame) -> list[tuple[pd.Timestamp, pd.DataFrame]]:
    """The charges of each invoice, by its month."""
    return [(pd.Timestamp(str(month)), part.reset_index(drop=True))
            for month, part in rows.groupby("BillingPeriodStart", sort=True)]  # fmt: skip


def sku(rows: pd.DataFrame) -> pd.Series[str]:
    """A made-up SKU per service, meter and region."""
    keys = rows["ServiceName"] + "|" + rows["SkuMeter"].fillna("") + "|" + rows["RegionId"].fillna("")
    codes = {key: f"{zlib.crc32(key.encode()):08X}" for key in keys.unique()}
    return keys.map(codes).astype("str")


def invoice_ids(rows: pd.DataFrame, as_of: datetime) -> pd.Series[str]:
    """Number of the invoice; an open month has none."""
    number = "INV-" + rows["provider"].str.upper() + "-" + rows["BillingPeriodStart"].dt.strftime("%Y%m")
    is_closed = rows["BillingPeriodEnd"] <= pd.Timestamp(as_of)
    numbers: pd.Series[str] = number.where(is_closed).astype("str")
    return numbers


def decimals(numbers: pd.Series[Any], *scale: int) -> list[str | None]:
    """Whole units as decimal text; missing stays missing."""
    return [None if pd.isna(number) else decimal_text(int(number), *scale) for number in numbers]


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Comma-separated UTF-8 with the same line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n").encode()
