"""A Prefect server asked over plain HTTP, as any other program would."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


def ask(api_url: str, method: str, path: str, body: Any = None) -> Any:
    """One call; the decoded answer."""
    where = urlsplit(api_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, where.path + path, json.dumps(body), headers)
        reply = connection.getresponse()
        content = reply.read()
        assert reply.status < 300, content
        return json.loads(content)
    finally:
        connection.close()


def artifact(api_url: str, key: str) -> Any:
    """Content of the newest artifact of that key."""
    wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    (newest,) = ask(api_url, "POST", "/artifacts/filter", wanted)
    return newest["data"]
