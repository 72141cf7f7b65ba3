"""Commands about what to run: forecasts, how good they are, plans and the report."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.common import (
    HERE,
    AsOf,
    Json,
    Workspace,
    app,
    backtest_app,
    ends_with_code,
    moment,
    show,
    window,
    without_options,
)

LEARNERS = ("optimizer.demand", "sklearn.ensemble")  # what forecasts need, half of the imports of a plan


@app.command()
@ends_with_code
def forecast(
    workspace: Workspace = HERE,
    as_of: AsOf = None,
    horizon: Annotated[
        str, typer.Option(help="Length, such as 24h; with --series a number of steps.")
    ] = "48h",
    series: Annotated[
        Path | None, typer.Option(help="Long table unique_id, ds, y instead of a workspace.")
    ] = None,
    freq: Annotated[str, typer.Option(help="Length of a step of --series.")] = "1h",
    levels: Annotated[str, typer.Option(help="Quantile levels for --series.")] = "0.5,0.9,0.99",
    out: Annotated[Path | None, typer.Option(help="CSV or Parquet file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Forecast demand as quantiles: of a workspace, or of any long table."""
    from optimizer import pipeline, screen, series_file

    notes: tuple[str, ...] = ()
    if series is not None:
        made = series_file.forecast_file(series, freq=freq, steps=horizon, levels=levels, out=out)
    else:
        span = screen.duration(horizon)
        with screen.progress("forecast") as progress:
            made, notes = pipeline.forecast(workspace, as_of=moment(as_of), horizon=span, progress=progress)
        if out is not None:
            series_file.write_table(made, out)
    show(as_json, screen.forecast_summary(made, notes), lambda: screen.show_forecast(made, notes))


