"""On real traffic: ServeGen LLM demand per model and NAB metrics, hourly, 24 h ahead, rolling origins.

The panel is 3 whole-model series, 12 tenants and 10 NAB series; six origins a day apart. Bounds are wider
than what was measured, so that they catch a broken forecaster and not a changed rounding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.conformal import Conformal
from models.forecaster import Forecaster
from models.frames import FloatArray, Panel, check_series
from models.gaps import flag_outages
from models.ladder import LEARNT, MAX_MOVE, forecast
from models.metrics import coverage, plan_cost
from models.seasonal import SeasonalNaive
from tests.models.frames_of import START

NAB = "Twitter|nyc_taxi|elb_request_count|ec2_network_in|NetworkIn"


def servegen(shared: Path) -> pd.DataFrame:
    models = pd.read_parquet(shared / "datasets/traffic_llm_servegen_10min.parquet")
    clients = pd.read_parquet(shared / "datasets/traffic_llm_servegen_client_10min.parquet")
    # A step is a gap for a tenant when it is one for the whole model.
    clients = clients.merge(
        models.loc[~models["is_gap"], ["series_id", "offset_s"]], on=["series_id", "offset_s"]
    )
    clients["series_id"] = clients["series_id"].astype("str") + "/" + clients["client"].astype("str")
    busy = clients.groupby("series_id")["requests"].agg(total="sum", used=lambda r: (r > 0).mean())
    chosen = busy[busy["used"] > 0.3].nlargest(12, "total").index
    both = pd.concat([models[~models["is_gap"]], clients[clients["series_id"].isin(chosen)]])
    ds = START + pd.to_timedelta(both["offset_s"], unit="s")
    return pd.DataFrame(
        {"unique_id": both["series_id"].astype("str"), "ds": ds, "y": both["requests"].astype(float)}
    )


def nab(shared: Path) -> pd.DataFrame:
    rows = pd.read_parquet(shared / "datasets/metrics_nab_cloudwatch_5min.parquet")
    rows = rows[rows["series_id"].astype("str").str.contains(NAB)]
    return pd.DataFrame(
        {"unique_id": rows["series_id"].astype("str"), "ds": rows["ts_utc"], "y": rows["value"].astype(float)}
    )


@pytest.fixture(scope="module")
def hourly(shared: Path) -> pd.DataFrame:
    rows = pd.concat([servegen(shared), nab(shared)])
    rows["ds"] = rows["ds"].dt.as_unit("us").dt.floor("h")
    return rows.groupby(["unique_id", "ds"], as_index=False)["y"].mean()


def rolling(forecaster: Forecaster, panel: Panel, origins: int = 6) -> tuple[FloatArray, FloatArray]:
    """(series, origin, step) what came true, and the quantile 0.99 forecast for it."""
    actual, upper = [], []
    for back in 24 + 24 * np.arange(origins):
        past = panel.before(int(back))
        known = past.observed() >= 48
        y = panel.y[:, past.steps : past.steps + 24]
        actual.append(np.where(known[:, None], y, np.nan))
        upper.append(np.maximum(forecaster.quantiles(past, 24, np.array([0.99]))[..., 0], 0))
    return np.stack(actual, axis=1), np.stack(upper, axis=1)


def flat(array: FloatArray) -> FloatArray:
    return array.reshape(array.shape[0], -1)


def test_the_upper_quantile_covers_and_costs_less_than_seasonal_naive(hourly: pd.DataFrame) -> None:
    panel = check_series(hourly, "1h", non_negative=True)
    panel = panel.masked(flag_outages(panel))
    y, ours = rolling(Conformal(LEARNT, max_move=MAX_MOVE, max_origins=20), panel)
    _, naive = rolling(SeasonalNaive(), panel)
    covered = np.nanmean(coverage(flat(y), flat(ours)))
    cost, naive_cost = (np.nanmean(plan_cost(flat(y), flat(q))) for q in (ours, naive))
    print(f"coverage {covered:.4f}; plan cost {cost:.3f}, seasonal naive {naive_cost:.3f}")
    assert 0.98 <= covered <= 1.0
    assert cost <= 0.95 * naive_cost
    models = np.array(["/" not in name for name in panel.ids])
    cost, naive_cost = (np.nanmean(plan_cost(flat(y), flat(q))[models]) for q in (ours, naive))
    print(f"whole models: plan cost {cost:.3f}, seasonal naive {naive_cost:.3f}")
    assert cost <= 0.7 * naive_cost


def test_the_same_through_the_one_function(hourly: pd.DataFrame) -> None:
    cut = hourly["ds"] < hourly.groupby("unique_id")["ds"].transform("max") - pd.Timedelta(23, unit="h")
    result = forecast(hourly[cut], freq="1h", horizon_steps=24, levels=[0.5, 0.9, 0.99])
    scored = result.merge(hourly, on=["unique_id", "ds"])
    assert 0.96 <= (scored["y"] <= scored["q0.99"]).mean() <= 1.0
    assert 0.75 <= (scored["y"] <= scored["q0.9"]).mean() <= 0.97  # one day alone
