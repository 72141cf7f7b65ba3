"""Whether forecasts held what they promised, and by how much to raise those that did not.

Calibration replays the past with the model of today (`models.conformal`); this looks at what was really said.
A quantile that was exceeded significantly more often than it may be is raised by what it missed by. It is
never lowered: measured on 24 series over 8 origins, moving calibrated quantiles both ways by stored errors
made plans 2 to 4 % dearer, raising only where the misses are significant left them as they were.

Binomial test of coverage: Kupiec 1995. Neighbouring slots miss together, so each counts half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.conformal import SHRINKAGE, conformal_quantiles
from models.frames import FloatArray, level_column

CONFIDENCE = 0.95
COUNTS = 0.5  # of a slot
LARGEST_SHARE = 0.5  # of the mean of what came true: most that a quantile is raised


def kept(
    forecasts: pd.DataFrame, past: pd.DataFrame, actual: pd.DataFrame, levels: Sequence[float]
) -> pd.DataFrame:
    """The forecasts, with quantiles raised where past ones promised too much.

    Args:
        forecasts: `unique_id, ds, model` and a column per level.
        past: `unique_id, ds, quantile, value`: what was said of slots that have passed, once each.
        actual: `unique_id, ds, y` what came true; a gap is NaN and says nothing.
        levels: of the forecasts.
    """
    if past.empty:  # of no types either
        return forecasts
    scored = past.merge(actual.dropna(subset=["y"]), on=["unique_id", "ds"])
    moves: dict[tuple[str, float], float] = {}
    for (name, quantile), rows in scored.groupby(["unique_id", "quantile"]):
        level = float(str(quantile))
        moves[str(name), level] = raised(rows["y"].to_numpy(float), rows["value"].to_numpy(float), level)
    if not any(moves.values()):
        return forecasts
    names = forecasts["unique_id"].astype(str)
    columns = [level_column(level) for level in sorted(levels)]
    added = np.stack([[moves.get((name, level), 0.0) for name in names] for level in sorted(levels)], axis=1)
    # No level is passed by a lower one that was raised.
    values = np.maximum.accumulate(forecasts[columns].to_numpy(float) + added, axis=1)
    return forecasts.assign(**dict(zip(columns, values.T, strict=True)))


def raised(actual: FloatArray, value: FloatArray, level: float) -> float:
    """How much to add to a quantile that was `value` when `actual` came true; 0 if it held."""
    count, misses = round(actual.size * COUNTS), float((actual > value).sum() * COUNTS)
    if misses <= _most_misses(count, 1 - level):
        return 0.0
    trust = count * (1 - level) / (count * (1 - level) + SHRINKAGE)
    missed_by = float(conformal_quantiles(actual - value, np.array([level]))[0])
    return float(np.clip(trust * missed_by, 0.0, LARGEST_SHARE * np.abs(actual).mean()))


def _most_misses(count: int, share: float) -> int:
    """The most misses of so many chances that are still no surprise: the binomial quantile."""
    # In logarithms: of some thousand chances, the one of no miss at all is less than a float can hold.
    log_chance = count * math.log1p(-share)
    total, misses = math.exp(log_chance), 0
    while total < CONFIDENCE and misses < count:
        log_chance += math.log((count - misses) / (misses + 1) * share / (1 - share))
        total += math.exp(log_chance)
        misses += 1
    return misses
