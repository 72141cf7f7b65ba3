"""The scorer against cases worked out by hand from the published definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.nab import (
    PROFILES,
    REWARD_LOW_FN,
    STANDARD,
    Scored,
    normalised,
    probation_rows,
    sweep,
    total_at,
    two_fold,
    weights,
    windows_of,
)

ROWS, WINDOW = 1000, (500, 599)  # 150 rows of probation
EDGE = 2 / (1 + math.exp(-5)) - 1  # worth of the first row of a window before it is scaled to 1


def at(*rows: int, windows: tuple[tuple[int, int], ...] = (WINDOW,), score: float = 1.0) -> Scored:
    """A detector that detects these rows and no other."""
    scores = np.zeros(ROWS)
    scores[list(rows)] = score
    return Scored(scores, windows)


def score(series: Scored, profile: object = STANDARD) -> float:
    return normalised(total_at([series], 0.5, profile), [series], profile)  # type: ignore[arg-type]


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_silence_is_0_and_perfection_100(profile: object) -> None:
    assert score(at(), profile) == 0.0
    assert score(at(500), profile) == pytest.approx(100.0)


def test_a_detection_in_the_middle_of_a_window() -> None:
    # 50 rows of 100 are left, itself included: position -0.5
    assert score(at(550)) == pytest.approx(100 * (sigmoid(-0.5) / EDGE + 1) / 2)


def test_of_several_detections_in_a_window_the_earliest_counts_once() -> None:
    assert score(at(550, 551, 599)) == score(at(550))
    assert score(at(550, 520)) == score(at(520)) > score(at(550))


def test_the_last_row_of_a_window_is_still_better_than_missing_it() -> None:
    assert score(at(599)) == pytest.approx(100 * (sigmoid(-0.01) / EDGE + 1) / 2)


def test_a_false_alarm_before_the_first_window_costs_its_whole_weight() -> None:
    assert total_at([at(300)], 0.5, STANDARD) == pytest.approx(-1 - 0.11)
    assert total_at([at(300, 301)], 0.5, STANDARD) == pytest.approx(-1 - 0.22)


def test_a_false_alarm_behind_a_window_costs_more_the_later_it_is() -> None:
    # 49.5 rows behind a window of 100 would be position 0.5; 50 rows are 50 / 99
    assert total_at([at(649)], 0.5, STANDARD) == pytest.approx(-1 + 0.11 * sigmoid(50 / 99))
    late, later, far = (total_at([at(row)], 0.5, STANDARD) for row in (601, 640, 950))
    assert late > later > far == pytest.approx(-1 - 0.11)


def test_profiles_weigh_misses_and_false_alarms() -> None:
    two = ((500, 549), (800, 849))
    series = at(500, windows=two)
    assert total_at([series], 0.5, REWARD_LOW_FN) == pytest.approx(1 - 2)
    assert score(series, REWARD_LOW_FN) == pytest.approx(50.0)
    assert score(at(500, 300, windows=two)) == pytest.approx(100 * (2 - 0.11) / 4)


def test_the_probationary_period_is_not_judged() -> None:
    assert probation_rows(1000) == 150
    assert probation_rows(10_000) == 750
    assert score(at(149, 500)) == score(at(500))
    assert score(at(150, 500)) < score(at(500))


def test_a_window_in_the_probationary_period_does_not_count() -> None:
    series = at(500, windows=((100, 120), WINDOW))
    assert score(series) == pytest.approx(100.0)


def test_the_sweep_finds_the_best_threshold_and_takes_ties_together() -> None:
    scores = np.zeros(ROWS)
    scores[500], scores[300], scores[560] = 0.9, 0.8, 0.8
    best = sweep([Scored(scores, (WINDOW,))], STANDARD)
    assert best == (0.9, pytest.approx(100.0))
    scores[500] = 0.8  # now the false alarm cannot be had without it
    threshold, found = sweep([Scored(scores, (WINDOW,))], STANDARD)
    assert (threshold, found) == (0.8, pytest.approx(100 * (2 - 0.11) / 2))


def test_a_detector_that_is_only_wrong_is_best_silent() -> None:
    assert sweep([at(200, 300, 400)], STANDARD) == (np.inf, 0.0)


def test_the_threshold_of_a_half_comes_from_the_other() -> None:
    low, high = at(500, score=0.6), at(500, score=0.9)
    assert two_fold([[low], [high]], STANDARD) == pytest.approx(50.0)  # 0.9 misses the first half's window
    assert two_fold([[high], [high]], STANDARD) == pytest.approx(100.0)


def test_weights_before_in_and_behind_windows() -> None:
    made = weights(ROWS, (WINDOW, (700, 749)))
    assert made[0] == made[499] == -1.0
    assert made[500] == pytest.approx(1.0)
    assert (np.diff(made[500:600]) < 0).all()
    assert -1.0 < made[650] < 0.0
    assert made[700] == pytest.approx(1.0)
    assert weights(10, ((4, 4),))[5] == -1.0


def test_windows_are_runs() -> None:
    assert windows_of(np.array([1, 1, 0, 0, 1, 0, 1], dtype=bool)) == ((0, 1), (4, 4), (6, 6))
    assert windows_of(np.zeros(3, dtype=bool)) == ()
