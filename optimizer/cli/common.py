"""What every command has in common: the apps they belong to, their usual options, how they end and answer.

Imports typer alone, as every module of this package does: everything heavy waits for its command.
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
    from optimizer.errors import Fault

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
backtest_app = typer.Typer(no_args_is_help=True, invoke_without_command=True)
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


def without_options(context: typer.Context) -> None:
    """Refuse options that stand before a subcommand: they would be those of its group."""
    from optimizer.errors import Fault, InputError

    sources = ((name, context.get_parameter_source(name)) for name in context.params)
    given = [name for name, source in sources if source is not None and source.name == "COMMANDLINE"]
    if given:
        called = f"{context.info_name} {context.invoked_subcommand}"
        place = f"options behind `{called}`"
        raise InputError(
            [Fault(called, f"options before `{context.invoked_subcommand}`", place, "move them")]
        )


def window(since: str | None, until: str | None, more: Sequence[Fault]) -> tuple[datetime, datetime]:
    """The moments of --from and --to; where one is none, its fault, that of the other, and `more`."""
    from optimizer.errors import Fault, InputError

    found: list[datetime] = []
    faults: list[Fault] = []
    for flag, text in (("--from", since), ("--to", until)):
        if text is None:
            faults.append(Fault(flag, "nothing", "a time with its zone", f"add {flag}"))
            continue
        try:
            found.append(moment(text, flag))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError([*faults, *more])
    begin, end = found
    return begin, end


def show(as_json: bool, summary: dict[str, Any], human: Callable[[], None]) -> None:
    """The summary as JSON on standard output, or the human text."""
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1, default=str) + "\n")
    else:
        human()


def fail_where_undelivered(told: Sequence[Delivery]) -> None:
    """End with 1 where a channel did not take a message: the next run tries again."""
    if any(item.status == "failed" for item in told):
        raise typer.Exit(1)
