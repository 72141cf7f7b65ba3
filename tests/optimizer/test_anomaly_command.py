"""`trimtab anomalies` on a workspace: what it shows, tells and refuses."""

from __future__ import annotations

import json
import shutil
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.e2e.workspaces import cli
from tests.optimizer.alerting import SECRET, MailServer, bodies

SINCE = ("--since", "2026-05-08T00:00:00+00:00")
TOML = """
[anomalies]
critical_amount = 450  # a third incident is critical by it
[alerts]
max_per_hour = 4
[[alerts.channels]]
name = "ops"
kind = "slack"
url_env = "HOOK_URL"
[[alerts.channels]]
name = "finance"
kind = "email"
host = "127.0.0.1"
port = {port}
sender = "trimtab@example.org"
to = ["finance@example.org"]
starttls = false
least_severity = "critical"
[[alerts.silence]]
key = "anomaly/cost/*/commitment expiry/*"
until = 2200-01-01
reason = "known"
"""


@pytest.fixture
def workspace(broken: Path, mail_server: MailServer, tmp_path: Path) -> Path:
    """A copy, for what was told is remembered in it."""
    folder = shutil.copytree(broken, tmp_path / "workspace")
    (folder / "trimtab.toml").write_text(TOML.format(port=mail_server.server_address[1]))
    return folder


def test_it_prints_incidents_and_json(broken: Path) -> None:
    ran = cli("anomalies", "--workspace", broken, *SINCE, "--json")
    assert ran.code == 0
    causes = {part["cause"] for one in ran.json["incidents"] for part in one["contributions"]}
    assert {"price", "mix", "credit"} <= causes
    assert ran.json["series"] == {"cost": 9, "utilisation": 3}
    assert ran.json["deliveries"] == []
    text = cli("anomalies", "--workspace", broken, *SINCE)
    assert text.code == 0
    assert "commitment expiry" in text.out
    assert "not known" in text.out  # money of the resource that nobody bills
    json.dumps(ran.json)


def test_it_tells_each_channel_once_what_it_wants_to_hear(
    workspace: Path, open_hook: HTTPServer, mail_server: MailServer
) -> None:
    first = cli("anomalies", "--workspace", workspace, *SINCE, "--alert", "--json")
    assert first.code == 0, first.err
    told = {channel: [one["status"] for one in first.json["deliveries"] if one["channel"] == channel]
            for channel in ("ops", "finance")}  # fmt: skip
    assert sorted(told["ops"]) == ["held", "held", "sent", "sent", "sent", "sent", "silenced"]
    assert sorted(told["finance"]) == ["below", "below", "below", "sent", "sent", "sent", "silenced"]
    assert bodies(open_hook)[0]["text"] == "critical: unusual cost from 2026-05-10: AWS, prod, mix, mix"
    assert "2 more held back by the rate limit" in json.dumps(bodies(open_hook)[-1])
    subjects = [message_from_bytes(raw, policy=default)["Subject"] for raw in mail_server.messages]
    assert subjects[0] == "[Trimtab critical] unusual cost from 2026-05-10: AWS, prod, mix, mix"
    again = cli("anomalies", "--workspace", workspace, *SINCE, "--alert")
    assert again.code == 0
    assert "repeated (told before)" in again.out
    assert "silenced (known)" in again.out
    assert (len(open_hook.log), len(mail_server.messages)) == (4, 3)


def test_a_channel_that_fails_ends_it_with_1_and_shows_no_secret(workspace: Path, hook: HTTPServer) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data(SECRET, status=404)
    ran = cli("anomalies", "--workspace", workspace, *SINCE, "--alert")
    assert ran.code == 1
    assert "to ops: failed (channel ops: found HTTP 404" in ran.out
    assert "to finance: sent" in ran.out
    shown = [ran.out, ran.err, *(path.read_text() for path in (workspace / ".trimtab").glob("*.json"))]
    assert SECRET not in "".join(shown)


def test_since_needs_a_zone_and_a_workspace_a_lake(broken: Path, tmp_path: Path) -> None:
    ran = cli("anomalies", "--workspace", broken, "--since", "2026-05-08")
    assert (ran.code, ran.err.split(":")[0]) == (2, "--since")
    assert cli("anomalies", "--workspace", tmp_path).code == 1


def test_a_file_is_told_to_nobody(tmp_path: Path) -> None:
    ran = cli("anomalies", "--series", tmp_path / "none.csv", "--alert")
    assert ran.code == 2
    assert "--alert: found --series beside it; expected a workspace" in ran.err
