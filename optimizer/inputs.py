"""Everything a plan is made from, read once: the workspace's files first, the lake for what they leave out.

Nothing later than `as_of` gets in: rows, prices and states are cut here, so no later step can see them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data.catalogue import instance_types, list_prices, rtt_ms
from data.catalogue import regions as known_regions
from data.lake import Lake
from data.workloads import Workload
from data.workspace import WorkspaceFiles, read_workspace
from optimizer.errors import Fault, InputError
from optimizer.formulate import OPTION_COLUMNS, Offer
from optimizer.planner import Planner, planner_at
from optimizer.prices import BILLED, CURRENCY, LOOKBACK, Unused, effective
from optimizer.rows import prices_of, rows_of

DEFAULT_BOOT_SECONDS = 300.0
SPOT_LOOKBACK = pd.Timedelta(hours=24)
ONE_YEAR = ("1y", "")  # terms of committed prices that are used; longer ones bind for too long to advise
NOW = pd.Timedelta(0)
JUDGED = pd.Timedelta(days=7)  # stored forecasts of so many days say whether they hold what they promise
TABLES = ("options", "profiles", "demand", "events", "fleet", "past_forecasts")


@dataclass(frozen=True)
class Inputs:
    """What is known at `as_of`.

    Attributes:
        options: one row per purchasable option (columns of `OPTION_COLUMNS`, `price_as_of`, `is_estimated`).
        profiles: throughput per model and accelerator or instance type.
        demand: `workload, ts, interval_s, requests, tokens_in, tokens_out, is_gap`.
        fleet: `workload, option_id, desired, ready, pending` as last seen.
        spot_capacity: pool to instances it granted throughout the last day: for the next hours.
        usual_spot_capacity: pool to instances it granted half of the time: for a typical day.
        commitments: existing ones, as offers with nothing to buy.
        country, rtt_ms: of regions; see `optimizer.admissible.Context`.
        notes: what was defaulted, derived or left out.
        past_forecasts: `metric, unique_id, ds, quantile, value` said of the slots of the last week.
        planner: model that demand is forecast with, by the newest backtest; None for Trimtab's own.
    """

    as_of: datetime
    workloads: tuple[Workload, ...]
    options: pd.DataFrame
    profiles: pd.DataFrame
    demand: pd.DataFrame
    events: pd.DataFrame
    fleet: pd.DataFrame
    spot_capacity: Mapping[str, float]
    usual_spot_capacity: Mapping[str, float]
    commitments: tuple[Offer, ...]
    country: Mapping[tuple[str, str], str]
    rtt_ms: Mapping[tuple[str, str, str], float]
    notes: tuple[str, ...]
    past_forecasts: pd.DataFrame
    planner: str | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what was used: equal inputs, equal fingerprint, whatever else the files hold."""
        digest = hashlib.sha256(self.as_of.isoformat().encode())
        digest.update(repr(self.planner).encode())
        for workload in self.workloads:
            digest.update(workload.model_dump_json().encode())
        for name in TABLES:
            frame = getattr(self, name)
            digest.update(name.encode())
            digest.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes())
        for capacity in (self.spot_capacity, self.usual_spot_capacity):
            digest.update(repr(sorted(capacity.items())).encode())
        digest.update(
            repr([(offer.name, offer.existing_usd_per_hour) for offer in self.commitments]).encode()
        )
        return digest.hexdigest()


def read_inputs(workspace: Path, as_of: datetime, *, needs_workloads: bool = True) -> Inputs:
    """Read a workspace and its lake as they were known at `as_of`.

    Without `needs_workloads` a workspace may be for its bills alone: it declares nothing, needs no profiles.

    Raises:
        InputError: a file is wrong, or something needed is in neither place; all faults at once.
    """
    files = read_workspace(workspace, as_of=as_of, needs_workloads=needs_workloads)
    with lake_tables(workspace / "lake", as_of) as lake:
        return merge(workspace, files, lake, as_of)


