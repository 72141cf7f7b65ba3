"""Forecasts in the lake: kept by origin, unchanged when repeated, compared on their own grid."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from optimizer.demand import REQUESTS
from optimizer.forecasts import (
    actuals,
    forecast_requests,
    levels_in,
    old_demand,
    request_series,
    store_forecasts,
)
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, catalogue, history, option, steady, workload, world

HORIZON = pd.Timedelta("2h")


def two_workloads() -> worlds.Inputs:
    stranger = steady(9.0, "stranger")
    stale = history([6.0] * 9, "stale", end=AS_OF - timedelta(days=29))
    demand = [steady(1.0), steady(4.0, "api"), stranger, stale]
    return world([workload(), workload("api"), workload("stale")], catalogue(option("a")), demand)


def store(root: Path, forecasts: pd.DataFrame, *, metric: str, origin: datetime) -> None:
    with Lake.open(root) as lake:
        store_forecasts(lake, forecasts, metric=metric, origin=origin)


def test_every_declared_workload_with_recent_demand_is_forecast_from_as_of() -> None:
    made = forecast_requests(two_workloads(), HORIZON)
    assert sorted(made["unique_id"].unique()) == ["api", "web"]
    assert (made.groupby("unique_id")["ds"].min() == pd.Timestamp(AS_OF)).all()
    assert (made.groupby("unique_id").size() == 12).all()
    assert levels_in(made) == [0.1, 0.5, 0.9, 0.99]


def test_requests_are_counted_whatever_they_weigh() -> None:
    tokens = [6e5] * 20, [6e3] * 20
    inputs = world([workload()], catalogue(option("a")), [history([600.0] * 20, tokens=tokens)])
    (series,) = request_series(inputs)
    assert series["y"].tolist() == pytest.approx([1.0] * 20)


def test_nothing_to_forecast_is_an_empty_frame() -> None:
    assert forecast_requests(world([workload()], catalogue(option("a"))), HORIZON).empty


def test_a_forecast_is_kept_once_with_origin_and_model(tmp_path: Path) -> None:
    made = forecast_requests(two_workloads(), HORIZON)
    store(tmp_path, made, metric=REQUESTS, origin=AS_OF)
    with Lake.open(tmp_path) as lake:
        stored, states = lake.read("forecasts"), len(lake.snapshots())
    assert len(stored) == len(made) * 4
    assert (stored["origin"] == pd.Timestamp(AS_OF)).all()
    assert (stored["metric"] == REQUESTS).all()
    wide = stored.pivot_table(index=["unique_id", "ds"], columns="quantile", values="value").reset_index()
    assert wide[0.9].tolist() == pytest.approx(made.sort_values(["unique_id", "ds"])["q0.9"].tolist())
    store(tmp_path, made.sample(frac=1.0, random_state=1), metric=REQUESTS, origin=AS_OF)
    with Lake.open(tmp_path) as lake:
        assert len(lake.snapshots()) == states


def test_a_changed_forecast_takes_the_place_of_its_own_origin_only(tmp_path: Path) -> None:
    made = forecast_requests(two_workloads(), HORIZON)
    before = AS_OF - timedelta(days=1)
    store(tmp_path, made, metric=REQUESTS, origin=before)
    store(tmp_path, made, metric=REQUESTS, origin=AS_OF)
    store(tmp_path, made.assign(**{"q0.9": 99.0}), metric=REQUESTS, origin=AS_OF)
    with Lake.open(tmp_path) as lake:
        stored = lake.read("forecasts")
    changed = stored["value"].eq(99.0)
    assert changed.sum() == len(made)
    assert (stored.loc[changed, "origin"] == pd.Timestamp(AS_OF)).all()
    assert len(stored) == 2 * 4 * len(made)


def test_an_empty_forecast_changes_nothing(tmp_path: Path) -> None:
    with Lake.open(tmp_path) as lake:
        before = len(lake.snapshots())
        store_forecasts(lake, pd.DataFrame(), metric=REQUESTS, origin=AS_OF)
        assert len(lake.snapshots()) == before


@pytest.mark.parametrize("offset_s", [0, 1, 61, 599, 600, 5000])
def test_what_came_true_stands_on_the_forecasts_own_grid(offset_s: int) -> None:
    counted = np.arange(1440.0)  # one a minute: the k-th counts k
    inputs = world([workload()], catalogue(option("a")), [history(list(counted), interval_s=60)])
    origin = pd.Timestamp(AS_OF) - pd.Timedelta(hours=3, seconds=offset_s)
    known = actuals(inputs, [origin])
    assert (known["origin"] == origin).all()
    assert ((known["ds"] - origin) % pd.Timedelta("10min") == pd.Timedelta(0)).all()
    assert known["ds"].min() == origin
    assert known["ds"].max() + pd.Timedelta("10min") <= pd.Timestamp(AS_OF)
    for ds, actual in zip(known["ds"], known["actual"], strict=True):
        starts = inputs.demand["ts"]
        inside = inputs.demand.loc[(starts >= ds) & (starts < ds + pd.Timedelta("10min")), "requests"]
        assert actual == pytest.approx(inside.mean() / 60.0)


def test_nothing_has_come_true_of_a_forecast_made_now() -> None:
    inputs = world([workload()], catalogue(option("a")), [steady(1.0)])
    assert actuals(inputs, [pd.Timestamp(AS_OF)]).empty
    assert actuals(inputs, []).empty


def test_a_forecast_from_old_demand_says_how_old() -> None:
    (note,) = old_demand(two_workloads())
    day = AS_OF - timedelta(days=29)
    assert note.startswith("the newest demand of 1 workload is of ")
    assert f"{day:%Y-%m-%d}" in note or f"{day - timedelta(days=1):%Y-%m-%d}" in note
    assert list(old_demand(world([workload()], catalogue(option("a")), [steady(1.0)]))) == []
