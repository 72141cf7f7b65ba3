"""Scenarios from history keep what was lost together together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.scenarios import LostDays, at_levels, from_history, hourly_losses

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
    found = from_history(losses, pools=("p", "q", "r"), hours=np.full(4, 6.0))
    assert found.name == ("2026-03-01", "2026-03-02")  # the third day was like the first
    wanted = np.zeros((2, 3, 4))
    wanted[1, :2, 1] = (0.8 + 0.4) / 6
    assert np.allclose(found.share, wanted)
    assert np.allclose(found.probability, [2 / 3, 1 / 3])


def test_of_many_days_that_differ_so_many_are_looked_at_evenly_spread() -> None:
    lost = {24 * day + 1: day / 100 for day in range(30)}
    losses = hourly_losses(capacity(24 * 30, lost), NONE, {}, {})
    found = from_history(losses, pools=("p",), hours=np.full(1, 24.0), most=3)
    assert found.watched == len(found.name) == 3
    assert {found.name[0], found.name[-1]} <= {"2026-03-01", "2026-03-30"}


def test_however_many_days_are_alike_the_one_that_is_not_counts() -> None:
    losses = hourly_losses(capacity(24 * 90, {24 * 50: 0.8}), NONE, {}, {})
    found = from_history(losses, pools=("p",), hours=np.full(1, 24.0), most=3)
    assert (found.watched, found.name) == (90, ("2026-03-01", "2026-04-20"))
    assert np.allclose(found.probability, [89 / 90, 1 / 90])


def test_without_history_nothing_is_lost() -> None:
    found = from_history(pd.DataFrame(), pools=("p",), hours=np.full(2, 12.0))
    assert (found.probability.tolist(), found.share.tolist()) == ([1.0], [[[0.0, 0.0]]])


def test_every_day_is_there_at_every_level_of_demand() -> None:
    lost = LostDays(2, ("calm", "bad"), np.array([0.75, 0.25]), np.array([[[0.0]], [[0.5]]]))
    factor = np.array([[[0.5]], [[1.0]], [[1.2]]])
    found = at_levels(lost, factor, np.array([0.1, 0.5, 0.9]), slo_usd_per_unit=np.ones(1))
    assert found.name == ("calm q0.1", "bad q0.1", "calm q0.5", "bad q0.5", "calm q0.9", "bad q0.9")
    assert found.lost_share.ravel().tolist() == [0.0, 0.5] * 3
    assert found.demand_factor.ravel().tolist() == [0.5, 0.5, 1.0, 1.0, 1.2, 1.2]
    assert np.allclose(found.probability, np.repeat([0.3, 0.4, 0.3], 2) * np.tile([0.75, 0.25], 3))


def test_events_count_against_what_runs_and_only_where_that_is_known() -> None:
    ts = pd.to_datetime(["2026-03-01T05:10Z", "2026-03-01T05:40Z", "2026-03-01T07:00Z"])
    events = pd.DataFrame(
        {"ts": ts, "workload": "w", "option_id": ["a", "a", "b"], "event": ["preempted", "failed", "denied"]}
    )
    losses = hourly_losses(pd.DataFrame(), events, {"a": "p", "b": "q"}, {"p": 8.0})
    assert losses.shape == (24, 1)
    assert losses["p"].iloc[5] == 0.25
    assert losses["p"].sum() == 0.25
