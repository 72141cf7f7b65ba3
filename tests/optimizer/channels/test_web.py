"""Posting: what is asked again, what is not followed, what is no address."""

from __future__ import annotations

import threading

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from optimizer.alert_memory import Memory
from optimizer.errors import InputError
from optimizer.notify import carry, send
from tests.optimizer.alerting import ALERT, MESSAGE, NOW, SECRET, settings, told, web


def test_a_busy_server_is_asked_again_when_it_says_so(hook: HTTPServer) -> None:
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=429, headers={"Retry-After": "7"})
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("", status=500)
    hook.expect_ordered_request(f"/{SECRET}").respond_with_data("ok")
    assert told([ALERT], settings()) == (["sent"], [7.0, 4.0])


@pytest.mark.parametrize(
    ("status", "headers", "tries"),
    [(503, {}, 3), (429, {"Retry-After": "3600"}, 1), (400, {}, 1), (404, {}, 1), (401, {}, 1)],
)
def test_what_will_not_pass_is_not_tried_again(
    hook: HTTPServer, status: int, headers: dict[str, str], tries: int
) -> None:
    hook.expect_request(f"/{SECRET}").respond_with_data(f"no {SECRET}", status=status, headers=headers)
    memory = Memory()
    (found,) = send([ALERT], settings(), now=NOW, memory=memory, sleep=lambda _: None)
    assert found.status == "failed"
    assert f"HTTP {status}" in found.detail
    assert len(hook.log) == tries
    assert not memory.told.get("web")  # so the next run tells it


def test_a_redirect_is_not_followed(hook: HTTPServer) -> None:
    other = HTTPServer(host="127.0.0.1")
    other.expect_request("/elsewhere").respond_with_data("ok")
    other.start()
    try:
        for status in (301, 302, 303, 307, 308):
            headers = {"Location": other.url_for("/elsewhere")}
            hook.clear()
            hook.expect_request(f"/{SECRET}").respond_with_data("", status=status, headers=headers)
            (found,) = send([ALERT], settings(), now=NOW, memory=Memory(), sleep=lambda _: None)
            assert found.status == "failed"
            assert f"HTTP {status}" in found.detail
        assert other.log == []
    finally:
        other.stop()


def test_a_server_that_does_not_answer_is_left(hook: HTTPServer) -> None:
    ended = threading.Event()

    def never(_: Request) -> Response:
        ended.wait(10)
        return Response("late")

    hook.expect_request(f"/{SECRET}").respond_with_handler(never)
    found = told([ALERT], settings(timeout_s=0.2))
    ended.set()
    assert found == (["failed"], [1.0, 4.0])


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "file:///etc/passwd", "hook", "http:///", "https://a b/", "http://[x", "http://x:0/",
     "http://x:99999/", "http://x:port/", "http://x/\n", "http://user:word@x/"],
)  # fmt: skip
def test_what_is_no_url_is_told_without_showing_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", url + SECRET)
    with pytest.raises(InputError, match="something else in the variable of url_env") as error:
        carry(MESSAGE, web(), 1)
    assert SECRET not in str(error.value)
