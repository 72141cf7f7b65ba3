from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from optimizer.report import view
from optimizer.report.data import ReportData
from tests.optimizer.report.sample import AS_OF, CAPACITY, RECOMMENDATIONS, SPEND, frame, nothing, sample

NOW = pd.Timestamp(AS_OF)


def with_demand(
    history: list[tuple[str, float]], forecast: list[tuple[str, float, float]] = ()
) -> ReportData:  # type: ignore[assignment]
    """History as (time, value); forecasts as (time, q0.9, actual)."""
    origin = NOW
    return replace(
        nothing(),
        history=frame("history", [("w", pd.Timestamp(ts, tz="UTC"), value) for ts, value in history]),
        forecasts=frame(
            "forecasts",
            [
                ("w", pd.Timestamp(ts, tz="UTC"), q90 / 2, q90 / 1.5, q90, q90 * 2, actual, origin, "m")
                for ts, q90, actual in forecast
            ],
        ),
    )


def test_recommendations_are_ranked_and_the_unknown_come_last() -> None:
    assert [each.id for each in sorted(RECOMMENDATIONS, key=view.by_saving)] == ["r-1", "r-2", "r-3", "r-4"]


def test_the_month_that_is_not_over_is_not_compared() -> None:
    assert view.months(sample()) == ("2026-04", "2026-03")
    only = replace(sample(), spend=frame("spend", [row for row in SPEND if row[0] == "2026-05"]))
    assert view.months(only) == ("2026-05", None)
    assert view.months(nothing()) == (None, None)


@pytest.mark.parametrize("by", ["provider", "service", "team"])
def test_spend_adds_up_to_the_bill_whatever_the_grouping(by: str) -> None:
    rows, total = view.spend_rows(sample(), by), view.spend_total(sample())
    bill = math.fsum(float(row[4]) for row in SPEND if row[0] == "2026-04")  # type: ignore[arg-type]
    assert total.billed == pytest.approx(bill)
    assert sum(row.billed for row in rows) == pytest.approx(bill)
    assert sum(row.before for row in rows) == pytest.approx(total.before)
    assert total.change_share == pytest.approx(0.12)


def test_a_long_tail_is_one_row_and_nothing_is_lost() -> None:
    many = [("2026-04", "p", f"s{number:03}", "t", float(number), 1.0) for number in range(1, 41)]
    rows = view.spend_rows(replace(sample(), spend=frame("spend", many)), "service")
    assert (len(rows), rows[-1].name) == (13, "28 others")
    assert sum(row.billed for row in rows) == sum(range(1, 41))


def test_a_service_that_ended_is_shown_and_a_missing_cost_is_not_zero() -> None:
    rows = [
        ("2026-03", "p", "ended", "t", 10.0, 10.0), ("2026-04", "p", "unpriced", "t", math.nan, math.nan),
        ("2026-04", "p", "new", None, 5.0, 5.0),
    ]  # fmt: skip
    shown = {
        row.name: row for row in view.spend_rows(replace(sample(), spend=frame("spend", rows)), "service")
    }
    assert shown["ended"].before == 10.0
    assert math.isnan(shown["ended"].billed)
    assert math.isnan(shown["unpriced"].billed)
    assert math.isnan(shown["new"].change_share)


def test_what_came_true_counts_known_points_only() -> None:
    hours = [f"2026-05-12T{hour:02}:00" for hour in range(3, 8)]
    data = with_demand([], list(zip(hours, [10.0] * 5, [9.0, 11.0, 21.0, math.nan, 10.0], strict=True)))
    (outcome,) = view.outcomes(data)
    assert (outcome.known, outcome.at_or_below_q90, outcome.at_or_below_q99) == (4, 0.5, 0.75)
    assert (outcome.peak, outcome.peak_at) == (20.0, pd.Timestamp(hours[0], tz="UTC"))


def test_a_missing_interval_is_a_gap_even_where_no_row_says_so() -> None:
    hours = [0, 1, 2, 6, 7, 8, 9]
    data = with_demand([(f"2026-05-11T{hour:02}:00", 1.0) for hour in hours])
    data = replace(data, as_of=pd.Timestamp("2026-05-11T12:00Z").to_pydatetime())
    window = view.demand_window(data, "w")
    assert [ds.hour for ds in window.loc[window["is_gap"], "ds"]] == [3, 4, 5, 10, 11]


def test_history_and_forecast_may_have_different_intervals() -> None:
    history = [(f"2026-05-12T02:{minute:02}", 1.0) for minute in range(0, 60, 10)]
    data = with_demand(history, [(f"2026-05-12T{hour:02}:00", 10.0, math.nan) for hour in range(3, 9)])
    window = view.demand_window(data, "w")
    assert not window["is_gap"].any()
    assert window["q0.9"].notna().sum() == 6
    coarse = with_demand(
        [(f"2026-05-12T{hour:02}:00", 1.0) for hour in range(3)],
        [(f"2026-05-12T03:{minute:02}", 10.0, math.nan) for minute in range(60)],
    )
    assert not view.demand_window(coarse, "w")["is_gap"].any()


def test_a_long_window_keeps_its_extremes() -> None:
    minutes = pd.date_range("2026-05-10", periods=4000, freq="min", tz="UTC")
    data = with_demand([(str(ts.tz_localize(None)), float(at == 1234)) for at, ts in enumerate(minutes)])
    window = view.demand_window(data, "w")
    assert len(window) <= view.MOST_POINTS
    assert window["actual"].max() == 1.0


def test_of_several_forecasts_of_one_hour_the_newest_counts() -> None:
    older = sample().forecasts.assign(origin=NOW - pd.Timedelta(days=9)).assign(**{"q0.9": -1.0})
    data = replace(sample(), forecasts=pd.concat([sample().forecasts, older], ignore_index=True))
    pd.testing.assert_frame_equal(view.demand_window(data, "chat"), view.demand_window(sample(), "chat"))


def test_capacity_adds_up_and_an_unknown_part_makes_the_total_unknown() -> None:
    groups = view.capacity_groups(sample())
    assert [(group.workload, len(group.rows)) for group in groups] == [
        ("chat", 3),
        ("embed", 1),
        ("train", 1),
    ]
    assert view.total(groups).replicas_planned == 19
    unknown = [(*CAPACITY[0][:6], math.nan, *CAPACITY[0][7:]), *CAPACITY[1:]]
    total = view.total(view.capacity_groups(replace(sample(), capacity=frame("capacity", unknown))))
    assert math.isnan(total.replicas_now)
    assert total.replicas_planned == 19


def test_the_busiest_workloads_are_drawn() -> None:
    assert view.charted(sample(), 9) == ["chat", "embed"]
    assert view.charted(sample(), 1) == ["embed"]
