"""`trimtab alert test`: whether a message arrives, and what is wrong if not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from optimizer.errors import InputError
from optimizer.notify import send_test
from tests.e2e.workspaces import Ran, cli
from tests.optimizer.alerting import NOW, SECRET, bodies, settings

TOML = """
[[alerts.channels]]
name = "ops"
kind = "slack"
url_env = "HOOK_URL"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "trimtab.toml").write_text(TOML)
    return tmp_path


def ran(workspace: Path, *more: str, channel: str = "ops") -> Ran:
    return cli("alert", "test", "--channel", channel, "--workspace", workspace, *more)


def test_it_sends_a_message(open_hook: HTTPServer, workspace: Path) -> None:
    made = ran(workspace, "--json")
    assert made.code == 0, made.err
    assert made.json == {"deliveries": [{"channel": "ops", "key": "test", "status": "sent", "detail": ""}]}
    assert bodies(open_hook)[0]["text"] == "info: test message"


def test_it_does_not_count_as_told(open_hook: HTTPServer, workspace: Path) -> None:
    assert [ran(workspace).code for _ in range(2)] == [0, 0]
    assert len(open_hook.log) == 2
    assert sorted(path.name for path in workspace.iterdir()) == ["trimtab.toml"]


@pytest.mark.parametrize(("channel", "code", "said"), [("other", 2, "one of: ops"), ("ops", 1, "HTTP 404")])
def test_it_tells_what_is_wrong(
    hook: HTTPServer, workspace: Path, channel: str, code: int, said: str
) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data("", status=404)
    made = ran(workspace, channel=channel)
    assert made.code == code
    assert said in made.out + made.err
    assert SECRET not in made.out + made.err


def test_without_channels_it_says_where_they_stand(tmp_path: Path) -> None:
    made = ran(tmp_path)
    assert made.code == 2
    assert "expected one of: none is set in [[alerts.channels]]" in made.err


@pytest.mark.parametrize(
    "odd", [f"http://127.0.0.1:99999/{SECRET}", f"http://a@127.0.0.1:1/ü{SECRET}", f"ftp://{SECRET}", ""]
)
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_an_address_that_cannot_be_ends_in_one_line_without_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, odd: str, how: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HOOK_URL", odd)
    made = ran(workspace, *how)
    assert made.code in {1, 2}
    shown = made.out + made.err
    assert "ops" in shown
    assert "Traceback" not in shown
    assert SECRET not in shown
    if made.code == 1 and how:
        assert json.loads(made.out)["deliveries"][0]["status"] == "failed"


def test_a_test_message_needs_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_URL", raising=False)
    with pytest.raises(InputError, match="environment variable that url_env names"):
        send_test(settings(), "web", now=NOW)
