"""`trimtab demo`: the numbers at its end, the files it names, and a second run that changes nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.demo_runs import DemoRuns
from tests.e2e import plans
from tests.e2e.workspaces import cli, tree


def test_the_first_run_says_what_it_made(demo: DemoRuns) -> None:
    summary = demo.first.json
    assert summary["changed"] is True
    assert [Path(name).name for name in summary["files"]] == [
        "report.html",
        "report.md",
        "capacity_backtest.html",
        "placement.json",
        "capacity.json",
    ]
    assert all(Path(name).stat().st_size > 1000 for name in summary["files"])
    top = summary["headline"]
    assert 0 < top["planned_usd_per_month"] < top["current_usd_per_month"]
    saving = top["current_usd_per_month"] - top["planned_usd_per_month"]
    assert abs(top["saving_usd_per_month_mid"] - saving) < 1.0
    assert top["saving_usd_per_month_low"] <= saving <= top["saving_usd_per_month_high"]
    assert 0 <= summary["placement"]["gap_share"] <= 0.01
    assert demo.first.err == ""


def test_a_day_of_one_service_was_replayed_with_and_without_each_lever(demo: DemoRuns) -> None:
    found = json.loads((demo.root / "reports/backtest/backtest.json").read_text(encoding="utf-8"))
    assert (found["from"], found["to"]) == ("2026-11-15T00:00:00+00:00", "2026-11-16T00:00:00+00:00")
    assert [each["workload"] for each in found["workloads"]] == ["embeddings"]
    assert {"trimtab", "autoscaler", "clairvoyant"} <= {each["policy"] for each in found["policies"]}
    assert {each["lever"] for each in found["levers"]} >= {"whole", "floor", "option"}
    page = (demo.root / "reports/backtest/capacity_backtest.html").read_text(encoding="utf-8")
    assert found["text"] in page
    assert found["levers_text"] in page


def test_both_plans_are_valid(demo: DemoRuns) -> None:
    for kind in ("capacity", "placement"):
        body = json.loads((demo.root / "plans" / f"{kind}.json").read_text())
        plans.check(body)
        assert body["schema"] == f"{kind}-plan/1"


def test_a_second_run_changes_no_byte_and_says_so(demo: DemoRuns) -> None:
    assert demo.second.code == 0
    assert "nothing changed since the last run" in demo.second.out
    assert demo.rows_again == demo.rows
    assert demo.files_again == demo.files


def test_the_table_at_the_end(demo: DemoRuns) -> None:
    for words in ("current cost", "planned cost", "saving", "95% quantile", "proven gap", "open:"):
        assert words in demo.second.out
    assert re.search(r"saving +[\d,]+ USD a month \(from -?[\d,]+ USD to [\d,]+ USD\)", demo.second.out)
    assert demo.second.out.count(str(demo.root)) == 6
    assert "--kind placement --as-of 2026-11-16T00:00:00+00:00" in demo.second.out


def test_the_report_shows_that_the_bill_adds_up_and_the_prices_are_those_billed(demo: DemoRuns) -> None:
    text = (demo.root / "reports/report.md").read_text(encoding="utf-8")
    rules = text.partition("## Is this the bill you pay")[2].partition("## ")[0]
    for rule in ("own invoice column", "costs more than its list price", "counted from two exports"):
        assert re.search(rf"^\| .*{rule} \| [1-9]\d* \| holds \|$", rules, re.MULTILINE), rule
    assert re.search(r"Prices: \d+ at what the bill shows for the type, \d+ at list price less", rules)
    found = re.search(r"a week ago are ([\d.]+)% of what was billed since \(median of (\d+)", rules)
    assert found is not None
    assert abs(float(found[1]) - 100) <= 2
    assert int(found[2]) >= 10


def test_check_finds_nothing_to_mend(demo: DemoRuns) -> None:
    ran = cli("check", "-w", demo.root, "--json")
    assert ran.code == 0, ran.out
    levels = {finding["level"] for finding in ran.json["findings"]}
    assert "fault" not in levels
    assert sum(finding["what"] == "plan" for finding in ran.json["findings"]) == 2


def test_another_seed_does_not_overwrite_it(demo: DemoRuns, tmp_path: Path) -> None:
    (tmp_path / ".trimtab").mkdir()
    for name in ("workloads.yaml", ".trimtab/demo"):
        shutil.copy(demo.root / name, tmp_path / name)
    before = tree(tmp_path)
    ran = cli("demo", "-w", tmp_path, "--seed", "8", "--json")
    assert ran.code == 2
    assert len(ran.faults) == 1
    assert tree(tmp_path) == before


def test_an_edited_plan_is_refused(demo: DemoRuns, tmp_path: Path) -> None:
    path = tmp_path / "placement.json"
    path.write_text(
        (demo.root / "plans/placement.json").read_text().replace('"replicas": 1', '"replicas": 2', 1)
    )
    before = tree(demo.root)
    ran = cli("report", "-w", demo.root, "--plan", path, "--json")
    assert ran.code == 2
    assert ran.out == ""
    assert "the plan was edited" in ran.err
    assert tree(demo.root) == before


def test_a_capacity_plan_makes_no_report(demo: DemoRuns) -> None:
    ran = cli("report", "-w", demo.root, "--plan", demo.root / "plans/capacity.json", "--json")
    assert ran.code == 2
    assert "placement-plan/1" in ran.err
