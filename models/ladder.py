"""The one function others call: quantiles of demand, by as much model as a series' history carries.

| observed history | model | upper quantiles |
|---|---|---|
| none | an error: a forecast without history would be a guess | – |
| under one season | last window | of what was seen |
| under two seasons | last window and persistence | their mean |
| more, but too short to replay the past | ensemble of those and seasonal naive, same slot | their mean |
| more | boosting, same slot and persistence, weighted by how they did | calibrated on replayed forecasts |

Series forecast together share the pool their quantiles are shrunk to: ask for those of one kind in one call.
The season is the day, for daily data the week. Gaps, zeros that look like an outage, and what was before a
lasting change of level, are gaps to every rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.boosting import Boosting
from models.conformal import Conformal
from models.ensemble import Ensemble
from models.faults import Faults
from models.forecaster import Forecaster, season_steps
from models.frames import FloatArray, Panel, check_levels, check_quantiles, check_series, quantile_frame
from models.gaps import flag_outages
from models.grid import IntArray
from models.local_time import walls
from models.seasonal import LastWindow, Persistence, SameSlot, SeasonalNaive
from models.shifts import before_shift
from models.weighted import Weighted

# One spike is scored by several origins, and the ensemble needs small moves only.
MAX_MOVE = 1.5
SHARD = 5_000  # series forecast together; more are split, so that memory is bounded
SCORED_SERIES_ORIGINS = 40_000  # many series need fewer origins each: the pool makes up for them
ORIGINS = (8, 20)  # least and most that are replayed
HOUR = pd.Timedelta(1, unit="h")
CAP_RANGES = 2.0  # a quantile may exceed the largest observation by this many times the range seen

SHORT: Forecaster = LastWindow()
MIX: Forecaster = Ensemble((LastWindow(), Persistence()), name="last_window+persistence")
ENSEMBLE: Forecaster = Ensemble((SeasonalNaive(), SameSlot(), LastWindow(), Persistence()))
# Measured 24 h ahead on 52 real series: a spread of at most 2 scales makes a plan of 2.57, of 5 one of 2.75.
SPREAD: Forecaster = Conformal(Boosting(), max_move=2.0, gives_spread=True)
LEARNT: Forecaster = Weighted((SPREAD, SameSlot(), Persistence()))


def forecast(
    series: pd.DataFrame,
    *,
    freq: str | pd.Timedelta,
    horizon_steps: int,
    levels: Sequence[float],
    non_negative: bool = True,
    min_origins: int = 4,
    assume_utc: bool = False,
    zones: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Quantiles of the next steps of every series.

    Args:
        series: long frame `unique_id, ds, y`; rows in any order; a missing row or value is a gap.
        freq: length of a step, such as "1h".
        horizon_steps: steps to forecast, beginning after each series' own last row.
        levels: quantile levels in (0, 1), such as 0.5, 0.9, 0.99.
        non_negative: demand cannot be negative: refuse such input and cut quantiles at 0.
        min_origins: replayed forecasts needed before quantiles are calibrated.
        assume_utc: read times without zone as UTC.
        zones: IANA time zone by series, whose wall clock demand follows; UTC for those left out. Series of
            one zone and end are forecast together.

    Returns:
        `unique_id, ds, model` and a column per level in the order asked for; sorted by series and time. The
        quantiles are finite, do not cross and are at most the largest observation plus twice the range.

    Raises:
        FrameError: with every fault of the frame, or naming the series without any observation.
    """
    asked = check_levels(levels)
    panel = check_series(series, freq, assume_utc=assume_utc, non_negative=non_negative)
    _check_request(panel, horizon_steps)
    values, names = forecast_panel(
        panel, horizon_steps, asked, non_negative=non_negative, min_origins=min_origins, zones=zones
    )
    _, high = bounds(panel, non_negative=non_negative)
    frame = quantile_frame(panel, values, levels, names)
    cap = pd.Series(high, index=panel.ids)
    return check_quantiles(frame, levels, non_negative=non_negative, cap=cap)


