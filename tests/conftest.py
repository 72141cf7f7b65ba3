"""What every test lives with: no host but this one, real sample data where it is present, lakes to copy."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from data import lake as lake_module
from data.lake import Lake
from tests.demo_bills import DemoBills, write_and_load
from tests.demo_runs import DemoRuns, Installed, demo_runs, install
from tests.once import WORKER, once

REPO = Path(__file__).resolve().parents[1]
LOCAL_NAMES = {"localhost", "", None}
MAKE_LAKE = Lake._create
# Files that last long alone: begun last, they would keep one worker busy while the others are idle. The first
# compiles the solver's kernels, beside files without any: what two workers need at once, both compile. The
# demo, which is under way meanwhile, compiles those of plans and replays.
LONGEST = (
    "optimizer/solve/test_apart", "validators/test_focus_1_2", "models/test_ladder", "flows/test_schedule",
    "properties/test_deliveries", "flows", "validators", "models", "data", "properties/test_bill",
    "faults/test_hostile_bills", "faults/test_kill", "optimizer/solve", "test_notebooks", "e2e",
    "faults/test_two_at_once", "optimizer/test_spot_loop", "test_benchmarks", "optimizer/test_cli",
    "optimizer/test_problem_files", "faults", "properties",
)  # fmt: skip


# An example may take long where others use the machine as well: that is no fault.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

if WORKER in os.environ:
    # As many workers as cores: more threads in each would only wait for each other.
    _connect = lake_module._connect

    def _with_one_thread() -> Any:
        connection = _connect()
        connection.execute("SET threads = 1")
        return connection

    lake_module._connect = _with_one_thread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file everything stays in order."""

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(REPO / "tests").as_posix()
        return next((place for place, start in enumerate(LONGEST) if name.startswith(start)), len(LONGEST))

    items.sort(key=rank)


def is_loopback(host: object) -> bool:
    """Whether a socket address is this machine; unix sockets and the unset address are."""
    if host in LOCAL_NAMES:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection and every name look-up that leaves this machine."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def host_of(address: object) -> object:
        return address[0] if isinstance(address, tuple) else ""

    def refuse(host: object) -> None:
        if not is_loopback(host):
            pytest.fail(f"a test tried to reach {host!r}; tests talk to loopback only")

    def guarded_connect(self: socket.socket, address: object) -> None:
        refuse(host_of(address))
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        refuse(host_of(address))
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
        refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real bills, traces and catalogues; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("TRIMTAB_SHARED", REPO.parent / "shared"))
    if not (folder / "datasets").is_dir():
        pytest.skip(f"the real sample data is not beside the repository ({folder.name} is missing)")
    return folder


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with nothing in it, to copy: making the tables takes longer than most tests."""

    def make(folder: Path) -> Path:
        Lake.open(folder / "lake").close()
        return folder / "lake"

    return once(tmp_path_factory, "empty-lake", make)


@pytest.fixture(scope="session", autouse=True)
def new_lakes_are_copies(empty_lake: Path) -> Iterator[None]:
    """A lake that is made is a copy of one made before; tests of the lake make their own (`make_lakes`)."""

    def copy(self: Lake, catalog: Path) -> None:
        unfinished = catalog.with_suffix(".new")
        shutil.copyfile(empty_lake / catalog.name, unfinished)
        unfinished.replace(catalog)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "_create", copy)
        yield


@pytest.fixture
def make_lakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every lake, as users do."""
    monkeypatch.setattr(Lake, "_create", MAKE_LAKE)


@pytest.fixture(scope="session")
def demo_bills(tmp_path_factory: pytest.TempPathFactory) -> DemoBills:
    """The demo's bills, written and loaded: to read."""
    return once(tmp_path_factory, "demo-bills", write_and_load)


@pytest.fixture(scope="session", autouse=True)
def demo_under_way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[DemoRuns] | None]:
    """The two runs of the demo, begun at once: they last two minutes, in which other tests can run.

    They compile the kernels on the way, which tests that come later find compiled.
    """
    if not any("demo" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    tmp_path_factory.getbasetemp()  # made here: two threads that find none would both make it
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(demo_runs, tmp_path_factory)


@pytest.fixture(scope="session")
def demo(demo_under_way: Future[DemoRuns] | None, tmp_path_factory: pytest.TempPathFactory) -> DemoRuns:
    """What two runs of `trimtab demo` made."""
    runs = demo_under_way.result() if demo_under_way else demo_runs(tmp_path_factory)
    assert runs.first.code == 0, runs.first.err
    return runs


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed where the repository is not."""
    return once(tmp_path_factory, "installed", install)
