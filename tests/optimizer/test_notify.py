"""The notifier against real servers on this machine: what arrives, what is retried, no secret gets out."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner
from werkzeug import Request, Response

from optimizer.cli import app
from optimizer.config import Alerts, Channel, Silence
from optimizer.errors import InputError, LakeError, TrimtabError
from optimizer.notify import Alert, Delivery, State, deliver, email_of, send, send_test, telling

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "T0K3N-5f1d2c3b"
ALERT = Alert(
    key="budget/search/2026-11/1",
    severity="warning",
    title="search will probably pass 100% of its budget for 2026-11",
    lines=("limit 1,000 USD", "<!channel> & <http://x|y> in a name"),
    money=(123.456, "USD"),
    link="https://trimtab.example/report?a=1|2",
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def hook(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A server whose address is a secret of the environment."""
    monkeypatch.setenv("HOOK_URL", httpserver.url_for(f"/{SECRET}"))
    return httpserver


def web(name: str = "web", kind: str = "webhook", **more: Any) -> Channel:
    return Channel(name=name, kind=kind, url_env="HOOK_URL", **more)


def settings(*channels: Channel, **more: Any) -> Alerts:
    return Alerts(channels=channels or (web(),), timeout_s=more.pop("timeout_s", 5), **more)


def told(
    alerts: list[Alert], how: Alerts, state: State | None = None, now: datetime = NOW
) -> tuple[list[str], list[float]]:
    """Statuses of the deliveries, and what was waited between tries."""
    waits: list[float] = []
    found = send(alerts, how, now=now, state=state or State(), sleep=waits.append)
    return [delivery.status for delivery in found], waits


def bodies(server: HTTPServer) -> list[Any]:
    return [json.loads(request.get_data()) for request, _ in server.log]


# -- what arrives ----------------------------------------------------------------------------------


def test_a_webhook_gets_the_documented_json(hook: HTTPServer) -> None:
    hook.expect_request(f"/{SECRET}", method="POST").respond_with_data("ok")
    assert told([ALERT], settings())[0] == ["sent"]
    (body,) = bodies(hook)
    assert body == {
        "schema": "alert/1",
        "sent_at": "2026-11-25T09:30:00+00:00",
        "key": "budget/search/2026-11/1",
        "severity": "warning",
        "title": "search will probably pass 100% of its budget for 2026-11",
        "lines": ["limit 1,000 USD", "<!channel> & <http://x|y> in a name"],
        "money": {"amount": 123.46, "currency": "USD"},
        "link": "https://trimtab.example/report?a=1|2",
        "held_back": None,
    }
    assert hook.log[0][0].content_type.startswith("application/json")


def test_slack_gets_text_and_blocks_in_which_no_name_is_a_link_or_a_call(hook: HTTPServer) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    assert told([ALERT], settings(web(kind="slack")))[0] == ["sent"]
    (body,) = bodies(hook)
    title = "warning: search will probably pass 100% of its budget for 2026-11"
    text = "limit 1,000 USD\n&lt;!channel&gt; &amp; &lt;http://x|y&gt; in a name"
    link = "<https://trimtab.example/report?a=1%7C2|open>"
    assert body == {
        "text": title,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "section", "text": {"type": "mrkdwn", "text": link}},
            {"type": "context", "elements": [{"type": "plain_text", "text": "budget/search/2026-11/1"}]},
        ],
    }


def test_slack_limits_are_kept(hook: HTTPServer) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    long = Alert("k" * 400, "info", "t" * 500, ("&" * 4000,))
    told([long], settings(web(kind="slack")))
    (body,) = bodies(hook)
    assert len(body["blocks"][0]["text"]["text"]) == 150
    assert len(body["blocks"][1]["text"]["text"]) <= 3000


# -- faults of the web -----------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_when_it_says_so(hook: HTTPServer) -> None:
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=429, headers={"Retry-After": "7"})
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=500)
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("ok")
    assert told([ALERT], settings()) == (["sent"], [7.0, 4.0])


@pytest.mark.parametrize(
    ("status", "headers", "tries"),
    [(503, {}, 3), (429, {"Retry-After": "3600"}, 1), (400, {}, 1), (404, {}, 1), (401, {}, 1)],
)
def test_what_will_not_pass_is_not_tried_again(
    hook: HTTPServer, status: int, headers: dict[str, str], tries: int
) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data(f"no {SECRET}", status=status, headers=headers)
    state = State()
    (found,) = send([ALERT], settings(), now=NOW, state=state, sleep=lambda _: None)
    assert found.status == "failed"
    assert f"HTTP {status}" in found.detail
    assert len(hook.log) == tries
    assert not state.told.get("web")  # so the next run tells it


