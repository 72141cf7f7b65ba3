"""Capacity plans: money adds up, intervals tile the horizon, limits hold, cover counts once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.capacity import UNFITTED, plan_capacity
from optimizer.capacity_plan_rows import runs
from optimizer.floors import Timeline
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.plan import CapacityPlan
from optimizer.reactive import needed_load
from optimizer.running_cost import beside_held
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, batch, catalogue, history, option, steady, workload, world

DAY = pd.Timedelta(hours=24)
PLACE = ("aws", "eu", "m")


def plan(inputs: Inputs, horizon: pd.Timedelta = DAY, **planning: object) -> CapacityPlan:
    return plan_capacity(inputs, horizon, worlds.settings(planning))[0]


def priced(made: CapacityPlan, inputs: Inputs) -> float:
    """USD of the allocations at catalogue prices, by a plain loop."""
    price = dict(zip(inputs.options["option_id"], inputs.options["price_hourly"], strict=True))
    return sum(
        price[a.option_id] * a.replicas * (a.end - a.start).total_seconds() / 3600 for a in made.allocations
    )


def replicas_at(made: CapacityPlan, moment: datetime, *, most: bool = False) -> dict[tuple[str, str], int]:
    """The wished fleet at a moment, rows of one option added up."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for a in made.allocations:
        if a.start <= moment < a.end:
            found[a.workload, a.option_id] += a.max_replicas if most else a.replicas
    return dict(found)


def wavy(name: str = "web", scale: float = 1.0) -> pd.DataFrame:
    day = 30_000.0 * (1.2 + np.sin(np.arange(144) / 144 * 2 * np.pi))
    return history(list(np.tile(day, 4) * scale), name)


def test_cost_is_what_the_loop_is_expected_to_run_beside_the_floor() -> None:
    """Four equal days: the next costs what capacity that follows the load with its head-room cost on them."""
    inputs = world([workload()], catalogue(option("a", 1.5)), [wavy()])
    made = plan(inputs)
    mean_load = 30_000.0 * 1.2 / 600
    busy = mean_load / 10 * 1.5 * 24
    assert 1.0 * busy < made.expected_cost_usd < 1.5 * busy
    assert priced(made, inputs) < made.expected_cost_usd
    assert len({a.replicas for a in made.allocations}) > 3
    assert made.current_cost_usd is None


@pytest.mark.parametrize("horizon", ["24h", "90min", "20min", "25h"])
def test_intervals_tile_the_horizon(horizon: str) -> None:
    as_of = AS_OF + timedelta(seconds=17)
    inputs = world([workload()], catalogue(option("a")), [wavy()], as_of=as_of)
    made = plan(inputs, pd.Timedelta(horizon))
    end = as_of + pd.Timedelta(horizon)
    rows = sorted(made.allocations, key=lambda a: a.start)
    assert (rows[0].start, rows[-1].end) == (as_of, end)
    assert all(a.end == b.start for a, b in pairwise(rows))
    assert made.horizon_hours == pytest.approx(pd.Timedelta(horizon) / pd.Timedelta(hours=1))
    assert (made.forecast[0].start, made.forecast[-1].end) == (as_of, end)


def test_forecast_rows_count_the_requests_of_their_own_interval() -> None:
    inputs = world([workload()], catalogue(option("a")), [steady(2.0)])
    made = plan(inputs, pd.Timedelta("90min"))
    assert [row.requests_p50 for row in made.forecast] == pytest.approx([7200.0, 3600.0], rel=1e-6)


def test_forecast_quantiles_do_not_cross() -> None:
    made = plan(world([workload()], catalogue(option("a")), [wavy()]))
    assert all(0 <= r.requests_p10 <= r.requests_p50 <= r.requests_p90 for r in made.forecast)


