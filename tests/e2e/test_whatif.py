"""`trimtab whatif` as a user runs it: plans of both kinds and replays, told, written, not stored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer.whatif.scenario import CHANGES, SloChange
from tests.conftest import REPO
from tests.e2e.workspaces import Ran, cli, declare, demand, fleet, make, planned, save, tree

NOW = "2026-05-09T00:00:00+00:00"
MORNING = ("--from", "2026-05-08T00:00:00+00:00", "--to", "2026-05-08T06:00:00+00:00")
SLO = {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}
WORKLOADS: tuple[dict[str, object], ...] = ({"slo": SLO}, {"name": "search", "slo": SLO, "residency": ["US"]})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of two workloads in steps of ten minutes, with noise."""
    usage = pd.concat(
        [demand(rows=144 * 4, minutes=10, per_second=40.0), demand("search", rows=144 * 4, minutes=10)]
    )
    noise = np.random.default_rng(0).standard_gamma(2.0, len(usage))
    for name in ("requests", "tokens_in", "tokens_out"):
        usage[name] = np.round(usage[name] * (1 + 0.1 * noise))
    root = make(tmp_path_factory.mktemp("whatif") / "ws", *WORKLOADS, usage=usage)
    fleet(root, {("chat", "virginia"): 20, ("search", "virginia"): 2}, as_of=NOW)
    return root


def whatif(root: Path, *more: object) -> Ran:
    return cli("whatif", "-w", root, "--json", *more)


def told(root: Path, *more: object) -> dict[str, Any]:
    """The differences in one scenario; the command must end without a word on standard error."""
    ran = whatif(root, *more)
    assert (ran.code, ran.err) == (0, "")
    (one,) = ran.json["scenarios"]
    return {**one, "question": ran.json["question"], "base": ran.json["base"]}


def row(one: dict[str, Any], workload: str, policy: str | None = None) -> dict[str, Any]:
    (found,) = (each for each in one["workloads"] if (each["workload"], each["policy"]) == (workload, policy))
    return dict(found)


@pytest.fixture(scope="module")
def placement(workspace: Path) -> dict[str, Any]:
    """Many changes at once."""
    changes = ("--demand", "chat=1.5", "--price", "virginia=2", "--quota", "oregon=9", "--slo", "target=0.95")
    return told(workspace, "--as-of", NOW, "--kind", "placement", *changes)


@pytest.fixture(scope="module")
def replay(workspace: Path) -> dict[str, Any]:
    """A night of one workload, half as dear."""
    return told(workspace, *MORNING, "--jobs", 1, "--price", "*=0.5", "--without-region", "eu-central-1")


def test_a_placement_is_told_before_and_after(workspace: Path, placement: dict[str, Any]) -> None:
    plan = planned(workspace, "--kind", "placement", as_of=NOW, name="placement.json")
    (total,) = placement["totals"]
    assert total["usd_per_day_before"] == pytest.approx(plan["expected_cost_usd"], abs=1e-6)
    assert placement["base"]["fingerprint"] == plan["fingerprint"] != placement["fingerprint"]
    assert (total["objective_usd_before"], total["bound_usd_before"]) == (
        plan["proof"]["objective_usd"], plan["proof"]["bound_usd"],
    )  # fmt: skip
    costs = {cost["workload"]: cost["planned_usd_per_day"] for cost in plan["workload_costs"]}
    chat, search = row(placement, "chat"), row(placement, "search")
    assert (chat["usd_per_day_before"], search["usd_per_day_before"]) == (costs["chat"], costs["search"])
    assert chat["change_share"] == pytest.approx(
        chat["usd_per_day_after"] / chat["usd_per_day_before"] - 1, abs=1e-6
    )
    assert {run["option_id"] for run in chat["runs_before"]} == {"virginia"}
    assert {run["option_id"]: run["most"] for run in chat["runs_after"]}["oregon"] <= 9
    assert placement["changes"][0] == "demand of chat × 1.5"
    assert len(placement["changes"]) == 4


