"""What every forecaster promises, and the length of a season."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.frames import FloatArray, Panel, check_levels, quantile_frame

DAY = pd.Timedelta(1, unit="D")
WEEK = pd.Timedelta(7, unit="D")


class Forecaster(ABC):
    """Turns the past of a panel into quantiles of its future.

    It sees the panel and nothing else: cut the panel and it forecasts as it would have then, which is how
    it is calibrated and backtested. It is deterministic, and a series' forecast does not depend on the
    order of series.
    """

    name: str

    @abstractmethod
    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(series, step, level) quantiles for rising levels; NaN only for a series without observation."""

    def replay(
        self, panel: Panel, backs: npt.NDArray[np.int64], horizon_steps: int, levels: FloatArray
    ) -> FloatArray:
        """(origin, series, step, level) what it would have said `backs` steps before the end."""
        return np.stack([self.quantiles(panel.before(int(b)), horizon_steps, levels) for b in backs])

    def fit(self, panel: Panel) -> Fitted:
        """Bind the forecaster to a history."""
        return Fitted(self, panel)


def now(forecaster: Forecaster, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
    """(series, step, level) the forecast of a forecaster that is defined by its replay."""
    return np.asarray(forecaster.replay(panel, np.zeros(1, dtype=np.int64), horizon_steps, levels)[0])


@dataclass(frozen=True, eq=False)
class Fitted:
    """A forecaster and the history it speaks from."""

    forecaster: Forecaster
    panel: Panel

    def predict(self, horizon_steps: int, levels: Sequence[float]) -> pd.DataFrame:
        """`unique_id, ds, model` and a column per level, from each series' own last row on."""
        asked = check_levels(levels)
        order = np.argsort(asked)
        rising = self.forecaster.quantiles(self.panel, horizon_steps, asked[order])
        return quantile_frame(self.panel, rising[:, :, np.argsort(order)], levels, self.forecaster.name)


def season(freq: pd.Timedelta) -> pd.Timedelta:
    """The shortest cycle demand follows: the day, the week for daily data, else none (one step)."""
    if freq < DAY:
        return DAY
    return WEEK if freq < WEEK else freq


def season_steps(freq: pd.Timedelta) -> int:
    """Steps in a season, rounded."""
    return round(season(freq) / freq)


def lag_steps(
    seasons: npt.NDArray[np.int64], length: pd.Timedelta, freq: pd.Timedelta
) -> npt.NDArray[np.int64]:
    """Steps in so many seasons, each rounded: a step that does not divide the day never drifts off."""
    return np.asarray(np.rint(seasons * (length / freq)), dtype=np.int64)


def seasons_ahead(horizon_steps: int, length: pd.Timedelta, freq: pd.Timedelta) -> npt.NDArray[np.int64]:
    """(step) whole seasons back to the nearest known value of the slot: 1 in the first season, then 2."""
    steps = np.arange(1, horizon_steps + 1)
    return np.asarray(np.maximum(np.ceil(steps / (length / freq)), 1), dtype=np.int64)
