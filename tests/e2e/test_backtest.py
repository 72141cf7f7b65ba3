"""`trimtab backtest forecast` as a user runs it: on a workspace, and on any table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.lake import Lake
from models.peers import OURS
from tests.e2e.workspaces import Ran, cli, demand, make, tree
from tests.models.frames_of import demand as wave
from tests.models.frames_of import long_frame

FILES = ["backtest.html", "backtest.md", "scores.parquet"]
MODELS = 11


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven days of one workload in steps of ten minutes, with noise."""
    usage = demand(rows=144 * 7, minutes=10)
    noise = np.random.default_rng(0).standard_gamma(2.0, len(usage))
    usage["requests"] = np.round(usage["requests"] * (1 + 0.1 * noise))
    return make(tmp_path_factory.mktemp("backtest") / "ws", usage=usage)


def backtest(root: Path, *more: object) -> Ran:
    return cli("backtest", "forecast", "-w", root, "--origins", 4, "--json", *more)


@pytest.fixture(scope="module")
def ran(workspace: Path) -> Ran:
    return backtest(workspace)


def test_a_workspace_is_judged_kept_and_drawn(workspace: Path, ran: Ran) -> None:
    assert (ran.code, ran.err) == (0, "")
    told = ran.json
    assert told["subject"] == "requests of 1 workload"
    assert (told["series"], told["points"], told["origins"]) == (1, 576, 4)
    assert told["last_origin"] == "2026-05-11T00:00:00+00:00"
    assert told["demand_quantile"] == 0.99
    assert len(told["models"]) == MODELS
    assert told["champion"]["model"] in {row["model"] for row in told["models"]}
    assert [Path(path) for path in told["files"]] == [workspace / "reports/backtest" / name for name in FILES]
    scores = pd.read_parquet(told["files"][2])
    assert set(scores["unique_id"]) == {"chat"}
    assert (scores["points"] == 576).all()
    with Lake.open(workspace / "lake", read_only=True) as lake:
        kept = lake.read("forecast_scores_newest")
    assert len(kept) == MODELS
    assert set(kept["run"]) == {told["run"]}
    assert kept.loc[kept["is_champion"], "model"].tolist() == [told["champion"]["model"]]


def test_the_same_again_changes_nothing(workspace: Path, ran: Ran) -> None:
    before = tree(workspace)
    again = backtest(workspace)
    assert again.json == ran.json
    assert tree(workspace) == before


def test_a_window_and_a_folder_of_ones_own(workspace: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(workspace, tmp_path / "ws"))  # another run is newer than the first
    window = ("--from", "2026-05-10T00:00:00+00:00", "--to", "2026-05-12T00:00:00+00:00")
    told = backtest(root, *window, "--horizon", "6h", "--out", tmp_path / "out").json
    assert told["first_origin"] >= "2026-05-10T00:00:00+00:00"
    assert told["last_origin"] == "2026-05-11T18:00:00+00:00"
    assert (told["points"], told["horizon_hours"]) == (144, 6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES


def test_the_next_plan_is_made_by_the_model_that_proved_itself(
    workspace: Path, ran: Ran, tmp_path: Path
) -> None:
    other = make(tmp_path / "ws", usage=pd.read_parquet(workspace / "history/usage.parquet"))
    planner = ran.json["champion"]["planner"]
    assert planner not in {OURS, None}, "the series no longer shows what this test is about"

    def planned(root: Path, as_of: str) -> tuple[str, list[str]]:
        out = root / "plans" / "plan.json"
        assert cli("plan", "-w", root, "--as-of", as_of, "--out", out, "--json").code == 0
        body = json.loads(out.read_text())
        told = [note for note in body["notes"] if "forecast by" in note]
        return body["hash"], told

    after, before = "2026-05-12T00:00:00+00:00", "2026-05-11T23:50:00+00:00"
    assert planned(other, after)[1] == []
    assert planned(workspace, after)[1] == [
        f"demand is forecast by {planner}, which the backtest up to 2026-05-11 00:00 UTC preferred"
    ]
    # The last forecast of the backtest has not come true yet: nobody knows yet who plans better.
    assert planned(workspace, before) == planned(other, before)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--horizon", "9d"), "demand: found demand from"),
        (("--horizon", "24"), "--horizon: found '24'"),
        (("--from", "2026-05-10"), "--from: found '2026-05-10'"),
        (("--to", "soon"), "--to: found 'soon'"),
        (("--to", "2026-05-01T00:00:00+00:00"), "demand: found no rows"),
        (("--from", "2026-05-12T12:00:00+00:00"), "from 2026-05-12 12:00 on"),
        (("--origins", "0"), "--origins: found 0"),
        (("--levels", "0.5,2"), "--levels: found '0.5,2'"),
    ],
)
def test_bad_flags_end_with_2_and_write_nothing(
    workspace: Path, ran: Ran, flags: tuple[str, str], word: str
) -> None:
    before = tree(workspace)
    bad = backtest(workspace, *flags)
    assert (bad.code, bad.out) == (2, "")
    assert word in bad.err
    assert tree(workspace) == before


