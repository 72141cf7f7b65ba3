"""Sentences about a placement plan, for the terminal and the report alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.placement_parts import MissCost, WorkRow


def work_sentences(rows: Sequence[WorkRow]) -> Iterator[str]:
    """When work with a deadline is done, and how much of it."""
    for row in rows:
        when = ", ".join(f"{run.units:,.6g} at {run.period}" for run in row.runs)
        share = f"{row.units_per_day:,.6g} of {row.work_units:,.6g} units"
        yield f"{row.workload} (due {row.deadline:%Y-%m-%d %H:%M} UTC) does {share}: {when or 'never'}"


def miss_sentences(rows: Sequence[MissCost]) -> Iterator[str]:
    """What losses as on past days would cost on average; in no other cost."""
    for row in rows:
        days = "1 day" if row.days == 1 else f"{row.days} days"
        yield (
            f"losses as in the last {days} of history would cost {row.workload} USD "
            f"{row.expected_usd_per_day:,.2f} a day, at USD {row.usd_per_1000_missed:,g} per 1,000 missed "
            "requests; no other cost counts this"
        )
