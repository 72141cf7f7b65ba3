"""What happened, as far as it was known at a moment: demand, events and spot capacity from `history/`.

Nothing later than the as-of moment may be used, not even to find the interval of the demand history: a
usage row counts only if ts + interval <= as-of, and the interval is itself inferred from such rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import Fault
from data.intervals import own_intervals
from data.sheet import Bools, ColumnRule, Part, Sheet, shown
from data.tabular import read_sheet

Ints = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
LONGEST_MINUTES = 60
EVENTS = ("preempted", "failed", "denied")

USAGE_FILE = "history/usage.parquet"
EVENTS_FILE = "history/events.parquet"
SPOT_FILE = "history/spot_capacity.parquet"

MOST_COUNTED = 1e15  # of requests or tokens in an interval: more is a slip, and sums of it are not exact

_TS = ColumnRule("ts", "time", "the start of the interval in UTC")
_WORKLOAD = ColumnRule("workload", "text", "the name of a workload")
USAGE = (
    _TS,
    _WORKLOAD,
    ColumnRule("requests", "number", "requests in the interval", minimum=0, most=MOST_COUNTED),
    ColumnRule(
        "tokens_in", "number", "prompt tokens in the interval", required=False, minimum=0, most=MOST_COUNTED
    ),
    ColumnRule(
        "tokens_out",
        "number",
        "generated tokens in the interval",
        required=False,
        minimum=0,
        most=MOST_COUNTED,
    ),
    ColumnRule("is_gap", "flag", "whether the interval was not measured", required=False),
)
EVENT = (
    ColumnRule("ts", "time", "the moment of the event in UTC"),
    _WORKLOAD,
    ColumnRule("option_id", "text", "the option it happened to"),
    ColumnRule("event", "text", "what happened", allowed=EVENTS),
)
SPOT = (
    ColumnRule("ts", "time", "the moment of the observation in UTC"),
    ColumnRule("pool", "text", "the name of a spot pool"),
    ColumnRule("capacity", "number", "instances the pool would grant", minimum=0),
)
TOKENS = ("tokens_in", "tokens_out")
DEMAND_COLUMNS = ["workload", "ts", "interval_s", "requests", *TOKENS, "is_gap"]


@dataclass(frozen=True)
class Known:
    """What the declarations say that the history must agree with; None = they could not be read."""

    workloads: Set[str] | None
    llms: Set[str]


def read_usage(path: Path, known: Known, as_of: datetime | None) -> Part:
    """Demand history with the columns of DEMAND_COLUMNS, sorted by workload and ts; gaps are not filled.

    Totals of an interval marked is_gap are NaN; tokens of an interval without requests are 0.
    """
    sheet = read_sheet(path, USAGE_FILE, USAGE)
    sheet.check([_TS])
    if not sheet.usable("ts", "workload"):
        sheet.frame = sheet.frame.iloc[:0]
    sheet.frame = sheet.frame[sheet.frame["ts"].notna()]
    notes = _cut_to_known(sheet, known, as_of)
    sheet.check([_WORKLOAD])
    _check_declared(sheet, known)
    sheet.unique("workload", "ts")
    _check_totals(sheet, known)
    demand = sheet.frame.assign(interval_s=sheet.frame["interval_us"] // SECOND_US)
    if not _is_sorted(demand):
        demand = demand.sort_values(["workload", "ts"], kind="stable")
    return Part(demand[DEMAND_COLUMNS].reset_index(drop=True), tuple(sheet.faults), tuple(notes))


def _is_sorted(demand: pd.DataFrame) -> bool:
    """Whether rows stand by workload and time already, as most do; sorting thousands of series takes long."""
    codes, names = pd.factorize(demand["workload"], use_na_sentinel=False)
    steps = np.diff(codes)
    later = demand["ts"].diff().to_numpy()[1:] >= np.timedelta64(0)
    return bool(names.is_monotonic_increasing and (steps >= 0).all() and (later | (steps > 0)).all())


def read_events(path: Path, known: Known, as_of: datetime | None) -> Part:
    """Failures, preemptions and denials up to the as-of moment, in order of time."""
    sheet = read_sheet(path, EVENTS_FILE, EVENT)
    _cut_at(sheet, as_of)
    sheet.check(EVENT)
    _check_declared(sheet, known)
    return Part(_by_time(sheet.frame), tuple(sheet.faults))


def read_spot_capacity(path: Path, as_of: datetime | None) -> Part:
    """Observed capacity of spot pools up to the as-of moment, in order of time."""
    sheet = read_sheet(path, SPOT_FILE, SPOT)
    _cut_at(sheet, as_of)
    sheet.check(SPOT)
    sheet.unique("pool", "ts")
    return Part(_by_time(sheet.frame), tuple(sheet.faults))


def known_interval(ts_us: Ints, as_of_us: int | None) -> int | None:
    """Interval in µs of sorted, distinct starts, from rows that are over at as_of whatever it turns out.

    It begins with rows that have been over for an hour, the longest interval there is, and takes in later
    rows only as far as the interval found so far allows. A row with ts + interval > as_of therefore never
    takes part. None: too few rows are over to tell.
    """
    if as_of_us is None:
        return _typical_step(ts_us) if ts_us.size > 1 else None
    too_long = None
    for minutes in range(LONGEST_MINUTES, 0, -1):
        over = ts_us[ts_us + minutes * MINUTE_US <= as_of_us]
        interval = _typical_step(over) if over.size > 1 else None
        if interval is not None and interval <= minutes * MINUTE_US:
            return _refined(ts_us, as_of_us, interval)
        if minutes == LONGEST_MINUTES:
            too_long = interval
    return too_long


def _refined(ts_us: Ints, as_of_us: int, interval: int) -> int:
    while True:
        finer = _typical_step(ts_us[ts_us + interval <= as_of_us])
        if finer >= interval:
            return interval
        interval = finer


def _typical_step(ts_us: Ints) -> int:
    """The shortest step where all others are multiples of it, else the most frequent one."""
    steps, counts = np.unique(np.diff(ts_us), return_counts=True)
    return int(steps[0] if not (steps % steps[0]).any() else steps[counts.argmax()])


def _cut_to_known(sheet: Sheet, known: Known, as_of: datetime | None) -> list[str]:
    """Keep the rows that are over at as_of, with their interval in µs; refuse uneven intervals."""
    limit = None if as_of is None else (as_of - EPOCH) // timedelta(microseconds=1)
    starts = _microseconds(sheet.frame["ts"])
    # Of a workload with one row only a minute is certain: enough to be told when nobody declared it.
    interval = np.full(starts.size, MINUTE_US, dtype=np.int64)
    keep = np.ones(starts.size, dtype=bool)
    uneven = np.zeros(starts.size, dtype=bool)
    notes: list[str] = []
    for name, rows in sheet.frame.groupby("workload", sort=True).indices.items():
        distinct = np.unique(starts[rows])
        found = known_interval(distinct, limit)
        if found is None:
            is_ours = known.workloads is None or name in known.workloads
            keep[rows] = not is_ours
            notes += [f"{USAGE_FILE}: too few rows of {name} to tell their interval; not used"] * is_ours
            continue
        over = distinct if limit is None else distinct[distinct + found <= limit]
        lengths = own_intervals(over, found, LONGEST_MINUTES * MINUTE_US)
        is_over = np.isin(starts[rows], over)
        interval[rows] = found
        interval[rows[is_over]] = lengths[np.searchsorted(over, starts[rows[is_over]])]
        uneven[rows] = _off_grid(starts[rows], over, found)
        notes += _gap_note(str(name), over[lengths == found], found)
        sheet.faults += _interval_faults(str(name), found)
    if limit is not None:
        keep &= starts + interval <= limit
    sheet.frame = sheet.frame.assign(interval_us=interval)[keep]
    _refuse_uneven(sheet, uneven[keep])
    return notes


def _off_grid(starts: Ints, over: Ints, interval: int) -> Bools:
    """Which starts do not stand on the grid that most known rows stand on."""
    if not over.size:
        return np.zeros(starts.size, dtype=bool)
    phases, counts = np.unique(over % interval, return_counts=True)
    off: Bools = (starts - phases[counts.argmax()]) % interval != 0
    return off


def _interval_faults(workload: str, interval: int) -> Iterator[Fault]:
    if not MINUTE_US <= interval <= LONGEST_MINUTES * MINUTE_US or interval % SECOND_US:
        found = f"intervals of {_duration(interval)} for {workload!r}"
        expected = "one even interval of 1 to 60 minutes per workload"
        yield Fault(USAGE_FILE, found, expected, "aggregate the history to one", column="ts")


def _refuse_uneven(sheet: Sheet, uneven: Bools) -> None:
    def found(position: int) -> str:
        row = sheet.frame.iloc[position]
        return f"{shown(row['ts'])}, off the grid of {_duration(row['interval_us'])} of {row['workload']!r}"

    expected = "one even interval of 1 to 60 minutes per workload"
    sheet.refuse("ts", uneven, expected, "aggregate the history to one", found)


def _gap_note(workload: str, over: Ints, interval: int) -> list[str]:
    whole = (int(over[-1]) - int(over[0])) // interval + 1 if over.size else 0
    if whole <= over.size:
        return []
    missing = f"{whole - over.size} of {whole} intervals of {workload} are missing"
    return [f"{USAGE_FILE}: {missing}; they count as unknown, not as zero"]


def _check_declared(sheet: Sheet, known: Known) -> None:
    """One fault for each of the first few names that no one declared, at its first row."""
    if known.workloads is None or not sheet.usable("workload"):
        return
    strange = sheet.frame["workload"][~sheet.frame["workload"].isin(known.workloads)].dropna()
    declared = f"a declared workload ({', '.join(sorted(known.workloads)) or 'none'})"
    first = ~strange.duplicated().to_numpy()
    names = Sheet(sheet.where, strange.to_frame()[first])
    action = "declare it in workloads.yaml or remove its rows"
    names.refuse("workload", np.ones(int(first.sum()), dtype=bool), declared, action)
    sheet.faults += names.faults


def _check_totals(sheet: Sheet, known: Known) -> None:
    """Requests and tokens of measured intervals; LLM workloads need both kinds of tokens."""
    frame = sheet.frame = sheet.frame.copy()
    gap = frame["is_gap"].to_numpy()
    is_llm = frame["workload"].isin(known.llms).to_numpy() & ~gap
    for rule in (rule for rule in USAGE if rule.kind == "number"):
        frame[rule.name] = frame[rule.name].mask(gap, 0.0)
        if rule.name in TOKENS:
            _check_tokens(sheet, rule, is_llm)
        sheet.check([rule])
        frame[rule.name] = frame[rule.name].mask(gap)


def _check_tokens(sheet: Sheet, rule: ColumnRule, is_llm: Bools) -> None:
    column, expected = rule.name, f"{rule.meaning} (LLM workloads need them)"
    if column in sheet.absent and is_llm.any():
        sheet.reject(column, "no such column", expected, "add the column")
    idle = (sheet.frame["requests"] == 0).to_numpy() & sheet.frame[column].isna().to_numpy()
    sheet.frame[column] = sheet.frame[column].mask(idle, 0.0)  # no requests carry no tokens
    sheet.refuse(column, sheet.frame[column].isna().to_numpy() & is_llm, expected, "fill it in")


def _cut_at(sheet: Sheet, as_of: datetime | None) -> None:
    """Drop what happened later; rows without a time stay, to be told."""
    if as_of is not None:
        sheet.frame = sheet.frame[~(sheet.frame["ts"] > pd.Timestamp(as_of))]


def _by_time(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("ts", kind="stable", ignore_index=True)


def _microseconds(ts: pd.Series[Any]) -> Ints:
    return np.asarray(ts.astype("int64"), dtype=np.int64)


def _duration(interval_us: float) -> str:
    minutes = interval_us / MINUTE_US
    return f"{minutes:g} minutes" if minutes >= 1 else f"{interval_us / SECOND_US:g} seconds"
