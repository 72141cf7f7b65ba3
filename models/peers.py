"""What others plan capacity with: peers that a forecast has to beat.

A reactive autoscaler buys for the last value, a recommender for a quantile or the maximum of a window. Each
also stands here with our calibration: the quantile moved by its own past errors. Without it a peer is only
bad because nobody gave it its margin, and beating it proves little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.conformal import Conformal
from models.forecaster import DAY, Forecaster, season
from models.frames import FloatArray, Panel
from models.known import NOTHING, Known
from models.ladder import ORIGINS, SHARD, forecast_panel, within
from models.seasonal import LastWindow, Persistence, SeasonalNaive

OURS = "trimtab"
BASELINE = "seasonal_naive"
CALIBRATED = "+conformal"
WINDOW_DAYS = 7

Quantiles = Callable[[Panel, int, FloatArray], FloatArray]


@dataclass(frozen=True)
class Contender:
    """A model under test.

    Attributes:
        name: unique among those tested together.
        quantiles: (series, step, level) for rising levels from a panel and a number of steps.
    """

    name: str
    quantiles: Quantiles


@dataclass(frozen=True)
class LastValue(Forecaster):
    """The last observation at every level: what a purely reactive loop buys."""

    name: str = "last_value"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The last value, wherever it is; NaN for a series without observation."""
        shape = (len(panel), horizon_steps, levels.size)
        if not panel.steps:
            return np.full(shape, np.nan)
        place = panel.steps - 1 - np.isfinite(panel.y)[:, ::-1].argmax(axis=1)
        last = panel.y[np.arange(len(panel)), place]
        return np.broadcast_to(last[:, None, None], shape).copy()


@dataclass(frozen=True)
class SeasonMax(Forecaster):
    """The highest of the last season at every level: a moving maximum over a day (daily data: a week)."""

    name: str = "season_max"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The same maximum at every step and level."""
        highest = LastWindow().quantiles(panel, horizon_steps, np.ones(1))
        return np.repeat(highest, levels.size, axis=-1)


@dataclass(frozen=True)
class Margin(Forecaster):
    """A peer with one value for every level, and the margin its past errors ask for at each.

    Where the past is too short to tell, the value stands alone.
    """

    peer: Forecaster

    @property
    def name(self) -> str:  # type: ignore[override]
        """The peer's name and what was done to it."""
        return f"{self.peer.name}{CALIBRATED}"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """The value, moved at every level."""
        moved = Conformal(self.peer, max_origins=ORIGINS[1], gives_spread=True)
        found = moved.quantiles(panel, horizon_steps, levels)
        return np.where(np.isfinite(found), found, self.peer.quantiles(panel, horizon_steps, levels))


def forecasters(freq: pd.Timedelta) -> tuple[Forecaster, ...]:
    """The peers for a length of step, each as it is and with our calibration."""
    seasons = WINDOW_DAYS * DAY / season(freq)
    spread = (SeasonalNaive(), Persistence(), LastWindow(seasons=seasons, name=f"window_{WINDOW_DAYS}d"))
    single = (LastValue(), SeasonMax())
    calibrated = (Conformal(peer, max_origins=ORIGINS[1]) for peer in spread)
    return (*spread, *calibrated, *single, *map(Margin, single))


def named(name: str, freq: pd.Timedelta) -> Forecaster | None:
    """The peer of this name; None for Trimtab's own model, and for one that is no longer known."""
    return next((peer for peer in forecasters(freq) if peer.name == name), None)


def contenders(
    freq: pd.Timedelta,
    *,
    non_negative: bool = True,
    known: Mapping[str, Known] | None = None,
    members: Sequence[Forecaster] = (),
) -> Iterator[Contender]:
    """Trimtab's forecast and the peers.

    Trimtab's is the very function behind `trimtab forecast` and `trimtab plan`, with what is known beforehand
    and further members, if there are. Peers see the panel as it is and keep the same floor and ceiling.
    """
    yield ours(non_negative=non_negative, known=known, members=members)
    for peer in forecasters(freq):
        yield of(peer, non_negative=non_negative)


def ours(
    *,
    non_negative: bool = True,
    known: Mapping[str, Known] | None = None,
    members: Sequence[Forecaster] = (),
) -> Contender:
    """The ladder."""

    def quantiles(panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        return forecast_panel(
            panel, horizon_steps, levels, non_negative=non_negative, known=known, members=members
        )[0]

    return Contender(OURS, quantiles)


def of(forecaster: Forecaster, *, non_negative: bool = True) -> Contender:
    """A forecaster as a contender; many series go through it part by part, so that memory is bounded."""

    def quantiles(panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        shards = np.array_split(np.arange(len(panel)), max(-(-len(panel) // SHARD), 1))
        parts = [forecaster.quantiles(panel.take(rows), horizon_steps, levels) for rows in shards]
        rising = np.sort(np.concatenate(parts), axis=-1)
        return within(rising, panel, [NOTHING] * len(panel), non_negative=non_negative)

    return Contender(forecaster.name, quantiles)
