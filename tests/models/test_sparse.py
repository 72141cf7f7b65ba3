"""Series that are nearly always zero: who they are, and how the pool's forecast is shared out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import FloatArray, Panel, check_series
from models.ladder import forecast
from models.seasonal import SameSlot
from models.sparse import PoolShare, is_sparse
from tests.models.frames_of import START

DAYS = 14
LEVELS = np.array([0.5, 0.9, 0.99])


def frame(values: dict[str, FloatArray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"unique_id": name, "ds": START + pd.to_timedelta(np.arange(y.size), unit="h"), "y": y})
        for name, y in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def panel_of(**values: FloatArray) -> Panel:
    return check_series(frame(values), "1h")


def bursts(seed: int, share: float = 0.05, size: float = 100.0) -> FloatArray:
    random = np.random.default_rng(seed)
    return np.where(random.random(24 * DAYS) < share, size * random.random(24 * DAYS), 0.0)


def test_what_is_sparse() -> None:
    busy = np.ones(24 * DAYS)
    debts = bursts(1)
    debts[-1] = -1.0
    older = np.concatenate([busy, bursts(3)])  # busy two weeks ago
    panel = panel_of(bursts=bursts(0), busy=busy, debts=debts, none=np.zeros(24 * DAYS), older=older)
    assert dict(zip(panel.ids, is_sparse(panel), strict=True)) == {
        "bursts": True, "busy": False, "debts": False, "none": False, "older": True,
    }  # fmt: skip


def test_shares_by_hand() -> None:
    """Two series with one third and two thirds of a pool of 30 around every noon."""
    noon = np.tile(np.isin(np.arange(24), range(9, 16)) * 1.0, DAYS)
    made = PoolShare(SameSlot()).quantiles(panel_of(a=10 * noon, b=20 * noon), 24, LEVELS)
    pool = SameSlot().quantiles(panel_of(pool=30 * noon), 24, np.array([0.5]))[0, :, 0]
    assert pool[12] > 0
    np.testing.assert_allclose(made[0], np.repeat(pool[:, None] / 3, 3, axis=1))
    np.testing.assert_allclose(made[1], np.repeat(2 * pool[:, None] / 3, 3, axis=1))


def test_only_series_of_one_time_are_a_pool() -> None:
    a, b = 1 + bursts(1), 1 + bursts(2)
    alone = PoolShare(SameSlot()).quantiles(panel_of(a=a), 24, LEVELS)
    apart = PoolShare(SameSlot()).quantiles(panel_of(a=a, b=b[:-5]), 24, LEVELS)
    np.testing.assert_array_equal(apart[0], alone[0])
    together = PoolShare(SameSlot()).quantiles(panel_of(a=a, b=b), 24, LEVELS)
    assert (together[0] != alone[0]).any()


@settings(max_examples=25, deadline=None)
@given(seeds=st.lists(st.integers(0, 99), min_size=2, max_size=5, unique=True), level=st.floats(0.55, 0.99))
def test_medians_of_the_parts_add_up_to_that_of_the_pool(seeds: list[int], level: float) -> None:
    base = np.tile(1.0 + np.arange(24), DAYS)
    values = {str(seed): bursts(seed, share=0.5) + base / (1 + seed) for seed in seeds}
    panel = panel_of(**values)
    medians = PoolShare(SameSlot()).quantiles(panel, 24, np.array([0.5]))
    pool = SameSlot().quantiles(panel_of(pool=panel.y.sum(axis=0)), 24, np.array([0.5]))[0, :, 0]
    np.testing.assert_allclose(medians[..., 0].sum(axis=0), pool)
    made = PoolShare(SameSlot()).quantiles(panel, 24, np.array([0.5, level]))
    assert (np.diff(made, axis=-1) >= 0).all()
    assert np.isfinite(made).all()


def test_gaps_are_no_zeros() -> None:
    gaps = bursts(5)
    gaps[-30:] = np.nan
    made = PoolShare(SameSlot()).quantiles(panel_of(a=gaps, b=bursts(6)), 24, LEVELS)
    assert np.isfinite(made).all()
    missing = panel_of(a=np.full(24 * DAYS, np.nan), b=bursts(6))
    assert np.isnan(PoolShare(SameSlot()).quantiles(missing, 24, LEVELS)[0]).all()


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_the_ladder_forecasts_them_by_the_pool(share: float) -> None:
    values = {str(seed): bursts(seed, share) for seed in range(8)}
    values["busy"] = 50 + 10 * np.sin(np.arange(24 * DAYS) / 24 * 2 * np.pi)
    made = forecast(frame(values), freq="1h", horizon_steps=24, levels=[0.5, 0.9, 0.99])
    names = made.groupby("unique_id")["model"].first()
    assert (names.drop("busy") == "pool_share+last_window").all()
    assert "pool" not in names["busy"]
    again = forecast(frame({"busy": values["busy"]}), freq="1h", horizon_steps=24, levels=[0.5, 0.9, 0.99])
    mine = made[made["unique_id"] == "busy"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, again)  # those that are not sparse do not notice
