"""Sentences about a placement plan, for the terminal and the report alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.node_parts import NodeUse, Sharing
from optimizer.placement_parts import MissCost, WorkRow


def work_sentences(rows: Sequence[WorkRow]) -> Iterator[str]:
    """When work with a deadline is done, and how much of it."""
    for row in rows:
        when = ", ".join(f"{run.units:,.6g} at {run.period}" for run in row.runs)
        share = f"{row.units_per_day:,.6g} of {row.work_units:,.6g} units"
        yield f"{row.workload} (due {row.deadline:%Y-%m-%d %H:%M} UTC) does {share}: {when or 'never'}"


def miss_sentences(rows: Sequence[MissCost]) -> Iterator[str]:
    """What misses are expected to cost, and up to which demand there are none; in no other cost."""
    for row in rows:
        yield (
            f"misses are expected to cost {row.workload} USD {row.expected_usd_per_day:,.2f} a day, at USD "
            f"{row.usd_per_1000_missed:,g} per 1,000 missed requests: {of_what(row)}; it serves "
            f"{up_to(row.covered_quantile)} while nothing is lost; no other cost counts this"
        )


def of_what(row: MissCost) -> str:
    """The two causes of misses with their parts."""
    by_demand = f"{row.expected_usd_per_day_of_demand:,.2f} by high demand"
    if not row.days:
        return f"{by_demand}, losses are not known"
    days = "day" if row.days == 1 else f"{row.days} days"
    by_loss = row.expected_usd_per_day - row.expected_usd_per_day_of_demand
    return f"{by_demand}, {by_loss:,.2f} by losses as in the last {days} of history"


def up_to(quantile: float | None) -> str:
    """How much demand is served."""
    return "less than the lowest demand" if quantile is None else f"demand up to its {quantile:.6g} quantile"


def sharing_sentences(told: Sharing | None) -> Iterator[str]:
    """What workloads on shared nodes cost, how full these are, and the same on nodes of their own."""
    if told is None:
        return
    count = "1 workload" if len(told.workloads) == 1 else f"{len(told.workloads)} workloads"
    yield f"{count} on shared nodes: {told.usd_per_day:,.2f} USD a day, {use_words(told.use)}"
    if told.alone_usd_per_day is None or told.alone_use is None:
        yield "on nodes of their own they find no room within the limits"
    else:
        yield f"on nodes of their own: {told.alone_usd_per_day:,.2f} USD a day, {use_words(told.alone_use)}"


def use_words(use: NodeUse) -> str:
    """How much of nodes is requested."""
    gpu = "" if use.gpu_share is None else f", {use.gpu_share:.0%} of GPUs"
    return f"{use.cpu_share:.0%} of CPUs and {use.memory_share:.0%} of memory requested{gpu}"