@backtest_app.callback()
@ends_with_code
def backtest(
    context: typer.Context,
    workspace: Workspace = HERE,
    since: Annotated[
        str | None, typer.Option("--from", help="Begin of the window; ISO 8601 with offset.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="End of the window; nothing later is read.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Name of a policy to replay, as often as wanted. Default: all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for page and numbers. Default: reports/backtest.")
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(help="Name of a workload, as often as wanted. Default: all."),
    ] = None,
    ablation: Annotated[
        bool, typer.Option("--ablation/--no-ablation", help="Also Trimtab without each of its levers.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of bursts, failures and reclaims.", min=0)] = 0,
    jobs: Annotated[int | None, typer.Option(help="Replays at once. Default: one per core.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Replay your own days: what capacity would have cost and kept, under Trimtab and under others."""
    if context.invoked_subcommand is not None:
        without_options(context)
        return
    from optimizer import (
        backtest_capacity,
        backtest_capacity_files,
        backtest_capacity_screen,
        pipeline,
        screen,
    )
    from optimizer.backtest_cases import question

    names = policy or []
    begin, end = window(since, until, backtest_capacity.unknown_policies(names))
    asked = question(begin, end, names, seed, ablation=ablation, workloads=workload or ())
    with screen.progress("backtest") as progress:
        found, files = pipeline.backtest_capacity(
            workspace, asked, now=datetime.now(UTC), jobs=jobs or os.cpu_count() or 1, out=out,
            progress=progress,
        )  # fmt: skip
    summary = backtest_capacity_files.summary(found, files)
    show(as_json, summary, lambda: backtest_capacity_screen.show(found, files))


@backtest_app.command("forecast")
@ends_with_code
def backtest_forecast(
    workspace: Workspace = HERE,
    since: Annotated[
        str | None, typer.Option("--from", help="No forecast begins before; ISO 8601 with offset.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Nothing later is read. Default: the newest demand.")
    ] = None,
    horizon: Annotated[
        str, typer.Option(help="Length, such as 24h; with --series a number of steps.")
    ] = "24h",
    origins: Annotated[int, typer.Option(help="Past moments to forecast from, at most.")] = 8,
    series: Annotated[
        Path | None, typer.Option(help="Long table unique_id, ds, y instead of a workspace.")
    ] = None,
    freq: Annotated[str, typer.Option(help="Length of a step of --series.")] = "1h",
    levels: Annotated[
        str, typer.Option(help="Quantile levels that WQL is the mean over.")
    ] = "0.1,0.5,0.9,0.99",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for page and scores. Default: reports/backtest; none with --series."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge forecasts at past moments, beside seasonal naive and others, by what plans would have cost."""
    from optimizer import backtest_file, backtest_files, backtest_screen, pipeline, screen

    begin = None if since is None else moment(since, "--from")
    end = None if until is None else moment(until, "--to")
    count = backtest_file.number_of_origins(origins)
    with screen.progress("backtest") as progress:
        if series is not None:
            found = backtest_file.of_file(
                series, freq=freq, steps=horizon, levels=levels, origins=count, since=begin, until=end,
                progress=lambda done: progress("forecasting", done),
            )  # fmt: skip
            files = () if out is None else backtest_files.write(found, out)
        else:
            wanted = backtest_file.parse_levels(levels)
            span = screen.duration(horizon)
            found, files = pipeline.backtest_forecast(
                workspace, until=end or moment(None), since=begin, horizon=span, origins=count,
                levels=wanted, out=out, progress=progress,
            )  # fmt: skip
    show(as_json, backtest_screen.summary(found, files), lambda: backtest_screen.show(found, files))


@app.command()
@ends_with_code
def plan(
    workspace: Workspace = HERE,
    as_of: AsOf = None,
    horizon: Annotated[str, typer.Option(help="How far a capacity plan reaches, such as 24h.")] = "24h",
    out: Annotated[Path | None, typer.Option(help="Plan file. Default: plans/<kind>.json.")] = None,
    kind: Annotated[
        str, typer.Option(help="capacity (for machines) or placement (for people).")
    ] = "capacity",
    save_problem: Annotated[
        Path | None, typer.Option(help="Folder for the problem of a placement, as tables for trimtab solve.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Plan capacity or placement, with a proven gap."""
    from optimizer.processes import beside

    with beside(*LEARNERS, unless="optimizer.pipeline") as learner:
        from optimizer import pipeline, screen

        screen.check_save_problem(kind, save_problem)
        path = out or workspace / "plans" / f"{kind}.json"
        span = screen.duration(horizon)
        with screen.progress("plan") as progress:
            made = pipeline.plan(
                workspace,
                as_of=moment(as_of),
                horizon=span,
                kind=screen.plan_kind(kind),
                out=path,
                save_problem=save_problem,
                beside=learner,
                progress=progress,
            )
    screen.warn_of_age(made)
    show(as_json, screen.plan_summary(made, path), lambda: screen.show_plan(made, path))


@app.command()
@ends_with_code
def solve(
    folder: Annotated[Path, typer.Argument(help="Folder of problem tables, Parquet.")],
    out: Annotated[Path, typer.Option(help="Folder for the placement, its certificate and its explanation.")],
    gap: Annotated[float, typer.Option(help="Gap between cost and bound that is close enough.")] = 0.005,
    start: Annotated[
        Path | None, typer.Option(help="Folder of an earlier answer, whose prices a large problem begins at.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Solve any placement problem given as tables, with a proven gap."""
    from optimizer import screen, solution_files
    from optimizer.terminal import visible

    with screen.progress("solve"):
        made = solution_files.solve_folder(folder, out=out, gap_share=gap, start=start)
    for note in made.summary["notes"]:
        typer.echo(visible(f"note: {note}"), err=True)
    show(as_json, dict(made.summary), lambda: screen.show_solved(made))


@app.command()
@ends_with_code
def commitments(
    workspace: Workspace = HERE,
    placement: Annotated[
        Path | None, typer.Option("--plan", help="Placement plan. Default: plans/placement.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the commitments that a placement plan advises: how much, how sure, at once or in parts."""
    from optimizer import commitment_screen
    from optimizer.plan import PlacementPlan, read_plan

    path = placement or workspace / "plans" / "placement.json"
    made = read_plan(path, PlacementPlan)
    show(as_json, commitment_screen.summary(made, path), lambda: commitment_screen.show(made))


@app.command()
@ends_with_code
def report(
    workspace: Workspace = HERE,
    placement: Annotated[
        Path | None, typer.Option("--plan", help="Placement plan. Default: plans/placement.json, if any.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write report.html and report.md from the lake and a placement plan; without workloads, of the bills."""
    from optimizer import pipeline, screen

    with screen.progress("report") as progress:
        made = pipeline.report(workspace, placement=placement, now=datetime.now(UTC), progress=progress)
    files = (made.html, made.markdown)
    show(as_json, {"files": [str(file) for file in files]}, lambda: screen.show_files(files))
