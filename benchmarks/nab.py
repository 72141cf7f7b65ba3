"""The score of the Numenta Anomaly Benchmark, written from its published definition.

Lavin and Ahmad 2015, arXiv 1510.03336: an early detection inside a labelled window is worth most, one outside
costs a little.

A row's weight is a scaled sigmoid of where it lies against the windows, whatever the detector says. At a
threshold, a window gives the best weight of its detected rows or costs a miss, and every detected row outside
windows costs its weight. 0 is a detector that says nothing, 100 one that detects every window at its first
row and nothing else. Rows of the probationary period are not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Window = tuple[int, int]  # first and last row, both inside

PROBATION_SHARE = 0.15
PROBATION_MOST = 750
FAR = 3.0  # window widths behind a window from which on a false alarm costs all
STEEPNESS = 5.0


@dataclass(frozen=True)
class Profile:
    """What a detected window is worth, and what a false alarm and a missed window cost."""

    name: str
    detected: float
    false_alarm: float
    missed: float


STANDARD = Profile("standard", 1.0, 0.11, 1.0)
REWARD_LOW_FP = Profile("reward_low_FP", 1.0, 0.22, 1.0)
REWARD_LOW_FN = Profile("reward_low_FN", 1.0, 0.11, 2.0)
PROFILES = (STANDARD, REWARD_LOW_FP, REWARD_LOW_FN)


@dataclass(frozen=True, eq=False)
class Scored:
    """A detector's scores of one series, in time order, and where the labelled windows are."""

    scores: FloatArray
    windows: tuple[Window, ...]


def windows_of(inside: BoolArray) -> tuple[Window, ...]:
    """First and last row of each run of True."""
    edges = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
    firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return tuple((int(first), int(end) - 1) for first, end in zip(firsts, ends, strict=True))


def probation_rows(rows: int) -> int:
    """Rows at the start that are not judged."""
    return min(int(PROBATION_SHARE * rows), PROBATION_MOST)


def scaled_sigmoid(position: FloatArray) -> FloatArray:
    """Worth of a detection at a position: -1 is a window's left edge, 0 its right one, above 0 too late."""
    near = 2.0 / (1.0 + np.exp(STEEPNESS * np.minimum(position, FAR))) - 1.0
    return np.where(position >= FAR, -1.0, near)


def weights(rows: int, windows: Sequence[Window]) -> FloatArray:
    """(row) worth of a detection there: at most 1 inside a window, from 0 down to -1 behind it or before all.

    Behind a window of one row every detection is far away: there is no width to measure with.
    """
    made = np.full(rows, -1.0)
    first_row_worth = float(scaled_sigmoid(np.array([-1.0]))[0])
    for place, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        made[inside] = scaled_sigmoid(-(last - inside + 1) / width) / first_row_worth
        end = windows[place + 1][0] if place + 1 < len(windows) else rows
        behind = np.arange(last + 1, end)
        if width > 1:
            made[behind] = scaled_sigmoid((behind - last) / (width - 1))
    return made


def judged(series: Scored) -> tuple[Window, ...]:
    """Windows with a row behind the probationary period."""
    start = probation_rows(len(series.scores))
    return tuple((first, last) for first, last in series.windows if last >= start)


def gains(series: Scored, profile: Profile) -> tuple[FloatArray, FloatArray]:
    """Scores of the judged rows and what each row adds to the total when the threshold falls to its score.

    Rows of equal score must be taken together; then their sum is right whatever their order.
    """
    start, rows = probation_rows(len(series.scores)), len(series.scores)
    worth = weights(rows, series.windows)
    gain = np.where(worth < 0, worth * profile.false_alarm, 0.0)
    for first, last in judged(series):
        inside = np.arange(max(first, start), last + 1)
        order = inside[np.argsort(-series.scores[inside], kind="stable")]
        best = np.maximum.accumulate(np.maximum(worth[order] * profile.detected, -profile.missed))
        gain[order] = np.diff(best, prepend=-profile.missed)
    return series.scores[start:], gain[start:]


def sweep(corpus: Iterable[Scored], profile: Profile) -> tuple[float, float]:
    """The threshold whose total over all series is highest, and that total normalised to 0..100.

    Detected are rows at or above the threshold; infinity (nothing is detected) is among those tried.
    """
    series = tuple(corpus)
    parts = [gains(one, profile) for one in series]
    scores, gain = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")
    totals = np.cumsum(gain[order]) + null_total(series, profile)
    last_of_tie = np.append(np.diff(scores[order]) != 0, [True])
    totals = np.where(last_of_tie, totals, -np.inf)
    best = int(np.argmax(totals))
    if totals[best] < null_total(series, profile):
        return np.inf, 0.0
    return float(scores[order][best]), normalised(float(totals[best]), series, profile)


def total_at(corpus: Iterable[Scored], threshold: float, profile: Profile) -> float:
    """The total over all series when rows at or above a threshold are detections; not normalised."""
    series = tuple(corpus)
    total = null_total(series, profile)
    for one in series:
        scores, gain = gains(one, profile)
        total += float(gain[scores >= threshold].sum())
    return total


def null_total(corpus: Sequence[Scored], profile: Profile) -> float:
    """The total of a detector that says nothing: every window is missed."""
    return -profile.missed * sum(len(judged(one)) for one in corpus)


def normalised(total: float, corpus: Sequence[Scored], profile: Profile) -> float:
    """A total on the scale where 0 is silence and 100 every window at its first row without false alarm."""
    null = null_total(corpus, profile)
    perfect = profile.detected * sum(len(judged(one)) for one in corpus)
    return 100.0 * (total - null) / (perfect - null)


def two_fold(halves: Sequence[Sequence[Scored]], profile: Profile) -> float:
    """Score of two halves, each at the threshold that was best on the other; normalised over both."""
    first, second = halves
    total = total_at(second, sweep(first, profile)[0], profile)
    total += total_at(first, sweep(second, profile)[0], profile)
    return normalised(total, [*first, *second], profile)
