"""Child processes that begin at once: forked from a server that has imported what they need.

Each is a process of its own, to limit or to kill, without the seconds that a new interpreter takes to import.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TextIO

from tests.e2e.workspaces import Ran

PATIENCE_S = 120.0
IMPORTED = ["data.ingest", "optimizer.pipeline", "optimizer.cli.plans", "sklearn.ensemble", "tests.forked"]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(IMPORTED)


@dataclass(frozen=True)
class Child:
    """A process under way, and what it says."""

    process: BaseProcess
    out: TextIO
    err: TextIO

    def ended(self) -> Ran:
        """Wait for its end: how it ended and what it said."""
        with self.out, self.err:
            said = self.out.read(), self.err.read()
        self.process.join(PATIENCE_S)
        assert self.process.exitcode is not None, f"not done after {PATIENCE_S:.0f} s"
        return Ran(self.process.exitcode, *said)

    def kill(self) -> int:
        """End it without warning; the exit code, which is negative where the signal was in time."""
        self.process.kill()
        return self.ended().code


def forked(function: Callable[..., object], *arguments: object) -> Child:
    """Begin a function of a module in a process of its own."""
    (out, out_there), (err, err_there) = CONTEXT.Pipe(duplex=False), CONTEXT.Pipe(duplex=False)
    with out, out_there, err, err_there:
        told = (out_there, err_there, function, arguments)
        process = CONTEXT.Process(target=_speaking, args=told, daemon=True)
        process.start()
        return Child(process, os.fdopen(os.dup(out.fileno())), os.fdopen(os.dup(err.fileno())))


def trimtab(*arguments: object, limit_bytes: int | None = None) -> Child:
    """Begin a command whose files may not grow beyond a size."""
    return forked(_command, [str(argument) for argument in arguments], limit_bytes)


def limit_files(limit_bytes: int) -> None:
    """Let no file of this process grow beyond a size, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


def _speaking(
    out: Connection, err: Connection, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    with open(1, "w", closefd=False) as sys.stdout, open(2, "w", closefd=False) as sys.stderr:
        function(*arguments)


def _command(arguments: list[str], limit_bytes: int | None) -> None:
    from optimizer.cli import main

    sys.argv = ["trimtab", *arguments]
    if limit_bytes is not None:
        limit_files(limit_bytes)
    main()
