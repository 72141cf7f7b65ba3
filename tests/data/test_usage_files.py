from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.ingest import Loads, ingest
from data.lake import Lake
from tests.data.bills import NOW

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def usage(rows: int = 6, freq: str = "10min", **columns: object) -> pd.DataFrame:
    ts = pd.date_range("2026-05-01", periods=rows, freq=freq, tz="UTC")
    frame = pd.DataFrame({"ts": ts, "workload": "chat", "requests": np.arange(rows, dtype=float)})
    return frame.assign(**{"tokens_in": 10.0, "tokens_out": 5.0, **columns})


def refused(lake: Lake, frame: pd.DataFrame, path: Path) -> list[str]:
    before = lake.snapshot_id()
    with pytest.raises(InputError) as error:
        ingest(lake, write(frame, path), loaded_at=NOW)
    assert lake.snapshot_id() == before
    return [str(fault) for fault in error.value.faults]


def load(lake: Lake, frame: pd.DataFrame, path: Path, **options: object) -> Loads:
    return ingest(lake, write(frame, path), loaded_at=NOW, **options)  # type: ignore[arg-type]


# -- demand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["u.parquet", "u.csv"])
def test_demand_of_a_workspace(lake: Lake, tmp_path: Path, name: str) -> None:
    frame = usage(ts=usage()["ts"].map(lambda t: t.isoformat())) if name == "u.csv" else usage()
    (done,) = load(lake, frame, tmp_path / name)
    assert (done.kind, done.rows, done.status) == ("demand", 6, "new")
    assert (str(done.period_start), str(done.period_end)) == (
        "2026-05-01 00:00:00+00:00",
        "2026-05-01 01:00:00+00:00",
    )
    held = lake.read("demand")
    assert held["requests"].tolist() == [0, 1, 2, 3, 4, 5]
    assert held["interval_s"].unique().tolist() == [600]
    assert not held["is_gap"].any()


def test_hours_that_were_counted_before_minutes_stay_hours(lake: Lake, tmp_path: Path) -> None:
    hours = pd.date_range("2026-05-01", periods=30, freq="1h", tz="UTC", unit="us")
    minutes = pd.date_range(hours[-1] + pd.Timedelta(hours=1), periods=90, freq="1min")
    load(lake, usage(120).assign(ts=hours.append(minutes)), tmp_path / "u.parquet")
    assert lake.read("demand").sort_values("ts")["interval_s"].tolist() == [3600] * 30 + [60] * 90


def test_a_longer_history_and_a_newer_piece_both_fit_in(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "u.parquet"
    whole = usage(12)
    assert load(lake, whole[:6], path)[0].status == "new"
    assert load(lake, whole, path)[0].status == "new"  # nothing that was there has changed
    assert load(lake, whole[8:], path)[0].status == "unchanged"
    changed = whole[8:].assign(requests=0.0)
    assert load(lake, changed, path)[0].status == "restated"
    assert lake.read("demand")["requests"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0]


def test_chunks_in_one_folder_do_not_replace_each_other(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write(usage(12)[6:], tmp_path / "d/a.parquet")
    write(usage(12)[:6], tmp_path / "d/b.parquet")
    (done,) = ingest(lake, tmp_path / "d", loaded_at=NOW)
    assert done.rows == 12
    assert lake.read("demand")["requests"].tolist() == list(range(12))


def test_a_gap_is_not_zero(lake: Lake, tmp_path: Path) -> None:
    gaps = [False, False, True, False, False, False]
    (done,) = load(lake, usage(is_gap=gaps), tmp_path / "u.parquet")
    held = lake.sql("SELECT * FROM demand ORDER BY ts").to_pydict()
    assert held["requests"] == [0, 1, None, 3, 4, 5]
    assert held["tokens_in"] == [10, 10, None, 10, 10, 10]
    assert held["is_gap"] == gaps
    assert "1 intervals are gaps" in done.notes
    hour = lake.read("hourly_demand")
    assert hour["is_gap"].tolist() == [True]
    assert hour["requests"].isna().all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"requests": -1.0}, "at least 0"),
        ({"requests": float("inf")}, "a finite number"),
        ({"requests": float("nan")}, "a number, or is_gap = true"),
        ({"requests": "many"}, "a number"),
        ({"tokens_in": -3.0}, "at least 0"),
        ({"workload": None}, "a value"),
    ],
)
def test_bad_values_of_demand(lake: Lake, tmp_path: Path, changes: dict[str, object], word: str) -> None:
    lines = refused(lake, usage(**changes), tmp_path / "u.parquet")
    assert any(word in line and "row 1" in line for line in lines), lines


