"""`trimtab check`: what is wrong, old or missing in a workspace, without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pandas as pd

from data.lake import Lake
from optimizer.config import load_settings
from optimizer.demand_age import OLD
from optimizer.errors import InputError, TrimtabError
from optimizer.inputs import read_inputs
from optimizer.layout import Layout
from optimizer.plan import read_plan
from optimizer.reconciliation import reconciled

OLD_PRICES = pd.Timedelta(days=90)
OLD_DEMAND = pd.Timedelta(hours=24)


@dataclass(frozen=True)
class Finding:
    """One result: level is ok, note (worth knowing) or fault (must be mended)."""

    level: str
    what: str
    text: str


def findings(layout: Layout, now: datetime) -> tuple[Finding, ...]:
    """Every check in order; one that fails does not stop the others."""
    return tuple(finding for name, run in CHECKS for finding in guarded(name, run, layout, now))


Check = Callable[[Layout, datetime], Iterator[Finding]]


def guarded(name: str, run: Check, layout: Layout, now: datetime) -> Iterator[Finding]:
    """The findings of one check; its errors are findings too."""
    try:
        yield from run(layout, now)
    except InputError as error:
        yield from (Finding("fault", name, str(fault)) for fault in error.faults)
    except TrimtabError as error:
        yield Finding("fault", name, str(error))


def settings(layout: Layout, _: datetime) -> Iterator[Finding]:
    """trimtab.toml and TRIMTAB_* are understood."""
    load_settings(layout.root)
    yield Finding("ok", "settings", "understood")


def inputs(layout: Layout, now: datetime) -> Iterator[Finding]:
    """Workloads, prices, profiles, history and fleet fit together; how old they are.

    A workspace may be for its bills alone: then there is a lake and nothing to plan.
    """
    if layout.is_for_bills_alone:
        yield Finding("note", "workloads", "none declared: bills are read, nothing is planned")
        return
    known = read_inputs(layout.root, now)
    yield Finding("ok", "workloads", f"{len(known.workloads)} declared, {len(known.options)} options known")
    for note in known.notes:
        if not note.startswith(OLD):  # told below, of all workloads at once
            yield Finding("note", "inputs", note)
    newest = known.demand["ts"].max() if len(known.demand) else None
    if newest is None or pd.isna(newest):
        yield Finding("note", "demand", "no history: plans leave workloads as they are")
    elif pd.Timestamp(now) - newest > OLD_DEMAND:
        yield Finding("note", "demand", f"newest row is {pd.Timestamp(now) - newest} old")
    if "price_as_of" in known.options:
        age = pd.Timestamp(now) - known.options["price_as_of"]
        old = int((age > OLD_PRICES).sum())
        if old:
            yield Finding("note", "prices", f"{old} of {len(age)} are older than {OLD_PRICES.days} days")


def lake(layout: Layout, _: datetime) -> Iterator[Finding]:
    """The lake opens and says what it holds."""
    if not layout.catalog.is_file():
        yield Finding("note", "lake", "none yet: `trimtab ingest` makes it")
        return
    with Lake.open(layout.lake, read_only=True) as opened:
        snapshots = opened.snapshots()
        yield Finding(
            "ok", "lake", f"{len(snapshots)} snapshots, newest {snapshots['committed_at'].max():%F %R} UTC"
        )


def bills(layout: Layout, _: datetime) -> Iterator[Finding]:
    """What was loaded is the invoice: every rule of reconciliation, and what breaks it."""
    if not layout.catalog.is_file():
        return
    with Lake.open(layout.lake, read_only=True) as opened:
        rules = reconciled(opened)
    for rule in rules:
        level = "ok" if not rule.misses else "fault" if rule.is_fault else "note"
        yield Finding(level, f"bill, {rule.name}", rule.text)
        for line in rule.misses:
            yield Finding(level, f"bill, {rule.name}", line)
        if rule.more:
            yield Finding(level, f"bill, {rule.name}", f"and {rule.more} more")


def plans(layout: Layout, now: datetime) -> Iterator[Finding]:
    """Every plan in plans/ is whole and unchanged."""
    for path in sorted(layout.plans.glob("*.json")):
        yield from guarded("plan", partial(plan_file, path), layout, now)


def plan_file(path: Path, _: Layout, __: datetime) -> Iterator[Finding]:
    """One plan is whole and unchanged."""
    made = read_plan(path)
    yield Finding("ok", "plan", f"{path.name}: {made.plan_schema} of {made.as_of:%F %R} UTC, hash holds")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", settings),
    ("inputs", inputs),
    ("lake", lake),
    ("bills", bills),
    ("plans", plans),
)
