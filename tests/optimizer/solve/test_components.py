"""Parts are independent, complete and exact: solving them apart is solving the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.solve import solve
from optimizer.solve.components import components, connected, only_with, together
from optimizer.solve.small import solve_component
from tests.optimizer.problems import C, N, O, W, problem

WEB, API = W("web", demand=[2, 2]), W("api", demand=[2, 2])


def parts(p: Problem) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Workloads and periods of each part."""
    return [(part.problem.workloads, part.problem.periods) for part in components(p)]


def apart(p: Problem) -> list[tuple[str, ...]]:
    return sorted({workloads for workloads, _ in parts(p)})


def two(*options: O, **terms: object) -> Problem:
    return problem([WEB, API], options, **terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "together"),
    [
        (two(O("a", "web"), O("b", "api")), False),
        (two(O("a", "web", pool="p"), O("b", "api", pool="p")), False),  # no limit: nothing is shared
        (two(O("a", "web", pool="p"), O("b", "api", pool="p"), pools={"p": 9}), True),
        (two(O("a", "web", pool="p"), O("b", "api", quota_pool="p"), pools={"p": [np.inf, 9]}), True),
        (
            two(
                O("a", "web", pool="p"),
                O("b", "api", pool="q"),
                commitments=[C(covers={"p": (1, 1), "q": (1, 1)}, existing=1)],
            ),
            True,
        ),
        (
            two(
                O("a", "web", pool="p"),
                O("b", "api", pool="p", purchase="spot"),
                commitments=[C(covers={"p": (1, 1)}, existing=1)],
            ),
            False,
        ),
    ],
)
def test_workloads_are_together_where_they_share_a_limit_or_a_commitment(p: Problem, together: bool) -> None:
    assert apart(p) == ([("web", "api")] if together else [("api",), ("web",)])


@pytest.mark.parametrize(
    ("w", "commitments", "cut"),
    [
        (W(demand=[2, 2]), [], True),
        (W(demand=[2, 2], max_options=1), [], False),
        (W(demand=[2, 2], activation_cost_usd=1.0), [], False),
        (W(demand=[2, 2], max_ramp_replicas=1), [], False),
        (W(demand=[2, 2], origins={"DE": 1.0}, survive_zone_loss=True), [], True),
        (W(demand=[2, 2]), [C(covers={"p": (1, 1)}, existing=1.0)], True),
        (W(demand=[2, 2]), [C(covers={"p": (1, 1)}, offered=1.0)], False),
    ],
)
def test_periods_are_apart_unless_something_spans_them(w: W, commitments: Sequence[C], cut: bool) -> None:
    p = problem(w, [O("a", pool="p"), O("b")], commitments=commitments)
    assert [periods for _, periods in parts(p)] == ([("t0",), ("t1",)] if cut else [("t0", "t1")])


def test_every_option_period_and_commitment_is_in_one_part_at_most() -> None:
    plan = C(covers={"p": (0.5, 1.0)}, existing=1.0)
    p = two(
        O("a", "web", pool="p"), O("b", "api", pool="p", purchase="spot"), O("c", "api"), commitments=[plan]
    )
    seen = np.zeros((3, 2))
    for part in components(p):
        seen[np.ix_(part.options, part.periods)] += 1
    assert (seen == 1).all()
    owners = {part.problem.workloads for part in components(p) if len(part.commitments)}
    assert owners == {("web",)}


def test_cover_is_kept_where_another_part_uses_the_same_pool_for_spot() -> None:
    plan = C(covers={"p": (0.5, 1.0)}, existing=1.0)
    options = [O("a", "web", pool="p"), O("b", "api", pool="p", purchase="spot", price=0.5)]
    for workloads in ([WEB, API], [API, WEB]):
        found = solve(problem(workloads, options, commitments=[plan]))
        assert found.cost_usd == pytest.approx(2 * (2 + 1 - 2))
        assert found.gap_share == 0.0


def test_migration_is_paid_in_the_first_period_only() -> None:
    p = problem(W(demand=[1, 1]), [O("a", price=2, current=1, migration=3.0), O("b", price=1)])
    found = solve(p, gap_share=1e-9)
    assert found.placement.replicas.tolist() == [[1, 0], [0, 1]]
    assert found.cost_usd == pytest.approx(3.0)


