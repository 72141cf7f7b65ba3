"""What a scaling action costs decides how long the loop holds before it scales in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.workloads_yaml import parse_workloads
from optimizer.calibration import WINDOWS_S, fit
from optimizer.capacity import plan_capacity
from optimizer.replay.case import Case
from optimizer.replay.ours import minute_loop
from optimizer.replay.results import Replayed
from optimizer.replay.world import World
from optimizer.schedule import DAY
from optimizer.simulate import simulate
from tests.optimizer.test_calibration import service
from tests.optimizer.test_simulate import Path, world_with
from tests.optimizer.worlds import catalogue, history, option, settings, workload, world

COSTS = (0.0, 0.02, 0.1, 0.5, 2.0, 20.0)


def flapping(days: int) -> np.ndarray:
    """A level of 150 requests/s that is a third higher for four minutes of every ten."""
    minute = np.arange(days * DAY)
    return np.asarray(np.where(minute % 10 < 4, 200.0, 150.0) + 30 * np.sin(minute / DAY * 2 * np.pi))


def played(cost: float) -> Replayed:
    """Two days of it after four, under the loop that the history prefers."""
    load = flapping(6)
    whole = world_with(load * 60, capacity=np.full((1, len(load)), 10.0), price_hourly=np.array([2.0]))
    case = Case(replace(whole, action_cost_usd=np.array([cost])), 4 * DAY, np.array([0.999]))
    return simulate(case.world, minute_loop(case))


def test_actions_that_cost_nothing_are_not_saved() -> None:
    load = flapping(4)
    found = fit(load, service(len(load)))
    assert found.form.window_s == 0
    assert found.actions_per_hour > 10
    assert found.whole_usd_per_hour == found.usd_per_hour


def test_the_dearer_an_action_is_the_fewer_there_are() -> None:
    load = flapping(4)
    made = [fit(load, service(len(load), action_cost_usd=cost)) for cost in COSTS]
    often = [f.actions_per_hour for f in made]
    assert often == sorted(often, reverse=True)
    assert often[0] > 20 * often[-1]
    assert {f.form.window_s for f in made} <= {0, *WINDOWS_S}


@pytest.mark.parametrize("cost", COSTS[1:])
def test_capacity_and_actions_never_cost_more_than_without_a_thought_of_actions(cost: float) -> None:
    without, found = played(0.0), played(cost)
    assert found.action_usd == found.actions * cost
    assert found.cost_usd + found.action_usd <= without.cost_usd + without.actions * cost
    assert found.attainment() >= without.attainment()


def test_flapping_ends_where_it_costs() -> None:
    assert played(0.0).actions > 300
    assert played(0.5).actions < 60


def test_actions_are_paid_by_workload() -> None:
    wished = np.array([[2, 3, 3, 1], [5, 5, 4, 4]])
    two = world_with(np.full((2, 4), 60.0), action_cost_usd=np.array([10.0, 1.0]))
    found = simulate(two, Path(wished))
    assert found.scaled.tolist() == [2, 1]
    assert (found.actions, found.action_usd) == (3, 21.0)


def test_a_world_without_a_sound_price_of_actions_is_refused() -> None:
    wrong: World = world_with(np.ones(3), action_cost_usd=np.array([-1.0]))
    with pytest.raises(InputError, match="action_cost_usd"):
        wrong.check()


def test_the_plan_holds_and_says_why() -> None:
    seen = [history(list(60 * flapping(3)), interval_s=60)]
    options = catalogue(option("a", 2.0, boot_seconds=300.0))
    made = {
        cost: plan_capacity(
            world([workload(slo={"latency_ms": 2000, "target": 0.999}, action_cost_usd=cost)], options, seen),
            pd.Timedelta(hours=24),
            settings(),
        )[0]
        for cost in (0.0, 0.5)
    }
    assert made[0.0].autoscale["web"].scale_down_window_s == 0
    assert "actions a day" not in made[0.0].reasons[-1].text
    assert made[0.5].autoscale["web"].scale_down_window_s >= 300
    assert "actions a day at 0.5 USD each" in made[0.5].reasons[-1].text


@pytest.mark.parametrize("told", ["-1", "dear", ".nan", ".inf"])
def test_a_cost_that_is_none_is_refused(told: str) -> None:
    text = (
        f"workloads:\n- {{name: w, model: m, slo: {{latency_ms: 9, target: 0.9}}, action_cost_usd: {told}}}\n"
    )
    (found,) = parse_workloads(text).faults
    assert "action_cost_usd" in str(found)
