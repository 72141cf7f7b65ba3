"""`trimtab backtest` as a user runs it: three days of history, a day replayed, one service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.replay.levers import LEVERS
from tests.conftest import REPO
from tests.e2e.workspaces import OPTIONS, Ran, cli, declare, demand, make, offer, save, tree

DAY = ("--from", "2026-05-08T00:00:00+00:00", "--to", "2026-05-09T00:00:00+00:00")
FILES = ["backtest.json", "capacity_backtest.html", "capacity_backtest.parquet"]
EVERYONE = [
    "clairvoyant", "trimtab", "trimtab-target", "static-peak", "static-peak-best", "autoscaler",
    "careful-operator", "predictive-scaling", "melange", "sageserve",
]  # fmt: skip
AT_TARGETS = ["trimtab-at-99", "trimtab-at-99.5", "trimtab-at-99.9", "trimtab-at-99.95"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of one workload in steps of ten minutes, with noise; the spot pool was never seen."""
    usage = demand(rows=144 * 4, minutes=10, per_second=40.0)
    noise = np.random.default_rng(0).standard_gamma(2.0, len(usage))
    for name in ("requests", "tokens_in", "tokens_out"):
        usage[name] = np.round(usage[name] * (1 + 0.1 * noise))
    root = tmp_path_factory.mktemp("capacity") / "ws"
    return make(root, {"slo": {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}}, usage=usage)


def backtest(root: Path, *more: object) -> Ran:
    return cli("backtest", "-w", root, "--json", "--jobs", 1, *more)


@pytest.fixture(scope="module")
def ran(workspace: Path) -> Ran:
    return backtest(workspace, *DAY)


def copy(workspace: Path, to: Path) -> Path:
    """A workspace with what was kept in it, to be changed."""
    return Path(shutil.copytree(workspace, to / "ws"))


