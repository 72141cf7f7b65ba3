"""Pretrained time series models, such as Chronos and TimesFM, as forecasters like any other.

Off by default and none comes with Trimtab: who wants one installs it and names it in `[forecast]` of
trimtab.toml. It becomes one more member of the ensemble, whose past is replayed, calibrated and weighted by
what its plans would have cost. So it counts as far as it is right.

They give deciles, from 0.1 to 0.9. What is further out is taken from normal tails through the outer two, and
corrected by the calibration like everything else. They know no gaps: a gap is filled from the season before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np

from models.forecaster import Forecaster, season_steps
from models.frames import FloatArray, Panel

DECILES = np.round(np.arange(1, 10) / 10, 1)
CONTEXT_STEPS = 1024
BATCH = 64
LEAST_STEPS = 3  # below which a model has nothing to go by


class DecileModel(Protocol):
    """What a pretrained model is to us."""

    def __call__(self, contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
        """(series, step, 9) deciles for contexts of any length, without gaps."""


@dataclass(frozen=True)
class Pretrained(Forecaster):
    """A pretrained model; NaN for a series with next to no history.

    Attributes:
        model: gives deciles.
        name: as it is shown.
        context_steps: last steps that it is given.
        batch: series that it is given at a time.
    """

    model: DecileModel
    name: str
    context_steps: int = CONTEXT_STEPS
    batch: int = BATCH

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(series, step, level) interpolated between deciles, with normal tails outside."""
        found = np.full((len(panel), horizon_steps, levels.size), np.nan)
        rows = np.flatnonzero(panel.observed() >= LEAST_STEPS)
        period = season_steps(panel.freq)
        for part in np.array_split(rows, max(-(-rows.size // self.batch), 1)):
            if part.size:
                contexts = [filled(panel.y[row], period)[-self.context_steps :] for row in part]
                deciles = np.sort(np.asarray(self.model(contexts, horizon_steps), dtype=np.float64), axis=-1)
                found[part] = at_levels(deciles, levels)
        return found


def filled(y: FloatArray, period: int) -> FloatArray:
    """A series from its first observation on; a gap is what was there a season before, else just before."""
    begun = y[int(np.isfinite(y).argmax()) :].copy()
    for step in np.flatnonzero(~np.isfinite(begun)):
        begun[step] = begun[step - period] if step >= period else begun[step - 1]
    return begun


def at_levels(deciles: FloatArray, levels: FloatArray) -> FloatArray:
    """(series, step, level) from (series, step, 9) rising deciles."""
    inside = np.clip(np.searchsorted(DECILES, levels, side="right") - 1, 0, DECILES.size - 2)
    weight = np.clip((levels - DECILES[inside]) / (DECILES[inside + 1] - DECILES[inside]), 0.0, 1.0)
    found = deciles[..., inside] + (deciles[..., inside + 1] - deciles[..., inside]) * weight
    median, far = deciles[..., 4:5], NormalDist().inv_cdf(0.9)
    stretch = np.array([abs(NormalDist().inv_cdf(level)) / far for level in levels])
    above = median + (deciles[..., 8:9] - median) * stretch
    below = median - (median - deciles[..., :1]) * stretch
    return np.asarray(np.where(levels > DECILES[-1], above, np.where(levels < DECILES[0], below, found)))


@dataclass(frozen=True)
class ChronosDeciles:
    """Deciles of a pipeline of the package chronos-forecasting: Chronos-Bolt and Chronos-2."""

    pipeline: Any

    def __call__(self, contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
        """Asks for all nine levels at once."""
        import torch  # noqa: PLC0415  comes with chronos-forecasting

        tensors = [torch.tensor(context, dtype=torch.float32) for context in contexts]
        made, _ = self.pipeline.predict_quantiles(
            tensors, prediction_length=horizon_steps, quantile_levels=DECILES.tolist()
        )
        # A tensor of all series, or, of Chronos-2, one with a place for several targets for each.
        parts = [np.asarray(part).reshape(horizon_steps, DECILES.size) for part in made]
        return np.stack(parts)


@dataclass(frozen=True)
class TimesFmDeciles:
    """Deciles of a compiled model of the package timesfm, 2.5: a mean and nine deciles for each step."""

    model: Any

    def __call__(self, contexts: Sequence[FloatArray], horizon_steps: int) -> FloatArray:
        """Leaves the mean out."""
        inputs = [np.asarray(context, dtype=np.float32) for context in contexts]
        _, made = self.model.forecast(horizon=horizon_steps, inputs=inputs)
        return np.asarray(made)[:, :horizon_steps, 1:]


def chronos(source: str) -> Forecaster:
    """A Chronos model from a folder or from the hub."""
    from chronos import BaseChronosPipeline  # noqa: PLC0415  an extra of the site

    return Pretrained(ChronosDeciles(BaseChronosPipeline.from_pretrained(source)), "chronos")


def timesfm(source: str) -> Forecaster:
    """A TimesFM 2.5 model from a folder or from the hub."""
    import timesfm as package  # noqa: PLC0415  an extra of the site

    model = package.TimesFM_2p5_200M_torch.from_pretrained(source)
    config = {"max_context": CONTEXT_STEPS, "max_horizon": 256, "normalize_inputs": True}
    model.compile(package.ForecastConfig(**config, fix_quantile_crossing=True))
    return Pretrained(TimesFmDeciles(model), "timesfm")
