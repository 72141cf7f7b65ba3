"""What every step has in common: what is tried again, how progress is shown, and of which moment it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from optimizer.errors import TransientError
from optimizer.pipeline import Progress, silent

P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS_S = [10.0, 60.0, 300.0]
SHOW_EVERY_S = 1.0  # each showing is a call to the server


def step(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task that is tried again after transient failures only, and never answered from a cache.

    `run_name` may hold the task's parameters in braces.
    """
    return task(
        name=name,
        task_run_name=run_name or name,
        retries=len(RETRY_DELAYS_S),
        retry_delay_seconds=RETRY_DELAYS_S,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,
    )


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether to try again: the type of the error says so, nothing else does."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


@contextmanager
def shown(name: str) -> Iterator[Progress]:
    """A callback that shows progress as an artifact and log lines of the task run; silent outside of one."""
    if TaskRunContext.get() is None:
        yield silent
        return
    bar = ProgressArtifact(name)
    bar.show("started", 0.0)
    yield bar.tell
    bar.show("done", 1.0)


class ProgressArtifact:
    """The bar of one task run. What is shown never ends what is done: a server out of reach is logged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.logger = get_run_logger()
        self.artifact: Any = None
        self.last_s = 0.0

    def tell(self, text: str, share: float) -> None:
        """Log what is being done; move the bar at most once in SHOW_EVERY_S."""
        self.logger.info("%s: %s (%.0f%%)", self.name, text, 100 * share)
        if time.monotonic() - self.last_s >= SHOW_EVERY_S:
            self.show(text, share)

    def show(self, text: str, share: float) -> None:
        """Move the bar now."""
        percent, description = round(100 * share, 1), f"{self.name}: {text}"
        self.last_s = time.monotonic()
        try:
            if self.artifact is None:
                key = f"trimtab-progress-{self.name}"
                self.artifact = create_progress_artifact(percent, key=key, description=description)
            else:
                update_progress_artifact(self.artifact, progress=percent, description=description)
        except Exception as error:
            self.logger.warning("progress cannot be shown: %s", error)


def moment() -> datetime:
    """When this flow run was due, UTC: started late or tried again, it is still of that moment."""
    due: datetime = flow_run.scheduled_start_time
    return datetime.fromtimestamp(due.timestamp(), UTC).replace(microsecond=0)
