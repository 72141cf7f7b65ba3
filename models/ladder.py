"""The one function others call: quantiles of demand, by as much model as a series' history carries.

| observed history | model | upper quantiles |
|---|---|---|
| none, and nothing known of it | an error: a forecast would be a guess | – |
| under one season, and a launch known | what is expected, then what is seen | of a series like it |
| under one season | last window | of what was seen |
| under two seasons | last window and persistence | their mean |
| more, but too short to replay the past | ensemble of those and seasonal naive, same slot | their mean |
| more, and nearly always zero | share of the pool's same slot, and last window | calibrated, their mean |
| more, in steps that fill an hour, far ahead | the last rung, boosting hourly means | calibrated, the same |
| more, in steps of 10 minutes to an hour | ensemble | calibrated on replayed forecasts |
| more, in shorter steps | the same members, weighted by how they did | calibrated on replayed forecasts |
| more | boosting, same slot and persistence, weighted by how they did | calibrated on replayed forecasts |

Series forecast together share the pool their quantiles are shrunk to: ask for those of one kind in one call.
The season is the day, for daily data the week. Gaps, zeros that look like an outage, and what was before a
lasting change of level, are gaps to every rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import grid, prior
from models.boosting import Boosting
from models.coarse import HOUR, Coarse, divides
from models.conformal import Conformal
from models.ensemble import Ensemble
from models.faults import Faults
from models.forecaster import Forecaster, season_steps
from models.frames import FloatArray, Panel, check_levels, check_quantiles, check_series, quantile_frame
from models.gaps import flag_outages
from models.grid import IntArray
from models.known import Known, as_known, of_series, ordinary
from models.local_time import walls
from models.seasonal import LastWindow, Persistence, SameSlot, SeasonalNaive
from models.shifts import before_shift
from models.sparse import PoolShare, is_sparse
from models.weighted import Weighted

# One spike is scored by several origins, and the ensemble needs small moves only.
MAX_MOVE = 1.5
SHARD = 5_000  # series forecast together; more are split, so that memory is bounded
SCORED_SERIES_ORIGINS = 40_000  # many series need fewer origins each: the pool makes up for them
ORIGINS = (8, 20)  # least and most that are replayed
WEIGHED_BELOW = pd.Timedelta(10, unit="min")
# Of equal members' plans, on 81 real series in steps of 10 minutes, means of hours learnt make 1.09 an hour
# ahead, 0.84 three hours, 0.92 six hours, 0.91 a day.
FAR = pd.Timedelta(3, unit="h")
CAP_RANGES = 2.0  # a quantile may exceed the largest observation by this many times the range seen

SHORT: Forecaster = LastWindow()
MIX = Ensemble((LastWindow(), Persistence()), name="last_window+persistence")
MEMBERS: tuple[Forecaster, ...] = (SeasonalNaive(), SameSlot(), LastWindow(), Persistence())
ENSEMBLE = Ensemble(MEMBERS)
# Measured an hour ahead in steps of 5 minutes on 56 series: weights make a plan of 4.11, equal members one of
# 4.78; in steps of 10 minutes on 81 series one of 4.26 instead of 4.39, but at less cover.
WEIGHED = Weighted(MEMBERS)
# Measured 24 h ahead on 52 real series: a spread of at most 2 scales makes a plan of 2.57, of 5 one of 2.75.
SPREAD: Forecaster = Conformal(Boosting(), max_move=2.0, gives_spread=True)
SPARSE: Forecaster = Ensemble(
    (PoolShare(SameSlot()), Conformal(LastWindow(), max_move=MAX_MOVE, max_origins=ORIGINS[1])),
    name="pool_share+last_window",
)
LEARNT = Weighted((SPREAD, SameSlot(), Persistence()))
OF_HOURS: Forecaster = Conformal(Coarse(Boosting()), max_move=2.0, gives_spread=True)
LEARNT_OF_HOURS = Weighted((OF_HOURS, SameSlot(), Persistence()))


@dataclass(frozen=True)
class Ladder:
    """How the rungs are made.

    Attributes:
        min_origins: replayed forecasts needed before quantiles are calibrated.
        members: further members of the ensembles; the past of each is replayed.
        champion: what stands in the place of the ensembles for series of two seasons and more, where a
            backtest has shown that it plans better.
    """

    min_origins: int = 4
    members: tuple[Forecaster, ...] = ()
    champion: Forecaster | None = None

    def with_members(self, ensemble: Ensemble) -> Ensemble:
        """An ensemble and the further members."""
        return replace(ensemble, members=(*ensemble.members, *self.members))

    def calibrated(self, freq: pd.Timedelta, horizon_steps: int, series: int) -> Conformal:
        """The highest rung, for so many series."""
        most = int(np.clip(SCORED_SERIES_ORIGINS // series, *ORIGINS))
        inner = self._replayed(freq, horizon_steps)
        return Conformal(inner, min_origins=self.min_origins, max_origins=most, max_move=MAX_MOVE)

    def _replayed(self, freq: pd.Timedelta, horizon_steps: int) -> Forecaster:
        """What is calibrated; under an hour a learner of the steps themselves gains next to nothing."""
        is_far = horizon_steps * freq >= FAR and divides(freq)
        if WEIGHED_BELOW <= freq < HOUR and not is_far:
            return self.with_members(ENSEMBLE)
        weighed = LEARNT if freq >= HOUR else LEARNT_OF_HOURS if is_far else WEIGHED
        return replace(weighed, members=(*weighed.members, *map(Conformal, self.members)))


def forecast(
    series: pd.DataFrame,
    *,
    freq: str | pd.Timedelta,
    horizon_steps: int,
    levels: Sequence[float],
    non_negative: bool = True,
    min_origins: int = 4,
    assume_utc: bool = False,
    known: Mapping[str, Known] | None = None,
    members: Sequence[Forecaster] = (),
    champion: Forecaster | None = None,
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
        known: what people know of a series beforehand, by its name: time zone, holidays, events, the size
            of a launch. Series of one zone and end are forecast together.
        members: further members of the ensemble, such as `models.pretrained`.
        champion: a model for series of two seasons and more, in the place of the ensembles.

    Returns:
        `unique_id, ds, model` and a column per level in the order asked for; sorted by series and time. The
        quantiles are finite, do not cross and are at most the largest observation plus twice the range.

    Raises:
        FrameError: with every fault of the frame, or naming the series without any observation.
    """
    asked = check_levels(levels)
    panel = check_series(series, freq, assume_utc=assume_utc, non_negative=non_negative)
    values, names = forecast_panel(
        panel, horizon_steps, asked,
        non_negative=non_negative, min_origins=min_origins, known=known, members=members, champion=champion,
    )  # fmt: skip
    frame = quantile_frame(panel, values, levels, names)
    _, high = bounds(panel, of_series(panel, known or {}), non_negative=non_negative)
    cap = pd.Series(high, index=panel.ids)
    return check_quantiles(frame, levels, non_negative=non_negative, cap=cap)


