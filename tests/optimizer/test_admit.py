"""Options that no placement may use are left aside; where none is left, the message says the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optimizer.admit import turned_away
from optimizer.errors import InfeasibleError
from optimizer.problem import Problem
from optimizer.solve import solve
from tests.optimizer.problems import O, W, problem

NEAR = {("DE", "eu"): 10.0, ("US", "us"): 20.0}
TWO = {"DE": 0.5, "US": 0.5}


def told(p: Problem) -> str:
    with pytest.raises(InfeasibleError) as error:
        solve(p)
    return str(error.value)


Relaxed = Callable[[], Problem]
CASES: dict[str, tuple[Relaxed, str, Relaxed]] = {
    "residency": (
        lambda: problem(W(residency=["DE"]), [O("a", country="FR"), O("b", price=2.0, country="IE")]),
        "2 in the tables, 0 left after residency. Cheapest way out: allow FR in residency; that admits a",
        lambda: problem(W(residency=["DE", "FR"]), [O("a", country="FR"), O("b", price=2.0, country="IE")]),
    ),
    "country unknown": (
        lambda: problem(W(residency=["DE"]), [O("a")]),
        "Cheapest way out: say the option's country, or drop residency; that admits a",
        lambda: problem(W(residency=["DE"]), [O("a", country="DE")]),
    ),
    "service time": (
        lambda: problem(W(max_latency_ms=50), [O("a", latency_ms=60.5)]),
        "0 left after max_latency_ms. Cheapest way out: raise max_latency_ms to 61; that admits a",
        lambda: problem(W(max_latency_ms=61), [O("a", latency_ms=60.5)]),
    ),
    "too far": (
        lambda: problem(W(origins={"US": 1.0}, max_latency_ms=15), [O("a", region="us")], rtt=NEAR),
        "Cheapest way out: raise max_latency_ms to 20; that admits a",
        lambda: problem(W(origins={"US": 1.0}, max_latency_ms=20), [O("a", region="us")], rtt=NEAR),
    ),
    "distance unknown": (
        lambda: problem(W(origins={"FR": 1.0}, max_latency_ms=15), [O("a")], rtt=NEAR),
        "Cheapest way out: drop max_latency_ms (the round trip is unknown); that admits a",
        lambda: problem(W(origins={"FR": 1.0}), [O("a")], rtt=NEAR),
    ),
    "one origin out of reach": (
        lambda: problem(W(origins=TWO, max_latency_ms=15), [O("a"), O("b", region="us")], rtt=NEAR),
        "no option serves US within 15 ms. Cheapest way out: raise max_latency_ms to 20; that admits b",
        lambda: problem(W(origins=TWO, max_latency_ms=20), [O("a"), O("b", region="us")], rtt=NEAR),
    ),
    "excluded": (
        lambda: problem(W(), [O("a", most=0)]),
        "0 left after max_replicas. Cheapest way out: raise max_replicas of a above 0",
        lambda: problem(W(), [O("a", most=4)]),
    ),
    "pinned where it may not be": (
        lambda: problem(W(residency=["DE"]), [O("a", country="DE"), O("b", country="FR", fewest=1)]),
        "Option 'b' of workload 'web' must run, but residency rules it out: allow FR in residency, or unpin",
        lambda: problem(W(residency=["DE", "FR"]), [O("a", country="DE"), O("b", country="FR", fewest=1)]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_doing_what_the_message_says_leads_out(name: str) -> None:
    broken, message, relaxed = CASES[name]
    assert message in told(broken())
    assert not solve(relaxed()).shortfalls


def test_two_rules_at_once_have_no_single_way_out() -> None:
    p = problem(W(residency=["DE"], max_latency_ms=1), [O("a", country="FR", latency_ms=2)])
    assert "0 left after residency. No single rule is the cause: relax at least two of them." in told(p)


def test_every_workload_is_told_at_once() -> None:
    bare = problem([W("web"), W("api", residency=["DE"]), W("etl")], [O("a", "api", country="FR")])
    assert [line.split("'")[1] for line in turned_away(bare)] == ["web", "api", "etl"]


def test_an_option_left_aside_changes_nothing_for_the_others() -> None:
    options = [O("far", price=0.1, country="US"), O("a", country="DE", pool="p"), O("b", country="DE")]
    p = problem(W(demand=[3.0], residency=["DE"]), options, pools={"p": 2.0})
    found = solve(p)
    assert found.placement.replicas.tolist() == [[0], [2], [1]]
    assert solve(replace(p, option_id=("x", "y", "z"))).cost_usd == found.cost_usd


def test_an_origin_without_demand_needs_no_route() -> None:
    p = problem(W(origins={"DE": 1.0, "US": 0.0}, max_latency_ms=15), [O("a")], rtt=NEAR)
    assert not solve(p).shortfalls
