"""Pruning is exact: an option goes only where another replaces it in every plan at no cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.problem import Problem
from optimizer.solve import prune_dominated
from tests.optimizer.problems import C, O, W, problem

SMALL, LARGE = O("small", capacity=1, price=1.0), O("large", capacity=2, price=2.5)


def kept(p: Problem) -> list[str]:
    return list(prune_dominated(p).option_id)


def pair(w: W, a: O, b: O, **terms: object) -> Problem:
    return problem(w, [a, b], **terms)  # type: ignore[arg-type]


def test_a_dearer_option_that_copies_of_a_smaller_one_replace_goes() -> None:
    assert kept(pair(W(), SMALL, LARGE)) == ["small"]
    assert kept(pair(W(), LARGE, SMALL)) == ["small"]
    assert kept(pair(W(), SMALL, replace(LARGE, price=1.9))) == ["small", "large"]


def test_of_two_that_are_alike_the_first_stays() -> None:
    assert kept(pair(W(), SMALL, replace(SMALL, name="twin"))) == ["small"]
    three = [replace(SMALL, name=name) for name in "abc"]
    assert kept(problem(W(), three)) == ["a"]


def test_options_of_different_workloads_never_replace_each_other() -> None:
    p = problem([W("web"), W("api")], [replace(SMALL, workload="web"), replace(LARGE, workload="api")])
    assert kept(p) == ["small", "large"]


REASONS = {
    "the replacing one has a limit": pair(W(), replace(SMALL, pool="p"), LARGE, pools={"p": 9}),
    "the replacing one has a quota": pair(W(), replace(SMALL, quota_pool="p"), LARGE, pools={"p": 9}),
    "a cap on replicas": pair(W(max_replicas=4), SMALL, LARGE),
    "spot for firm": pair(W(), replace(SMALL, purchase="spot"), LARGE),
    "present fleet": pair(W(), SMALL, replace(LARGE, current=1)),
    "egress": pair(W(), replace(SMALL, egress=0.1), LARGE),
    "dearer to move": pair(W(), replace(SMALL, migration=0.1), LARGE),
    "another region, spread": pair(W(min_regions=2), SMALL, replace(LARGE, region="us")),
    "another region, a zone lost": pair(W(survive_zone_loss=True), SMALL, replace(LARGE, region="us")),
    "fewer zones": pair(W(survive_zone_loss=True), SMALL, replace(LARGE, zones=2)),
    "steps of another size under a ramp": pair(W(max_ramp_replicas=1), SMALL, LARGE),
    "pinned": pair(W(), SMALL, replace(LARGE, fewest=1)),
    "the replacing one is bounded": pair(W(), replace(SMALL, most=1), LARGE),
    "the replacing one may not be there": pair(
        W(residency=["DE"]), replace(SMALL, country="FR"), replace(LARGE, country="DE")
    ),
    "farther from an origin": pair(
        W(origins={"DE": 1.0}, max_latency_ms=50), replace(SMALL, latency_ms=45.0), LARGE,
        rtt={("DE", "eu"): 10.0},
    ),
    "dearer routes": pair(
        W(origins={"DE": 1.0}), replace(SMALL, region="us"), LARGE, egress={("DE", "us"): 0.1}
    ),
    "another region, share": pair(W(max_region_share=0.6), SMALL, replace(LARGE, region="us")),
    "another region, survival": pair(W(survive_region_loss=True), SMALL, replace(LARGE, region="us")),
    "other capacity under a share": pair(W(max_region_share=0.6), SMALL, replace(LARGE, capacity=1.5)),
    "better covered": pair(
        W(), SMALL, replace(LARGE, pool="q"), commitments=[C(covers={"q": (0.1, 2.4)}, existing=9.0)]
    ),
    "covered at a lower rate": pair(
        W(),
        replace(SMALL, pool="p"),
        replace(LARGE, pool="q"),
        commitments=[C(covers={"p": (0.5, 1.0), "q": (0.9, 2.5)}, existing=9.0)],
    ),
    "covered at a lower price": pair(
        W(),
        replace(SMALL, pool="p"),
        replace(LARGE, pool="q"),
        commitments=[C(covers={"p": (0.1, 0.5), "q": (0.9, 2.4)}, existing=9.0)],
    ),
    "covered by one more": pair(
        W(),
        replace(SMALL, pool="p"),
        replace(LARGE, pool="q"),
        commitments=[
            C("both", covers={"p": (0.1, 1.0), "q": (0.9, 2.5)}),
            C("one", covers={"q": (0.9, 2.5)}),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_an_option_stays_where_something_could_tell_them_apart(reason: str) -> None:
    assert "large" in kept(REASONS[reason])


HARMLESS = {
    "firm for spot": pair(W(), SMALL, replace(LARGE, purchase="spot")),
    "a limit on the replaced one": pair(W(), SMALL, replace(LARGE, pool="p"), pools={"p": 9}),
    "same region and capacity under a share": pair(W(max_region_share=0.6), SMALL, LARGE),
    "a cap on replicas and as large": pair(W(max_replicas=3), replace(SMALL, capacity=2), LARGE),
    "covered as well": pair(
        W(),
        replace(SMALL, pool="p", pool_units=2.0),
        replace(LARGE, pool="q", pool_units=5.0),
        commitments=[C(covers={"p": (0.1, 0.5), "q": (0.2, 0.5)}, existing=1.0)],
    ),
    "as near and as many zones": pair(
        W(origins={"DE": 1.0}, max_latency_ms=50, survive_zone_loss=True), replace(SMALL, zones=3),
        replace(LARGE, zones=3), rtt={("DE", "eu"): 10.0},
    ),
    "a country that is allowed": pair(
        W(residency=["DE"]), replace(SMALL, country="DE"), replace(LARGE, country="FR")
    ),
    "capacity a hair apart": pair(W(), replace(SMALL, capacity=0.1 + 0.2), replace(LARGE, capacity=0.6)),
}  # fmt: skip


@pytest.mark.parametrize("reason", HARMLESS)
def test_an_option_goes_where_nothing_can_tell_them_apart(reason: str) -> None:
    assert kept(HARMLESS[reason]) == ["small"]


def test_a_tiny_option_is_not_taken_for_free() -> None:
    p = pair(W(demand=[1e-6]), replace(SMALL, capacity=1e6, price=3.0), O("tiny", capacity=1e-6, price=1e-3))
    assert "tiny" in kept(p)


def test_what_is_left_keeps_its_rows_together() -> None:
    p = problem(
        W(),
        [
            O("x", price=9.0),
            replace(SMALL, price=1.0, pool="p", egress=0.0, current=2),
            O("y", price=0.5, capacity=0.4, purchase="spot", region="us", quota_pool="q"),
        ],
    )
    left = prune_dominated(p)
    assert left.option_id == ("small", "y")
    assert left.region == ("eu", "us")
    assert left.current_replicas.tolist() == [2.0, 0.0]
    assert (left.pools, left.pool.tolist(), left.quota_pool.tolist()) == (("p", "q"), [0, -1], [-1, 1])
    assert np.array_equal(left.demand, p.demand)