def test_the_first_minute_has_what_is_needed_now_and_then_a_floor_is_left_to_the_loop() -> None:
    made = plan(world([workload()], catalogue(option("a")), [steady(95.0)]))
    now, later = made.allocations
    assert (now.replicas, now.end) == (12, AS_OF + timedelta(minutes=1))  # 95 requests/s and head-room
    assert (later.replicas, later.end) == (7, AS_OF + timedelta(hours=24))  # a share of yesterday's
    told = made.reasons[-1].text
    assert "the minute loop follows the load by the form 'ramp', times 1.09" in told
    assert "over the last 18 hours that would have kept 100.00%" in told
    rule = made.autoscale["web"]
    assert rule.terms is not None
    load = np.full(3 * 1440, 95.0)
    assert needed_load(load, dict(t.weighted for t in rule.terms))[-1] == pytest.approx(119, abs=1)


def test_a_plain_autoscaler_gets_a_target_instead() -> None:
    made = plan(world([workload()], catalogue(option("a")), [steady(95.0)]), autoscale={"kind": "target"})
    rule = made.autoscale["web"]
    assert rule.terms is None
    assert rule.target_utilization is not None
    assert 0.5 < rule.target_utilization < 0.9
    assert rule.model_dump() == {
        "target_utilization": rule.target_utilization,
        "scale_down_window_s": rule.scale_down_window_s,
    }


def test_a_short_history_is_covered_by_its_forecast_quantile() -> None:
    made = plan(world([workload()], catalogue(option("a")), [steady(95.0, days=0.9)]))
    assert {a.replicas for a in made.allocations} == {10}
    assert made.autoscale["web"] == UNFITTED
    assert "capacity covers the 99.0% quantile" in made.reasons[-1].text


def test_an_announced_event_is_there_before_it_begins() -> None:
    event = {
        "start": AS_OF + timedelta(hours=5),
        "end": AS_OF + timedelta(hours=7),
        "factor": 3.0,
        "name": "sale",
    }
    options = catalogue(option("a", boot_seconds=300.0))
    made = plan(world([workload(known_events=[event])], options, [steady(95.0, days=4)]))
    at = {
        hour: replicas_at(made, AS_OF + timedelta(hours=hour, minutes=50))["web", "a"]
        for hour in (3, 4, 6, 8)
    }
    assert (at[3], at[8]) == (6, 6)  # left to the loop
    assert min(at[4], at[6]) >= 29


def held_world(**changes: object) -> Inputs:
    kept = workload("kept", do_not_touch=True)
    running = {("kept", "a"): 4, ("web", "a"): 5}
    return worlds.without(
        world([kept, workload()], catalogue(option("a", 2.0)), [steady(28.0)], running=running), **changes
    )


def test_held_workloads_keep_their_fleet_and_are_paid_for() -> None:
    inputs = held_world()
    made = plan(inputs)
    assert replicas_at(made, AS_OF) == {("kept", "a"): 4, ("web", "a"): 4}
    assert made.expected_cost_usd == pytest.approx((4 + 4) * 2.0 * 24)
    assert made.current_cost_usd == pytest.approx((4 + 5) * 2.0 * 24)
    assert [a.target.workload for a in made.actions] == ["web"]
    assert "kept" not in made.autoscale


@pytest.mark.parametrize("committed", [0.0, 1.0, 4.0, 5.5, 100.0])
def test_a_commitment_covers_the_held_fleet_and_the_plan_once(committed: float) -> None:
    offer = Offer("plan", committed, 0.0, {PLACE: 1.0})
    made = plan(held_world(commitments=(offer,)))
    assert made.expected_cost_usd == pytest.approx(24 * 2.0 * (8 - min(8.0, committed)))
    assert made.current_cost_usd == pytest.approx(24 * 2.0 * (9 - min(9.0, committed)))


def test_everything_held_needs_no_solver() -> None:
    kept = workload("kept", do_not_touch=True)
    made = plan(world([kept], catalogue(option("a", 2.0)), running={("kept", "a"): 4}))
    assert made.expected_cost_usd == pytest.approx(192.0)
    assert made.current_cost_usd == pytest.approx(192.0)
    assert (made.actions, made.shortfalls, made.proof.gap_share) == ((), (), 0.0)


def test_held_workloads_on_the_same_machines_are_covered_together() -> None:
    names = [workload(n, do_not_touch=True) for n in ("x", "y")]
    offer = Offer("plan", 5.0, 0.0, {PLACE: 1.0})
    running = {("x", "a"): 3, ("y", "a"): 4}
    inputs = world(names, catalogue(option("a", 2.0)), running=running, commitments=[offer])
    (left,), saved = beside_held(inputs, ["x", "y"])
    assert (left.existing_usd_per_hour, saved) == (pytest.approx(0.0), pytest.approx(10.0))


