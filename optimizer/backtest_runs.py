"""Replays of a backtest: each in a process of its own, and kept, so that what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from optimizer.errors import TrimtabError
from optimizer.layout import taking_place, writing_in
from optimizer.problem import Floats
from optimizer.replay.case import Case
from optimizer.replay.clairvoyant import clairvoyant
from optimizer.replay.entrants import Entrant
from optimizer.replay.results import Replayed
from optimizer.simulate import simulate

STRIP_POINTS = 600  # more are not seen in a drawing
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
ENDED = "a replay was ended from outside, as systems do when memory runs out"

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Strip:
    """A replay over time, several minutes a step.

    Attributes:
        minutes: of a step.
        demand: requests/s at most; None where nobody counted.
        capacity: requests/s that what was ready serves, at least.
        late_share: of the step's requests.
    """

    minutes: int
    demand: list[float | None]
    capacity: list[float]
    late_share: list[float]


@dataclass(frozen=True)
class Played:
    """What came of one policy for one workload.

    Attributes:
        cost_usd: of the whole window.
        requests, late, dropped: that arrived, missed their objective, and waited beyond their timeout.
        worst_hour: share in time in the hour in which it was lowest.
        launches, actions, preemptions: replicas launched, times an option was scaled, replicas taken back.
        strip: the same over time.
        bound_usd: of the clairvoyant optimum alone.
    """

    cost_usd: float
    requests: float
    late: float
    dropped: float
    worst_hour: float
    launches: int
    actions: int
    preemptions: int
    strip: Strip
    bound_usd: float | None = None


@dataclass(frozen=True)
class Task:
    """A replay to be made: a policy in a case.

    Attributes:
        key: equal for equal replays.
        case: aims at the policy's own target where it has one.
    """

    key: str
    case: Case
    entrant: Entrant
    seed: int


def task_of(case: Case, entrant: Entrant, seed: int) -> Task:
    """A policy in a case, with the fingerprint of all that its replay depends on."""
    if entrant.target is not None:
        case = replace(case, target=np.full_like(case.target, entrant.target))
    digest = hashlib.sha256(fingerprint(case).encode())
    digest.update(repr((entrant.maker, version("trimtab"), seed)).encode())
    return Task(digest.hexdigest()[:32], case, entrant, seed)


def fingerprint(case: Case) -> str:
    """Equal for equal history, options, prices, limits and target."""
    digest = hashlib.sha256(repr((case.begin, case.target.tolist())).encode())
    for part in fields(case.whole):
        value = getattr(case.whole, part.name)
        digest.update(part.name.encode())
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def run(tasks: Sequence[Task], folder: Path, *, jobs: int, progress: Progress) -> Mapping[str, Played]:
    """What came of every task, by key; what `folder` has is taken from there, the rest is kept there.

    Args:
        tasks: those of one key are made once.
        folder: made where it is missing.
        jobs: processes at once; with one, replays are made in this one.
        progress: told how far it is (0..1).
    """
    wanted = {task.key: task for task in tasks}
    done = {key: kept for key in wanted if (kept := read(folder / f"{key}.json")) is not None}
    left = [task for key, task in wanted.items() if key not in done]
    progress(len(done) / max(len(wanted), 1))
    with writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for key, played in made(left, min(jobs, len(left))):
        write(folder / f"{key}.json", played)
        done[key] = played
        progress(len(done) / len(wanted))
    return done


def made(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[str, Played]]:
    """Results as they come; those that wait are given up when nobody takes them any more."""
    if jobs < 2:
        yield from ((task.key, play(task)) for task in tasks)
        return
    with (
        environment(ONE_THREAD),  # spawned: a fork would inherit threads of the lake that are not there
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=end_on_interrupt) as pool,
    ):
        waiting = {pool.submit(play, task): task.key for task in tasks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise TrimtabError(f"{ENDED}; what was finished is kept: try again, with --jobs 1") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def end_on_interrupt() -> None:
    """Make a process end at Ctrl-C without a word: the one that began it tells."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes begun meanwhile inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def play(task: Task) -> Played:
    """Make one replay."""
    if task.entrant.maker is None:
        best = clairvoyant(task.case, seed=task.seed)
        return replace(counted(best.replayed), bound_usd=best.bound_usd)
    return counted(simulate(task.case.world, task.entrant.maker(task.case), seed=task.seed))


def counted(replayed: Replayed) -> Played:
    """The numbers of a replay of one workload."""
    return Played(
        cost_usd=replayed.cost_usd,
        requests=float(np.nansum(replayed.world.requests)),
        late=min(float(replayed.late.sum()), float(np.nansum(replayed.world.requests))),
        dropped=float(replayed.dropped.sum()),
        worst_hour=max(0.0, replayed.worst_hour()),
        launches=int(replayed.launched.sum()),
        actions=replayed.actions,
        preemptions=int(replayed.reclaimed.sum()),
        strip=strip_of(replayed),
    )


def strip_of(replayed: Replayed) -> Strip:
    """Demand, capacity and misses in at most `STRIP_POINTS` steps of equal length."""
    world = replayed.world
    minutes = -(-world.minutes // STRIP_POINTS)
    starts = np.arange(0, world.minutes, minutes)
    requests, late = world.requests[0], replayed.late[0]
    arrived = np.add.reduceat(np.nan_to_num(requests), starts)
    demand = np.maximum.reduceat(np.nan_to_num(world.load[0], nan=-1.0), starts)
    capacity: Floats = (replayed.ready * world.capacity).sum(axis=0)
    return Strip(
        minutes=minutes,
        demand=[value if value >= 0 else None for value in demand.tolist()],
        capacity=np.minimum.reduceat(capacity, starts).tolist(),
        late_share=(np.add.reduceat(late, starts) / np.maximum(arrived, 1e-12)).clip(0.0, 1.0).tolist(),
    )


def read(path: Path) -> Played | None:
    """A kept result; None where there is none that can be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Played(**kept | {"strip": Strip(**kept["strip"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, played: Played) -> None:
    """Keep a result: whole, or not at all."""
    with taking_place(path) as draft, writing_in(path.parent):
        draft.write_text(json.dumps(asdict(played)), encoding="utf-8")
