"""What the daily flow tells people: real bills, a real web server, no Prefect server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from flows.alerts import has_channels, tell_anomalies, tell_budgets
from optimizer.errors import TransientError
from tests.optimizer.alerting import SECRET, hook, no_proxy, open_hook
from tests.optimizer.daily_bills import Load, day_rows, load

__all__ = ["hook", "load", "no_proxy", "open_hook"]

NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
CHANNEL = '[[alerts.channels]]\nname = "ops"\nkind = "webhook"\nurl_env = "HOOK_URL"\n'
BUDGET = '[[budgets]]\nname = "ads"\nowner = "ads"\nmonthly_amount = 1000\n'


@pytest.fixture
def workspace(load: Load, tmp_path: Path) -> Path:
    """50 a day and, on one day, 900."""
    rows = day_rows(lambda day: 900.0 if (day.month, day.day) == (11, 9) else 50.0, Tags='{"team": "ads"}')
    folder = load(tmp_path, list(rows))
    (folder / "trimtab.toml").write_text(CHANNEL + BUDGET)
    return folder


def test_each_thing_is_told_once(workspace: Path, open_hook: HTTPServer) -> None:
    assert has_channels(workspace)
    assert tell_anomalies.fn(workspace, NOW) == 1
    assert tell_budgets.fn(workspace, NOW) >= 1
    titles = [request.get_json()["title"] for request, _ in open_hook.log]
    assert any("ads" in title and "budget" in title for title in titles)
    assert len(titles) > 1
    assert tell_anomalies.fn(workspace, NOW) == tell_budgets.fn(workspace, NOW) == 0
    assert len(open_hook.log) == len(titles)


def test_what_does_not_arrive_is_tried_again(workspace: Path, hook: HTTPServer) -> None:
    hook.expect_oneshot_request(f"/{SECRET}").respond_with_data(SECRET, status=403)
    with pytest.raises(TransientError, match=r"1 alerts could not be delivered \(ops: .*403") as raised:
        tell_anomalies.fn(workspace, NOW)
    assert SECRET not in str(raised.value)
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    assert tell_anomalies.fn(workspace, NOW) == 1


def test_without_budgets_none_is_forecast(workspace: Path, open_hook: HTTPServer) -> None:
    (workspace / "trimtab.toml").write_text(CHANNEL)
    assert tell_budgets.fn(workspace, NOW) == 0
    (workspace / "trimtab.toml").write_text(BUDGET)
    assert not has_channels(workspace)
    assert open_hook.log == []
