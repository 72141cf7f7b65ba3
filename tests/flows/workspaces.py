"""A workspace of one service that plans in a second: four days of hourly demand, three instance types."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

AS_OF = datetime(2026, 5, 12, tzinfo=UTC)

WORKLOADS = """\
workloads:
- name: web
  model: web-app
  tier: interactive
  slo: {latency_ms: 200, target: 0.999}
"""


def tiny_workspace(root: Path) -> Path:
    """Write it and return its folder."""
    (root / "history").mkdir(parents=True)
    (root / "workloads.yaml").write_text(WORKLOADS, encoding="utf-8")
    types = ["small", "medium", "large"]
    pd.DataFrame(
        {
            "option_id": [f"{name}-od" for name in types],
            "provider": "aws",
            "region": "us-east-1",
            "instance_type": types,
            "accelerator": pd.Series([None] * 3, dtype="str"),
            "accelerator_count": [0, 0, 0],
            "purchase": "on_demand",
            "price_hourly": [0.1, 0.19, 0.36],
            "boot_seconds": 120,
        }
    ).to_parquet(root / "catalog.parquet")
    pd.DataFrame(
        {"model": "web-app", "instance_type": types, "rps": [50.0, 100.0, 200.0], "latency_ms": 40.0}
    ).to_parquet(root / "profiles.parquet")
    hours = pd.date_range(end=AS_OF, periods=96, freq="1h", inclusive="left", unit="us")
    per_hour = 3600 * (200 + 120 * np.sin(2 * np.pi * hours.hour.to_numpy() / 24))
    pd.DataFrame({"ts": hours, "workload": "web", "requests": per_hour}).to_parquet(
        root / "history/usage.parquet"
    )
    return root
