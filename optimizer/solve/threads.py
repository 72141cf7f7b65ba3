"""Compiled code on several threads: it lets go of the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

Each: TypeAlias = "Callable[[Callable[[Any], Any], list[Any]], Iterator[Any]]"


def processors() -> int:
    """How many the machine has."""
    return os.cpu_count() or 1


@contextmanager
def several_threads(*, worth: bool = True, count: int | None = None) -> Iterator[Each]:
    """A `map` that works on several threads, where that is worth their start; results in order."""
    count = count or processors()
    if not worth or count == 1:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool.map
