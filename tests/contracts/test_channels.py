"""The contract of `Carrier`, held by every kind of channel against real servers on this machine."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from typing import Any, get_args

import pytest
from pytest_httpserver import HTTPServer

from optimizer.alert_settings import Channel
from optimizer.alerts import Alert
from optimizer.channels.carrier import Carrier
from optimizer.errors import DeliveryError, InputError, RetryLaterError, TransientError, TrimtabError
from optimizer.notify import KINDS
from tests.optimizer.alerting import MESSAGE, NOW, SECRET, MailServer, mail, web

OK, LATER, NEVER = "ok", "later", "never"


@dataclass(frozen=True)
class Rig:
    """A channel of one kind, and its server.

    Attributes:
        channel: as settings have it; its secret is in the environment, under `variable`.
        answer: makes the server take the next messages, refuse them for now, or for good.
        arrived: what the server was given, as text.
    """

    channel: Channel
    variable: str
    answer: Callable[[str], None]
    arrived: Callable[[], list[str]]

    @property
    def carrier(self) -> Carrier:
        return KINDS[self.channel.kind](self.channel, 2.0)


def web_rig(kind: str, server: HTTPServer) -> Rig:
    def answer(how: str) -> None:
        status = {OK: 204, LATER: 503, NEVER: 410}[how]
        server.clear()
        body = "" if how == OK else f"said {SECRET}"
        server.expect_request(f"/{SECRET}", method="POST").respond_with_data(body, status=status)

    def arrived() -> list[str]:
        return [json.dumps(json.loads(sent.get_data()), ensure_ascii=False) for sent, _ in server.log]

    return Rig(web(kind=kind), "HOOK_URL", answer, arrived)


def mail_rig(server: MailServer) -> Rig:
    server.features = ("AUTH PLAIN",)

    def answer(how: str) -> None:
        said = {OK: [], LATER: [f"451 {SECRET}"], NEVER: [f"550 {SECRET}"]}[how]
        server.answers["MAIL"] = list(said)

    def arrived() -> list[str]:
        made = [message_from_bytes(raw, policy=default) for raw in server.messages]
        return [f"{one['Subject']}\n{one.get_content()}" for one in made]

    channel = mail(server, user="me", password_env="MAIL_PASSWORD")
    return Rig(channel, "MAIL_PASSWORD", answer, arrived)


@pytest.fixture(params=sorted(KINDS))
def rig(
    request: pytest.FixtureRequest, hook: HTTPServer, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> Rig:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    return mail_rig(mail_server) if request.param == "email" else web_rig(request.param, hook)


def test_every_kind_of_the_settings_has_its_carrier() -> None:
    assert set(KINDS) == set(get_args(Channel.model_fields["kind"].annotation))


def test_a_message_arrives_once_and_whole(rig: Rig) -> None:
    rig.answer(OK)
    rig.carrier.carry(replace(MESSAGE, held_back="2 more held back by the rate limit: x; y"))
    (text,) = rig.arrived()
    for part in (MESSAGE.alert.title, MESSAGE.alert.key, "limit 1,000 USD", "2 more held back", "warning"):
        assert part in text


def test_a_carrier_carries_again(rig: Rig) -> None:
    carrier = rig.carrier
    rig.answer(LATER)
    with pytest.raises(RetryLaterError):
        carrier.carry(MESSAGE)
    rig.answer(OK)
    carrier.carry(MESSAGE)
    assert MESSAGE.alert.key in rig.arrived()[-1]


def test_whether_to_try_again_is_the_type(rig: Rig) -> None:
    rig.answer(LATER)
    with pytest.raises(TransientError):
        rig.carrier.carry(MESSAGE)
    rig.answer(NEVER)
    with pytest.raises(DeliveryError) as error:
        rig.carrier.carry(MESSAGE)
    assert not isinstance(error.value, TransientError)


def test_nobody_there_may_come_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/{SECRET}")
    gone = replace(rig, channel=rig.channel.model_copy(update={"port": port}))
    with pytest.raises(RetryLaterError, match=r"no answer \(ConnectionRefusedError\); expected one"):
        gone.carrier.carry(MESSAGE)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "talk",
    [b"", b"\x00" * 99, b"HTTP/1.1 abc\r\n\r\n", b"220-" + b"x" * 99999],
    ids=["silence", "zeros", "no status", "no end"],
)
def test_a_server_that_talks_nonsense_is_an_error_of_ours(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, talk: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, talking(server, talk):
        port = server.getsockname()[1]
        monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/{SECRET}")
        odd = replace(rig, channel=rig.channel.model_copy(update={"port": port}))
        with pytest.raises(TrimtabError) as error:
            odd.carrier.carry(MESSAGE)
    assert SECRET not in told_by(error.value)


@contextmanager
def talking(server: socket.socket, talk: bytes) -> Iterator[None]:
    """A thread that says one thing to whoever calls, listens for a moment, and hangs up."""

    def answer() -> None:
        caller, _ = server.accept()
        with caller, suppress(OSError):
            caller.sendall(talk)
            caller.shutdown(socket.SHUT_WR)
            caller.settimeout(0.1)
            while caller.recv(4096):
                pass

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    thread.join(5)


def test_without_its_secret_a_carrier_is_not_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(rig.variable)
    with pytest.raises(InputError, match=r"environment variable that (url|password)_env names") as error:
        _ = rig.carrier
    assert rig.variable not in str(error.value)  # somebody may have put the secret where its name belongs


# -- secrets -------------------------------------------------------------------------------------------------


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and everything that hangs on it, shown or not."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def told_by(error: BaseException) -> str:
    """Everything that a log or a crash could show of an error."""
    shown = "".join(traceback.format_exception(error))
    return shown + "".join(f"{item!s}{item!r}{item.args!r}{vars(item)!r}" for item in chain(error))


@pytest.mark.parametrize("how", [LATER, NEVER])
def test_no_secret_in_errors_logs_or_on_the_screen(
    rig: Rig, how: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rig.answer(how)
    carrier = rig.carrier
    with pytest.raises(TrimtabError) as error:
        carrier.carry(MESSAGE)
    ours = [
        record.getMessage() for record in caplog.records if record.name != "werkzeug"
    ]  # the test's server
    said = capfd.readouterr()
    assert SECRET not in "".join([told_by(error.value), repr(carrier), *ours, said.out])


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "odd",
    [
        f"http://me:{SECRET}@127.0.0.1:1/",
        f"http://127.0.0.1:{SECRET}/",
        f"http://127.0.0.1:99999/{SECRET}",
        f"http://127.0.0.1:1/ü{SECRET}",
        f"http://{'x' * 70}.{SECRET}/",
        f"http://localhost..{SECRET}/",
        f"http://{SECRET}\u2100/",
        f"http://[{SECRET}]/",
        f"http://127.0.0.1:1/{SECRET}\r\nHost: x",
        f"pässwörd{SECRET}",
        f"line\nend{SECRET}",
        f"lone\udc80{SECRET}",
    ],
)
def test_a_secret_that_cannot_be_used_is_not_shown(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    monkeypatch.setitem(os.environ, rig.variable, odd)
    said = ""
    try:
        rig.carrier.carry(MESSAGE)
    except TrimtabError as error:
        said = told_by(error).lower()
    assert SECRET.lower() not in said


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that encodes names as the real one does, and knows none but this machine."""
    resolve = socket.getaddrinfo

    def look(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "127.0.0.1":
            return resolve(host, *rest, **more)
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, f"unknown: {host}")

    monkeypatch.setattr(socket, "getaddrinfo", look)


# -- what a name on a bill may hold --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 100_000,
        "a\r\nBcc: all@example.org\r\n\r\nb",
        "\x00\x1b[31m",
        "\u202eevil\ud83d",
        "ü漢字🙂",
        ".\r\nQUIT",
    ],
    ids=["nothing", "long", "headers", "control", "surrogate", "beyond ascii", "end of mail"],
)
def test_any_text_arrives_as_text_or_is_refused(rig: Rig, text: str) -> None:
    rig.answer(OK)
    alert = Alert(f"k{text}", "info", f"title {text}", (f"line {text}", "last"), link=f"https://x/{text}")
    try:
        rig.carrier.carry(replace(MESSAGE, alert=alert, sent_at=NOW))
    except DeliveryError:
        return
    (shown,) = rig.arrived()
    assert "title" in shown
