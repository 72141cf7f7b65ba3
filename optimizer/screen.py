"""What the command line shows: tables and progress for people, plain dictionaries for --json."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from optimizer.demand_age import OLD
from optimizer.errors import Fault, InputError
from optimizer.plan_words import miss_sentences, sharing_sentences, work_sentences
from optimizer.shortfalls import sentences
from optimizer.terminal import visible

if TYPE_CHECKING:
    from data.ingest import Loads
    from optimizer.checkup import Finding
    from optimizer.demo import Demo
    from optimizer.placement_parts import Explanation
    from optimizer.plan import CapacityPlan, PlacementPlan
    from optimizer.solution_files import Solved

KINDS = ("capacity", "placement")
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=35)  # nothing that is known says more about a later hour


class PlainConsole(Console):
    """A terminal to which no value from a bill or a file can speak: see `optimizer.terminal`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, its control characters made visible."""
        return super().render_str(visible(text), **options)


out = PlainConsole()
err = PlainConsole(stderr=True)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error; the callback takes what is being done and how far it is (0..1).

    Off a terminal there is no bar: what stands on standard error is then faults alone, a line each.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda text, done: bar.update(task, description=f"{title}: {text}", completed=done)


def duration(text: str) -> pd.Timedelta:
    """A length of time such as 24h, 90min or 7d; a bare number has no unit and is refused."""
    parts = re.fullmatch(r"(\d{1,9})(min|[smhd])", text.strip())
    value = timedelta(seconds=int(parts[1]) * SECONDS[parts[2]]) if parts else timedelta(0)
    if not timedelta(0) < value <= LONGEST:
        expected = f"a length such as 90min, 24h or 7d, at most {LONGEST.days}d"
        raise InputError([Fault("--horizon", repr(text), expected, "correct it")])
    return pd.Timedelta(value)


def plan_kind(text: str) -> str:
    """A known kind of plan."""
    if text not in KINDS:
        raise InputError([Fault("--kind", repr(text), " or ".join(KINDS), "choose one of them")])
    return text


def check_save_problem(kind: str, folder: Path | None) -> None:
    """Only a placement is one problem: a capacity plan is many small ones."""
    if folder is not None and kind != "placement":
        expected, action = "--kind placement beside it", "add it, or leave --save-problem out"
        raise InputError([Fault("--save-problem", f"--kind {kind}", expected, action)])


def usd(value: float | None, digits: int = 0) -> str:
    """Money for people; an unknown amount says so."""
    return "not known" if value is None else f"{value:,.{digits}f} USD"


def ingest_summary(delivery: Loads) -> dict[str, Any]:
    """The documented JSON of `ingest`."""
    loads = [
        {
            "source": load.source,
            "kind": load.kind,
            "rows": load.rows,
            "period_start": load.period_start.isoformat() if load.period_start else None,
            "period_end": load.period_end.isoformat() if load.period_end else None,
            "billed_cost": {currency: str(amount) for currency, amount in load.billed_cost.items()},
            "effective_cost": {currency: str(amount) for currency, amount in load.effective_cost.items()},
            "status": load.status,
            "notes": list(load.notes),
        }
        for load in delivery.loads
    ]
    skipped = [{"file": item.name, "reason": item.reason} for item in delivery.skipped]
    return {"loads": loads, "skipped": skipped}


def show_loads(delivery: Loads) -> None:
    """One line per load, then what was left out."""
    table = Table("source", "kind", "rows", "period", "billed", "status", box=None)
    for load in delivery.loads:
        period = "-" if load.period_start is None else f"{load.period_start:%Y-%m-%d}"
        period += "" if load.period_end is None else f" to {load.period_end:%Y-%m-%d}"
        billed = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in load.billed_cost.items())
        status = "left aside" if load.is_held else load.status
        table.add_row(escape(load.source), load.kind, f"{load.rows:,}", period, billed or "-", status)
    out.print(table)
    for note in (note for load in delivery.loads for note in load.notes):
        out.print(note, markup=False)
    for item in delivery.skipped:
        out.print(f"left out {item.name}: {item.reason}", markup=False)


def forecast_summary(frame: pd.DataFrame, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Series, steps and models of a forecast, and what a reader should know."""
    models = sorted(frame["model"].unique()) if len(frame) else []
    series = int(frame["unique_id"].nunique()) if len(frame) else 0
    return {"series": series, "rows": len(frame), "models": models, "notes": list(notes)}


