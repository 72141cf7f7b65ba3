"""Commands about a workspace: make it, fill it, check it, have it done every day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.common import (
    HERE,
    Json,
    Workspace,
    app,
    ends_with_code,
    schedule_app,
    show,
)


@app.command()
@ends_with_code
def init(
    directory: Annotated[Path, typer.Argument(help="Folder to make the workspace in.")], as_json: Json = False
) -> None:
    """Make a workspace with commented settings and an example workload."""
    from optimizer.scaffold import init_workspace

    written = init_workspace(directory)
    show(
        as_json, {"workspace": str(directory), "written": [str(path) for path in written]}, init_text(written)
    )


@app.command()
@ends_with_code
def demo(
    workspace: Workspace = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed, other data.")] = 7,
    as_json: Json = False,
) -> None:
    """Fill a workspace with realistic data for three clouds, plan it and write a report."""
    from optimizer import demo as demonstration
    from optimizer import screen

    with screen.progress("demo") as progress:
        made = demonstration.run_demo(workspace, seed=seed, progress=progress)
    show(as_json, screen.demo_summary(made), lambda: screen.show_demo(made))


@app.command()
@ends_with_code
def ingest(
    workspace: Workspace = HERE,
    source: Annotated[
        Path | None, typer.Option(help="File, folder or archive. Default: \\[sources].")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take bills as they are, even where they look older.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read bills, demand, utilisation, prices or state into the lake."""
    from optimizer import pipeline, screen

    with screen.progress("ingest") as progress:
        loads = pipeline.ingest(workspace, source, now=datetime.now(UTC), is_truth=replace, progress=progress)
    show(as_json, screen.ingest_summary(loads), lambda: screen.show_loads(loads))


@app.command()
@ends_with_code
def check(workspace: Workspace = HERE, as_json: Json = False) -> None:
    """Check a workspace: files, settings, lake, age of data, plans."""
    from optimizer import pipeline, screen

    findings = pipeline.check(workspace, now=datetime.now(UTC))
    show(as_json, screen.check_summary(findings), lambda: screen.show_findings(findings))
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(2)


@schedule_app.command("start")
@ends_with_code
def schedule_start(
    workspace: Workspace = HERE,
    cron: Annotated[str, typer.Option(help="When, in UTC.")] = "0 5 * * *",
) -> None:
    """Serve the daily flow (ingest, plan, report) with a local Prefect server."""
    from importlib import import_module

    # The layer above: named here as text, so that nothing below flows imports it.
    try:
        deployments = import_module("flows.deployments")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("prefect"):
            raise
        typer.echo("schedules need Prefect: pip install 'trimtab[flows]'", err=True)
        raise typer.Exit(1) from error
    deployments.start(workspace.resolve(), cron)


def init_text(written: list[Path]) -> Callable[[], None]:
    """What to do after init."""

    def tell() -> None:
        for path in written:
            typer.echo(f"wrote {path}")
        typer.echo(
            "next: `trimtab ingest` reads your bills and demand (for bills alone, remove workloads.yaml);"
        )
        typer.echo("to plan, describe what runs in workloads.yaml, then `trimtab plan`")

    return tell