def test_only_on_demand_machines_are_covered() -> None:
    rows = catalogue(option("a", 2.0, purchase="spot", pool="p"))
    offer = Offer("plan", 5.0, 0.0, {PLACE: 1.0})
    kept = workload("kept", do_not_touch=True)
    inputs = world([kept], rows, running={("kept", "a"): 3}, commitments=[offer])
    (left,), saved = beside_held(inputs, ["kept"])
    assert (left.existing_usd_per_hour, saved) == (5.0, 0.0)


def test_a_free_rate_covers_everything() -> None:
    kept = workload("kept", do_not_touch=True)
    offer = Offer("plan", 1.0, 0.0, {PLACE: 0.0})
    inputs = world([kept], catalogue(option("a", 2.0)), running={("kept", "a"): 3}, commitments=[offer])
    (left,), saved = beside_held(inputs, ["kept"])
    assert (left.existing_usd_per_hour, saved) == (1.0, 6.0)


def test_the_loop_reaches_headroom_times_the_need() -> None:
    inputs = world([workload()], catalogue(option("a")), [steady(95.0)])
    made = plan(inputs, autoscale={"headroom_factor": 4.0})
    assert {a.max_replicas for a in made.allocations} == {38}  # 4 x 95 requests/s at 10 each


@pytest.mark.parametrize("quota", [12.0, 12.9])
def test_the_loop_stays_within_a_quota(quota: float) -> None:
    made = plan(world([workload()], catalogue(option("a", quota=quota)), [steady(95.0)]))
    assert {a.max_replicas for a in made.allocations} == {12}


def test_max_replicas_holds_for_all_options_together() -> None:
    rows = catalogue(option("a", 1.0, quota=6.0), option("b", 1.2))
    inputs = world([workload(max_replicas=11)], rows, [steady(95.0)])
    made = plan(inputs)
    assert replicas_at(made, AS_OF) == {("web", "a"): 6, ("web", "b"): 5}
    assert sum(replicas_at(made, AS_OF, most=True).values()) <= 11


def test_no_more_is_expected_to_run_than_max_replicas_of_all_options_together() -> None:
    rows = catalogue(option("a", boot_seconds=300.0), option("b", 1.2, boot_seconds=300.0))
    made = plan(world([workload(max_replicas=6)], rows, [wavy()]))
    assert made.expected_cost_usd <= 6 * 24 * 1.0 + 1e-6


def test_no_more_is_expected_to_run_than_the_loop_may_reach() -> None:
    """A request now and then: a replica serves them all, however much of it each hour took of late."""
    seldom = np.random.default_rng(0).poisson(0.02, 3 * 1440).astype(float)
    rows = catalogue(option("a", boot_seconds=300.0))
    made = plan(world([workload()], rows, [history(list(seldom), interval_s=60)]))
    assert {a.max_replicas for a in made.allocations} == {1}
    assert made.expected_cost_usd <= 24.0 + 1e-6


def test_no_more_is_expected_to_run_than_is_left_of_shared_quotas() -> None:
    rows = catalogue(option("a", quota=10.0, boot_seconds=300.0), option("b", 1.5, quota=3.0))
    made = plan(world([workload("x"), workload("y")], rows, [wavy("x", 2.0), wavy("y", 2.0)]))
    assert made.shortfalls
    assert made.expected_cost_usd <= 24 * (10 * 1.0 + 3 * 1.5) + 1e-6


@pytest.mark.parametrize("most", [5, 8, 12])
def test_max_replicas_holds_while_what_runs_is_planned_before_what_is_cheaper(most: int) -> None:
    rows = catalogue(option("a", 1.0, quota=4.0, boot_seconds=300.0), option("b", 1.5, boot_seconds=300.0))
    made = plan(world([workload(max_replicas=most)], rows, [wavy()], running={("web", "b"): 9}))
    for moment in {a.start for a in made.allocations}:
        assert sum(replicas_at(made, moment, most=True).values()) <= most


