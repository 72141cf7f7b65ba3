"""Cost of the next days and months: paths of daily cost, whose sums are the months.

A day's cost is level × (1 + weekday + billing cycle) + known changes; the level drifts by a damped trend.
What is left is not noise to be drawn day by day: days of a month err together, so a band of a month that adds
up daily quantiles is far too wide, and one that assumes independent days far too narrow. So past forecasts
are replayed, the whole path of each one's errors is kept in units of the level, and futures are drawn from
such paths. Paths longer than a replay are chained: each block starts at the level error the one before ended
with, which widens the band like a random walk does. Quantiles come from the drawn paths and cannot cross;
errors are bounded, so they cannot explode either. (ETS with multiplicative errors does.)

| observed days | model | band |
|---|---|---|
| none | an error: a forecast without history would be a guess | – |
| under 14 | mean of what was seen | other series' errors, else assumed ones; × 1.5 |
| under 56 | level, weekday pattern | own replayed errors, the fewer the more of other series' |
| under 63 | and damped trend | the same |
| more | and billing cycle: days of the month that differ in every month seen | the same |

Decomposition: `models.cost_shape`. Drawing blocks of errors: Künsch 1989.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.cost_shape import FEW_DAYS, WEEK, Shape, decompose
from models.faults import Faults
from models.frames import FloatArray, Panel, check_levels, check_series, level_column
from models.grid import from_us, to_us

BLOCK_DAYS = 28  # longest path of errors that is replayed: whole weeks, about a month
ORIGIN_STRIDES = (3, 21)
MAX_ORIGINS = 16
ENDURANCE_SPREAD = 0.8  # of the logarithm of how long a trend goes on
SAME_SIGN = 0.65  # of neighbouring blocks: a month that erred upwards is more often followed by another
SHRINKAGE = 2.0  # blocks of own history that weigh as much as the errors of all other series
ERROR_LIMIT = 3.0  # of the level: no replayed day counts as further off, whatever happened
DRIFT_LIMITS = (-0.9, 4.0)  # of the level: where chained blocks may lead at most
FEW_DAYS_WIDENING = 1.5
ASSUMED_DAY, ASSUMED_DRIFT = 0.05, 0.02  # assumed where nothing can be replayed: noise of a day, drift a day


@dataclass(frozen=True)
class Step:
    """A change that is known beforehand: from `date` to `until` a day costs factor × what it would, + amount.

    A price change is a factor, a new service an amount, an expiring commitment the amount its coverage will
    cost.
    """

    date: pd.Timestamp
    factor: float = 1.0
    amount_per_day: float = 0.0
    until: pd.Timestamp | None = None
    series: str | None = None

    def active(self, days: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """(day) whether the change holds."""
        ends = days < self.until if self.until is not None else np.ones(len(days), dtype=bool)
        return np.asarray((days >= self.date) & ends)


@dataclass(frozen=True, eq=False)
class Paths:
    """Drawn futures.

    Attributes:
        ids: (series) names, sorted.
        days: (day) starts of the forecast days, UTC; the same for every series.
        draws: (series, path, day) cost per day, in the unit of `y`.
        expected: (series, day) the forecast itself: what the paths are drawn around.
        models: (series) what the history carried.
        replayed: (series) past forecasts whose errors were the series' own.
    """

    ids: pd.Index
    days: pd.DatetimeIndex
    draws: FloatArray
    expected: FloatArray
    models: tuple[str, ...]
    replayed: tuple[int, ...]

    def of(self, series: str) -> FloatArray:
        """(path, day) of one series."""
        return np.asarray(self.draws[self.ids.get_loc(series)])

    def daily(self, levels: Sequence[float]) -> pd.DataFrame:
        """`unique_id, ds, model` and a column per level: of each day by itself, so they do not add up."""
        return self._frame(self.draws, self.days, levels)

    def monthly(self, levels: Sequence[float]) -> pd.DataFrame:
        """The same per month (`ds`: its start): quantiles of sums of its forecast days, so of whole paths."""
        starts, sums = self.month_sums()
        return self._frame(sums, starts, levels)

    def month_sums(self) -> tuple[pd.DatetimeIndex, FloatArray]:
        """Starts of the months, and (series, path, month) sums of the days that are forecast."""
        months = self.days.tz_localize(None).to_numpy().astype("datetime64[M]")
        starts, first = np.unique(months, return_index=True)
        sums = np.add.reduceat(self.draws, first, axis=2)
        return pd.DatetimeIndex(starts.astype("datetime64[us]")).tz_localize("UTC"), np.asarray(sums)

    def _frame(self, samples: FloatArray, times: pd.DatetimeIndex, levels: Sequence[float]) -> pd.DataFrame:
        asked = check_levels(levels)
        found = np.quantile(samples, asked, axis=1)  # (level, series, time)
        count = len(times)
        head = {
            "unique_id": self.ids.repeat(count),
            "ds": from_us(np.tile(to_us(times), len(self.ids))),
            "model": pd.array(np.repeat(np.asarray(self.models, dtype=object), count), dtype="str"),
        }
        return pd.DataFrame(head | {level_column(p): found[i].ravel() for i, p in enumerate(levels)})


def simulate(
    series: pd.DataFrame,
    *,
    horizon_days: int,
    steps: Sequence[Step] = (),
    regressors: pd.DataFrame | None = None,
    paths: int = 1000,
    seed: int = 0,
    assume_utc: bool = False,
) -> Paths:
    """Draw futures of daily cost for every series, beginning the day after the newest row of any.

    Args:
        series: long frame `unique_id, ds, y`, a row per day; a missing day is not known, it is not zero.
            Negative days (credits) are taken as they are; a series that never was negative is cut at 0.
        horizon_days: days to forecast.
        steps: known changes. What began before the end of the history is in it already: only later ones
            count.
        regressors: known beforehand, for example a calendar of sales: columns `ds` and one per regressor, a
            row per day of history and horizon (absent days count as 0). Their effect is learned from the
            history.
        paths: futures drawn per series.
        seed: the same seed gives the same paths; the series' own name is mixed in.
        assume_utc: read times without zone as UTC.

    Raises:
        FrameError: faults of the frame, a horizon or number of paths under 1, a series without any
            observation.
    """
    panel = common_end(check_series(series, "1D", assume_utc=assume_utc))
    _check_request(panel, horizon_days, paths)
    days = pd.date_range(panel.end[0] + panel.freq, periods=horizon_days, freq="D", unit="us")
    inputs = _regressors(
        regressors, pd.date_range(end=days[-1], periods=panel.steps + horizon_days, freq="D")
    )
    histories = [_learned(y, panel.end[0], inputs, horizon_days) for y in panel.y]
    errors = [history.errors for history in histories]
    values = np.empty((len(panel), paths, horizon_days))
    expected = np.empty((len(panel), horizon_days))
    for row, (name, history) in enumerate(zip(panel.ids, histories, strict=True)):
        others = [error for i, error in enumerate(errors) if i != row]
        random = np.random.default_rng([seed, crc32(str(name).encode())])
        drawn = draw(history, others, horizon_days, paths, random)
        centre = history.shape.ahead(days) + history.known_ahead
        endurance = np.exp(
            random.normal(0.0, ENDURANCE_SPREAD, (paths, 1))
        )  # how long a trend lasts is not known
        futures = history.shape.ahead(days, endurance) + history.known_ahead
        moved = futures + history.shape.scale * drawn
        expected[row], values[row] = changed(centre, moved, days, steps, str(name))
        if np.nanmin(panel.y[row]) >= 0:
            values[row], expected[row] = np.maximum(values[row], 0), np.maximum(expected[row], 0)
    names = tuple(history.shape.name for history in histories)
    return Paths(panel.ids, days, values, expected, names, tuple(len(error) for error in errors))


def _check_request(panel: Panel, horizon_days: int, paths: int) -> None:
    faults = Faults()
    if horizon_days < 1:
        faults.add(f"a horizon of {horizon_days} days", "at least 1", "ask for more")
    if paths < 1:
        faults.add(f"{paths} paths", "at least 1", "ask for more")
    for name in panel.ids[panel.observed() == 0]:
        action = "give observations or leave the series out"
        faults.add("no observation", "at least one", action, series=str(name), column="y")
    faults.stop()


def common_end(panel: Panel) -> Panel:
    """The panel with every series continued by gaps to the newest day of any."""
    end = panel.end.max()
    behind = ((end - panel.end) // panel.freq).to_numpy(dtype=np.int64)
    width = panel.steps + int(behind.max(initial=0))
    values = np.full((len(panel), width), np.nan)
    for row, late in enumerate(behind.tolist()):
        values[row, width - panel.steps - late : width - late] = panel.y[row]
    return replace(panel, y=values, end=pd.DatetimeIndex([end] * len(panel)))


def _regressors(frame: pd.DataFrame | None, days: pd.DatetimeIndex) -> FloatArray:
    """(day of history and horizon, regressor); no columns where there are none."""
    if frame is None:
        return np.zeros((len(days), 0))
    wide = frame.set_index(pd.DatetimeIndex(frame["ds"])).drop(columns="ds")
    return np.asarray(wide.reindex(days).fillna(0.0).to_numpy(dtype=np.float64))


# -- what a history holds --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class History:
    """A series' shape, the effect of its regressors ahead, and (replay, day) errors in units of its scale."""

    shape: Shape
    known_ahead: FloatArray
    errors: FloatArray
    blocks: float


