"""What was measured, as a table for people, a Markdown page and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.compare import Losses, Ratio, ratio
from benchmarks.measure import Outcome, Result

THREADS = "Numeric libraries on one thread, DuckDB and Polars on all cores"
RATIO_OF = ("seconds", "cpu_seconds", "peak_mib")


def document(outcome: Outcome, machine: dict[str, Any]) -> dict[str, Any]:
    """Everything about one outcome; ratios are this contender over the subject of the same run."""
    return {
        "benchmark": outcome.benchmark.name,
        "about": outcome.benchmark.about,
        "size": outcome.size,
        "input": outcome.prepared.source,
        "work": outcome.prepared.work,
        "unit": outcome.prepared.unit,
        "machine": machine,
        "contenders": [contender(outcome, result) for result in outcome.results],
        "compared": [compared(*row) for row in comparisons(outcome)],
    }


def contender(outcome: Outcome, result: Result) -> dict[str, Any]:
    """One contender's medians, their ratios to the subject and every single measurement."""
    if not result.samples:
        return {"name": result.contender, "unavailable": result.unavailable}
    subject = outcome.results[0]
    medians = {what: result.typical(what) for what in RATIO_OF}
    return {
        "name": result.contender,
        "median": medians,
        "ratio": {what: medians[what] / subject.typical(what) for what in RATIO_OF},
        "work_per_second": outcome.prepared.work / medians["seconds"],
        "quality": {name: None if math.isnan(value) else value for name, value in result.quality.items()},
        "all_seconds": [sample.seconds for sample in result.samples],
    }


def rows(outcome: Outcome) -> Iterator[list[str]]:
    """Head, then one row per contender, as text."""
    names = list(outcome.results[0].quality)
    unit = outcome.prepared.unit
    yield ["", "median s", "ratio", "CPU s", "peak MiB", "ratio", f"{unit}/s", *names]
    for result in outcome.results:
        made = contender(outcome, result)
        if "median" not in made:
            yield [result.contender, f"left out: {result.unavailable}", *[""] * (5 + len(names))]
            continue
        middle, ratio = made["median"], made["ratio"]
        yield [
            result.contender,
            f"{middle['seconds']:.3f}",
            f"{ratio['seconds']:.2f}",
            f"{middle['cpu_seconds']:.3f}",
            f"{middle['peak_mib']:.0f}",
            f"{ratio['peak_mib']:.2f}",
            f"{made['work_per_second']:,.0f}",
            *[shown(made["quality"].get(name)) for name in names],
        ]


def comparisons(outcome: Outcome) -> Iterator[tuple[str, Losses, Losses, Ratio | None]]:
    """Every variant of every contender, the subject's losses on the same basis, and their ratio.

    A peer's variant that repeats another over fewer origins is left out.
    """
    subject = {losses.basis: losses for losses in outcome.results[0].losses}
    for losses in outcome.results[0].losses:
        yield outcome.results[0].contender, losses, losses, None
    for result in outcome.results[1:]:
        told = set()
        for losses in result.losses:
            if losses.variant not in told and losses.basis in subject:
                told.add(losses.variant)
                ours = subject[losses.basis]
                yield result.contender, losses, ours, ratio(ours.by_unit, losses.by_unit)


def compared(name: str, losses: Losses, ours: Losses, found: Ratio | None) -> dict[str, Any]:
    """One comparison, for JSON."""
    made = {"name": name, "variant": losses.variant, "basis": losses.basis, "facts": dict(losses.facts)}
    return made if found is None else made | {"subject": dict(ours.facts), "ratio": asdict(found)}


def compared_rows(outcome: Outcome) -> Iterator[list[str]]:
    """Head, then a row per comparison, as text; nothing where there are no losses by unit."""
    made = list(comparisons(outcome))
    if not made:
        return
    facts = list(made[0][1].facts)
    yield ["", "", "over", *facts, "subject ÷ it [95 %]", "no worse on"]
    for name, losses, _, found in made:
        ends = ["", ""]
        if found is not None:
            ends = [
                f"{found.middle:.2f} [{found.low:.2f}, {found.high:.2f}]",
                f"{found.no_worse_share:.0%} of {found.units}",
            ]
        yield [name, losses.variant, losses.basis, *[shown(losses.facts.get(fact)) for fact in facts], *ends]


def shown(value: float | None) -> str:
    """A number about the result; unknown is a dash."""
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def rich_tables(outcome: Outcome) -> list[Table]:
    """The tables for the terminal: what was measured and, where it was asked for, what was compared."""
    title = f"{outcome.benchmark.name}, {outcome.size}: {outcome.prepared.source}"
    parts = [(title, list(rows(outcome))), (None, list(compared_rows(outcome)))]
    return [rich_table(named, part) for named, part in parts if part]


def rich_table(title: str | None, lines: list[list[str]]) -> Table:
    """Head and body as one table."""
    head, *body = lines
    table = Table(title=title, title_justify="left", box=None)
    for name in head:
        table.add_column(name, justify="left" if name == "" else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table


def markdown(outcome: Outcome, machine: dict[str, Any]) -> str:
    """The page beside the JSON."""
    tables = [markdown_table(part) for part in (list(rows(outcome)), list(compared_rows(outcome))) if part]
    facts = ", ".join(f"{key} {value}" for key, value in machine.items() if key != "packages")
    packages = ", ".join(f"{name} {known}" for name, known in machine["packages"].items())
    prepared = outcome.prepared
    parts = [
        f"# {outcome.benchmark.name}, {outcome.size}",
        outcome.benchmark.about,
        f"Input: {prepared.source}; {prepared.work:,.0f} {prepared.unit}. Ratios: this row over the first.",
        *tables,
        f"Machine: {facts}. Packages: {packages}. {THREADS}; one process per measurement.",
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(lines: list[list[str]]) -> str:
    """Head and body as a table of Markdown."""
    head, *body = lines
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body))


def write(outcome: Outcome, machine: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write <name>.json and <name>.md; both paths are given back."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{outcome.benchmark.name}.{ending}" for ending in ("json", "md"))
    text = json.dumps(document(outcome, machine), indent=1, ensure_ascii=False)
    paths[0].write_text(text + "\n", encoding="utf-8")
    paths[1].write_text(markdown(outcome, machine), encoding="utf-8")
    return paths[0], paths[1]
