"""Backtest of forecasts: what each model would have said at past origins, against what came true.

Origins roll over a panel; at each, every model sees the panel cut there and nothing else. Sums are streamed,
so memory does not grow with the origins: a score per model and series is left, and the whole forecasts of the
few series one asks for.

The scores are those of `models.scores`. A step counts if it was observed and does not look like an outage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models import grid
from models.faults import Faults
from models.forecaster import season_steps
from models.frames import FloatArray, Panel, check_levels, level_column
from models.gaps import flag_outages
from models.grid import IntArray
from models.peers import Contender, contenders
from models.scores import Sums, level_of

LEVELS = (0.1, 0.5, 0.9, 0.99, 0.999)  # always forecast: median, band, and what plans are bought at
RATIOS = (99.0, 999.0)  # cost of a unit short over that of a unit idle
KNOWN_SEASONS = 2  # before the first origin
APART_SEASONS = 4 / 3  # origins, so that they fall on different times of day

Contenders = Callable[[pd.Timedelta], Iterable[Contender]]
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Case:
    """One origin.

    Attributes:
        known: what was known; the last column is the step right before the origin.
        actual: (series, step) what came true; NaN where nothing was observed, or an outage by its looks.
    """

    known: Panel
    actual: FloatArray

    @classmethod
    def of(cls, whole: Panel, horizon_steps: int) -> Case:
        """Split a panel that ends a horizon after the origin; series that had not begun are left out."""
        known = whole.before(horizon_steps)
        begun = np.flatnonzero(known.observed() > 0)
        actual = whole.masked(flag_outages(whole)).y[:, max(whole.steps - horizon_steps, 0) :]
        return cls(known.take(begun), actual[begun])

    @property
    def origins(self) -> pd.DatetimeIndex:
        """(series) when each forecast begins."""
        return self.known.end + self.known.freq


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a backtest found.

    Attributes:
        scores: a row per series and model; see `models.scores`.
        forecasts: `unique_id, origin, ds, model, y` and a column per level, of the series asked for.
        levels: levels that were forecast, rising.
        ratios: what a unit short costs over a unit idle, one for each plan cost.
        origins: rolling origins.
        first, last: earliest and latest moment a forecast began.
    """

    scores: pd.DataFrame
    forecasts: pd.DataFrame
    levels: tuple[float, ...]
    ratios: tuple[float, ...]
    origins: int
    first: pd.Timestamp
    last: pd.Timestamp


# -- origins ---------------------------------------------------------------------------------------------


def spaced(room_steps: int, count: int, apart_steps: int | None = None) -> IntArray:
    """Steps before the last origin at which others stand, the earliest first and 0 last.

    Args:
        room_steps: between the earliest possible origin and the last one.
        count: most origins.
        apart_steps: distance; where it is not given or there is no room for it, they share the room evenly.
    """
    if apart_steps is None or apart_steps * (count - 1) > room_steps:
        evenly = np.linspace(0, room_steps, min(count, room_steps + 1))
        return np.unique(np.rint(evenly).astype(np.int64))[::-1]
    return apart_steps * np.arange(count, dtype=np.int64)[::-1]


def usual_distance(freq: pd.Timedelta) -> int:
    """Steps between origins where nobody asked for others."""
    return int(np.ceil(APART_SEASONS * season_steps(freq)))


def rolling(
    panel: Panel, horizon_steps: int, count: int, apart_steps: int | None = None
) -> tuple[Iterator[Case], int]:
    """Cases counted back from each series' own end, and how many there are.

    Raises:
        FrameError: no series is long enough for one.
    """
    need = KNOWN_SEASONS * season_steps(panel.freq) + horizon_steps
    if panel.steps < need:
        faults = Faults()
        expected = f"{need}: {KNOWN_SEASONS} seasons known and the horizon"
        faults.add(f"at most {panel.steps} steps in a series", expected, "give more or shorten the horizon")
        faults.stop()
    apart = usual_distance(panel.freq) if apart_steps is None else apart_steps
    backs = spaced(panel.steps - need, count, apart)
    return (Case.of(panel.before(int(back)), horizon_steps) for back in backs), backs.size


def at_moments(panel: Panel, moments: Sequence[pd.Timestamp], horizon_steps: int) -> Iterator[Case]:
    """Cases at moments, the same for every series."""
    for moment in moments:
        yield Case.of(as_of(panel, moment + horizon_steps * panel.freq), horizon_steps)


