"""Who hears what, and how often, against a real server on this machine."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from optimizer import notify
from optimizer.alert_memory import Memory
from optimizer.alert_settings import Channel, Silence
from optimizer.alerts import SEVERITIES, Message, Severity, rank
from optimizer.errors import DeliveryError, Fault
from optimizer.notify import send
from tests.optimizer.alerting import ALERT, HOUR, NOW, Ear, alert, bodies, settings, told, web


def test_the_same_is_told_again_only_after_a_while_or_when_worse(open_hook: HTTPServer) -> None:
    memory, how = Memory(), settings(repeat_hours=24)
    assert told([alert()], how, memory)[0] == ["sent"]
    assert told([alert()], how, memory, NOW + 23 * HOUR)[0] == ["repeated"]
    assert told([alert(severity="info")], how, memory, NOW + 23 * HOUR)[0] == ["repeated"]
    assert told([alert(severity="critical")], how, memory, NOW + 23 * HOUR)[0] == ["sent"]
    assert told([alert()], how, memory, NOW + 46 * HOUR)[0] == ["repeated"]  # critical was 23 h ago
    assert told([alert()], how, memory, NOW + 47 * HOUR)[0] == ["sent"]
    assert len(open_hook.log) == 3


def test_of_one_key_the_worst_counts(open_hook: HTTPServer) -> None:
    assert told([alert(severity="critical"), alert(severity="info")], settings())[0] == ["sent"]
    assert bodies(open_hook)[0]["severity"] == "critical"


def test_silences_hold_until_their_day(open_hook: HTTPServer) -> None:
    silence = Silence(key="budget/*", until=date(2026, 11, 26), reason="known")
    how, memory = settings(silence=(silence,)), Memory()
    found = send([ALERT, alert()], how, now=NOW, memory=memory)
    assert [(d.key, d.status, d.detail) for d in found] == [
        (ALERT.key, "silenced", "known"),
        ("a", "sent", ""),
    ]
    assert told([ALERT], how, memory, datetime(2026, 11, 25, 23, 59, tzinfo=UTC))[0] == ["silenced"]
    assert told([ALERT], how, memory, datetime(2026, 11, 26, tzinfo=UTC))[0] == ["sent"]


def test_a_channel_hears_from_its_severity_on(open_hook: HTTPServer) -> None:
    how = settings(web(least_severity="critical"))
    assert told([alert("a"), alert("b", "critical")], how)[0] == ["below", "sent"]


def test_more_than_fits_the_hour_is_held_back_and_summed_up(open_hook: HTTPServer) -> None:
    memory, how = Memory(), settings(max_per_hour=2)
    many = [alert("c"), alert("b"), alert("d"), alert("a", "critical"), alert("e", "info")]
    assert told(many, how, memory)[0] == ["sent", "sent", "held", "held", "held"]
    first, second = bodies(open_hook)
    assert (first["key"], first["held_back"]) == ("a", None)
    line = "3 more held back by the rate limit: title of c; title of d; title of e"
    assert (second["key"], second["held_back"]) == ("b", line)
    assert told([alert("f")], how, memory, NOW + 0.5 * HOUR)[0] == ["held"]
    assert told([alert("c"), alert("g")], how, memory, NOW + 1.1 * HOUR)[0] == ["sent", "sent"]
    assert bodies(open_hook)[-1]["held_back"] == "1 more held back by the rate limit: title of f"
    assert len(open_hook.log) == 4


def test_channels_do_not_share_their_rate(open_hook: HTTPServer) -> None:
    how = settings(web("one"), web("two"), max_per_hour=1)
    assert told([alert("a"), alert("b")], how)[0] == ["sent", "held", "sent", "held"]


def test_what_is_told_once_is_told_again_only_when_worse(open_hook: HTTPServer) -> None:
    memory, how = Memory(), settings(repeat_hours=1)
    for day, severity, expected in (
        (0, "warning", "sent"), (1, "warning", "repeated"), (40, "info", "repeated"),
        (41, "critical", "sent"), (42, "warning", "repeated"), (80, "critical", "repeated"),
    ):  # fmt: skip
        once = alert("x", severity, is_told_once=True)
        assert told([once], how, memory, NOW + 24 * day * HOUR)[0] == [expected], day


def test_what_grows_or_moves_is_known_by_its_parts(open_hook: HTTPServer) -> None:
    memory, how = Memory(), settings()
    both = {"is_told_once": True, "severity": "warning"}
    assert told([alert("a", parts=("a", "b"), **both)], how, memory)[0] == ["sent"]
    assert told([alert("c", parts=("c", "b"), **both)], how, memory)[0] == ["repeated"]  # b was told
    assert told([alert("c", parts=("c",), **both)], how, memory)[0] == ["sent"]  # c was not: it is news


def test_what_was_held_back_is_told_by_the_next_message_that_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message that should have told of it fails; the one before it does not take its place."""
    ear, memory, how = Ear(), Memory(), settings(max_per_hour=2)
    monkeypatch.setattr(notify, "KINDS", {"webhook": lambda *_: ear})
    carried = ear.carry

    def carry(message: Message) -> None:
        if message.alert.key == "b":
            raise DeliveryError(Fault("channel web", "HTTP 404", "2xx", "check it"))
        carried(message)

    monkeypatch.setattr(ear, "carry", carry)
    assert told([alert(key) for key in "abc"], how, memory)[0] == ["sent", "failed", "held"]
    assert told([alert("d")], how, memory)[0] == ["sent"]  # c holds no more
    expected = [None, "1 more held back by the rate limit: title of c"]
    assert [message.held_back for message in ear.heard] == expected
    assert memory.held == {}


