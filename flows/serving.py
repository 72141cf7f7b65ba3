"""The daily flow served on a cron by this process."""

from __future__ import annotations

import re
from pathlib import Path

from prefect.client.schemas.schedules import CronSchedule
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.daily import daily
from optimizer import screen
from optimizer.errors import Fault, InputError


def schedule_of(cron: str) -> Schedule:
    """A cron expression as a schedule in UTC.

    Raises:
        InputError: it is none.
    """
    try:
        CronSchedule(cron=cron, timezone="UTC")
    except ValueError as error:
        expected = "five cron fields in UTC, such as '0 5 * * *' for 05:00 every day"
        raise InputError([Fault("--cron", repr(cron), expected, "correct it")]) from error
    return Cron(cron, timezone="UTC")


def serve(workspace: Path, schedule: Schedule) -> None:
    """Run the daily flow whenever it is due, one run at a time, until SIGINT or SIGTERM."""
    name = deployment_name(workspace)
    text = f"serving trimtab-daily/{name} at '{schedule.cron}' UTC; Ctrl-C ends it"
    screen.out.print(text, markup=False, soft_wrap=True)
    daily.serve(
        name=name,
        schedule=schedule,
        parameters={"workspace": str(workspace)},
        limit=1,
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )


def deployment_name(workspace: Path) -> str:
    """The folder's name without the characters that Prefect refuses in names."""
    return re.sub(r"[^\w.-]+", "-", workspace.name) or "workspace"