def moments_between(
    begin: pd.Timestamp, until: pd.Timestamp, freq: pd.Timedelta, count: int, apart_steps: int | None = None
) -> list[pd.Timestamp]:
    """At most so many origins from `begin` to `until`, whole steps before `until`, rising."""
    room = int((until - begin) // freq)
    return [until - int(back) * freq for back in spaced(room, count, apart_steps)] if room >= 0 else []


def as_of(panel: Panel, moment: pd.Timestamp) -> Panel:
    """The panel with the steps that had ended by a moment; series that end before it go on as gaps."""
    step = grid.freq_us(panel.freq)
    now = grid.to_us(pd.DatetimeIndex([moment]))[0]
    late = -((now - step - grid.to_us(panel.end)) // step)  # steps to drop; negative: to add
    width = max(panel.steps - int(late.min(initial=0)), 0)
    source = np.arange(width) + panel.steps - width - late[:, None]
    inside = (source >= 0) & (source < panel.steps)
    values = np.take_along_axis(panel.y, np.where(inside, source, 0), axis=1)
    end = panel.end - pd.to_timedelta(late * step, unit="us")
    return Panel(panel.ids, np.where(inside, values, np.nan), panel.start, end, panel.freq)


# -- running ---------------------------------------------------------------------------------------------


def run(
    cases: Iterable[Case],
    ids: Sequence[str] | pd.Index,
    *,
    levels: Sequence[float] = LEVELS,
    ratios: Sequence[float] = RATIOS,
    models: Contenders = contenders,
    keep: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Backtest:
    """Let every model forecast every case, and score it.

    Args:
        cases: origins, of one or several lengths of step.
        ids: names of all series that may come up.
        levels: quantile levels that `wql` is averaged over; the levels of `LEVELS` and of the ratios are
            forecast too.
        ratios: cost of a unit short over a unit idle, for the plan costs.
        models: contenders for a length of step; the same names for each.
        keep: series whose forecasts are given back.
        progress: told the number of models that have forecast a case.

    Raises:
        FrameError: a model gave no finite quantile for a series with history, or no case has a series.
    """
    asked = {float(level) for level in check_levels(levels)}
    every = check_levels(sorted({*asked, *LEVELS, *map(level_of, ratios)}))
    index = pd.Index(ids)
    sums: dict[str, Sums] = {}
    kept: list[pd.DataFrame] = []
    moments: set[pd.Timestamp] = set()
    counts: Counter[pd.Timedelta] = Counter()
    done = 0
    for case in cases:
        if not len(case.known):
            continue
        moments |= {case.origins.min(), case.origins.max()}
        counts[case.known.freq] += 1
        rows = index.get_indexer(case.known.ids)
        shown = np.flatnonzero(case.known.ids.isin(keep))
        for model in models(case.known.freq):
            made = checked(model, case, every)
            sums.setdefault(model.name, Sums.of(len(index), every)).add(rows, case.known, case.actual, made)
            if shown.size or not kept:  # the first one, to have the columns
                kept.append(long_frame(model.name, case, made, every, shown))
            done += 1
            progress(done)
    return Backtest(
        scores=scores_of(sums, index, sorted(asked), ratios),
        forecasts=pd.concat(kept, ignore_index=True),
        levels=tuple(every.tolist()),
        ratios=tuple(float(ratio) for ratio in ratios),
        origins=max(counts.values()),
        first=min(moments),
        last=max(moments),
    )


def scores_of(
    sums: Mapping[str, Sums], ids: pd.Index, levels: Sequence[float], ratios: Sequence[float]
) -> pd.DataFrame:
    """Scores of every model and series that was judged; FrameError where none was."""
    if not sums:
        faults = Faults()
        faults.add("no series with history at any origin", "one", "take later origins or more history")
        faults.stop()
    parts = [one.scores(levels, ratios).assign(model=name, unique_id=ids) for name, one in sums.items()]
    scores = pd.concat(parts, ignore_index=True)
    head = ["unique_id", "model", "points"]
    scores = scores.loc[scores["points"].gt(0), [*head, *scores.columns.drop(head)]]
    return scores.sort_values(["unique_id", "model"], ignore_index=True)


def checked(model: Contender, case: Case, levels: FloatArray) -> FloatArray:
    """(series, step, level) what a model says; each series has a history, so no quantile may be missing."""
    made = model.quantiles(case.known, case.actual.shape[1], levels)
    bad = ~np.isfinite(made).all(axis=(1, 2))
    if bad.any():
        faults = Faults()
        for name in case.known.ids[np.flatnonzero(bad)]:
            faults.add(f"no quantile from {model.name}", "a finite one", "mend it", series=str(name))
        faults.stop()
    return made


def long_frame(name: str, case: Case, made: FloatArray, levels: FloatArray, rows: IntArray) -> pd.DataFrame:
    """Forecasts of some series beside what came true."""
    part, steps = case.known.take(rows), made.shape[1]
    head = {
        "unique_id": case.known.ids[rows].repeat(steps),
        "origin": case.origins[rows].repeat(steps),
        "ds": part.horizon(steps),
        "model": pd.array([name] * (rows.size * steps), dtype="str"),
        "y": case.actual[rows].ravel(),
    }
    return pd.DataFrame(head | {level_column(p): made[rows][:, :, i].ravel() for i, p in enumerate(levels)})
