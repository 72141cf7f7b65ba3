"""One gradient boosting for all series: the median of every step ahead, directly, from the series' own past.

A global model (Montero-Manso and Hyndman 2021) on scikit-learn's histogram trees with the absolute error: it
learns what the step ahead adds to the median of its slot. It gives the median alone. Its own upper quantiles
are poor, as those of any learner fitted to few tails: measured 24 h ahead on 52 series, its 0.99 makes a plan
of 4.3 times the mean demand, its median with the spread of its past errors (`models.conformal`) one of 2.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from models.features import seen
from models.forecaster import Forecaster, now, season_steps
from models.frames import FloatArray, Panel
from models.grid import IntArray
from models.samples import gather

MAX_ROWS = 20_000
MAX_SERIES = 2_000  # learnt from; all are forecast
MAX_ORIGINS = 60
STEPS_LEARNT = 24  # of a longer horizon, evenly spread
MEMORY_SEASONS = 14  # origins further back teach what may no longer hold, and of long series alone
LEAST_ROWS = 500


@dataclass(frozen=True)
class Boosting(Forecaster):
    """The median at every level; NaN where there is too little to learn from.

    Attributes:
        rounds: trees.
        retrained: models that a replay of the past is made with. Each is trained on what was known at the
            oldest origin it forecasts, so that no replayed forecast knows its own future.
        seed: of the choice of rows.
    """

    rounds: int = 80
    retrained: int = 3
    seed: int = 0
    name: str = "boosting"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The median of each step, repeated for every level."""
        return now(self, panel, horizon_steps, levels)

    def replay(self, panel: Panel, backs: IntArray, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(origin, series, step, level); a model serves a stretch of neighbouring origins."""
        found = np.full((backs.size, len(panel), horizon_steps), np.nan)
        for places in self._stretches(backs):
            model = self._learn(panel.before(int(backs[places].max())), horizon_steps)
            if model is not None:
                for place in places:
                    found[place] = model.predict(panel.before(int(backs[place])), horizon_steps)
        return np.repeat(found[..., None], levels.size, axis=-1)

    def _stretches(self, backs: IntArray) -> Iterator[npt.NDArray[np.intp]]:
        """Positions of origins that share a model: the present alone, the past in equal parts."""
        order = np.argsort(backs)
        now = order[backs[order] == 0]
        past = order[backs[order] > 0]
        yield from (part for part in (now, *np.array_split(past, self.retrained)) if part.size)

    def _learn(self, panel: Panel, horizon_steps: int) -> Learnt | None:
        x, y = _rows(panel, horizon_steps, self.seed)
        if len(y) < LEAST_ROWS:
            return None
        from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  a second, for who learns

        filled = np.asarray(np.isfinite(x).any(axis=0))  # a column without any value stops scikit-learn
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=self.rounds, learning_rate=0.1, max_leaf_nodes=15,
            min_samples_leaf=60, l2_regularization=1.0, early_stopping=False, random_state=self.seed,
        )  # fmt: skip
        with one_thread():
            return Learnt(model.fit(x[:, filled], y), filled)


def one_thread() -> AbstractContextManager[object]:
    """For so few rows more threads only wait for each other; many series use processes instead."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="openmp")
    return limits


class Regressor(Protocol):
    """What scikit-learn calls one."""

    def predict(self, x: npt.NDArray[np.float32], /) -> FloatArray:
        """(row) values for (row, feature)."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """A fitted model and (feature) which features it was given."""

    model: Regressor
    filled: npt.NDArray[np.bool_]

    def predict(self, panel: Panel, horizon_steps: int) -> FloatArray:
        """(series, step) medians in the unit of y."""
        found = seen(panel, np.arange(1, horizon_steps + 1, dtype=np.int64))
        x = found.x.reshape(-1, found.x.shape[-1])[:, self.filled]
        with one_thread():
            added = self.model.predict(x).reshape(found.base.shape)
        return np.asarray(found.base + added * found.scale[:, None])


def _rows(panel: Panel, horizon_steps: int, seed: int) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Features of past origins, and what came true over the base, in sizes of the series."""
    period = season_steps(panel.freq)
    random = np.random.default_rng(seed)
    some = panel if len(panel) <= MAX_SERIES else panel.take(_spread_evenly(len(panel), MAX_SERIES))
    steps = 1 + _spread_evenly(horizon_steps, STEPS_LEARNT)
    room = min(some.steps - 2 * period - horizon_steps, MEMORY_SEASONS * period)
    per_origin = max(len(some) * steps.size, 1)
    origins = min(MAX_ORIGINS, max(-(-2 * MAX_ROWS // per_origin), 1), max(room, 0))
    xs, ys = [], []
    for back in horizon_steps + _spread_evenly(max(room, 0), origins):
        past = some.before(int(back))
        found = seen(past, steps)
        actual = gather(some.y, past.steps - 1 + steps)
        target = (actual - found.base) / found.scale[:, None]
        known = np.isfinite(target) & (past.observed() >= 2 * period)[:, None]
        xs.append(found.x[known])
        ys.append(target[known])
    if not ys:
        return np.zeros((0, 1), dtype=np.float32), np.zeros(0)
    x, y = np.concatenate(xs), np.concatenate(ys)
    if len(y) > MAX_ROWS:
        chosen = np.sort(random.choice(len(y), MAX_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    return x, y


def _spread_evenly(count: int, wanted: int) -> IntArray:
    """At most `wanted` of 0 … count − 1."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(wanted, count)).astype(np.int64))
