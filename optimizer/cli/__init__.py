"""The command line: what is here, and the files of its commands.

Exit codes: 0 done, 1 failed, 2 bad input, 3 infeasible. With --json a machine-readable summary goes to
standard output and everything else to standard error.
"""

from __future__ import annotations

from typing import Annotated

import typer

from optimizer.cli import basics, costs, plans, whatif
from optimizer.cli.common import app

__all__ = ["app", "basics", "costs", "main", "plans", "whatif"]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Decides how much of which cloud capacity to run, where, and how to buy it."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"trimtab {installed('trimtab')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    app()
