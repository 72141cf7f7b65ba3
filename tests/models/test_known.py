"""What is known beforehand: events, holidays and launches, and that without them nothing changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.frames import FloatArray, FrameError, check_series
from models.known import WIDER, Event, Known, Launch, of_series, ordinary
from models.ladder import forecast

MONDAY = pd.Timestamp("2026-04-06", tz="UTC")  # Easter Monday in Germany
GERMAN = frozenset({pd.Timestamp(2026, 4, 3), pd.Timestamp(2026, 4, 6)})
JAPANESE = frozenset({pd.Timestamp(2026, 3, 20)})
LEVELS = [0.1, 0.5, 0.9, 0.99]


def frame(y: FloatArray, end: pd.Timestamp, name: str = "a") -> pd.DataFrame:
    ds = end - pd.to_timedelta(np.arange(y.size, 0, -1), unit="h")
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": y})


def office(end: pd.Timestamp, days: int = 16, weekend: float = 0.3) -> pd.DataFrame:
    """Hours of a service that people use from 8 to 18 on working days, in the time zone UTC."""
    made = frame(np.ones(24 * days), end)
    hour, weekday = made["ds"].dt.hour, made["ds"].dt.day_of_week
    busy = 10 + 90 * hour.between(8, 17)
    noise = np.random.default_rng(3).normal(1, 0.02, len(made))
    return made.assign(y=busy * np.where(weekday >= 5, weekend, 1.0) * noise)


def run(series: pd.DataFrame, steps: int = 24, **known: Known) -> pd.DataFrame:
    made = forecast(series, freq="1h", horizon_steps=steps, levels=LEVELS, known=known)
    return made.set_index("ds")


def test_an_event_to_come_multiplies_the_forecast_and_widens_it() -> None:
    series = office(MONDAY)
    plain = run(series)
    start = MONDAY + pd.Timedelta(9, unit="h")
    event = Event(start, start + pd.Timedelta(3, unit="h"), 2.0)
    made = run(series, a=Known(events=(event,)))
    inside = (plain.index >= event.start) & (plain.index < event.end)
    assert inside.sum() == 3
    pd.testing.assert_frame_equal(made[~inside], plain[~inside])
    np.testing.assert_allclose(made["q0.5"][inside], 2 * plain["q0.5"][inside])
    above = plain["q0.99"] - plain["q0.5"]
    np.testing.assert_allclose((made["q0.99"] - made["q0.5"])[inside], 2 * WIDER * above[inside])


def test_a_service_that_is_closed_has_no_demand() -> None:
    event = Event(MONDAY, MONDAY + pd.Timedelta(1, unit="D"), 0.0)
    assert (run(office(MONDAY), a=Known(events=(event,)))[["q0.5", "q0.99"]] == 0).all(axis=None)


def test_a_past_event_is_divided_out_of_the_history() -> None:
    series = office(MONDAY)
    begin, end = MONDAY - pd.Timedelta(3, unit="D"), MONDAY - pd.Timedelta(2, unit="D")
    during = (series["ds"] >= begin) & (series["ds"] < end)
    swollen = series.assign(y=series["y"].where(~during, 5 * series["y"]))
    made = run(swollen, a=Known(events=(Event(begin, end, 5.0),)))
    # Only the highest value a quantile may take knows of the event.
    pd.testing.assert_frame_equal(made, run(series))


def test_a_past_event_without_demand_is_a_gap() -> None:
    event = Event(MONDAY - pd.Timedelta(1, unit="D"), MONDAY, 0.0)
    panel = check_series(office(MONDAY), "1h")
    cleaned = ordinary(panel, of_series(panel, {"a": Known(events=(event,))}))
    assert np.isnan(cleaned.y[0, -24:]).all()
    assert np.isfinite(cleaned.y[0, :-24]).all()


def test_a_holiday_is_forecast_as_a_sunday() -> None:
    series = office(MONDAY)
    noon = MONDAY + pd.Timedelta(12, unit="h")
    plain, made = run(series), run(series, a=Known(holidays=GERMAN))
    assert made.loc[noon, "q0.5"] == pytest.approx(0.3 * plain.loc[noon, "q0.5"], rel=0.1)
    other = run(series, a=Known(holidays=frozenset({pd.Timestamp(2026, 2, 16)})))  # an ordinary Monday there
    pd.testing.assert_frame_equal(other, plain)


def test_a_service_that_does_not_follow_the_week_only_gets_a_wider_band() -> None:
    series = office(MONDAY, weekend=1.0)
    plain, made = run(series), run(series, a=Known(holidays=GERMAN))
    np.testing.assert_allclose(made["q0.5"], plain["q0.5"])
    assert (made["q0.99"] > plain["q0.99"]).all()


def test_a_past_holiday_does_not_make_the_next_one_like_it_quiet() -> None:
    """A week after the spring equinox, a Friday, in Japan: the working day is forecast as one."""
    friday = pd.Timestamp("2026-03-20", tz="UTC")
    end = friday + pd.Timedelta(7, unit="D")
    series = office(end)
    quiet = series.assign(y=series["y"].where(series["ds"].dt.normalize() != friday, 0.3 * series["y"]))
    noon = end + pd.Timedelta(12, unit="h")
    full, naive, told = run(series), run(quiet), run(quiet, a=Known(holidays=JAPANESE))
    off = [abs(made.loc[noon, "q0.5"] - full.loc[noon, "q0.5"]) for made in (naive, told)]
    assert off[1] < off[0]


def test_midnight_is_that_of_the_zone() -> None:
    series = office(MONDAY - pd.Timedelta(3, unit="h"))
    made = run(series, steps=27, a=Known(zone="Europe/Berlin", holidays=GERMAN))
    plain = run(series, steps=27, a=Known(zone="Europe/Berlin"))
    quieter = made.index[made["q0.5"] < 0.6 * plain["q0.5"]]
    assert quieter.min() == pd.Timestamp("2026-04-05T22:00Z")
    assert quieter.max() == pd.Timestamp("2026-04-06T21:00Z")


def young(hours: int) -> pd.DataFrame:
    """A series that began some hours ago at 3 a step, beside one with weeks of history."""
    y = np.where(np.arange(48) < 48 - hours, np.nan, 3.0)
    return pd.concat([frame(y, MONDAY, "new"), office(MONDAY, days=4).assign(unique_id="old")])


def test_a_launch_is_expected_in_the_shape_of_its_like() -> None:
    made = run(young(0), new=Known(launch=Launch(10.0, "old")))
    new, old = (made[made["unique_id"] == name] for name in ("new", "old"))
    assert (new["model"] == "expected").all()
    assert np.corrcoef(new["q0.5"], old["q0.5"])[0, 1] > 0.8
    assert 5 < new["q0.5"].mean() < 15
    twice = run(young(0), new=Known(launch=Launch(20.0, "old")))
    np.testing.assert_allclose(twice.loc[twice["unique_id"] == "new", LEVEL], 2 * new[LEVEL])


LEVEL = ["q0.1", "q0.5", "q0.9", "q0.99"]


def test_what_is_seen_takes_over_within_a_day() -> None:
    launch = {"new": Known(launch=Launch(100.0))}
    medians = []
    for hours in (0, 6, 12, 18, 24):
        made = run(young(hours), **launch)
        medians.append(made.loc[made["unique_id"] == "new", "q0.5"].mean())
    assert medians == sorted(medians, reverse=True)
    assert medians[-1] == pytest.approx(3.0)
    without = run(young(24))
    pd.testing.assert_frame_equal(run(young(24), **launch), without)


def test_nothing_at_all_is_known_of_spread() -> None:
    """By hand: a mean of 10, the assumed spread, half as far out again above the median."""
    empty = frame(np.full(48, np.nan), MONDAY)
    made = run(empty, a=Known(launch=Launch(10.0))).iloc[0]
    assert made["q0.5"] == pytest.approx(10.0)
    assert made["q0.9"] == pytest.approx(10 * 1.5 * np.exp(0.5 * 1.2815515655))
    with pytest.raises(FrameError, match="no observation"):
        run(empty)
