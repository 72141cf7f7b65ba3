"""Put this folder on PYTHONPATH: each Python process then writes down whom it asks for off this machine.

An audit hook sees what libraries do however they do it. Names count as much as addresses. Nothing is refused:
a library that swallows the refusal would pass for one that kept silent.
"""

import ipaddress
import os
import sys

LOG = "LOOPBACK_GUARD_LOG"
ADDRESSED = {"socket.connect", "socket.sendto"}
NAMED = {"socket.getaddrinfo", "socket.gethostbyname"}


def is_local(host: str) -> bool:
    """This machine by name or address; 0.0.0.0 is looked up by those who listen."""
    if host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def write_down(event, arguments):
    """Called for every audit event of the process."""
    if event not in ADDRESSED and event not in NAMED:
        return
    target = arguments[1] if event in ADDRESSED else arguments
    host = target[0] if isinstance(target, tuple) else None  # a unix socket has a path
    host = host.decode() if isinstance(host, bytes) else host
    if isinstance(host, str) and not is_local(host):
        with open(os.environ[LOG], "a", encoding="utf-8") as log:  # noqa: PTH123 - before pathlib is imported
            log.write(f"{event} {host} {sys.argv[:4]}\n")


if LOG in os.environ:
    sys.addaudithook(write_down)
