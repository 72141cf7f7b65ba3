"""Pretrained models as forecasters, on stand-ins that answer in the shape of the real ones."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import FloatArray, check_series
from models.ladder import forecast
from models.pretrained import DECILES, ChronosDeciles, Pretrained, TimesFmDeciles, at_levels, filled
from tests.models.frames_of import START

NORMAL = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816])


def frame(y: FloatArray, name: str = "a") -> pd.DataFrame:
    ds = START + pd.to_timedelta(np.arange(y.size), unit="h")
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": y})


def last_day_again(contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
    """A model that says the last day comes again, give or take one tenth."""
    medians = np.stack([np.resize(context[-24:], horizon_steps) for context in contexts])
    return np.asarray(medians[..., None] * (1 + 0.1 * NORMAL))


def test_levels_between_and_beyond_the_deciles() -> None:
    deciles = (100 + 10 * NORMAL)[None, None]
    levels = np.array([0.01, 0.1, 0.15, 0.5, 0.9, 0.99])
    expected = [100 - 23.26, 100 - 12.816, 100 - 10.616, 100, 112.816, 100 + 23.26]
    np.testing.assert_allclose(at_levels(deciles, levels)[0, 0], expected, atol=0.01)


@settings(max_examples=50, deadline=None)
@given(
    deciles=st.lists(st.floats(0, 1e6), min_size=9, max_size=9),
    levels=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=6, unique=True),
)
def test_quantiles_rise_and_meet_the_deciles(deciles: list[float], levels: list[float]) -> None:
    rising = np.sort(deciles)[None, None]
    made = at_levels(rising, np.sort(levels))
    assert (np.diff(made, axis=-1) >= -1e-9 * max(deciles)).all()
    np.testing.assert_allclose(at_levels(rising, DECILES), rising, rtol=1e-12)


def test_gaps_are_filled_from_the_season_before() -> None:
    y = np.array([np.nan, np.nan, 1.0, 2.0, np.nan, 4.0, np.nan, np.nan])
    assert filled(y, 3).tolist() == [1.0, 2.0, 2.0, 4.0, 2.0, 2.0]


def test_it_is_a_forecaster_with_batches() -> None:
    calls: list[list[int]] = []

    def model(contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
        calls.append([context.size for context in contexts])
        return last_day_again(contexts, horizon_steps)

    day = 100 + np.arange(24.0)
    series = pd.concat([frame(np.tile(day, days), str(days)) for days in (1, 2, 3)])
    short = frame(np.array([np.nan, 7.0]), "short")
    panel = check_series(pd.concat([series, short]), "1h")
    made = Pretrained(model, "two", context_steps=48, batch=2).quantiles(panel, 24, np.array([0.5, 0.9]))
    assert calls == [[24, 48], [48]]
    np.testing.assert_allclose(made[:3, :, 0], np.repeat(day[None], 3, axis=0))
    assert np.isnan(made[3]).all()


def test_a_member_of_the_ladder_counts_as_far_as_it_is_right() -> None:
    """Each day is the one before it times 1.2: no member but the last knows."""
    day = 100 + 50 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    y = np.concatenate([day * 1.2**k for k in range(15)])

    def knows(contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
        return 1.2 * last_day_again(contexts, horizon_steps)

    def run(*members: Pretrained) -> FloatArray:
        made = forecast(frame(y), freq="1h", horizon_steps=24, levels=[0.5, 0.99], members=members)
        return np.asarray(made["q0.5"], dtype=np.float64)

    truth = day * 1.2**15
    off = [np.abs(run(*members) / truth - 1).mean() for members in ((), (Pretrained(knows, "knows"),))]
    assert off[1] < 0.8 * off[0]
    silly = run(Pretrained(lambda c, h: np.full((len(c), h, 9), 1e9), "silly"))
    assert np.isfinite(silly).all()
    assert silly.max() <= 3 * y.max()


class ChronosLike:
    """The answers of the package's pipelines: a tensor (bolt), or a list with a place for targets (2)."""

    def __init__(self, *, with_targets: bool) -> None:
        self.with_targets = with_targets

    def predict_quantiles(
        self, inputs: list[Any], prediction_length: int, quantile_levels: list[float]
    ) -> tuple[Any, Any]:
        assert quantile_levels == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
        made = last_day_again([np.asarray(one) for one in inputs], prediction_length)
        return ([one[None] for one in made] if self.with_targets else made), made[..., 4]


@pytest.mark.parametrize("with_targets", [False, True])
def test_chronos(monkeypatch: pytest.MonkeyPatch, with_targets: bool) -> None:
    torch = types.SimpleNamespace(tensor=np.asarray, float32=np.float32)
    monkeypatch.setitem(sys.modules, "torch", torch)
    contexts = [np.arange(24.0), np.arange(30.0)]
    made = ChronosDeciles(ChronosLike(with_targets=with_targets))(contexts, 5)
    np.testing.assert_allclose(made, last_day_again(contexts, 5), rtol=1e-6)


def test_timesfm() -> None:
    class Model:
        def forecast(self, horizon: int, inputs: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
            made = last_day_again(inputs, horizon)
            return made[..., 4], np.concatenate([made.mean(axis=-1, keepdims=True), made], axis=-1)

    contexts = [np.arange(24.0), np.arange(30.0)]
    made = TimesFmDeciles(Model())(contexts, 5)
    np.testing.assert_allclose(made, last_day_again(contexts, 5), rtol=1e-6)
