"""An ensemble whose members count by how well each did for the series, as far as that is known.

Weights follow the decision's loss (the pinball loss of the upper quantiles, which is the plan's cost), never
MASE, and are shrunk to equal ones: with n scored origins they count n / (n + shrinkage). Choosing one member
by a few origins is dearer than not choosing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.forecaster import Forecaster, now
from models.frames import FloatArray, Panel
from models.grid import IntArray
from models.samples import gather

UPPER = 0.95  # levels that capacity is bought on …
UPPER_WEIGHT = 10.0  # … count so much more than the others


@dataclass(frozen=True)
class Weighted(Forecaster):
    """Weighted mean of the members' quantiles; a member without an answer is left out.

    Attributes:
        members: the forecasters.
        shrinkage: scored origins at which the series' own weights count half.
        power: of the inverse loss; 0 is the plain mean, a high one picks the best.
    """

    members: tuple[Forecaster, ...]
    shrinkage: float = 2.0
    power: float = 4.0
    name: str = "ensemble"

    def quantiles(self, panel: Panel, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """Without a replay of the past every member counts the same."""
        return now(self, panel, horizon_steps, levels)

    def replay(self, panel: Panel, backs: IntArray, horizon_steps: int, levels: FloatArray) -> FloatArray:
        """(origin, series, step, level); the weights of an origin come from the origins before it."""
        made = np.stack([member.replay(panel, backs, horizon_steps, levels) for member in self.members])
        losses = np.stack([_losses(panel, int(b), made[:, k], levels) for k, b in enumerate(backs)])
        results = []
        for place, back in enumerate(backs):
            earlier = losses[backs >= back + horizon_steps]
            weights = self._weights(earlier, len(panel))
            parts = made[:, place]
            counts = np.isfinite(parts) * weights[:, :, None, None]
            total = np.where(np.isfinite(parts), parts, 0.0) * counts
            whole = counts.sum(axis=0)
            results.append(np.where(whole > 0, total.sum(axis=0) / np.where(whole > 0, whole, 1.0), np.nan))
        return np.stack(results)

    def _weights(self, losses: FloatArray, series: int) -> FloatArray:
        """(member, series) from the (origin, member, series) losses of earlier origins."""
        scored = np.isfinite(losses).all(axis=1).sum(axis=0) if losses.size else np.zeros(series)
        equal = np.full((len(self.members), series), 1 / len(self.members))
        if not scored.any():
            return equal
        finite = np.isfinite(losses)
        mean = np.where(finite, losses, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
        least = mean.min(axis=0)
        # Relative to the best, so that no power overflows; members that are all without fault share equally.
        worth = np.where(mean > 0, least / np.where(mean > 0, mean, 1.0), 1.0) ** self.power
        own = worth / worth.sum(axis=0)
        trust = scored / (scored + self.shrinkage)
        return np.asarray(trust * own + (1 - trust) * equal)


def _losses(panel: Panel, back: int, made: FloatArray, levels: FloatArray) -> FloatArray:
    """(member, series) weighted pinball loss of one origin; NaN where nothing was observed or forecast."""
    steps = made.shape[2]
    actual = gather(panel.y, panel.steps - back + np.arange(steps))
    error = actual[None, :, :, None] - made
    loss = np.maximum(levels * error, (levels - 1) * error) * np.where(levels >= UPPER, UPPER_WEIGHT, 1.0)
    finite = np.isfinite(loss).all(axis=-1)
    count = finite.sum(axis=2)
    total = np.where(finite, loss.sum(axis=-1), 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
