"""What is dear to make, made once for all processes that run the tests."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

T = TypeVar("T")
WORKER = "PYTEST_XDIST_WORKER"


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` returns for a folder called `name`; whichever process comes first makes it.

    The others wait and get a copy of the result. What lies in the folder is everybody's: read it, or change
    a copy.
    """
    base = factory.getbasetemp()
    base = base.parent if WORKER in os.environ else base  # the one folder that all workers share
    folder, result = base / name, base / f"{name}.pickle"
    with FileLock(base / f"{name}.lock"):
        if not result.exists():
            folder.mkdir()
            result.write_bytes(pickle.dumps(make(folder)))
        made: T = pickle.loads(result.read_bytes())
    return made
