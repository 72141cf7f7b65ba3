"""Hourly capacity plans, played by a judge of its own: cost, lateness, and no dip when the next plan comes.

The replay here is naive and knows nothing but the words of the contract; `optimizer.simulate` must agree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer.capacity import plan_capacity
from optimizer.plan import CapacityPlan, document
from optimizer.replay.case import Case
from optimizer.replay.history import world_of
from optimizer.replay.of_plan import orders_of
from optimizer.replay.world import World
from optimizer.simulate import Orders, Seen, simulate
from tests.optimizer.worlds import AS_OF, catalogue, history, option, settings, workload, world

HOURS, BOOT_MINUTES, RATE, WAIT_S, TIMEOUT_S = 12, 5, 10.0, 1.98, 30.0
PAST = 3 * 1440
WEB = workload(slo={"latency_ms": 2000, "target": 0.999}, timeout_s=TIMEOUT_S)
OPTIONS = catalogue(option("a", 2.0, boot_seconds=60.0 * BOOT_MINUTES, failures_per_1000h=0.0))


def counts() -> np.ndarray:
    """Requests of each minute: a wave of half a day with ripples, up to as-of and for the hours after it."""
    minute = np.arange(PAST + 60 * HOURS)
    wave = 1 + 0.5 * np.sin(minute / 720 * 2 * np.pi) + 0.05 * np.sin(minute / 45 * 2 * np.pi)
    return np.asarray(np.round(60 * 150 * wave * np.random.default_rng(1).normal(1, 0.01, len(minute))))


@pytest.fixture(scope="module")
def plans() -> list[CapacityPlan]:
    """A plan of every hour, from what was known then."""
    return [made_at(hour) for hour in range(HOURS)]


def made_at(hour: int) -> CapacityPlan:
    """The plan of an hour."""
    as_of = AS_OF + pd.Timedelta(hours=hour)
    known = list(counts()[: PAST + 60 * hour])
    seen = history(known, interval_s=60, end=as_of)
    inputs = world([WEB], OPTIONS, [seen], as_of=as_of)
    return plan_capacity(inputs, pd.Timedelta(hours=24), settings())[0]


@dataclass
class Naive:
    """The fleet and the queue of one workload on one option, second by second."""

    ages: list[int] = field(default_factory=list)  # minutes since launch, the oldest first
    queue: list[tuple[int, float]] = field(default_factory=list)  # second of arrival and amount
    paid_minutes: int = 0
    late: list[float] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)

    def minute(self, now: int, wished: int, arriving: float) -> None:
        """Stops the youngest, launches what is missing, serves sixty seconds."""
        self.ages = self.ages[:wished] + [0] * max(0, wished - len(self.ages))
        ready = sum(age >= BOOT_MINUTES for age in self.ages)
        self.paid_minutes += len(self.ages)
        self.serving.append(ready)
        self.late.append(sum(self.second(60 * now + s, arriving / 60, ready * RATE) for s in range(60)))
        self.ages = [age + 1 for age in self.ages]

    def second(self, now: int, arriving: float, rate: float) -> float:
        """Requests found late in this second: served after too long, or given up."""
        self.queue.append((now, arriving))
        late, room = 0.0, rate
        while self.queue and (room > 1e-9 or now - self.queue[0][0] > TIMEOUT_S):
            since, amount = self.queue[0]
            gone = amount if now - since > TIMEOUT_S else min(room, amount)
            room -= 0.0 if now - since > TIMEOUT_S else gone
            late += gone if now - since > WAIT_S else 0.0
            self.queue[0] = (since, amount - gone)
            if amount - gone <= 1e-9:
                self.queue.pop(0)
        return late


def wanted(terms: list[dict[str, Any]], load: np.ndarray) -> float:
    """Requests/s that the terms of a rule ask for, from the load of past minutes."""
    total = 0.0
    for term in terms:
        window = load[-(term.get("window_s", 60) // 60) :]
        values = {"last": window[-1], "mean": window.mean(), "max": window.max()}
        values["quantile"] = np.quantile(window, term.get("q", 0.5))
        values["constant"] = term.get("value", 0.0)
        total += term["weight"] * values[term["stat"]]
    return max(0.0, total)


def wished(body: dict[str, Any], now: pd.Timestamp, load: np.ndarray) -> int:
    """What the plan in force and its loop wish in a minute."""
    rows = [r for r in body["allocations"] if pd.Timestamp(r["from"]) <= now < pd.Timestamp(r["to"])]
    floor, most = sum(r["replicas"] for r in rows), sum(r["max_replicas"] for r in rows)
    rule = body["autoscale"]["web"]
    assert rule["scale_down_window_s"] == 0
    return max(floor, min(most, int(np.ceil(wanted(rule["terms"], load) / RATE - 1e-9))))


def naive_play(plans: list[CapacityPlan]) -> Naive:
    """Every plan for its hour."""
    bodies = [json.loads(json.dumps(document(made))) for made in plans]
    requests, play = counts(), Naive()
    for minute in range(60 * HOURS):
        now = pd.Timestamp(AS_OF) + pd.Timedelta(minutes=minute)
        past = requests[: PAST + minute] / 60
        count = wished(bodies[minute // 60], now, past)
        if minute == 0:
            play.ages = [BOOT_MINUTES] * count  # a replay starts with the first plan's fleet ready
        play.minute(minute, count, requests[PAST + minute])
    return play


@dataclass(frozen=True)
class EveryHour:
    """The same plans as a policy of the exact replay."""

    plans: list[CapacityPlan]
    whole: World

    def orders(self, world: World, seen: Seen) -> Orders:
        case = Case(self.whole, PAST + seen.minute, np.array([0.999]))
        given = orders_of(self.plans[seen.minute // 60], case)
        return Orders(given.replicas[:, :60], given.most[:, :60], given.needed[:, :60])


def test_the_exact_replay_and_a_naive_one_agree(plans: list[CapacityPlan]) -> None:
    end = pd.Timestamp(AS_OF) + pd.Timedelta(hours=HOURS)
    inputs = world([WEB], OPTIONS, [history(list(counts()), interval_s=60, end=end.to_pydatetime())])
    whole = world_of(inputs, ("web",), end - pd.Timedelta(minutes=PAST + 60 * HOURS), end)
    exact = simulate(whole.between(PAST, whole.minutes), EveryHour(plans, whole))
    naive = naive_play(plans)
    assert exact.paid.sum() == pytest.approx(naive.paid_minutes, rel=0.002)
    kept = 1 - sum(naive.late) / counts()[PAST:].sum()
    assert exact.attainment() == pytest.approx(kept, abs=0.002)
    assert kept >= 0.998


def test_capacity_does_not_dip_when_the_next_plan_comes(plans: list[CapacityPlan]) -> None:
    """Whatever serves in the minute before the hour serves until launches have booted, or load falls."""
    naive, load = naive_play(plans), counts()[PAST:] / 60
    for hour in range(1, HOURS):
        after = slice(60 * hour, 60 * hour + BOOT_MINUTES + 1)
        served, asked = np.array(naive.serving[after]) * RATE, load[after]
        assert (served >= 0.97 * asked).all(), hour
        assert sum(naive.late[after]) <= 0.01 * 60 * asked.sum(), hour


def test_a_plan_made_twice_is_alike_to_the_byte(plans: list[CapacityPlan]) -> None:
    assert json.dumps(document(made_at(3))) == json.dumps(document(plans[3]))
