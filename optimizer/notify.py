"""The one notifier: every alert, whoever raises it, goes to people through `send`.

    alerts → silenced? → told before? → room in this hour? → channel (webhook, Slack-compatible, e-mail)

An alert is told to a channel once per `repeat_hours`, sooner only where its severity has risen; what is told
once (an incident) only where it has risen. More than `max_per_hour` messages are held back; the last that
goes out says which. What was told is kept in `alert_memory`, written after every message, so that a second
run does not tell it again. How a message travels is in `channels`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from optimizer.alert_memory import Memory
from optimizer.alert_settings import Alerts, Channel
from optimizer.alerts import Alert, Delivery, Message, rank
from optimizer.channels.carrier import Carrier
from optimizer.channels.mail import email
from optimizer.channels.web import slack, webhook
from optimizer.errors import Fault, InputError, RetryLaterError, TrimtabError

TRIES = 3
BACKOFF_S = (1.0, 4.0)
LONGEST_WAIT_S = 30.0  # a server that asks for more waits for the next run
TITLES_SHOWN = 5
Sleep = Callable[[float], None]

KINDS: Mapping[str, Callable[[Channel, float], Carrier]] = {
    "webhook": webhook,
    "slack": slack,
    "email": email,
}


def send(
    alerts: Sequence[Alert], settings: Alerts, *, now: datetime, memory: Memory, sleep: Sleep = time.sleep
) -> tuple[Delivery, ...]:
    """Tell every channel what it has not heard yet; a channel that fails does not stop the others.

    Args:
        alerts: of one run; one of each key is kept, the most severe.
        settings: `[alerts]`.
        now: for silences, repetition and rate.
        memory: what was told before; changed and saved.
        sleep: between tries.

    Returns:
        One entry per channel and alert.
    """
    worst = {alert.key: alert for alert in sorted(alerts, key=lambda one: rank(one.severity))}
    ordered = sorted(worst.values(), key=lambda one: (-rank(one.severity), one.key))
    turns = [Turn(channel, settings, now, memory, sleep) for channel in settings.channels]
    made = tuple(delivery for turn in turns for delivery in turn.tell(ordered))
    memory.save()
    return made


@dataclass(frozen=True)
class Turn:
    """One channel in one run."""

    channel: Channel
    settings: Alerts
    now: datetime
    memory: Memory
    sleep: Sleep

    def tell(self, alerts: Sequence[Alert]) -> list[Delivery]:
        """Tell what is due, as much as fits the hour; `alerts` stand in the order of their weight."""
        made, due = [], []
        for alert in alerts:
            reason = self.why_not(alert)
            if reason is None:
                due.append(alert)
            else:
                made.append(reason)
        room = self.memory.room(self.channel.name, self.now, self.settings.max_per_hour)
        going, held = due[:room], due[room:]
        going_titles = {alert.title for alert in going}
        waiting = [*self.memory.held.get(self.channel.name, []), *(alert.title for alert in held)]
        waiting = [title for title in dict.fromkeys(waiting) if title not in going_titles]
        self.memory.keep_back(self.channel.name, waiting)
        made += [self.deliver(alert, waiting if alert is going[-1] else []) for alert in going]
        detail = f"more than {self.settings.max_per_hour} messages in an hour"
        return [*made, *(Delivery(self.channel.name, alert.key, "held", detail) for alert in held)]

    def why_not(self, alert: Alert) -> Delivery | None:
        """Why the channel does not hear of it; None if it does."""
        name, wanted = self.channel.name, self.channel.least_severity
        silenced = why_silent(alert, self.settings, self.now)
        if silenced is not None:
            return Delivery(name, alert.key, "silenced", silenced)
        if rank(alert.severity) < rank(wanted):
            return Delivery(name, alert.key, "below", f"less than {wanted}")
        if self.memory.is_told(name, alert, self.now, self.settings.repeat_hours):
            lately = f"told within {self.settings.repeat_hours:g} h"
            return Delivery(name, alert.key, "repeated", "told before" if alert.is_told_once else lately)
        return None

    def deliver(self, alert: Alert, held: Sequence[str]) -> Delivery:
        """Send one message and remember it."""
        message = Message(alert, self.now, held_line(held))
        try:
            carry(message, self.channel, self.settings.timeout_s, self.sleep)
        except TrimtabError as error:
            return Delivery(self.channel.name, alert.key, "failed", str(error))
        self.memory.note(self.channel.name, alert, self.now, self.settings.repeat_hours)
        if held:
            self.memory.keep_back(self.channel.name, [])
        self.memory.save()
        return Delivery(self.channel.name, alert.key, "sent")


def why_silent(alert: Alert, settings: Alerts, now: datetime) -> str | None:
    """The reason of the silences that hold for every key of the alert; None where one may be told."""
    today = now.astimezone(UTC).date()
    holding = [silence for silence in settings.silence if today < silence.until]
    reasons = []
    for key in alert.keys:
        silence = next((silence for silence in holding if fnmatchcase(key, silence.key)), None)
        if silence is None:
            return None
        reasons.append(silence.reason or f"until {silence.until}")
    return "; ".join(dict.fromkeys(reasons))


def held_line(titles: Sequence[str]) -> str | None:
    """What a message says of others that were held back."""
    if not titles:
        return None
    shown = "; ".join(titles[:TITLES_SHOWN]) + ("; …" if len(titles) > TITLES_SHOWN else "")
    return f"{len(titles)} more held back by the rate limit: {shown}"


def carry(message: Message, channel: Channel, timeout_s: float, sleep: Sleep = time.sleep) -> None:
    """Bring one message to a channel, tried `TRIES` times where the fault may pass.

    Raises:
        InputError: the environment lacks the channel's secret, or it is no URL.
        DeliveryError: the channel refused it.
        RetryLaterError: it may work later.
    """
    carrier = KINDS[channel.kind](channel, timeout_s)
    for attempt in range(TRIES):
        try:
            carrier.carry(message)
        except RetryLaterError as error:
            wait_s = error.wait_s if error.wait_s is not None else BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            if attempt == TRIES - 1 or wait_s > LONGEST_WAIT_S:
                raise
            sleep(wait_s)
        else:
            return


def send_test(
    settings: Alerts, name: str, *, now: datetime, sleep: Sleep = time.sleep
) -> tuple[Delivery, ...]:
    """A test message to one channel; silences, repetition and rate do not count.

    Raises:
        InputError: no channel of that name, or it lacks its secret.
    """
    channel = next((channel for channel in settings.channels if channel.name == name), None)
    if channel is None:
        known = ", ".join(one.name for one in settings.channels) or "none is set in [[alerts.channels]]"
        raise InputError([Fault("--channel", repr(name), f"one of: {known}", "correct it")])
    alert = Alert("test", "info", "test message", ("If you can read this, alerts of Trimtab arrive here.",))
    try:
        carry(Message(alert, now), channel, settings.timeout_s, sleep)
    except InputError:
        raise
    except TrimtabError as error:
        return (Delivery(name, alert.key, "failed", str(error)),)
    return (Delivery(name, alert.key, "sent"),)
