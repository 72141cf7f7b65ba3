"""Capacity plans of histories and catalogues that nobody wishes for: never a crash, never scale to zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.calibration import Service, allowed_share, fit
from optimizer.capacity import UNFITTED, plan_capacity
from optimizer.demand import standard_requests
from optimizer.forms import around_yesterday
from optimizer.inputs import Inputs
from optimizer.minute_load import minute_load
from optimizer.plan import CapacityPlan
from optimizer.schedule import DAY
from tests.optimizer.worlds import AS_OF, catalogue, history, option, settings, workload, world

END = pd.Timestamp(AS_OF)
SLOTS = 144  # of ten minutes in a day


def plan(inputs: Inputs, hours: float = 24) -> CapacityPlan:
    return plan_capacity(inputs, pd.Timedelta(hours=hours), settings())[0]


def least(made: CapacityPlan, name: str = "web") -> int:
    """Fewest replicas of a workload in any interval."""
    rows = [a for a in made.allocations if a.workload == name]
    moments = {a.start for a in rows}
    return min(sum(a.replicas for a in rows if a.start <= m < a.end) for m in moments)


def days(count: int, rate: float = 95.0) -> np.ndarray:
    return np.full(count * SLOTS, rate * 600.0)


def of(requests: np.ndarray, **changes: object) -> Inputs:
    return world([workload(**changes)], catalogue(option("a")), [history(list(requests))])


@pytest.mark.parametrize("last_hours", [0, 3], ids=["over", "under way"])
def test_a_day_of_zeros_is_an_outage_and_not_scale_to_zero(last_hours: int) -> None:
    requests = days(8)
    end = len(requests) if last_hours == 3 else len(requests) - 12
    requests[end - SLOTS + 20 : end] = 0.0
    made = plan(of(requests))
    assert least(made) >= 6
    assert made.allocations[0].replicas >= 10  # needed now, as before the outage


def test_a_service_that_is_idle_every_night_may_be_so() -> None:
    requests = days(8).reshape(8, SLOTS)
    requests[:, 50:100] = 0.0
    assert least(plan(of(requests.ravel()))) == 0


@pytest.mark.parametrize("gap", [slice(-60, -20), slice(-40, None), slice(-SLOTS - 20, None)])
def test_hours_nobody_counted_leave_no_hole_in_the_next_day(gap: slice) -> None:
    requests = days(4)
    requests[gap] = np.nan
    assert least(plan(of(requests))) >= 6


def test_the_last_day_that_was_counted_stands_for_one_that_was_not() -> None:
    load = np.repeat([10.0, 20.0, 30.0, 40.0], DAY)
    load[2 * DAY : 3 * DAY] = np.nan
    same = around_yesterday(load)
    assert same[DAY + 100] == 10.0
    assert same[3 * DAY + 100] == 20.0
    assert same[100] == 0.0


def test_a_spike_no_factor_helps_against_does_not_triple_the_bill() -> None:
    rng = np.random.default_rng(0)
    load = 100.0 * rng.normal(1, 0.01, 6 * DAY)
    asked = Service(np.full(len(load), 10.0), 2.0, 5, 2.0, 30.0, 1.0, 0.999)
    usual = fit(load, asked).usd_per_hour
    load[4 * DAY + 100] *= 50
    assert fit(load, asked).usd_per_hour < 2.0 * usual


def test_what_may_be_late_grows_steadily_with_what_cannot_be_helped() -> None:
    shares = [allowed_share(0.001, at_most) for at_most in (0.0, 0.001, 0.0015, 0.01)]
    assert shares == pytest.approx([0.001, 0.001, 0.002, 0.011])


@pytest.mark.parametrize("purchase", ["spot", "commitment"])
def test_a_workload_without_anything_on_demand_is_planned_by_its_forecast(purchase: str) -> None:
    rows = [option("s", purchase="spot", pool="p")]
    if purchase == "commitment":
        rows.append(option("c", purchase="commitment", instance_type="big"))
    seen = pd.DataFrame({"ts": [END - pd.Timedelta(hours=h) for h in (60, 20, 1)], "pool": "p"})
    inputs = world(
        [workload(spot={"max_share": 1.0})], catalogue(*rows), [history(list(days(3)))],
        spot_capacity={"p": 50.0},
    )  # fmt: skip
    made = plan(replace(inputs, spot_history=seen.assign(capacity=50.0)))
    assert made.autoscale["web"] == UNFITTED
    assert least(made) >= 10


def test_what_is_free_costs_nothing() -> None:
    made = plan(world([workload()], catalogue(option("a", 0.0)), [history(list(days(3)))]))
    assert made.expected_cost_usd == 0.0
    assert least(made) >= 6


@pytest.mark.parametrize(("quota", "most_usd"), [(0.0, 0.0), (3.0, 3 * 24.0)])
def test_a_quota_bounds_what_the_loop_is_expected_to_cost(quota: float, most_usd: float) -> None:
    made = plan(world([workload()], catalogue(option("a", quota=quota)), [history(list(days(3)))]))
    assert made.expected_cost_usd == pytest.approx(most_usd)
    assert made.shortfalls


def test_loops_that_share_a_quota_stay_within_it_together() -> None:
    names = ("web", "api")
    demand = [history(list(days(3)), name) for name in names]
    made = plan(world([workload(n) for n in names], catalogue(option("a", quota=40.0)), demand))
    assert {a.workload: a.max_replicas for a in made.allocations} == {"web": 20, "api": 20}
    assert made.notes == ()
    alone = plan(world([workload()], catalogue(option("a", quota=40.0)), demand[:1]))
    assert {a.max_replicas for a in alone.allocations} == {29}  # 3 x 95 requests/s at 10 each


def test_requests_whose_tokens_nobody_counted_are_as_long_as_the_others() -> None:
    counted = history([600.0] * 4, tokens=([60_000.0, 60_000.0, 0.0, 0.0], [6000.0, 6000.0, 0.0, 0.0]))
    assert standard_requests(counted, 1000.0, 100.0).tolist() == pytest.approx([600.0] * 4)
    load = minute_load(counted, END - pd.Timedelta(minutes=40), END)
    assert load.prompt.tolist() == pytest.approx([100.0] * 40)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 1e6])
@pytest.mark.parametrize("hours", [0.25, 0.5, 50])
def test_rows_tile_and_weights_are_numbers_at_any_rate(rate: float, hours: float) -> None:
    made = plan(of(days(2, rate)), hours)
    for rule in made.autoscale.values():
        assert all(np.isfinite(t.weight) and np.isfinite(t.value or 0.0) for t in rule.terms or ())
    rows: dict[str, list[tuple[object, object]]] = {}
    for a in made.allocations:
        assert 0 <= a.replicas <= a.max_replicas
        rows.setdefault(a.option_id, []).append((a.start, a.end))
    for spans in rows.values():
        assert spans[0][0] == AS_OF
        assert spans[-1][1] == AS_OF + timedelta(hours=hours)
        assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]


def test_the_floor_keeps_min_replicas_below_the_loop() -> None:
    made = plan(of(days(3), min_replicas=9))
    assert least(made) == 9


@pytest.mark.parametrize(("price", "stays"), [(0.98, True), (0.7, False)])
def test_a_loop_moves_only_to_an_option_that_is_clearly_cheaper(price: float, stays: bool) -> None:
    rows = catalogue(option("a"), option("b", price))
    demand = [history(list(days(3)))]
    made = plan(world([workload()], rows, demand, running={("web", "a"): 10}))
    assert {a.option_id for a in made.allocations if a.replicas} == ({"a"} if stays else {"b"})
    assert {a.option_id for a in plan(world([workload()], rows, demand)).allocations if a.replicas} == {"b"}
