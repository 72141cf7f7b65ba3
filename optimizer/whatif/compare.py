"""Scenarios beside what is: the same question under each, and what differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.errors import Fault, InfeasibleError, InputError
from optimizer.inputs import Inputs
from optimizer.recommend import DAYS_PER_MONTH
from optimizer.whatif.change import Asked, Change, read_change
from optimizer.whatif.changed import changed
from optimizer.whatif.names import faults, words
from optimizer.whatif.outcome import Measures, Outcome

Progress = Callable[[str, float], None]
Answer = Callable[[Inputs, Callable[[float], None]], Outcome]
LEFT = "left_as_is_usd_per_day"
COSTS = ("usd_per_day", "cost_usd")  # what the change of a row is told of: plans, replays


@dataclass(frozen=True)
class Compared:
    """A scenario beside what is.

    Attributes:
        words: what is otherwise.
        outcome: the answer in the scenario.
        rows: `workload, policy`, every measure as `…_before` and `…_after`, `change_share` of the cost.
        totals: the same of all workloads, or of those in both answers, `without` the others.
        notes: what a reader must know of the scenario alone.
    """

    name: str
    words: tuple[str, ...]
    outcome: Outcome
    rows: tuple[dict[str, Any], ...]
    totals: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """The answer as things are, and scenarios beside it."""

    base: Outcome
    scenarios: tuple[Compared, ...]


def read_changes(inputs: Inputs, scenarios: Sequence[Asked]) -> tuple[Change, ...]:
    """Scenarios with their tables, every name in them known.

    Raises:
        InputError: every fault of every scenario.
    """
    found: list[Fault] = []
    changes: list[Change] = []
    for asked in scenarios:
        try:
            change = read_change(asked, inputs.workloads)
        except InputError as error:
            found += error.faults
        else:
            found += faults(inputs, change)
            changes.append(change)
    if found:
        raise InputError(found)
    return tuple(changes)


def compare(inputs: Inputs, changes: Sequence[Change], answer: Answer, *, progress: Progress) -> Answers:
    """The answer to a question as things are, and in each scenario.

    Raises:
        InfeasibleError: a workload has no admissible option as things are.
    """
    runs = 1 + len(changes)
    base = answer(inputs, share_of(progress, "as it is", 0, runs))
    if base.impossible:
        raise InfeasibleError("\n".join(base.impossible.values()))
    compared = []
    for k, change in enumerate(changes, 1):
        part = share_of(progress, change.scenario.name, k, runs)
        told = (*words(inputs, change), *change.notes)
        compared.append(beside(base, answer(changed(inputs, change), part), change.scenario.name, told))
    return Answers(base, tuple(compared))


def share_of(progress: Progress, name: str, part: int, parts: int) -> Callable[[float], None]:
    """Progress of one of several equal parts, told as that of the whole."""
    progress(name, part / parts)
    return lambda done: progress(name, (part + done) / parts)


def beside(base: Outcome, other: Outcome, name: str, told: tuple[str, ...]) -> Compared:
    """One scenario beside what is."""
    keys = list(dict.fromkeys([*base.rows, *other.rows]))
    rows = tuple(
        {"workload": w, "policy": p or None, **both(base.rows.get((w, p)), other.rows.get((w, p)))}
        for w, p in keys
    )
    policies = dict.fromkeys([*base.totals, *other.totals])
    totals = tuple({"policy": p or None, **total(base, other, p)} for p in policies)
    notes = [note for note in other.notes if note not in base.notes]
    return Compared(name, told, other, rows, totals, (*notes, *doubts(totals)))


def total(base: Outcome, other: Outcome, policy: str) -> dict[str, Any]:
    """All workloads together; where some are in one outcome alone, the cost of those that are in both."""
    mine, yours = workloads(base, policy), workloads(other, policy)
    if mine == yours:
        return {"without": [], **both(base.totals.get(policy), other.totals.get(policy))}
    sides = [cost_of(outcome, policy, mine & yours) for outcome in (base, other)]
    return {"without": sorted(mine ^ yours), **both(*sides)}


def cost_of(outcome: Outcome, policy: str, names: Collection[str]) -> Measures:
    """What some workloads cost, with those that stay as they are; nothing where there are none."""
    known = outcome.totals.get(policy, {})
    cost = next((name for name in COSTS if name in known), None)
    if cost is None or not names:
        return {}
    left = {name: known[name] for name in (LEFT,) if name in known}
    usd = sum(outcome.rows[name, policy][cost] for name in names) + sum(left.values())
    months = {"usd_per_month": usd * DAYS_PER_MONTH} if cost == "usd_per_day" else {}
    return {cost: usd, **months, **left}


def workloads(outcome: Outcome, policy: str) -> set[str]:
    """Workloads that an outcome speaks of."""
    return {workload for workload, each in outcome.rows if each == policy}


def both(before: Measures | None, after: Measures | None) -> dict[str, Any]:
    """Measures before and after side by side, None where there are none, and the relative change of cost."""
    names = dict.fromkeys([*(before or {}), *(after or {})])
    pair = {
        f"{name}_{when}": plain((side or {}).get(name))
        for name in names
        for when, side in (("before", before), ("after", after))
    }
    cost = next((name for name in COSTS if name in names), None)
    old, new = (pair.get(f"{cost}_{when}") for when in ("before", "after"))
    share = (new - old) / old if old and new is not None else (0.0 if old == new == 0 else None)
    return {**pair, "change_share": share if share is None else round(share, 6)}


def plain(value: Any) -> Any:
    """A measure as JSON holds it: six digits behind the point, None where it is not known."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def doubts(totals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A note where gaps of both plans leave open which of the best plans is dearer."""
    for row in totals:
        old, new = row.get("bound_usd_before"), row.get("bound_usd_after")
        if old is None or new is None or not row["change_share"]:
            continue
        if new <= row["objective_usd_before"] and old <= row["objective_usd_after"]:
            yield (
                "the proven gaps leave open whether the best plan would be dearer or cheaper: "
                "a smaller gap_share in trimtab.toml would tell"
            )
