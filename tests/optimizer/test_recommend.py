"""Recommendations: every saving once, in dollars, from whole months, and in words that match the numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.change_words import shape
from optimizer.inputs import Inputs
from optimizer.placement import plan_placement
from optimizer.plan import PlacementPlan
from optimizer.recommend import (
    DAYS_PER_MONTH,
    commitment,
    idle_resources,
    newest_cost,
    recommend,
    whole_months,
)
from optimizer.report.data import KINDS, RISKS, Recommendation
from tests.optimizer import worlds
from tests.optimizer.commitment_cases import advised
from tests.optimizer.worlds import AS_OF as NOW
from tests.optimizer.worlds import batch, catalogue, history, option, steady, workload, world

COSTS = ["resource", "team", "month", "currency", "effective_cost"]
USED = ["resource", "metric", "workload", "p95", "n", "hours"]


def costs(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COSTS)


def used(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=USED).astype({"workload": "str", "metric": "str"})


def idle(
    name: str = "vm", workload: str | None = None, p95: float = 0.01, hours: float = 336.0
) -> tuple[object, ...]:
    return name, "cpu_utilisation_share", workload, p95, 999, hours


def planned(inputs: Inputs, **changes: object) -> PlacementPlan:
    return plan_placement(inputs, worlds.settings(None, **changes))[0]


def advise(
    inputs: Inputs, bill: pd.DataFrame | None = None, metrics: pd.DataFrame | None = None, **changes: object
) -> tuple[Recommendation, ...]:
    made = planned(inputs, **changes)
    return recommend(made, inputs, costs() if bill is None else bill, used() if metrics is None else metrics)


def oversized() -> Inputs:
    """18 requests/s on six machines that two of another kind can serve."""
    rows = catalogue(
        option("old", 3.0, instance_type="slow"), option("new", 1.0), option("ri", 0.7, purchase="commitment")
    )
    return world([workload(owner="shop")], rows, [steady(18.0)], running={("web", "old"): 6})


def test_every_recommendation_is_well_formed_and_ordered() -> None:
    found = advise(oversized(), costs(("vm", "x", "2026-04", "USD", 40.0)), used(idle()))
    assert [r.kind for r in found] == ["rightsize", "commitment", "idle"]
    mids = [r.saving_usd_per_month_mid or 0.0 for r in found]
    assert mids == sorted(mids, reverse=True)
    for r in found:
        assert r.kind in KINDS
        assert r.risk.startswith(RISKS)
        assert r.reason
        assert (
            (r.saving_usd_per_month_low or 0)
            <= (r.saving_usd_per_month_mid or 0)
            <= (r.saving_usd_per_month_high or 0)
        )
    assert len({r.id for r in found}) == len(found)


def test_a_change_of_machines_in_words_and_dollars() -> None:
    change = next(r for r in advise(oversized()) if r.kind == "rightsize")
    assert change.saving_usd_per_month_mid == pytest.approx((6 * 3.0 - 2 * 1.0) * 24 * DAYS_PER_MONTH)
    assert change.title == "web: 2 × m on-demand (aws eu)"
    assert change.owner == "shop"
    assert dict(change.evidence) == {
        "now": "6 × slow on-demand (aws eu)",
        "planned": "2 × m on-demand (aws eu)",
    }


def test_machines_used_for_part_of_the_day_say_so() -> None:
    w = batch("etl", work_units=10.0 * 3600 * 12, deadline=NOW.replace(hour=9))
    found = advise(world([w], catalogue(option("a")), running={("etl", "a"): 3}))
    assert [r.title for r in found] == ["etl: 0–4 × m on-demand (aws eu)"]  # three hours of work each
    assert found[0].kind == "schedule"


def test_a_present_machine_the_catalogue_lacks_is_named_by_its_option() -> None:
    inputs = world(
        [workload()], catalogue(option("a")), [steady(18.0)], running={("web", "a"): 9, ("web", "gone"): 1}
    )
    (change,) = advise(inputs)
    assert dict(change.evidence)["now"] == "1 × gone + 9 × m on-demand (aws eu)"


def test_a_workload_that_needs_more_says_so() -> None:
    (change,) = advise(world([workload()], catalogue(option("a")), [steady(98.0)], running={("web", "a"): 2}))
    assert change.title.startswith("web needs more: 10 ×")
    assert change.saving_usd_per_month_mid == pytest.approx(-8 * 24 * DAYS_PER_MONTH)


@pytest.mark.parametrize(("price", "told"), [(0.003, False), (1.0, True)])
def test_small_change_is_not_worth_a_line(price: float, told: bool) -> None:
    inputs = world([workload()], catalogue(option("a", price)), [steady(18.0)], running={("web", "a"): 3})
    assert bool(advise(inputs)) == told


def test_a_held_workload_gets_no_advice() -> None:
    kept = workload("kept", do_not_touch=True)
    assert advise(world([kept], catalogue(option("a")), running={("kept", "a"): 50})) == ()


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (idle(), True),
        (idle(workload="web"), False),  # what a workload runs has a recommendation of its own
        (idle(p95=0.05), False),
        (idle(p95=float("nan")), False),
        (idle(hours=167.0), False),
        (idle(hours=float("nan")), False),
        (("vm", "memory_utilisation_share", None, 0.0, 999, 336.0), False),
        (("vm", "network_bytes_per_s", None, 0.0, 999, 336.0), False),
        (idle("other"), False),
    ],
)
def test_idle_is_what_nobody_uses_for_a_week(row: tuple[object, ...], found: bool) -> None:
    assert bool(list(idle_resources(costs(("vm", "x", "2026-04", "USD", 40.0)), used(row)))) == found


def test_one_busy_metric_is_not_idle() -> None:
    gpu = ("vm", "gpu_utilisation_share", None, 0.9, 999, 336.0)
    assert not list(idle_resources(costs(("vm", "x", "2026-04", "USD", 40.0)), used(idle(), gpu)))


def test_all_charges_of_the_newest_month_count_and_currencies_are_never_mixed() -> None:
    bill = costs(
        ("vm", "a", "2026-03", "USD", 900.0),
        ("vm", "a", "2026-04", "USD", 40.0),
        ("vm", "b", "2026-04", "USD", 60.0),
        ("vm", "a", "2026-04", "EUR", 7.0),
        ("eu", "a", "2026-04", "EUR", 70.0),
    )
    (found,) = idle_resources(bill, used(idle(), idle("eu")))
    assert found.saving_usd_per_month_mid == pytest.approx(100.0)
    assert (found.target, found.owner) == ("vm", "b")
    assert newest_cost(bill)["month"].tolist() == ["2026-04"]


def test_what_costs_nothing_is_not_worth_stopping() -> None:
    bill = costs(("vm", None, "2026-04", "USD", 0.0), ("vm2", None, "2026-04", "USD", -3.0))
    assert not list(idle_resources(bill, used(idle(), idle("vm2"))))


@pytest.mark.parametrize(
    ("as_of", "months"),
    [
        ("2026-05-12T03:00", ["2026-04"]),
        ("2026-05-31T23:59", ["2026-04"]),
        ("2026-06-01T00:00", ["2026-04", "2026-05"]),
    ],
)
def test_a_running_month_shows_only_part_of_a_cost(as_of: str, months: list[str]) -> None:
    bill = costs(*(("vm", "x", month, "USD", 40.0) for month in ("2026-04", "2026-05", "2026-06")))
    moment = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    assert whole_months(bill, moment)["month"].tolist() == months


def test_a_commitment_says_its_range_its_break_even_and_its_parts() -> None:
    told = commitment(advised())
    ends = (
        told.saving_usd_per_month_low, told.saving_usd_per_month_mid, told.saving_usd_per_month_high
    )  # fmt: skip
    assert ends == pytest.approx([each * DAYS_PER_MONTH for each in (-4.0, 12.0, 17.0)])
    assert told.risk == "high: paid for a year whether used or not; 8% of draws lose by it"
    assert told.evidence == (
        ("breaks even at", "68% use"),
        ("use, 10 % to 90 % of draws", "70% to 100%"),
        ("better in parts", "1.00 USD/h now, 1.25 in month 6"),
    )


def test_an_upfront_commitment_says_when_it_is_paid_back() -> None:
    item = advised(term_years=3, payment="all upfront", upfront_usd=5e4, payback_months=20.4, ladders=())
    told = commitment(item)
    assert dict(told.evidence)["paid back after"] == "20 months"
    assert told.risk.startswith("high: paid for 3 years")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "=1+1", 'équipe "données"', "a|b\nc", "{{ x }}"]
)
def test_hostile_names_pass_through_untouched(name: str) -> None:
    (found,) = idle_resources(
        costs((f"/x/{name}".replace("</", "<\\"), name, "2026-04", "USD", 9.0)),
        used(idle(f"/x/{name}".replace("</", "<\\"))),
    )
    assert found.owner == name


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=12))
def test_shapes_name_the_range_of_each_machine(counts: list[tuple[str, int]]) -> None:
    expected = []
    for name in sorted({name for name, _ in counts}):
        own = [count for other, count in counts if other == name]
        span = f"{min(own)}–{max(own)}" if min(own) < max(own) else str(own[0])
        expected.append(f"{span} × {name}")
    assert shape(counts) == (" + ".join(expected) or "nothing")


def short_of_quota(quota: float, **changes: object) -> Inputs:
    """18 requests/s on three machines, of which a quota leaves too few."""
    rows = catalogue(option("a", 2.0, quota=quota, **changes))
    return world([workload()], rows, [steady(18.0)], running={("web", "a"): 3})


@pytest.mark.parametrize("quota", [0.0, 1.0])
def test_demand_that_goes_unserved_is_a_shortage_and_saves_nothing(quota: float) -> None:
    (found,) = advise(short_of_quota(quota))
    assert (found.kind, found.title) == ("shortage", "web: not all demand can be served")
    assert found.risk.startswith("high: demand goes unserved")
    assert "nothing serves" in found.reason
    savings = (
        found.saving_usd_per_month_low, found.saving_usd_per_month_mid, found.saving_usd_per_month_high
    )  # fmt: skip
    assert savings == (0.0, 0.0, 0.0)


def test_a_shortage_comes_first_and_what_it_costs_more_counts() -> None:
    short = world([workload()], catalogue(option("a", quota=5.0)), [steady(98.0)], running={("web", "a"): 2})
    found = advise(short, costs(("vm", "x", "2026-04", "USD", 40.0)), used(idle()))
    assert [r.kind for r in found] == ["shortage", "idle"]
    assert found[0].saving_usd_per_month_mid == pytest.approx(-3 * 24 * DAYS_PER_MONTH)


def of_work(days_seen: int, days_left: float = 1.0) -> Inputs:
    """Work that two of three machines do, seen on some of the last days."""
    amount = 10.0 * 3600 * 24 * 2 * days_left
    due = batch(work_units=amount, deadline=NOW.replace(hour=0) + timedelta(days=1 + days_left))
    w = due.model_copy(update={"origins": {}})
    rate = 20.0 * 600.0
    seen = history([0.0] * 144 * (14 - days_seen) + [rate] * 144 * days_seen, "etl")
    return world([w], catalogue(option("a")), [seen], running={("etl", "a"): 3})


@pytest.mark.parametrize("days_left", [1.0, 3.0])
def test_work_that_is_done_once_saves_once(days_left: float) -> None:
    (found,) = advise(of_work(8, days_left), blocks_per_day=1)
    assert found.once_usd == pytest.approx((3 - 2) * 24.0 * days_left)
    assert found.saving_usd_per_month_mid is None
    assert found.title == "etl: 2 × m on-demand (aws eu)"


def test_work_that_was_done_on_most_days_saves_every_month() -> None:
    (found,) = advise(of_work(14), blocks_per_day=1)
    assert found.once_usd is None
    assert found.saving_usd_per_month_mid == pytest.approx(24 * DAYS_PER_MONTH)


def test_leaving_a_region_is_a_placement_and_says_what_is_left() -> None:
    rows = catalogue(option("a", 1.0), option("us", 2.0, region="us"))
    inputs = world([workload()], rows, [steady(18.0)], running={("web", "a"): 2, ("web", "us"): 2})
    (found,) = advise(inputs)
    assert (found.kind, found.effort) == ("placement", "days: move traffic and data out of a region")
    assert found.risk == "medium: nothing is left in us"


@pytest.mark.parametrize(
    ("before", "after", "told"), [("m6i.large", "c7g.large", "ARM"), ("c7g.large", "m6i.large", "x86")]
)
def test_another_cpu_architecture_asks_for_a_rebuild(before: str, after: str, told: str) -> None:
    rows = catalogue(option("old", 9.0, instance_type=before), option("new", 1.0, instance_type=after))
    types = {before: 10.0, after: 10.0}
    inputs = world([workload()], rows, [steady(18.0)], running={("web", "old"): 2})
    (found,) = advise(worlds.without(inputs, profiles=worlds.profiles(types)))
    assert (found.kind, found.effort) == ("rightsize", f"days: build and test images for {told}, same region")
    assert found.risk.startswith(f"medium: another CPU architecture: rebuild for {told}; measure")


def test_a_shortage_of_work_done_once_counts_no_longer_than_the_work() -> None:
    midnight = NOW.replace(hour=0)
    due = batch(work_units=10.0 * 3600 * 30, deadline=midnight + timedelta(hours=4))
    inputs = world([due], catalogue(option("a", quota=4.0)), running={("etl", "a"): 0}, as_of=midnight)
    (found,) = advise(inputs)
    assert (found.kind, found.saving_usd_per_month_mid) == ("shortage", 0.0)
    assert found.once_usd == pytest.approx(-6 * 4.0)
