"""Placement plans: costs add up, savings are real, commitments are advised only if they pay."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.cost_settings import Budget
from optimizer.errors import InfeasibleError
from optimizer.formulate import Need, Offer
from optimizer.inputs import Inputs
from optimizer.placement import plan_placement
from optimizer.plan import PlacementPlan
from optimizer.typical_day import typical_need
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
    running = {("web", "a"): 9, ("api", "z"): 4, ("kept", "a"): 2, ("web", "old"): 1}
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
    assert typical_need(need, (3, 2), AS_OF).demand.tolist() == [2.0, 7.0]


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


def test_a_budget_that_does_not_pay_for_the_need_is_a_shortfall() -> None:
    inputs = world([workload(budget_usd_per_day=40.0)], catalogue(option("a")), [steady(18.0)])
    made = plan(inputs)
    assert made.expected_cost_usd == pytest.approx(48.0)  # demand comes first
    (missed,) = made.shortfalls
    assert (missed.rule, missed.workload, missed.period) == ("budget_usd_per_day", "web", "all")
    assert (missed.missing, missed.wanted) == (pytest.approx(8.0), 40.0)
    assert missed.text == (
        "web: what serves its demand costs 48.00 USD per day, 8.00 above its budget of 40.00; "
        "demand comes first"
    )
    enough = worlds.without(inputs, workloads=(workload(budget_usd_per_day=48.0),))
    assert plan(enough).shortfalls == ()


def test_a_budget_that_is_missed_leaves_a_proof_beside_what_runs() -> None:
    """The solver begins from what misses least, which has led HiGHS to an answer without any bound."""
    names = [workload("x"), workload("y", budget_usd_per_day=50.0)]
    rows = catalogue(option("a", quota=500.0, boot_seconds=300.0), option("b", 1.5, boot_seconds=300.0))
    hourly = [30_000.0 * (1.2 + np.sin(np.arange(4 * 144) / 72 * np.pi))] * 2
    demand = [history(list(load), name) for load, name in zip(hourly, "xy", strict=True)]
    inputs = world(names, rows, demand, running={("x", "a"): 9, ("y", "b"): 9})
    made = plan(inputs, forecast_days=4, activation_cost_usd=5.0)
    assert [missed.workload for missed in made.shortfalls] == ["y"]
    assert made.proof.gap_share <= 0.01


def test_a_plan_is_explained_where_every_workload_has_max_replicas() -> None:
    made = plan(world([workload(max_replicas=3)], catalogue(option("a")), [steady(18.0)]))
    assert {row.replicas for row in made.placements} == {2}
    assert made.explanation is not None


def two_that_share(**keys: object) -> Inputs:
    """Two workloads that need two replicas each of a cheap option of which there are three."""
    rows = catalogue(option("a", 1.0, quota=3.0), option("b", 2.0, instance_type="slow"))
    names = [workload("api", **keys), workload("web")]
    return world(names, rows, [steady(18.0), steady(18.0, "api")])


def replicas(made: PlacementPlan, name: str) -> dict[str, int]:
    first = made.periods[0].name
    rows = [row for row in made.placements if row.workload == name and row.period == first]
    return {row.option_id: row.replicas for row in rows}


@pytest.mark.parametrize("name", ["api", "web"])
def test_whoever_has_a_budget_gets_what_is_cheap_and_scarce(name: str) -> None:
    inputs = two_that_share()
    names = tuple(workload(n, **({"budget_usd_per_day": 48.0} if n == name else {})) for n in ("api", "web"))
    made = plan(worlds.without(inputs, workloads=names))
    assert replicas(made, name) == {"a": 2}
    assert made.shortfalls == ()
    assert made.expected_cost_usd == pytest.approx(24.0 * 5)


def test_a_budget_of_an_owner_holds_for_its_workloads_together() -> None:
    inputs = two_that_share(owner="shop")
    monthly = 31 * 48.0  # May
    chosen = worlds.settings().model_copy(
        update={
            "budgets": (
                Budget(name="shop", owner="shop", monthly_amount=monthly),
                Budget(name="euros", owner="shop", monthly_amount=1.0, currency="EUR"),
                Budget(name="others", owner="else", monthly_amount=1.0),
                Budget(name="all", monthly_amount=1.0),
            )
        }
    )
    assert replicas(plan_placement(inputs, chosen)[0], "api") == {"a": 2}  # the web, without it
    less = chosen.model_copy(update={"budgets": (Budget(name="shop", owner="shop", monthly_amount=31.0),)})
    (missed,) = plan_placement(inputs, less)[0].shortfalls
    assert (missed.workload, missed.missing, missed.wanted) == ("budget/shop", pytest.approx(47.0), 1.0)


def test_a_commitment_that_pays_for_a_placement_keeps_it_within_its_budget() -> None:
    """At list price it is dearer than spot, but what runs is paid for already."""
    rows = catalogue(option("a", 2.0), option("s", 1.0, purchase="spot", pool="p"))
    w = workload(budget_usd_per_day=60.0, spot={"max_share": 1.0})
    offer = Offer("plan", 100.0, 0.0, {PLACE: 1.0})
    made = plan(world([w], rows, [steady(18.0)], commitments=[offer], spot_capacity={"p": 9.0}))
    assert replicas(made, "web") == {"a": 2}
    assert made.shortfalls == ()


def test_work_takes_the_hours_that_others_leave_and_the_plan_says_when() -> None:
    """Five replicas of one option in all; the web needs four by day (from 14:00), two before."""
    day = [6.0] * 72 + [28.0] * 72  # requests/s from 03:00 on, by ten minutes
    web = history([rate * 600.0 for rate in [*day] * 8])
    due = AS_OF + timedelta(hours=21)  # midnight
    etl = batch(work_units=10.0 * 3600 * 36, deadline=due)
    made = plan(world([workload(), etl], catalogue(option("a", quota=5.0)), [web]), blocks_per_day=24)
    assert made.shortfalls == ()
    (told,) = made.work
    assert (told.workload, told.deadline, told.work_units) == ("etl", due, 10.0 * 3600 * 36)
    assert told.units_per_day == pytest.approx(10.0 * 3600 * 36)
    assert sum(run.units for run in told.runs) == pytest.approx(told.units_per_day)
    assert min(run.period for run in told.runs) >= "03:00"
    running = {row.period: row.replicas for row in made.placements if row.workload == "etl"}
    assert {run.period for run in told.runs} <= set(running)
    assert max(running.values()) > min(running.values())  # not an even rate
    (cost,) = [item for item in made.workload_costs if item.workload == "etl"]
    assert cost.planned_usd_per_day == pytest.approx(sum(running.values()))
    assert cost.planned_usd_per_day_low == cost.planned_usd_per_day == cost.planned_usd_per_day_high


def test_work_due_after_the_day_does_its_share_of_it() -> None:
    etl = batch(work_units=10.0 * 3600 * 72, deadline=AS_OF + timedelta(hours=72))
    made = plan(world([etl], catalogue(option("a"))), blocks_per_day=24)
    (told,) = made.work
    assert told.units_per_day == pytest.approx(told.work_units / 3)
    assert made.expected_cost_usd == pytest.approx(24.0)


def test_work_without_room_before_its_deadline_is_told_in_its_own_units() -> None:
    etl = batch(work_units=10.0 * 3600 * 30, deadline=AS_OF + timedelta(hours=21))
    made = plan(world([etl], catalogue(option("a", quota=1.0))), blocks_per_day=24)
    (missed,) = made.shortfalls
    assert (missed.rule, missed.missing, missed.wanted) == ("finish_work", pytest.approx(90.0), 300.0)
    assert missed.text.startswith("etl: 324,000 of 1.08e+06 units of work find no room until")


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


def two_coasts(**rules: object) -> PlacementPlan:
    """A workload with users in two countries and a region near to each."""
    origins = {"origins": {"DE": 0.75, "US": 0.25}, "max_rtt_ms": 50, "residency": ["DE", "US"]}
    rows = catalogue(option("a", 2.0), option("b", 1.0, region="us"), option("c", 0.1, region="moon"))
    made = world([workload("web", **{**origins, **rules})], rows, [steady(40.0)])
    country = {("aws", "eu"): "DE", ("aws", "us"): "US"}
    rtt = {("DE", "aws", "eu"): 10.0, ("DE", "aws", "us"): 45.0, ("US", "aws", "us"): 10.0}
    return plan(worlds.without(made, country=country, rtt_ms=rtt))


def test_each_origin_is_served_from_a_region_near_to_it_and_the_certificate_says_so() -> None:
    everything_in_us = two_coasts()
    assert {row.region for row in everything_in_us.placements} == {"us"}
    assert everything_in_us.routes == ()  # one region serves everybody
    (stated,) = everything_in_us.certificate
    assert (stated.worst_latency_ms, stated.is_latency_estimated, stated.broken) == (45.0, True, ())
    apart = two_coasts(max_rtt_ms=20)
    assert {row.region for row in apart.placements} == {"eu", "us"}
    assert {(row.origin, row.region, row.served_share) for row in apart.routes} == {
        ("DE", "eu", 1.0), ("US", "us", 1.0),
    }  # fmt: skip
    (stated,) = apart.certificate
    assert (stated.worst_latency_ms, stated.countries, stated.broken) == (10.0, ("DE", "US"), ())
    assert stated.after_region_loss is not None
    assert stated.after_region_loss.served_share == pytest.approx(0.25)  # eu lost: only users in the US


def test_without_routing_by_origin_every_region_must_be_near_to_everyone() -> None:
    with pytest.raises(InfeasibleError, match="raise max_rtt_ms to 45; that admits b"):
        two_coasts(max_rtt_ms=20, geo_routing=False)
    assert {row.region for row in two_coasts(geo_routing=False).placements} == {"us"}


def lossy_world(usd: float | None, *, rate: float = 18.0) -> Inputs:
    """Cheap spot of which all is taken away for a day now and then, beside dearer on-demand."""
    slo = worlds.SLO | ({} if usd is None else {"usd_per_1000_missed": usd})
    w = workload(slo=slo, spot={"max_share": 1.0})
    rows = catalogue(option("a", 2.0), option("s", 1.0, purchase="spot", pool="p"))
    made = world([w], rows, [steady(rate, days=10)], spot_capacity={"p": 9.0})
    ts = pd.date_range(AS_OF - timedelta(days=10, hours=3), periods=240, freq="h")
    granted = [9.0 if day >= 4 else 3.0 for day in range(10) for _ in range(24)]
    return worlds.without(made, spot_history=pd.DataFrame({"ts": ts, "pool": "p", "capacity": granted}))


def test_losses_of_past_days_count_for_those_who_say_what_a_miss_costs() -> None:
    """A third is left in 4 of 10 days: 12 requests/s miss; 3.6 times as many thousands in an hour."""
    nothing_said = plan(lossy_world(None))
    assert (replicas(nothing_said, "web"), nothing_said.miss_costs) == ({"s": 2}, ())
    cheap = plan(lossy_world(0.001))
    assert replicas(cheap, "web") == {"s": 2}
    (told,) = cheap.miss_costs
    assert (told.workload, told.usd_per_1000_missed, told.days) == ("web", pytest.approx(0.001), 10)
    need = 18.0  # of which 20/3 are served
    assert told.expected_usd_per_day == pytest.approx(0.4 * (need - 20 / 3) * 3.6 * 0.001 * 24, rel=0.02)
    dear = plan(lossy_world(100.0))
    assert replicas(dear, "web") == {"a": 2}
    assert dear.miss_costs[0].expected_usd_per_day == pytest.approx(0.0, abs=1e-6)


def capacity_hours(made: PlacementPlan) -> float:
    hours = {period.name: period.hours for period in made.periods}
    return sum(row.replicas * hours[row.period] for row in made.placements)


def test_demand_above_the_quantile_is_covered_as_far_as_what_it_misses_costs_more() -> None:
    """A machine more costs 2 USD/h; without it, demand at the 99 % quantile misses now and then."""

    def priced(usd: float) -> PlacementPlan:
        slo = worlds.SLO | {"usd_per_1000_missed": usd}
        rows = catalogue(option("a", 2.0))
        return plan(world([workload(slo=slo)], rows, [wavy()]), demand_quantile=0.9)

    cheap, dear = priced(0.001), priced(100.0)
    assert capacity_hours(dear) > capacity_hours(cheap)
    (told,), (safe,) = cheap.miss_costs, dear.miss_costs
    assert told.expected_usd_per_day == told.expected_usd_per_day_of_demand > 0
    assert (told.days, told.covered_quantile) == (0, 0.9)
    assert (safe.expected_usd_per_day, safe.covered_quantile) == (0.0, 0.99)


def test_events_are_weighed_over_all_days_that_were_watched() -> None:
    """Half of the fleet failed in one hour of ten days: a tenth as much as if only that day were known."""
    inputs = lossy_world(0.001, rate=19.5)
    event = {"ts": AS_OF - timedelta(days=2, hours=1), "workload": "web", "option_id": "s", "event": "failed"}
    events = pd.DataFrame([event]).astype({"ts": worlds.TIME})
    watched = worlds.without(
        inputs, events=events, fleet=worlds.fleet({("web", "s"): 2}), spot_history=inputs.spot_history[:0]
    )
    (told,) = plan(watched).miss_costs
    assert told.days == 9  # whole ones
    missed = 19.5 - 20.0 * (1 - 0.5 / 6)  # in the block of that hour, on one day of nine
    assert told.expected_usd_per_day == pytest.approx(missed * 6 * 3.6 * 0.001 / 9, rel=0.02)


@pytest.mark.parametrize(("least", "low"), [(1, 2.0), (2, 4.0)])
def test_the_low_estimate_keeps_the_minimum_of_replicas(least: int, low: float) -> None:
    quiet = history([0.0, 0.0, 0.0, 0.0, 0.0, 10_000.0] * 24 * 2)
    inputs = world([workload(min_replicas=least)], catalogue(option("a", 2.0)), [quiet])
    (cost,) = plan(inputs).workload_costs
    assert cost.planned_usd_per_day_low == pytest.approx(24 * low)
    assert cost.planned_usd_per_day_low <= cost.planned_usd_per_day


def test_a_present_cost_without_a_price_is_not_known_and_in_no_total() -> None:
    names = [workload(), workload("api"), workload("kept", do_not_touch=True)]
    running = {("web", "a"): 4, ("web", "gone"): 1, ("api", "a"): 3, ("kept", "gone"): 2}
    offers = [Offer("plan", 0.5, 0.0, {PLACE: 1.0})]
    demand = [steady(18.0), steady(18.0, "api")]
    made = plan(world(names, catalogue(option("a", 2.0)), demand, running=running, commitments=offers))
    now = {cost.workload: cost.current_usd_per_day for cost in made.workload_costs}
    assert now["web"] is None
    assert made.unpriced == ("web", "kept")
    assert made.current_cost_usd == pytest.approx(24 * (3 * 2.0 - 0.5 * 2.0))
    assert made.expected_cost_usd == pytest.approx(24 * (4 * 2.0 - 0.5 * 2.0))


@pytest.mark.parametrize(("quota", "done"), [(None, 1.0), (4.0, 4 * 4 / 30)])
def test_work_due_inside_a_block_is_done_by_then_or_told_as_a_shortfall(
    quota: float | None, done: float
) -> None:
    midnight = AS_OF.replace(hour=0)
    due = batch(work_units=10.0 * 3600 * 30, deadline=midnight + timedelta(hours=4))
    limit = np.nan if quota is None else quota
    made = plan(world([due], catalogue(option("a", quota=limit)), as_of=midnight))
    (row,) = made.work
    assert row.units_per_day == pytest.approx(row.work_units * done)
    assert max(each.replicas for each in made.placements) == (8 if quota is None else 4)
    assert [s.rule for s in made.shortfalls] == ([] if quota is None else ["meet_demand"])


def told_of(made: PlacementPlan) -> str:
    return {reason.workload: reason.text for reason in made.reasons}["web"]


def test_a_reason_names_the_commitment_that_pays_for_what_runs() -> None:
    rows = catalogue(option("a", 1.0), option("z", 1.5, instance_type="slow"))
    offers = [Offer("reserved", 9.0, 0.0, {("aws", "eu", "slow"): 1.5})]
    text = told_of(plan(world([workload()], rows, [steady(28.0)], commitments=offers)))
    assert "m on-demand in eu is cheapest when full" in text
    assert text.endswith("the plan runs mostly slow on-demand in eu: reserved pays for it already")


def test_a_reason_says_what_keeps_spot_down_and_nothing_where_the_cheapest_runs() -> None:
    rows = catalogue(option("a", 1.0), option("s", 0.4, purchase="spot", pool="p"))
    spot = {"max_share": 0.25, "min_on_demand_replicas": 1}
    inputs = world([workload(spot=spot)], rows, [steady(98.0)], spot_capacity={"p": 50.0})
    assert "on-demand in eu: spot may carry 25% of it, beside 1 on-demand" in told_of(plan(inputs))
    assert "the plan runs" not in told_of(plan(world([workload()], catalogue(option("a")), [steady(9.0)])))


def test_a_reason_says_when_whole_replicas_are_what_counts() -> None:
    rows = catalogue(option("a", 1.0), option("b", 3.0, instance_type="big"))
    text = told_of(plan(world([workload()], rows, [steady(8.0)])))
    assert "big on-demand in eu is cheapest when full" in text
    assert text.endswith("m on-demand in eu: in whole replicas, with all rules and limits, that is cheaper")
