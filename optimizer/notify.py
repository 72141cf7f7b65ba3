"""The one notifier: every alert, whoever raises it, goes to people through `send`.

    alerts → silenced? → told lately? → room in this hour? → channel (webhook, Slack-compatible, e-mail)

An alert is told to a channel once per `repeat_hours`, sooner only where its severity has risen. More than
`max_per_hour` messages are held back; the last that goes out says which. What was told is kept in a file
beside the workspace, written after every message, so that a second run does not tell it again.

Addresses of channels are secrets: they stand in the environment alone, and no error, log or return value ever
holds one, nor anything that a server answered.
"""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from fnmatch import fnmatchcase
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import filelock

from optimizer.config import Alerts, Channel
from optimizer.errors import BusyError, Fault, InputError, LakeError, TransientError, TrimtabError
from optimizer.layout import taking_place

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
TRIES = 3
BACKOFF_S = (1.0, 4.0)
LONGEST_WAIT_S = 30.0  # a server that asks for more waits for the next run
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
SLACK_TEXT, SLACK_HEADER = 3000, 150  # limits of a block's text
HOUR = timedelta(hours=1)
LOCK_WAIT_S = 120.0
STATE_FILE = "alerts.json"
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Alert:
    """One thing people should know.

    Attributes:
        key: what it is about, the same each time it is raised: budget/search/2026-11/1. Silences match it.
        severity: info, warning or critical.
        title: one line.
        lines: what was found, what to do.
        money: the amount at stake and its currency, where there is one.
        link: where to read more.
    """

    key: str
    severity: Severity
    title: str
    lines: tuple[str, ...] = ()
    money: tuple[float, str] | None = None
    link: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What became of one alert on one channel; `detail` says why it was not sent and holds no secret."""

    channel: str
    key: str
    status: Literal["sent", "silenced", "repeated", "below", "held", "failed"]
    detail: str = ""


class DeliveryError(TrimtabError):
    """A channel refused a message: trying again will not help."""


@dataclass
class State:
    """What was told to whom; `save` writes it beside the workspace.

    Attributes:
        path: the file; None keeps it in memory.
        told: channel and key to severity and moment.
        moments: channel to the moments of the messages of the last hour.
        held: channel to titles held back and not told of yet.
    """

    path: Path | None = None
    told: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    moments: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """The state of a file; an empty one where there is none.

        Raises:
            LakeError: the file is not what `save` writes; nothing is sent rather than everything again.
        """
        if not path.exists():
            return cls(path)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, held["told"], held["moments"], held["held"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise LakeError(
                f"{path}: found a file that cannot be read ({type(error).__name__}); expected what "
                "Trimtab keeps of sent alerts; remove it, and alerts that hold are told once more"
            ) from error

    def save(self) -> None:
        """Write the file in one step."""
        if self.path is None:
            return
        with taking_place(self.path) as draft:
            content = {"told": self.told, "moments": self.moments, "held": self.held}
            draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def is_told(self, channel: str, alert: Alert, now: datetime, repeat_hours: float) -> bool:
        """Whether the channel heard of it lately, at no lower severity."""
        last = self.told.get(channel, {}).get(alert.key)
        if last is None or rank(alert.severity) > SEVERITIES.index(last["severity"]):
            return False
        return now - datetime.fromisoformat(last["at"]) < timedelta(hours=repeat_hours)

    def room(self, channel: str, now: datetime, max_per_hour: int) -> int:
        """Messages the channel may still get."""
        recent = [m for m in self.moments.get(channel, []) if now - datetime.fromisoformat(m) < HOUR]
        self.moments[channel] = recent
        return max(max_per_hour - len(recent), 0)

    def note(self, channel: str, alert: Alert, now: datetime, repeat_hours: float) -> None:
        """Remember a message; what no longer matters is forgotten."""
        told = self.told.setdefault(channel, {})
        told[alert.key] = {"severity": alert.severity, "at": now.isoformat()}
        oldest = now - timedelta(hours=repeat_hours)
        self.told[channel] = {k: v for k, v in told.items() if datetime.fromisoformat(v["at"]) > oldest}
        self.moments.setdefault(channel, []).append(now.isoformat())
        self.held.pop(channel, None)


def rank(severity: Severity) -> int:
    """Order of severities."""
    return SEVERITIES.index(severity)


def send(
    alerts: Sequence[Alert], settings: Alerts, *, now: datetime, state: State, sleep: Sleep = time.sleep
) -> tuple[Delivery, ...]:
    """Tell every channel what it has not heard yet; a channel that fails does not stop the others.

    Args:
        alerts: of one run; one of each key is kept, the most severe.
        settings: `[alerts]`.
        now: for silences, repetition and rate.
        state: what was told before; changed and saved.
        sleep: between tries.

    Returns:
        One entry per channel and alert.
    """
    worst: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda a: rank(a.severity)):
        worst[alert.key] = alert
    ordered = sorted(worst.values(), key=lambda a: (-rank(a.severity), a.key))
    made: list[Delivery] = []
    for channel in settings.channels:
        made += _to_channel(ordered, channel=channel, settings=settings, now=now, state=state, sleep=sleep)
    state.save()
    return tuple(made)


def _to_channel(
    alerts: Sequence[Alert], *, channel: Channel, settings: Alerts, now: datetime, state: State, sleep: Sleep
) -> list[Delivery]:
    made, due = [], []
    for alert in alerts:
        reason = _why_not(alert, channel, settings, now, state)
        if reason is None:
            due.append(alert)
        else:
            made.append(reason)
    room = state.room(channel.name, now, settings.max_per_hour)
    going, held = due[:room], due[room:]
    waiting = [*state.held.get(channel.name, []), *(a.title for a in held)]
    waiting = list(dict.fromkeys(waiting))
    if not going and held:
        state.held[channel.name] = waiting
    for place, alert in enumerate(going):
        is_last = place == len(going) - 1
        mentioned = [title for title in waiting if title not in {a.title for a in going}] if is_last else []
        made.append(
            _deliver(alert, mentioned, channel=channel, settings=settings, now=now, state=state, sleep=sleep)
        )
    detail = f"more than {settings.max_per_hour} messages in an hour"
    return [*made, *(Delivery(channel.name, alert.key, "held", detail) for alert in held)]


def _why_not(
    alert: Alert, channel: Channel, settings: Alerts, now: datetime, state: State
) -> Delivery | None:
    """Why the channel does not hear of it; None if it does."""
    today = now.astimezone(UTC).date()
    for silence in settings.silence:
        if fnmatchcase(alert.key, silence.key) and today < silence.until:
            return Delivery(channel.name, alert.key, "silenced", silence.reason or f"until {silence.until}")
    if rank(alert.severity) < rank(channel.least_severity):
        return Delivery(channel.name, alert.key, "below", f"less than {channel.least_severity}")
    if state.is_told(channel.name, alert, now, settings.repeat_hours):
        detail = f"told within {settings.repeat_hours:g} h"
        return Delivery(channel.name, alert.key, "repeated", detail)
    return None


def _deliver(
    alert: Alert,
    held: Sequence[str],
    *,
    channel: Channel,
    settings: Alerts,
    now: datetime,
    state: State,
    sleep: Sleep,
) -> Delivery:
    try:
        deliver(alert, channel, held=held, now=now, timeout_s=settings.timeout_s, sleep=sleep)
    except TrimtabError as error:
        return Delivery(channel.name, alert.key, "failed", str(error))
    state.note(channel.name, alert, now, settings.repeat_hours)
    state.save()
    return Delivery(channel.name, alert.key, "sent")


@contextmanager
def telling(folder: Path) -> Iterator[State]:
    """The state in a workspace's folder, for one process at a time: no alert is told twice.

    Raises:
        BusyError: another process has been telling for over `LOCK_WAIT_S`.
        InputError: the folder cannot be written.
    """
    lock = filelock.FileLock(folder / "alerts.lock", timeout=LOCK_WAIT_S)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        found = f"{folder}: another process has been sending alerts for over {LOCK_WAIT_S:.0f} s"
        raise BusyError(f"{found}; expected it to finish; try again") from error
    except OSError as error:
        fault = Fault(str(folder), str(error.strerror), "a folder that can be written", "free the place")
        raise InputError([fault]) from error
    try:
        yield State.load(folder / STATE_FILE)
    finally:
        lock.release()


def send_test(
    settings: Alerts, name: str, *, now: datetime, sleep: Sleep = time.sleep
) -> tuple[Delivery, ...]:
    """A test message to one channel; silences, repetition and rate do not count.

    Raises:
        InputError: no channel of that name.
    """
    channel = next((channel for channel in settings.channels if channel.name == name), None)
    if channel is None:
        known = (
            ", ".join(channel.name for channel in settings.channels) or "none is set in [[alerts.channels]]"
        )
        raise InputError([Fault("--channel", repr(name), f"one of: {known}", "correct it")])
    alert = Alert("test", "info", "test message", ("If you can read this, alerts of Trimtab arrive here.",))
    try:
        deliver(alert, channel, now=now, timeout_s=settings.timeout_s, sleep=sleep)
    except InputError:
        raise
    except TrimtabError as error:
        return (Delivery(name, alert.key, "failed", str(error)),)
    return (Delivery(name, alert.key, "sent"),)


# -- one message -----------------------------------------------------------------------------------


def deliver(
    alert: Alert,
    channel: Channel,
    *,
    now: datetime,
    timeout_s: float,
    held: Sequence[str] = (),
    sleep: Sleep = time.sleep,
) -> None:
    """Send one message, tried `TRIES` times where the fault may pass.

    Raises:
        InputError: the environment lacks the channel's secret, or it is no URL.
        DeliveryError: the channel refused it.
        TransientError: it may work later.
    """
    text = _held_line(held)
    if channel.kind == "email":
        message, password = email_of(alert, channel, now, text), _secret(channel, channel.password_env)
        once = partial(_mail, message, channel, password, timeout_s)
    else:
        payload = slack_payload(alert, text) if channel.kind == "slack" else webhook_payload(alert, now, text)
        once = partial(_post, web_address(channel), payload, channel.name, timeout_s)
    for attempt in range(TRIES):
        try:
            once()
        except RetryLaterError as error:
            wait = error.wait_s if error.wait_s is not None else BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            if attempt == TRIES - 1 or wait > LONGEST_WAIT_S:
                raise
            sleep(wait)
        else:
            return


class RetryLaterError(TransientError):
    """A fault that may pass, and how long the server asked to wait."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        self.wait_s = wait_s
        super().__init__(message)


