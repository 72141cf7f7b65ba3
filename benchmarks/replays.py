"""Forecasts of the past at many origins, and what a plan made from each would have cost.

An origin is so many steps before each series' own end. Judged is the 0.99 quantile as capacity: a unit
short costs 99 times an idle one. A series is judged over all origins together, so that a silent day does
not make its ratio explode, and every series counts the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.compare import Losses
from models.conformal import Conformal
from models.forecaster import Forecaster, now, season_steps
from models.frames import FloatArray, Panel, check_series
from models.gaps import flag_outages
from models.ladder import CAP_RANGES, MAX_MOVE, ORIGINS, forecast
from models.metrics import coverage, plan_cost

LEVELS = (0.5, 0.9, 0.99)
PLANNED = "q0.99"  # the quantile that a shortfall 99 times as dear as idle capacity asks for
IntArray = npt.NDArray[np.int64]
Made = Mapping[str, FloatArray]  # (origin, series, step) capacity by variant; NaN where none was made


@dataclass(frozen=True)
class Task:
    """What is forecast from where.

    Attributes:
        freq: length of a step.
        horizon_steps: steps ahead.
        backs: (origin) steps before the end.
        before: (origin) further ones, that peers are only calibrated on.
        few, few_before: the same for a peer too slow for all of them; `few` are some of `backs`.
    """

    freq: str
    horizon_steps: int
    backs: tuple[int, ...]
    before: tuple[int, ...] = ()
    few: tuple[int, ...] = ()
    few_before: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """A panel and the task on it; zeros that look like an outage are gaps, for contenders and for judges."""

    panel: Panel
    raw: Panel
    task: Task

    def actual(self, backs: tuple[int, ...]) -> FloatArray:
        """(origin, series, step) what came true; NaN also where too little was known to forecast."""
        found = []
        for back in backs:
            past = self.panel.before(back)
            y = self.panel.y[:, past.steps : past.steps + self.task.horizon_steps]
            found.append(np.where(known(past)[:, None], y, np.nan))
        return np.stack(found)


def known(past: Panel) -> npt.NDArray[np.bool_]:
    """(series) whether two seasons were observed: nothing seasonal can be said before."""
    return past.observed() >= 2 * season_steps(past.freq)


def case(folder: Path, task: Task) -> Case:
    raw = check_series(pd.read_parquet(folder / "panel.parquet"), task.freq, non_negative=True)
    return Case(raw.masked(flag_outages(raw)), raw, task)


def ladder(given: Case) -> Made:
    """What Trimtab forecasts with, called anew at each origin with what was known then."""
    steps, made = given.task.horizon_steps, []
    for back in given.task.backs:
        rows = np.flatnonzero(known(given.panel.before(back)))
        past = given.raw.before(back).take(rows)
        frame = forecast(long(past), freq=given.task.freq, horizon_steps=steps, levels=LEVELS)
        capacity = np.full((len(given.panel), steps), np.nan)
        capacity[rows] = frame[PLANNED].to_numpy().reshape(rows.size, steps)
        made.append(capacity)
    return {"": np.stack(made)}


def long(past: Panel) -> pd.DataFrame:
    """A panel as the long frame of the one public function, gaps as rows without a value."""
    ds = past.end.repeat(past.steps) + np.tile(np.arange(1 - past.steps, 1), len(past)) * past.freq
    begun = ds >= past.start.repeat(past.steps)
    frame = pd.DataFrame({"unique_id": past.ids.repeat(past.steps), "ds": ds, "y": past.y.ravel()})
    return frame[begun]


def plain(model: Forecaster) -> Callable[[Case], Made]:
    """A quick peer as it is, and calibrated as the ladder's models are, at every origin."""

    def run(given: Case) -> Made:
        calibrated = Conformal(model, max_origins=ORIGINS[1], max_move=MAX_MOVE)
        steps, made = given.task.horizon_steps, {"raw": [], "calibrated": []}
        for back in given.task.backs:
            past = given.panel.before(back)
            for variant, one in (("raw", model), ("calibrated", calibrated)):
                capacity = np.full((len(past), steps), np.nan)
                rows = np.flatnonzero(known(past))
                values = one.quantiles(past.take(rows), steps, np.array(LEVELS))
                capacity[rows] = within_bounds(past.take(rows), values[..., -1])
                made[variant].append(capacity)
        return {variant: np.stack(parts) for variant, parts in made.items()}

    return run


