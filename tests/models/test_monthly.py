"""Long-horizon cost: what a history carries, known changes, and bands of months that hold and stay sane."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faults import FrameError
from models.frames import FloatArray
from models.monthly import DRIFT_LIMITS, Paths, Step, simulate

START = pd.Timestamp("2025-01-01", tz="UTC")  # a Wednesday


def days(count: int, start: pd.Timestamp = START) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="D")


def frame(y: FloatArray, name: str = "a", start: pd.Timestamp = START) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": name, "ds": days(len(y), start), "y": y})


def noisy(count: int, seed: int = 0, *, walk: float = 0.0, noise: float = 0.03) -> FloatArray:
    """About 100 a day, weekends at four fifths, a level that wanders by `walk` a day."""
    random = np.random.default_rng(seed)
    level = 100 * np.exp(np.cumsum(random.normal(0, walk, count)))
    week = np.where(days(count).day_of_week >= 5, 0.8, 1.08)
    return np.asarray(level * week * random.lognormal(0, noise, count))


def totals(found: Paths, level: float) -> FloatArray:
    return found.monthly([level])[f"q{level:g}"].to_numpy()


# -- what a history carries ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "name", "has_replays"),
    [
        (1, "mean of few days", False),
        (13, "mean of few days", False),
        (14, "level and weekday", False),
        (55, "level and weekday", True),
        (56, "damped trend and weekday", True),
        (63, "damped trend, weekday, billing cycle", True),
    ],
)
def test_a_longer_history_carries_more(count: int, name: str, has_replays: bool) -> None:
    found = simulate(frame(noisy(count)), horizon_days=40, paths=50)
    assert found.models == (name,)
    assert (found.replayed[0] > 0) == has_replays
    assert np.isfinite(found.draws).all()


def test_no_history_is_told_and_so_is_a_senseless_question() -> None:
    empty = pd.concat([frame(noisy(30)), frame(np.full(5, np.nan), "none")])
    with pytest.raises(FrameError, match=r"series none.*no observation"):
        simulate(empty, horizon_days=5)
    with pytest.raises(FrameError, match="horizon of 0 days"):
        simulate(frame(noisy(30)), horizon_days=0)


def test_a_short_history_is_less_certain_than_a_long_one() -> None:
    widths = []
    for count in (8, 400):
        found = simulate(frame(noisy(400)[-count:], start=START), horizon_days=28)
        widths.append(float((totals(found, 0.9) - totals(found, 0.1)).sum() / totals(found, 0.5).sum()))
    assert widths[0] > 2 * widths[1]


def test_a_constant_stays_what_it_is() -> None:
    found = simulate(frame(np.full(90, 7.0)), horizon_days=60)
    np.testing.assert_allclose(found.draws, 7.0, rtol=1e-9)


def test_the_weekday_pattern_is_kept() -> None:
    found = simulate(frame(noisy(120, noise=0.01)), horizon_days=14)
    weekend = found.expected[0][found.days.day_of_week >= 5].mean()
    assert weekend / found.expected[0].mean() == pytest.approx(0.8, abs=0.02)


def test_what_every_month_brings_comes_again_on_its_day() -> None:
    y = noisy(150, noise=0.01)
    when = days(150)
    y[when.day == 1] += 300
    y[when.day == when.days_in_month] += 150
    y[40] += 500  # once is no cycle
    found = simulate(frame(y), horizon_days=35)  # from May 31
    ahead = pd.Series(found.expected[0], found.days.strftime("%m-%d"))
    assert ahead["05-31"] > 220
    assert ahead["06-01"] > 350
    assert ahead["06-30"] > 220
    assert ahead["07-01"] > 350
    assert ahead.drop(["05-31", "06-01", "06-30", "07-01"]).max() < 130


def test_a_step_is_no_trend_and_a_trend_is_carried_on_but_not_for_ever() -> None:
    stepped = noisy(130, noise=0.01)
    stepped[60:] *= 1.4
    level = stepped[-28:].mean()
    after = simulate(frame(stepped), horizon_days=365).expected[0]
    assert after[-28:].mean() == pytest.approx(level, rel=0.03)
    rising = noisy(130, noise=0.01) * np.linspace(1, 1.5, 130)
    ahead = simulate(frame(rising), horizon_days=365).expected[0]
    assert ahead[30:58].mean() > 1.08 * rising[-28:].mean()
    slopes = np.diff(ahead[:350].reshape(-1, 70).mean(axis=1))
    assert slopes[0] > 1.5 * slopes[-1] > 0


def test_gaps_are_not_zero() -> None:
    y = noisy(120, noise=0.01)
    whole = simulate(frame(y), horizon_days=28).expected[0].sum()
    holes = y.copy()
    holes[np.random.default_rng(1).choice(119, 20, replace=False)] = np.nan
    assert simulate(frame(holes), horizon_days=28).expected[0].sum() == pytest.approx(whole, rel=0.02)


def test_credits_may_be_forecast_only_where_there_were_any() -> None:
    credit = simulate(frame(noisy(90) - 150), horizon_days=28)
    assert np.median(credit.draws.sum(axis=2)) < 0
    wild = simulate(frame(np.abs(np.random.default_rng(0).normal(0, 100, 90))), horizon_days=200)
    assert wild.draws.min() >= 0


def test_series_that_ended_early_begin_their_forecast_with_the_others() -> None:
    found = simulate(pd.concat([frame(noisy(90)), frame(noisy(80), "b")]), horizon_days=7)
    assert found.days[0] == START + pd.Timedelta(90, unit="D")
    assert found.draws.shape == (2, 1000, 7)


# -- known changes ---------------------------------------------------------------------------------


def test_known_changes_move_what_they_say_and_when() -> None:
    history = pd.concat([frame(noisy(90)), frame(noisy(90), "b")])
    day = START + pd.Timedelta(100, unit="D")
    plain = simulate(history, horizon_days=30)
    steps = [
        Step(day, factor=1.5, series="a"),
        Step(day, amount_per_day=10.0, until=day + pd.Timedelta(3, unit="D"), series="a"),
        Step(START, factor=9.0),  # long ago: the history has it
    ]
    found = simulate(history, horizon_days=30, steps=steps)
    np.testing.assert_array_equal(found.of("b"), plain.of("b"))
    np.testing.assert_array_equal(found.of("a")[:, :10], plain.of("a")[:, :10])
    np.testing.assert_allclose(found.of("a")[:, 10:13], 1.5 * plain.of("a")[:, 10:13] + 10)
    np.testing.assert_allclose(found.of("a")[:, 13:], 1.5 * plain.of("a")[:, 13:])


def test_the_effect_of_a_regressor_is_learned() -> None:
    y, when = noisy(120, noise=0.01), days(150)
    sale = pd.DataFrame({"ds": when, "sale": 0.0})
    sale.loc[[20, 21, 55, 56, 90, 91, 125], "sale"] = 1.0
    y[[20, 21, 55, 56, 90, 91]] += 60
    found = simulate(frame(y), horizon_days=30, regressors=sale)
    without = simulate(frame(y), horizon_days=30)
    gained = found.expected[0] - without.expected[0]
    assert gained[5] == pytest.approx(60, abs=8)
    assert np.abs(np.delete(gained, 5)).max() < 8


# -- bands -----------------------------------------------------------------------------------------


def test_a_months_band_is_that_of_its_sum_and_not_the_sum_of_bands() -> None:
    found = simulate(frame(noisy(150, walk=0.01, noise=0.05)), horizon_days=61)
    levels = (0.1, 0.9)
    month = found.days.strftime("%Y-%m")
    inside = month == month[1]  # June: whole
    by_hand = np.quantile(found.draws[0][:, inside].sum(axis=1), levels)
    np.testing.assert_allclose(found.monthly(levels).loc[1, ["q0.1", "q0.9"]].astype(float), by_hand)
    daily = found.daily(levels).loc[inside]
    summed = daily["q0.9"].sum() - daily["q0.1"].sum()
    width = by_hand[1] - by_hand[0]
    as_if_independent = np.sqrt(((daily["q0.9"] - daily["q0.1"]) ** 2).sum())
    assert 1.3 * as_if_independent < width < 0.95 * summed


def test_bands_widen_with_the_horizon() -> None:
    found = simulate(frame(noisy(300, walk=0.01)), horizon_days=365)
    relative = ((totals(found, 0.9) - totals(found, 0.1)) / totals(found, 0.5))[1:-1]
    assert relative[2] > 1.2 * relative[0]
    assert relative[-1] > 1.2 * relative[3]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 120),
    kind=st.sampled_from(["noise", "spikes", "zeros", "signs", "explosion"]),
)
def test_nothing_explodes_and_nothing_crosses(seed: int, count: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    y = random.lognormal(0, 2, count)
    if kind == "spikes":
        y = np.where(random.random(count) < 0.1, 1e6, y)
    elif kind == "zeros":
        y = np.where(random.random(count) < 0.8, 0.0, y)
    elif kind == "signs":
        y = y * random.choice([-1, 1], count)
    elif kind == "explosion":
        y = 2.0 ** np.arange(count)
    found = simulate(frame(y), horizon_days=400, paths=60, seed=seed)
    q = found.monthly([0.05, 0.1, 0.5, 0.9, 0.95])[["q0.05", "q0.1", "q0.5", "q0.9", "q0.95"]].to_numpy()
    assert np.isfinite(found.draws).all()
    assert (np.diff(q, axis=1) >= 0).all()
    most = np.abs(y).max()
    room = 1 + 8 * 30  # the steepest slope, to the end of the longest trend
    assert np.abs(found.draws).max() <= most * (room + DRIFT_LIMITS[1] + 12)


@settings(max_examples=8, deadline=None)
@given(factor=st.floats(1e-3, 1e6), count=st.sampled_from([9, 30, 70]), seed=st.integers(0, 99))
def test_another_unit_of_money_changes_the_unit_and_nothing_else(
    factor: float, count: int, seed: int
) -> None:
    y = noisy(count, seed)
    one, other = (simulate(frame(y * f), horizon_days=60, paths=40) for f in (1.0, factor))
    np.testing.assert_allclose(other.draws, factor * one.draws, rtol=1e-6)


def test_neither_the_order_of_rows_nor_of_series_matters() -> None:
    parts = [frame(noisy(70, seed, noise=0.05), f"s{seed}") for seed in range(3)]
    one = simulate(pd.concat(parts), horizon_days=40, paths=50)
    other = simulate(pd.concat(parts[::-1]).sample(frac=1, random_state=3), horizon_days=40, paths=50)
    np.testing.assert_array_equal(one.draws, other.draws)
    again = simulate(pd.concat(parts), horizon_days=40, paths=50, seed=1)
    assert (again.draws != one.draws).any()


def coverage(count: int, horizon: int, walk: float, worlds: int) -> tuple[float, float, float]:
    """Share of futures below, inside and above the 80 % band of the horizon's sum."""
    below = inside = 0
    for world in range(worlds):
        futures = {f"s{i}": noisy(count + horizon, 1000 * world + i, walk=walk, noise=0.05) for i in range(6)}
        past = pd.concat([frame(y[:count], name) for name, y in futures.items()])
        sums = simulate(past, horizon_days=horizon, paths=400, seed=world).draws.sum(axis=2)
        low, high = np.quantile(sums, [0.1, 0.9], axis=1)
        actual = np.asarray([y[count:].sum() for y in futures.values()])
        below += int((actual < low).sum())
        inside += int(((actual >= low) & (actual <= high)).sum())
    whole = 6 * worlds
    return below / whole, inside / whole, 1 - (below + inside) / whole


@pytest.mark.parametrize(("count", "horizon"), [(76, 20), (120, 31), (120, 120)])
def test_the_band_covers_what_it_says(count: int, horizon: int) -> None:
    """48 futures each; 0.8 is asked for, and errors of one world are as good as independent."""
    below, inside, above = coverage(count, horizon, walk=0.01, worlds=8)
    assert 0.68 <= inside <= 0.98
    assert below <= 0.2
    assert above <= 0.2
