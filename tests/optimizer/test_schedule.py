"""Spikes by the clock: found where load jumps at the same minute again and again, and nowhere else."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from optimizer import schedule
from optimizer.calibration import fit
from optimizer.capacity import plan_capacity
from optimizer.forms import past_of
from optimizer.replay.case import Case
from optimizer.replay.ours import minute_loop
from optimizer.schedule import DAY, Clock, Jumps, regular, scheduled
from optimizer.simulate import simulate
from tests.optimizer import worlds
from tests.optimizer.test_calibration import jumps, ramps, scattered, service
from tests.optimizer.test_simulate import world_with

KINDS = {"hour": (60, 7), "quarter": (15, 7), "day": (DAY, 547)}


def spiky(days: int, kind: str = "hour", times: float = 5.0, seed: int = 0) -> np.ndarray:
    """A daily wave that scatters, and for two minutes at a minute of the hour or day much more."""
    minutes = np.arange(days * DAY)
    period, minute = KINDS[kind]
    level = 100 + 30 * np.sin(minutes / DAY * 2 * np.pi)
    spike = np.isin(minutes % period, (minute, minute + 1))
    load = np.where(spike, times, 1.0) * level
    return np.maximum(0, np.random.default_rng(seed).normal(load, 2 * np.sqrt(load)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_at_the_same_minute_is_known_to_come_again(kind: str) -> None:
    period, minute = KINDS[kind]
    times, most = Clock.of(spiky(6, kind)).coming
    at = np.flatnonzero(times)
    assert set((at % period).tolist()) == {minute, minute + 1}
    assert times[at] == pytest.approx(5.0, rel=0.25)
    assert 400 < most[at].min() <= most[at].max() < 800


def test_a_new_service_knows_its_hourly_spike_after_five() -> None:
    load = spiky(1)
    assert not scheduled(Jumps.of(load), 3 * 60 + 30).any()
    assert np.flatnonzero(scheduled(Jumps.of(load), 6 * 60)[0]).tolist() == [
        60 * hour + minute for hour in range(24) for minute in (7, 8)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_traffic_without_a_clock_has_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heavy, wide = rng.pareto(1.5, 10 * DAY) * 10, np.maximum(0, rng.normal(100, 60, 10 * DAY))
    for load in (heavy, wide, ramps(10, seed), jumps(10, seed), scattered(10, seed), np.zeros(10 * DAY)):
        clock = Clock.of(load)
        assert not clock.is_spike.any()
        assert not clock.coming.any()
        assert not clock.wanted(load, 5).any()
    assert not Clock.of(np.full(3 * DAY, np.nan)).coming.any()
    assert not Clock.of(np.zeros(0)).coming.any()


def test_chance_is_counted() -> None:
    """Of a thousand minutes that jump half of the time, five jumps of five are no schedule."""
    begins = (np.random.default_rng(0).random((5, 60)) < 0.5).astype(float)
    begins[:, 3] = 1.0
    assert not len(regular(begins.ravel(), 60))
    rare = np.zeros((5, 60))
    rare[:, 3] = 1.0
    assert regular(rare.ravel(), 60).tolist() == [3]
    rare[:2, 3] = 0.0
    assert not len(regular(rare.ravel(), 60))


def test_what_comes_is_not_known_before() -> None:
    load = spiky(4)
    other = load.copy()
    other[3 * DAY :] *= np.random.default_rng(1).uniform(0.1, 5.0, DAY)
    reached = [Clock.of(each).reached[:, : 3 * DAY + schedule.ANEW] for each in (load, other)]
    np.testing.assert_array_equal(*reached)
    wanted = [past_of(each, 5).by_clock[: 3 * DAY] for each in (load, other)]
    np.testing.assert_array_equal(*wanted)


def test_a_schedule_that_ended_is_forgotten_and_uncounted_minutes_do_not_end_it() -> None:
    load = spiky(7)
    silent = load.copy()
    silent[4 * DAY :] = np.nan
    assert Clock.of(silent).coming.any()
    calm = spiky(7, times=1.0)
    calm[: 4 * DAY] = load[: 4 * DAY]
    assert not Clock.of(calm).coming.any()


def test_capacity_is_wished_from_a_boot_time_before_until_the_spike_has_gone() -> None:
    load = spiky(3)
    wanted = past_of(load, 5).by_clock[2 * DAY :]
    assert set((np.flatnonzero(wanted) % 60).tolist()) == {*range(1, 9)}
    assert (wanted[7::60] >= 0.8 * load[2 * DAY + 7 :: 60]).all()
    ahead = Clock.of(load).day_ahead(load, 5)
    assert set((np.flatnonzero(ahead) % 60).tolist()) == {*range(1, 9)}


def test_yesterday_and_surprises_are_read_off_the_minutes_beside_spikes() -> None:
    past = past_of(spiky(4), 5)
    assert past.same_time[3 * DAY :].max() < 200
    assert past.hours.surprise_60[3 * 24 :].max() < 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_spikes_are_served_for_less(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = spiky(7, kind)
    whole = world_with(60 * load, capacity=np.full((1, len(load)), 10.0), burstiness=np.array([4.0]))
    case = Case(whole, 6 * DAY, np.array([0.999]))
    known = simulate(case.world, minute_loop(case))
    monkeypatch.setattr(schedule, "scheduled", lambda *_: np.zeros((2, DAY)))
    unknown = simulate(case.world, minute_loop(case))
    assert known.attainment() >= 0.999
    assert known.cost_usd < (0.95 if kind == "day" else 0.75) * unknown.cost_usd


def test_fits_know_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    load = spiky(6)
    found = fit(load, service(len(load)))
    monkeypatch.setattr(schedule, "scheduled", lambda *_: np.zeros((2, DAY)))
    assert found.usd_per_hour < 0.8 * fit(load, service(len(load))).usd_per_hour


def test_plans_are_there_to_the_minute() -> None:
    """At seven past every hour five times as much comes; the plan is of 03:00."""
    web = worlds.workload(slo={"latency_ms": 2000, "target": 0.999})
    options = worlds.catalogue(worlds.option("a", boot_seconds=300.0))
    counted = worlds.history(list(60 * spiky(4)), interval_s=60)
    made = plan_capacity(worlds.world([web], options, [counted]), np.timedelta64(3, "h"), worlds.settings())[
        0
    ]

    def replicas(minute: int) -> int:
        moment = worlds.AS_OF + timedelta(minutes=minute)
        return sum(a.replicas for a in made.allocations if a.start <= moment < a.end)

    for hour in range(3):
        assert min(replicas(60 * hour + minute) for minute in range(2, 9)) >= 40
        assert max(replicas(60 * hour + minute) for minute in range(10, 60)) <= 15
    assert {a.start.minute for a in made.allocations} >= {1, 9}
    assert "24 spikes a day come by the clock" in made.reasons[-1].text
