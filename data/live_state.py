"""The fleet as it is now, from `state.json`: JSON without surprises, checked entry by entry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import Fault
from data.history import Known
from data.sheet import shown

STATE_FILE = "state.json"
COUNTS = ("desired", "ready", "pending")
SHAPE = '{"as_of": time, "fleet": [{workload, option_id, desired, ready, pending}]}'
NODES_SHAPE = '"nodes": [{option_id, desired, ready, pending}]'


@dataclass(frozen=True)
class State:
    """Live replicas, nodes that workloads share, their moment; None where unknown or later than asked."""

    fleet: pd.DataFrame | None = None
    nodes: pd.DataFrame | None = None
    as_of: datetime | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


def read_state(path: Path, known: Known, as_of: datetime | None, options: Set[str] | None) -> State:
    """Read the live fleet: workload, option_id, desired, ready, pending; and shared nodes, without workload.

    Args:
        path: The file.
        known: Declared workloads; an entry of another one is a fault.
        as_of: A state later than this is left out, with a note.
        options: Ids in the catalogue; an entry of another one is kept, with a note. None = no catalogue.
    """
    try:
        repeated: list[str] = []
        value = _json(path.read_text(encoding="utf-8-sig"), repeated)
    except (OSError, ValueError, RecursionError) as error:
        found = f"text that is not JSON ({' '.join(str(error).split())})"
        return State(faults=(Fault(STATE_FILE, found, SHAPE, "write the file again"),))
    faults = [
        Fault(STATE_FILE, "the key again", "each key once", "remove one of the two", column=key)
        for key in repeated
    ]
    if not isinstance(value, dict) or not isinstance(value.get("fleet"), list):
        return State(faults=(*faults, Fault(STATE_FILE, shown(value), SHAPE, "correct the file")))
    moment = _moment(value.get("as_of"))
    if isinstance(moment, Fault):
        faults.append(moment)
    elif as_of is not None and moment > as_of:
        return State(faults=tuple(faults), notes=(_later(moment, as_of),))
    faults += _entry_faults(value["fleet"], known)
    faults += _node_faults(value.get("nodes", []))
    if faults or isinstance(moment, Fault):
        return State(faults=tuple(faults))
    fleet, nodes = _frame(value["fleet"], "workload"), _frame(value.get("nodes", []))
    named = set(fleet["option_id"]) | set(nodes["option_id"])
    return State(fleet, nodes, moment, notes=_unknown_options(named, options))


def _json(text: str, repeated: list[str]) -> object:
    """Parse JSON; keys that an object holds twice are collected, NaN and Infinity refused."""

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in items]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(items)

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    value: object = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    return value


def _moment(value: object) -> datetime | Fault:
    expected = "an ISO 8601 time with offset, such as 2026-05-12T03:00:00+00:00"
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return Fault(STATE_FILE, shown(value), expected, "correct it", column="as_of")
    if moment.tzinfo is None:
        found = f"{value} without zone"
        return Fault(STATE_FILE, found, expected, "write the time with its zone", column="as_of")
    return moment.astimezone(UTC)


def _later(moment: datetime, as_of: datetime) -> str:
    return f"{STATE_FILE} is of {moment.isoformat()}, later than {as_of.isoformat()}: not used"


def _entry_faults(fleet: list[Any], known: Known) -> Iterator[Fault]:
    first: dict[tuple[str, str], int] = {}
    for row, entry in enumerate(fleet, start=1):
        if not isinstance(entry, dict):
            yield Fault(STATE_FILE, shown(entry), SHAPE, "correct the entry", row=row, column="fleet")
            continue
        yield from _value_faults(entry, row, known)
        workload, option_id = entry.get("workload"), entry.get("option_id")
        if not isinstance(workload, str) or not isinstance(option_id, str):
            continue
        earlier = first.setdefault((workload, option_id), row)
        if earlier != row:
            found = f"{option_id!r} of {workload!r} again (first in row {earlier})"
            yield Fault(STATE_FILE, found, "each once", "add the two up", row=row, column="option_id")


def _node_faults(nodes: object) -> Iterator[Fault]:
    """Entries of nodes that workloads share; each option once."""
    if not isinstance(nodes, list):
        yield Fault(STATE_FILE, shown(nodes), NODES_SHAPE, "correct it", column="nodes")
        return
    first: dict[str, int] = {}
    for row, entry in enumerate(nodes, start=1):
        if not isinstance(entry, dict):
            yield Fault(STATE_FILE, shown(entry), NODES_SHAPE, "correct the entry", row=row, column="nodes")
            continue
        yield from _name_faults(entry, row, ("option_id",))
        yield from _count_faults(entry, row)
        option = entry.get("option_id")
        earlier = first.setdefault(option, row) if isinstance(option, str) else row
        if earlier != row:
            found = f"nodes of {option!r} again (first in row {earlier})"
            yield Fault(STATE_FILE, found, "each once", "add the two up", row=row, column="option_id")


def _name_faults(entry: dict[str, Any], row: int, columns: tuple[str, ...]) -> Iterator[Fault]:
    for column in columns:
        value = entry.get(column)
        if not isinstance(value, str) or not value:
            yield Fault(STATE_FILE, shown(value), "a name", "fill it in", row=row, column=column)


def _value_faults(entry: dict[str, Any], row: int, known: Known) -> Iterator[Fault]:
    yield from _name_faults(entry, row, ("workload", "option_id"))
    name = entry.get("workload")
    if isinstance(name, str) and name and known.workloads is not None and name not in known.workloads:
        declared = f"a declared workload ({', '.join(sorted(known.workloads))})"
        action = "declare it in workloads.yaml or remove the entry"
        yield Fault(STATE_FILE, shown(name), declared, action, row=row, column="workload")
    yield from _count_faults(entry, row)


def _count_faults(entry: dict[str, Any], row: int) -> Iterator[Fault]:
    for column in COUNTS:
        value = entry.get(column)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            expected = "a whole number of replicas, 0 or more"
            yield Fault(STATE_FILE, shown(value), expected, "correct it", row=row, column=column)


def _frame(entries: list[dict[str, Any]], *names: str) -> pd.DataFrame:
    named = [*names, "option_id"]
    frame = pd.DataFrame(entries, columns=[*named, *COUNTS])
    return frame.astype(dict.fromkeys(named, "str") | dict.fromkeys(COUNTS, "int64"))


def _unknown_options(named: Set[str], options: Set[str] | None) -> tuple[str, ...]:
    unknown = [] if options is None else sorted(named - options)
    if not unknown:
        return ()
    return (f"{STATE_FILE}: the catalogue does not hold {', '.join(unknown)}; their cost is unknown",)
