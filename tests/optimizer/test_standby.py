"""Whether a standby pool pays, how large it is, and how a plan carries it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.calibration import rough_replay
from optimizer.capacity import plan_capacity
from optimizer.control import call_minutes, choose
from optimizer.forms import FORMS
from optimizer.inputs import Inputs
from optimizer.plan import CapacityPlan, document, read_plan
from optimizer.replay.case import Case
from optimizer.replay.history import world_of
from optimizer.replay.of_plan import orders_of
from optimizer.replay.ours import minute_loop
from optimizer.replay.results import Replayed
from optimizer.replay.world import World
from optimizer.schedule import DAY
from optimizer.simulate import simulate
from optimizer.standby import Pooled
from tests.optimizer.test_calibration import ramps, scattered, service
from tests.optimizer.test_simulate import world_with
from tests.optimizer.worlds import AS_OF, catalogue, history, option, settings, workload, world

HOURS = pd.Timedelta(hours=24)


def offering(load: np.ndarray, price: float = 0.2, call_s: float = 60.0, **changes: object) -> World:
    """A load on an option of 10 requests/s at 2 USD that boots in five minutes and may stand by."""
    base = world_with(
        load * 60,
        capacity=np.full((1, len(load)), 10.0),
        price_hourly=np.array([2.0]),
        standby_price_hourly=np.array([price]),
        standby_boot_s=np.array([call_s]),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def without(whole: World) -> World:
    none = np.full(1, np.nan)
    return replace(whole, standby_price_hourly=none, standby_boot_s=none)


def played(whole: World) -> Replayed:
    """The last two of eight days."""
    case = Case(whole, 6 * DAY, np.array([0.999]))
    return simulate(case.world, minute_loop(case))


def test_a_cheap_pool_saves_money_in_the_exact_replay_and_keeps_the_objective() -> None:
    whole = offering(ramps(8, seed=3))
    pool, none = played(whole), played(without(whole))
    assert pool.standby.max() > 0
    assert pool.cost_usd < 0.95 * none.cost_usd
    assert pool.attainment() >= 0.999


@pytest.mark.parametrize(
    ("price", "call_s"),
    [(1.9, 60.0), (0.2, 300.0), (0.2, 280.0)],
    ids=["dear", "slow", "rounded up"],
)
def test_a_pool_that_does_not_pay_changes_nothing(price: float, call_s: float) -> None:
    whole = offering(ramps(6), price, call_s)
    found = choose(whole, 0, whole.minutes, 0.999, FORMS)
    assert (found.standby, found.without) == (0, None)
    assert found == choose(without(whole), 0, whole.minutes, 0.999, FORMS)


def test_the_dearer_standing_by_is_the_less_it_saves() -> None:
    cost = [
        choose(offering(ramps(6), price), 0, 6 * DAY, 0.999, FORMS).fitted.usd_per_hour
        for price in (0.0, 0.1, 0.3, 2.0)
    ]
    assert cost == sorted(cost)
    assert cost[0] < 0.9 * cost[-1]


def test_a_quota_bounds_the_pool() -> None:
    limits = {"quota_pool": np.array([0]), "quota": np.array([3])}
    assert choose(offering(ramps(6), **limits), 0, 6 * DAY, 0.999, FORMS).standby == 3


@pytest.mark.parametrize(("call_s", "minutes"), [(0.0, 0), (30.0, 1), (60.0, 1), (61.0, 2), (300.0, 5)])
def test_a_call_counts_as_whole_minutes(call_s: float, minutes: int) -> None:
    assert call_minutes(offering(np.ones(10), call_s=call_s), 0) == minutes


def test_the_rough_replay_with_a_pool_agrees_with_the_exact_one() -> None:
    """On a wave that steps up now and then; of an endless pool it is the replay of a faster boot."""
    load = ramps(3, seed=5)
    asked, needed = service(len(load)), load * 1.08
    endless = Pooled(asked, 0.0, 1, 10**6).replay(load, needed)
    fast = rough_replay(load, needed, replace(asked, boot_minutes=1), slice(None))
    np.testing.assert_allclose(endless.late, fast.late)
    empty = Pooled(asked, 0.0, 1, 0).replay(load, needed)
    usual = rough_replay(load, needed, asked, slice(None))
    np.testing.assert_allclose(empty.late, usual.late)
    assert empty.usd_per_hour == pytest.approx(usual.usd_per_hour)
    late = [Pooled(asked, 0.2, 1, size).replay(load, needed).late.sum() for size in (0, 1, 2, 4, 8)]
    assert late == sorted(late, reverse=True)


def of(load: np.ndarray, *rows: dict[str, object], **changes: object) -> Inputs:
    web = workload(slo={"latency_ms": 2000, "target": 0.999}, **changes)
    return world([web], catalogue(*rows), [history(list(60 * load), interval_s=60)])


def standing(price: float = 0.2, call_s: float = 60.0, **changes: object) -> dict[str, object]:
    offer = {"standby_price_hourly": price, "standby_boot_seconds": call_s}
    return option("a", 2.0, boot_seconds=300.0, **offer, **changes)


def plan(inputs: Inputs) -> CapacityPlan:
    return plan_capacity(inputs, HOURS, settings())[0]


def test_a_plan_carries_the_pool_and_says_why(tmp_path: Path) -> None:
    inputs = of(ramps(6), standing(), option("b", 9.0, boot_seconds=300.0))
    made = plan(inputs)
    counts = {row.standby for row in made.allocations if row.option_id == "a"}
    (count,) = counts
    assert count
    assert {row.standby for row in made.allocations if row.option_id != "a"} <= {None}
    told = made.reasons[-2].text
    assert told.startswith(f"{count} replicas of a stand by at 0.2 USD an hour each")
    assert not any("boots in 5 minutes" in reason.text for reason in made.reasons)
    (tmp_path / "plan.json").write_text(json.dumps(document(made)))
    assert document(read_plan(tmp_path / "plan.json")) == document(made)
    usual = plan(of(ramps(6), option("a", 2.0, boot_seconds=300.0)))
    assert made.expected_cost_usd < 0.97 * usual.expected_cost_usd
    assert "standby" not in json.dumps(document(usual))


def test_the_replay_of_a_plan_plays_its_pool() -> None:
    inputs = of(ramps(6), standing())
    end = pd.Timestamp(AS_OF)
    whole = world_of(inputs, ("web",), end - pd.Timedelta(days=1), end)
    case = Case(whole.between(0, DAY), DAY - 60, np.array([0.999]))
    orders = orders_of(plan(inputs), replace(case, whole=replace(whole, start=end - pd.Timedelta(hours=23))))
    assert orders.standby is not None
    assert orders.standby.max() > 0


def test_max_replicas_bounds_the_pool_of_a_plan() -> None:
    made = plan(of(ramps(6), standing(), max_replicas=2))
    assert {row.standby for row in made.allocations} == {2}


def test_a_pool_that_does_not_pay_is_a_zero_in_the_plan() -> None:
    made = plan(of(scattered(3), standing(price=1.9)))
    assert {row.standby for row in made.allocations} == {0}
