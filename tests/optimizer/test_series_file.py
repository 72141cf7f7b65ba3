"""`trimtab forecast --series FILE`: CSV and Parquet in, quantiles out, every fault with its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e.workspaces import Ran, cli

COLUMNS = ["unique_id", "ds", "model", "q0.5", "q0.9", "q0.99"]
ENDS = {"a": "2026-03-08T00:00:00", "b": "2026-03-06T12:00:00"}


def series() -> pd.DataFrame:
    """Two hourly series that end at different times; naive times."""
    parts = []
    for name, end in ENDS.items():
        ds = pd.date_range(end=end, periods=24 * 28, freq="1h", unit="us")
        y = 100.0 + 50.0 * np.sin(2 * np.pi * ds.hour / 24)
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y}))
    return pd.concat(parts, ignore_index=True)


def run(source: Path, out: Path, *more: object) -> Ran:
    """The command of WORKSPACE, with JSON."""
    return cli(
        "forecast", "--series", source, "--freq", "1h", "--horizon", 48, "--levels", "0.5,0.9,0.99",
        "--out", out, "--json", *more,
    )  # fmt: skip


def save(frame: pd.DataFrame, path: Path) -> Path:
    """CSV or Parquet by its ending."""
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_forecast_begins_after_each_series_own_last_row(tmp_path: Path, kind: str) -> None:
    ran = run(save(series(), tmp_path / f"in.{kind}"), tmp_path / f"out.{kind}")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert ran.json["series"] == 2
    assert ran.json["rows"] == 96
    path = tmp_path / f"out.{kind}"
    made = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path, parse_dates=["ds"])
    assert list(made.columns) == COLUMNS
    for name, end in ENDS.items():
        own = made.loc[made["unique_id"].eq(name)]
        wanted = pd.date_range(pd.Timestamp(end, tz="UTC") + pd.Timedelta(hours=1), periods=48, freq="1h")
        assert (own["ds"].to_numpy() == wanted.to_numpy()).all()
        assert own["ds"].dt.tz is not None
        assert (own["q0.5"] <= own["q0.9"]).all()
        assert (own["q0.9"] <= own["q0.99"]).all()
    wave = np.sin(2 * np.pi * made["ds"].dt.hour / 24)
    assert np.corrcoef(made["q0.5"], wave)[0, 1] > 0.95


def test_naive_times_are_utc_and_offsets_are_kept(tmp_path: Path) -> None:
    naive, aware = series(), series()
    aware["ds"] = aware["ds"].dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")
    for name, frame in {"naive": naive, "aware": aware}.items():
        assert run(save(frame, tmp_path / f"{name}.parquet"), tmp_path / f"{name}.out.csv").code == 0
    assert (tmp_path / "naive.out.csv").read_bytes() == (tmp_path / "aware.out.csv").read_bytes()


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    frame = series()
    run(save(frame, tmp_path / "a.csv"), tmp_path / "a.out.csv")
    run(save(frame.sample(frac=1.0, random_state=1), tmp_path / "b.csv"), tmp_path / "b.out.csv")
    assert (tmp_path / "a.out.csv").read_bytes() == (tmp_path / "b.out.csv").read_bytes()


def test_a_name_of_digits_stays_text(tmp_path: Path) -> None:
    frame = series().loc[series()["unique_id"].eq("a")].assign(unique_id="007")
    assert run(save(frame, tmp_path / "in.csv"), tmp_path / "out.csv").code == 0
    assert set(pd.read_csv(tmp_path / "out.csv", dtype="str")["unique_id"]) == {"007"}


def test_a_series_of_one_row_has_a_forecast_or_a_clear_fault(tmp_path: Path) -> None:
    ran = run(save(series().head(1), tmp_path / "in.csv"), tmp_path / "out.csv")
    assert ran.code in {0, 2}
    assert len(ran.faults) == (ran.code == 2)
    assert (tmp_path / "out.csv").exists() == (ran.code == 0)


def test_without_out_nothing_is_written(tmp_path: Path) -> None:
    source = save(series(), tmp_path / "in.csv")
    ran = cli("forecast", "--series", source, "--horizon", 3, "--levels", "0.5", "--json")
    assert ran.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def spoil(row: int, column: str, value: object) -> pd.DataFrame:
    """The series with one value replaced, as text."""
    frame = series().astype("str")
    frame.loc[row - 1, column] = value
    return frame


BAD: dict[str, tuple[pd.DataFrame, list[str]]] = {
    "no ds": (series().drop(columns="ds"), ["ds"]),
    "no y, no id": (series()[["ds"]], ["unique_id", "y"]),
    "time in words": (spoil(3, "ds", "noon"), ["row 3", "noon"]),
    "number in words": (spoil(4, "y", "many"), ["row 4", "column y"]),
    "infinite": (spoil(4, "y", "inf"), ["row 4", "inf"]),
    "twice": (pd.concat([series(), series().head(1)]), ["row 1345"]),
    "off the grid": (spoil(9, "ds", "2026-02-20T07:13:00"), ["row 9"]),
    "no rows": (series().head(0), ["row"]),
    "nothing but gaps": (series().assign(y=np.nan), ["y"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path: Path, case: str) -> None:
    frame, words = BAD[case]
    ran = run(save(frame, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert ran.code == 2, ran
    assert ran.out == ""
    assert ran.faults
    for line in ran.faults:
        assert "in.csv" in line
        assert line.count("found ") == 1
        assert "; expected " in line
    for word in words:
        assert word in ran.err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\x00" * 50, b"\xff\xfe\x00" * 30, b"\n\n\n"])
def test_files_that_are_no_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    ran = run(tmp_path / "in.csv", tmp_path / "out.csv")
    assert ran.code == 2
    assert len(ran.faults) == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("nowhere.csv", "."):
        ran = run(tmp_path / name, tmp_path / "out.csv")
        assert ran.code == 2
        assert len(ran.faults) == 1


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--levels", "0.5,2"),
        ("--levels", "0.5,0.5"),
        ("--levels", "half"),
        ("--levels", ""),
        ("--levels", "nan"),
        ("--horizon", "0"),
        ("--horizon", "1.5"),
        ("--horizon", "-4"),
        ("--horizon", "²"),
        ("--horizon", "999999999999"),
        ("--freq", "hourly"),
        ("--freq", "0h"),
        ("--freq", "nan"),
        ("--freq", "-1h"),
    ],
)
def test_bad_flags(tmp_path: Path, flag: str, value: str) -> None:
    ran = run(save(series(), tmp_path / "in.csv"), tmp_path / "out.csv", flag, value)
    assert ran.code == 2
    assert len(ran.faults) == 1
    assert ran.faults[0].startswith(flag)
    assert not (tmp_path / "out.csv").exists()


def test_all_bad_flags_are_told_at_once(tmp_path: Path) -> None:
    source = save(series(), tmp_path / "in.csv")
    ran = run(source, tmp_path / "out.csv", "--freq", "x", "--horizon", "y", "--levels", "z")
    assert [line.split(":")[0] for line in ran.faults] == ["--horizon", "--freq", "--levels"]


def test_an_out_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = run(save(series(), tmp_path / "in.csv"), tmp_path / "file/out.csv")
    assert ran.code == 2
    assert len(ran.faults) == 1
    assert (tmp_path / "file").read_text() == "in the way"
