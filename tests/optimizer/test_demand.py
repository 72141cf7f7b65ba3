"""Demand: slots against plain loops, weights that keep the unit, intervals against a second-by-second sum."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.demand import (
    HISTORY_DAYS,
    demand_series,
    forecast_demand,
    mean_tokens,
    over_intervals,
    slot_length,
    standard_requests,
)
from tests.optimizer.worlds import AS_OF, history

COUNTS = st.one_of(st.none(), st.floats(0, 1e4))
LEVELS = (0.1, 0.5, 0.99)


def by_hand(rows: pd.DataFrame, as_of: datetime, slot_s: float) -> dict[int, float]:
    """Mean rate per slot, counted backwards from as-of, by a plain loop over rows."""
    requests: dict[int, float] = {}
    seconds: dict[int, float] = {}
    for row in rows.itertuples():
        before = (as_of - row.ts).total_seconds()
        if before >= HISTORY_DAYS * 86400 or np.isnan(row.requests):
            continue
        slot = int(-(-before // slot_s)) - 1  # the slot (end - (k+1) s, end - k s] of the interval's start
        requests[slot] = requests.get(slot, 0.0) + row.requests
        seconds[slot] = seconds.get(slot, 0.0) + row.interval_s
    return {slot: requests[slot] / seconds[slot] for slot in requests}


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(COUNTS, min_size=1, max_size=60),
    interval_s=st.sampled_from([60, 120, 300, 420, 600, 900, 3600]),
    late_s=st.integers(0, 5000),
)
def test_every_row_is_counted_in_exactly_one_slot_for_any_as_of(
    requests: list[float | None], interval_s: int, late_s: int
) -> None:
    rows = history([np.nan if r is None else r for r in requests], interval_s=interval_s)
    as_of = AS_OF + timedelta(seconds=late_s)
    series = demand_series(rows, rows["requests"], as_of)
    slot = slot_length(interval_s)
    assert slot >= pd.Timedelta(minutes=10)
    assert slot % pd.Timedelta(seconds=interval_s) == pd.Timedelta(0)
    assert series["ds"].iloc[-1] + slot == pd.Timestamp(as_of)
    assert (series["ds"].diff().dropna() == slot).all()
    expected = by_hand(rows, as_of, slot.total_seconds())
    found = {len(series) - 1 - k: y for k, y in enumerate(series["y"]) if not np.isnan(y)}
    assert found == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.floats(0, 1e5), min_size=2, max_size=50))
def test_requests_are_neither_lost_nor_counted_twice(counts: list[float]) -> None:
    rows = history(counts, interval_s=60, end=AS_OF)
    series = demand_series(rows, rows["requests"], AS_OF)
    per_slot = 600 // 60
    padded = [np.nan] * (-len(counts) % per_slot) + counts
    seconds = np.isfinite(np.array(padded).reshape(-1, per_slot)).sum(axis=1) * 60.0
    assert (series["y"].iloc[-len(seconds) :] * seconds).sum() == pytest.approx(sum(counts))


def test_rows_older_than_the_window_are_dropped() -> None:
    old = history([999.0], end=AS_OF - timedelta(days=HISTORY_DAYS))
    rows = pd.concat([old, history([6.0, 12.0])], ignore_index=True)
    series = demand_series(rows, rows["requests"], AS_OF)
    assert series["y"].tolist() == pytest.approx([0.01, 0.02])


def test_a_gap_at_the_end_stays_a_gap_and_the_grid_still_ends_at_as_of() -> None:
    rows = history([6.0, 6.0], end=AS_OF - timedelta(minutes=30))
    series = demand_series(rows, rows["requests"], AS_OF)
    assert series["y"].isna().tolist() == [False, False, True, True, True]
    assert series["ds"].iloc[-1] == pd.Timestamp(AS_OF) - pd.Timedelta(minutes=10)


def test_a_single_interval_is_forecast_from_as_of_on() -> None:
    rows = history([60.0])
    made = forecast_demand(
        [demand_series(rows, rows["requests"], AS_OF)], horizon=pd.Timedelta("1h"), levels=LEVELS
    )
    assert made["ds"].iloc[0] == pd.Timestamp(AS_OF)
    assert len(made) == 6
    assert made["q0.5"].tolist() == pytest.approx([0.1] * 6)


def test_sources_with_intervals_of_different_length_keep_the_rate() -> None:
    hourly = history([3600.0] * 4, interval_s=3600, end=AS_OF - timedelta(hours=2))
    minutes = history([60.0] * 120, interval_s=60)
    rows = pd.concat([hourly, minutes], ignore_index=True)
    series = demand_series(rows, rows["requests"], AS_OF)
    assert series["y"].tolist() == pytest.approx([1.0] * 6)
    assert series["ds"].diff().iloc[1] == pd.Timedelta(hours=1)


def test_workloads_with_different_slots_are_forecast_each_on_its_own() -> None:
    fine, coarse = history([600.0] * 12, "fine"), history([7200.0] * 4, "coarse", interval_s=3600)
    series = [demand_series(rows, rows["requests"], AS_OF) for rows in (fine, coarse)]
    made = forecast_demand(series, horizon=pd.Timedelta("90min"), levels=LEVELS)
    told = made.groupby("unique_id").agg(rows=("ds", "size"), slot=("slot_s", "first"), rate=("q0.5", "mean"))
    assert told.loc["fine"].tolist() == pytest.approx([9, 600.0, 1.0])
    assert told.loc["coarse"].tolist() == pytest.approx([2, 3600.0, 2.0])
    assert (made.groupby("unique_id")["ds"].min() == pd.Timestamp(AS_OF)).all()


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 500), st.floats(1, 4000), st.floats(1, 2000)), min_size=1, max_size=40
    ),
    prefill=st.floats(10, 1e5),
    decode=st.floats(10, 1e5),
)
def test_weights_are_one_on_average(
    rows: list[tuple[int, float, float]], prefill: float, decode: float
) -> None:
    count, prompt, output = zip(*rows, strict=True)
    totals = (
        [c * p for c, p in zip(count, prompt, strict=True)],
        [c * o for c, o in zip(count, output, strict=True)],
    )
    frame = history([float(c) for c in count], tokens=totals)
    assert standard_requests(frame, prefill, decode).sum() == pytest.approx(sum(count))


def test_heavier_requests_count_for_more_and_gaps_stay_gaps() -> None:
    frame = history([10.0, 10.0, np.nan], tokens=([1000.0, 3000.0, np.nan], [0.0, 0.0, np.nan]))
    assert standard_requests(frame, 100.0, 10.0).tolist() == pytest.approx([5.0, 15.0, np.nan], nan_ok=True)


def test_a_gap_is_a_gap_even_if_something_was_counted_in_it() -> None:
    frame = history([10.0, 10.0], tokens=([100.0, 100.0], [10.0, 10.0])).assign(is_gap=[False, True])
    assert np.isnan(standard_requests(frame, 100.0, 10.0).iloc[1])


def test_without_token_counts_a_request_is_a_request() -> None:
    frame = history([10.0, 20.0])
    assert mean_tokens(frame) is None
    assert standard_requests(frame, 100.0, 10.0).tolist() == [10.0, 20.0]


def test_an_interval_without_tokens_counts_its_requests() -> None:
    frame = history([10.0, 20.0], tokens=([1000.0, np.nan], [100.0, np.nan]))
    assert standard_requests(frame, 100.0, 10.0).tolist() == pytest.approx([10.0, 20.0])


def test_mean_tokens_are_per_request_of_the_last_week() -> None:
    old = history([1000.0], end=AS_OF - timedelta(days=8), tokens=([9e9], [9e9]))
    frame = pd.concat([old, history([1.0, 3.0], tokens=([10.0, 50.0], [4.0, 4.0]))], ignore_index=True)
    tokens = mean_tokens(frame)
    assert tokens is not None
    assert (tokens.prompt, tokens.output) == (15.0, 2.0)


@st.composite
def forecast_rows(draw: st.DrawFn) -> pd.DataFrame:
    slot_s = draw(st.sampled_from([60, 90, 600]))
    rates = draw(st.lists(st.floats(0, 50), min_size=1, max_size=8))
    ds = [AS_OF + timedelta(seconds=slot_s * k) for k in range(len(rates))]
    return pd.DataFrame(
        {"ds": pd.Series(ds, dtype="datetime64[us, UTC]"), "q0.5": rates, "slot_s": float(slot_s)}
    )


@settings(max_examples=40, deadline=None)
@given(
    rows=forecast_rows(),
    starts=st.lists(st.integers(-700, 3000), min_size=1, max_size=3),
    length=st.integers(1, 900),
)
def test_intervals_agree_with_a_count_of_every_second(
    rows: pd.DataFrame, starts: list[int], length: int
) -> None:
    slot = int(rows["slot_s"].iloc[0])
    per_second = np.repeat(rows["q0.5"].to_numpy(), slot)
    begin = pd.DatetimeIndex([AS_OF + timedelta(seconds=s) for s in starts])
    stops = begin + pd.Timedelta(seconds=length)
    total = over_intervals(rows, begin, stops, "q0.5", how="total")
    highest = over_intervals(rows, begin, stops, "q0.5", how="max")
    for k, start in enumerate(starts):
        inside = per_second[max(start, 0) : max(start + length, 0)]
        assert total[k] == pytest.approx(inside.sum(), rel=1e-9, abs=1e-9)
        assert highest[k] == pytest.approx(inside.max(initial=0.0))


def test_intervals_may_differ_in_length() -> None:
    rows = pd.DataFrame({"ds": [pd.Timestamp(AS_OF)], "q0.5": [2.0], "slot_s": [3600.0]})
    begin = pd.DatetimeIndex([AS_OF, AS_OF + timedelta(minutes=40)])
    stops = pd.DatetimeIndex([AS_OF + timedelta(minutes=40), AS_OF + timedelta(minutes=60)])
    assert over_intervals(rows, begin, stops, "q0.5", how="total").tolist() == [4800.0, 2400.0]
