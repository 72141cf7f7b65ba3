"""`trimtab schedule start` as people run it: a process, a server on loopback, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows import deployments, server
from flows.deployments import local_environment, only_schedule
from flows.server_child import HOST
from optimizer.errors import BusyError, InputError, TrimtabError
from optimizer.layout import Layout
from tests.e2e.workspaces import cli
from tests.flows.api import artifact, ask
from tests.flows.loopback_guard.sitecustomize import LOG
from tests.flows.workspaces import AS_OF

GUARD = Path(__file__).with_name("loopback_guard")
# Prefect keeps silent of its own accord where one of these is set: that would prove nothing.
CI_MARKS = (
    "CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TRAVIS", "CIRCLECI", "BUILDKITE", "TF_BUILD",
    "CODEBUILD_BUILD_ID", "BITBUCKET_COMMIT", "TEAMCITY_VERSION", "DRONE", "SEMAPHORE", "APPVEYOR", "BUDDY",
    "CI_NAME",
)  # fmt: skip
WAIT_S = 300.0


def environment(log: Path) -> dict[str, str]:
    """A user's environment: no CI, no Prefect settings, and the guard in every process."""
    kept = {name: value for name, value in os.environ.items() if name not in CI_MARKS}
    kept = {
        name: value
        for name, value in kept.items()
        if not name.startswith("PREFECT") and name != "DO_NOT_TRACK"
    }
    path = os.pathsep.join(part for part in (str(GUARD), os.environ.get("PYTHONPATH")) if part)
    return kept | {LOG: str(log), "PYTHONPATH": path, "TERM": "dumb"}


def command(workspace: Path, *more: str) -> list[str]:
    code = "from optimizer.cli import main; main()"
    return [sys.executable, "-c", code, "schedule", "start", "--workspace", str(workspace), *more]


