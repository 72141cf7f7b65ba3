"""`python -m benchmarks [NAME …] [--size small|medium|large] [--repeat N] [--out DIR]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.measure import machine, measure
from benchmarks.registry import SIZES, chosen
from benchmarks.results import rich_tables, write

RESULTS = Path(__file__).resolve().parent / "results"
LEAST_WIDTH = 132  # a table whose numbers are cut says nothing


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; 0 if all of it was, 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Trimtab beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmark or subject; default: all")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeat", type=int, default=3, help="measurements per contender (default: 3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args(arguments)
    try:
        benchmarks = chosen(asked.names)
    except KeyError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return 2
    facts, notes = machine(), Console(stderr=True)
    screen = Console(width=max(Console().width, LEAST_WIDTH))
    for benchmark in benchmarks:
        if not benchmark.sizes[asked.size]:
            notes.print(f"{benchmark.name} is not measured at size {asked.size}")
            continue
        with notes.status(benchmark.name) as status:
            amount = benchmark.sizes[asked.size]
            outcome = measure(
                benchmark, size=asked.size, amount=amount, repeat=max(asked.repeat, 1), tell=status.update
            )
        for table in rich_tables(outcome):
            screen.print(table)
        for path in write(outcome, facts, asked.out):
            notes.print(f"wrote {path}", markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
