"""Commitments that can be bought: by provider, term and way of paying, with what they reach at what price."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from optimizer.rows import prices_of, rows_of

NO_UPFRONT = "no upfront"
UPFRONT_SHARE = {NO_UPFRONT: 0.0, "partial upfront": 0.5, "all upfront": 1.0}
HOURS_PER_YEAR = 8760.0
# "1y", "3y", "3y all upfront"; a price list without terms has 1-year prices
TERM = re.compile(rf"(?:([1-5])y)?(?: ?({'|'.join(UPFRONT_SHARE)}))?")


@dataclass(frozen=True)
class Sale:
    """One commitment on sale, to an amount of USD per hour for `years`.

    Attributes:
        rates: (provider, region, instance_type) to committed USD per instance-hour, all payments spread.
        is_estimated: a rate was derived by a rule rather than read from a price list.
    """

    provider: str
    years: int
    payment: str
    rates: Mapping[tuple[str, str, str], float]
    is_estimated: bool = False

    @property
    def name(self) -> str:
        """As people say it, such as "aws 3-year commitment, all upfront"."""
        paid = "" if self.payment == NO_UPFRONT else f", {self.payment}"
        return f"{self.provider} {self.years}-year commitment{paid}"

    @property
    def hours(self) -> float:
        """Length of the term."""
        return self.years * HOURS_PER_YEAR

    @property
    def upfront_share(self) -> float:
        """Share of the whole price that is paid on the first day."""
        return UPFRONT_SHARE[self.payment]

    def fee_per_usd(self, capital_cost_share: float) -> float:
        """Cost of a committed USD: itself, and the capital that is bound half of the term on average."""
        return 1.0 + capital_cost_share * self.upfront_share * self.years / 2.0


def on_sale(options: pd.DataFrame) -> Iterator[Sale]:
    """Every commitment in the catalogue; rows whose term is not understood are left out."""
    rows = options.loc[options["purchase"].eq("commitment")]
    terms = rows["term"].fillna("") if "term" in rows else pd.Series("", index=rows.index)
    found = [TERM.fullmatch(str(text)) for text in terms]
    years = [int(term[1] or 1) if term else 0 for term in found]
    paid = [(term[2] or NO_UPFRONT) if term else "" for term in found]
    estimated = rows["is_estimated"].eq(other=True) if "is_estimated" in rows else rows["purchase"].isna()
    table = rows.assign(years=years, payment=paid, is_estimated=estimated)
    known = table.loc[table["years"].gt(0)].sort_values(["provider", "years", "payment"])
    kinds = known[["provider", "years", "payment"]].drop_duplicates()
    for provider, length, payment in rows_of(kinds, "provider", "years", "payment"):
        is_own = known["provider"].eq(provider) & known["years"].eq(length) & known["payment"].eq(payment)
        own = known.loc[is_own]
        yield Sale(provider, length, payment, prices_of(own), bool(own["is_estimated"].any()))
