"""The detector: nothing of the future, no unit, no order of rows; bills that go wrong; few alerts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.anomalies import FILE, judge, labelled, load, prepare, trimtab
from models.anomaly import detect, repeated_times
from models.anomaly import judge as judge_series
from models.anomaly_features import nearest
from models.frames import FrameError
from tests.models.billing_shapes import FAULTS, LENGTH, START, Days, bill, frame, leak, level_shift
from tests.models.frames_of import demand, long_frame

MADE = ["score", "is_anomaly"]


def hourly(days: int = 28, seed: int = 0) -> pd.DataFrame:
    return long_frame({"a": demand(days, seed=seed, noise=0.1)})


def scores(series: pd.DataFrame) -> pd.DataFrame:
    return detect(series)[MADE].reset_index(drop=True)


# -- what must always hold -------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    cut=st.integers(1, 400),
    step=st.sampled_from(["5min", "1h", "1D", "7D"]),
    seed=st.integers(0, 99),
    holes=st.booleans(),
)
def test_a_score_uses_nothing_after_its_row(cut: int, step: str, seed: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    whole = long_frame({"a": rng.gamma(2.0, 10.0, 400), "b": np.cumsum(rng.normal(size=400))}, freq=step)
    if holes:  # an irregular grid with gaps and rows at one time
        shift = pd.to_timedelta(rng.integers(0, 40, len(whole)), unit="min")
        whole = whole.assign(ds=whole["ds"] + shift).sort_values(["unique_id", "ds"], ignore_index=True)
        whole = whole.loc[rng.random(len(whole)) < 0.8].reset_index(drop=True)
    numbers = whole.groupby("unique_id").cumcount()
    prefix = whole.loc[numbers < cut]
    pd.testing.assert_frame_equal(scores(prefix), scores(whole).loc[(numbers < cut).to_numpy()]
                                  .reset_index(drop=True), check_exact=True)  # fmt: skip


@pytest.mark.parametrize("change", [lambda y: 8 * y, lambda y: y + 1024, lambda y: -y])
def test_unit_offset_and_sign_do_not_matter(change: Callable[[pd.Series], pd.Series]) -> None:
    series = hourly()
    series = series.assign(y=(series["y"] * 64).round() / 64)  # so that no digit is lost
    pd.testing.assert_frame_equal(scores(series), scores(series.assign(y=change(series["y"]))))


def test_the_order_of_rows_does_not_matter() -> None:
    series = pd.concat([hourly(), hourly(seed=1).assign(unique_id="b")], ignore_index=True)
    mixed = series.sample(frac=1.0, random_state=3)
    made = detect(mixed)
    assert made.index.equals(mixed.index)
    pd.testing.assert_frame_equal(made.sort_index()[MADE], detect(series)[MADE])


def test_series_do_not_influence_each_other() -> None:
    both = pd.concat([hourly(), hourly(seed=1).assign(unique_id="b")], ignore_index=True)
    pd.testing.assert_frame_equal(scores(both).iloc[: 28 * 24], scores(hourly()))


def test_scores_are_shares_and_other_columns_stay() -> None:
    made = detect(hourly().assign(owner="x"))
    assert list(made.columns) == ["unique_id", "ds", "y", "owner", *MADE]
    assert made["score"].between(0, 1).all()
    assert made["is_anomaly"].dtype == bool


# -- poor input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 0.1 + 0.2, 1e90])
def test_a_constant_series_is_silent(value: float) -> None:
    made = scores(long_frame({"a": [value] * 300}))
    assert (made["score"] == 0).all()
    assert not made["is_anomaly"].any()


def test_one_point_and_no_point_are_ordinary() -> None:
    for y in ([4.0], [np.nan], [np.nan] * 50, [1.0, 2.0]):
        made = scores(long_frame({"a": y}))
        assert (made["score"] == 0).all()
        assert not made["is_anomaly"].any()


def test_gaps_are_gaps() -> None:
    series = hourly()
    empty = series.assign(y=series["y"].where(np.arange(len(series)) % 7 != 3))
    made = scores(empty)
    assert (made["score"][empty["y"].isna()] == 0).all()
    kept = scores(empty.dropna())
    np.testing.assert_array_equal(made["score"][empty["y"].notna()], kept["score"])


def test_a_hole_of_a_week_raises_no_alert() -> None:
    series = long_frame({"a": demand(60, noise=0.05)})
    number = np.arange(len(series))
    made = detect(series.loc[(number < 800) | (number >= 968)])
    assert not made["is_anomaly"].iloc[790:850].any()


def test_every_fault_of_a_frame_is_named() -> None:
    series = hourly().astype({"ds": object, "y": object})
    series.loc[3, "y"], series.loc[7, "y"], series.loc[5, "ds"] = "many", np.inf, pd.NaT
    with pytest.raises(FrameError) as caught:
        detect(series)
    assert {(fault.row, fault.column) for fault in caught.value.faults} == {(4, "y"), (8, "y"), (6, "ds")}
    with pytest.raises(FrameError, match="no column y"):
        detect(series.drop(columns="y"))


def test_rows_of_one_time_are_judged_in_the_order_they_stand() -> None:
    series = hourly()
    clock = series.assign(ds=series["ds"].where(series.index < 300, series["ds"] - pd.Timedelta("1h")))
    pd.testing.assert_frame_equal(scores(clock).iloc[:300], scores(series).iloc[:300])
    twice = repeated_times(clock)
    assert twice.tolist() == [300]
    late = pd.concat(
        [clock.drop(index=300), clock.loc[[300]]]
    )  # the same rows; only which comes first differs
    pd.testing.assert_frame_equal(detect(late).sort_index()[MADE], detect(clock)[MADE])


def test_the_nearest_earlier_row_within_a_step() -> None:
    times = np.array([0, 10, 21, 29, 40, 100])
    found = nearest(times, np.full(6, 20), np.full(6, 9))
    assert found.tolist() == [-1, -1, 0, 1, 2, -1]
    assert nearest(times, np.zeros(6, dtype=np.int64), np.full(6, 10)).max() < 5  # never the row itself


# -- what it finds ---------------------------------------------------------------------------------------

MANY, FIRST = 40, 60


def detected(fault: Callable[[Days, int], Days], noise: float = 0.03) -> tuple[float, float]:
    """Share of bills whose fault is found in time, and the median delay in days."""
    places = {str(seed): FIRST + 7 * seed % 45 for seed in range(MANY)}
    series = {name: fault(bill(1000 + int(name), noise=noise), at) for name, at in places.items()}
    made, window = detect(frame(series)), 10 if fault in (level_shift, leak) else 1
    delays = []
    for name, at in places.items():
        alerts = made["is_anomaly"][made["unique_id"].eq(name)].to_numpy()[at : at + window]
        delays.append(float(alerts.argmax()) if alerts.any() else np.inf)
    return float(np.isfinite(delays).mean()), float(np.median(delays))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faults_of_a_bill_are_found(fault: Callable[[Days, int], Days]) -> None:
    recall, delay = detected(fault)
    assert recall >= 0.95
    assert delay <= (3 if fault is leak else 0)


@pytest.mark.parametrize("noise", [0.02, 0.03, 0.05])
def test_a_bill_without_fault_raises_less_than_one_alert_a_month(noise: float) -> None:
    series = {str(seed): bill(5000 + seed, noise=noise) for seed in range(90)}
    alerts = detect(frame(series))["is_anomaly"].sum()
    assert alerts / (len(series) * LENGTH / 30) <= 1.0


def test_a_monthly_charge_is_expected_from_the_second_month_on() -> None:
    days = pd.date_range(START, periods=LENGTH, freq="D")
    for is_charged in (days.day == 1, days.is_month_end):
        y = bill(7, noise=0.02) / np.median(bill(7, noise=0.02)) + np.where(is_charged, 0.6, 0.0)
        alerts = detect(frame({"a": y}))["is_anomaly"].to_numpy()
        first, *later = [day for day in np.flatnonzero(is_charged) if day > 20]  # a history of some weeks
        assert alerts[first]
        assert not alerts[later].any()


def test_a_spike_alerts_once_and_what_repeats_scores_less() -> None:
    y = np.array(demand(28, noise=0.05))
    y[500:506] *= 4
    made = detect(long_frame({"a": y}))
    assert made["is_anomaly"].iloc[500:506].sum() == made["is_anomaly"].iloc[500] == 1
    assert made["score"].iloc[501:506].max() <= 0.5 < made["score"].iloc[500]


def test_the_band_holds_what_is_usual() -> None:
    made = judge_series(frame({"a": bill(4)})).iloc[30:]
    inside = made["y"].between(made["low"], made["high"])
    assert 0.65 <= inside.mean() <= 0.95
    assert (made["low"] <= made["high"]).all()


# -- real series -----------------------------------------------------------------------------------------


def test_labelled_series_score_above_66_at_the_threshold_of_the_other_half(
    shared: Path, tmp_path: Path
) -> None:
    prepare(tmp_path, 25)
    panel = load(tmp_path)
    lost = judge(panel, trimtab(panel))
    assert 100 - lost["lost, standard"] >= 66
    assert 100 - lost["lost, low FP"] >= 58
    assert 100 - lost["lost, low FN"] >= 72
    assert lost["false alerts"] <= 1.0


def test_it_is_quick(shared: Path) -> None:
    panel = labelled(shared / FILE)
    began = process_time()
    detect(panel[["unique_id", "ds", "y"]])
    assert len(panel) / (process_time() - began) >= 50_000
