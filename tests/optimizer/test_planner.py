"""Who makes plans after a backtest: the lake remembers, for a while, and only what was known by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from data.tables import QUANTILES
from models.frames import check_series
from models.ladder import forecast
from models.peers import OURS, forecasters, named
from models.seasonal import SeasonalNaive
from optimizer.demand import forecast_demand
from optimizer.forecasts import forecast_requests
from optimizer.known import Beforehand
from optimizer.planner import TRUSTED, planner_at
from tests.models.frames_of import demand, long_frame
from tests.optimizer.worlds import AS_OF, catalogue, history, option, workload, world

HOUR = pd.Timedelta(1, unit="h")


def keep(root: Path, origin: datetime, planner: str, *, run: str = "a", horizon_h: int = 24) -> None:
    """A run of two models over one series, the last forecast of which began at an origin."""
    names = [OURS, "seasonal_naive"]
    rows = pd.DataFrame(
        {
            "unique_id": "web", "metric": "requests_per_s", "model": names, "is_champion": False,
            "is_planner": [name == planner for name in names], "demand_quantile": 0.99,
            "first_origin": origin, "last_origin": origin, "origins": 1, "horizon_s": horizon_h * 3600,
            "points": 24, "mean_demand": 1.0, "wql": 0.1,
            **{f"{what}_{name}": 0.5 for what in ("pinball", "coverage") for name in QUANTILES},
        }
    )  # fmt: skip
    with Lake.open(root) as lake:
        lake.replace("forecast_scores", {"run": run}, rows)


def planner(root: Path, as_of: datetime = AS_OF) -> str | None:
    with Lake.open(root, read_only=True) as lake:
        found = planner_at(lake, pd.Timestamp(as_of))
    return found.model if found else None


def test_it_counts_once_its_forecasts_came_true_and_for_five_weeks(tmp_path: Path) -> None:
    origin = AS_OF - timedelta(days=3)
    keep(tmp_path, origin, "seasonal_naive")
    assert planner(tmp_path) == "seasonal_naive"
    assert planner(tmp_path, origin + timedelta(hours=24)) == "seasonal_naive"
    assert planner(tmp_path, origin + timedelta(hours=23, minutes=59)) is None
    assert planner(tmp_path, origin + TRUSTED) == "seasonal_naive"
    assert planner(tmp_path, origin + TRUSTED + timedelta(seconds=1)) is None


def test_the_newest_counts(tmp_path: Path) -> None:
    keep(tmp_path, AS_OF - timedelta(days=9), "seasonal_naive")
    keep(tmp_path, AS_OF - timedelta(days=2), OURS, run="b")
    assert planner(tmp_path) is None
    assert planner(tmp_path, AS_OF - timedelta(days=3)) == "seasonal_naive"


def test_no_backtest_and_no_verdict_leave_ours(tmp_path: Path) -> None:
    Lake.open(tmp_path).close()
    assert planner(tmp_path) is None
    keep(tmp_path, AS_OF - timedelta(days=3), "nobody")
    assert planner(tmp_path) is None


def test_a_backtest_of_the_next_hours_says_nothing_of_a_day(tmp_path: Path) -> None:
    keep(tmp_path, AS_OF - timedelta(days=3), "seasonal_naive", horizon_h=6)
    assert planner(tmp_path) is None
    keep(tmp_path, AS_OF - timedelta(days=4), "seasonal_naive", run="b", horizon_h=48)
    assert planner(tmp_path) == "seasonal_naive"


def test_forecasts_and_fingerprint_follow(tmp_path: Path) -> None:
    rates = [3600 * rate for rate in demand(6)]
    inputs = world([workload("web")], catalogue(option("a")), [history(rates, "web", interval_s=3600)])
    ours = forecast_requests(inputs, 6 * HOUR)
    other = forecast_requests(inputs, 6 * HOUR, Beforehand(planner="seasonal_naive"))
    assert set(ours["model"]) != set(other["model"]) == {"seasonal_naive"}
    assert (ours["q0.99"] != other["q0.99"]).any()
    assert replace(inputs, planner="seasonal_naive").fingerprint != inputs.fingerprint


def test_a_champion_makes_the_forecasts_of_the_highest_rung_alone() -> None:
    series = long_frame({"long": demand(10), "short": demand(1)})
    made = forecast(series, freq="1h", horizon_steps=5, levels=[0.5, 0.99], champion=SeasonalNaive())
    assert made.groupby("unique_id")["model"].first().to_dict() == {
        "long": "seasonal_naive", "short": "last_window+persistence",
    }  # fmt: skip
    panel = check_series(series, "1h")
    raw = SeasonalNaive().quantiles(panel, 5, np.array([0.5, 0.99]))
    own = made.loc[made["unique_id"].eq("long"), ["q0.5", "q0.99"]].to_numpy()
    np.testing.assert_array_equal(own, raw[list(panel.ids).index("long")])


@pytest.mark.parametrize("freq", ["10min", "1h", "1D"])
def test_every_peer_can_be_named(freq: str) -> None:
    step = pd.Timedelta(freq)
    for peer in forecasters(step):
        assert named(peer.name, step) == peer
    assert named(OURS, step) is None
    assert named("gone", step) is None


def test_a_model_that_is_no_longer_known_leaves_ours(tmp_path: Path) -> None:
    series = [long_frame({"web": demand(6)})]
    plain = forecast_demand(series, horizon=3 * HOUR, levels=[0.5])
    gone = forecast_demand(series, horizon=3 * HOUR, levels=[0.5], beforehand=Beforehand(planner="gone"))
    pd.testing.assert_frame_equal(plain, gone)
