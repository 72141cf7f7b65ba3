"""One measurement in a fresh process: `python -m benchmarks.child BENCHMARK CONTENDER INPUT RESULT`."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.registry import Unavailable, benchmark_named

MIB = 2**20


def main(benchmark_name: str, contender_name: str, folder: str, result: str) -> None:
    """Load, run once against the clock, judge; write what was measured as JSON."""
    benchmark = benchmark_named(benchmark_name)
    contender = next(c for c in benchmark.contenders if c.name == contender_name)
    given = benchmark.load(Path(folder))
    cpu, clock = cpu_seconds(), time.perf_counter()
    try:
        made = contender.run(given)
    except Unavailable as reason:
        Path(result).write_text(json.dumps({"unavailable": str(reason)}), encoding="utf-8")
        return
    seconds, cpu = time.perf_counter() - clock, cpu_seconds() - cpu
    peak = peak_mib()  # before the judge, who may need more than the contender
    quality = {name: float(value) for name, value in benchmark.judge(given, made).items()}
    measured = {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak, "quality": quality}
    if benchmark.losses:
        measured["losses"] = [asdict(one) for one in benchmark.losses(given, made)]
    Path(result).write_text(json.dumps(measured), encoding="utf-8")


def cpu_seconds() -> float:
    """Processor time of this process and of the children it has waited for."""
    return sum(os.times()[:4])


def peak_mib() -> float:
    """Highest resident memory of this process or of a child of it, in MiB.

    `ru_maxrss` of a process begins at its parent's size, so its own peak is read from the kernel's VmHWM
    where there is one.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit) / MIB


if __name__ == "__main__":
    main(*sys.argv[1:5])