def _held_line(held: Sequence[str]) -> str | None:
    if not held:
        return None
    shown = "; ".join(held[:5]) + ("; …" if len(held) > 5 else "")
    return f"{len(held)} more held back by the rate limit: {shown}"


def _secret(channel: Channel, variable: str) -> str:
    """A secret of the environment; empty where the channel needs none."""
    if not variable:
        return ""
    found = os.environ.get(variable, "")
    if not found:
        where, expected = (
            f"[[alerts.channels]] {channel.name}",
            f"a value in the environment variable {variable}",
        )
        raise InputError([Fault(where, "none", expected, "set it where Trimtab runs")])
    return found


def web_address(channel: Channel) -> str:
    """The URL of a channel; the fault of a wrong one does not show it."""
    url = _secret(channel, channel.url_env)
    try:
        parts = urlsplit(url)
        is_web = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        is_web = False
    if not is_web:
        where = f"[[alerts.channels]] {channel.name}"
        found = f"something else in {channel.url_env}"
        raise InputError(
            [Fault(where, found, "a URL that begins with https:// or http://", "correct the variable")]
        )
    return url


def webhook_payload(alert: Alert, now: datetime, held: str | None = None) -> dict[str, Any]:
    """The documented JSON of a webhook."""
    body = asdict(alert) | {"lines": list(alert.lines)}
    money = None if alert.money is None else {"amount": round(alert.money[0], 2), "currency": alert.money[1]}
    return {"schema": "alert/1", "sent_at": now.isoformat(), **body, "money": money, "held_back": held}