def test_solved_jointly_or_in_parts_is_the_same() -> None:
    shared = {"p": 5.0}
    p = problem(
        [W("web", demand=[2, 3], max_options=1), W("api", demand=[3, 1]), W("etl", demand=[1, 4])],
        [
            O("a", "web", pool="p", price=1.1),
            O("b", "web", capacity=2, price=2.1),
            O("c", "api", quota_pool="p"),
            O("d", "api", price=1.7, capacity=2, region="us"),
            O("e", "etl", capacity=3, price=2.5),
            O("f", "etl", purchase="spot", price=0.7),
        ],
        pools=shared,
        hours=[2.0, 1.0],
    )
    assert len(list(components(p))) == 3
    whole, split = solve_component(p, 1e-9), solve(p, gap_share=1e-9)
    assert split.cost_usd == pytest.approx(whole.cost_usd)
    assert split.bound_usd == pytest.approx(whole.bound_usd)
    assert check(p, split.placement) == ()
    assert cost(p, split.placement) == split.cost_usd


def test_rules_about_places_and_counts_come_along_into_every_part() -> None:
    near = {"origins": {"DE": 0.75, "US": 0.25}, "max_latency_ms": 50.0}
    p = problem(
        [
            W("web", demand=[4, 2], residency=["DE", "US"], **near),
            W("api", demand=[2, 3], survive_zone_loss=True, headroom_share=0.5),
            W("etl", demand=[1, 4], max_ramp_replicas=1),
            W("app", demand=[2, 2], **near),
        ],
        [
            O("a", "web", country="DE"),
            O("b", "api", zones=3, fewest=(0, 2)),
            O("c", "web", region="us", country="US", egress=0.1),
            O("d", "web", price=0.1, country="FR"),
            O("e", "etl"),
            O("f", "app", most=(1, 2)),
            O("g", "app", region="us", pool="p"),
            O("h", "api", pool="p", price=0.5),
        ],
        pools={"p": 3.0},
        rtt={("DE", "eu"): 10, ("US", "us"): 10, ("DE", "us"): 40},
        hours=[2.0, 1.0],
    )
    whole, split = solve_component(p, 1e-9), solve(p, gap_share=1e-9)
    assert split.cost_usd == pytest.approx(whole.cost_usd)
    assert not split.shortfalls
    assert check(p, split.placement) == ()
    served = p.routes.sum_by_source(split.placement.routed)
    np.testing.assert_allclose(served, [[3, 1.5], [1, 0.5], [1.5, 1.5], [0.5, 0.5]])


def test_a_bound_holds_in_its_own_period_wherever_the_part_is_cut() -> None:
    p = problem(
        W(demand=[1, 1, 1]), [O("a"), O("b", price=2.0, fewest=(0, 0, 1)), O("c", price=0.5, most=(0, 1, 0))]
    )
    found = solve(p, gap_share=1e-9)
    assert found.placement.replicas.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("ramp", [1.0, np.inf])
def test_what_is_left_out_stays_barred_where_its_fleet_counts(ramp: float) -> None:
    plan = C(covers={"p": (0.5, 1.0), "q": (0.5, 1.0)}, existing=1.0)
    p = problem(
        W(demand=[1, 1], max_ramp_replicas=ramp, ramp_from_current=True),
        [
            O("on node", price=0.0, node="n", cpu=1.0, current=2, most=(3, 5)),
            O("a", pool="q", most=(4, 4)),
            O("idle", price=0.0, node="n", cpu=1.0),
        ],
        nodes=[N("n", pool="p")],
        commitments=[plan],
    )
    part = only_with(p, np.array([False, True, False]))
    stays = ["on node"] if ramp == 1 else []
    assert part.problem.option_id == (*stays, "a")
    assert [
        name for name, may in zip(part.problem.option_id, part.problem.is_admissible, strict=True) if may
    ] == ["a"]
    assert part.problem.bounds.most.tolist() == [0.0] * (2 * len(stays)) + [4.0, 4.0]
    assert len(part.problem.nodes) == 0
    assert part.pools.tolist() == [1]
    placement = together(p, [(part, solve_component(part.problem, 1e-9).placement)])
    assert placement.replicas.sum(axis=1).tolist() == [0, 2, 0]
    assert check(p, placement) == ()
    assert placement.covered[0].tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_tied_together_is_one_component_as_scipy_has_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, count = int(random.integers(1, 80)), int(random.integers(0, 80))
    one, other = random.integers(0, size, count), random.integers(0, size, count)
    graph = coo_array((np.ones(count), (one, other)), shape=(size, size))
    expected = connected_components(graph, directed=False)[1]
    np.testing.assert_array_equal(connected(one, other, size), expected)


def test_a_long_chain_is_one_component() -> None:
    order = np.random.default_rng(0).permutation(5_000)
    assert connected(order[:-1], order[1:], 5_000).max() == 0