def merge(workspace: Path, files: WorkspaceFiles, lake: LakeTables, as_of: datetime) -> Inputs:
    """A workspace's file wins over the lake; what neither has is empty."""
    notes = list(files.notes)
    options = files.catalog if files.catalog is not None else lake.options()
    if options.empty and files.catalog is None:
        options = listed_options(as_of)
        notes.append("neither catalog.parquet nor offers in the lake: built-in public list prices are used")
    if files.catalog is None:
        options = effective(options, lake.billed_prices())
    notes += lake.unused_commitments()
    profiles = files.profiles if files.profiles is not None else lake.table("profiles")
    require(workspace, options, profiles, needs_profiles=bool(files.workloads))
    demand = files.demand if files.demand is not None else lake.demand()
    options = options.assign(
        boot_seconds=options["boot_seconds"].astype(float).fillna(DEFAULT_BOOT_SECONDS),
        accelerator_count=options["accelerator_count"].astype(float).fillna(0.0),
    )
    capacity = files.spot_capacity if files.spot_capacity is not None else lake.table("spot_capacity")
    fleet = files.fleet if files.fleet is not None else lake.fleet()
    places = lake.regions()
    planner = lake.planner()
    if planner is not None:
        notes.append(planner.note)
    return Inputs(
        as_of=as_of,
        workloads=files.workloads,
        options=options.sort_values("option_id", ignore_index=True),
        profiles=profiles.sort_values(["model", "accelerator", "instance_type"], ignore_index=True),
        demand=demand.sort_values(["workload", "ts"], ignore_index=True),
        events=files.events if files.events is not None else lake.table("events"),
        fleet=on_demand_ids(fleet, options),
        spot_capacity=granted(capacity, as_of),
        usual_spot_capacity=usually_granted(capacity),
        commitments=lake.commitments(options),
        country={(p, r): c for p, r, c in rows_of(places, "provider", "region", "country")},
        rtt_ms=round_trips(files.workloads, places),
        notes=tuple(notes),
        past_forecasts=lake.past_forecasts(),
        planner=planner.model if planner else None,
    )


def require(workspace: Path, options: pd.DataFrame, profiles: pd.DataFrame, *, needs_profiles: bool) -> None:
    """Offers must come from somewhere, and profiles where anything is declared."""
    missing = [
        Fault(str(workspace), f"no {what}", f"{file} in the workspace or {what} in the lake", action)
        for what, file, action, is_missing in (
            ("offers", "catalog.parquet", "add the file, or `trimtab ingest` a price list", options.empty),
            (
                "profiles",
                "profiles.parquet",
                "add the file with the throughput of each model",
                needs_profiles and profiles.empty,
            ),
        )
        if is_missing
    ]
    if missing:
        raise InputError(missing)


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
        rows = self.active_commitments()
        columns = ("commitment", "cost_per_hour", "provider", "category", *SCOPE)
        return tuple(
            Offer(
                name, float(cost), 0.0, committed_rates(options, provider, None if by_spend(kind) else scope)
            )
            for name, cost, provider, kind, *scope in rows_of(rows.loc[usable(rows)], *columns)
        )

    def unused_commitments(self) -> list[str]:
        """A note for each running commitment whose cost or provider is not known well enough to plan with."""
        rows = self.active_commitments()
        why = "its provider, or its cost in USD, is not known"
        return [f"commitment {name} is not used: {why}" for name in rows.loc[~usable(rows), "commitment"]]

    def active_commitments(self) -> pd.DataFrame:
        """View `commitments_active` at as-of; empty where there is no lake."""
        if self.lake is None:
            return pd.DataFrame(
                columns=["commitment", "cost_per_hour", "provider", "currency", "category", *SCOPE]
            )
        return self.lake.read("commitments_active", as_of=self.as_of.to_pydatetime())


def usable(commitments: pd.DataFrame) -> pd.Series[bool]:
    """Which commitments can be planned with."""
    known = commitments["provider"].notna() & commitments["cost_per_hour"].notna()
    return known & commitments["currency"].eq(CURRENCY)