def test_a_capacity_plan_is_told_for_a_day(workspace: Path) -> None:
    one = told(workspace, "--as-of", NOW, "--horizon", "6h", "--demand", "2")
    plan = planned(workspace, "--horizon", "6h", as_of=NOW, name="six.json")
    (total,) = one["totals"]
    assert one["question"] == {"kind": "capacity", "as_of": NOW, "horizon_hours": 6.0}
    hours = plan["horizon_hours"]
    assert total["usd_per_day_before"] == pytest.approx(plan["expected_cost_usd"] * 24 / hours, abs=1e-5)
    rows = [row(one, "chat"), row(one, "search")]
    assert sum(each["usd_per_day_before"] for each in rows) == pytest.approx(
        total["usd_per_day_before"], abs=1e-4
    )
    (run,) = rows[0]["runs_before"]
    mine = [each for each in plan["allocations"] if each["workload"] == "chat"]
    assert run == {
        "option_id": "virginia", "fewest": min(each["replicas"] for each in mine),
        "most": max(each["replicas"] for each in mine), "reach": max(each["max_replicas"] for each in mine),
    }  # fmt: skip
    assert 1.5 < rows[0]["usd_per_day_after"] / rows[0]["usd_per_day_before"] < 2.5


def test_days_are_replayed_under_both(workspace: Path, replay: dict[str, Any]) -> None:
    ran = cli("backtest", "-w", workspace, "--json", "--jobs", 1, *MORNING, "--policy", "trimtab")
    assert ran.code == 0
    for own in ran.json["results"]:
        if own["policy"] in {"clairvoyant", "trimtab"}:
            mine = row(replay, own["workload"], own["policy"])
            assert mine["cost_usd_before"] == pytest.approx(own["cost_usd"], abs=1e-6)
            assert mine["attainment_before"] == pytest.approx(own["attainment"], abs=1e-6)
            assert mine["cost_usd_after"] == pytest.approx(own["cost_usd"] / 2, abs=1e-5)
            assert mine["attainment_after"] == mine["attainment_before"]
            assert mine["change_share"] == pytest.approx(-0.5, abs=1e-6)
    assert {each["policy"] for each in replay["workloads"]} == {"clairvoyant", "trimtab"}
    totals = {each["policy"]: each for each in replay["totals"]}
    assert totals["trimtab"]["cost_usd_before"] == pytest.approx(
        sum(row(replay, name, "trimtab")["cost_usd_before"] for name in ("chat", "search")), abs=1e-5
    )
    assert replay["question"]["policies"] == ["trimtab"]


def test_nothing_of_it_is_stored(workspace: Path, placement: dict[str, Any], tmp_path: Path) -> None:
    root = Path(shutil.copytree(workspace, tmp_path / "ws"))
    before = tree(root)
    told(root, "--as-of", NOW, "--kind", "placement", "--demand", "3")
    told(root, "--as-of", NOW, "--demand", "3")
    assert tree(root) == before
    again = planned(root, "--kind", "placement", as_of=NOW, name="again.json")
    assert again["fingerprint"] == placement["base"]["fingerprint"]


def test_what_nothing_may_serve_is_a_result(workspace: Path) -> None:
    one = told(workspace, "--as-of", NOW, "--kind", "placement", "--residency", "search=JP")
    ((name, text),) = ((each["workload"], each["text"]) for each in one["infeasible"])
    assert name == "search"
    assert "0 left after residency" in text
    assert "Cheapest way out" in text
    assert row(one, "search")["usd_per_day_after"] is None
    assert row(one, "chat")["change_share"] == 0.0
    (total,) = one["totals"]
    assert (total["without"], total["change_share"]) == (["search"], 0.0)
    assert total["usd_per_day_before"] == row(one, "chat")["usd_per_day_before"]


def test_what_is_impossible_as_it_is_ends_with_three(workspace: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(workspace, tmp_path / "ws"))
    declare(root, {**WORKLOADS[0], "residency": ["JP"]}, WORKLOADS[1])
    ran = whatif(root, "--as-of", NOW, "--demand", "2")
    assert (ran.code, ran.out) == (3, "")
    assert "0 left after residency" in ran.err


def test_a_replay_of_what_nothing_may_serve(workspace: Path, replay: dict[str, Any]) -> None:
    one = told(workspace, *MORNING, "--jobs", 1, "--residency", "chat=JP")
    assert [each["workload"] for each in one["infeasible"]] == ["chat"]
    assert row(one, "chat", "trimtab")["cost_usd_after"] is None
    assert row(one, "search", "trimtab")["change_share"] == 0.0
    none = told(workspace, *MORNING, "--jobs", 1, "--residency", "JP")
    assert [each["workload"] for each in none["infeasible"]] == ["chat", "search"]