def test_a_redirect_is_not_followed(hook: HTTPServer) -> None:
    other = HTTPServer(host="127.0.0.1")
    other.expect_request("/elsewhere").respond_with_data("ok")
    other.start()
    try:
        for status in (301, 302, 303, 307, 308):
            headers = {"Location": other.url_for("/elsewhere")}
            hook.clear()
            hook.expect_request(f"/{SECRET}").respond_with_data("", status=status, headers=headers)
            (found,) = send([ALERT], settings(), now=NOW, state=State(), sleep=lambda _: None)
            assert found.status == "failed"
            assert f"HTTP {status}" in found.detail
        assert other.log == []
    finally:
        other.stop()


def test_a_server_that_does_not_answer_is_left(hook: HTTPServer) -> None:
    ended = threading.Event()

    def never(_: Request) -> Response:
        ended.wait(10)
        return Response("late")

    hook.expect_request(f"/{SECRET}").respond_with_handler(never)
    found = told([ALERT], settings(timeout_s=0.2))
    ended.set()
    assert found == (["failed"], [1.0, 4.0])


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/{SECRET}")
    (found,) = send([ALERT], settings(), now=NOW, state=State(), sleep=lambda _: None)
    assert found.status == "failed"
    assert "ConnectionRefusedError" in found.detail


