"""Everything a plan is made from, read once: the workspace's files first, the lake for what they leave out.

Nothing later than `as_of` gets in: rows, prices and states are cut here, so no later step can see them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.catalogue import rtt_ms
from data.node_room import room_faults
from data.workloads import Workload
from data.workspace import WorkspaceFiles, read_workspace
from optimizer.admissible import Context
from optimizer.demand_age import old_demand
from optimizer.errors import Fault, InputError
from optimizer.formulate import Offer
from optimizer.lake_inputs import EMPTY, LakeTables, lake_tables
from optimizer.layout import Layout
from optimizer.options import DEFAULT_BOOT_SECONDS, listed_options
from optimizer.prices import effective
from optimizer.promise_record import no_promises, read_promises
from optimizer.rows import rows_of

SPOT_LOOKBACK = pd.Timedelta(hours=24)
TABLES = (
    "options",
    "profiles",
    "demand",
    "events",
    "fleet",
    "past_forecasts",
    "spot_history",
    "nodes",
    "promises",
)


def no_rows(name: str) -> pd.DataFrame:
    """A table of the lake without rows."""
    return pd.DataFrame(columns=list(EMPTY[name]))


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
        spot_history: `ts, pool, capacity` that spot pools were seen to grant.
        nodes: `option_id, desired, ready, pending` of nodes that workloads share, as last seen.
        promises: what loops of earlier plans promised; columns of `optimizer.promise_record`.
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
    spot_history: pd.DataFrame = field(default_factory=lambda: no_rows("spot_capacity"))
    nodes: pd.DataFrame = field(default_factory=lambda: no_rows("nodes"))
    promises: pd.DataFrame = field(default_factory=no_promises)

    @property
    def context(self) -> Context:
        """What filters and problems know of places and pools."""
        return Context(self.country, self.rtt_ms, self.spot_capacity)

    def history_of(self, workload: str) -> pd.DataFrame:
        """Rows of demand of one workload; of thousands, none is looked for among all rows."""
        return self.demand.iloc[self._rows_of.get(workload, slice(0, 0))]

    @cached_property
    def _rows_of(self) -> Mapping[str, slice | np.ndarray]:
        """Rows of demand by workload: stretches, as long as it is sorted."""
        codes, names = pd.factorize(self.demand["workload"])
        edges = np.append(np.flatnonzero(np.diff(codes, prepend=-2)), len(codes))
        if len(edges) - 1 > len(names):
            return {str(name): np.flatnonzero(codes == code) for code, name in enumerate(names)}
        return {str(names[codes[i]]): slice(i, j) for i, j in pairwise(edges)}

    @cached_property
    def unpriced(self) -> tuple[str, ...]:
        """Workloads that run an option the catalogue lacks: what they cost now is not known."""
        running = self.fleet.loc[self.fleet["desired"].gt(0)]
        unknown = set(running.loc[~running["option_id"].isin(self.options["option_id"]), "workload"])
        return tuple(w.name for w in self.workloads if w.name in unknown)

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
            digest.update(pd.util.hash_pandas_object(comparable(frame), index=False).to_numpy().tobytes())
        for capacity in (self.spot_capacity, self.usual_spot_capacity):
            digest.update(repr(sorted(capacity.items())).encode())
        digest.update(repr([(o.name, o.existing_usd_per_hour, o.ends) for o in self.commitments]).encode())
        return digest.hexdigest()


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it hashes alike however it was read: times in microseconds, what is no number as text.

    Numbers and times stay what they are: as text, months of minutes take seconds.
    """

    def column(values: pd.Series[Any]) -> pd.Series[Any]:
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            times: pd.Series[Any] = values.dt.as_unit("us")
            return times
        return values if pd.api.types.is_numeric_dtype(values.dtype) else values.astype(str)

    return pd.DataFrame({name: column(frame[name]) for name in frame}, index=frame.index)


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
    require(workspace, options, profiles, files)
    demand = files.demand  # sorted
    if demand is None:
        demand = lake.demand().sort_values(["workload", "ts"], ignore_index=True)
    options = options.assign(
        boot_seconds=options["boot_seconds"].astype(float).fillna(DEFAULT_BOOT_SECONDS),
        accelerator_count=options["accelerator_count"].astype(float).fillna(0.0),
    )
    notes += old_demand(files.workloads, demand, as_of)
    capacity = files.spot_capacity if files.spot_capacity is not None else lake.table("spot_capacity")
    fleet = files.fleet if files.fleet is not None else lake.fleet()
    places = lake.regions()
    promises, left_out = read_promises(Layout(workspace).memory, as_of)
    notes += left_out
    planner = lake.planner()
    if planner is not None:
        notes.append(planner.note)
    return Inputs(
        as_of=as_of,
        workloads=files.workloads,
        options=options.sort_values("option_id", ignore_index=True),
        profiles=profiles.sort_values(["model", "accelerator", "instance_type"], ignore_index=True),
        demand=demand,
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
        spot_history=capacity,
        nodes=files.nodes if files.nodes is not None else no_rows("nodes"),
        promises=promises,
    )


def require(workspace: Path, options: pd.DataFrame, profiles: pd.DataFrame, files: WorkspaceFiles) -> None:
    """Offers must come from somewhere, and profiles where anything is declared; pods fit on some node."""
    missing = [
        Fault(str(workspace), f"no {what}", f"{file} in the workspace or {what} in the lake", action)
        for what, file, action, is_missing in (
            ("offers", "catalog.parquet", "add the file, or `trimtab ingest` a price list", options.empty),
            (
                "profiles",
                "profiles.parquet",
                "add the file with the throughput of each model, see docs/reference/workspace.md",
                bool(files.workloads) and profiles.empty,
            ),
        )
        if is_missing
    ]
    if files.catalog is None:  # that of the workspace has been checked with the other files
        missing += room_faults(options, files.workloads, "the offers")
    if missing:
        raise InputError(missing)


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
