"""A workspace that is dear to make, made once: a language model with a real trace."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e.workspaces import save

TRACE_BEGIN = pd.Timestamp("2026-05-01T00:00:00Z")


@pytest.fixture(scope="session")
def llm(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """The example workspace with ten days of a published trace, spread over the minutes of its intervals."""
    root = tmp_path_factory.mktemp("llm") / "llm-8b"
    shutil.copytree(shared / "workspaces" / "llm-8b", root)
    save(root, "history/usage.parquet", minutes_of(shared, "servegen_m-small"))
    return root


def minutes_of(shared: Path, series: str) -> pd.DataFrame:
    """A trace of ten-minute totals as minutes; gaps have no rows."""
    trace = pd.read_parquet(shared / "datasets" / "traffic_llm_servegen_10min.parquet")
    trace = trace.loc[trace["series_id"].eq(series) & ~trace["is_gap"]].sort_values("offset_s")
    spread = trace.loc[trace.index.repeat(10)].reset_index(drop=True)
    offset_s = spread["offset_s"].astype("int64") + 60 * np.tile(np.arange(10), len(trace))
    requests = spread["requests"].astype(float) / 10.0
    return pd.DataFrame(
        {
            "ts": (TRACE_BEGIN + pd.to_timedelta(offset_s, unit="s")).dt.as_unit("us"),
            "workload": "chat",
            "requests": requests,
            "tokens_in": requests * spread["mean_input_tokens"].astype(float).fillna(800.0),
            "tokens_out": requests * spread["mean_output_tokens"].astype(float).fillna(150.0),
        }
    )
