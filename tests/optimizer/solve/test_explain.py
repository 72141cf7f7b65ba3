"""A shortage is an answer: what is missing is named, as little as possible, and nothing else is broken."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.check import check
from optimizer.errors import SolverError
from optimizer.problem import Problem, unserved
from optimizer.solve import Solution, small, solve
from tests.optimizer.problems import O, W, problem


def answer(p: Problem, gap_share: float = 1e-9) -> Solution:
    found = solve(p, gap_share=gap_share)
    assert check(p, found.placement, best_effort=True) == ()
    told = {(s.rule, f"{s.workload},{s.period}") for s in found.shortfalls}
    assert {(v.rule, v.where) for v in check(p, found.placement)} == told
    return found


def missing(p: Problem) -> list[tuple[str, str, str, float, float]]:
    return [
        (s.rule, s.workload, s.period, round(s.missing, 4), round(s.wanted, 4)) for s in answer(p).shortfalls
    ]


EU, US = O("eu", quota_pool="p"), O("us", region="us", quota_pool="q")


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (
            problem(W(demand=[4, 2]), [EU], pools={"p": 3}),
            [("meet_demand", "web", "t0", 1.0, 4.0)],
        ),
        (
            problem(W(demand=[4]), [O("a", pool="p", pool_units=2, capacity=3)], pools={"p": 3}),
            [("meet_demand", "web", "t0", 1.0, 4.0)],
        ),
        (
            problem(W(demand=[1], min_replicas=3), [EU], pools={"p": 2}),
            [("min_replicas", "web", "t0", 1.0, 3.0)],
        ),
        (
            problem(W(demand=[2], min_on_demand_replicas=2), [EU, O("s", purchase="spot")], pools={"p": 1}),
            [("min_on_demand_replicas", "web", "t0", 1.0, 2.0)],
        ),
        (
            problem(W(demand=[2], min_regions=2), [EU, US], pools={"q": 0}),
            [("min_regions", "web", "t0", 1.0, 2.0)],
        ),
        (
            problem(W(demand=[4], survive_region_loss=True), [EU, US], pools={"q": 3}),
            [("survive_region_loss", "web", "t0", 1.0, 4.0)],
        ),
        (
            problem(W(demand=[4], max_region_share=0.5), [EU, US], pools={"q": 1}),
            [("max_region_share", "web", "t0", 1.0, 2.0)],
        ),
        (
            problem(W(demand=[4], max_replicas=3), [EU]),
            [("meet_demand", "web", "t0", 1.0, 4.0)],
        ),
        (
            problem(W(demand=[0], min_replicas=3, max_region_share=0.4), [EU, US]),
            [("max_region_share", "web", "t0", 0.4, 1.6)],
        ),
    ],
)
def test_a_shortage_is_named_with_how_much_is_missing(
    p: Problem, expected: list[tuple[str, str, str, float, float]]
) -> None:
    assert missing(p) == expected


def test_spot_keeps_to_its_share_of_what_is_served() -> None:
    p = problem(
        W(demand=[3], max_spot_share=0.5, max_replicas=2), [O("a"), O("s", capacity=1.5, purchase="spot")]
    )
    found = answer(p)
    assert [(s.rule, s.missing) for s in found.shortfalls] == [("meet_demand", pytest.approx(1.0))]
    assert unserved(p, found.placement).tolist() == [[pytest.approx(1.0)]]
    assert found.placement.served[:, 0].sum() == pytest.approx(2.0)


def test_a_request_lost_is_worse_than_a_region_short() -> None:
    p = problem(W(demand=[2], min_regions=2), [O("eu"), O("us", capacity=0.5, region="us")], pools={})
    assert answer(p).shortfalls == ()
    short = problem(
        W(demand=[2], min_regions=2, max_replicas=2), [O("eu"), O("us", capacity=0.5, region="us")]
    )
    assert [s.rule for s in answer(short).shortfalls] == ["min_regions"]


def test_the_cost_is_least_among_those_that_miss_least_whatever_the_gap() -> None:
    p = problem(
        W(demand=[40.0, 30.0]),
        [
            O("a", pool="p", capacity=3, price=5.0),
            O("b", pool="p", capacity=7, pool_units=2, purchase="spot"),
            O("dear", pool="p", capacity=3, price=9.0),
        ],
        pools={"p": 9},
    )
    tight, loose = answer(p), answer(p, gap_share=0.9)
    assert sum(s.missing for s in tight.shortfalls) == pytest.approx(9.0)
    assert sum(s.missing for s in loose.shortfalls) == pytest.approx(9.0)
    assert tight.cost_usd == pytest.approx(2 * (4 * 1.0 + 5.0))
    assert loose.cost_usd <= 2 * (4 * 1.0 + 9.0)
    assert tight.bound_usd == pytest.approx(tight.cost_usd)


def test_a_loose_gap_on_the_cost_misses_no_more() -> None:
    rng = np.random.default_rng(2)
    size = rng.integers(100, 300, 20).astype(float)
    units, price = np.round(size * rng.uniform(0.9, 1.1, 20)), rng.uniform(0.5, 2.0, 20)
    options = [
        O(
            f"o{i}",
            ("web", "api")[i % 2],
            region=("eu", "us")[i // 2 % 2],
            capacity=size[i],
            price=price[i],
            pool="p",
            pool_units=units[i],
        )
        for i in range(20)
    ]
    p = problem([W("web", [5000.0]), W("api", [3000.0], min_regions=2)], options, pools={"p": 4321.0})
    tight, loose = (sum(s.missing / s.wanted for s in answer(p, gap).shortfalls) for gap in (1e-4, 0.9))
    assert loose == pytest.approx(tight, rel=1e-4)


def test_one_workload_s_shortage_excuses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem([W("web", demand=[4]), W("api", demand=[2])], [EU, O("b", "api")], pools={"p": 3})
    assert {(s.rule, s.workload) for s in answer(p).shortfalls} == {("meet_demand", "web")}
    honest = small.servable

    def lazy(problem: Problem, replicas: np.ndarray) -> np.ndarray:
        return honest(problem, replicas) * (0.5 if "api" in problem.workloads else 1.0)

    monkeypatch.setattr(small, "servable", lazy)
    with pytest.raises(SolverError, match=r"meet_demand\[api,t0\]: 1 against 2"):
        solve(p)


def test_a_shortage_in_one_period_leaves_the_others_whole() -> None:
    p = problem(W(demand=[4, 4, 4]), [O("a", pool="p")], pools={"p": [9, 1, 9]})
    assert missing(p) == [("meet_demand", "web", "t1", 3.0, 4.0)]


def test_a_shared_quota_serves_as_much_demand_as_it_can() -> None:
    p = problem(
        [W("web", demand=[4]), W("api", demand=[4])],
        [O("a", "web", quota_pool="p", capacity=2), O("b", "api", quota_pool="p")],
        pools={"p": 4},
    )
    assert missing(p) == [("meet_demand", "api", "t0", 2.0, 4.0)]
