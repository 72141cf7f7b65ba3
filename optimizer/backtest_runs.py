"""Replays of a backtest: each in a process of its own, and kept, so that what is done is not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import numpy as np

from optimizer.errors import TrimtabError
from optimizer.layout import taking_place, writing_in
from optimizer.problem import Floats
from optimizer.processes import processes
from optimizer.replay.case import Case
from optimizer.replay.clairvoyant import clairvoyant
from optimizer.replay.entrants import Entrant
from optimizer.replay.levers import rescaled
from optimizer.replay.results import MINUTES_PER_HOUR, Replayed
from optimizer.simulate import simulate

STRIP_POINTS = 600  # more are not seen in a drawing
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
        scale, cost_at_goal_usd: what the policy is multiplied by to keep its goal in hindsight, and its cost
            then; None where it has no goal, or cannot keep it.
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
    scale: float | None = None
    cost_at_goal_usd: float | None = None


Results: TypeAlias = tuple[Played, ...]  # (w) of the case


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
    digest.update(repr((entrant.maker, entrant.goal, version("trimtab"), seed)).encode())
    return Task(digest.hexdigest()[:32], case, entrant, seed)


def fingerprint(case: Case) -> str:
    """Equal for equal history, options, prices, limits and target."""
    digest = hashlib.sha256(repr((case.begin, case.target.tolist())).encode())
    for part in fields(case.whole):
        value = getattr(case.whole, part.name)
        digest.update(part.name.encode())
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def run(tasks: Sequence[Task], folder: Path, *, jobs: int, progress: Progress) -> Mapping[str, Results]:
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


def made(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[str, Results]]:
    """Results as they come; those that wait are given up when nobody takes them any more."""
    if jobs < 2:
        yield from ((task.key, play(task)) for task in tasks)
        return
    with processes(jobs) as pool:
        waiting = {pool.submit(play, task): task.key for task in tasks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise TrimtabError(f"{ENDED}; what was finished is kept: try again, with --jobs 1") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def play(task: Task) -> Results:
    """Make one replay."""
    world, maker, goal = task.case.world, task.entrant.maker, np.array(task.entrant.goal)
    if maker is None:
        best = clairvoyant(task.case, seed=task.seed)
        bounds = best.bounds_usd.tolist()
        return tuple(replace(one, bound_usd=b) for one, b in zip(each(best.replayed), bounds, strict=True))
    policy = maker(task.case)
    found = each(simulate(world, policy, seed=task.seed))
    if not len(goal):
        return found
    scales, at_goal = rescaled(world, policy, goal, seed=task.seed)
    return tuple(
        one if np.isnan(scale) else replace(one, scale=float(scale), cost_at_goal_usd=scaled.cost_usd)
        for one, scale, scaled in zip(found, scales, each(at_goal), strict=True)
    )


def each(replayed: Replayed) -> Results:
    """(w) the numbers of a replay."""
    return tuple(counted(replayed, w) for w in range(len(replayed.world.workloads)))


def counted(replayed: Replayed, workload: int = 0) -> Played:
    """The numbers of one workload in a replay."""
    world, own = replayed.world, replayed.world.options_of(workload)
    requests = float(np.nansum(world.requests[workload]))
    launched, stopped = replayed.launched[own], replayed.stopped[own]
    return Played(
        cost_usd=float((world.price_hourly[own] @ replayed.paid[own]).sum() / MINUTES_PER_HOUR),
        requests=requests,
        late=min(float(replayed.late[workload].sum()), requests),
        dropped=float(replayed.dropped[workload].sum()),
        worst_hour=max(0.0, replayed.worst_hour(workload)),
        launches=int(launched.sum()),
        actions=int(((launched > 0) | (stopped > 0)).sum()),
        preemptions=int(replayed.reclaimed[own].sum()),
        strip=strip_of(replayed, workload),
    )


def strip_of(replayed: Replayed, workload: int) -> Strip:
    """Demand, capacity and misses in at most `STRIP_POINTS` steps of equal length."""
    world, own = replayed.world, replayed.world.options_of(workload)
    minutes = -(-world.minutes // STRIP_POINTS)
    starts = np.arange(0, world.minutes, minutes)
    requests, late = world.requests[workload], replayed.late[workload]
    arrived = np.add.reduceat(np.nan_to_num(requests), starts)
    demand = np.maximum.reduceat(np.nan_to_num(world.load[workload], nan=-1.0), starts)
    capacity: Floats = (replayed.ready[own] * world.capacity[own]).sum(axis=0)
    return Strip(
        minutes=minutes,
        demand=[value if value >= 0 else None for value in demand.tolist()],
        capacity=np.minimum.reduceat(capacity, starts).tolist(),
        late_share=(np.add.reduceat(late, starts) / np.maximum(arrived, 1e-12)).clip(0.0, 1.0).tolist(),
    )


def read(path: Path) -> Results | None:
    """A kept result; None where there is none that can be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["workloads"]
        return tuple(Played(**one | {"strip": Strip(**one["strip"])}) for one in kept)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, played: Results) -> None:
    """Keep a result: whole, or not at all."""
    with taking_place(path) as draft, writing_in(path.parent):
        draft.write_text(json.dumps({"workloads": [asdict(one) for one in played]}), encoding="utf-8")
