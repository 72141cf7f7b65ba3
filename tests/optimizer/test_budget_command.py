"""`trimtab budget` on a workspace: what it shows, tells and refuses."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner

from optimizer.cli import app
from tests.optimizer.alerting import SECRET
from tests.optimizer.daily_bills import Load, day_rows

TOML = """
[[budgets]]
name = "ads"
owner = "ads"
monthly_amount = 1000
[[alerts.channels]]
name = "ops"
kind = "webhook"
url_env = "HOOK_URL"
"""


@pytest.fixture(scope="module")
def prepared(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [*day_rows(lambda _: 50.0, first="2026-09-01", Tags='{"team": "ads"}')]
    folder = load(tmp_path_factory.mktemp("prepared"), rows)
    (folder / "trimtab.toml").write_text(TOML)
    return folder


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    """A copy, for what was told is remembered in it."""
    return shutil.copytree(prepared, tmp_path / "workspace")


def ran(workspace: Path, *more: str) -> Any:
    asked = ["budget", "--workspace", str(workspace), "--as-of", "2026-11-15T12:00:00+00:00", *more]
    return CliRunner().invoke(app, asked)


def test_the_command_shows_and_tells(workspace: Path, open_hook: HTTPServer) -> None:
    human = ran(workspace, "--months", "2")
    assert human.exit_code == 0, human.output
    assert (
        "alarm: ads passes 100% of its budget (1,000 USD) with 100% probability, on 2026-11-21"
        in human.stdout
    )
    assert open_hook.log == []  # only when asked
    told = ran(workspace, "--months", "2", "--alert", "--json")
    assert told.exit_code == 0, told.output
    summary = json.loads(told.stdout)
    (budget,) = [item for item in summary["budgets"] if item["key"] == "budget/ads"]
    assert [month["month"] for month in budget["months"]] == ["2026-11", "2026-12"]
    assert budget["months"][0]["q0.5"] == pytest.approx(1500)
    assert Decimal(budget["months"][0]["known"]) == 600
    assert budget["alarms"][0]["crossing"] == "2026-11-21"
    assert [item["status"] for item in summary["deliveries"]] == ["sent"]
    again = json.loads(ran(workspace, "--alert", "--json").stdout)
    assert [item["status"] for item in again["deliveries"]] == ["repeated"]
    assert len(open_hook.log) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--period", "2026-08"), "a month from 2026-09 (first bill) to 2028-11"),
        (("--period", "November"), "a month such as 2026-10"),
        (("--months", "0"), "expected 1 to 36"),
    ],
)
def test_what_cannot_be_answered_is_bad_input(workspace: Path, asked: tuple[str, ...], said: str) -> None:
    found = ran(workspace, *asked)
    assert found.exit_code == 2
    assert said in found.stderr


def test_a_message_that_does_not_arrive_ends_the_command_with_1_and_is_told_again(
    workspace: Path, hook: HTTPServer
) -> None:
    for _ in range(2):
        hook.expect_oneshot_request(f"/{SECRET}").respond_with_data(SECRET, status=403)
        failed = ran(workspace, "--months", "1", "--alert")
        assert failed.exit_code == 1
        assert "alert budget/ads/2026-11/1 to ops: failed (channel ops: found HTTP 403" in failed.stdout
        assert SECRET not in failed.output
