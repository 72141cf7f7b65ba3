"""Until when bills are complete: the one rule for everything that looks at days of cost.

Providers go on delivering and correcting charges for a day or two. How far a bill reaches is told by its own
newest use, never by when it was loaded: an old export can be loaded today. So of each bill the days count

    up to `settle_days` before its newest use, or up to the end of its newest closed month, if that is later

(view `settled_until`). What is looked at bill by bill, as anomalies are, uses each provider's own day. What
adds bills up, as budgets do, can only go as far as the slowest of them; one that has been silent for
`SILENT_DAYS` while others went on has ended, and does not hold them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from data.lake import Lake
from optimizer.rows import rows_of

SILENT_DAYS = pd.Timedelta(10, unit="D")


@dataclass(frozen=True)
class Settled:
    """First moments that are not settled.

    Attributes:
        by_provider: of each provider's charges.
        everywhere: of all bills that go on, added up; None where no bill has daily use.
    """

    by_provider: Mapping[str, pd.Timestamp]
    everywhere: pd.Timestamp | None


def settled(lake: Lake, settle_days: int, as_of: datetime | None = None) -> Settled:
    """What can be believed of the bills in the lake.

    Args:
        lake: with bills, or without.
        settle_days: newest days of each bill that are not believed.
        as_of: the past to look from; nothing billed later counts. All there is where None.
    """
    rows = lake.read("settled_until", settle_days=settle_days, as_of=as_of)
    if rows.empty:
        return Settled({}, None)
    providers = rows.groupby("provider", sort=True)["settled"].max().reset_index()
    sources = rows.groupby("source")[["newest", "settled"]].max()  # one export brings all its sellers
    goes_on = sources["newest"] > sources["newest"].max() - SILENT_DAYS
    by_provider = {str(name): pd.Timestamp(day) for name, day in rows_of(providers, "provider", "settled")}
    return Settled(by_provider, pd.Timestamp(sources.loc[goes_on, "settled"].min()))