def _learned(y: FloatArray, end: pd.Timestamp, inputs: FloatArray, horizon_days: int) -> History:
    first = int(np.flatnonzero(np.isfinite(y))[0])
    own = y[first:]
    days = pd.date_range(end=end, periods=len(own), freq="D")
    past, ahead = inputs[first : len(y)], inputs[len(y) :]
    effect = regressor_effects(own, days, past)
    cleaned = own - past @ effect
    block = min(BLOCK_DAYS, horizon_days, len(own) // 2)
    errors = replay(cleaned, days, block)
    return History(decompose(cleaned, days), ahead @ effect, errors, max(len(own) - FEW_DAYS, 0) / BLOCK_DAYS)


def regressor_effects(y: FloatArray, days: pd.DatetimeIndex, past: FloatArray) -> FloatArray:
    """(regressor) cost per unit of each: ridge on what level and weekday leave; 0 where it never varied."""
    if not past.shape[1]:
        return np.zeros(0)
    clean = decompose(y, days)
    usual = pd.Series(y).rolling(2 * WEEK + 1, center=True, min_periods=1).median().to_numpy()
    left = y - usual - clean.scale * clean.weekday[days.day_of_week.to_numpy()]
    known = np.isfinite(left)
    centred = past[known] - past[known].mean(axis=0)
    gram = centred.T @ centred
    ridge = np.diag(np.where(np.diag(gram) > 0, 0.01 * np.diag(gram), 1.0))
    return np.asarray(np.linalg.solve(gram + ridge, centred.T @ left[known]))


def replay(y: FloatArray, days: pd.DatetimeIndex, block: int) -> FloatArray:
    """(replay, day) errors of past forecasts, in units of the scale then; spread over about a year."""
    found = []
    stride = int(np.clip((len(y) - block - FEW_DAYS) // MAX_ORIGINS, *ORIGIN_STRIDES))
    origins = range(len(y) - block, FEW_DAYS - 1, -stride)
    for origin in origins[:MAX_ORIGINS] if block >= WEEK else ():
        past = y[:origin]
        if not np.isfinite(past).any():
            continue
        shape = decompose(past, days[:origin])
        error = y[origin : origin + block] - shape.ahead(days[origin : origin + block])
        known = np.isfinite(error)
        if shape.scale > 0 and known.mean() > 0.5:
            filled = np.where(known, error, np.median(error[known]))
            found.append(np.clip(filled / shape.scale, -ERROR_LIMIT, ERROR_LIMIT))
    return np.asarray(found).reshape(len(found), block)


# -- drawing ---------------------------------------------------------------------------------------


def draw(
    history: History, others: Sequence[FloatArray], horizon_days: int, paths: int, random: np.random.Generator
) -> FloatArray:
    """(path, day) errors in units of the scale: blocks of replayed errors, chained where they end.

    Half of the paths are turned over: that history erred upwards is no promise that the future will. A block
    keeps the sign of the one before with probability `SAME_SIGN`.
    """
    own = history.errors
    pool = [error for error in others if len(error)]
    share = history.blocks / (history.blocks + SHRINKAGE) if len(own) else 0.0
    drawn = np.zeros((paths, 0))
    ends, sign = np.zeros(paths), random.choice([-1.0, 1.0], size=paths)
    while drawn.shape[1] < horizon_days:
        block = _block(own, pool, share if pool else float(len(own) > 0), paths, random)
        block = block * sign[:, None] * widening(history)
        drawn = np.concatenate([drawn, ends[:, None] + block], axis=1)
        ends = np.clip(ends + block[:, -WEEK:].mean(axis=1), *DRIFT_LIMITS)
        sign = np.where(random.random(paths) < SAME_SIGN, sign, -sign)
    return drawn[:, :horizon_days]


def widening(history: History) -> float:
    """Factor on errors: few replays have not seen the worst, and no replay is no knowledge."""
    if not len(history.errors):
        return FEW_DAYS_WIDENING
    return float(np.sqrt(1 + 1 / max(history.blocks, 1.0)))


def _block(
    own: FloatArray, pool: Sequence[FloatArray], share: float, paths: int, random: np.random.Generator
) -> FloatArray:
    """(path, day) a block each: the series' own with probability `share`, else another's, else assumed."""
    if not len(own) and not pool:
        return assumed(paths, random)
    length = min(block.shape[1] for block in [*([own] if len(own) else []), *pool])
    block = np.empty((paths, length))
    mine = random.random(paths) < share
    if mine.any():
        block[mine] = own[random.integers(len(own), size=int(mine.sum())), :length]
    if not mine.all():
        together = np.concatenate([error[:, :length] for error in pool])
        block[~mine] = together[random.integers(len(together), size=int((~mine).sum()))]
    return block


def assumed(paths: int, random: np.random.Generator) -> FloatArray:
    """(path, day) errors where nothing was ever replayed: a drifting level and noise, sizes as documented."""
    drift = random.normal(0.0, ASSUMED_DRIFT, (paths, BLOCK_DAYS)).cumsum(axis=1)
    return np.asarray(drift + random.normal(0.0, ASSUMED_DAY, (paths, BLOCK_DAYS)))


def changed(
    centre: FloatArray, moved: FloatArray, days: pd.DatetimeIndex, steps: Sequence[Step], series: str
) -> tuple[FloatArray, FloatArray]:
    """The forecast and its paths with the known changes of a series."""
    factor, amount = np.ones(len(days)), np.zeros(len(days))
    for step in steps:
        if step.series in (None, series) and step.date >= days[0]:
            active = step.active(days)
            factor = np.where(active, factor * step.factor, factor)
            amount = amount + np.where(active, step.amount_per_day, 0.0)
    return centre * factor + amount, moved * factor + amount
