"""Placement plans: costs add up, savings are real, commitments are advised only if they pay."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.formulate import Need, Offer
from optimizer.inputs import Inputs
from optimizer.placement import over_budget, plan_placement, typical_profile
from optimizer.plan import PlacementPlan
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, batch, catalogue, history, option, steady, workload, world

PLACE = ("aws", "eu", "m")


def plan(inputs: Inputs, **placement: object) -> PlacementPlan:
    return plan_placement(inputs, worlds.settings(None, **placement))[0]


def wavy(name: str = "web") -> pd.DataFrame:
    day = 30_000.0 * (1.2 + np.sin(np.arange(144) / 144 * 2 * np.pi))
    noise = np.random.default_rng(7).lognormal(0, 0.2, 144 * 4)
    return history(list(np.tile(day, 4) * noise), name)


def shared_world(committed: float, **changes: object) -> Inputs:
    """Two planned workloads and a held one that share machines and a commitment."""
    names = [workload("web"), workload("api"), workload("kept", do_not_touch=True)]
    unprofiled = option("old", 9.0, instance_type="old")  # runs now, but nothing may be planned on it
    rows = catalogue(option("a", 2.0), option("z", 3.0, instance_type="slow"), unprofiled)
    running = {("web", "a"): 9, ("api", "z"): 4, ("kept", "a"): 2, ("web", "old"): 1, ("web", "gone"): 1}
    offers = [Offer("plan", committed, 0.0, {PLACE: 1.0, ("aws", "eu", "slow"): 1.5})]
    made = world(names, rows, [wavy("web"), steady(28.0, "api")], running=running, commitments=offers)
    return worlds.without(made, **changes)


@pytest.mark.parametrize("committed", [0.0, 1.0, 3.5, 8.0, 1000.0])
def test_costs_of_workloads_add_up_to_the_plan(committed: float) -> None:
    made = plan(shared_world(committed))
    held = 24.0 * 2 * 2.0 - 24.0 * 2.0 * min(2.0, committed)
    planned = sum(cost.planned_usd_per_day for cost in made.workload_costs)
    current = sum(cost.current_usd_per_day or 0.0 for cost in made.workload_costs)
    assert planned + held == pytest.approx(made.expected_cost_usd, abs=1e-4)
    assert current + held == pytest.approx(made.current_cost_usd, abs=1e-4)
    for cost in made.workload_costs:
        assert cost.planned_usd_per_day_low <= cost.planned_usd_per_day <= cost.planned_usd_per_day_high


def test_cost_without_commitments_is_replicas_times_price_times_hours() -> None:
    made = plan(shared_world(0.0))
    hours = {period.name: period.hours for period in made.periods}
    rows = sum(row.replicas * row.price_hourly_usd * hours[row.period] for row in made.placements)
    assert sum(hours.values()) == pytest.approx(24.0)
    assert made.expected_cost_usd == pytest.approx(rows + 24.0 * 2 * 2.0)


def test_a_workload_missing_from_a_known_fleet_runs_nothing_now() -> None:
    names = [workload("web"), workload("new")]
    inputs = world(
        names, catalogue(option("a")), [steady(18.0), steady(18.0, "new")], running={("web", "a"): 2}
    )
    costs = {cost.workload: cost for cost in plan(inputs).workload_costs}
    assert costs["new"].current_usd_per_day == 0.0
    assert costs["new"].planned_usd_per_day == pytest.approx(48.0)


def test_without_a_fleet_nothing_is_said_about_the_present() -> None:
    made = plan(world([workload()], catalogue(option("a")), [steady(18.0)]))
    assert made.current_cost_usd is None
    assert [cost.current_usd_per_day for cost in made.workload_costs] == [None]


def test_a_commitment_is_advised_where_it_saves_and_is_not_in_the_plans_cost() -> None:
    rows = catalogue(option("a", 2.0), option("c", 1.2, purchase="commitment"))
    made = plan(world([workload()], rows, [steady(28.0)]))
    (item,) = made.commitments
    assert 0 < item.usd_per_hour < 3 * 1.2
    assert made.expected_cost_usd == pytest.approx(24 * 3 * 2.0)


def test_no_advice_where_it_is_switched_off() -> None:
    rows = catalogue(option("a", 2.0), option("c", 1.0, purchase="commitment"))
    assert plan(world([workload()], rows, [steady(28.0)]), offer_commitments=False).commitments == ()


def test_the_typical_day_is_the_median_of_days() -> None:
    days = np.array([[1.0, 9.0], [2.0, 5.0], [99.0, 7.0]])
    need = Need(workload(), catalogue(option("a")), days.ravel())
    now = pd.date_range(AS_OF, periods=2, freq="12h", unit="us")
    assert typical_profile(need, (3, 2), now).tolist() == [2.0, 7.0]


@pytest.mark.parametrize("blocks", [1, 5, 7, 24])
def test_any_number_of_blocks_makes_a_day(blocks: int) -> None:
    made = plan(
        world([workload()], catalogue(option("a")), [steady(18.0)]), blocks_per_day=blocks, forecast_days=2
    )
    assert len({period.name for period in made.periods}) == blocks
    assert sum(period.hours for period in made.periods) == pytest.approx(24.0)
    assert made.expected_cost_usd == pytest.approx(48.0)


@pytest.mark.parametrize("late_h", [6, 21, 24])
def test_work_due_before_midnight_is_paid_for_too(late_h: int) -> None:
    w = batch(work_units=10.0 * 3600 * late_h, deadline=AS_OF + timedelta(hours=late_h))
    made = plan(world([w], catalogue(option("a")), running={("etl", "a"): 1}), blocks_per_day=24)
    assert made.expected_cost_usd == pytest.approx(late_h)
    assert made.current_cost_usd == pytest.approx(24.0)
    (cost,) = made.workload_costs
    assert cost.planned_usd_per_day_low == cost.planned_usd_per_day == cost.planned_usd_per_day_high


def test_a_budget_that_does_not_pay_for_the_need_is_told() -> None:
    inputs = world([workload(budget_usd_per_day=40.0)], catalogue(option("a")), [steady(18.0)])
    made = plan(inputs)
    assert [note for note in made.notes if "budget" in note] == [
        "web: planned at 48.00 USD per day, above its budget of 40.00; demand comes first"
    ]
    enough = worlds.without(inputs, workloads=(workload(budget_usd_per_day=48.0),))
    assert not list(over_budget(enough, made.workload_costs))


def test_actions_lead_to_the_first_period() -> None:
    inputs = shared_world(0.0)
    made = plan(inputs)
    rows = inputs.fleet.loc[inputs.fleet["workload"].ne("kept")]
    after = {
        (w, o): int(n) for w, o, n in zip(rows["workload"], rows["option_id"], rows["desired"], strict=True)
    }
    for action in made.actions:
        key = action.target.workload, action.target.option_id
        assert after.get(key, 0) == action.before.replicas == action.inverse.replicas
        after[key] = action.after.replicas
    first = {
        (r.workload, r.option_id): r.replicas for r in made.placements if r.period == made.periods[0].name
    }
    assert {key: count for key, count in after.items() if count} == first


def test_everything_held_is_a_plan_without_periods() -> None:
    made = plan(world([workload(do_not_touch=True)], catalogue(option("a")), running={("web", "a"): 2}))
    assert (made.periods, made.placements, made.commitments) == ((), (), ())
    assert made.expected_cost_usd == made.current_cost_usd == pytest.approx(48.0)
    assert made.reasons[0].text == "left as it is: do_not_touch is set"


def test_prices_say_how_old_they_are_and_whether_they_are_estimated() -> None:
    rows = catalogue(option("a")).assign(price_as_of=AS_OF - timedelta(days=9), is_estimated=True)
    (row, *_) = plan(world([workload()], rows, [steady(18.0)])).placements
    assert (row.price_as_of, row.is_estimated_price) == (AS_OF - timedelta(days=9), True)
    (row, *_) = plan(world([workload()], catalogue(option("a")), [steady(18.0)])).placements
    assert (row.price_as_of, row.is_estimated_price) == (None, False)