EMPTY: Mapping[str, tuple[str, ...]] = {
    "demand": ("workload", "ts", "interval_s", "requests", "tokens_in", "tokens_out", "is_gap"),
    "fleet": ("workload", "option_id", "desired", "ready", "pending"),
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


def listed_options(as_of: datetime) -> pd.DataFrame:
    """Options from the public list prices that come with Trimtab, as far as they are not later than as-of."""
    offers = list_prices()
    return options_from_offers(offers.loc[offers["as_of"] <= pd.Timestamp(as_of)], instance_types())


def options_from_offers(offers: pd.DataFrame, types: pd.DataFrame) -> pd.DataFrame:
    """Options from price rows: documented defaults for what a price list does not say."""
    chips = types[["provider", "instance_type", "accelerator", "accelerator_count"]]
    offers = offers.merge(chips, on=["provider", "instance_type"], how="left")
    term = offers["term"].fillna("")
    suffix = ("-" + term).where(offers["purchase"].eq("commitment"), "")
    place = offers["provider"] + ":" + offers["region"] + ":" + offers["instance_type"]
    pool = offers["provider"] + "/" + offers["region"] + "/" + offers["instance_type"] + "/spot"
    return offers.rename(columns={"as_of": "price_as_of", "source": "price_source"}).assign(
        option_id=place + ":" + offers["purchase"] + suffix,
        boot_seconds=DEFAULT_BOOT_SECONDS,
        quota=float("nan"),
        pool=pool.where(offers["purchase"].eq("spot")),
        failures_per_1000h=float("nan"),
    )


SCOPE = ("regions", "instance_types", "description")  # of a commitment, as the bill and its contract show it


def by_spend(category: object) -> bool:
    """Whether a commitment is to an amount of money (FOCUS: Spend): it reaches every type of its provider."""
    return category == "Spend"


def committed_rates(
    options: pd.DataFrame, provider: str, scope: Sequence[Any] | None
) -> dict[tuple[str, str, str], float]:
    """Committed price per instance-hour of what a commitment reaches, where one is known.

    Args:
        options: the catalogue.
        provider: whose commitment it is.
        scope: regions and types it was seen to cover, and its description; None reaches everything. A
            reservation or resource commitment reaches only types that were seen or that its description
            names, in the regions where it was seen.
    """
    committed = committed_options(options)
    own = committed.loc[committed["provider"].eq(provider.lower())]
    if scope is None:
        return prices_of(own)
    regions, types, description = (str(text) if pd.notna(text) else "" for text in scope)
    seen = own["instance_type"].isin(types.split(","))
    named = pd.Series([name in description for name in own["instance_type"]], index=own.index, dtype=bool)
    return prices_of(own.loc[own["region"].isin(regions.split(",")) & (seen | named)])


def committed_options(options: pd.DataFrame) -> pd.DataFrame:
    """Options at the price of a 1-year commitment; where no term is given, all count as such."""
    committed = options.loc[options["purchase"].eq("commitment")]
    if "term" not in committed:
        return committed
    return committed.loc[committed["term"].fillna("").isin(ONE_YEAR)]


def on_demand_ids(fleet: pd.DataFrame, options: pd.DataFrame) -> pd.DataFrame:
    """The fleet with instances under a commitment named by their on-demand option.

    What runs is an on-demand instance; that a commitment pays for it is a fact of the bill.
    """
    keys = ["provider", "region", "instance_type"]
    committed = options.loc[options["purchase"].eq("commitment"), [*keys, "option_id"]]
    on_demand = options.loc[options["purchase"].eq("on_demand"), [*keys, "option_id"]]
    twins = committed.merge(on_demand, on=keys, suffixes=("", "_on_demand"))
    twin = dict(zip(twins["option_id"], twins["option_id_on_demand"], strict=True))
    renamed = fleet.assign(option_id=[twin.get(name, name) for name in fleet["option_id"]])
    counts = ["desired", "ready", "pending"]
    return renamed.groupby(["workload", "option_id"], as_index=False)[counts].sum()


def granted(capacity: pd.DataFrame, as_of: datetime) -> dict[str, float]:
    """Instances each spot pool granted throughout the last day: what can be relied on, not what was best."""
    if capacity.empty:
        return {}
    recent = capacity.loc[capacity["ts"] > pd.Timestamp(as_of) - SPOT_LOOKBACK]
    return {str(pool): float(low) for pool, low in recent.groupby("pool")["capacity"].min().items()}


def usually_granted(capacity: pd.DataFrame) -> dict[str, float]:
    """Instances each spot pool granted half of the time or more, over all its history."""
    if capacity.empty:
        return {}
    return {str(pool): float(usual) for pool, usual in capacity.groupby("pool")["capacity"].median().items()}


def round_trips(workloads: tuple[Workload, ...], places: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Estimated round trip in ms from every origin that a workload names to every region."""
    origins = sorted({origin for workload in workloads for origin in workload.origins})
    table = rtt_ms(origins, places.dropna(subset=["latitude_deg", "longitude_deg"]))
    columns = ("origin", "provider", "region", "rtt_ms")
    return {(c, p, r): float(rtt) for c, p, r, rtt in rows_of(table, *columns)}
