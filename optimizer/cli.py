"""The command line. Imports typer alone: everything heavy waits for its command.

Exit codes: 0 done, 1 failed, 2 bad input, 3 infeasible. With --json a machine-readable summary goes to
standard output and everything else to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

if TYPE_CHECKING:
    from optimizer.alerts import Delivery

P = ParamSpec("P")

app = typer.Typer(
    name="trimtab",
    help="Decides how much of which cloud capacity to run, where, and how to buy it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 infeasible.",
)
schedule_app = typer.Typer(help="Run the daily flow on a schedule.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
bill_app = typer.Typer(help="Look into the bills that were loaded.", no_args_is_help=True)
app.add_typer(bill_app, name="bill")
prices_app = typer.Typer(help="Look into the prices that plans use.", no_args_is_help=True)
app.add_typer(prices_app, name="prices")
backtest_app = typer.Typer(help="Replay the past: how good it would have been.", no_args_is_help=True)
app.add_typer(backtest_app, name="backtest")
alert_app = typer.Typer(help="Look after who is told of alerts.", no_args_is_help=True)
app.add_typer(alert_app, name="alert")

Workspace = Annotated[Path, typer.Option("--workspace", "-w", help="Folder with workloads.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary.")]
AsOf = Annotated[str | None, typer.Option(help="ISO 8601 with offset; nothing later is used. Default: now.")]
HERE = Path()
YEARS = range(1970, 2200)  # what every format that we write can hold


def ends_with_code(command: Callable[P, Any]) -> Callable[P, None]:
    """Turn our errors into one line each on standard error and the documented exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from optimizer.errors import TrimtabError
        from optimizer.terminal import visible

        try:
            command(*args, **kwargs)
        except TrimtabError as error:
            typer.echo(visible(str(error)), err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            typer.echo("stopped; nothing half-done was kept", err=True)
            raise typer.Exit(1) from error

    return run


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

    if series is not None:
        made = series_file.forecast_file(series, freq=freq, steps=horizon, levels=levels, out=out)
    else:
        span = screen.duration(horizon)
        with screen.progress("forecast") as progress:
            made = pipeline.forecast(workspace, as_of=moment(as_of), horizon=span, progress=progress)
        if out is not None:
            series_file.write_table(made, out)
    show(as_json, screen.forecast_summary(made), lambda: screen.show_forecast(made))


@app.command()
@ends_with_code
def anomalies(
    workspace: Workspace = HERE,
    since: Annotated[
        str | None, typer.Option(help="ISO 8601 with offset. Default: the last 30 settled days.")
    ] = None,
    series: Annotated[
        Path | None, typer.Option(help="Long table unique_id, ds, y instead of a workspace.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --series: CSV or Parquet file to write.")] = None,
    alert: Annotated[
        bool, typer.Option("--alert", help="Tell the channels of [alerts] what they have not heard yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find unusual cost and utilisation: of a workspace, or of any long table."""
    from optimizer import anomaly_file, anomaly_screen, pipeline, screen
    from optimizer.errors import Fault, InputError

    if series is not None:
        if alert:
            expected = "a workspace, whose [alerts] say who is told"
            raise InputError([Fault("--alert", "--series beside it", expected, "leave one of them out")])
        marked = anomaly_file.mark_file(series, out)
        anomaly_screen.tell_repeated(marked)
        show(as_json, anomaly_screen.file_summary(marked), lambda: anomaly_screen.show_file(marked))
        return
    begin = None if since is None else moment(since, "--since")
    with screen.progress("anomalies") as progress:
        found, told = pipeline.anomalies(
            workspace, now=datetime.now(UTC), since=begin, tell=alert, progress=progress
        )
    show(as_json, anomaly_screen.summary(found, told), lambda: anomaly_screen.show(found, told))
    fail_where_undelivered(told)


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
    as_json: Json = False,
) -> None:
    """Plan capacity or placement, with a proven gap."""
    from optimizer import pipeline, screen

    path = out or workspace / "plans" / f"{kind}.json"
    span = screen.duration(horizon)
    with screen.progress("plan") as progress:
        made = pipeline.plan(
            workspace,
            as_of=moment(as_of),
            horizon=span,
            kind=screen.plan_kind(kind),
            out=path,
            progress=progress,
        )
    show(as_json, screen.plan_summary(made, path), lambda: screen.show_plan(made, path))


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


@app.command()
@ends_with_code
def check(workspace: Workspace = HERE, as_json: Json = False) -> None:
    """Check a workspace: files, settings, lake, age of data, plans."""
    from optimizer import pipeline, screen

    findings = pipeline.check(workspace, now=datetime.now(UTC))
    show(as_json, screen.check_summary(findings), lambda: screen.show_findings(findings))
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(2)


@app.command()
@ends_with_code
def chargeback(
    period: Annotated[str, typer.Option(help="Month of the bill, YYYY-MM.")],
    workspace: Workspace = HERE,
    kind: Annotated[str, typer.Option("--format", help="csv, html, parquet or json.")] = "csv",
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default: reports/chargeback-<period>.<format>.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Convert to this currency with the rates that were ingested.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give every charge of a month to an owner and write who pays what."""
    from optimizer import bill_screen, chargeback_files, pipeline

    made = pipeline.chargeback(workspace, period=period, currency=currency)
    path = out or workspace / "reports" / f"chargeback-{period}.{kind}"
    chargeback_files.write(made, path, kind)
    show(as_json, chargeback_files.summary(made), lambda: bill_screen.show_chargeback(made, path))


@app.command()
@ends_with_code
def budget(
    workspace: Workspace = HERE,
    period: Annotated[
        str | None, typer.Option(help="First month, YYYY-MM. Default: the one the bill has reached.")
    ] = None,
    months: Annotated[int, typer.Option(help="How many months, the first included.")] = 12,
    as_of: AsOf = None,
    alert: Annotated[
        bool, typer.Option("--alert", help="Tell the channels of [alerts] what is raised.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Forecast where months end, per budget and owner, with alarms before the overrun."""
    from optimizer import budget_screen, pipeline, screen

    with screen.progress("budget") as progress:
        found, told = pipeline.budget(
            workspace, as_of=moment(as_of), period=period, months=months, tell=alert, progress=progress
        )
    summary = budget_screen.budget_summary(found, told)
    show(as_json, summary, lambda: budget_screen.show_budgets(found, told))
    fail_where_undelivered(told)


@alert_app.command("test")
@ends_with_code
def alert_test(
    channel: Annotated[str, typer.Option(help="Name of a channel in \\[\\[alerts.channels]].")],
    workspace: Workspace = HERE,
    as_json: Json = False,
) -> None:
    """Send a test message to a channel."""
    from optimizer import alert_screen, pipeline

    told = pipeline.alert_test(workspace, channel=channel, now=datetime.now(UTC))
    show(as_json, alert_screen.deliveries_summary(told), lambda: alert_screen.show_deliveries(told))
    fail_where_undelivered(told)


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


@bill_app.command("diff")
@ends_with_code
def bill_diff(
    period: Annotated[str, typer.Option(help="Month of the bill, YYYY-MM.")],
    workspace: Workspace = HERE,
    load: Annotated[
        int | None, typer.Option(help="Load to look at. Default: the last that restated the month.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a restatement of a month changed, by service and account."""
    from optimizer import bill_screen, pipeline

    found = pipeline.bill_diff(workspace, period=period, load_id=load)
    show(as_json, bill_screen.diff_summary(found), lambda: bill_screen.show_diff(found))


@prices_app.command("show")
@ends_with_code
def prices_show(
    instance_type: Annotated[str, typer.Argument(help="Provider's name, such as m5.xlarge.")],
    workspace: Workspace = HERE,
    region: Annotated[str | None, typer.Option(help="Provider's region. Default: all.")] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Show what one more hour of an instance type costs you, and why."""
    from optimizer import bill_screen, pipeline

    found = pipeline.prices(workspace, instance_type=instance_type, region=region, as_of=moment(as_of))
    show(as_json, bill_screen.prices_summary(found), lambda: bill_screen.show_prices(found))


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


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Decides how much of which cloud capacity to run, where, and how to buy it."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"trimtab {installed('trimtab')}")
        raise typer.Exit


def moment(text: str | None, flag: str = "--as-of") -> datetime:
    """A time with its zone; now where none is given."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    from optimizer.errors import Fault, InputError

    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or value.tzinfo is None or value.year not in YEARS:
        example = "2026-05-12T03:00:00+00:00"
        expected = f"a time with its zone such as {example}, from {YEARS[0]} to {YEARS[-1]}"
        raise InputError([Fault(flag, repr(text), expected, "correct it")])
    return value.astimezone(UTC)


def fail_where_undelivered(told: Sequence[Delivery]) -> None:
    """End with 1 where a channel did not take a message: the next run tries again."""
    if any(item.status == "failed" for item in told):
        raise typer.Exit(1)


def show(as_json: bool, summary: dict[str, Any], human: Callable[[], None]) -> None:
    """The summary as JSON on standard output, or the human text."""
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1, default=str) + "\n")
    else:
        human()


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


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
