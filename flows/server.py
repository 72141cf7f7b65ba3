"""A Prefect server on loopback as a child process. Asked over plain HTTP: nothing here imports Prefect."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.server_child import HOST
from optimizer.errors import TrimtabError

START_WAIT_S = 300.0  # the first start makes the database: 20 s alone, minutes on a busy machine
STOP_WAIT_S = 15.0


@contextmanager
def local_server(port: int, log_path: Path) -> Iterator[None]:
    """A server that is healthy when the block begins and gone when it ends; settings come from os.environ.

    Raises:
        TrimtabError: it ended by itself or is not healthy after START_WAIT_S.
    """
    with log_path.open("wb") as log:
        # A session of its own: Ctrl-C in a terminal must reach the server last, not with everyone.
        server = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "flows.server_child", str(port)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_healthy(server, port, log_path)
        yield
    finally:
        end(server)


def free_port(wanted: int) -> int:
    """The wanted port on loopback, so that its address stays the same; any free one if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            if os.name == "posix":  # elsewhere this would take a port that someone listens on
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TrimtabError(f"found no free port on {HOST}; expected one for the Prefect server; free some")


def wait_until_healthy(server: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + START_WAIT_S
    while not is_healthy(port):
        code = server.poll()
        if code is not None or time.monotonic() > deadline:
            found = "no answer" if code is None else f"it ended with code {code}"
            expected = f"a healthy server within {START_WAIT_S:.0f} s"
            raise TrimtabError(f"Prefect on port {port}: found {found}; expected {expected}; see {log_path}")
        time.sleep(0.2)


def is_healthy(port: int) -> bool:
    """Whether a server answers; asked directly, whatever proxy is configured."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end(server: subprocess.Popen[bytes]) -> None:
    """Close the server's standard input, which ends it; kill it if it does not go."""
    if server.stdin is not None:
        server.stdin.close()
    try:
        server.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
