"""Longer intervals at the beginning of a history are read as what they are."""

from __future__ import annotations

import numpy as np
import pytest

from data.intervals import LEAST_ROWS, own_intervals


def starts(*parts: tuple[int, int]) -> np.ndarray:
    """Rows of stretches: so many intervals of so many minutes, one after another."""
    lengths = [length for count, length in parts for _ in range(count)]
    return np.cumsum([0, *lengths[:-1]])


def test_each_stretch_has_its_own_interval() -> None:
    found = own_intervals(starts((30, 60), (40, 10), (50, 1)), 1, 60)
    assert found.tolist() == [60] * 30 + [10] * 40 + [1] * 50


@pytest.mark.parametrize(
    "rows",
    [
        starts((LEAST_ROWS - 1, 60), (50, 1)),  # too few to tell
        starts((30, 7), (1, 13), (50, 1)),  # something else comes between
        starts((30, 90), (50, 1)),  # longer than an interval may be
        starts((80, 1)),
        starts((50, 1), (30, 60)),  # outages, or a source that counts less often: unknown, not an hour
        starts((1, 1)),
        starts(),
    ],
)
def test_all_else_is_of_the_usual_interval(rows: np.ndarray) -> None:
    assert set(own_intervals(rows, 1, 60).tolist()) <= {1}


def test_what_is_no_multiple_of_the_usual_interval_is_not_taken_for_one() -> None:
    assert set(own_intervals(starts((30, 15), (50, 10)), 10, 60).tolist()) == {10}
