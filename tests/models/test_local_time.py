"""Wall clocks: demand that follows local time keeps its hour through a change of the clocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.frames import Panel, check_series
from models.local_time import walls
from models.seasonal import SameSlot
from tests.models.frames_of import long_frame

BERLIN = "Europe/Berlin"


def by_wall_clock(start: str, hours: int, zone: str = BERLIN) -> Panel:
    """Demand is the local hour: whoever knows the wall clock forecasts it exactly."""
    ds = pd.date_range(start, periods=hours, freq="h", tz="UTC").as_unit("us")
    y = ds.tz_convert(zone).hour.to_numpy(dtype=float)
    return check_series(pd.DataFrame({"unique_id": "a", "ds": ds, "y": y}), "1h")


def forecast(panel: Panel, zone: str, steps: int) -> np.ndarray:
    (wall,) = walls(panel, [zone], steps)
    levels = np.array([0.5])
    return wall.in_utc(SameSlot(reach=pd.Timedelta(0)).quantiles(wall.panel, wall.horizon_steps, levels))[
        0, :, 0
    ]


@pytest.mark.parametrize(
    ("start", "hours", "why"),
    [
        ("2026-03-20T00:00:00Z", 24 * 12, "the spring change lies in the past"),
        ("2026-03-20T00:00:00Z", 24 * 8 + 20, "it lies in the horizon"),
        ("2026-10-15T00:00:00Z", 24 * 12, "the autumn change lies in the past"),
        ("2026-10-15T00:00:00Z", 24 * 9 + 20, "it lies in the horizon"),
        ("2026-10-15T00:00:00Z", 24 * 10 + 1, "the repeated hour is the next one"),
        ("2026-06-01T00:00:00Z", 24 * 9, "there is none"),
    ],
)
def test_the_hour_on_the_wall_is_forecast_exactly(start: str, hours: int, why: str) -> None:
    panel = by_wall_clock(start, hours)
    truth = by_wall_clock(start, hours + 48).y[0, -48:]
    made = forecast(panel, BERLIN, 48)
    # Neighbouring slots take part in the empirical median, so it may be off by an hour, never by the clock.
    errors = np.abs(made - truth)
    assert np.median(errors) == 0, why
    assert (errors <= 1.0).mean() >= 0.9, why


def test_utc_is_left_as_it_is() -> None:
    panel = by_wall_clock("2026-03-20T00:00:00Z", 24 * 12, "UTC")
    (wall,) = walls(panel, ["UTC"], 24)
    np.testing.assert_array_equal(wall.panel.y, panel.y)
    np.testing.assert_array_equal(wall.steps, np.arange(1, 25))
    assert wall.panel.end.equals(panel.end)


def test_the_hour_that_is_skipped_is_a_gap_and_the_one_that_repeats_a_mean() -> None:
    spring = by_wall_clock("2026-03-28T22:00:00Z", 8)  # 23:00, 0:00, 1:00, then 3:00
    (wall,) = walls(spring, [BERLIN], 1)
    np.testing.assert_array_equal(wall.panel.y[0], [23, 0, 1, np.nan, 3, 4, 5, 6, 7])
    ds = pd.date_range("2026-10-24T23:00:00Z", periods=4, freq="h").as_unit("us")  # 1:00, 2:00, 2:00, 3:00
    autumn = check_series(pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0, 4.0, 8.0]}), "1h")
    (wall,) = walls(autumn, [BERLIN], 1)
    assert wall.panel.y[0][np.isfinite(wall.panel.y[0])].tolist() == [1.0, 3.0, 8.0]


def test_every_series_comes_back_once_whatever_its_zone_and_end() -> None:
    frame = pd.concat([long_frame({"a": [1.0] * 60, "b": [2.0] * 60}), long_frame({"c": [3.0] * 48})])
    panel = check_series(frame, "1h")
    zones = [BERLIN, "America/New_York", BERLIN]
    parts = list(walls(panel, zones, 5))
    assert sorted(int(row) for part in parts for row in part.rows) == [0, 1, 2]
    for part in parts:
        assert part.in_utc(np.zeros((len(part.rows), part.horizon_steps, 2))).shape == (len(part.rows), 5, 2)


def test_days_know_no_clock() -> None:
    panel = check_series(long_frame({"a": [float(v) for v in range(40)]}, "1D"), "1D")
    (wall,) = walls(panel, [BERLIN], 30)
    np.testing.assert_array_equal(wall.panel.y, panel.y)
    np.testing.assert_array_equal(wall.steps, np.arange(1, 31))
