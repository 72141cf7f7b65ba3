"""Processes beside this one: for work that many workloads have to do each, and for work done meanwhile."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from optimizer.errors import TrimtabError

P = ParamSpec("P")
T = TypeVar("T")

ENDED = (
    "a process beside this one was ended from outside, as systems do when memory runs out; "
    "take a machine with more of it, or fewer workloads at once"
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def processes(count: int, begin: Callable[[], None] | None = None) -> Iterator[ProcessPoolExecutor]:
    """So many processes of one thread each; each calls `begin` first.

    They are spawned: a fork would inherit threads of the lake that are not there.

    Raises:
        TrimtabError: one was ended from outside.
    """
    spawned = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=begun, initargs=(begin,)
    )
    try:
        with environment(ONE_THREAD), spawned as pool:
            yield pool
    except BrokenProcessPool as error:
        raise TrimtabError(ENDED) from error


class Here(Executor):
    """This process, at once: for who has no other."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """What it gives or raises."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # whoever asks for the result hears of it
            future.set_exception(error)
        return future


HERE = Here()


@contextmanager
def beside(*modules: str, unless: str) -> Iterator[Executor]:
    """A process of one thread that imports modules while this one imports others.

    This process itself where it has imported `unless` already, so that nothing would be gained, or where
    there is no second processor.
    """
    if unless in sys.modules or (os.cpu_count() or 1) < 2:
        yield HERE
        return
    with processes(1) as pool:
        for module in modules:
            pool.submit(import_module, module)
        yield pool


def begun(begin: Callable[[], None] | None) -> None:
    """Make a process end at Ctrl-C without a word: the one that began it tells."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if begin is not None:
        begin()


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