def kept(root: Path) -> dict[str, int]:
    """Results of replays by when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (root / ".trimtab/backtest").glob("*.json")}


def test_every_policy_is_replayed_told_and_written(workspace: Path, ran: Ran) -> None:
    assert (ran.code, ran.err) == (0, "")
    told = ran.json
    assert [Path(path).name for path in sorted(told["files"])] == FILES
    assert json.loads((workspace / "reports/backtest/backtest.json").read_text()) == {
        name: value for name, value in told.items() if name != "files"
    }
    rows = pd.read_parquet(workspace / "reports/backtest/capacity_backtest.parquet").set_index("policy")
    assert rows.index.tolist() == [*EVERYONE, *AT_TARGETS]
    assert set(rows["workload"]) == {"chat"}
    assert rows.loc["trimtab", "target"] == 0.99
    assert rows.loc["trimtab-at-99.95", "target"] == 0.9995
    best = rows.loc["clairvoyant"]
    np.testing.assert_allclose(rows["cost_over_clairvoyant"], rows["cost_usd"] / best["cost_usd"])
    assert best["attainment"] >= 0.99
    assert best["cost_over_bound"] >= 1.0
    np.testing.assert_allclose(rows["attainment"], 1 - rows["late"] / rows["requests"])
    assert rows.loc["static-peak", "cost_usd"] > rows.loc["trimtab", "cost_usd"] > best["cost_usd"]
    assert rows.loc["trimtab", "attainment"] >= 0.99


def test_the_document_says_what_was_asked_and_what_came_of_it(ran: Ran) -> None:
    told = ran.json
    assert (told["from"], told["to"]) == ("2026-05-08T00:00:00+00:00", "2026-05-09T00:00:00+00:00")
    (chat,) = told["workloads"]
    assert (chat["workload"], chat["target"], chat["history_days"], chat["counted_share"]) == (
        "chat", 0.99, pytest.approx(3.0), 1.0,
    )  # fmt: skip
    assert chat["usual_option"] == "virginia"
    assert "most common" in chat["usual_because"]
    first, *others = told["policies"]
    assert (first["policy"], first["regret"]) == ("clairvoyant", 0.0)
    assert [each["cost_usd"] for each in others] == sorted(each["cost_usd"] for each in others)
    assert {each["policy"] for each in told["policies"]} == set(EVERYONE)
    assert told["text"].startswith("On this day Trimtab would have cost $")
    assert "A plain autoscaler would have cost $" in told["text"]
    assert any("Trimtab with spot and SpotHedge are left out" in note for note in told["notes"])


def test_every_key_is_documented(workspace: Path, ran: Ran) -> None:
    told = ran.json
    rows = pd.read_parquet(workspace / "reports/backtest/capacity_backtest.parquet")
    page = (REPO / "docs/reference/backtest.md").read_text(encoding="utf-8")
    for name in {*told, *told["workloads"][0], *told["policies"][0], *told["results"][0], *rows.columns}:
        assert f"`{name}`" in page
    assert list(told["results"][0]) == rows.columns.tolist()


def test_options_of_the_group_do_not_slip_into_forecasts(workspace: Path) -> None:
    bad = cli("backtest", "-w", workspace, "forecast")
    assert (bad.code, len(bad.faults)) == (2, 1)
    assert "move them" in bad.err


def test_the_page_loads_nothing_and_tells_the_same(workspace: Path, ran: Ran) -> None:
    page = (workspace / "reports/backtest/capacity_backtest.html").read_text(encoding="utf-8")
    assert ran.json["text"].replace("’", "&#39;") in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    for words in ("Mélange", "clairvoyant optimum", "Over time: chat", "asked for 99%, 99.5%, 99.9%, 99.95%"):
        assert words in page
    for each in ran.json["policies"]:
        assert each["label"] in page


def test_the_same_again_is_taken_from_what_was_kept(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    before, replays = tree(workspace), kept(root)
    again = backtest(root, *DAY)
    assert kept(root) == replays
    assert {**again.json, "files": []} == {**ran.json, "files": []}
    assert tree(root) == before


def test_what_changes_a_replay_has_it_made_anew(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    some = ("--policy", "autoscaler")
    replays = kept(root)
    dearer = [{**option, "price_hourly": 1.1 * float(option.get("price_hourly", 1.0))} for option in OPTIONS]  # type: ignore[arg-type]
    offer(root, *dearer)
    told = backtest(root, *DAY, *some).json
    assert len(kept(root)) == len(replays) + 2  # the optimum and the autoscaler
    cost = {row["policy"]: row["cost_usd"] for row in ran.json["results"]}
    assert {row["policy"]: row["cost_usd"] for row in told["results"]} == pytest.approx(
        {name: 1.1 * cost[name] for name in ("clairvoyant", "autoscaler")}
    )
    backtest(root, *DAY, *some, "--seed", 1)
    assert len(kept(root)) == len(replays) + 4


def test_what_was_kept_but_cannot_be_read_is_made_again(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    for path in (root / ".trimtab/backtest").glob("*.json"):
        path.write_text('{"cost_usd": 1', encoding="utf-8")
    again = backtest(root, *DAY, "--policy", "autoscaler")
    costs = {row["policy"]: row["cost_usd"] for row in ran.json["results"]}
    assert [row["cost_usd"] for row in again.json["results"]] == [costs["clairvoyant"], costs["autoscaler"]]


def test_processes_find_the_same(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    shutil.rmtree(root / ".trimtab")
    told = backtest(root, *DAY, "--policy", "autoscaler", "--jobs", 2).json
    costs = {row["policy"]: row["cost_usd"] for row in ran.json["results"]}
    assert {row["policy"]: row["cost_usd"] for row in told["results"]} == {
        name: costs[name] for name in ("clairvoyant", "autoscaler")
    }


def test_levers_are_taken_away_on_demand_and_kept_like_the_others(
    workspace: Path, ran: Ran, tmp_path: Path
) -> None:
    root = copy(workspace, tmp_path)
    before = kept(root)
    told = backtest(root, *DAY, "--policy", "autoscaler", "--ablation").json
    names = [row["policy"] for row in told["results"]]
    assert names[:3] == ["clairvoyant", "trimtab", "autoscaler"]  # levers are those of Trimtab
    assert names[-len(LEVERS) :] == [f"trimtab-without-{lever}" for lever in LEVERS]
    made = kept(root)
    assert len(made) == len(before) + len(LEVERS)
    rows = {row["policy"]: row for row in told["results"]}
    whole, itself = rows["trimtab-without-whole"], rows["trimtab"]
    for name in ("cost_usd", "attainment", "launches", "worst_hour"):
        assert whole[name] == itself[name]
    assert rows["trimtab-without-terms"]["cost_usd"] == next(
        row["cost_usd"] for row in ran.json["results"] if row["policy"] == "trimtab-target"
    )
    assert all(row["cost_at_goal_usd"] is None for name, row in rows.items() if "without" not in name)
    assert 0 < whole["cost_at_goal_usd"] <= whole["cost_usd"] * 1.01
    assert told["levers"][0]["lever"] == "whole"
    assert told["levers_text"].startswith(("Without its", "No lever"))
    page = (root / "reports/backtest/capacity_backtest.html").read_text(encoding="utf-8")
    assert told["levers_text"] in page
    shown = cli("backtest", "-w", root, "--jobs", 1, *DAY, "--policy", "autoscaler", "--ablation")
    assert kept(root) == made
    assert "choice of option: the usual hardware" in shown.out
    assert told["levers_text"] in shown.out
    pages = (REPO / "docs/reference/backtest.md").read_text(encoding="utf-8")
    for key in told["levers"][0]:
        assert f"`{key}`" in pages
    for lever in LEVERS:
        assert f"`trimtab-without-{lever}`" in pages or lever.startswith("form-")


def test_people_read_a_table_and_the_sentence(workspace: Path, ran: Ran) -> None:
    shown = cli("backtest", "-w", workspace, "--jobs", 1, *DAY)
    assert shown.code == 0
    for words in (
        "clairvoyant optimum",
        "regret",
        ran.json["text"],
        "note: chat: usual hardware is virginia",
    ):
        assert words in shown.out


def test_without_history_forms_are_used_as_they_are(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    first = ("--from", "2026-05-05T00:00:00+00:00", "--to", "2026-05-05T06:00:00+00:00")
    told = backtest(root, *first)
    assert (told.code, told.err) == (0, "")
    assert told.json["text"].startswith("In these 6 hours Trimtab")
    assert (
        "chat: nothing was counted before --from; Trimtab's forms are used as they are" in told.json["notes"]
    )


def test_what_runs_now_is_the_usual_and_spot_with_history_is_hedged(
    workspace: Path, ran: Ran, tmp_path: Path
) -> None:
    root = copy(workspace, tmp_path)
    seen = pd.date_range("2026-05-05", periods=96, freq="1h", tz="UTC", unit="us")
    save(
        root, "history/spot_capacity.parquet", pd.DataFrame({"ts": seen, "pool": "pool-a", "capacity": 50.0})
    )
    counts = [{"workload": "chat", "option_id": "oregon", "desired": 3, "ready": 3, "pending": 0}]
    state = {"as_of": "2026-05-12T00:00:00+00:00", "fleet": counts}
    (root / "state.json").write_text(json.dumps(state), encoding="utf-8")
    declare(root, {"slo": {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}, "spot": {"max_share": 1.0}})
    two = ("--policy", "static-peak", "--policy", "spothedge", "--policy", "static-peak-best")
    told = backtest(root, *DAY, *two).json
    assert (told["workloads"][0]["usual_option"], told["workloads"][0]["usual_because"]) == (
        "oregon",
        "runs now",
    )
    costs = {row["policy"]: row["cost_usd"] for row in told["results"]}
    assert costs["static-peak"] == pytest.approx(1.2 * costs["static-peak-best"])  # Oregon costs 1.2
    assert costs["spothedge"] < costs["clairvoyant"]


SLO = {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}


def with_talk(root: Path) -> tuple[Path, pd.DataFrame]:
    """A second workload with the traffic of the first, and that of the first alone."""
    usage = pd.read_parquet(root / "history/usage.parquet")
    save(root, "history/usage.parquet", pd.concat([usage, usage.assign(workload="talk")]))
    declare(root, {"slo": SLO}, {"name": "talk", "slo": SLO})
    return root, usage


def test_workloads_that_share_a_short_quota_are_replayed_together(workspace: Path, tmp_path: Path) -> None:
    root, usage = with_talk(copy(workspace, tmp_path))
    offer(root, {"option_id": "virginia", "quota": 60.0})
    told = backtest(root, *DAY, "--policy", "autoscaler").json
    assert "chat, talk share quotas or spot pools and were replayed together" in told["notes"]
    assert [row["workload"] for row in told["results"]] == ["chat", "chat", "talk", "talk"]
    auto = next(each for each in told["policies"] if each["policy"] == "autoscaler")
    assert auto["workloads"] == 2
    rows = [row for row in told["results"] if row["policy"] == "autoscaler"]
    assert auto["cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in rows))
    declare(root, {"slo": SLO})
    save(root, "history/usage.parquet", usage)
    (alone,) = (
        row for row in backtest(root, *DAY, "--policy", "autoscaler").json["results"]
        if row["policy"] == "autoscaler"
    )  # fmt: skip
    assert min(row["attainment"] for row in rows) < alone["attainment"] - 0.02
    assert auto["cost_usd"] < 2 * alone["cost_usd"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ["--from: found nothing", "--to: found nothing"]),
        (
            ("--from", "2026-05-08", "--to", "soon", "--policy", "autoscale"),
            ["--from: found '2026-05-08'", "--to: found 'soon'", "did you mean 'autoscaler'?"],
        ),
        (
            ("--from", DAY[3], "--to", DAY[1], "--policy", "trim"),
            ["--policy: found 'trim'", "window: found --from 2026-05-09 00:00 and --to 2026-05-08 00:00"],
        ),
        (
            ("--from", DAY[1], "--to", "2026-05-10T00:00:00+00:00", "--policy", "x"),
            ["--policy: found 'x'", "demand, which is known from 2026-05-05 00:00 to 2026-05-09 00:00"],
        ),
        (("--from", "2026-05-01T00:00:00+00:00", "--to", DAY[1]), ["window: found 2026-05-01 00:00"]),
        (
            ("--from", "2026-05-01T00:00:00+00:00", "--to", "2026-05-02T00:00:00+00:00"),
            ["demand: found no demand before 2026-05-02 00:00"],
        ),
    ],
)
def test_all_faults_at_once_and_nothing_written(
    workspace: Path, ran: Ran, flags: tuple[str, ...], words: list[str]
) -> None:
    before = tree(workspace)
    bad = backtest(workspace, *flags)
    assert (bad.code, bad.out) == (2, "")
    assert len(bad.faults) == len(words)
    for fault, word in zip(bad.faults, words, strict=True):
        assert word in fault
    assert tree(workspace) == before


def test_workloads_may_be_named(workspace: Path, tmp_path: Path) -> None:
    root, _ = with_talk(copy(workspace, tmp_path))
    told = backtest(root, *DAY, "--policy", "autoscaler", "--workload", "talk").json
    assert {row["workload"] for row in told["results"]} == {"talk"}
    bad = backtest(root, *DAY, "--workload", "talc", "--workload", "chat", "--workload", "x")
    assert (bad.code, len(bad.faults)) == (2, 2)
    assert "--workload: found 'talc'" in bad.err
    assert "did you mean 'talk'?" in bad.err


def test_no_interactive_workload(workspace: Path, tmp_path: Path) -> None:
    root = copy(workspace, tmp_path)
    batch = "name: chat, model: llm-8b, tier: batch, work_units: 10, deadline: 2026-06-01T00:00:00Z"
    (root / "workloads.yaml").write_text(f"workloads:\n- {{{batch}}}\n", encoding="utf-8")
    bad = backtest(root, *DAY)
    assert bad.code == 2
    assert "no interactive workload" in bad.err


def test_a_folder_in_the_way_keeps_what_was_there(workspace: Path, ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    bad = backtest(workspace, *DAY, "--out", tmp_path / "file")
    assert (bad.code, len(bad.faults)) == (2, 1)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"
