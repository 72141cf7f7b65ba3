"""Messages by HTTP POST: to any webhook as JSON, to Slack and its like as blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from optimizer.alert_settings import Channel
from optimizer.alerts import Message
from optimizer.channels.carrier import Carrier, place, secret, unreachable, unusable
from optimizer.channels.payloads import slack_payload, webhook_payload
from optimizer.errors import DeliveryError, Fault, InputError, RetryLaterError, TrimtabError

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
HEADERS = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "trimtab"}


def webhook(channel: Channel, timeout_s: float) -> Carrier:
    """The carrier of a channel of kind webhook."""
    return Web(channel.name, address_of(channel), webhook_payload, timeout_s)


def slack(channel: Channel, timeout_s: float) -> Carrier:
    """The carrier of a channel of kind slack."""
    return Web(channel.name, address_of(channel), slack_payload, timeout_s)


@dataclass(frozen=True)
class Web:
    """A carrier to a URL.

    Attributes:
        name: of the channel.
        url: a secret.
        payload: what the receiver understands.
        timeout_s: longest wait for an answer.
    """

    name: str
    url: str = field(repr=False)
    payload: Callable[[Message], dict[str, Any]]
    timeout_s: float

    def carry(self, message: Message) -> None:
        """See `Carrier`."""
        body = json.dumps(self.payload(message), ensure_ascii=False).encode(errors="replace")
        fault: TrimtabError
        try:
            request = Request(self.url, data=body, headers=HEADERS, method="POST")  # noqa: S310  address_of
            with build_opener(_NoRedirect).open(request, timeout=self.timeout_s):
                return
        except HTTPError as error:
            error.close()
            fault = refused(self.name, error.code, error.headers.get("Retry-After"))
        except (URLError, HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            fault = unreachable(self.name, reason)
        except (ValueError, OverflowError) as error:  # a host or a port that cannot be
            fault = unusable(self.name, error)
        raise fault from None  # the cause holds the URL


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other: what was meant for one host is not told to another."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def address_of(channel: Channel) -> str:
    """The URL of a channel; the fault of a wrong one does not show it.

    Raises:
        InputError: there is none, or it is no URL.
    """
    url = secret(channel, "url_env")
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        is_web = is_web and "@" not in parts.netloc  # a log-in would be looked up as part of the host's name
    except ValueError:
        is_web = False
    if not is_web or not url.isprintable() or " " in url:
        found, expected = (
            "something else in the variable of url_env",
            "a URL that begins with https:// or http:// and holds no log-in before its host",
        )
        raise InputError([Fault(place(channel), found, expected, "correct the variable")])
    return url


def refused(name: str, status: int, retry_after: str | None) -> TrimtabError:
    """The error of an answer that is not 2xx."""
    where, found = f"channel {name}", f"HTTP {status}"
    if status in TRANSIENT:
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
        asked = f" and asked to wait {wait_s:g} s" if wait_s is not None else ""
        return RetryLaterError(Fault(where, found + asked, "2xx", "try again later"), wait_s)
    hint = "use the address it leads to" if 300 <= status < 400 else "check its address and rights"
    return DeliveryError(Fault(where, found, "2xx", hint))
