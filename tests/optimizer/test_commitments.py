"""Advice on commitments: from distributions, beside existing ones, with what it means; never an action."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer.commitment_lines import Line
from optimizer.commitment_offers import Sale
from optimizer.commitment_purchase import Column, Load
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.placement import plan_placement
from optimizer.placement_parts import CommitmentAdvice
from optimizer.plan import PlacementPlan, document
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, batch, catalogue, history, option, workload, world

PLACE = ("aws", "eu", "m")
MONTH = timedelta(hours=730)


def counted(rate: float, name: str = "web", *, noise: float = 0.1) -> pd.DataFrame:
    """Fifteen days of requests/s around a rate."""
    random = np.random.default_rng(5)
    hourly = rate * 3600.0 * random.lognormal(0, noise, 24 * 15)
    return history(hourly.tolist(), name, interval_s=3600)


def priced(*committed: dict[str, Any]) -> pd.DataFrame:
    """On-demand at 2 USD/h and what is on sale."""
    return catalogue(option("a", 2.0) | {"term": ""}, *committed)


def sold(price: float, term: str = "1y", **changes: Any) -> dict[str, Any]:
    return option(f"c-{term}-{price}", price, purchase="commitment", **changes) | {"term": term}


def planned(inputs: Inputs, **choices: Any) -> PlacementPlan:
    return plan_placement(inputs, worlds.settings(**choices))[0]


def shop(*committed: dict[str, Any], **changes: Any) -> Inputs:
    inputs = world([workload()], priced(*committed), [counted(100.0)])
    return worlds.without(inputs, **changes)


def only(plan: PlacementPlan) -> CommitmentAdvice:
    (item,) = plan.commitments
    return item


@pytest.fixture(scope="module")
def usual() -> PlacementPlan:
    """One commitment on sale, at a usual weight of the worst."""
    return planned(shop(sold(1.2)))


@pytest.fixture(scope="module")
def bold() -> PlacementPlan:
    """The same where the worst has no weight."""
    return planned(shop(sold(1.2)), commitments={"risk_weight": 0.0})


def test_an_item_says_what_it_means(usual: PlacementPlan) -> None:
    item = only(usual)
    assert item.commitment == "aws 1-year commitment"
    assert (item.provider, item.term_years, item.payment) == ("aws", 1, "no upfront")
    assert item.usd_per_hour > 0
    assert item.break_even_utilization == pytest.approx(0.6)
    assert item.saving_usd_per_day_worst <= item.saving_usd_per_day_tail <= item.saving_usd_per_day
    assert item.saving_usd_per_day <= item.saving_usd_per_day_high
    assert 0 < item.utilization.p10 <= item.utilization.p50 <= item.utilization.p90 <= 1 + 1e-9
    assert 0 < item.coverage_share < 1
    assert (item.upfront_usd, item.payback_months) == (0.0, None)
    assert sum(ladder.is_recommended for ladder in item.ladders) == 1
    assert [len(ladder.tranches) for ladder in item.ladders] == [1, 2, 4]


def test_the_saving_is_use_less_the_fee(usual: PlacementPlan) -> None:
    item = only(usual)
    use_at_saving = (
        item.saving_usd_per_day / (24 * item.usd_per_hour) + 1.0
    )  # list price covered per USD paid
    assert item.utilization.p10 / 0.6 < use_at_saving < item.utilization.p90 / 0.6


def test_the_curve_rises_to_the_advised_amount_and_falls_after(bold: PlacementPlan) -> None:
    item = only(bold)
    savings = [point.saving_usd_per_day for point in item.curve]
    at = [point.usd_per_hour for point in item.curve].index(pytest.approx(item.usd_per_hour))
    assert savings[at] == pytest.approx(item.saving_usd_per_day)
    assert savings[at] == max(savings)
    assert savings[:at] == sorted(savings[:at])
    assert savings[at:] == sorted(savings[at:], reverse=True)


def test_it_is_less_than_the_plan_runs(usual: PlacementPlan) -> None:
    running = max(row.replicas for row in usual.placements) * 1.2
    assert 0 < only(usual).usd_per_hour < running


@pytest.mark.parametrize("price", [2.0, 2.4])
def test_what_does_not_pay_is_not_advised(price: float) -> None:
    assert planned(shop(sold(price))).commitments == ()


def test_a_dearer_price_or_more_weight_on_the_worst_buys_less(bold: PlacementPlan) -> None:
    cheap, dear = (only(planned(shop(sold(price)))) for price in (1.0, 1.4))
    assert dear.usd_per_hour / 1.4 < cheap.usd_per_hour / 1.0
    careful = only(planned(shop(sold(1.2)), commitments={"risk_weight": 0.3}))
    assert careful.usd_per_hour < only(bold).usd_per_hour
    assert careful.saving_usd_per_day_tail > only(bold).saving_usd_per_day_tail


def test_existing_commitments_are_not_bought_again(usual: PlacementPlan) -> None:
    running = Offer("old", 3.6, 0.0, {PLACE: 1.2})
    beside = only(planned(shop(sold(1.2), commitments=(running,))))
    assert beside.usd_per_hour == pytest.approx(only(usual).usd_per_hour - 3.6, rel=0.02)


def test_one_that_ends_inside_the_term_is_bought_again_in_part() -> None:
    def with_end(months: int | None) -> float:
        ends = None if months is None else AS_OF + months * MONTH
        running = Offer("old", 3.6, 0.0, {PLACE: 1.2}, ends=ends)
        return only(planned(shop(sold(1.2), commitments=(running,)))).usd_per_hour

    lasting, soon, late, after = (with_end(months) for months in (None, 1, 9, 12))
    assert lasting == pytest.approx(after)
    assert lasting <= late < soon


def test_work_that_ends_gets_no_commitment() -> None:
    due = batch(work_units=10.0 * 3600 * 20 * 20, deadline=AS_OF + timedelta(hours=20))
    inputs = world([due], priced(sold(0.5)))
    assert planned(inputs).placements
    assert planned(inputs).commitments == ()


@pytest.mark.parametrize(("days", "lasts"), [(15, True), (6, False)])
def test_work_that_comes_again_every_day_gets_one(days: int, lasts: bool) -> None:
    due = batch(work_units=10.0 * 3600 * 24 * 20, deadline=AS_OF + timedelta(hours=24))
    done = history([10.0 * 3600 * 20] * 24 * days, "etl", interval_s=3600)
    found = planned(world([due], priced(sold(1.0)), [done]), blocks_per_day=1).commitments
    assert bool(found) == lasts
    half = history([10.0 * 3600 * 10] * 24 * days, "etl", interval_s=3600)
    less = planned(world([due], priced(sold(1.0)), [half]), blocks_per_day=1).commitments
    if lasts:  # no more of it than was done
        assert less[0].usd_per_hour == pytest.approx(found[0].usd_per_hour / 2, rel=0.1)


def test_longer_terms_and_payments_are_weighed_together() -> None:
    both = planned(shop(sold(1.4), sold(1.0, "3y")))
    three = [item for item in both.commitments if item.term_years == 3]
    assert three
    assert three[0].ladders[0].tranches[0].month == 0
    upfront = only(planned(shop(sold(1.3), sold(1.0, "1y all upfront"))))
    assert upfront.payment == "all upfront"
    assert upfront.upfront_usd == pytest.approx(upfront.usd_per_hour * 8760.0)
    assert upfront.payback_months is not None
    assert 0 < upfront.payback_months <= 12
    assert upfront.break_even_utilization == pytest.approx(0.5 * 1.04)


def test_capital_costs_can_make_upfront_payment_the_dearer_one() -> None:
    inputs = shop(sold(1.2), sold(1.19, "1y all upfront"))
    cheap = only(planned(inputs, commitments={"capital_cost_share": 0.0}))
    dear = only(planned(inputs, commitments={"capital_cost_share": 0.2}))
    assert (cheap.payment, dear.payment) == ("all upfront", "no upfront")


def test_reservations_are_each_for_one_type() -> None:
    names = [workload("web"), workload("api", pinned=("z",))]
    rows = priced(
        sold(1.2), option("z", 3.0, instance_type="slow") | {"term": ""}, sold(1.8, instance_type="slow")
    )
    inputs = world(names, rows, [counted(60.0), counted(60.0, "api", noise=0.9)])
    together = only(planned(inputs))
    apart = only(planned(inputs, commitments={"reservations_of": ("aws",)}))
    assert apart.saving_usd_per_day <= together.saving_usd_per_day + 1e-6


def test_the_same_inputs_give_the_same_plan() -> None:
    inputs = shop(sold(1.2), sold(1.0, "3y"))
    assert document(planned(inputs)) == document(planned(inputs))


def test_advice_is_no_action(usual: PlacementPlan) -> None:
    assert usual.commitments
    assert not [action for action in usual.actions if "commitment" in action.target.option_id]
    assert {row.purchase for row in usual.placements} == {"on_demand"}
    bare = planned(shop(sold(1.2)), offer_commitments=False)
    assert bare.commitments == ()
    assert (bare.expected_cost_usd, bare.actions) == (usual.expected_cost_usd, usual.actions)


# -- one line by hand ------------------------------------------------------------------------------------


def line(*, payment: str = "no upfront", amount: float = 6.0) -> Line:
    """Ten USD/h at list price in one draw and five in another, over a year of quarters; rate 0.6."""
    values = np.array([10.0, 5.0])[:, None, None, None] * np.ones((1, 8, 1, 1))
    load = Load(values, np.array([0.6]), np.full((8, 1), 2190.0), np.zeros((2, 8)))
    sale = Sale("aws", 1, payment, {PLACE: 1.2})
    return Line(sale, (load,), (Column(1.0, 1.0, np.ones((2, 8))),), np.array([amount]))


def test_numbers_of_a_line_by_hand() -> None:
    found = line()
    assert found.hours == 8760.0
    assert found.savings().tolist() == pytest.approx([24 * 4.0, 24 * (5.0 - 6.0)])
    assert found.savings(0.5).tolist() == pytest.approx([24 * 2.0, 24 * 2.0])
    assert found.utilization().tolist() == pytest.approx([1.0, 0.5])
    assert found.break_even_utilization() == pytest.approx(0.6)
    assert found.coverage_share() == pytest.approx(1.0)
    assert found.payback_months() is None


@pytest.mark.parametrize(
    ("payment", "months"),
    [("all upfront", 6.0 * 12 / 7.5), ("partial upfront", 3.0 * 12 / (7.5 - 3.0))],
)
def test_an_upfront_part_is_paid_back_by_what_it_covers(payment: str, months: float) -> None:
    assert line(payment=payment).payback_months() == pytest.approx(months)
    assert line(payment=payment, amount=9.0).payback_months() is None  # covers 7.5 USD/h on average at most