def until(answer: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    """What the callable returns once it is true."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the schedule ended by itself"
        if found := answer():
            return found
        time.sleep(0.5)
    return pytest.fail(f"nothing within {WAIT_S:.0f} s")


@pytest.fixture
def scheduled(workspace: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[str], Path]]:
    """The running command, what it printed so far, and the guard's log; nothing of it outlives the test.

    It runs in a terminal: without one Prefect's client takes nobody for a user worth counting.
    """
    log = tmp_path / "addresses.txt"
    ours, theirs = pty.openpty()
    asked = command(workspace, "--cron", "0 5 * * *")
    process = subprocess.Popen(
        asked, env=environment(log), stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    lines: list[str] = []
    reader = threading.Thread(target=read, args=(ours, lines))
    reader.start()
    try:
        yield process, lines, log
    finally:
        for each in family(process.pid):
            each.kill()
        process.wait()
        reader.join()


def read(terminal: int, lines: list[str]) -> None:
    """Collect lines until the other side of the terminal is closed, which reads as an error."""
    with contextlib.suppress(OSError), open(terminal, encoding="utf-8", errors="replace") as text:
        for line in text:
            lines.append(line)  # noqa: PERF402 - seen by the test while more is to come


def family(pid: int) -> list[psutil.Process]:
    """A process and everything it started."""
    try:
        first = psutil.Process(pid)
        return [*first.children(recursive=True), first]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
def test_a_schedule_runs_the_daily_flow_speaks_to_no_one_and_leaves_nothing(
    workspace: Path, scheduled: tuple[subprocess.Popen[bytes], list[str], Path]
) -> None:
    process, lines, log = scheduled
    until(lambda: any("serving trimtab-daily/tiny at '0 5 * * *' UTC" in line for line in lines), process)
    port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", "".join(lines))[0])
    url = f"http://{HOST}:{port}/api"
    (deployment,) = until(lambda: ask(url, "POST", "/deployments/filter", {}), process)
    assert deployment["schedules"][0]["schedule"] == {"cron": "0 5 * * *", "timezone": "UTC", "day_or": True}

    assert ask(url, "GET", "/admin/settings")["server"]["analytics_enabled"] is False

    asked = {"parameters": {"as_of": AS_OF.isoformat()}}
    run = ask(url, "POST", f"/deployments/{deployment['id']}/create_flow_run", asked)
    ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    state = lambda: ask(url, "GET", f"/flow_runs/{run['id']}")["state"]  # noqa: E731
    until(lambda: state()["type"] in ends, process)
    assert state()["type"] == "COMPLETED", "".join(lines)
    assert (workspace / "reports/report.html").is_file()
    assert "| Proven gap |" in artifact(url, "trimtab-report")

    due = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "EXPECTED_START_TIME_ASC"}
    planned = until(lambda: ask(url, "POST", "/flow_runs/filter", due), process)
    assert "T05:00:00" in planned[0]["expected_start_time"]

    again = cli("schedule", "start", "--workspace", workspace)
    assert again.code == 1
    assert "another `trimtab schedule start`" in again.err

    everyone = family(process.pid)
    assert len(everyone) >= 2, "the server is a child"
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_S) == 0, "".join(lines)
    assert not [each for each in psutil.wait_procs(everyone, timeout=5)[1] if each.is_running()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5)
    assert not log.exists(), f"spoke to someone:\n{log.read_text(encoding='utf-8')}"


def test_the_guard_sees_who_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "addresses.txt"
    code = """
import contextlib, socket
for ask in (
    lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    lambda: socket.create_connection(("192.0.2.1", 9), timeout=0.01),
    lambda: socket.getaddrinfo("collector.invalid", 443),
):
    with contextlib.suppress(OSError):
        ask()
"""
    subprocess.run([sys.executable, "-c", code], env=environment(log), check=True)
    seen = log.read_text(encoding="utf-8")
    assert "socket.connect 192.0.2.1" in seen
    assert "socket.getaddrinfo collector.invalid" in seen
    assert "127.0.0.1" not in seen


def test_a_cron_that_is_none_is_one_line_and_exit_code_2(workspace: Path, tmp_path: Path) -> None:
    asked = command(workspace, "--cron", "every morning")
    done = subprocess.run(
        asked, check=False, env=environment(tmp_path / "log"), capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "--cron: found 'every morning'; expected five cron fields" in line
    assert done.stdout == ""


def test_a_folder_that_is_missing_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    ran = cli("schedule", "start", "--workspace", tmp_path / "absent", "--cron", "0 5 * * *")
    assert ran.code == 2
    (line,) = ran.faults
    assert "absent: found no such folder; expected a workspace" in line
    assert ran.out == ""


def test_only_one_schedule_serves_a_workspace(workspace: Path) -> None:
    with (
        only_schedule(Layout(workspace)),
        pytest.raises(BusyError, match="another `trimtab schedule start`"),
        only_schedule(Layout(workspace)),
    ):
        pytest.fail("two at once")
    with only_schedule(Layout(workspace)):
        pass  # the first has let go


def test_a_folder_that_cannot_be_written_is_named(workspace: Path) -> None:
    (workspace / ".trimtab").write_text("in the way", encoding="utf-8")
    with (
        pytest.raises(InputError, match=r"\.trimtab: found .*; expected a folder that can be written"),
        only_schedule(Layout(workspace)),
    ):
        pytest.fail("nowhere to write")


def test_without_prefect_the_way_to_get_it_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "find_spec", lambda _: None)
    with pytest.raises(TrimtabError, match=r"pip install 'trimtab\[flows\]'"):
        deployments.start(workspace, "0 5 * * *")


def test_a_proxy_is_not_asked_for_this_machine(tmp_path: Path) -> None:
    made = local_environment(tmp_path, 4321, {"NO_PROXY": "corp.example"})
    assert made["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert made["PREFECT_HOME"] == str(tmp_path)
    assert made["NO_PROXY"] == made["no_proxy"] == "corp.example,127.0.0.1"


def test_a_taken_port_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert server.free_port(wanted) not in {0, wanted}
    assert server.free_port(wanted) == wanted


def child(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def test_a_server_that_ends_by_itself_is_an_error_with_its_log(tmp_path: Path) -> None:
    dead = child("raise SystemExit(3)")
    with pytest.raises(TrimtabError, match=r"found it ended with code 3; expected .*; see .*server\.log"):
        server.wait_until_healthy(dead, server.free_port(0), tmp_path / "server.log")
    server.end(dead)


def test_a_server_that_is_never_healthy_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_WAIT_S", 0.3)
    idle = child("import sys; sys.stdin.read()")
    with pytest.raises(TrimtabError, match="found no answer"):
        server.wait_until_healthy(idle, server.free_port(0), tmp_path / "server.log")
    server.end(idle)
    assert idle.returncode == 0


def test_a_server_that_does_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_WAIT_S", 0.3)
    stubborn = child("import time; time.sleep(600)")
    server.end(stubborn)
    assert stubborn.returncode == -signal.SIGKILL


def test_a_server_ends_with_whoever_started_it() -> None:
    waiting = child(
        "import threading, time\n"
        "from flows.server_child import end_with_starter\n"
        "threading.Thread(target=end_with_starter, daemon=True).start()\n"
        "time.sleep(600)\n"
    )
    assert waiting.stdin is not None
    waiting.stdin.close()
    assert waiting.wait(60) == -signal.SIGTERM