def test_scenarios_of_a_file_stand_beside_each_other(workspace: Path, tmp_path: Path) -> None:
    options = pd.read_parquet(workspace / "catalog.parquet").query("option_id == 'virginia'")
    save(tmp_path, "new.parquet", options.assign(option_id="new", price_hourly=0.25))
    file = tmp_path / "scenarios.yaml"
    file.write_text(
        "scenarios:\n- {name: new machine, catalog: new.parquet}\n"
        "- {name: outage, without_region: [us-east-1]}\n",
        encoding="utf-8",
    )
    out = tmp_path / "made" / "answers.json"
    question = ("--as-of", NOW, "--kind", "placement", "--scenarios", file, "--out", out)
    ran = whatif(workspace, *question)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(out.read_text(encoding="utf-8")) == ran.json
    assert ran.json["files"] == [str(out)]
    new, outage = ran.json["scenarios"]
    assert (new["name"], outage["name"]) == ("new machine", "outage")
    assert new["totals"][0]["usd_per_day_after"] < new["totals"][0]["usd_per_day_before"]
    assert {run["option_id"] for run in row(new, "chat")["runs_after"]} == {"new"}
    assert "virginia" not in {run["option_id"] for run in row(outage, "chat")["runs_after"]}
    assert "chat loses 20 replicas that run there" in outage["changes"]
    shown = cli("whatif", "-w", workspace, *question)
    for words in (
        "scenario",
        "new machine",
        "outage:",
        "  without us-east-1: 2 options gone",
        "× new",
        f"wrote {out}",
    ):
        assert words in shown.out


def test_people_read_what_differs(workspace: Path, replay: dict[str, Any]) -> None:
    shown = cli("whatif", "-w", workspace, "--as-of", NOW, "--kind", "placement", "--quota", "*=1")
    assert shown.code == 0
    for words in (
        "placement plan as of",
        "a quota of 1 for all 4 options",
        "shortfalls 0 → ",
        "shortfall: chat",
    ):
        assert words in shown.out
    shown = cli(
        "whatif",
        "-w",
        workspace,
        *MORNING,
        "--jobs",
        1,
        "--price",
        "*=0.5",
        "--without-region",
        "eu-central-1",
    )
    for words in ("replay from 2026-05-08", "Trimtab", "clairvoyant optimum", "−50%", "all "):
        assert words in shown.out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ["whatif: found nothing that is otherwise; expected one or more of --demand, --price"]),
        (
            ("--kind", "both", "--as-of", "soon", "--horizon", "1", "--policy", "x", "--demand", "many"),
            ["--policy: found no --from", "--demand: found 'many'", "--kind", "--as-of", "--horizon"],
        ),
        (
            (*MORNING[:2], "--kind", "capacity", "--policy", "trim", "--demand", "2"),
            ["--to: found nothing", "--kind: found --from and --to beside it", "did you mean 'trimtab'?"],
        ),
        (
            ("--scenarios", "none.yaml", "--demand", "2"),
            ["--scenarios: found --demand beside it", "none.yaml: found No such"],
        ),
        (
            ("--as-of", NOW, "--demand", "chta=2", "--without-region", "us-eest-1"),
            ["--demand: found 'chta'", "did you mean 'us-east-1'?"],
        ),
        (
            ("--from", MORNING[3], "--to", MORNING[1], "--demand", "2"),
            ["window: found --from 2026-05-08 06:00"],
        ),
    ],
)  # fmt: skip
def test_all_faults_at_once(workspace: Path, flags: tuple[str, ...], words: list[str]) -> None:
    bad = whatif(workspace, *flags)
    assert (bad.code, bad.out) == (2, "")
    assert len(bad.faults) == len(words)
    for fault, word in zip(bad.faults, words, strict=True):
        assert word in fault


def test_every_key_is_documented(placement: dict[str, Any], replay: dict[str, Any]) -> None:
    page = (REPO / "docs/reference/whatif.md").read_text(encoding="utf-8")
    named = {*row(placement, "chat")["runs_before"][0], *CHANGES, *SloChange.model_fields}
    for one in (placement, replay):
        for part in (one, one["question"], one["base"], one["totals"][0], one["workloads"][0]):
            named |= {name.removesuffix("_before").removesuffix("_after") for name in part}
    assert not {name for name in named if f"`{name}`" not in page}
