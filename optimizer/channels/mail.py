"""Messages by e-mail, through a mail server with STARTTLS."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from optimizer.alert_settings import Channel
from optimizer.alerts import Message
from optimizer.channels.carrier import Carrier, secret, unreachable, unusable
from optimizer.errors import DeliveryError, Fault, RetryLaterError, TrimtabError


def email(channel: Channel, timeout_s: float) -> Carrier:
    """The carrier of a channel of kind email."""
    return Mail(channel, secret(channel, "password_env"), timeout_s)


@dataclass(frozen=True)
class Mail:
    """A carrier to a mail server.

    Attributes:
        channel: server, sender and addresses.
        password: a secret; empty where the server asks for none.
        timeout_s: longest wait for an answer.
    """

    channel: Channel
    password: str = field(repr=False)
    timeout_s: float

    def carry(self, message: Message) -> None:
        """See `Carrier`."""
        name = self.channel.name
        fault: TrimtabError
        try:
            self._talk(email_of(message, self.channel))
        except smtplib.SMTPResponseException as error:
            fault = refused(name, error.smtp_code)
        except smtplib.SMTPRecipientsRefused as error:
            fault = refused(name, max(code for code, _ in error.recipients.values()))
        except smtplib.SMTPNotSupportedError:
            found, hint = (
                "a mail server without STARTTLS or log-in",
                "set starttls = false only where it is safe",
            )
            fault = DeliveryError(Fault(f"channel {name}", found, "it", hint))
        except (smtplib.SMTPException, OSError) as error:
            fault = unreachable(name, error)
        except (ValueError, OverflowError) as error:  # signs that addresses and passwords cannot have
            fault = unusable(name, error)
        else:
            return
        raise fault from None  # the cause holds what the server said

    def _talk(self, mail: EmailMessage) -> None:
        channel = self.channel
        with smtplib.SMTP(channel.host, channel.port, timeout=self.timeout_s) as server:
            if channel.starttls:
                server.starttls(context=ssl.create_default_context())
            if channel.user:
                server.login(channel.user, self.password)
            if server.send_message(mail):
                found = "addresses that were refused"
                raise DeliveryError(
                    Fault(f"channel {channel.name}", found, "all to be taken", "correct `to`")
                )


def refused(name: str, code: int) -> TrimtabError:
    """The error of an answer that is not 250."""
    where, found = f"channel {name}", f"SMTP code {code}"
    if 400 <= code < 500:
        return RetryLaterError(Fault(where, found, "250", "try again later"))
    return DeliveryError(Fault(where, found, "250", "check server, log-in and addresses"))


def email_of(message: Message, channel: Channel) -> EmailMessage:
    """A plain text e-mail; line ends in the title cannot become headers."""
    alert, mail = message.alert, EmailMessage()
    mail["Subject"] = " ".join(f"[Trimtab {alert.severity}] {alert.title}".split())
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.to)
    mail["Date"] = format_datetime(message.sent_at.astimezone(UTC))
    mail["Message-ID"] = make_msgid(domain="trimtab.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    more = [line for line in (message.held_back, alert.link) if line]
    mail.set_content("\n".join([alert.title, "", *alert.lines, *more, "", f"key: {alert.key}"]) + "\n")
    return mail
