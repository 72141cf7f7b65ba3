"""What was measured, as a table for people, a Markdown page and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

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


def shown(value: float | None) -> str:
    """A number about the result; unknown is a dash."""
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def rich_table(outcome: Outcome) -> Table:
    """The table for the terminal."""
    head, *body = rows(outcome)
    title = f"{outcome.benchmark.name}, {outcome.size}: {outcome.prepared.source}"
    table = Table(title=title, title_justify="left", box=None)
    for name in head:
        table.add_column(name, justify="left" if name == "" else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table


def markdown(outcome: Outcome, machine: dict[str, Any]) -> str:
    """The page beside the JSON."""
    head, *body = rows(outcome)
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]
    facts = ", ".join(f"{key} {value}" for key, value in machine.items() if key != "packages")
    packages = ", ".join(f"{name} {known}" for name, known in machine["packages"].items())
    prepared = outcome.prepared
    parts = [
        f"# {outcome.benchmark.name}, {outcome.size}",
        outcome.benchmark.about,
        f"Input: {prepared.source}; {prepared.work:,.0f} {prepared.unit}. Ratios: this row over the first.",
        "\n".join(lines),
        f"Machine: {facts}. Packages: {packages}. {THREADS}; one process per measurement.",
    ]
    return "\n\n".join(parts) + "\n"


def write(outcome: Outcome, machine: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write <name>.json and <name>.md; both paths are given back."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{outcome.benchmark.name}.{ending}" for ending in ("json", "md"))
    text = json.dumps(document(outcome, machine), indent=1, ensure_ascii=False)
    paths[0].write_text(text + "\n", encoding="utf-8")
    paths[1].write_text(markdown(outcome, machine), encoding="utf-8")
    return paths[0], paths[1]
