"""A workspace for its bills alone: no workloads.yaml, and still a report, prices and a clean check."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.workspaces import cli
from tests.optimizer.daily_bills import Load, day_rows


@pytest.fixture(scope="module")
def bills(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = day_rows(lambda day: 100.0 if day.month == 9 else 200.0, first="2026-09-01", last="2026-10-31")
    return load(tmp_path_factory.mktemp("bills"), list(rows))


def test_the_report_is_of_the_bills(bills: Path) -> None:
    ran = cli("report", "-w", bills, "--json")
    assert ran.code == 0, ran.err
    plain, page = ((bills / "reports" / name).read_text("utf-8") for name in ("report.md", "report.html"))
    assert "**USD 6,200** billed in Oct 2026. What it could cost is not known" in plain
    assert "| **all** | USD 6,200 | USD 6,200 | USD 3,000 |" in plain
    assert "<em>$6,200</em> billed in Oct 2026" in page
    for text in (plain, page):
        assert "holds" in text.partition("Is this the bill you pay")[2]
        for word in ("no plan has been made", "capacity and cost", "No forecast", "Shortfalls\n", "proven"):
            assert word not in text, word
        assert "bills and prices are shown, nothing is planned" in text


def test_prices_need_no_workload(bills: Path) -> None:
    ran = cli("prices", "show", "m6i.xlarge", "-w", bills, "--region", "us-east-1", "--json")
    assert ran.code == 0, ran.err
    assert {price["purchase"] for price in ran.json["prices"]} >= {"on_demand", "spot"}


def test_a_plan_needs_one(bills: Path) -> None:
    ran = cli("plan", "-w", bills, "--out", bills / "plan.json")
    assert ran.code == 2
    assert "workloads.yaml: found no such file" in ran.err


def test_check_finds_nothing_wrong(bills: Path) -> None:
    ran = cli("check", "-w", bills, "--json")
    assert ran.code == 0, ran.out
    assert "none declared" in ran.out


def test_a_plan_that_is_named_must_be_there(bills: Path) -> None:
    ran = cli("report", "-w", bills, "--plan", bills / "plans" / "other.json")
    assert ran.code == 2
    assert "other.json" in ran.err


def test_without_bills_a_report_needs_its_plan(tmp_path: Path) -> None:
    ran = cli("report", "-w", tmp_path)
    assert ran.code == 2
    assert "placement.json" in ran.err
    assert list(tmp_path.iterdir()) == []
