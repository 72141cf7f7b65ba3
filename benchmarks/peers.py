"""Forecasters of others behind the contract of ours: AutoETS and MSTL of statsforecast, Prophet, windows.

A local model is fitted to each series and origin alone, on all processors, from the last two weeks: it takes
no gaps, so those inside are filled in a straight line and what comes before the first observation is left
out. Quantiles are the ends of its prediction intervals. Where it fails or gives no finite number, seasonal
naive stands in.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd

from benchmarks.registry import Unavailable
from models.forecaster import Forecaster, now, season_steps
from models.frames import FloatArray, Panel
from models.grid import IntArray
from models.seasonal import SeasonalNaive

MEMORY_SEASONS = 14
TASKS_PER_PROCESS = 8  # fits handed over at a time

# y, steps in a season, steps ahead, levels → (step, level)
Fit = Callable[[FloatArray, int, int, tuple[float, ...]], FloatArray]


@dataclass(frozen=True)
class DayMax(Forecaster):
    """The largest value of the last day, at every level: a window autoscaler."""

    name: str = "day_max"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """Of a series silent all day, the largest of all its history."""
        day = panel.y[:, -season_steps(panel.freq) :]
        window = np.where(np.isfinite(day).any(axis=1), fmax(day), fmax(panel.y))
        return np.broadcast_to(window[:, None, None], (len(panel), horizon_steps, levels.size)).copy()


@dataclass(frozen=True)
class LastValue(Forecaster):
    """The last observation, at every level: what a reactive autoscaler acts on."""

    name: str = "last_value"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The last value, wherever it is."""
        seen = np.isfinite(panel.y)
        place = panel.steps - 1 - seen[:, ::-1].argmax(axis=1)
        last = np.where(seen.any(axis=1), panel.y[np.arange(len(panel)), place], np.nan)
        return np.broadcast_to(last[:, None, None], (len(panel), horizon_steps, levels.size)).copy()


def fmax(values: FloatArray) -> FloatArray:
    """(series) largest finite value; NaN where there is none."""
    largest = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
    return np.where(np.isfinite(largest), largest, np.nan)


@dataclass(frozen=True)
class Local(Forecaster):
    """A model that is fitted to one series at a time.

    Attributes:
        name: of the model.
        one: fits and forecasts one series without gaps.
        package: that must be installed for it.
        processes: that share the series; as many as there are processors where None.
    """

    name: str
    one: Fit
    package: str
    processes: int | None = None

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(series, step, level) of the present."""
        return now(self, panel, horizon_steps, levels)

    def replay(self, panel: Panel, backs: IntArray, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(origin, series, step, level); every fit is a task of its own."""
        if find_spec(self.package) is None:
            raise Unavailable(f"{self.package} is not installed")
        found = np.stack(
            [SeasonalNaive().quantiles(panel.before(int(b)), horizon_steps, levels) for b in backs]
        )
        period, asked = season_steps(panel.freq), tuple(levels.tolist())
        jobs, places = [], []
        for origin, back in enumerate(backs):
            past = panel.before(int(back))
            for row in np.flatnonzero(past.observed() >= 2 * period):
                y = without_gaps(past.y[row, -MEMORY_SEASONS * period :])
                if y.size >= 2 * period:
                    jobs.append((self.one, y, period, horizon_steps, asked))
                    places.append((origin, row))
        for place, values in zip(places, in_processes(jobs, self.processes), strict=True):
            if np.isfinite(values).all():
                found[place] = values
        return found


def without_gaps(y: FloatArray) -> FloatArray:
    """From the first observation on, gaps filled in a straight line; one at the end keeps the last value."""
    seen = np.flatnonzero(np.isfinite(y))
    if not seen.size:
        return np.zeros(0)
    return np.interp(np.arange(seen[0], y.size), seen, y[seen])


def in_processes(
    jobs: list[tuple[Fit, FloatArray, int, int, tuple[float, ...]]], processes: int | None
) -> list[FloatArray]:
    if processes == 1 or len(jobs) <= TASKS_PER_PROCESS:
        return [one_fit(job) for job in jobs]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(one_fit, jobs, chunksize=TASKS_PER_PROCESS))


def one_fit(job: tuple[Fit, FloatArray, int, int, tuple[float, ...]]) -> FloatArray:
    fit, y, period, steps, levels = job
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a series that a model fits badly; its forecast shows it
        try:
            return fit(y, period, steps, levels)
        except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError):
            return np.full((steps, len(levels)), np.nan)


def of_intervals(made: dict[str, FloatArray], levels: tuple[float, ...]) -> FloatArray:
    """(step, level) from statsforecast's `mean`, `lo-…` and `hi-…`."""
    columns = []
    for level in levels:
        width = round(abs(2 * level - 1) * 100, 6)
        name = "mean" if width == 0 else f"{'hi' if level > 0.5 else 'lo'}-{width:g}"
        columns.append(made[name])
    return np.stack(columns, axis=-1)


def widths(levels: tuple[float, ...]) -> list[float]:
    """Per cent of the central intervals whose ends are the levels, as statsforecast wants them."""
    found = {round(abs(2 * level - 1) * 100, 6) for level in levels if level != 0.5}
    return [int(width) if width == int(width) else width for width in sorted(found)]


def auto_ets(y: FloatArray, period: int, steps: int, levels: tuple[float, ...]) -> FloatArray:
    """AutoETS at its defaults: exponential smoothing, its form chosen by AICc."""
    from statsforecast.models import AutoETS  # noqa: PLC0415 - seconds, and not installed everywhere

    return of_intervals(AutoETS(season_length=period).forecast(y, steps, level=widths(levels)), levels)


def mstl(y: FloatArray, period: int, steps: int, levels: tuple[float, ...]) -> FloatArray:
    """MSTL at its defaults, with the week where two of them are known."""
    from statsforecast.models import MSTL  # noqa: PLC0415

    seasons = [period, 7 * period] if y.size >= 14 * period else period
    return of_intervals(MSTL(season_length=seasons).forecast(y, steps, level=widths(levels)), levels)


def prophet(y: FloatArray, period: int, steps: int, levels: tuple[float, ...]) -> FloatArray:
    """Prophet at its defaults; quantiles of its predictive samples."""
    from prophet import Prophet  # noqa: PLC0415

    logging.getLogger("cmdstanpy").setLevel(logging.WARNING)
    np.random.seed(0)  # noqa: NPY002 - what Prophet draws from
    ds = pd.date_range("2026-01-05", periods=y.size + steps, freq=pd.Timedelta(1, unit="D") / period)
    model = Prophet().fit(pd.DataFrame({"ds": ds[: y.size], "y": y}))
    samples = model.predictive_samples(pd.DataFrame({"ds": ds[y.size :]}))["yhat"]
    return np.quantile(samples, levels, axis=1).T
