"""Sources into the lake, one task each: a broken bill does not hold up the next one."""

# No postponed annotations: a served flow is pickled without the names its signature would need later.

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger

from data.ingest import Loads
from flows.steps import shown, step
from optimizer import pipeline
from optimizer.config import load_settings
from optimizer.errors import TrimtabError
from optimizer.layout import Layout


@flow(name="trimtab-ingest")
def ingest(workspace: Path, source: Path | None = None) -> None:
    """Read one source, or every configured one, into the lake."""
    layout = Layout(workspace)
    sources = [source] if source else layout.sources(load_settings(workspace))
    raise_failures(ingest_each(workspace, sources))


def configured_sources(workspace: Path) -> list[Path]:
    """Sources under [sources]; none where the workspace's own files are all there is."""
    settings = load_settings(workspace)
    return Layout(workspace).sources(settings) if settings.sources else []


def ingest_each(workspace: Path, sources: Iterable[Path]) -> list[State[Loads]]:
    """One task run per source, in order; the states say which failed."""
    loaded_at = datetime.now(UTC)
    return [ingest_source(workspace, source, loaded_at, return_state=True) for source in sources]


@step("ingest", "ingest {source.name}")
def ingest_source(workspace: Path, source: Path, loaded_at: datetime) -> Loads:
    """One delivery into the lake; what it held is logged."""
    with shown("ingest") as progress:
        loads = pipeline.ingest(workspace, source, now=loaded_at, progress=progress)
        for load in loads:
            progress(f"{load.source}: {load.rows:,} rows of {load.kind}, {load.status}", 1.0)
    return loads


def raise_failures(states: Sequence[State[Any]], what: str = "sources could not be read") -> None:
    """Nothing if every step is completed.

    Raises:
        TrimtabError: the reasons of those that are not.
    """
    failures = [state.result(raise_on_failure=False) for state in states if not state.is_completed()]
    if failures:
        reasons = "\n".join(str(failure) for failure in failures)
        get_run_logger().error("%d of %d %s", len(failures), len(states), what)
        raise TrimtabError(f"{len(failures)} of {len(states)} {what}:\n{reasons}")