def test_one_channel_that_fails_does_not_stop_the_other(
    hook: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    gone = Channel(name="gone", kind="slack", url_env="NOT_SET")
    assert told([ALERT], settings(gone, web()))[0] == ["failed", "sent"]


@pytest.mark.parametrize(
    "url", ["ftp://x/", "file:///etc/passwd", "hook", "http:///", "https://a b/", "http://[x"]
)
def test_what_is_no_url_is_told_without_showing_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", url + SECRET)
    with pytest.raises(InputError, match="something else in HOOK_URL") as error:
        deliver(ALERT, web(), now=NOW, timeout_s=1)
    assert SECRET not in str(error.value)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_no_secret_in_logs_or_errors(
    hook: HTTPServer, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = f"body with {SECRET}"
    hook.expect_request(f"/{SECRET}").respond_with_data(answer, status=status, headers={"Location": SECRET})
    with pytest.raises(TrimtabError) as error:
        deliver(ALERT, web(), now=NOW, timeout_s=5, sleep=lambda _: None)
    said = [f"{item!s}{item!r}" for item in chain(error.value)]
    ours = [
        record.getMessage() for record in caplog.records if record.name != "werkzeug"
    ]  # the test's server
    assert SECRET not in "".join([*said, *ours, capfd.readouterr().out])


# -- who hears what, and how often -----------------------------------------------------------------


@pytest.fixture
def open_hook(hook: HTTPServer) -> HTTPServer:
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    return hook


def alert(key: str = "a", severity: Any = "warning") -> Alert:
    return Alert(key, severity, f"title of {key}")


def test_the_same_is_told_again_only_after_a_while_or_when_worse(open_hook: HTTPServer) -> None:
    state, how = State(), settings(repeat_hours=24)
    assert told([alert()], how, state)[0] == ["sent"]
    assert told([alert()], how, state, NOW + 23 * HOUR)[0] == ["repeated"]
    assert told([alert(severity="info")], how, state, NOW + 23 * HOUR)[0] == ["repeated"]
    assert told([alert(severity="critical")], how, state, NOW + 23 * HOUR)[0] == ["sent"]
    assert told([alert()], how, state, NOW + 46 * HOUR)[0] == ["repeated"]  # critical was 23 h ago
    assert told([alert()], how, state, NOW + 47 * HOUR)[0] == ["sent"]
    assert len(open_hook.log) == 3


def test_of_one_key_the_worst_counts(open_hook: HTTPServer) -> None:
    assert told([alert(severity="critical"), alert(severity="info")], settings())[0] == ["sent"]
    assert bodies(open_hook)[0]["severity"] == "critical"


def test_silences_hold_until_their_day(open_hook: HTTPServer) -> None:
    silence = Silence(key="budget/*", until=date(2026, 11, 26), reason="known")
    how, state = settings(silence=(silence,)), State()
    found = send([ALERT, alert()], how, now=NOW, state=state)
    assert [(d.key, d.status, d.detail) for d in found] == [
        (ALERT.key, "silenced", "known"),
        ("a", "sent", ""),
    ]
    assert told([ALERT], how, state, datetime(2026, 11, 25, 23, 59, tzinfo=UTC))[0] == ["silenced"]
    assert told([ALERT], how, state, datetime(2026, 11, 26, tzinfo=UTC))[0] == ["sent"]


def test_a_channel_hears_from_its_severity_on(open_hook: HTTPServer) -> None:
    how = settings(web(least_severity="critical"))
    assert told([alert("a"), alert("b", "critical")], how)[0] == ["below", "sent"]


def test_more_than_fits_the_hour_is_held_back_and_summed_up(open_hook: HTTPServer) -> None:
    state, how = State(), settings(max_per_hour=2)
    many = [alert("c"), alert("b"), alert("d"), alert("a", "critical"), alert("e", "info")]
    assert told(many, how, state)[0] == ["sent", "sent", "held", "held", "held"]
    first, second = bodies(open_hook)
    assert (first["key"], first["held_back"]) == ("a", None)
    line = "3 more held back by the rate limit: title of c; title of d; title of e"
    assert (second["key"], second["held_back"]) == ("b", line)
    assert told([alert("f")], how, state, NOW + 0.5 * HOUR)[0] == ["held"]
    assert told([alert("c"), alert("g")], how, state, NOW + 1.1 * HOUR)[0] == ["sent", "sent"]
    assert bodies(open_hook)[-1]["held_back"] == "1 more held back by the rate limit: title of f"
    assert len(open_hook.log) == 4


def test_channels_do_not_share_their_rate(open_hook: HTTPServer) -> None:
    how = settings(web("one"), web("two"), max_per_hour=1)
    assert told([alert("a"), alert("b")], how)[0] == ["sent", "held", "sent", "held"]


# -- memory ----------------------------------------------------------------------------------------


def test_what_was_told_is_remembered_between_runs_without_any_secret(
    open_hook: HTTPServer, tmp_path: Path
) -> None:
    for expected in ("sent", "repeated"):
        with telling(tmp_path / ".trimtab") as state:
            assert told([alert()], settings(), state)[0] == [expected]
    content = (tmp_path / ".trimtab" / "alerts.json").read_text()
    assert json.loads(content)["told"] == {"web": {"a": {"severity": "warning", "at": NOW.isoformat()}}}
    assert SECRET not in content
    assert sorted(path.name for path in (tmp_path / ".trimtab").iterdir() if path.suffix != ".lock") == [
        "alerts.json"
    ]


def test_it_is_remembered_even_if_the_run_ends_in_the_middle(open_hook: HTTPServer, tmp_path: Path) -> None:
    open_hook.clear()
    open_hook.expect_ordered_request(f"/{SECRET}").respond_with_data("ok")
    open_hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=500)

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "alerts.json"
    with pytest.raises(KeyboardInterrupt):
        send([alert("a"), alert("b")], settings(), now=NOW, state=State.load(path), sleep=killed)
    assert set(State.load(path).told["web"]) == {"a"}


@pytest.mark.parametrize("content", ["", "[]", '{"told": {}}', "\x00"])
def test_a_broken_memory_stops_before_everything_is_told_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "alerts.json"
    path.write_text(content)
    with pytest.raises(LakeError, match="remove it"):
        State.load(path)


def test_memory_forgets_what_no_longer_matters(open_hook: HTTPServer) -> None:
    state, how = State(), settings(max_per_hour=1000)
    for day in range(5):
        told([alert(f"k{day}")], how, state, NOW + day * 24 * HOUR)
    assert set(state.told["web"]) == {"k4"}
    assert len(state.moments["web"]) == 1


# -- mail ------------------------------------------------------------------------------------------


class MailServer(socketserver.ThreadingTCPServer):
    """Just enough of SMTP to take a message; `answers` overrides what it says to a verb."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, features: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), MailTalk)
        self.features = features
        self.answers: dict[str, list[str]] = {}
        self.messages: list[bytes] = []
        self.said: list[str] = []


class MailTalk(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 here")
        for raw in self.rfile:
            line = raw.decode().strip()
            verb = line.split(" ", maxsplit=1)[0].upper()
            self.server.said.append(line)
            waiting = self.server.answers.get(verb)
            if waiting:
                self.say(waiting.pop(0))
            elif verb == "EHLO":
                names = ["here", *self.server.features]
                for place, name in enumerate(names):
                    self.say(f"250{'-' if place < len(names) - 1 else ' '}{name}")
            elif verb == "DATA":
                self.say("354 go on")
                self.server.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.say("250 taken")
            elif verb == "AUTH":
                self.say("235 welcome")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mail(server: MailServer, **more: Any) -> Channel:
    fields: dict[str, Any] = {
        "name": "mail", "kind": "email", "host": "127.0.0.1", "port": server.server_address[1],
        "sender": "trimtab@example.org", "to": ("a@example.org", "b@example.org"), "starttls": False,
    }  # fmt: skip
    return Channel(**{**fields, **more})


def test_a_mail_arrives(mail_server: MailServer) -> None:
    assert told([ALERT], settings(mail(mail_server)))[0] == ["sent"]
    message = message_from_bytes(mail_server.messages[0], policy=default)
    assert (
        message["Subject"].strip()
        == "[Trimtab warning] search will probably pass 100% of its budget for 2026-11"
    )
    assert (message["From"], message["To"]) == ("trimtab@example.org", "a@example.org, b@example.org")
    assert message["Date"] == "Wed, 25 Nov 2026 09:30:00 +0000"
    body = message.get_content().replace("\r\n", "\n")
    assert "limit 1,000 USD\n<!channel> & <http://x|y> in a name\n" in body
    assert "rcpt TO:<b@example.org>" in mail_server.said


def test_a_title_cannot_add_headers() -> None:
    evil = Alert("k", "info", "x\r\nBcc: all@example.org")
    message = email_of(evil, Channel(name="m", kind="email", host="h", sender="s@x", to=("t@x",)), NOW)
    assert message["Bcc"] is None
    assert message["Subject"] == "[Trimtab info] x Bcc: all@example.org"


def test_without_encryption_nothing_is_said(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    secure = mail(mail_server, starttls=True, user="me", password_env="MAIL_PASSWORD")
    (found,) = send([ALERT], settings(secure), now=NOW, state=State(), sleep=lambda _: None)
    assert found.status == "failed"
    assert "without STARTTLS" in found.detail
    assert not mail_server.messages
    assert not any(line.upper().startswith(("AUTH", "MAIL")) for line in mail_server.said)


@pytest.mark.parametrize(
    ("verb", "answers", "status", "waits"),
    [
        ("MAIL", ["451 later"], "sent", [1.0]),
        ("MAIL", ["550 never"], "failed", []),
        ("RCPT", ["550 unknown", "550 unknown"], "failed", []),
        ("AUTH", [f"535 wrong {SECRET}"], "failed", []),
    ],
)
def test_faults_of_mail(
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    verb: str,
    answers: list[str],
    status: str,
    waits: list[float],
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    mail_server.features = ("AUTH PLAIN",)
    mail_server.answers[verb] = list(answers)
    waited: list[float] = []
    channel = mail(mail_server, user="me", password_env="MAIL_PASSWORD")
    (found,) = send([ALERT], settings(channel), now=NOW, state=State(), sleep=waited.append)
    assert (found.status, waited) == (status, waits)
    assert SECRET not in found.detail


# -- the command -----------------------------------------------------------------------------------


def toml(folder: Path) -> Path:
    (folder / "trimtab.toml").write_text(
        '[[alerts.channels]]\nname = "ops"\nkind = "slack"\nurl_env = "HOOK_URL"\n'
    )
    return folder


def test_alert_test_sends_a_message(open_hook: HTTPServer, tmp_path: Path) -> None:
    asked = ["alert", "test", "--channel", "ops", "--workspace", str(toml(tmp_path)), "--json"]
    ran = CliRunner().invoke(app, asked)
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout) == {
        "deliveries": [{"channel": "ops", "key": "test", "status": "sent", "detail": ""}]
    }
    assert bodies(open_hook)[0]["text"] == "info: test message"


@pytest.mark.parametrize(("channel", "code", "said"), [("other", 2, "one of: ops"), ("ops", 1, "HTTP 404")])
def test_alert_test_tells_what_is_wrong(
    hook: HTTPServer, tmp_path: Path, channel: str, code: int, said: str
) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data("", status=404)
    ran = CliRunner().invoke(app, ["alert", "test", "--channel", channel, "--workspace", str(toml(tmp_path))])
    assert ran.exit_code == code
    assert said in ran.output
    assert SECRET not in ran.output


def test_a_test_message_needs_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_URL", raising=False)
    with pytest.raises(InputError, match="environment variable HOOK_URL"):
        send_test(settings(), "web", now=NOW)


def test_deliveries_are_plain_values() -> None:
    assert Delivery("c", "k", "sent") == Delivery("c", "k", "sent", "")
