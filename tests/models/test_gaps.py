from __future__ import annotations

import numpy as np
import pytest

from models import gaps
from models.frames import check_series
from models.gaps import flag_outages
from tests.models.frames_of import cycle, demand, long_frame


def flags(y: list[float]) -> list[int]:
    return np.flatnonzero(flag_outages(check_series(long_frame({"a": y}), "1h"))[0]).tolist()


def with_zeros(y: list[float], first: int, count: int) -> list[float]:
    return y[:first] + [0.0] * count + y[first + count :]


def test_a_run_of_zeros_in_busy_hours_is_an_outage() -> None:
    assert flags(with_zeros(demand(6), 100, 4)) == [100, 101, 102, 103]


def test_two_zeros_are_not() -> None:
    assert flags(with_zeros(demand(10), 200, 2)) == []
    assert flags(with_zeros(demand(10), 200, 3)) == [200, 201, 202]


def test_a_service_that_sleeps_every_night_has_no_outage() -> None:
    assert flags(cycle([0.0] * 8 + [50.0] * 16, 10)) == []


def test_an_outage_that_runs_into_the_night_ends_where_the_night_begins() -> None:
    y = cycle([0.0] * 8 + [50.0] * 16, 10)
    flagged = flags(with_zeros(y, 24 * 8 + 14, 10))
    assert flagged[0] == 24 * 8 + 14


def test_an_intermittent_client_has_no_outage() -> None:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(24 * 20) < 0.7, 0.0, rng.gamma(1.0, 50.0, 24 * 20))
    assert flags(list(y)) == []


def test_a_service_switched_off_for_good_is_believed_within_days() -> None:
    y = demand(10) + [0.0] * 24 * 8
    flagged = flags(y)
    assert flagged[:24] == list(range(240, 264))
    assert max(flagged) < 240 + 24 * 4


def test_no_history_no_outage() -> None:
    assert flags([0.0] * 12 + demand(3)) == []
    assert flags([0.0] * 48) == []


def test_a_flag_does_not_depend_on_what_comes_later() -> None:
    y = with_zeros(demand(8), 100, 5)
    early = flags(y[:110])
    assert early == flags(y) == flags(y[:110] + [0.0] * 3 + y[113:])[:5]


def test_many_series_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = check_series(
        long_frame({name: with_zeros(demand(6), 90 + i, 4) for i, name in enumerate("abc")}), "1h"
    )
    whole = flag_outages(panel)
    monkeypatch.setattr(gaps, "CHUNK_CELLS", 200)
    np.testing.assert_array_equal(flag_outages(panel), whole)
    assert whole.any(axis=1).all()
