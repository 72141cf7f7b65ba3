"""Runs benchmarks: input once, then rounds in which every contender is measured in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.compare import Losses
from benchmarks.registry import Benchmark, Prepared

REPO = Path(__file__).resolve().parents[1]
SINGLE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
PACKAGES = (
    "trimtab", "duckdb", "highspy", "numpy", "pandas", "prophet", "pulp", "pyarrow", "scikit-learn", "scipy",
    "statsforecast",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What one process measured of itself."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    quality: Mapping[str, float]
    losses: tuple[Losses, ...] = ()


@dataclass(frozen=True)
class Result:
    """All samples of one contender; none where it is not available here."""

    contender: str
    samples: tuple[Sample, ...]
    unavailable: str | None = None

    def typical(self, what: str) -> float:
        """Median over the samples of seconds, cpu_seconds or peak_mib."""
        return float(median(getattr(sample, what) for sample in self.samples))

    @property
    def quality(self) -> Mapping[str, float]:
        """Numbers about the result; contenders are deterministic, so those of the last sample."""
        return self.samples[-1].quality

    @property
    def losses(self) -> tuple[Losses, ...]:
        """Losses by unit of the last sample, for the same reason."""
        return self.samples[-1].losses if self.samples else ()


@dataclass(frozen=True)
class Outcome:
    """A benchmark at one size: subject first."""

    benchmark: Benchmark[Any, Any]
    size: str
    prepared: Prepared
    results: tuple[Result, ...]


def measure(
    benchmark: Benchmark[Any, Any],
    *,
    size: str,
    amount: int,
    repeat: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Prepare input of an amount and measure every contender `repeat` times, in turns.

    Turns, because a machine that is slow for a while is then slow for all.
    """
    with tempfile.TemporaryDirectory(prefix="trimtab-benchmark-") as root:
        folder = Path(root) / "input"
        folder.mkdir()
        tell(f"{benchmark.name}: preparing {size}")
        prepared = benchmark.prepare(folder, amount)
        taken: dict[str, list[Sample | str]] = {c.name: [] for c in benchmark.contenders}
        repeat = min(repeat, benchmark.most_repeats or repeat)
        for turn in range(repeat):
            for name, samples in taken.items():
                if not any(isinstance(sample, str) for sample in samples):
                    tell(f"{benchmark.name}: {name}, {turn + 1} of {repeat}")
                    samples.append(one_sample(benchmark.name, name, folder))
    results = tuple(
        Result(
            name,
            tuple(sample for sample in samples if isinstance(sample, Sample)),
            next((sample for sample in samples if isinstance(sample, str)), None),
        )
        for name, samples in taken.items()
    )
    return Outcome(benchmark, size, prepared, results)


def one_sample(benchmark: str, contender: str, folder: Path) -> Sample | str:
    """Measure once in a fresh process; a text is the reason why the contender is not available."""
    with tempfile.TemporaryDirectory(prefix="trimtab-benchmark-") as scratch:
        result = Path(scratch) / "result.json"
        work = Path(scratch) / "work"
        work.mkdir()
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", benchmark, contender, str(folder), str(result)],
            cwd=work,
            env={**os.environ, **SINGLE_THREAD, "PYTHONPATH": str(REPO)},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode or not result.is_file():
            raise RuntimeError(f"{benchmark}, {contender} ended with {run.returncode}:\n{run.stderr[-2000:]}")
        measured = json.loads(result.read_text(encoding="utf-8"))
    if "unavailable" in measured:
        return str(measured["unavailable"])
    losses = tuple(Losses(**one) for one in measured.pop("losses", ()))
    return Sample(**measured, losses=losses)


def machine() -> dict[str, Any]:
    """Facts that numbers depend on; nothing that names the machine."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": usable,
        "processor": processor(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "packages": {name: known for name in PACKAGES if (known := installed(name))},
    }


def processor() -> str | None:
    """The processor's model, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or None


def memory_gib() -> float | None:
    """Physical memory, where the system tells."""
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def installed(package: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
