"""The loops of all workloads: those of many are fitted on all processors, each workload by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from optimizer.inputs import Inputs
from optimizer.minute_plan import Loop, loop_of
from optimizer.needs import Candidate
from optimizer.processes import processes

FEW = 40  # workloads whose loops are fitted before other processes have begun
AT_ONCE = 8  # workloads that a process is given at a time


def loops_of(
    candidates: Sequence[Candidate], inputs: Inputs, kind: str, *, few: int = FEW
) -> Mapping[str, Loop]:
    """By workload, of those that a loop serves; the same however many processes there are."""
    jobs = min(os.cpu_count() or 1, len(candidates) // AT_ONCE)
    if jobs < 2 or len(candidates) <= few:
        found: Iterator[Loop | None] = (loop_of(c, inputs, kind) for c in candidates)
        return known(candidates, found)
    alone = ((c, of_one(inputs, c.workload.name)) for c in candidates)
    with processes(jobs) as pool:
        return known(candidates, pool.map(partial(fitted_loop, kind=kind), alone, chunksize=AT_ONCE))


def known(candidates: Sequence[Candidate], loops: Iterator[Loop | None]) -> dict[str, Loop]:
    """By workload, without those that have none."""
    named = zip((c.workload.name for c in candidates), loops, strict=True)
    return {name: loop for name, loop in named if loop is not None}


def of_one(inputs: Inputs, name: str) -> Inputs:
    """What one workload's loop is fitted from."""
    return replace(
        inputs,
        workloads=tuple(w for w in inputs.workloads if w.name == name),
        demand=inputs.history_of(name),
        fleet=inputs.fleet.loc[inputs.fleet["workload"].eq(name)],
        past_forecasts=inputs.past_forecasts.iloc[:0],
        promises=inputs.promises.loc[inputs.promises["workload"].eq(name)],
    )


def fitted_loop(task: tuple[Candidate, Inputs], *, kind: str) -> Loop | None:
    """The same in a process of its own."""
    return loop_of(*task, kind)
