"""Zeros that are no demand: an outage, of the service or of its metrics, looks like a run of zeros.

A run is taken for an outage when it would be very unlikely as demand, judged by the same slot of the days
before: nearly always used, well above zero, and the run too long for chance. Only the past of a point is
consulted, so a flag does not depend on what came later, except that the first steps of a run wait for the
run to be long enough. A service that stays at zero for days is believed in the end: its days at zero become
the past.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.forecaster import lag_steps, season
from models.frames import FloatArray, Panel
from models.grid import IntArray

BoolArray = npt.NDArray[np.bool_]

MIN_STEPS = 3
SEASONS = 7
MAX_ZERO_SHARE = 0.25  # of past values of the slot: a slot idle more often than this is idle by nature
MIN_LEVEL_SHARE = 0.1  # of the series' mean where in use: "well above zero"
CHUNK_CELLS = 4_000_000  # looked at together: some 300 MB
CHANCE = 1e-3  # an accepted run has less than this chance as independent idle steps


def flag_outages(panel: Panel, *, min_steps: int = MIN_STEPS) -> BoolArray:
    """(series, step) True where a slot normally used is zero, in a run that looks like an outage."""
    rows = max(CHUNK_CELLS // max(panel.steps, 1), 1)
    lags = _same_slot_lags(panel)
    parts = [_flag(panel.y[i : i + rows], lags, min_steps) for i in range(0, len(panel), rows)]
    return np.concatenate(parts) if parts else panel.y == 0


def _flag(y: FloatArray, lags: IntArray, min_steps: int) -> BoolArray:
    """The same for some of the series; their neighbours change nothing."""
    zero: BoolArray = y == 0
    if not zero.any():
        return zero
    zeros, count, mean = _same_slot_past(y, lags)
    zero_share = (zeros + 0.5) / (count + 1)
    level = _mean_in_use(y)
    used = (count > 0) & (zeros <= MAX_ZERO_SHARE * count) & (mean >= MIN_LEVEL_SHARE * level[:, None])
    runs = _run_ids(zero)
    unexpected = zero & used
    length = np.bincount(runs.ravel(), weights=unexpected.ravel())
    chance = np.bincount(runs.ravel(), weights=np.where(unexpected, np.log(zero_share), 0.0).ravel())
    outage = (length >= min_steps) & (chance <= np.log(CHANCE))
    return np.asarray(unexpected & outage[runs])


def _same_slot_lags(panel: Panel) -> IntArray:
    """Steps back to the slot ± 1 in the seasons before."""
    back = lag_steps(np.arange(1, SEASONS + 1), season(panel.freq), panel.freq)
    lags = np.unique((back[:, None] + np.arange(-1, 2)).ravel())
    return np.asarray(lags[(lags > 0) & (lags < panel.steps)])


def _same_slot_past(y: FloatArray, lags: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(series, step) zeros, observations and mean of the slot ± 1 over the seasons before."""
    zeros, count, total = (np.zeros(y.shape) for _ in range(3))
    for lag in lags:
        past = y[:, :-lag]
        count[:, lag:] += np.isfinite(past)
        zeros[:, lag:] += past == 0
        total[:, lag:] += np.where(np.isfinite(past), past, 0.0)
    return zeros, count, total / np.maximum(count, 1)


def _mean_in_use(values: FloatArray) -> FloatArray:
    used = np.isfinite(values) & (values != 0)
    return np.asarray(np.where(used, values, 0.0).sum(axis=1) / np.maximum(used.sum(axis=1), 1))


def _run_ids(zero: BoolArray) -> npt.NDArray[np.int64]:
    """(series, step) number of the run of zeros a step belongs to, from 1; 0 for other steps."""
    begins = zero.copy()
    begins[:, 1:] &= ~zero[:, :-1]
    return np.asarray(np.where(zero, begins.ravel().cumsum().reshape(zero.shape), 0))
