"""Processes beside this one, for work that many workloads have to do each."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def processes(count: int, begin: Callable[[], None] | None = None) -> Iterator[ProcessPoolExecutor]:
    """So many processes of one thread each; each calls `begin` first.

    They are spawned: a fork would inherit threads of the lake that are not there.
    """
    with (
        environment(ONE_THREAD),
        ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=begun, initargs=(begin,)
        ) as pool,
    ):
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
