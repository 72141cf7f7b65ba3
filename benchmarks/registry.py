"""What a benchmark is, and the list of all of them.

To add one: write `benchmarks/<subject>.py` with a tuple `BENCHMARKS`, and name it in `all_benchmarks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmarks.compare import Losses

In = TypeVar("In")
Out = TypeVar("Out")

SIZES = ("small", "medium", "large")
SUBJECTS = ("ingest", "forecast", "anomalies", "plan", "capacity", "spot", "placement", "commitments")


class Unavailable(Exception):  # noqa: N818 - not an error: the peer is shown as left out, with this reason
    """A peer that is not installed here."""


@dataclass(frozen=True)
class Prepared:
    """Input that lies ready: where it comes from and how much work it is."""

    source: str
    work: float
    unit: str


@dataclass(frozen=True)
class Contender(Generic[In, Out]):
    """One way to do the work. `run` is what is timed; its working directory is an empty scratch folder."""

    name: str
    run: Callable[[In], Out]


@dataclass(frozen=True)
class Benchmark(Generic[In, Out]):
    """A subject and its peers on the same input.

    Attributes:
        name: as on the command line; subject first, such as ingest-focus.
        about: what is done, in one sentence.
        sizes: amount of input by size name, in the benchmark's own unit; 0 where a size leaves it out.
        prepare: writes input of an amount into a folder, once.
        load: reads that folder before the clock starts, in every process.
        judge: numbers about the result, by name; in all of them less is better.
        subject, peers: what is compared. Ratios are peer over subject.
        losses: by unit, where the result is to be compared with the subject's unit by unit, with an interval.
        most_repeats: where one measurement says all and takes long.
    """

    name: str
    about: str
    sizes: Mapping[str, int]
    prepare: Callable[[Path, int], Prepared]
    load: Callable[[Path], In]
    judge: Callable[[In, Out], Mapping[str, float]]
    subject: Contender[In, Out]
    peers: tuple[Contender[In, Out], ...] = ()
    losses: Callable[[In, Out], Sequence[Losses]] | None = None
    most_repeats: int | None = None

    @property
    def contenders(self) -> tuple[Contender[In, Out], ...]:
        """The subject, then its peers."""
        return (self.subject, *self.peers)


def all_benchmarks() -> dict[str, Benchmark[Any, Any]]:
    """Every benchmark by name."""
    found = [b for subject in SUBJECTS for b in import_module(f"benchmarks.{subject}").BENCHMARKS]
    return {benchmark.name: benchmark for benchmark in found}


def benchmark_named(name: str) -> Benchmark[Any, Any]:
    """One benchmark, importing no other subject: their imports would count as its memory."""
    benchmarks = import_module(f"benchmarks.{name.split('-', maxsplit=1)[0]}").BENCHMARKS
    found: Benchmark[Any, Any] = next(benchmark for benchmark in benchmarks if benchmark.name == name)
    return found


def chosen(names: list[str]) -> list[Benchmark[Any, Any]]:
    """Benchmarks of these names or subjects; all where none is named. KeyError for an unknown one."""
    known = all_benchmarks()
    for name in names:
        if name not in known and name not in SUBJECTS:
            raise KeyError(f"found {name!r}; expected one of {', '.join([*SUBJECTS, *known])}")
    return [b for b in known.values() if not names or {b.name, b.name.split("-")[0]} & set(names)]
