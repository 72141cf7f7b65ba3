"""Incidents as alerts: what is told, how bad it is, and that each is told once while it grows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data.lake import Lake
from optimizer import notify
from optimizer.alert_memory import Memory
from optimizer.alert_settings import Anomalies, Silence
from optimizer.alerts import Message, rank
from optimizer.anomalies import Watched, find
from optimizer.anomaly_alerts import alerts_of, severity_of
from optimizer.incidents import COST, UTILISATION, Episode, grouped
from optimizer.notify import send
from tests.optimizer.alerting import NOW, Ear, settings

LIMITS = Anomalies()
MAY = pd.Timestamp("2026-05-10", tz="UTC")


def episode(service: str, excess: float | None, *, day: pd.Timestamp = MAY, days: int = 1) -> Episode:
    place = {"provider": "AWS", "sub_account": "orgs/o-1/prod", "service": service, "region": "eu-west-1"}
    last = day + pd.Timedelta(days - 1, unit="D")
    return Episode(COST, place, "USD", day, last, 1.0, 150.0, 100.0, excess, cause="price")


def watched(*episodes: Episode) -> Watched:
    return Watched(grouped(episodes), {}, None, {})


def test_what_is_told_of_an_incident() -> None:
    one, other = episode("EC2", 800.0, days=3), episode("S3", 200.0)
    (alert,) = alerts_of(watched(one, other), LIMITS)
    assert alert.key == "anomaly/cost/AWS/orgs/o-1/prod/EC2/eu-west-1/-/USD/2026-05-10"
    assert alert.parts == (alert.key, alert.key.replace("EC2", "S3"))
    assert alert.severity == "critical"
    assert alert.title == "unusual cost from 2026-05-10: AWS, orgs/o-1/prod, eu-west-1"
    assert alert.money == (1000.0, "USD")
    assert alert.lines == (
        "2026-05-10 to 2026-05-12: +1,000.00 USD; cause: price",
        "+800.00 USD (80%): AWS / prod / EC2 / eu-west-1: 150.00 a day, 100.00 expected; price",
        "+200.00 USD (20%): AWS / prod / S3 / eu-west-1: 150.00 a day, 100.00 expected; price",
    )


def test_of_many_contributions_the_largest_are_told() -> None:
    many = [episode(f"S{place}", 10.0 * place) for place in range(1, 7)]
    (alert,) = alerts_of(watched(*many), LIMITS)
    assert [line.split(":")[0] for line in alert.lines[1:]] == [
        "+60.00 USD (29%)", "+50.00 USD (24%)", "+40.00 USD (19%)", "and 3 more",
    ]  # fmt: skip


def test_utilisation_that_nobody_bills_has_no_money() -> None:
    idle = Episode(
        UTILISATION, {}, None, MAY, MAY, 1.0, 0.1, 0.6, None, resource="projects/p/vm-1", metric="cpu"
    )
    (alert,) = alerts_of(watched(idle), LIMITS)
    assert alert.key == "anomaly/utilisation/projects/p/vm-1/cpu/2026-05-10"
    assert (alert.severity, alert.money) == ("info", None)
    assert alert.title == "unusual utilisation from 2026-05-10: several places"
    assert alert.lines[1].startswith("not known: cpu of vm-1: 0.10 a day")


def test_a_rise_and_a_fall_that_share_a_machine_do_not_hide_each_other() -> None:
    """Together they would be 100 USD less, a warning; the machine counts with the dearer of the two."""
    rise, fall = episode("EC2", 5000.0), replace(episode("S3", -5100.0), actual=50.0)
    idle = Episode(
        UTILISATION, rise.place, "USD", MAY, MAY, 1.0, 0.1, 0.6, 5.0, resource="vm-1", metric="cpu"
    )
    found = alerts_of(watched(idle, fall, rise), LIMITS)
    assert sorted((one.severity, one.money, len(one.parts)) for one in found) == [
        ("critical", (-5100.0, "USD"), 2),
        ("critical", (5000.0, "USD"), 1),
    ]


CLASSES = {None: "info", 0.0: "info", 99.9: "info", 100.0: "warning", -100.0: "warning", 999.0: "warning",
           1000.0: "critical", -5000.0: "critical"}  # fmt: skip


@pytest.mark.parametrize(("amount", "expected"), CLASSES.items())
def test_the_class_of_an_amount(amount: float | None, expected: str) -> None:
    assert severity_of(amount, LIMITS) == expected


def test_incidents_are_known_by_their_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lasts, it is joined by what began a day later, it grows into a higher class."""
    ear, memory, how = Ear(), Memory(), settings(repeat_hours=1)
    monkeypatch.setattr(notify, "KINDS", {"webhook": lambda *_: ear})
    next_day = MAY + pd.Timedelta(1, unit="D")
    runs = [
        (watched(episode("EC2", 50.0)), ["sent"]),
        (watched(episode("EC2", 90.0, days=2)), ["repeated"]),
        (
            watched(episode("EC2", 120.0, days=3), episode("S3", 130.0, day=next_day)),
            ["sent"],
        ),  # a warning now
        (watched(episode("EC2", 130.0, days=4), episode("S3", 120.0, day=next_day)), ["repeated"]),
        (watched(episode("S3", 120.0, day=next_day)), ["repeated"]),  # EC2 has left the window
        (watched(episode("EC2", 150.0, day=next_day + pd.Timedelta(9, unit="D"))), ["sent"]),  # another one
        (watched(episode("EC2", 1200.0, days=9)), ["sent"]),
        (watched(episode("EC2", 40.0, days=1)), ["repeated"]),  # corrected by the provider
    ]
    for day, (found, expected) in enumerate(runs):
        alerts = alerts_of(found, LIMITS)
        made = send(alerts, how, now=NOW + timedelta(days=day), memory=memory, sleep=lambda _: None)
        assert [one.status for one in made] == expected, day
    assert [message.alert.severity for message in ear.heard] == ["info", "warning", "warning", "critical"]


