"""Draws of demand: around the forecast, wider with time, workloads together, always the same."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.commitment_demand import (
    MOST_SERIES,
    Demand,
    correlated,
    daily_requests,
    levels_ahead,
    steps_until,
)
from tests.optimizer.worlds import AS_OF, history

STEPS = steps_until(2 * 8760.0)
LEVELS = np.array([0.1, 0.5, 0.9])


def days(count: int, name: str, *, growth: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """Ten-minute counts of some days with noise and growth."""
    random = np.random.default_rng(seed)
    level = 600.0 * np.exp(growth * np.arange(count * 144) / 144) * random.lognormal(0, 0.2, count * 144)
    return history(level.tolist(), name)


def ahead(demand: pd.DataFrame, *names: str, draws: int = 200, size: np.ndarray | None = None) -> np.ndarray:
    return levels_ahead(
        demand, names, AS_OF, STEPS, size=np.ones(len(names)) if size is None else size, draws=draws,
        near_days=7,
    )  # fmt: skip


def test_levels_begin_at_the_forecast_and_widen() -> None:
    level = ahead(days(40, "web"), "web")[:, :, 0]
    low, middle, high = np.quantile(level, [0.1, 0.5, 0.9], axis=0)
    assert level.shape == (200, 8)
    assert middle[0] == pytest.approx(1.0, abs=0.05)
    widths = high - low
    assert widths[0] < widths[3] < widths[7]
    assert (level >= 0).all()


def test_growth_goes_on_for_a_while() -> None:
    grown = ahead(days(120, "web", growth=0.005), "web")
    flat = ahead(days(120, "web"), "web")
    assert np.median(grown[:, 2]) > 1.1 * np.median(flat[:, 2])


def test_the_same_demand_gives_the_same_draws() -> None:
    demand = pd.concat([days(40, "a"), days(40, "b", seed=2)], ignore_index=True)
    assert (ahead(demand, "a", "b") == ahead(demand, "a", "b")).all()


def test_workloads_go_together_to_a_degree() -> None:
    random = np.random.default_rng(0)
    level = random.lognormal(0.0, 0.3, (2000, 1, 2))
    together = correlated(level)
    ranks = np.argsort(np.argsort(together[:, 0], axis=0), axis=0)
    assert np.corrcoef(ranks.T)[0, 1] == pytest.approx(0.48, abs=0.06)
    assert np.sort(together, axis=0).tolist() == np.sort(level, axis=0).tolist()  # the same paths


def test_a_workload_that_was_never_counted_is_as_models_assume() -> None:
    level = ahead(days(40, "web"), "web", "new")
    assert np.isfinite(level).all()
    assert np.median(level[:, 0, 1]) == pytest.approx(1.0, abs=0.1)
    assert np.ptp(level[:, 7, 1]) > 0.5


def test_small_workloads_borrow_the_futures_of_large_ones() -> None:
    names = [f"w{number:02d}" for number in range(MOST_SERIES + 1)]
    demand = pd.concat([days(20, name, seed=k) for k, name in enumerate(names)], ignore_index=True)
    size = np.arange(len(names), 0.0, -1.0)
    level = ahead(demand, *names, draws=20, size=size)
    last, first = level[:, :, -1], level[:, :, 0]
    assert np.sort(last[:, 0]).tolist() == np.sort(first[:, 0]).tolist()
    assert (last != first).any()


def test_days_are_whole_and_counted() -> None:
    counted = history([600.0] * (144 * 3))  # ends at three in the night
    found = daily_requests(counted, ["web", "new"], AS_OF).set_index("unique_id")
    today = pd.Timestamp(AS_OF).floor("D")
    assert (
        found.loc["web", "ds"].tolist()
        == [today - pd.Timedelta(days=k) for k in (3, 2, 1)][-len(found.loc["web"]) :]
    )
    assert found.loc["web", "y"].tolist() == pytest.approx([1.0] * len(found.loc["web"]))
    assert found.loc["new", "ds"] == today - pd.Timedelta(days=1)
    half = history([600.0] * 60 + [np.nan] * 100, end=AS_OF - timedelta(hours=3))
    assert set(daily_requests(half, ["web"], AS_OF)["unique_id"]) == {"web"}


def test_a_workspace_without_any_demand_has_unseen_days_alone() -> None:
    untyped = pd.DataFrame(columns=["workload", "ts", "interval_s", "requests", "is_gap"])
    (row,) = daily_requests(untyped, ["new"], AS_OF).itertuples(index=False)
    assert row == ("new", pd.Timestamp(AS_OF).floor("D") - pd.Timedelta(days=1), 1.0)


def test_an_old_history_is_looked_past() -> None:
    old = history(
        (600.0 * np.random.default_rng(1).lognormal(0, 0.1, 144 * 30)).tolist(), end=AS_OF - timedelta(days=9)
    )
    recent = ahead(days(30, "web"), "web")
    aged = ahead(old, "web")
    assert aged.shape == recent.shape
    assert np.isfinite(aged).all()


def demand(ratio: np.ndarray, *, draws: int = 4000, spend: np.ndarray | None = None) -> Demand:
    workloads = ratio.shape[0]
    spend = np.ones((workloads, 1, ratio.shape[1])) if spend is None else spend
    return Demand(spend, np.ones((draws, 3, workloads)), LEVELS, ratio)


def test_days_have_the_quantiles_of_the_forecast() -> None:
    found = demand(np.array([[[0.5, 0.8, 1.1]]])).days(0).ravel()
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([0.5, 0.8, 1.1], abs=0.02)
    assert (found.min(), found.max()) == pytest.approx((0.5, 1.1))


def test_blocks_and_steps_are_days_of_their_own_and_workloads_go_together() -> None:
    ratio = np.broadcast_to(np.array([0.5, 1.0, 1.5]), (2, 2, 3))
    both = demand(ratio)
    first, second = both.days(0), both.days(1)
    assert (first != second).any()
    assert (both.days(0) == first).all()
    assert np.corrcoef(first[:, 0, 0], first[:, 1, 0])[0, 1] == pytest.approx(0.0, abs=0.05)
    assert np.corrcoef(first[:, 0, 0], first[:, 0, 1])[0, 1] == pytest.approx(0.5, abs=0.05)


def test_spend_is_levels_times_days_times_plan() -> None:
    ratio = np.broadcast_to(np.array([2.0, 2.0, 2.0]), (2, 1, 3))
    spend = np.array([[[1.0], [0.0]], [[10.0], [100.0]]])
    level = np.ones((1, 2, 2)) * np.array([[[1.0, 1.0], [3.0, 0.5]]]).transpose(0, 1, 2)
    made = Demand(spend, level, LEVELS, ratio)
    assert made.listed(0).tolist() == [[[22.0, 200.0]]]
    assert made.listed(1).tolist() == [[[16.0, 100.0]]]
