"""The checker on places, losses, own bounds and ramps: what is broken is told, its neighbour passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.check import BEST_EFFORT, check
from optimizer.check_places import without_regions, without_zones
from optimizer.problem import Placement, Problem, cost_parts
from tests.optimizer.problems import O, W, placement, problem

Case = tuple[Problem, Placement, Placement]
TWO = (O("eu", capacity=2), O("us", capacity=2, region="us"))
RTT = {("DE", "eu"): 10.0, ("DE", "us"): 90.0, ("US", "us"): 10.0, ("US", "eu"): 90.0}


def rules(p: Problem, q: Placement, **how: bool) -> list[str]:
    return sorted({violation.rule for violation in check(p, q, **how)})


def resident() -> Case:
    p = problem(W(residency=["DE", "IE"]), [O("de", country="DE"), O("fr", country="FR"), O("unknown")])
    return p, placement(p, {"de": 3, "fr": 1}), placement(p, {"de": 4})


def slow_alone() -> Case:
    p = problem(W(max_latency_ms=50), [O("fast", latency_ms=50), O("slow", latency_ms=51)])
    return p, placement(p, {"fast": 3, "slow": 1}), placement(p, {"fast": 4})


def two_origins(**keys: float) -> Problem:
    return problem(W(origins={"DE": 0.5, "US": 0.5}, **keys), TWO, rtt=RTT)


def far() -> Case:
    p = two_origins(max_latency_ms=50)
    near = placement(p, {"eu": 1, "us": 1}, routed={("DE", "eu"): 2, ("US", "us"): 2})
    return p, placement(p, {"eu": 2}, routed={("DE", "eu"): 2, ("US", "eu"): 2}), near


def served_without_route() -> Case:
    p = two_origins()
    good = placement(p, {"eu": 1, "us": 1})
    return p, replace(good, routed=good.routed * [[0.5], [1.0], [1.0], [1.0]]), good


def one_origin_twice() -> Case:
    p = two_origins()
    broken = placement(p, {"eu": 2}, routed={("DE", "eu"): 3, ("US", "eu"): 1})
    return p, broken, placement(p, {"eu": 2}, routed={("DE", "eu"): 2, ("US", "eu"): 2})


def region_lost() -> Case:
    p = problem(W(demand=[8], survive_region_loss=True, headroom_share=0.5), TWO)
    return p, placement(p, {"eu": 3, "us": 1}), placement(p, {"eu": 2, "us": 2})


def zone_lost() -> Case:
    p = problem(W(demand=[4], survive_zone_loss=True), [O("a", zones=3), O("b", zones=1, region="us")])
    return p, placement(p, {"a": 5}), placement(p, {"a": 6})


def zone_unknown() -> Case:
    p = problem(W(demand=[2], survive_zone_loss=True), [O("a"), O("b", zones=2)])
    return p, placement(p, {"a": 9, "b": 3}), placement(p, {"a": 9, "b": 4})


def pinned() -> Case:
    p = problem(W(demand=[4]), [O("a"), O("b", fewest=2, most=2)])
    return p, placement(p, {"a": 3, "b": 1}), placement(p, {"a": 2, "b": 2})


def excluded() -> Case:
    p = problem(W(demand=[4, 4]), [O("a"), O("b", most=(1, 0))])
    return p, placement(p, {"a": [3, 3], "b": [1, 1]}), placement(p, {"a": [3, 4], "b": [1, 0]})


def steep() -> Case:
    p = problem(W(demand=[1, 4, 1], max_ramp_replicas=2), [O("a"), O("b")])
    return p, placement(p, {"a": [1, 4, 2]}), placement(p, {"a": [2, 2, 1], "b": [0, 2, 1]})


def steep_from_now() -> Case:
    p = problem(W(demand=[1], max_ramp_replicas=2, ramp_from_current=True), [O("a", current=4), O("b")])
    return p, placement(p, {"a": 1}), placement(p, {"a": 1, "b": 1})


ONE_RULE: dict[str, tuple[str, Callable[[], Case]]] = {
    "country": ("residency", resident),
    "service time alone": ("max_latency_ms", slow_alone),
    "far route": ("max_latency_ms", far),
    "served over no route": ("routed_as_served", served_without_route),
    "more than an origin asks": ("not_over_served", one_origin_twice),
    "region": ("survive_region_loss", region_lost),
    "zone": ("survive_zone_loss", zone_lost),
    "zones unknown": ("survive_zone_loss", zone_unknown),
    "pin": ("option_min_replicas", pinned),
    "excluded for a while": ("option_max_replicas", excluded),
    "ramp": ("max_ramp_replicas", steep),
    "ramp from the present fleet": ("max_ramp_replicas", steep_from_now),
}


@pytest.mark.parametrize("name", ONE_RULE)
def test_a_placement_that_breaks_one_rule_is_told_that_rule_and_its_neighbour_passes(name: str) -> None:
    rule, case = ONE_RULE[name]
    p, broken, neighbour = case()
    assert rules(p, broken) == [rule]
    assert check(p, neighbour) == ()
    assert (rules(p, broken, best_effort=True) == []) == (rule in BEST_EFFORT)


def test_capacity_left_counts_only_where_an_origin_may_be_served() -> None:
    """After a loss of either region half of demand is served: the other half's region is too far away."""
    p = two_origins(max_latency_ms=50, survive_region_loss=True, headroom_share=0.6)
    q = placement(p, {"eu": 2, "us": 2}, routed={("DE", "eu"): 2, ("US", "us"): 2})
    (violation,) = check(p, q)
    assert str(violation) == "survive_region_loss[web,t0]: 2 against 2.4"
    anywhere = two_origins(survive_region_loss=True, headroom_share=0.6)
    assert check(anywhere, q) == ()