def slack_payload(alert: Alert, held: str | None = None) -> dict[str, Any]:
    """What Slack and its like show: plain text for notifications, blocks for the channel."""
    title = f"{alert.severity}: {alert.title}"
    lines = [*alert.lines, *([held] if held else [])]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, SLACK_HEADER)}}
    ]
    if lines:
        text = _cut("\n".join(escaped(line) for line in lines), SLACK_TEXT)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    if alert.link:
        link = f"<{escaped(alert.link).replace('|', '%7C')}|open>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    blocks.append(
        {"type": "context", "elements": [{"type": "plain_text", "text": _cut(alert.key, SLACK_HEADER)}]}
    )
    return {"text": _cut(escaped(title), SLACK_TEXT), "blocks": blocks}


def escaped(text: str) -> str:
    """Text without Slack's three signs: no name on a bill becomes a link or calls a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def email_of(alert: Alert, channel: Channel, now: datetime, held: str | None = None) -> EmailMessage:
    """A plain text e-mail; line ends in the title cannot become headers."""
    message = EmailMessage()
    message["Subject"] = " ".join(f"[Trimtab {alert.severity}] {alert.title}".split())
    message["From"], message["To"] = channel.sender, ", ".join(channel.to)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = make_msgid(domain="trimtab.invalid")
    message["Auto-Submitted"] = "auto-generated"
    lines = [alert.title, "", *alert.lines, *([held] if held else []), *([alert.link] if alert.link else [])]
    message.set_content("\n".join([*lines, "", f"key: {alert.key}"]) + "\n")
    return message


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other: what was meant for one host is not told to another."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(url: str, payload: dict[str, Any], name: str, timeout_s: float) -> None:
    body = json.dumps(payload, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "trimtab"}
    fault: TrimtabError
    try:
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310  see web_address
        with build_opener(_NoRedirect).open(request, timeout=timeout_s):
            return
    except HTTPError as error:
        error.close()
        fault = _refused(name, error.code, error.headers.get("Retry-After"))
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        fault = _unreachable(name, reason)
    raise fault from None  # the cause holds the URL


def _refused(name: str, status: int, retry_after: str | None) -> TrimtabError:
    if status in TRANSIENT:
        wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
        asked = f" and asked to wait {wait:g} s" if wait is not None else ""
        return RetryLaterError(
            f"channel {name}: found HTTP {status}{asked}; expected 2xx; try again later", wait
        )
    hint = "use the address it leads to" if 300 <= status < 400 else "check its address and rights"
    return DeliveryError(f"channel {name}: found HTTP {status}; expected 2xx; {hint}")


def _unreachable(name: str, reason: object) -> TrimtabError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DeliveryError(
            f"channel {name}: found a certificate that does not hold; expected a valid one; mend it"
        )
    kind = type(reason).__name__ if isinstance(reason, Exception) else "no connection"
    return RetryLaterError(f"channel {name}: found no answer ({kind}); expected one; try again later")


def _mail(message: EmailMessage, channel: Channel, password: str, timeout_s: float) -> None:
    fault: TrimtabError
    try:
        with smtplib.SMTP(channel.host, channel.port, timeout=timeout_s) as server:
            if channel.starttls:
                server.starttls(context=ssl.create_default_context())
            if channel.user:
                server.login(channel.user, password)
            if server.send_message(message):
                raise DeliveryError(
                    f"channel {channel.name}: found addresses that were refused; correct `to`"
                )
            return
    except smtplib.SMTPResponseException as error:
        fault = _mail_refused(channel.name, error.smtp_code)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        fault = _mail_refused(channel.name, max(codes))
    except smtplib.SMTPNotSupportedError:
        found = f"channel {channel.name}: found a mail server without STARTTLS or log-in; expected it"
        fault = DeliveryError(f"{found}; set starttls = false only where the way is safe")
    except (smtplib.SMTPException, OSError) as error:
        fault = _unreachable(channel.name, error)
    raise fault from None  # the cause holds what the server said


def _mail_refused(name: str, code: int) -> TrimtabError:
    found = f"channel {name}: found SMTP code {code}; expected 250"
    if 400 <= code < 500:
        return RetryLaterError(f"{found}; try again later")
    return DeliveryError(f"{found}; check server, log-in and addresses")
