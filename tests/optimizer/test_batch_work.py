"""Work with a deadline on a typical day: which blocks, how much, and where it may not move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.batch_work import as_work, turn_of
from optimizer.formulate import Need, Shift
from tests.optimizer.worlds import batch, catalogue, option

MORNING = datetime(2026, 5, 12, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("as_of_h", "left_h", "blocks", "share"),
    [
        (3, 21, (1, 2, 3), 1.0),
        (0, 24, (0, 1, 2, 3), 1.0),
        (3, 27, (1, 2, 3, 0), 1.0),
        (3, 51, (1, 2, 3, 0), 0.5),  # 48 hours from the first whole block on
        (18, 12, (3, 0), 1.0),  # through midnight
        (23, 13, (0, 1), 1.0),
        (3, 2, (0,), 1.0),  # no whole block left: now
        (3, 8.9, (1,), 1.0),  # 5.9 hours of the next block, 3 of this one
        (0, 4, (0,), 1.0),
        (3, 9, (1,), 1.0),
    ],
)
def test_whole_blocks_until_the_deadline_in_the_order_of_time(
    as_of_h: int, left_h: float, blocks: tuple[int, ...], share: float
) -> None:
    as_of = MORNING.replace(hour=as_of_h)
    turn = turn_of(batch(work_units=100.0, deadline=as_of + timedelta(hours=left_h)), as_of, 4)
    assert turn.blocks == blocks
    assert turn.units == pytest.approx(100.0 * share)


def need(left_h: float, **keys: object) -> Need:
    w = batch(work_units=3600.0 * 12, deadline=MORNING + timedelta(hours=left_h), **keys)
    return Need(w, catalogue(option("a")), np.ones(4))


def test_work_in_one_piece_shifts() -> None:
    shifted = as_work(need(21), MORNING)
    assert shifted.shift == Shift(12.0, 1, 3)
    assert shifted.demand.tolist() == [0.0] * 4


def test_the_whole_day_shifts_whenever_it_begins() -> None:
    assert as_work(need(27), MORNING).shift == Shift(12.0, 0, 3)


def test_work_through_midnight_shifts_from_the_evening_to_the_morning() -> None:
    through = as_work(need(27), MORNING.replace(hour=18))  # 06:00 on the next day
    assert through.shift == Shift(12.0, 3, 0)
    assert through.demand.tolist() == [0.0] * 4


def test_work_from_origins_keeps_an_even_rate() -> None:
    sent = as_work(need(21, origins={"DE": 1.0}), MORNING)
    assert (sent.shift, sent.demand.tolist()) == (None, [0.0] + [12 / 18] * 3)


@pytest.mark.parametrize(
    ("as_of_h", "left_h", "hours"), [(3, 2, 2.0), (3, 4, 3.0), (3, 8.9, 5.9), (0, 4, 4.0), (3, 9, 6.0)]
)
def test_a_deadline_inside_a_block_asks_for_the_work_by_then(
    as_of_h: int, left_h: float, hours: float
) -> None:
    as_of = MORNING.replace(hour=as_of_h)
    due = batch(work_units=3600.0 * 12, deadline=as_of + timedelta(hours=left_h))
    turn = turn_of(due, as_of, 4)
    assert turn.hours == pytest.approx(hours)
    assert turn.rate == pytest.approx(12 / hours)
    found = as_work(Need(due, catalogue(option("a")), np.ones(4)), as_of)
    assert (found.shift is None) == (hours < 6)
    assert found.demand.max() == pytest.approx(12 / hours if hours < 6 else 0.0)


def test_a_deadline_that_is_all_but_here_asks_for_a_minute() -> None:
    due = batch(work_units=60.0, deadline=MORNING + timedelta(seconds=1))
    assert turn_of(due, MORNING, 4).rate == pytest.approx(1.0)
