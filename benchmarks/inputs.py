"""Real input where the sample data lies beside the repository, else generated input that says so.

The folder of the sample data is named by TRIMTAB_SHARED, by default `../shared` beside the repository.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

REPO = Path(__file__).resolve().parents[1]
START = pd.Timestamp("2026-01-05", tz="UTC")  # a Monday; the traces give offsets, not dates
GENERATED = "generated (the sample data is missing)"
DEMO_AS_OF = datetime(2026, 11, 16, tzinfo=UTC)


def shared(*names: str) -> list[Path]:
    """Files of the sample data; empty unless all of them are there."""
    folder = Path(os.environ.get("TRIMTAB_SHARED", REPO.parent / "shared"))
    paths = [folder / name for name in names]
    return paths if all(path.exists() for path in paths) else []


def demo_exports(folder: Path) -> Path:
    """Bills of the demo's invented company."""
    from data.synthetic import write_demo  # noqa: PLC0415 - seconds of work that only the fallback needs

    write_demo(folder / "demo", as_of=DEMO_AS_OF)
    return folder / "demo" / "exports"


def bill_rows(paths: Sequence[Path], rows: int) -> pd.DataFrame:
    """The files' rows as text, put under each other and repeated until there are `rows` of them."""
    parts = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    whole = pd.concat(parts, ignore_index=True).fillna("")
    return whole.take(np.arange(rows) % len(whole)).reset_index(drop=True)


def traffic(series: str, days: int) -> tuple[pd.DataFrame, str]:
    """One LLM trace in 10-minute steps: `ts, requests, tokens_in, tokens_out, is_gap`; days repeat."""
    found = shared("datasets/traffic_llm_servegen_10min.parquet")
    if found:
        trace = pd.read_parquet(found[0])
        trace = trace.loc[trace["series_id"].eq(series)].sort_values("offset_s", ignore_index=True)
        source = f"{series} of ServeGen"
    else:
        trace, source = invented_trace(), GENERATED
    steps = days * 144
    rows = trace.take(np.arange(steps) % (len(trace) // 144 * 144)).reset_index(drop=True)
    requests = rows["requests"].astype(float)
    tokens = {
        f"tokens_{side}": requests * rows[f"mean_{name}_tokens"].astype(float).ffill().bfill()
        for side, name in (("in", "input"), ("out", "output"))
    }
    ts = pd.date_range(START, periods=steps, freq="10min", unit="us")
    return pd.DataFrame(
        {"ts": ts, "requests": requests, **tokens, "is_gap": rows["is_gap"].astype(bool)}
    ), source


def invented_trace(steps: int = 1440, seed: int = 7, mean: float = 6e5) -> pd.DataFrame:
    """A day's rhythm with autocorrelated noise, ten days in 10-minute steps."""
    random = np.random.default_rng(seed)
    rhythm = 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(steps) / 144)
    noise = np.exp(0.1 * np.convolve(random.normal(size=steps), np.ones(6) / 6, mode="same"))
    gap = np.arange(steps) % 1000 == 777
    return pd.DataFrame(
        {
            "requests": np.where(gap, 0.0, np.round(mean * rhythm * noise)),
            "mean_input_tokens": 120.0,
            "mean_output_tokens": 20.0,
            "is_gap": gap,
        }
    )