def test_a_series_is_silenced_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    ear = Ear()
    monkeypatch.setattr(notify, "KINDS", {"webhook": lambda *_: ear})
    how = settings(silence=(Silence(key="anomaly/cost/AWS/*/EC2/*", until=date(2027, 1, 1), reason="tests"),))
    alone, beside = watched(episode("EC2", 500.0)), watched(episode("EC2", 500.0), episode("S3", 5.0))
    made = [send(alerts_of(found, LIMITS), how, now=NOW, memory=Memory())[0] for found in (alone, beside)]
    assert [(one.status, one.detail) for one in made] == [("silenced", "tests"), ("sent", "")]


def test_day_after_day_each_incident_of_a_bill_is_told_once_and_when_it_gets_worse(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bill seen on six days, two apart: the earlier one looks, the fewer days of it are believed."""
    ear, memory, how = Ear(), Memory(), settings(repeat_hours=1, max_per_hour=99)
    monkeypatch.setattr(notify, "KINDS", {"webhook": lambda *_: ear})
    since = datetime(2026, 5, 8, tzinfo=UTC)
    with Lake.open(broken / "lake", read_only=True) as lake:
        for day, settle_days in enumerate(range(12, 1, -2)):
            found = find(lake, settle_days=settle_days, since=since)
            send(alerts_of(found, LIMITS), how, now=NOW + timedelta(days=day), memory=memory)
        later = find(lake, settle_days=2, since=since + timedelta(days=4))
    assert alerts_of(later, LIMITS) == ()
    assert len(found.incidents) == 7
    for incident in alerts_of(found, LIMITS):
        classes = [rank(message.alert.severity) for message in heard_of(ear, incident.parts)]
        assert classes == sorted(set(classes))  # once in each class, and only upwards
        assert classes[-1] == rank(incident.severity)
    (price,) = [one for one in alerts_of(found, LIMITS) if "/price/" in one.key]
    assert [message.alert.severity for message in heard_of(ear, price.parts)] == ["info", "warning"]


def heard_of(ear: Ear, parts: tuple[str, ...]) -> list[Message]:
    return [message for message in ear.heard if set(message.alert.parts) & set(parts)]
