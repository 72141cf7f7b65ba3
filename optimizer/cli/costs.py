"""Commands about what is billed: who pays, where it ends, what is unusual, what one more hour costs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.common import (
    HERE,
    AsOf,
    Json,
    Workspace,
    alert_app,
    app,
    bill_app,
    ends_with_code,
    fail_where_undelivered,
    moment,
    prices_app,
    show,
)


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