def fitted(model: Forecaster, *, few: bool = False) -> Callable[[Case], Made]:
    """A slow peer, each fit used twice: as it is, and to calibrate the origins after it."""

    def run(given: Case) -> Made:
        task, panel, levels = given.task, given.panel, np.array(LEVELS)
        scored, before = (task.few, task.few_before) if few else (task.backs, task.before)
        every = np.array([*scored, *before], dtype=np.int64)
        stored = Stored(every, model.replay(panel, every, task.horizon_steps, levels))
        calibrated = Conformal(stored, max_origins=0, max_move=MAX_MOVE)  # on no origins but these
        made = {}
        for variant, one in (("raw", stored), ("calibrated", calibrated)):
            values = one.replay(panel, every, task.horizon_steps, levels)[: len(scored), ..., -1]
            made[variant] = np.stack(
                [within_bounds(panel.before(b), v) for b, v in zip(scored, values, strict=True)]
            )
        return made

    return run


@dataclass(frozen=True, eq=False)
class Stored(Forecaster):
    """Forecasts that were made before, at the same origins."""

    backs: IntArray
    made: FloatArray
    name: str = "stored"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """Those that were made at the end of the panel."""
        return now(self, panel, horizon_steps, levels)

    def replay(self, _: Panel, backs: IntArray, __: int, ___: FloatArray) -> FloatArray:
        """(origin, series, step, level) as they were made."""
        place = {int(back): number for number, back in enumerate(self.backs)}
        return self.made[[place[int(back)] for back in backs]]


def within_bounds(past: Panel, values: FloatArray) -> FloatArray:
    """Cut as the ladder cuts its own: an interval that explodes would make any comparison meaningless."""
    largest = np.where(np.isfinite(past.y), past.y, 0.0).max(axis=1, initial=0.0)
    cut = np.clip(values, 0.0, (1 + CAP_RANGES) * largest[:, None])
    return np.where(known(past)[:, None], cut, np.nan)


def origins_of(given: Case, made: FloatArray) -> tuple[int, ...]:
    """The origins a variant was made at."""
    return given.task.backs if len(made) == len(given.task.backs) else given.task.few


def by_series(values: FloatArray) -> FloatArray:
    """(origin, series, step) → (series, all its steps)."""
    return values.swapaxes(0, 1).reshape(values.shape[1], -1)


def judge(given: Case, made: Made) -> dict[str, float]:
    """Of the first variant at its origins: mean plan cost over the series, and the share not covered."""
    (found, *_) = losses(given, made)
    return {"cost": found.facts["cost"], "uncovered": 1 - found.facts["covered"]}


def losses(given: Case, made: Made) -> list[Losses]:
    """Plan cost by series of every variant; of what was made at all origins, also over the few."""
    return [
        one_loss(given, variant, capacity, backs)
        for variant, capacity in made.items()
        for backs in dict.fromkeys((origins_of(given, capacity), given.task.few))
        if backs
    ]


def one_loss(given: Case, variant: str, capacity: FloatArray, backs: tuple[int, ...]) -> Losses:
    places = [origins_of(given, capacity).index(back) for back in backs]
    y, planned = by_series(given.actual(backs)), by_series(capacity[places])
    cost, covered = plan_cost(y, planned), coverage(y, planned)
    facts = {
        "cost": float(np.nanmean(cost)),
        "covered": float(coverage(y.ravel(), planned.ravel())),
        "worst decile": float(np.nanquantile(covered, 0.1)),
    }
    return Losses(variant, f"{len(backs)} origins", cost.tolist(), facts)
