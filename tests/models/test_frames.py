from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import (
    FrameError,
    check_levels,
    check_quantiles,
    check_series,
    from_long,
    infer_freq,
    to_long,
)
from tests.models.frames_of import START, long_frame


def faults_of(frame: pd.DataFrame, freq: str = "1h", **options: bool) -> list[str]:
    with pytest.raises(FrameError) as error:
        check_series(frame, freq, **options)
    return [str(fault) for fault in error.value.faults]


def test_a_panel_is_aligned_at_the_ends_and_shows_gaps_as_nan() -> None:
    frame = pd.concat([long_frame({"b": [1, 2, 3, 4]}), long_frame({"a": [5, 6]})]).drop(index=2)
    panel = check_series(frame, "1h")
    assert list(panel.ids) == ["a", "b"]
    np.testing.assert_array_equal(panel.y, [[np.nan, np.nan, 5, 6], [1, 2, np.nan, 4]])
    assert list(panel.start) == [START, START]
    assert list(panel.end) == [START + pd.Timedelta(h, unit="h") for h in (1, 3)]
    assert list(panel.horizon(2)) == [START + pd.Timedelta(h, unit="h") for h in (2, 3, 4, 5)]
    assert panel.horizon(2).dtype == "datetime64[us, UTC]"


def test_cutting_and_taking_series() -> None:
    panel = check_series(long_frame({"a": [1, 2], "b": [1, 2, 3, 4]}), "1h")
    np.testing.assert_array_equal(panel.before(1).y, [[np.nan, np.nan, 1], [1, 2, 3]])
    assert list(panel.before(1).end) == [START, START + pd.Timedelta(2, unit="h")]
    np.testing.assert_array_equal(panel.take(np.array([0])).y, [[1, 2]])


def test_all_faults_come_at_once_with_rows() -> None:
    frame = long_frame({"a": [1, 2, 3, 4, 5]}).astype({"y": object})
    frame.loc[1, "y"] = "many"
    frame.loc[2, "y"] = -1.0
    frame.loc[3, "y"] = np.inf
    frame.loc[4, "ds"] = frame.loc[0, "ds"]
    found = faults_of(frame, non_negative=True)
    assert [re.search(r"row (\d)", text).group(1) for text in found] == ["2", "4", "3", "5"]
    assert "no number" in found[0]
    assert "infinite" in found[1]
    assert "negative" in found[2]
    assert "a second row at 2026-03-02T00:00:00+00:00" in found[3]


def test_an_off_grid_time_is_named_with_the_nearest_grid_time() -> None:
    frame = long_frame({"a": range(6)})
    frame.loc[2, "ds"] += pd.Timedelta(50, unit="min")
    (fault,) = faults_of(frame)
    assert "series a, row 3" in fault
    assert "2026-03-02T02:50:00+00:00" in fault
    assert "the nearest grid time 2026-03-02T03:00:00+00:00" in fault


def test_a_grid_may_stand_off_the_hour() -> None:
    frame = long_frame({"a": [1, 2, 3]}, start=START + pd.Timedelta(2, unit="min"))
    assert check_series(frame, "1h").steps == 3


@pytest.mark.parametrize(
    ("ds", "expected"),
    [
        (["2026-03-02T00:00", "2026-03-02T01:00"], "without zone"),
        (["2026-03-02T00:00Z", "2026-03-02T01:00"], "without zone"),
        (["2026-03-02T00:00Z", "2026-03-02T01:00+01:00"], "different zones: \\+0000, \\+0100"),
        (["2026-03-02T00:00Z", "yesterday"], "no readable time"),
        ([0, 3600], "numbers"),
        (pd.to_datetime(["2026-03-02T00:00", "2026-03-02T01:00"]), "without zone"),
    ],
)
def test_times_that_are_refused(ds: object, expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        check_series(pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0]}), "1h")


@pytest.mark.parametrize(
    "ds",
    [
        ["2026-03-02T00:00", "2026-03-02T01:00"],
        pd.to_datetime(["2026-03-02T00:00", "2026-03-02T01:00"]),
        ["2026-03-02T00:00Z", "2026-03-02T01:00+00:00"],
        pd.to_datetime(["2026-03-02T01:00", "2026-03-02T02:00"]).tz_localize("Europe/Paris"),
    ],
)
def test_times_that_are_understood(ds: object) -> None:
    panel = check_series(pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0]}), "1h", assume_utc=True)
    assert list(panel.start) == [START]
    assert panel.steps == 2


def test_zoned_and_naive_times_do_not_mix_even_when_utc_is_assumed() -> None:
    frame = pd.DataFrame({"unique_id": "a", "ds": ["2026-03-02T00:00Z", "2026-03-02T01:00"], "y": [1, 2]})
    assert "without zone" in faults_of(frame, assume_utc=True)[0]


def test_missing_columns_empty_frame_bad_step() -> None:
    assert len(faults_of(pd.DataFrame({"y": [1.0]}), "soon")) == 3
    assert "no rows" in faults_of(long_frame({"a": [1]}).iloc[:0])[0]
    for freq in ("0h", "-1h", "1M", "soon"):
        assert "freq" in faults_of(long_frame({"a": [1]}), freq)[0]
    for freq in ("h", "1H", "60min", pd.Timedelta(1, unit="h")):
        assert check_series(long_frame({"a": [1, 2]}), freq).freq == pd.Timedelta(1, unit="h")


def test_a_stray_date_does_not_make_a_grid_of_millions() -> None:
    frame = long_frame({"a": range(10)})
    frame.loc[0, "ds"] = pd.Timestamp("1970-01-01T00:00Z")
    (fault,) = faults_of(frame)
    assert "series a" in fault
    assert "10 rows over" in fault