def test_times_without_zone_are_refused(lake: Lake, tmp_path: Path) -> None:
    naive = usage().assign(ts=lambda f: f["ts"].dt.tz_localize(None))
    assert "without a zone" in refused(lake, naive, tmp_path / "u.parquet")[0]
    assert "without a zone" in refused(lake, naive, tmp_path / "u.csv")[0]


def test_broken_rows_of_a_csv_file(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    usage().to_csv(path, index=False)
    path.write_text(path.read_text() + "2026-05-01T01:00:00+00:00,chat,1\n")
    with pytest.raises(InputError, match="row 7: found Expected Number of Columns: 5 Found: 3"):
        ingest(lake, path, loaded_at=NOW)


def test_times_of_mixed_zones_are_one_time(lake: Lake, tmp_path: Path) -> None:
    times = ["2026-05-01T00:00:00Z", "2026-05-01T02:10:00+02:00", "2026-04-30T19:20:00-05:00"]
    load(lake, usage(3).assign(ts=times), tmp_path / "u.csv")
    assert lake.read("demand")["ts"].dt.minute.tolist() == [0, 10, 20]
    assert lake.read("demand")["ts"].dt.hour.unique().tolist() == [0]


def test_rows_twice_and_intervals_too_long(lake: Lake, tmp_path: Path) -> None:
    twice = pd.concat([usage(), usage()[:1]])
    assert "a second time" in refused(lake, twice, tmp_path / "u.parquet")[0]
    assert (
        "a row every 7200 s; expected one every 1 to 60 minutes"
        in refused(lake, usage(freq="2h"), tmp_path / "u.csv")[0]
    )


def test_no_rows_may_have_any_types(lake: Lake, tmp_path: Path) -> None:
    empty = pd.DataFrame({"ts": [], "workload": [], "requests": []}, dtype="object")
    for name in ("u.parquet", "u.csv"):
        (done,) = load(lake, empty, tmp_path / name)
        assert (done.status, done.rows, done.table) == ("empty", 0, "demand")


# -- published traces ------------------------------------------------------------------------------


def test_relative_times_need_an_anchor(lake: Lake, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "series_id": "s",
            "offset_s": [0, 600],
            "requests": [10, 0],
            "mean_input_tokens": [3.5, None],
            "mean_output_tokens": [2.0, None],
            "is_gap": [False, True],
        }
    )
    (done,) = load(lake, frame, tmp_path / "t.parquet")
    assert done.notes[0] == f"times are seconds from {MONDAY.isoformat()}, which the file does not state"
    held = lake.read("demand")
    assert held["ts"][0] == pd.Timestamp(MONDAY)
    assert (held["tokens_in"][0], held["tokens_out"][0]) == (35.0, 20.0)
    assert held["is_gap"].tolist() == [False, True]
    other = datetime(2026, 3, 2, 16, tzinfo=UTC)
    load(lake, frame, tmp_path / "t.parquet", epoch=other)
    assert pd.Timestamp(other) in set(lake.read("demand")["ts"])


def test_clients_are_added_up(lake: Lake, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "series_id": "s",
            "client": [1, 2, 1, 2],
            "offset_s": [0, 0, 600, 600],
            "requests": [1, 3, 0, 0],
            "mean_input_tokens": [10.0, None, None, None],
        }
    )
    load(lake, frame, tmp_path / "t.parquet")
    held = lake.read("demand")
    assert held["requests"].tolist() == [4, 0]
    assert held["tokens_in"].tolist() == [40, 0]


def test_the_servegen_trace(lake: Lake, shared: Path) -> None:
    path = shared / "datasets/traffic_llm_servegen_10min.parquet"
    (done,) = ingest(lake, path, loaded_at=NOW)
    source = pd.read_parquet(path)
    held = lake.read("demand")
    assert (done.rows, held["is_gap"].sum()) == (len(source), source["is_gap"].sum())
    assert held["requests"].sum() == source.loc[~source["is_gap"], "requests"].sum()
    assert held["interval_s"].unique().tolist() == [600]
    assert held.groupby("workload")["ts"].min().unique().tolist() == [pd.Timestamp(MONDAY)]
    hours = lake.read("hourly_demand")
    small = hours[hours["workload"] == "servegen_m-small"]
    assert small["ts"].is_monotonic_increasing
    assert small["ts"].diff().dropna().eq(pd.Timedelta("1h")).all()
    assert small["is_gap"].sum() == small["requests"].isna().sum() > 0