def test_shortage_is_best_effort_and_told() -> None:
    inputs = world([workload()], catalogue(option("a", quota=3.0)), [steady(95.0)])
    made = plan(inputs)
    assert {a.replicas for a in made.allocations} == {3}
    assert {s.rule for s in made.shortfalls} == {"meet_demand"}
    assert made.shortfalls[0].missing == pytest.approx(made.shortfalls[0].wanted - 30.0, rel=1e-4)


def test_actions_lead_from_the_present_fleet_to_the_first_interval() -> None:
    rows = catalogue(option("a", 2.0), option("b", 1.0), option("old", 9.0, instance_type="unknown"))
    running = {("web", "a"): 4, ("web", "old"): 2, ("web", "gone"): 1}
    inputs = world([workload()], rows, [steady(28.0)], running=running)
    made = plan(inputs)
    assert apply(made, running) == {k: n for k, n in replicas_at(made, AS_OF).items() if n}
    saved = sum(a.saving_usd_per_hour for a in made.actions)
    assert saved == pytest.approx(4 * 2.0 + 2 * 9.0 - 4 * 1.0)
    assert all(a.inverse == a.before and a.before != a.after for a in made.actions)
    assert len({a.id for a in made.actions}) == len(made.actions)


def apply(made: CapacityPlan, running: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """The present fleet after every action."""
    after = dict(running)
    for action in made.actions:
        key = action.target.workload, action.target.option_id
        assert after.get(key, 0) == action.before.replicas
        after[key] = action.after.replicas
    return {key: count for key, count in after.items() if count}


def test_batch_work_is_done_by_its_deadline_and_then_stops() -> None:
    w = batch(work_units=10.0 * 3600 * 6, deadline=AS_OF + timedelta(hours=3))
    made = plan(world([w], catalogue(option("a"))))
    assert (made.allocations[0].replicas, made.allocations[0].end) == (2, AS_OF + timedelta(hours=3))
    assert sum(a.replicas for a in made.allocations[1:]) == 0
    assert made.autoscale == {}
    assert made.forecast == ()


def test_a_workload_without_demand_costs_nothing() -> None:
    made = plan(world([workload()], catalogue(option("a")), [steady(0.0)]))
    assert made.expected_cost_usd == 0.0
    assert made.shortfalls == ()


def test_the_same_inputs_give_the_same_plan() -> None:
    inputs = held_world()
    assert plan(inputs) == plan(inputs)


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_runs_put_equal_neighbours_together(counts: list[int]) -> None:
    found = list(runs(np.array(counts)))
    assert [count for count, steps in found for _ in steps] == counts
    assert [t for _, steps in found for t in steps] == list(range(len(counts)))
    assert all(a[0] != b[0] for a, b in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(horizon=st.integers(1, 3000), length=st.integers(1, 1440))
def test_timelines_tile_any_horizon(horizon: int, length: int) -> None:
    begin, span = pd.Timestamp(AS_OF), pd.Timedelta(minutes=horizon)
    times = Timeline.of(begin, span, pd.Timedelta(minutes=length))
    assert times.starts[0] == begin
    assert times.ends[-1] == begin + span
    assert (times.starts[1:] == times.ends[:-1]).all()
    assert times.hours.sum() == pytest.approx(horizon / 60)
    assert (times.hours > 0).all()


@pytest.mark.parametrize(("budget", "is_told"), [(None, False), (10.0, True), (100_000.0, False)])
def test_a_budget_that_is_not_kept_is_told_and_nothing_is_cut(budget: float | None, is_told: bool) -> None:
    free = plan(world([workload()], catalogue(option("a", 1.5)), [wavy()]), horizon=DAY / 2)
    limited = workload(budget_usd_per_day=budget)
    made = plan(world([limited], catalogue(option("a", 1.5)), [wavy()]), horizon=DAY / 2)
    assert made.allocations == free.allocations
    told = f"web: {2 * free.expected_cost_usd:,.2f} USD a day are expected, budget_usd_per_day is"
    assert any(note.startswith(told) for note in made.notes) == is_told
