"""The bills of the demo, written and loaded once for all tests that only read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.ingest import Loads, ingest
from data.lake import Lake
from data.synthetic import DEFAULT_AS_OF, write_demo


@dataclass(frozen=True)
class DemoBills:
    """The demo's own files, a lake that has its exports, and what loading them said."""

    files: Path
    lake: Path
    loads: Loads


def write_and_load(folder: Path) -> DemoBills:
    """Write the demo with its default seed and load its exports."""
    write_demo(folder / "demo")
    with Lake.open(folder / "lake") as lake:
        loads = ingest(lake, folder / "demo/exports", loaded_at=DEFAULT_AS_OF)
    return DemoBills(folder / "demo", folder / "lake", loads)