def forecast_panel(
    panel: Panel,
    horizon_steps: int,
    levels: FloatArray,
    *,
    non_negative: bool = True,
    min_origins: int = 4,
    zones: Mapping[str, str] | None = None,
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """The same behind the door, for who holds a panel: every series needs an observation.

    Returns:
        (series, step, level) quantiles in the order of the levels and (series) names of the models.
    """
    seen = panel.masked(flag_outages(panel))
    seen = seen.masked(before_shift(seen))
    order = np.argsort(levels)
    if zones:
        values, names = _by_wall_clock(seen, horizon_steps, levels[order], min_origins, zones)
    else:
        values, names = _in_shards(seen, horizon_steps, levels[order], min_origins)
    values = within(np.sort(values, axis=-1), panel, non_negative=non_negative)
    return values[:, :, np.argsort(order)], names


def _by_wall_clock(
    panel: Panel, horizon_steps: int, levels: FloatArray, min_origins: int, zones: Mapping[str, str]
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """(series, step, level) raw quantiles and (series) model names, each series on the clock of its zone."""
    values = np.full((len(panel), horizon_steps, levels.size), np.nan)
    names = np.full(len(panel), "", dtype=object)
    of_series = [zones.get(str(name), "UTC") for name in panel.ids]
    for wall in walls(panel, of_series, horizon_steps):
        made, named = _in_shards(wall.panel, wall.horizon_steps, levels, min_origins)
        values[wall.rows], names[wall.rows] = wall.in_utc(made), named
    return values, names


def _in_shards(
    panel: Panel, horizon_steps: int, levels: FloatArray, min_origins: int
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """(series, step, level) raw quantiles and (series) model names; many series on all processors."""
    shards = np.array_split(np.arange(len(panel)), -(-len(panel) // SHARD))
    if len(shards) == 1:
        return _climb(panel, horizon_steps, levels, min_origins)
    from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415  asks the system for semaphores

    with parallel_config(backend="loky", n_jobs=-1, inner_max_num_threads=1):
        parts = Parallel()(
            delayed(_climb)(panel.take(rows), horizon_steps, levels, min_origins) for rows in shards
        )
    return np.concatenate([values for values, _ in parts]), np.concatenate([names for _, names in parts])


def _climb(
    panel: Panel, horizon_steps: int, levels: FloatArray, min_origins: int
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """The same for the series of one shard, each by its rung."""
    values = np.full((len(panel), horizon_steps, levels.size), np.nan)
    names = np.full(len(panel), "", dtype=object)
    for rows, model in choose(panel, horizon_steps, min_origins):
        values[rows] = model.quantiles(panel.take(rows), horizon_steps, levels)
        names[rows] = model.name
    return values, names


def _check_request(panel: Panel, horizon_steps: int) -> None:
    faults = Faults()
    if horizon_steps < 1:
        faults.add(f"a horizon of {horizon_steps} steps", "at least 1", "ask for more")
    for name in panel.ids[panel.observed() == 0]:
        action = "give observations or leave the series out"
        faults.add("no observation", "at least one", action, series=str(name), column="y")
    faults.stop()


def choose(panel: Panel, horizon_steps: int, min_origins: int) -> list[tuple[IntArray, Forecaster]]:
    """Which series each rung of the ladder forecasts; rungs without series are left out."""
    period = season_steps(panel.freq)
    seasons = np.digitize(panel.observed(), [period, 2 * period])
    rungs: list[tuple[IntArray, Forecaster]] = []
    for count, model in enumerate((SHORT, MIX, ENSEMBLE)):
        rows = np.flatnonzero(seasons == count)
        if rows.size and model is ENSEMBLE:
            most = int(np.clip(SCORED_SERIES_ORIGINS // rows.size, *ORIGINS))
            # On shorter steps the learner costs a minute and gains next to nothing.
            inner = LEARNT if panel.freq >= HOUR else ENSEMBLE
            calibrated = Conformal(inner, min_origins=min_origins, max_origins=most, max_move=MAX_MOVE)
            ready = calibrated.origins(panel.take(rows), horizon_steps).size > 0
            rungs.append((rows, calibrated if ready else model))
        elif rows.size:
            rungs.append((rows, model))
    return rungs


def within(values: FloatArray, panel: Panel, *, non_negative: bool) -> FloatArray:
    """(series, step, level) quantiles cut at the smallest and largest value they may take."""
    low, high = bounds(panel, non_negative=non_negative)
    return np.clip(values, low[:, None, None], high[:, None, None])


def bounds(panel: Panel, *, non_negative: bool) -> tuple[FloatArray, FloatArray]:
    """(series) smallest and largest value a quantile may take."""
    finite = np.isfinite(panel.y)
    largest = np.where(finite, panel.y, -np.inf).max(axis=1)
    smallest = np.where(finite, panel.y, np.inf).min(axis=1)
    if non_negative:
        return np.zeros(len(panel)), (1 + CAP_RANGES) * largest
    reach = CAP_RANGES * (largest - smallest)
    return smallest - reach, largest + reach
