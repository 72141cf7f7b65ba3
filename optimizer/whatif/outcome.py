"""What comes of a question under one set of inputs: measures by workload, to be laid beside others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from data.workloads import Workload
from optimizer.admissible import Context
from optimizer.errors import InfeasibleError
from optimizer.inputs import Inputs
from optimizer.needs import admissible_pairs, tokens_of

Key = tuple[str, str]  # workload, policy; a plan has no policy
Measures = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The answer to a question.

    Attributes:
        rows: measures of each workload.
        totals: of all workloads together, by policy.
        impossible: workloads without an admissible option, and why; nothing else speaks of them.
        shortfalls: what a shortage forces to be missed, as sentences by workload, or budget, and rule.
        notes: what a reader must know.
        fingerprint: of the inputs.
    """

    rows: Mapping[Key, Measures]
    totals: Mapping[str, Measures]
    fingerprint: str
    impossible: Mapping[str, str] = field(default_factory=dict)
    shortfalls: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def without_option(inputs: Inputs, workloads: Sequence[Workload], context: Context) -> dict[str, str]:
    """By workload which filter leaves it without an option, and the cheapest way out."""
    found = {}
    for workload in workloads:
        history = inputs.demand.loc[inputs.demand["workload"].eq(workload.name)]
        try:
            admissible_pairs(workload, inputs, tokens_of(workload, history, inputs.demand), context)
        except InfeasibleError as error:
            found[workload.name] = str(error)
    return found


def possible(inputs: Inputs, impossible: Mapping[str, str]) -> Inputs:
    """The inputs without the workloads that nothing may serve, so that the others can be planned."""
    if not impossible:
        return inputs
    return replace(inputs, workloads=tuple(w for w in inputs.workloads if w.name not in impossible))


def missed(outcome: Outcome) -> tuple[str, ...]:
    """Every shortfall of an outcome."""
    return tuple(text for texts in outcome.shortfalls.values() for text in texts)
