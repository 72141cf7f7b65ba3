"""What the command line shows of a backtest: tables for people, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimizer.backtest_forecasts import Judged, ratios_for
from optimizer.bill_screen import columns, whole
from optimizer.report.backtest_page import planning, rows, ties, verdict
from optimizer.report.text import is_known, quantity, share
from optimizer.screen import out, show_files


def summary(found: Judged, files: Sequence[Path]) -> dict[str, Any]:
    """The documented JSON of `backtest forecast`."""
    return {
        "subject": found.subject,
        "unit": found.unit,
        "horizon_hours": found.horizon.total_seconds() / 3600,
        "origins": found.test.origins,
        "first_origin": found.test.first.isoformat(),
        "last_origin": found.test.last.isoformat(),
        "series": found.series,
        "points": found.points,
        "demand_quantile": found.quantile,
        "levels": list(found.test.levels),
        "champion": champion(found),
        "models": [
            {name: value if is_known(value) else None for name, value in row.items()}
            for row in found.table.to_dict("records")
        ],
        "run": found.run,
        "files": [str(path) for path in files],
    }


def champion(found: Judged) -> dict[str, Any] | None:
    """Who won, how sure that is, and the same in words."""
    won = found.champion
    if won is None:
        return None
    return {
        "model": won.model,
        "cost_ratio": won.cost_ratio,
        "ratio": won.against.value,
        "ratio_low": won.against.low,
        "ratio_high": won.against.high,
        "cheapest": won.cheapest,
        "beat_seasonal_naive": list(won.better),
        "ties": list(won.ties),
        "planner": found.planner,
        "text": verdict(found),
    }


def show(found: Judged, files: Sequence[Path]) -> None:
    """One line per model by the loss of the decision, the champion, and the files: the page has more."""
    ratio, *_ = ratios_for(found.quantile)
    covered = f">covered at {found.quantile:g}"
    table = columns("model", f">cost {ratio:g}:1", ">to seasonal naive", ">not worse", covered)
    for row in rows(found):
        cost, *_ = row.costs
        paid = (quantity(cost.value), str(cost.against), share(row.not_worse))
        table.add_row(row.label, *paid, share(row.coverage))
    whole(table)
    span = f"{found.test.first:%Y-%m-%d %H:%M} to {found.test.last:%Y-%m-%d %H:%M} UTC"
    count = "1 origin" if found.test.origins == 1 else f"{found.test.origins:,} origins"
    told = " ".join(filter(None, (verdict(found), ties(found), planning(found))))
    series = f"{found.series:,} series, {found.points:,} steps"
    for line in (f"{found.subject}: {series}, {count} from {span}", told):
        out.print(line, markup=False, highlight=False, soft_wrap=not out.is_terminal)
    show_files(files)
