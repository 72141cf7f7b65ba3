"""A backtest of capacity as files people take away: numbers as Parquet and JSON, and a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optimizer.backtest_capacity import CapacityBacktest
from optimizer.layout import taking_place, writing_in
from optimizer.report.capacity_page import render, totals, verdict
from optimizer.report.levers import levers, told
from optimizer.report.text import is_known

NAMES = ("capacity_backtest.html", "backtest.json", "capacity_backtest.parquet")


def document(found: CapacityBacktest) -> dict[str, Any]:
    """The documented JSON: what was asked, policies over all workloads, and each for each."""
    asked = found.question
    return {
        "from": asked.since.isoformat(),
        "to": asked.until.isoformat(),
        "seed": asked.seed,
        "text": verdict(found),
        "levers_text": told(found),
        "workloads": [
            {
                "workload": one.name,
                "target": one.target,
                "history_days": one.history_days,
                "counted_share": one.counted_share,
                "usual_option": one.usual.option_id,
                "usual_because": one.usual.why,
                "bound_usd": found.played[one.name, "clairvoyant"].bound_usd,
            }
            for one in found.served
        ],
        "policies": [known(asdict(each)) for each in totals(found)],
        "levers": [known(asdict(each)) for each in levers(found)],
        "results": [known(row) for row in found.rows.to_dict("records")],
        "notes": list(found.notes),
    }


def known(row: dict[Any, Any]) -> dict[str, Any]:
    """Names and values, None where one is not known."""
    return {str(name): value if is_known(value) else None for name, value in row.items()}


def summary(found: CapacityBacktest, files: Sequence[Path]) -> dict[str, Any]:
    """The document and where it was written."""
    return {**document(found), "files": [str(path) for path in files]}


def write(found: CapacityBacktest, folder: Path) -> tuple[Path, ...]:
    """Write the files of `NAMES` into a folder, made if absent; the old ones stay where one fails.

    Raises:
        InputError: the folder cannot be written.
    """
    page = render(found)
    text = json.dumps(document(found), indent=1) + "\n"
    with ExitStack() as stack:
        html, numbers, rows = (stack.enter_context(taking_place(folder / name)) for name in NAMES)
        with writing_in(folder):
            html.write_text(page, encoding="utf-8", newline="\n")
            numbers.write_text(text, encoding="utf-8", newline="\n")
            found.rows.to_parquet(rows, index=False)
    return tuple(folder / name for name in NAMES)
