"""`trimtab anomalies --series`: rows come back in their order with two more columns, faults by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.anomaly_file import Marked
from optimizer.anomaly_screen import show_file
from tests.e2e.workspaces import Ran, cli


def series() -> pd.DataFrame:
    """Two hourly series with a spike in one; naive times, an extra column."""
    ds = pd.date_range("2026-02-01", periods=24 * 28, freq="1h", unit="us")
    wave = 100.0 + 50.0 * np.sin(2 * np.pi * ds.hour / 24) + np.random.default_rng(0).normal(0, 3, ds.size)
    spiked = np.where(np.arange(ds.size) == 600, 900.0, wave)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y": y}) for name, y in (("007", wave), ("b", spiked))
    ]
    return pd.concat(parts, ignore_index=True).assign(owner="x")


def save(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def run(source: Path, out: Path) -> Ran:
    return cli("anomalies", "--series", source, "--out", out, "--json")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_come_back_in_their_order(tmp_path: Path, kind: str) -> None:
    mixed = series().sample(frac=1.0, random_state=1)
    ran = run(save(mixed, tmp_path / f"in.{kind}"), tmp_path / f"out.{kind}")
    assert (ran.code, ran.err) == (0, "")
    path = tmp_path / f"out.{kind}"
    made = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path, dtype={"unique_id": "str"})
    assert list(made.columns) == ["unique_id", "ds", "y", "owner", "score", "is_anomaly"]
    assert made["unique_id"].tolist() == mixed["unique_id"].tolist()
    np.testing.assert_allclose(made["y"], mixed["y"])
    assert made["score"].between(0, 1).all()
    spike = made.loc[made["unique_id"].eq("b") & made["y"].eq(900.0)]
    assert spike["is_anomaly"].all()
    assert ran.json == {
        "series": 2, "rows": len(mixed), "anomalies": int(made["is_anomaly"].sum()), "repeated_times": 0
    }  # fmt: skip
    assert ran.json["anomalies"] <= 3


def test_times_that_repeat_are_told(tmp_path: Path) -> None:
    twice = series()
    twice.loc[5, "ds"] = twice.loc[4, "ds"]
    ran = run(save(twice, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert ran.code == 0
    assert ran.json["repeated_times"] == 1
    assert "series 007, row 6: a second row at 2026-02-01 04:00:00" in ran.err


def test_every_fault_is_named_and_nothing_written(tmp_path: Path) -> None:
    bad = series().astype({"y": object})
    bad.loc[2, "y"], bad.loc[9, "y"] = "many", "inf"
    ran = run(save(bad, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert ran.code == 2
    assert [line.split("found ")[0].split(", ", 1)[1] for line in ran.faults] == [
        "row 3, column y: ", "row 10, column y: "
    ]  # fmt: skip
    assert not (tmp_path / "out.csv").exists()


def test_without_json_alerts_are_counted_by_series(tmp_path: Path) -> None:
    ran = cli("anomalies", "--series", save(series(), tmp_path / "in.csv"))
    assert ran.code == 0
    assert "1 alert in 1,344 rows" in ran.out


def test_one_alert_is_singular_and_its_time_has_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    ds = pd.date_range("2026-01-01", periods=2, freq="1h", tz="UTC")
    frame = pd.DataFrame({"unique_id": "a", "ds": ds, "y": 1.0, "is_anomaly": [False, True]})
    show_file(Marked(frame=frame, repeated=0, first_repeated=None))
    shown = capsys.readouterr().out
    assert "1 alert in 2 rows" in shown
    assert "newest, UTC" in shown


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n")
    ran = run(path, tmp_path / "out.csv")
    assert (ran.code, len(ran.faults)) == (2, 1)
