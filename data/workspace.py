"""A workspace folder as checked values: what runs, what is on offer, what happened, what runs now.

Everything wrong with the input is found in one go and raised together; what is absent is None, with a note
of what stands in for it. Nothing later than the as-of moment gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from data.errors import Fault, InputError
from data.history import (
    EVENTS_FILE,
    SPOT_FILE,
    USAGE_FILE,
    Known,
    read_events,
    read_spot_capacity,
    read_usage,
)
from data.live_state import STATE_FILE, State, read_state
from data.node_room import NODE_ROOM, room_faults
from data.sheet import HUGE, Bools, ColumnRule, Part, Sheet
from data.standby_offers import check_standby, without_empty_columns
from data.tabular import read_sheet
from data.workloads import Workload
from data.workloads_yaml import FILE as WORKLOADS_FILE
from data.workloads_yaml import Declared, parse_workloads

CATALOG_FILE = "catalog.parquet"
PROFILES_FILE = "profiles.parquet"
PURCHASES = ("on_demand", "spot", "commitment")
BOOT_SECONDS = 300.0

CATALOG = (
    ColumnRule("option_id", "text", "the unique name of an option"),
    ColumnRule("provider", "text", "the provider's name"),
    ColumnRule("region", "text", "the region's name"),
    ColumnRule("instance_type", "text", "the instance type's name"),
    ColumnRule("accelerator", "text", "the accelerator's name (null = CPU)", required=False),
    ColumnRule("accelerator_count", "number", "accelerators per instance", required=False, minimum=0),
    ColumnRule("purchase", "text", "how it is bought", allowed=PURCHASES),
    ColumnRule("price_hourly", "number", "USD per instance-hour", minimum=0, most=HUGE),
    ColumnRule("boot_seconds", "number", "seconds until it serves", required=False, minimum=0, most=HUGE),
    ColumnRule(
        "standby_price_hourly", "number", "USD per hour of standing by", required=False, minimum=0, most=HUGE
    ),
    ColumnRule(
        "standby_boot_seconds", "number", "seconds until standby serves", required=False, minimum=0, most=HUGE
    ),
    ColumnRule("quota", "number", "instances (null = no limit)", required=False, minimum=0),
    ColumnRule("pool", "text", "the spot pool it shares (null = none)", required=False),
    ColumnRule(
        "failures_per_1000h", "number", "failures in 1000 hours", required=False, minimum=0, most=HUGE
    ),
    ColumnRule("zones", "number", "zones its instances are spread over", required=False, minimum=1),
    ColumnRule("cpu", "number", "CPUs a node has for pods (null = no node)", required=False, minimum=0),
    ColumnRule("memory_gib", "number", "GiB it has for pods (null = no node)", required=False, minimum=0),
    ColumnRule("gpu", "number", "GPUs for pods (null = accelerator_count)", required=False, minimum=0),
)
BY_ACCELERATOR = ("prefill_tps", "decode_tps", "max_concurrency", "tpot_ms")
BY_INSTANCE_TYPE = ("rps", "latency_ms")
PROFILE = (
    ColumnRule("model", "text", "a model's name"),
    ColumnRule("accelerator", "text", "the accelerator's name", required=False),
    ColumnRule(
        "prefill_tps", "number", "prompt tokens/s of one accelerator", required=False, above=0, most=HUGE
    ),
    ColumnRule(
        "decode_tps", "number", "generated tokens/s of one accelerator", required=False, above=0, most=HUGE
    ),
    ColumnRule("max_concurrency", "number", "requests served at once", required=False, above=0, most=HUGE),
    ColumnRule("tpot_ms", "number", "milliseconds per output token", required=False, above=0, most=HUGE),
    ColumnRule("instance_type", "text", "the instance type's name", required=False),
    ColumnRule("rps", "number", "requests/s of one replica", required=False, above=0, most=HUGE),
    ColumnRule("latency_ms", "number", "milliseconds per response", required=False, above=0, most=HUGE),
)

ABSENT = {
    WORKLOADS_FILE: "bills and prices are shown, nothing is planned",
    CATALOG_FILE: "options come from the lake's offers",
    PROFILES_FILE: "throughput comes from the lake's profiles",
    USAGE_FILE: "demand comes from the lake, or is unknown",
    EVENTS_FILE: "failures and preemptions come from the lake, or from each option's own rate",
    SPOT_FILE: "the capacity of every spot pool is unknown, which is not unlimited",
    STATE_FILE: "the fleet comes from the lake, or is taken as empty",
}


@dataclass(frozen=True)
class WorkspaceFiles:
    """What the files of a workspace say. A frame is None where its file is absent.

    Attributes:
        workloads: In the order of the file.
        catalog: A row per option with the columns of CATALOG; boot_seconds filled with 300, no quota = NaN,
            failures_per_1000h and zones NaN where unknown, accelerator and pool null where there is none;
            the columns of standby only where an option has one.
        profiles: A row per model and accelerator, or model and instance type; columns of PROFILE.
        demand: workload, ts, interval_s, requests, tokens_in, tokens_out, is_gap; sorted by workload and ts.
        events: ts, workload, option_id, event; in order of time.
        spot_capacity: ts, pool, capacity; in order of time.
        fleet: workload, option_id, desired, ready, pending.
        nodes: option_id, desired, ready, pending of nodes that workloads share.
        state_as_of: The moment of the fleet.
        notes: What is defaulted or left out, one sentence each.
    """

    root: Path
    workloads: tuple[Workload, ...]
    catalog: pd.DataFrame | None
    profiles: pd.DataFrame | None
    demand: pd.DataFrame | None
    events: pd.DataFrame | None
    spot_capacity: pd.DataFrame | None
    fleet: pd.DataFrame | None
    nodes: pd.DataFrame | None
    state_as_of: datetime | None
    notes: tuple[str, ...]


def read_workspace(
    root: Path, *, as_of: datetime | None = None, needs_workloads: bool = True
) -> WorkspaceFiles:
    """Read and check every file of a workspace, cut at a moment.

    Args:
        root: The folder; only its workloads.yaml is required.
        as_of: Nothing later is used; None = everything there is. Must be aware.
        needs_workloads: False takes a folder without workloads.yaml as one that is for its bills alone.

    Raises:
        InputError: Every fault of every file.
    """
    if as_of is not None and as_of.tzinfo is None:
        found = f"{as_of.isoformat()} without zone"
        raise InputError([Fault("as-of", found, "a time with its zone", "write 2026-05-12T03:00:00+00:00")])
    as_of = as_of.astimezone(UTC) if as_of else None
    inbox = _Inbox(root)
    if needs_workloads or (root / WORKLOADS_FILE).exists():
        declared = inbox.declared()
        known = _known(declared)
    else:
        inbox.notes.append(f"{WORKLOADS_FILE} is absent: {ABSENT[WORKLOADS_FILE]}")
        declared, known = Declared((), frozenset(), ()), Known(None, frozenset())
    catalog = inbox.read(CATALOG_FILE, lambda path: _catalog(path, declared.workloads))
    profiles = inbox.read(PROFILES_FILE, lambda path: _profiles(path, declared.workloads))
    demand = inbox.read(USAGE_FILE, lambda path: read_usage(path, known, as_of))
    events = inbox.read(EVENTS_FILE, lambda path: read_events(path, known, as_of))
    spot_capacity = inbox.read(SPOT_FILE, lambda path: read_spot_capacity(path, as_of))
    state = inbox.state(known, as_of, catalog)
    if inbox.faults:
        raise InputError(inbox.faults)
    return WorkspaceFiles(
        root=root,
        workloads=declared.workloads,
        catalog=catalog,
        profiles=profiles,
        demand=demand,
        events=events,
        spot_capacity=spot_capacity,
        fleet=state.fleet,
        nodes=state.nodes,
        state_as_of=state.as_of,
        notes=tuple(inbox.notes),
    )


@dataclass
class _Inbox:
    """The files of one folder as they are read, with all faults and notes so far."""

    root: Path
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def declared(self) -> Declared:
        """What workloads.yaml declares; without it nothing else can be judged."""
        try:
            text = (self.root / WORKLOADS_FILE).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            found = "no such file" if self.root.is_dir() else f"no folder {self.root}"
            fault = Fault(WORKLOADS_FILE, found, "a list of workloads", "write one with `trimtab init`")
            raise InputError([fault]) from None
        except (OSError, UnicodeDecodeError) as error:
            found = f"a file that cannot be read ({error})"
            raise InputError([Fault(WORKLOADS_FILE, found, "UTF-8 text", "write the file again")]) from None
        declared = parse_workloads(text)
        self.faults += declared.faults
        self.notes += [
            f"{WORKLOADS_FILE}: the slo of {w.name} is not used; batch work has a deadline"
            for w in declared.workloads
            if w.tier == "batch" and w.slo is not None
        ]
        return declared

    def read(self, where: str, reader: Callable[[Path], Part]) -> pd.DataFrame | None:
        """One optional table."""
        if not (self.root / where).exists():
            self.notes.append(f"{where} is absent: {ABSENT[where]}")
            return None
        part = reader(self.root / where)
        self.faults += part.faults
        self.notes += part.notes
        return part.frame

    def state(self, known: Known, as_of: datetime | None, catalog: pd.DataFrame | None) -> State:
        """The live fleet, where it is known and not from the future."""
        if not (self.root / STATE_FILE).exists():
            self.notes.append(f"{STATE_FILE} is absent: {ABSENT[STATE_FILE]}")
            return State()
        options = None if catalog is None else frozenset(catalog["option_id"].dropna())
        state = read_state(self.root / STATE_FILE, known, as_of, options)
        self.faults += state.faults
        self.notes += state.notes
        return state


def _known(declared: Declared) -> Known:
    """Names that history and state may use: all that could be read, or any where none could be."""
    names = declared.names if declared.names or not declared.faults else None
    return Known(names, frozenset(w.name for w in declared.workloads if w.is_llm))


def _catalog(path: Path, workloads: tuple[Workload, ...]) -> Part:
    sheet = read_sheet(path, CATALOG_FILE, CATALOG)
    part = catalog_part(sheet)
    if sheet.usable("purchase", *NODE_ROOM):
        return replace(part, faults=(*part.faults, *room_faults(sheet.frame, workloads, CATALOG_FILE)))
    return part


def catalog_part(sheet: Sheet) -> Part:
    """Options of a table with the columns of CATALOG: checked, what is left out filled in."""
    sheet.check(CATALOG)
    sheet.unique("option_id")
    count = sheet.frame["accelerator_count"]
    has_accelerator = sheet.frame["accelerator"].notna()
    whole = (count >= 1) & (count % 1 == 0)
    if sheet.usable("accelerator"):
        uncounted = (has_accelerator & ~whole).to_numpy()
        sheet.refuse(
            "accelerator_count", uncounted, "a whole number of accelerators, 1 or more", "correct it"
        )
    boot_seconds = sheet.frame["boot_seconds"].fillna(BOOT_SECONDS)
    check_standby(sheet, boot_seconds)
    frame = without_empty_columns(sheet.frame.assign(boot_seconds=boot_seconds))
    return Part(frame, tuple(sheet.faults), _defaulted(sheet))


def _defaulted(sheet: Sheet) -> tuple[str, ...]:
    unknown_boot = int(sheet.frame["boot_seconds"].isna().sum())
    unknown_failures = int(sheet.frame["failures_per_1000h"].isna().sum())
    notes = []
    if unknown_boot:
        notes.append(f"{sheet.where}: boot_seconds of {unknown_boot} options is taken as {BOOT_SECONDS:g}")
    if unknown_failures:
        notes.append(
            f"{sheet.where}: failures_per_1000h of {unknown_failures} options is left to the risk model"
        )
    return tuple(notes)


def _profiles(path: Path, workloads: tuple[Workload, ...]) -> Part:
    sheet = read_sheet(path, PROFILES_FILE, PROFILE)
    part = profiles_part(sheet, workloads)
    return replace(part, faults=(*part.faults, *_missing_profiles(sheet, workloads)))


def profiles_part(sheet: Sheet, workloads: tuple[Workload, ...]) -> Part:
    """Throughput of a table with the columns of PROFILE, checked; `workloads` say which models are pods."""
    sheet.check(PROFILE)
    if sheet.usable("model", "accelerator", "instance_type"):
        pods = {w.model for w in workloads if w.resources is not None and not w.is_llm}
        _check_profile_kinds(sheet, sheet.frame["model"].isin(pods).to_numpy(dtype=bool))
    sheet.unique("model", "accelerator")
    sheet.unique("model", "instance_type")
    _check_once_anywhere(sheet)
    return Part(sheet.frame, tuple(sheet.faults))


def _check_profile_kinds(sheet: Sheet, of_pods: Bools) -> None:
    """A row is by accelerator or by instance type, and then has all numbers of its kind.

    A row of neither is for pods (`of_pods`), which serve the same on any node.
    """
    by_accelerator = sheet.frame["accelerator"].notna().to_numpy()
    anywhere = ~by_accelerator & sheet.frame["instance_type"].isna().to_numpy() & of_pods
    by_type = sheet.frame["instance_type"].notna().to_numpy() | anywhere
    kinds = "either an accelerator or an instance_type"
    sheet.refuse("accelerator", ~by_accelerator & ~by_type, kinds, "fill in one", lambda _: "neither")
    sheet.refuse("accelerator", by_accelerator & by_type, kinds, "split the row in two", lambda _: "both")
    one_kind = by_accelerator ^ by_type
    for kind, columns in ((by_accelerator, BY_ACCELERATOR), (by_type, BY_INSTANCE_TYPE)):
        rows = kind & one_kind
        for rule in (rule for rule in PROFILE if rule.name in columns):
            if rule.name in sheet.absent and rows.any():
                sheet.reject(rule.name, "no such column", rule.expected, "add the column")
            empty = rows & sheet.frame[rule.name].isna().to_numpy()
            sheet.refuse(rule.name, empty, rule.expected, "fill it in")


def _check_once_anywhere(sheet: Sheet) -> None:
    """One row of neither kind per model: it would not be clear which of two counts."""
    if not sheet.usable("model", "accelerator", "instance_type"):
        return
    rows = sheet.frame[["accelerator", "instance_type"]].isna().all(axis=1)
    again = (rows & sheet.frame["model"].where(rows).duplicated()).to_numpy(dtype=bool)
    sheet.refuse("model", again, "one row without accelerator and instance_type", "remove one of the two")


def _missing_profiles(sheet: Sheet, workloads: tuple[Workload, ...]) -> Iterator[Fault]:
    """Declared workloads whose model no row of the right kind describes."""
    if not sheet.usable("model", "accelerator", "instance_type"):
        return
    models = sheet.frame["model"].dropna()
    present = ", ".join(sorted(set(models))) or "none"
    for workload in workloads:
        kind = "accelerator" if workload.is_llm else "instance_type"
        rows = sheet.frame[(sheet.frame["model"] == workload.model).to_numpy()]
        kinds = rows[["accelerator", "instance_type"]].notna()
        is_told = not kinds.any(axis=1).all()
        is_any_kind = workload.tier == "batch" and not rows.empty
        # A row of neither kind is a fault of its own, or describes pods.
        if not (kinds[kind].any() or is_told or is_any_kind):
            found = f"no profile by {kind} of {workload.model!r} for {workload.name!r} (models: {present})"
            action = "add its profile or correct the workload's model"
            yield Fault(PROFILES_FILE, found, "one row or more", action, column="model")