def test_each_region_and_each_zone_is_deleted_in_turn() -> None:
    options = [O("a", capacity=2, zones=2), O("b", zones=3), O("c", region="us", capacity=4)]
    p = problem(W(demand=[9]), options)
    q = placement(p, {"a": 3, "b": 4, "c": 1})
    assert {name: left.tolist() for name, left in without_regions(p, q, 0).items()} == {
        "aws/eu": [4.0],
        "aws/us": [10.0],
    }
    assert {name: left.tolist() for name, left in without_zones(p, q, 0).items()} == {
        "aws/eu": [14.0 - 2 * 2 - 2],
        "aws/us": [10.0],
    }


def test_a_shortage_of_one_origin_is_unserved_demand() -> None:
    p = two_origins(max_latency_ms=50)
    q = placement(p, {"eu": 1}, routed={("DE", "eu"): 2})
    (violation,) = check(p, q)
    assert str(violation) == "meet_demand[web,t0]: 2 against 4"


def test_an_unknown_round_trip_is_fine_without_a_limit_and_too_long_with_any() -> None:
    for limit, told in ((float("inf"), []), (1e6, ["max_latency_ms"])):
        p = problem(W(origins={"DE": 1.0}, max_latency_ms=limit), [O("a")])
        assert rules(p, placement(p, {"a": 4})) == told


def test_egress_is_paid_per_route_on_top_of_that_of_the_option() -> None:
    options = [O("eu", capacity=4, egress=0.1), O("us", capacity=4, region="us")]
    p = problem(
        W(demand=[4], origins={"DE": 0.75, "US": 0.25}), options, egress={("US", "eu"): 0.5}, hours=[2.0]
    )
    q = placement(p, {"eu": 1})
    assert cost_parts(p, q)["egress"] == pytest.approx(2.0 * (0.1 * 4 + 0.5 * 1))


def test_routed_amounts_have_the_shape_of_the_routes() -> None:
    p = two_origins()
    q = placement(p, {"eu": 1, "us": 1})
    assert rules(p, replace(q, routed=q.routed[:-1])) == ["shape"]
    assert rules(p, replace(q, routed=np.full_like(q.routed, np.nan))) == ["finite"]
    plain = problem(W(), TWO)
    assert check(plain, placement(plain, {"eu": 1, "us": 1})) == ()
