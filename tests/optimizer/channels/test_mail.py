"""Mail: what arrives, what is said without encryption, which refusals pass."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest

from optimizer.alert_memory import Memory
from optimizer.alert_settings import Channel
from optimizer.alerts import Alert, Message
from optimizer.channels.mail import email_of
from optimizer.notify import send
from tests.optimizer.alerting import ALERT, NOW, SECRET, MailServer, mail, settings, told


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
    evil = Message(Alert("k", "info", "x\r\nBcc: all@example.org"), NOW)
    made = email_of(evil, Channel(name="m", kind="email", host="h", sender="s@x", to=("t@x",)))
    assert made["Bcc"] is None
    assert made["Subject"] == "[Trimtab info] x Bcc: all@example.org"


def test_without_encryption_nothing_is_said(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    secure = mail(mail_server, starttls=True, user="me", password_env="MAIL_PASSWORD")
    (found,) = send([ALERT], settings(secure), now=NOW, memory=Memory(), sleep=lambda _: None)
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
        ("RCPT", ["550 unknown"], "failed", []),
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
    (found,) = send([ALERT], settings(channel), now=NOW, memory=Memory(), sleep=waited.append)
    assert (found.status, waited) == (status, waits)
    assert SECRET not in found.detail
