"""Certificates come from the placement's own numbers: by hand, and in agreement with the checker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from optimizer.certificate import certify
from optimizer.check import check
from optimizer.errors import InfeasibleError
from optimizer.placement_parts import Certificate, Loss
from optimizer.problem import Placement, Problem
from optimizer.solve import solve
from tests.optimizer.problems import O, W, placement, problem
from tests.optimizer.ruled_instances import ruled_problems


def certificate(p: Problem, q: Placement) -> Certificate:
    (one,) = certify(p, q)
    return one


def service() -> tuple[Problem, Placement]:
    p = problem(
        W(
            demand=(6.0, 3.0),
            origins={"DE": 0.5, "US": 0.5},
            max_latency_ms=100,
            residency=["DE", "IE"],
            max_spot_share=0.5,
            max_options=3,
            min_on_demand_replicas=1,
            survive_zone_loss=True,
            headroom_share=0.5,
            max_ramp_replicas=3,
        ),
        [
            O("a", capacity=1, country="DE", zones=3, latency_ms=5, fewest=2),
            O("b", capacity=2, country="IE", region="us", purchase="spot", most=(2, 2)),
            O("c", country="DE"),
        ],
        rtt={("DE", "eu"): 10, ("DE", "us"): 90, ("US", "eu"): 80, ("US", "us"): 20},
    )
    routes = replace(p.routes, is_estimated=p.routes.rtt_ms == 80)
    q = placement(
        p,
        {"a": [4, 2], "b": [1, 1]},
        routed={("DE", "a"): [3, 1.5], ("US", "a"): [1, 0], ("US", "b"): [2, 1.5]},
    )
    return replace(p, routes=routes), q


def test_every_number_by_hand() -> None:
    p, q = service()
    assert check(p, q) == ()
    assert certificate(p, q).model_dump() == {
        "workload": "web",
        "countries": ("DE", "IE"),
        "residency": ("DE", "IE"),
        "worst_latency_ms": 85.0,  # 80 ms from US to eu and 5 ms of service
        "is_latency_estimated": True,
        "max_latency_ms": 100.0,
        "regions": ("aws/eu", "aws/us"),
        "fewest_regions": 2,
        "min_regions": 1,
        "fewest_zones": 3,  # two of two replicas in eu, one in us
        "largest_region_share": pytest.approx(4 / 6, abs=1e-6),
        "max_region_share": 1.0,
        "after_region_loss": {
            "lost": "aws/eu",
            "period": "t0",
            "served_share": pytest.approx(2 / 6, abs=1e-6),
        },
        "after_zone_loss": {"lost": "aws/eu", "period": "t0", "served_share": pytest.approx(4 / 6, abs=1e-6)},
        "survive_region_loss": False,
        "survive_zone_loss": True,
        "headroom_share": 0.5,
        "fewest_on_demand_replicas": 2,
        "min_on_demand_replicas": 1.0,
        "largest_spot_share": pytest.approx(2 / 6, abs=1e-6),
        "max_spot_share": 0.5,
        "options": ("a", "b"),
        "max_options": 3.0,
        "bounds": 4,
        "bounds_kept": 4,
        "largest_ramp_replicas": 2,
        "max_ramp_replicas": 3.0,
        "broken": (),
    }


def test_what_is_broken_is_stated_in_the_checkers_words() -> None:
    p, q = service()
    stated = certificate(p, replace(q, replicas=np.array([[4, 5], [3, 1], [1, 0]])))
    assert stated.bounds_kept == 3
    assert stated.largest_ramp_replicas == 2
    assert stated.broken == ("option_max_replicas[web/b,t0]: 3 against 2",)


def test_a_slow_route_that_carries_nothing_does_not_count() -> None:
    p, q = service()
    near = placement(p, {"a": [4, 2], "b": [2, 1]}, routed={("DE", "a"): [3, 1.5], ("US", "b"): [3, 1.5]})
    stated = certificate(p, near)
    assert (stated.worst_latency_ms, stated.is_latency_estimated) == (20.0, False)
    assert certificate(p, q).is_latency_estimated


def test_what_is_not_known_is_not_stated() -> None:
    p = problem(W(demand=[0.0]), [O("a")])
    stated = certificate(p, placement(p, {}))
    assert (stated.worst_latency_ms, stated.after_region_loss, stated.after_zone_loss) == (None, None, None)
    assert (stated.regions, stated.fewest_regions, stated.largest_region_share) == ((), 0, 0.0)
    runs = problem(W(demand=[1.0]), [O("a")])
    stated = certificate(runs, placement(runs, {"a": 1}))
    assert stated.countries == ("unknown",)
    assert stated.after_region_loss == Loss(lost="aws/eu", period="t0", served_share=0.0)


def test_workloads_are_told_apart() -> None:
    p = problem([W("web", [1.0]), W("web2", [1.0])], [O("a", "web"), O("a", "web2")])
    q = placement(p, {"a": 0})
    assert [one.broken for one in certify(p, q)] == [
        ("meet_demand[web,t0]: 0 against 1",),
        ("meet_demand[web2,t0]: 0 against 1",),
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ruled_problems())
def test_numbers_keep_their_limits_wherever_the_checker_passes(p: Problem) -> None:
    try:
        found = solve(p)
    except InfeasibleError:
        return
    stated = certificate(p, found.placement)
    assert (stated.broken == ()) == (not found.shortfalls)
    if found.shortfalls or not (p.demand > 0).all():
        return
    assert not stated.residency or set(stated.countries) <= set(stated.residency)
    assert (stated.worst_latency_ms or 0.0) <= (stated.max_latency_ms or float("inf"))
    assert stated.largest_spot_share <= stated.max_spot_share + 1e-6
    assert stated.bounds_kept == stated.bounds
    assert stated.max_ramp_replicas is None or stated.largest_ramp_replicas <= stated.max_ramp_replicas
    assert stated.max_options is None or len(stated.options) <= stated.max_options
    for must, loss in (
        (stated.survive_region_loss, stated.after_region_loss),
        (stated.survive_zone_loss, stated.after_zone_loss),
    ):
        assert loss is not None
        assert not must or loss.served_share >= stated.headroom_share - 1e-6
