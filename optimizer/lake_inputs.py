"""What the lake knows of a moment, as tables: nothing later gets out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pandas as pd

from data.catalogue import regions as known_regions
from data.lake import Lake
from optimizer.formulate import Offer
from optimizer.option_table import OPTION_COLUMNS
from optimizer.options import SCOPE, by_spend, committed_rates, options_from_offers
from optimizer.planner import Planner, planner_at
from optimizer.prices import BILLED, CURRENCY, LOOKBACK, Unused
from optimizer.rows import rows_of

NOW = pd.Timedelta(0)
JUDGED = pd.Timedelta(days=7)  # stored forecasts of so many days say whether they hold what they promise


@contextmanager
def lake_tables(root: Path, as_of: datetime) -> Iterator[LakeTables]:
    """The lake as it was known at a moment; empty tables where there is none."""
    if (root / "catalog.sqlite").is_file():
        with Lake.open(root, read_only=True) as lake:
            yield LakeTables(lake, pd.Timestamp(as_of))
    else:
        yield LakeTables(None, pd.Timestamp(as_of))


@dataclass(frozen=True)
class LakeTables:
    """Tables of the lake, cut at `as_of`."""

    lake: Lake | None
    as_of: pd.Timestamp

    def table(self, name: str) -> pd.DataFrame:
        """Rows of a table whose own time is not later than as-of; empty where there is no lake."""
        if self.lake is None:
            return pd.DataFrame(columns=EMPTY[name])
        rows = self.lake.read(name)
        return rows.loc[rows["ts"] <= self.as_of] if "ts" in rows else rows

    def demand(self) -> pd.DataFrame:
        """Demand per workload, origins added up; intervals that end by as-of."""
        rows = self.table("demand")
        if rows.empty:
            return rows
        ended = rows["ts"] + pd.to_timedelta(rows["interval_s"], unit="s") <= self.as_of
        return rows.loc[ended]

    def past_forecasts(self) -> pd.DataFrame:
        """What stored forecasts said of the slots of the last week, the newest of each slot."""
        if self.lake is None:
            return pd.DataFrame(columns=EMPTY["past_forecasts"])
        since = (self.as_of - JUDGED).to_pydatetime()
        return self.lake.read("past_forecasts", since=since, until=self.as_of.to_pydatetime())

    def planner(self) -> Planner | None:
        """The model that a backtest has put in the place of Trimtab's own."""
        return None if self.lake is None else planner_at(self.lake, self.as_of)

    def fleet(self) -> pd.DataFrame:
        """The newest live state not later than as-of."""
        rows = self.table("deployments")
        if rows.empty:
            return pd.DataFrame(columns=EMPTY["fleet"])
        seen = rows.loc[rows["as_of"] <= self.as_of]
        return seen.loc[seen["as_of"].eq(seen["as_of"].max()), list(EMPTY["fleet"])]

    def regions(self) -> pd.DataFrame:
        """Where regions are: the lake's knowledge first, then what comes with Trimtab."""
        built_in = known_regions()
        if self.lake is None:
            return built_in
        rows = pd.concat([self.lake.read("regions")[list(built_in.columns)], built_in], ignore_index=True)
        return rows.drop_duplicates(["provider", "region"], ignore_index=True)

    def options(self) -> pd.DataFrame:
        """Offers not later than as-of as options, the newest price of each."""
        if self.lake is None:
            return pd.DataFrame(columns=[*OPTION_COLUMNS, "failures_per_1000h"])
        offers = self.lake.read("offers_latest", as_of=self.as_of.to_pydatetime())
        offers = offers.loc[offers["currency"].eq(CURRENCY)]
        return options_from_offers(offers, self.lake.read("instance_types"))

    def billed_prices(self, since: pd.Timedelta = LOOKBACK, until: pd.Timedelta = NOW) -> pd.DataFrame:
        """View `billed_prices` in USD, of the bill's days from `since` to `until` before as-of."""
        if self.lake is None:
            return pd.DataFrame(columns=BILLED)
        window = {"since": self.as_of - since, "until": self.as_of - until}
        rows = self.lake.read("billed_prices", **{k: v.to_pydatetime() for k, v in window.items()})
        return rows.loc[rows["currency"].eq(CURRENCY)]

    def newest_bill(self) -> pd.Timestamp | None:
        """End of the newest usage charge that is not later than as-of; None where there is no bill."""
        if self.lake is None:
            return None
        rows = self.lake.read("freshness")
        newest = rows.loc[rows["table_name"].eq("charges"), "newest_data"]
        known = newest.dropna()
        return None if known.empty else min(known.iloc[0], self.as_of)

    def unused(self) -> dict[str, Unused]:
        """What each commitment cost in the last week of its bill without covering anything, USD per hour."""
        if self.lake is None:
            return {}
        window = {"since": (self.as_of - LOOKBACK).to_pydatetime(), "until": self.as_of.to_pydatetime()}
        rows = self.lake.read("unused_commitments", **window)
        rows = rows.loc[rows["currency"].eq(CURRENCY)]
        columns = ("commitment", "unused_per_hour", "newest")
        return {str(name): Unused(float(cost), newest) for name, cost, newest in rows_of(rows, *columns)}

    def commitments(self, options: pd.DataFrame) -> tuple[Offer, ...]:
        """Commitments running at as-of, each with the machines it reaches at their committed price."""
        rows = self.active_commitments
        columns = ("commitment", "cost_per_hour", "provider", "category", "period_end", *SCOPE)
        return tuple(
            Offer(
                name,
                float(cost),
                0.0,
                committed_rates(options, provider, None if by_spend(kind) else scope),
                ends=end.to_pydatetime(),
            )
            for name, cost, provider, kind, end, *scope in rows_of(rows.loc[usable(rows)], *columns)
        )

    def unused_commitments(self) -> list[str]:
        """A note for each running commitment whose cost or provider is not known well enough to plan with."""
        rows = self.active_commitments
        why = "its provider, or its cost in USD, is not known"
        return [f"commitment {name} is not used: {why}" for name in rows.loc[~usable(rows), "commitment"]]

    @cached_property
    def active_commitments(self) -> pd.DataFrame:
        """View `commitments_active` at as-of; empty where there is no lake."""
        if self.lake is None:
            return pd.DataFrame(
                columns=[
                    "commitment",
                    "cost_per_hour",
                    "provider",
                    "currency",
                    "category",
                    "period_end",
                    *SCOPE,
                ]
            )
        return self.lake.read("commitments_active", as_of=self.as_of.to_pydatetime())


def usable(commitments: pd.DataFrame) -> pd.Series[bool]:
    """Which commitments can be planned with."""
    known = commitments["provider"].notna() & commitments["cost_per_hour"].notna()
    return known & commitments["currency"].eq(CURRENCY)


EMPTY: Mapping[str, tuple[str, ...]] = {
    "demand": ("workload", "ts", "interval_s", "requests", "tokens_in", "tokens_out", "is_gap"),
    "fleet": ("workload", "option_id", "desired", "ready", "pending"),
    "nodes": ("option_id", "desired", "ready", "pending"),
    "deployments": ("as_of", "workload", "option_id", "desired", "ready", "pending"),
    "past_forecasts": ("metric", "unique_id", "ds", "quantile", "value"),
    "events": ("ts", "workload", "option_id", "event"),
    "spot_capacity": ("ts", "pool", "capacity"),
    "profiles": (
        "model",
        "accelerator",
        "prefill_tps",
        "decode_tps",
        "max_concurrency",
        "tpot_ms",
        "instance_type",
        "rps",
        "latency_ms",
    ),
}