def show_forecast(frame: pd.DataFrame, notes: Sequence[str] = ()) -> None:
    """Mean of each quantile per series, no name or time cut off."""
    if frame.empty:
        out.print("no series has a history: nothing to forecast")
        return
    quantiles = [name for name in frame.columns if name.startswith("q")]
    heads = [Column(name, overflow="fold") for name in ("series", "model")]
    heads += [Column(name, min_width=len("2026-01-01")) for name in ("from", "to")]
    heads += [Column(name, overflow="fold") for name in quantiles]
    table = Table(*heads, box=None, pad_edge=False, collapse_padding=True)
    for name, rows in frame.groupby("unique_id", sort=True):
        means = [f"{rows[column].mean():,.4g}" for column in quantiles]
        span = (f"{rows['ds'].min():%Y-%m-%d %H:%M}", f"{rows['ds'].max():%Y-%m-%d %H:%M}")
        table.add_row(escape(str(name)), escape(str(rows["model"].iloc[0])), *span, *means)
    out.print(table)
    out.print("quantiles are means over the steps shown; times are UTC", highlight=False)
    for note in notes:
        out.print(f"note: {note}", markup=False, highlight=False)


def plan_summary(plan: CapacityPlan | PlacementPlan, path: Path) -> dict[str, Any]:
    """The head of a plan."""
    return {
        "plan": str(path),
        "schema": plan.plan_schema,
        "hash": plan.hash,
        "as_of": plan.as_of.isoformat(),
        "expected_cost_usd": round(plan.expected_cost_usd, 6),
        "current_cost_usd": None if plan.current_cost_usd is None else round(plan.current_cost_usd, 6),
        "demand_quantile": plan.demand_quantile,
        "gap_share": plan.proof.gap_share,
        "actions": len(plan.actions),
        "shortfalls": [item.model_dump() for item in plan.shortfalls],
        "notes": list(plan.notes),
    }


def show_plan(plan: CapacityPlan | PlacementPlan, path: Path) -> None:
    """Cost, proof and what is missing."""
    out.print(plan_table(plan))
    periods = [each.name for each in plan.periods] if plan.plan_schema == "placement-plan/1" else []
    for text in sentences(plan.shortfalls, periods):
        out.print(f"shortfall: {text}", markup=False, soft_wrap=True)
    if plan.plan_schema == "placement-plan/1":
        for text in sharing_sentences(plan.sharing):
            out.print(text, markup=False, highlight=False, soft_wrap=True)
        for text in (*work_sentences(plan.work), *miss_sentences(plan.miss_costs)):
            out.print(f"note: {text}", markup=False, soft_wrap=True)
        show_explanation(plan.explanation)
    for note in plan.notes:
        if not note.startswith(OLD):
            out.print(f"note: {note}", markup=False)
    out.print(f"wrote {path}", markup=False, soft_wrap=True)


def warn_of_age(plan: CapacityPlan | PlacementPlan) -> None:
    """A line on standard error, also beside --json, where a plan stands on old demand."""
    for note in plan.notes:
        if note.startswith(OLD):
            err.print(note, markup=False, highlight=False, soft_wrap=True)


def plan_table(plan: CapacityPlan | PlacementPlan) -> Table:
    """Costs over the plan's span, the demand it covers and the proven gap."""
    span = "per typical day" if plan.plan_schema == "placement-plan/1" else f"over {plan.horizon_hours:g} h"
    table = Table(plan.plan_schema, "", box=None)
    table.add_row(f"current cost {span}", present_usd(plan))
    table.add_row(f"planned cost {span}", usd(plan.expected_cost_usd, 2))
    table.add_row("demand covered", f"{plan.demand_quantile:.1%} quantile")
    table.add_row("proven gap", f"{plan.proof.gap_share:.2%} (stopped by {plan.proof.stopped_by})")
    table.add_row("changes", f"{len(plan.actions)}")
    return table