def test_many_equal_faults_are_counted_not_listed() -> None:
    found = faults_of(long_frame({"a": [-1.0] * 500}), non_negative=True)
    assert len(found) == 11
    assert "in 490 more rows" in found[-1]


def test_a_number_too_large_to_add_up_is_refused() -> None:
    assert "row 2" in faults_of(long_frame({"a": [1.0, 1e300]}))[0]


def test_names_keep_their_type_and_missing_ones_are_faults() -> None:
    frame = long_frame({"a": [1, 2]})
    assert check_series(frame.assign(unique_id=7), "1h").ids[0] == 7
    assert check_series(frame.astype({"unique_id": "category"}), "1h").ids[0] == "a"
    assert list(check_series(frame.assign(unique_id=[5, "x"]), "1h").ids) == ["5", "x"]
    assert "no name" in faults_of(frame.assign(unique_id=["a", None]))[0]


def test_the_step_is_the_most_common_one() -> None:
    assert infer_freq(long_frame({"a": range(9), "b": range(9)}, "5min").drop(index=3)) == pd.Timedelta(
        "5min"
    )
    with pytest.raises(FrameError, match="two different times"):
        infer_freq(long_frame({"a": [1]}))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30, unique=True), st.randoms(use_true_random=False))
def test_order_of_rows_is_nothing_and_every_row_arrives(hours: list[int], random: object) -> None:
    frame = long_frame({"a": range(41)}).iloc[hours]
    panel = check_series(frame, "1h")
    assert panel.steps == max(hours) - min(hours) + 1
    kept = panel.y[0][np.isfinite(panel.y[0])]
    np.testing.assert_array_equal(kept, sorted(hours))


def quantiles_of(**columns: list[float]) -> pd.DataFrame:
    head = {"unique_id": "a", "ds": pd.date_range(START, periods=2, freq="1h"), "model": "m"}
    return pd.DataFrame(head | columns)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"q0.5": [1, 2]}, "no column q0.9"),
        ({"q0.5": [1, 2], "q0.9": [0.5, 3]}, "row 1: found quantiles that cross"),
        ({"q0.5": [1, -2], "q0.9": [2, 3]}, "row 2: found a negative quantile"),
        ({"q0.5": [1, 2], "q0.9": [2, np.nan]}, "row 2: found a missing or infinite"),
        ({"q0.5": [1, 2], "q0.9": [2, 11]}, "row 2: found a quantile above its cap"),
    ],
)
def test_the_output_contract(columns: dict[str, list[float]], expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        check_quantiles(quantiles_of(**columns), [0.9, 0.5], cap=pd.Series({"a": 10.0}))


def test_a_good_forecast_passes_and_doubles_do_not() -> None:
    good = quantiles_of(**{"q0.5": [1, 2], "q0.9": [2, 3]})
    assert check_quantiles(good, [0.5, 0.9]) is good
    with pytest.raises(FrameError, match="second row"):
        check_quantiles(pd.concat([good, good]), [0.5, 0.9])


def test_long_and_wide_are_the_same_forecast() -> None:
    wide = quantiles_of(**{"q0.5": [1.0, 2.0], "q0.999": [2.0, 3.0]})
    long = to_long(wide, [0.5, 0.999])
    assert long["value"].tolist() == [1, 2, 2, 3]
    assert long["quantile"].tolist() == [0.5, 0.999, 0.5, 0.999]
    pd.testing.assert_frame_equal(from_long(long), wide, check_dtype=False)
    with pytest.raises(FrameError, match="second value"):
        from_long(pd.concat([long, long]))


@pytest.mark.parametrize("freq", ["1ns", "1500ns"])
def test_a_step_that_is_no_whole_number_of_microseconds_is_refused(freq: str) -> None:
    """Times are kept in microseconds: it would be cut off, to nothing at worst."""
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range(START, periods=3, freq="1h"), "y": 1.0})
    with pytest.raises(FrameError, match="whole microseconds"):
        check_series(frame, freq)


@pytest.mark.parametrize("levels", [[], [0.0], [1.0], [99], [0.5, 0.5], [float("nan")], [0.9999999]])
def test_levels_that_are_refused(levels: list[float]) -> None:
    with pytest.raises(FrameError):
        check_levels(levels)


rows_of = st.lists(
    st.tuples(st.sampled_from(["b", "a", "c", None]), st.integers(0, 200)), min_size=1, max_size=12
)


@given(rows_of)
@settings(max_examples=60, deadline=None)
def test_categories_are_names_and_order_decides_nothing(rows: list[tuple[str | None, int]]) -> None:
    """Frames in order and of categories take shorter ways; what is found must be the same."""
    ds = START + pd.to_timedelta([30 * half_hours for _, half_hours in rows], unit="min")
    frame = pd.DataFrame({"unique_id": [name for name, _ in rows], "ds": ds, "y": 1.0})
    kinds = [frame, frame.astype({"unique_id": pd.CategoricalDtype(["z", "c", "b", "a"])})]
    kinds.append(frame.sort_values(["unique_id", "ds"], kind="stable", na_position="first"))
    told = []
    for kind in kinds:
        try:
            panel = check_series(kind, "1h")
            told.append((panel.ids.tolist(), np.nan_to_num(panel.y, nan=-1).tolist(), panel.end.tolist()))
        except FrameError as error:
            told.append(sorted(fault.found for fault in error.faults))
    assert told[0] == told[1]
    assert (told[0] == told[2]) or isinstance(told[0], list)
    assert isinstance(told[0], list) == isinstance(told[2], list)
