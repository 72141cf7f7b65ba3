"""The checker names the one rule that is broken, and its neighbour passes; costs come out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.check import check, check_domain
from optimizer.problem import Placement, Problem, cost, cost_parts, sunk_usd, unserved
from tests.optimizer.problems import C, O, W, placement, problem

TWO_REGIONS = (O("eu", capacity=2), O("us", capacity=2, region="us"))
MIXED = (O("firm"), O("spot", purchase="spot"))


def rules(p: Problem, q: Placement, **how: bool) -> list[str]:
    return sorted({violation.rule for violation in check(p, q, **how)})


def case(
    p: Problem, broken: dict[str, object], neighbour: dict[str, object]
) -> tuple[Problem, Placement, Placement]:
    return p, placement(p, **broken), placement(p, **neighbour)  # type: ignore[arg-type]


def committed(**terms: float) -> Problem:
    plan = C(covers={"p": (0.5, 1.0)}, **terms)
    return problem(
        W(demand=[2]), [O("a", pool="p"), O("spot", purchase="spot", pool="p")], commitments=[plan]
    )


ONE_RULE: dict[str, Callable[[], tuple[Problem, Placement, Placement]]] = {
    "meet_demand": lambda: case(
        problem(W(demand=[4]), [O("a")]), {"replicas": {"a": 3}}, {"replicas": {"a": 4}}
    ),
    "not_over_served": lambda: case(
        problem(W(demand=[4]), [O("a")]),
        {"replicas": {"a": 5}, "served": {"a": 5}},
        {"replicas": {"a": 5}, "served": {"a": 4}},
    ),
    "within_capacity": lambda: case(
        problem(W(demand=[4]), [O("a", capacity=2), O("b", capacity=2)]),
        {"replicas": {"a": 1, "b": 1}, "served": {"a": 3, "b": 1}},
        {"replicas": {"a": 1, "b": 1}, "served": {"a": 2, "b": 2}},
    ),
    "min_replicas": lambda: case(
        problem(W(demand=[1], min_replicas=2), [O("a"), O("b")]),
        {"replicas": {"a": 1}},
        {"replicas": {"a": 1, "b": 1}},
    ),
    "max_replicas": lambda: case(
        problem(W(demand=[1], max_replicas=2), [O("a"), O("b")]),
        {"replicas": {"a": 2, "b": 1}},
        {"replicas": {"a": 1, "b": 1}},
    ),
    "max_options": lambda: case(
        problem(W(demand=[1, 1], max_options=1), [O("a"), O("b")]),
        {"replicas": {"a": [1, 0], "b": [0, 1]}},
        {"replicas": {"a": [1, 1]}},
    ),
    "cap_spot": lambda: case(
        problem(W(demand=[4], max_spot_share=0.5), MIXED),
        {"replicas": {"firm": 1, "spot": 3}},
        {"replicas": {"firm": 2, "spot": 2}},
    ),
    "min_on_demand_replicas": lambda: case(
        problem(W(demand=[4], min_on_demand_replicas=2), MIXED),
        {"replicas": {"firm": 1, "spot": 3}},
        {"replicas": {"firm": 2, "spot": 2}},
    ),
    "min_regions": lambda: case(
        problem(W(demand=[4], min_regions=2), TWO_REGIONS),
        {"replicas": {"eu": 2}},
        {"replicas": {"eu": 1, "us": 1}},
    ),
    "max_region_share": lambda: case(
        problem(W(demand=[6], max_region_share=0.6), TWO_REGIONS),
        {"replicas": {"eu": 2, "us": 1}},
        {"replicas": {"eu": 2, "us": 2}},
    ),
    "survive_region_loss": lambda: case(
        problem(W(demand=[4], survive_region_loss=True), TWO_REGIONS),
        {"replicas": {"eu": 2, "us": 1}},
        {"replicas": {"eu": 2, "us": 2}},
    ),
    "within_pool": lambda: case(
        problem(W(demand=[1]), [O("a", pool="p"), O("b", quota_pool="p", pool_units=2)], pools={"p": 4}),
        {"replicas": {"a": 1, "b": 2}},
        {"replicas": {"a": 2, "b": 1}},
    ),
    "cover_only_running": lambda: case(
        committed(existing=9.0),
        {"replicas": {"a": 1, "spot": 1}, "covered": {("plan", "p"): 2}},
        {"replicas": {"a": 2}, "covered": {("plan", "p"): 2}},
    ),
    "cover_only_eligible": lambda: case(
        problem(
            W(demand=[1]),
            [O("a", pool="p"), O("b", pool="q")],
            commitments=[C(covers={"p": (0.5, 1)}, existing=9)],
        ),
        {"replicas": {"a": 1, "b": 1}, "covered": {("plan", "q"): 1}},
        {"replicas": {"a": 1, "b": 1}, "covered": {("plan", "p"): 1}},
    ),
    "within_commitment": lambda: case(
        committed(existing=0.5),
        {"replicas": {"a": 2}, "covered": {("plan", "p"): 1.1}},
        {"replicas": {"a": 2}, "covered": {("plan", "p"): 1.0}},
    ),
    "within_offer": lambda: case(
        committed(offered=0.5),
        {"replicas": {"a": 2}, "bought": {"plan": 0.6}},
        {"replicas": {"a": 2}, "bought": {"plan": 0.5}},
    ),
}


@pytest.mark.parametrize("rule", ONE_RULE)
def test_a_placement_that_breaks_one_rule_is_told_that_rule_and_its_neighbour_passes(rule: str) -> None:
    p, broken, neighbour = ONE_RULE[rule]()
    assert rules(p, broken) == [rule]
    assert check(p, neighbour) == ()


def test_a_violation_says_where_and_by_how_much() -> None:
    p = problem(W(demand=[4, 4]), [O("a")])
    (violation,) = check(p, placement(p, {"a": [4, 3]}))
    assert str(violation) == "meet_demand[web,t1]: 3 against 4"


def test_spot_may_carry_its_share_of_what_is_served_not_of_what_was_asked() -> None:
    p = problem(W(demand=[8], max_spot_share=0.5), MIXED)
    assert rules(p, placement(p, {"firm": 2, "spot": 2})) == ["meet_demand"]


def test_a_workload_that_needs_nothing_and_has_no_floor_may_be_in_one_region() -> None:
    p = problem(W(demand=[0], min_regions=2), TWO_REGIONS)
    assert check(p, placement(p, {"eu": 1})) == ()
    floored = problem(W(demand=[0], min_regions=2, min_replicas=1), TWO_REGIONS)
    assert rules(floored, placement(floored, {"eu": 1})) == ["min_regions"]


def test_a_region_of_another_provider_is_another_region() -> None:
    p = problem(W(demand=[4], min_regions=2), [O("a", capacity=2), O("b", capacity=2, provider="gcp")])
    assert check(p, placement(p, {"a": 1, "b": 1})) == ()


def test_a_limit_of_one_period_binds_in_that_period_only() -> None:
    p = problem(W(demand=[2, 2]), [O("a", pool="p")], pools={"p": [9, 1]})
    (violation,) = check(p, placement(p, {"a": [2, 2]}))
    assert (violation.rule, violation.where) == ("within_pool", "p,t1")


def test_an_option_that_names_a_pool_twice_draws_on_it_once() -> None:
    p = problem(W(demand=[2]), [O("a", pool="p", quota_pool="p")], pools={"p": 2})
    assert check(p, placement(p, {"a": 2})) == ()


BEST_EFFORT_MISSES = (
    "meet_demand", "min_replicas", "min_on_demand_replicas", "min_regions", "max_region_share",
    "survive_region_loss",
)  # fmt: skip


@pytest.mark.parametrize("rule", ONE_RULE)
def test_a_best_effort_may_miss_what_a_shortage_forces_and_nothing_else(rule: str) -> None:
    p, broken, _ = ONE_RULE[rule]()
    assert (rules(p, broken, best_effort=True) == []) == (rule in BEST_EFFORT_MISSES)


@pytest.mark.parametrize("field", ["replicas", "served", "covered", "bought_usd_per_hour"])
def test_arrays_of_the_wrong_shape_are_a_violation_not_a_crash(field: str) -> None:
    p = committed(existing=1.0)
    q = placement(p, {"a": 2})
    longer = np.concatenate([getattr(q, field), getattr(q, field)])
    assert rules(p, replace(q, **{field: longer})) == ["shape"]


@pytest.mark.parametrize("field", ["served", "covered", "bought_usd_per_hour"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_is_a_violation(field: str, value: float) -> None:
    p = committed(existing=1.0)
    q = placement(p, {"a": 2})
    assert rules(p, replace(q, **{field: np.full_like(getattr(q, field), value)})) == ["finite"]


def test_counts_are_whole_and_nothing_is_negative() -> None:
    p = problem(W(demand=[1]), [O("a"), O("b")])
    q = placement(p, {"a": 2})
    halves = replace(q, replicas=q.replicas + np.array([[0.0], [0.5]]))
    assert rules(p, halves) == ["integer"]
    minus = replace(q, replicas=np.array([[2], [-1]]))
    assert [v.rule for v in check_domain(p, minus)] == ["non_negative"]


def test_rounding_of_a_solver_passes_and_ten_times_as_much_does_not() -> None:
    p = problem(W(demand=[1000.0]), [O("a", capacity=1000.0)])
    q = placement(p, {"a": 1})
    assert check(p, replace(q, served=q.served - 9e-4)) == ()
    assert rules(p, replace(q, served=q.served - 9e-3)) == ["meet_demand"]


def costly() -> Problem:
    return problem(
        W(demand=[2, 4], activation_cost_usd=7.0),
        [
            O("a", price=1.0, capacity=2, pool="p", egress=0.1, current=3, migration=0.5),
            O("b", price=3.0, capacity=2),
            O("idle", price=9.0),
        ],
        commitments=[C(covers={"p": (0.5, 0.8)}, existing=0.25, offered=1.0, fee=1.5)],
        hours=[2.0, 10.0],
    )


def test_cost_by_hand() -> None:
    p = costly()
    q = placement(
        p,
        {"a": [1, 1], "b": [0, 1]},
        covered={("plan", "p"): [1.0, 0.5]},
        bought={"plan": 0.25},
    )
    assert cost_parts(p, q) == pytest.approx(
        {
            "instances": 1 * 2 + (1 + 3) * 10,
            "egress": 0.1 * 2 * 2 + 0.1 * 2 * 10,
            "activation": 7.0,  # b alone is new
            "migration": 0.5 * 2,  # three run, one stays, in the first period only
            "commitment_cover": -(0.8 * 1.0 * 2 + 0.8 * 0.5 * 10),
            "commitment_fees": 1.5 * 0.25 * 12,
            "caps": 0.0,
            "slo": 0.0,
            "nodes": 0.0,
        }
    )
    assert cost(p, q) == pytest.approx(42 + 2.4 + 7 + 1 - 5.6 + 4.5)
    assert check(p, q) == ()


def test_fees_of_existing_commitments_are_sunk() -> None:
    p = costly()
    assert sunk_usd(p) == pytest.approx(0.25 * 12)
    assert cost(p, placement(p, {})) == pytest.approx(0.5 * 3)  # moving away from the present fleet


def test_unserved_is_what_nothing_serves() -> None:
    p = problem(W(demand=[4, 2]), [O("a")])
    assert unserved(p, placement(p, {"a": [3, 3]})).tolist() == [[1.0, 0.0]]


def test_indices_by_name() -> None:
    p = problem([W("x"), W("y")], [O("a", "x", pool="p"), O("b", "y", quota_pool="p"), O("c", "y")])
    assert p.shape == (2, 3, 1)
    assert p.options_of(1).tolist() == [1, 2]
    assert p.members(0).tolist() == [0, 1]
