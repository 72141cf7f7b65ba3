"""`trimtab schedule start`: the daily flow on a cron, with a Prefect server of its own on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from flows.server import free_port, local_server
from flows.server_child import HOST
from optimizer import screen
from optimizer.config import load_settings
from optimizer.errors import Fault, InputError, TrimtabError
from optimizer.layout import Layout, locked, writing_in

USUAL_PORT = 4200

# Prefect reports home from its server and from its client; each has its own switch.
NO_TELEMETRY = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


def start(workspace: Path, cron: str) -> None:
    """Serve the daily flow until SIGINT or SIGTERM.

    The server that PREFECT_API_URL names is used where that is set; else one is started on loopback, with
    its database in .trimtab/prefect, and ended with this process.

    Args:
        workspace: absolute path of the workspace.
        cron: when, in UTC.

    Raises:
        InputError: no workspace, faulty settings, or no cron expression.
        BusyError: the workspace is being served already.
        TrimtabError: Prefect is not installed, or its server does not come up.
    """
    if find_spec("prefect") is None:
        raise TrimtabError("schedules need Prefect: pip install 'trimtab[flows]'")
    layout = Layout(workspace)
    with only_schedule(layout):
        load_settings(workspace)
        port = None if os.environ.get("PREFECT_API_URL") else free_port(USUAL_PORT)
        os.environ.update(NO_TELEMETRY)
        if port is not None:
            os.environ.update(local_environment(home(layout), port, os.environ))
        run(layout, cron, port)


def run(layout: Layout, cron: str, port: int | None) -> None:
    """Serve, with a server of our own where a port is given for it."""
    # Prefect reads its settings from the environment when it is imported: not before that is complete.
    from flows.serving import schedule_of, serve  # noqa: PLC0415

    schedule = schedule_of(cron)
    if port is None:
        serve(layout.root, schedule)
        return
    log = home(layout) / "server.log"
    screen.out.print(f"starting Prefect on http://{HOST}:{port}, log in {log}", markup=False, soft_wrap=True)
    with local_server(port, log):
        serve(layout.root, schedule)


def local_environment(folder: Path, port: int, present: Mapping[str, str]) -> dict[str, str]:
    """What makes Prefect use its own server: the address, the folder, and no proxy on the way."""
    unproxied = [name for name in (present.get("no_proxy") or present.get("NO_PROXY"), HOST) if name]
    return {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_HOME": str(folder),
        "NO_PROXY": ",".join(unproxied),
        "no_proxy": ",".join(unproxied),
    }


def home(layout: Layout) -> Path:
    """Prefect's folder in a workspace: database and log of the server."""
    return layout.memory / "prefect"


@contextmanager
def only_schedule(layout: Layout) -> Iterator[None]:
    """One schedule per workspace: two would make every plan twice.

    Raises:
        InputError: the workspace is not a folder that can be written.
        BusyError: it is being served already.
    """
    if not layout.root.is_dir():
        found = "a file in its place" if layout.root.exists() else "no such folder"
        raise InputError([Fault(str(layout.root), found, "a workspace", "make one with `trimtab init`")])
    found = f"{layout.root}: found another `trimtab schedule start` serving this workspace"
    with locked(
        layout.memory / "schedule.lock", wait_s=0, busy=f"{found}; expected none; end that one first"
    ):
        with writing_in(home(layout)):
            home(layout).mkdir(exist_ok=True)
        yield