def test_a_folder_in_the_way_is_told(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    before = tree(workspace)
    bad = backtest(workspace, "--horizon", "12h", "--out", tmp_path / "file")
    assert bad.code == 2
    assert tree(workspace) == before  # nor are its scores kept
    assert len(bad.faults) == 1
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


# -- any table -------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two noisy series that end at different times, one with a name that means harm."""
    waves = {"<script>alert(1)</script>": wave(7, per_day=48), "b": wave(6, per_day=48, seed=1)}
    series = long_frame(waves, "30min")
    series.to_csv(tmp_path / "series.csv", index=False)
    return tmp_path / "series.csv"


def judge(table: Path, *more: object) -> Ran:
    asked = ("--series", table, "--freq", "30min", "--horizon", 24, "--origins", 2)
    return cli("backtest", "forecast", *asked, *more)


def test_any_table_is_judged(table: Path) -> None:
    out = table.parent / "out"
    ran = judge(table, "--levels", "0.5,0.9", "--out", out, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["series"], ran.json["points"]) == (2, 96)
    scores = pd.read_parquet(out / "scores.parquet")
    assert len(scores) == 2 * MODELS
    assert {"plan_cost_99", "plan_cost_999", "wql", "mase", "coverage_q0.99"} <= set(scores.columns)
    page = (out / "backtest.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert [Path(path).name for path in ran.json["files"]] == FILES


def test_people_read_a_table_and_nothing_is_written_without_out(table: Path) -> None:
    ran = judge(table)
    assert ran.code == 0
    for words in ("Trimtab", "seasonal naive", "cost 99:1", "2 series of series.csv", "2 origins", "00 UTC"):
        assert words in ran.out
    assert [path.name for path in table.parent.iterdir()] == ["series.csv"]


def test_moments_cut_every_series_of_a_table(table: Path) -> None:
    window = ("--from", "2026-03-07T06:00:00+00:00", "--to", "2026-03-08T12:00:00+00:00")
    told = judge(table, *window, "--json").json
    assert told["first_origin"] == "2026-03-07T06:00:00+00:00"
    assert told["last_origin"] == "2026-03-08T00:00:00+00:00"
    assert told["points"] == 48 + 24  # b ended with the seventh


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--horizon", "24h"), "--horizon: found '24h'"),
        (("--horizon", "300"), "found at most 336 steps in a series"),
        (("--levels", "1"), "--levels: found '1'"),
        (("--freq", "hourly"), "--freq: found 'hourly'"),
        (("--to", "2026-03-03T00:00:00+00:00"), "found rows from 2026-03-02 00:00"),
        (("--origins", "1001"), "--origins: found 1001"),
    ],
)
def test_bad_flags_of_a_table(table: Path, flags: tuple[str, str], word: str) -> None:
    bad = judge(table, "--out", table.parent / "out", "--json", *flags)
    assert (bad.code, bad.out) == (2, "")
    assert word in bad.err
    assert not (table.parent / "out").exists()


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    bad = judge(tmp_path / "in.csv")
    assert (bad.code, len(bad.faults)) == (2, 1)


def test_backtest_alone_shows_help() -> None:
    ran = cli("backtest")
    assert "forecast" in ran.out + ran.err