def test_counting_a_log_of_requests_gives_the_published_counts(lake: Lake, shared: Path) -> None:
    """Two files of one source, made by others: the minutes of the log are the rows of the series."""
    assert ingest(lake, shared / "datasets/llm_requests_azure_2023.parquet", loaded_at=NOW)[0].status == "new"
    assert (
        ingest(lake, shared / "datasets/traffic_llm_azure_2023_1min.parquet", loaded_at=NOW)[0].status
        == "unchanged"
    )


@pytest.mark.parametrize(
    ("name", "table", "series"),
    [
        ("traffic_web_nasa_1min", "demand", 1),
        ("llm_requests_mooncake", "demand", 1),
        ("traffic_llm_servegen_client_10min", "demand", 3),
        ("metrics_nab_cloudwatch_5min", "usage", 25),
        ("util_vm_bitbrains_5min", "usage", 34),
        ("util_gpu_helios_earth_vc_5min", "usage", 11),
        ("traffic_gpujobs_helios_venus_10min", "usage", 1),
    ],
)
def test_every_data_set_of_demand_or_utilisation(
    lake: Lake, shared: Path, name: str, table: str, series: int
) -> None:
    (done,) = ingest(lake, shared / f"datasets/{name}.parquet", loaded_at=NOW)
    assert (done.table, done.status) == (table, "new")
    key = "workload" if table == "demand" else "resource_id"
    assert lake.sql(f"SELECT count(DISTINCT {key}) FROM {table}").column(0)[0].as_py() == series


# -- utilisation -----------------------------------------------------------------------------------


def test_samples_that_end_at_their_time_are_moved_to_its_start(lake: Lake, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "vm_id": ["a"],
            "ts_utc": pd.to_datetime(["2026-05-01T00:05:00Z"]),
            "interval_ms": [300_000],
            "cpu_usage_mhz": [7.5],
            "label": ["x"],
            "is_anomaly_label": [True],
        }
    )
    (done,) = load(lake, frame, tmp_path / "t.parquet")
    (row,) = lake.arrow("usage").to_pylist()
    assert (row["metric"], row["value"], row["unit"], row["interval_s"]) == ("cpu_usage_mhz", 7.5, "MHz", 300)
    assert str(row["ts"]) == "2026-05-01 00:00:00+00:00"
    assert "columns without numbers were left out: label" in done.notes


def test_local_times_are_said_to_be_taken_for_granted(lake: Lake, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"vc": ["a"], "ts_local": pd.to_datetime(["2026-05-01 08:00:00"]), "running_gpu_num": [3.0]}
    )
    (done,) = load(lake, frame, tmp_path / "t.parquet", local_zone="Asia/Shanghai")
    assert done.notes == ("ts_local has no zone and was taken as Asia/Shanghai",)
    assert str(lake.read("usage")["ts"][0]) == "2026-05-01 00:00:00+00:00"
    with pytest.raises(InputError, match="zone it does not know"):
        load(lake, frame, tmp_path / "t.parquet", local_zone="Mars/Olympus")


def test_measurements_of_one_moment_are_averaged(lake: Lake, tmp_path: Path) -> None:
    ts = pd.to_datetime(["2026-05-01", "2026-05-01"], utc=True)
    frame = pd.DataFrame({"series_id": "s", "ts_utc": ts, "value": [1.0, 3.0]})
    (done,) = load(lake, frame, tmp_path / "t.parquet")
    assert lake.read("usage")["value"].tolist() == [2.0]
    assert done.notes == ("1 measurements of one moment were averaged with others",)


def test_events_and_capacity(lake: Lake, tmp_path: Path) -> None:
    ts = ["2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z"]
    events = pd.DataFrame(
        {"ts": ts, "workload": "chat", "option_id": "o", "event": ["preempted", "preempted"]}
    )
    assert load(lake, events, tmp_path / "e.csv")[0].rows == 2  # two replicas at once
    assert load(lake, events, tmp_path / "e.csv")[0].status == "unchanged"
    assert (
        "expected one of failed, preempted"
        in refused(lake, events.assign(event="sad"), tmp_path / "e.csv")[0]
    )
    capacity = pd.DataFrame({"ts": ts[:1], "pool": "p", "capacity": [4]})
    assert load(lake, capacity, tmp_path / "c.csv")[0].table == "spot_capacity"
    assert "at least 0" in refused(lake, capacity.assign(capacity=-1), tmp_path / "c.csv")[0]


