"""Scenarios from history keep what was lost together together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.scenarios import from_history, hourly_losses

NONE = pd.DataFrame({"ts": pd.to_datetime([], utc=True), "workload": [], "option_id": [], "event": []})


def capacity(hours: int, lost: dict[int, float]) -> pd.DataFrame:
    ts = pd.date_range("2026-03-01", periods=hours, freq="h", tz="UTC")
    rows = [
        {"ts": t, "pool": pool, "capacity": 10.0 * (1 - lost.get(n, 0.0))}
        for n, t in enumerate(ts)
        for pool in ("p", "q")
    ]
    return pd.DataFrame(rows)


def test_days_are_scenarios_and_pools_fail_together() -> None:
    losses = hourly_losses(capacity(72, {30: 0.8, 31: 0.4}), NONE, {}, {})
    found = from_history(
        losses, workloads=1, pools=("p", "q", "r"), hours=np.full(4, 6.0), slo_usd_per_unit=np.ones(1)
    )
    assert found.name == ("2026-03-01", "2026-03-02", "2026-03-03")
    wanted = np.zeros((3, 3, 4))
    wanted[1, :2, 1] = (0.8 + 0.4) / 6
    assert np.allclose(found.lost_share, wanted)
    assert np.isclose(found.probability.sum(), 1.0)


def test_events_count_against_what_runs_and_only_where_that_is_known() -> None:
    ts = pd.to_datetime(["2026-03-01T05:10Z", "2026-03-01T05:40Z", "2026-03-01T07:00Z"])
    events = pd.DataFrame(
        {"ts": ts, "workload": "w", "option_id": ["a", "a", "b"], "event": ["preempted", "failed", "denied"]}
    )
    losses = hourly_losses(pd.DataFrame(), events, {"a": "p", "b": "q"}, {"p": 8.0})
    assert losses.shape == (24, 1)
    assert losses["p"].iloc[5] == 0.25
    assert losses["p"].sum() == 0.25