def test_a_silence_holds_where_it_fits_every_part(open_hook: HTTPServer) -> None:
    until = date(2026, 12, 1)
    silence = (
        Silence(key="anomaly/*/EC2/*", until=until),
        Silence(key="anomaly/*/S3/*", until=until, reason="r"),
    )
    how = settings(silence=silence)
    ours, other = ("anomaly/p/EC2/x", "anomaly/p/S3/x"), ("anomaly/p/EC2/x", "anomaly/p/RDS/x")
    found = send([alert(ours[0], parts=ours)], how, now=NOW, memory=Memory())
    assert [(one.status, one.detail) for one in found] == [("silenced", "until 2026-12-01; r")]
    assert told([alert(other[0], parts=other)], how)[0] == ["sent"]


def test_one_channel_that_fails_does_not_stop_the_other(open_hook: HTTPServer) -> None:
    gone = Channel(name="gone", kind="slack", url_env="NOT_SET")
    assert told([ALERT], settings(gone, web()))[0] == ["failed", "sent"]


runs = st.lists(
    st.tuples(
        st.integers(0, 30),  # hours since the run before
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(SEVERITIES)), max_size=4),
    ),
    max_size=8,
)


@examples(max_examples=60, deadline=None)
@given(runs=runs, is_told_once=st.booleans(), most=st.integers(1, 3))
def test_whatever_happens_nothing_is_told_too_often(
    runs: list[tuple[int, list[tuple[str, Severity]]]], is_told_once: bool, most: int
) -> None:
    ear, memory, now = Ear(), Memory(), NOW
    how = settings(repeat_hours=24, max_per_hour=most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notify, "KINDS", {"webhook": lambda *_: ear})
        for hours, raised in runs:
            now += hours * HOUR
            alerts = [alert(key, severity, is_told_once=is_told_once) for key, severity in raised]
            found = send(alerts, how, now=now, memory=memory, sleep=lambda _: None)
            assert {one.key for one in found} == {one.key for one in alerts}  # each has its end
    for key in "abc":
        mine = [message for message in ear.heard if message.alert.key == key]
        for before, after in itertools.pairwise(mine):
            is_worse = rank(after.alert.severity) > rank(before.alert.severity)
            is_late = after.sent_at - before.sent_at >= 24 * HOUR and not is_told_once
            assert is_worse or is_late
    for place, message in enumerate(ear.heard[most:]):
        assert message.sent_at - ear.heard[place].sent_at >= HOUR