# -- offers, profiles, state -----------------------------------------------------------------------


def test_the_catalogue(lake: Lake, shared: Path) -> None:
    loads = ingest(lake, shared / "catalog", loaded_at=NOW)
    assert {load.table: load.rows for load in loads} == {
        "offers": 193_487,
        "instance_types": 5_180,
        "regions": 220,
    }
    offers = lake.read("offers")
    source = pd.read_parquet(shared / "catalog/prices.parquet")
    assert offers["is_estimated"].sum() == source["derived"].sum()
    assert offers["as_of"].min() == pd.Timestamp(source["as_of"].min(), tz="UTC")
    assert set(offers["source"]) == set(source["source"])
    assert len(loads.skipped) == 6


PRICE = {
    "cloud": "aws",
    "region": "r",
    "instance_type": "t",
    "purchase_option": "on_demand",
    "usd_per_hour": 0.1,
}


@pytest.mark.parametrize("price", [0.0, -0.1, float("nan"), float("inf"), "free"])
def test_bad_prices(lake: Lake, tmp_path: Path, price: object) -> None:
    lines = refused(lake, pd.DataFrame([{**PRICE, "usd_per_hour": price}]), tmp_path / "p.csv")
    assert "row 1, column price_hourly" in lines[0]


def test_prices_without_a_date_are_dated_with_the_load(lake: Lake, tmp_path: Path) -> None:
    (done,) = load(lake, pd.DataFrame([PRICE]), tmp_path / "p.parquet")
    (row,) = lake.arrow("offers").to_pylist()
    assert (row["as_of"], row["price_hourly"], row["is_estimated"]) == (NOW, Decimal("0.1"), False)
    assert done.notes == ("the file gives no date; its prices are dated with the load",)


def test_a_newer_price_stands_beside_the_older_and_comes_first(lake: Lake, tmp_path: Path) -> None:
    for as_of, price in (("2026-05-01", 0.1), ("2026-06-01", 0.2)):
        frame = pd.DataFrame([{**PRICE, "usd_per_hour": price, "as_of": as_of, "source": "list"}])
        assert load(lake, frame, tmp_path / "p.csv")[0].status == "new"
    assert len(lake.read("offers")) == 2
    assert lake.read("offers_latest", as_of=NOW)["price_hourly"].tolist() == [0.2]


def test_the_example_profiles(lake: Lake, shared: Path, tmp_path: Path) -> None:
    path = shared / "workspaces/llm-8b/profiles.parquet"
    assert ingest(lake, path, loaded_at=NOW)[0].rows == 5
    assert ingest(lake, path, loaded_at=NOW)[0].status == "unchanged"
    half = pd.DataFrame({"model": ["m"], "accelerator": ["L4"], "prefill_tps": [1.0], "decode_tps": [None]})
    assert "column decode_tps: found nothing" in refused(lake, half, tmp_path / "p.csv")[0]


def test_live_state(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state: dict[str, object] = {
        "as_of": "2026-05-01T00:00:00+00:00",
        "fleet": [{"workload": "chat", "option_id": "o", "desired": 2, "ready": 1, "pending": 1}],
    }
    path.write_text(json.dumps(state))
    assert ingest(lake, path, loaded_at=NOW)[0].status == "new"
    assert ingest(lake, path, loaded_at=NOW)[0].status == "unchanged"
    for wrong, word in (
        ({**state, "as_of": "2026-05-01T00:00:00"}, "without a zone"),
        ({**state, "fleet": 3}, "a list of objects"),
        (
            {
                **state,
                "fleet": [{"workload": "chat", "option_id": "o", "desired": -1, "ready": 0, "pending": 0}],
            },
            "at least 0",
        ),
        ({**state, "fleet": [{"workload": "chat"}]}, "a column option_id"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(InputError, match=word):
            ingest(lake, path, loaded_at=NOW)
    path.write_text(json.dumps({**state, "fleet": []}))
    assert ingest(lake, path, loaded_at=NOW)[0].status == "empty"
