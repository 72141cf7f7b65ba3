"""A Prefect server asked over plain HTTP, as any other program would."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

BUSY = 503  # how the server says that its database is held by another request; its own client asks again too
PATIENCE_S = 60.0


def ask(api_url: str, method: str, path: str, body: Any = None) -> Any:
    """One call, again while the server is busy; the decoded answer."""
    given_up = time.monotonic() + PATIENCE_S
    status, content = call(api_url, method, path, body)
    while status == BUSY and time.monotonic() < given_up:
        time.sleep(0.5)
        status, content = call(api_url, method, path, body)
    assert status < 300, content
    return json.loads(content)


def call(api_url: str, method: str, path: str, body: Any) -> tuple[int, bytes]:
    """Status and content of one answer."""
    where = urlsplit(api_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, where.path + path, json.dumps(body), headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def artifact(api_url: str, key: str) -> Any:
    """Content of the newest artifact of that key."""
    wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    (newest,) = ask(api_url, "POST", "/artifacts/filter", wanted)
    return newest["data"]
