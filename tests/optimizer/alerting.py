"""Alerts for tests, and real servers on this machine that take them: a web server and a mail server."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from optimizer.alert_memory import Memory
from optimizer.alert_settings import Alerts, Channel
from optimizer.alerts import Alert, Message
from optimizer.notify import send

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
MESSAGE = Message(ALERT, NOW)


def alert(key: str = "a", severity: Any = "warning", **more: Any) -> Alert:
    return Alert(key, severity, f"title of {key}", **more)


def web(name: str = "web", kind: str = "webhook", **more: Any) -> Channel:
    return Channel(name=name, kind=kind, url_env="HOOK_URL", **more)


def mail(server: MailServer, **more: Any) -> Channel:
    fields: dict[str, Any] = {
        "name": "mail", "kind": "email", "host": "127.0.0.1", "port": server.server_address[1],
        "sender": "trimtab@example.org", "to": ("a@example.org", "b@example.org"), "starttls": False,
    }  # fmt: skip
    return Channel(**{**fields, **more})


def settings(*channels: Channel, **more: Any) -> Alerts:
    return Alerts(channels=channels or (web(),), timeout_s=more.pop("timeout_s", 5), **more)


def told(
    alerts: list[Alert], how: Alerts, memory: Memory | None = None, now: datetime = NOW
) -> tuple[list[str], list[float]]:
    """Statuses of the deliveries, and what was waited between tries."""
    waits: list[float] = []
    found = send(alerts, how, now=now, memory=memory or Memory(), sleep=waits.append)
    return [delivery.status for delivery in found], waits


def bodies(server: HTTPServer) -> list[Any]:
    return [json.loads(request.get_data()) for request, _ in server.log]


class Ear:
    """A carrier that takes everything, for tests of who hears what."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def carry(self, message: Message) -> None:
        self.heard.append(message)


# -- servers: fixtures that the conftest of a folder takes up ------------------------------------------------


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def hook(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A server whose address is a secret of the environment."""
    monkeypatch.setenv("HOOK_URL", httpserver.url_for(f"/{SECRET}"))
    return httpserver


@pytest.fixture
def open_hook(hook: HTTPServer) -> HTTPServer:
    """The same, which takes everything."""
    hook.expect_request(f"/{SECRET}").respond_with_data("ok")
    return hook


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