def forecast_panel(
    panel: Panel,
    horizon_steps: int,
    levels: FloatArray,
    *,
    non_negative: bool = True,
    min_origins: int = 4,
    known: Mapping[str, Known] | None = None,
    members: Sequence[Forecaster] = (),
    champion: Forecaster | None = None,
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """The same behind the door, for who holds a panel.

    Returns:
        (series, step, level) quantiles in the order of the levels and (series) names of the models.
    """
    facts = of_series(panel, known or {})
    _check_request(panel, horizon_steps, facts)
    plain = ordinary(panel, facts)
    seen = plain.masked(flag_outages(plain))
    seen = seen.masked(before_shift(seen))
    order = np.argsort(levels)
    rising = levels[order]
    ladder = Ladder(min_origins, tuple(members), champion)
    if any(fact.zone != "UTC" for fact in facts):
        values, names = _by_wall_clock(seen, horizon_steps, rising, ladder, [f.zone for f in facts])
    else:
        values, names = _in_shards(seen, horizon_steps, rising, ladder)
    _launched(values, names, seen, facts, rising)
    values = as_known(values, rising, panel, facts, horizon_steps)
    values = within(np.sort(values, axis=-1), panel, facts, non_negative=non_negative)
    return values[:, :, np.argsort(order)], names


def _by_wall_clock(
    panel: Panel, horizon_steps: int, levels: FloatArray, ladder: Ladder, zones: list[str]
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """(series, step, level) raw quantiles and (series) model names, each series on the clock of its zone."""
    values = np.full((len(panel), horizon_steps, levels.size), np.nan)
    names = np.full(len(panel), "", dtype=object)
    for wall in walls(panel, zones, horizon_steps):
        made, named = _in_shards(wall.panel, wall.horizon_steps, levels, ladder)
        values[wall.rows], names[wall.rows] = wall.in_utc(made), named
    return values, names


def _in_shards(
    panel: Panel, horizon_steps: int, levels: FloatArray, ladder: Ladder
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """(series, step, level) raw quantiles and (series) model names; many series on all processors."""
    shards = np.array_split(np.arange(len(panel)), -(-len(panel) // SHARD))
    if len(shards) == 1:
        return _climb(panel, horizon_steps, levels, ladder)
    from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415  asks the system for semaphores

    with parallel_config(backend="loky", n_jobs=-1, inner_max_num_threads=1):
        parts = Parallel()(
            delayed(_climb)(panel.take(rows), horizon_steps, levels, ladder) for rows in shards
        )
    return np.concatenate([values for values, _ in parts]), np.concatenate([names for _, names in parts])


def _climb(
    panel: Panel, horizon_steps: int, levels: FloatArray, ladder: Ladder
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    """The same for the series of one shard, each by its rung."""
    values = np.full((len(panel), horizon_steps, levels.size), np.nan)
    names = np.full(len(panel), "", dtype=object)
    for rows, model in choose(panel, horizon_steps, ladder):
        values[rows] = model.quantiles(panel.take(rows), horizon_steps, levels)
        names[rows] = model.name
    return values, names


def _launched(
    values: FloatArray,
    names: npt.NDArray[np.object_],
    panel: Panel,
    facts: Sequence[Known],
    levels: FloatArray,
) -> None:
    """Put in what is expected of series that have no season of their own yet."""
    young = panel.observed() < season_steps(panel.freq)
    for row, fact in enumerate(facts):
        if young[row] and fact.launch is not None:
            values[row] = prior.blended(values[row], panel, row, fact.launch, levels)
            names[row] = f"{prior.NAME}+{names[row]}" if panel.observed()[row] else prior.NAME


def _check_request(panel: Panel, horizon_steps: int, facts: Sequence[Known]) -> None:
    faults = Faults()
    if horizon_steps < 1:
        faults.add(f"a horizon of {horizon_steps} steps", "at least 1", "ask for more")
    room_us = grid.LAST_US - grid.to_us(panel.end)
    for name in panel.ids[room_us // grid.freq_us(panel.freq) <= horizon_steps]:
        found, action = (
            f"{horizon_steps} steps more after its last row",
            "correct its last time or shorten the horizon",
        )
        faults.add(found, "times up to the year 9999", action, series=str(name), column="ds")
    expected = np.array([fact.launch is not None for fact in facts], dtype=bool)
    for name in panel.ids[(panel.observed() == 0) & ~expected]:
        action = "give observations or leave the series out"
        faults.add("no observation", "at least one", action, series=str(name), column="y")
    faults.stop()


def choose(panel: Panel, horizon_steps: int, ladder: Ladder) -> list[tuple[IntArray, Forecaster]]:
    """Which series each rung of the ladder forecasts; rungs without series are left out."""
    period = season_steps(panel.freq)
    seasons = np.digitize(panel.observed(), [period, 2 * period])
    sparse = is_sparse(panel) & (seasons == 2)
    rungs: list[tuple[IntArray, Forecaster]] = []
    for count, model in enumerate((SHORT, ladder.with_members(MIX), ladder.with_members(ENSEMBLE))):
        rows = np.flatnonzero((seasons == count) & ~sparse)
        if rows.size and count == 2 and ladder.champion is not None:
            rungs.append((rows, ladder.champion))
        elif rows.size and count == 2:
            calibrated = ladder.calibrated(panel.freq, horizon_steps, rows.size)
            ready = calibrated.origins(panel.take(rows), horizon_steps).size > 0
            rungs.append((rows, calibrated if ready else model))
        elif rows.size:
            rungs.append((rows, model))
    return [*rungs, (np.flatnonzero(sparse), SPARSE)] if sparse.any() else rungs


def within(values: FloatArray, panel: Panel, facts: Sequence[Known], *, non_negative: bool) -> FloatArray:
    """(series, step, level) quantiles cut at the smallest and largest value they may take."""
    low, high = bounds(panel, facts, non_negative=non_negative)
    return np.clip(values, low[:, None, None], high[:, None, None])


def bounds(panel: Panel, facts: Sequence[Known], *, non_negative: bool) -> tuple[FloatArray, FloatArray]:
    """(series) smallest and largest value a quantile may take; an event may multiply what was seen."""
    finite = np.isfinite(panel.y)
    expected = np.array([fact.launch.mean if fact.launch else -np.inf for fact in facts])
    events = np.array([max((e.factor for e in fact.events), default=1.0) for fact in facts])
    largest = np.maximum(np.where(finite, panel.y, -np.inf).max(axis=1, initial=-np.inf), expected)
    largest = np.where(largest > 0, largest * np.maximum(events, 1.0), largest)
    smallest = np.where(finite, panel.y, np.inf).min(axis=1)
    if non_negative:
        return np.zeros(len(panel)), (1 + CAP_RANGES) * largest
    reach = CAP_RANGES * (largest - smallest)
    return smallest - reach, largest + reach