def present_usd(plan: CapacityPlan | PlacementPlan) -> str:
    """What runs now costs, and how many workloads that leaves out."""
    count = len(plan.unpriced)
    if plan.current_cost_usd is None or not count:
        return usd(plan.current_cost_usd, 2)
    workloads = "1 workload" if count == 1 else f"{count} workloads"
    return f"{usd(plan.current_cost_usd, 2)} without {workloads} of unknown cost ({', '.join(plan.unpriced)})"


def show_solved(made: Solved) -> None:
    """Status, cost, bound and gap, what is missed, what would mend it, what is scarce, and the files."""
    found = made.summary
    told = f"{found['status'].replace('_', ' ')}: cost {found['cost']:,.2f} USD"
    out.print(f"{told}, proven bound {found['bound']:,.2f} USD, gap {found['gap']:.2%}", highlight=False)
    for missed in made.missed:
        out.print(f"missed: {missed}", markup=False, highlight=False, soft_wrap=True)
    show_explanation(made.explanation)
    show_files(made.files)


MOST_LINES = 5  # of each kind on the screen; the files have all


def show_explanation(why: Explanation | None) -> None:
    """What would mend a shortage, and what is scarce, the dearest first."""
    for step in why.repair[:MOST_LINES] if why else ():
        out.print(f"to mend it: {step.text}", markup=False, highlight=False, soft_wrap=True)
    if why and why.no_repair:
        out.print(why.no_repair, markup=False, highlight=False, soft_wrap=True)
    for each in why.scarce[:MOST_LINES] if why else ():
        out.print(f"scarce: {each.text}", markup=False, highlight=False, soft_wrap=True)


def show_files(files: Sequence[Path]) -> None:
    """Paths to open."""
    for path in files:
        out.print(f"wrote {path}", markup=False, soft_wrap=True)


def check_summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings as dictionaries."""
    return {"findings": [{"level": f.level, "what": f.what, "text": f.text} for f in findings]}


def show_findings(findings: Sequence[Finding]) -> None:
    """One line per finding, faults last so that they are seen."""
    for finding in sorted(findings, key=lambda f: ("ok", "note", "fault").index(f.level)):
        out.print(f"{finding.level:5}  {finding.what}: {finding.text}", markup=False, soft_wrap=True)


def demo_summary(demo: Demo) -> dict[str, Any]:
    """The demo's result."""
    return {
        "changed": demo.changed,
        "files": [str(path) for path in demo.files],
        "headline": asdict(demo.report.headline),
        "placement": plan_summary(demo.placement, demo.files[3]),
    }


def show_demo(demo: Demo) -> None:
    """The table at the end of `make demo`."""
    top = demo.report.headline
    low, high = usd(top.saving_usd_per_month_low), usd(top.saving_usd_per_month_high)
    table = Table("Trimtab demo", "", box=None)
    table.add_row("current cost", f"{usd(top.current_usd_per_month)} a month")
    table.add_row("planned cost", f"{usd(top.planned_usd_per_month)} a month")
    table.add_row("saving", f"{usd(top.saving_usd_per_month_mid)} a month (from {low} to {high})")
    if top.commitments_usd_per_month is not None:
        more = f"{usd(top.commitments_usd_per_month)} a month with commitments, which are advice"
        table.add_row("on top", more)
    table.add_row("demand covered", f"{demo.placement.demand_quantile:.0%} quantile")
    table.add_row("proven gap", f"{demo.placement.proof.gap_share:.2%}")
    out.print(table)
    if not demo.changed:
        out.print("nothing changed since the last run: same data, same plans, same report")
    out.print("open:")
    for path in demo.files:
        out.print(f"  {path}", markup=False, soft_wrap=True)
    root, moment = demo.files[0].parent.parent, demo.placement.as_of.isoformat()
    out.print("its data ends at its own moment, which a plan of it names:")
    again = f"trimtab plan --workspace {root} --kind placement --as-of {moment}"
    out.print(f"  {again}", markup=False, highlight=False, soft_wrap=True)
