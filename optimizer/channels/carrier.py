"""What every channel does, and what their faults have in common.

Addresses and passwords are secrets: they come from the environment when a carrier is made, and no error, log
or `repr` ever holds one, nor anything that a server answered.
"""

from __future__ import annotations

import os
import ssl
from typing import Literal, Protocol

from optimizer.alert_settings import Channel
from optimizer.alerts import Message
from optimizer.errors import DeliveryError, Fault, InputError, RetryLaterError, TrimtabError


class Carrier(Protocol):
    """Brings messages to one channel.

    It is made from the channel's settings, which raises InputError where the environment lacks a secret or
    holds something else. No exception of a library leaves it, and none of its own holds a secret.
    """

    def carry(self, message: Message) -> None:
        """Try once; return when the server has taken the message.

        Raises:
            DeliveryError: it was refused, and would be again.
            RetryLaterError: it may be taken later.
        """


def secret(channel: Channel, key: Literal["url_env", "password_env"]) -> str:
    """The secret in the variable that a key of the channel names; empty where it names none.

    Raises:
        InputError: the variable is not set. Its name is not shown: it may be a password put in its place.
    """
    variable: str = getattr(channel, key)
    if not variable:
        return ""
    found = os.environ.get(variable, "")
    if not found:
        expected = f"a value in the environment variable that {key} names"
        raise InputError([Fault(place(channel), "none", expected, "set it where Trimtab runs")])
    return found


def place(channel: Channel) -> str:
    """The channel in the settings, for faults of them."""
    return f"[[alerts.channels]] {channel.name}"


def unreachable(name: str, reason: object) -> TrimtabError:
    """The error of a server that did not answer; of the reason it tells the type alone."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        found = "a certificate that does not hold"
        return DeliveryError(Fault(f"channel {name}", found, "a valid one", "mend it"))
    kind = type(reason).__name__ if isinstance(reason, Exception) else "no connection"
    return RetryLaterError(Fault(f"channel {name}", f"no answer ({kind})", "one", "try again later"))


def unusable(name: str, reason: Exception) -> DeliveryError:
    """The error of an address, a password or a text that a library cannot send at all."""
    found = f"what cannot be sent as it is ({type(reason).__name__})"
    expected = "an address, a log-in and a text that the channel can take"
    return DeliveryError(Fault(f"channel {name}", found, expected, "correct them"))
