"""What is read from the compact model's answers: caps with egress, and shortages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.caps import Caps, Priorities
from optimizer.check import check
from optimizer.errors import SolverError
from optimizer.problem import Floats, Problem, cap_use
from optimizer.shift import Work
from optimizer.solve import highs, small, solve
from optimizer.solve.compact import build
from optimizer.solve.highs import Found, Limits
from optimizer.solve.program import Program
from optimizer.solve.small import LEEWAYS, Run, by_priority, minimise, solve_component
from tests.optimizer.problems import N, O, W, problem

NAN = float("nan")
HARD, SOFT, PRICED = (NAN, NAN), (1.0, NAN), (NAN, 10.0)


def budgeted(p: Problem, limit: float, sort: tuple[float, float] = HARD) -> Problem:
    """The problem with all its USD under one cap."""
    terms = (np.array([value]) for value in (limit, *sort))
    member = np.ones((1, len(p.workloads)), dtype=bool)
    return replace(p, caps=Caps(("money",), ("usd",), *terms, member, np.zeros(len(p.option_id))))


def near_or_far() -> Problem:
    """Near is cheap to run and dear to leave, far the other way round; routes cost something as well."""
    return problem(
        W(demand=[1.0], origins={"DE": 1.0}),
        [O("near", price=1.0, egress=5.0), O("far", price=3.0, region="us")],
        egress={("DE", "us"): 0.1},
    )


@pytest.mark.parametrize(
    ("limit", "sort", "usd"), [(3.2, HARD, 3.1), (3.2, SOFT, 3.1), (0.0, PRICED, 3.1 + 31.0)]
)
def test_a_cap_counts_the_egress_of_options_where_routes_decide(
    limit: float, sort: tuple[float, float], usd: float
) -> None:
    answer = solve(budgeted(near_or_far(), limit, sort), gap_share=1e-9)
    assert answer.placement.replicas.ravel().tolist() == [0, 1]
    assert answer.shortfalls == ()
    assert answer.cost_usd == pytest.approx(usd)
    assert answer.bound_usd == pytest.approx(usd)


@pytest.mark.parametrize("sort", [HARD, SOFT])
@pytest.mark.parametrize("ways", [{}, {("DE", "eu"): 0.0}, {("DE", "eu"): 0.25}])
def test_a_cap_that_comes_before_demand_leaves_unserved_what_egress_would_break_it_for(
    ways: dict[tuple[str, str], float], sort: tuple[float, float]
) -> None:
    origins = {"DE": 1.0} if ways else {}
    p = problem(W(demand=[1.0], origins=origins), [O("a", price=1.0, egress=1.0)], egress=ways)
    if sort == SOFT:
        p = replace(p, priorities=Priorities(("meet_demand",), np.array([-1]), np.array([2.0])))
    p = budgeted(p, 1.5, sort)
    answer = solve(p, gap_share=1e-9)
    most = 0.5 / (1.0 + sum(ways.values()))
    assert [(s.rule, s.missing) for s in answer.shortfalls] == [
        ("meet_demand", pytest.approx(1.0 - most, abs=2e-6))
    ]
    assert cap_use(p, answer.placement) == pytest.approx(1.5, abs=2e-6)
    assert {v.rule for v in check(p, answer.placement)} == {"meet_demand"}


@pytest.mark.parametrize(("budget", "most"), [(1.5, 0.5), (2.5, 1.0)])
def test_work_stops_where_its_egress_would_break_a_hard_cap(budget: float, most: float) -> None:
    p = problem(W(demand=[0.0, 0.0]), [O("a", price=1.0, egress=1.0)])
    p = replace(p, work=Work(np.array([2.0]), np.array([0]), np.array([1])))
    p = budgeted(p, budget)
    answer = solve(p, gap_share=1e-9)
    assert [s.rule for s in answer.shortfalls] == ["finish_work"]
    assert answer.placement.served.sum() == pytest.approx(most, abs=5e-6)
    assert cap_use(p, answer.placement)[0] <= budget + 1e-5


def test_egress_beside_shared_nodes_keeps_a_hard_cap() -> None:
    p = problem(
        W(demand=[2.0]),
        [O("a", node="n", price=0.0, cpu=1.0, memory_gib=1.0, egress=1.0)],
        nodes=[N("n", price=3.0)],
    )
    p = budgeted(p, 4.5)
    answer = solve(p, gap_share=1e-9)
    assert answer.placement.served.sum() == pytest.approx(1.5, abs=5e-6)
    assert {v.rule for v in check(p, answer.placement)} == {"meet_demand"}


def scarce() -> Problem:
    """Three workloads on two limits, of which one leaves nothing in the last period."""
    return problem(
        [
            W("web", demand=[3.0, 3.5, 0.3]),
            W("etl", demand=[0.3, 0.3, 0.0]),
            W("api", demand=[0.3, 0.0, 0.0]),
        ],
        [
            O("web", "web", pool="q"),
            O("etl0", "etl", egress=0.4),
            O("etl1", "etl", pool="p"),
            O("api0", "api", pool="p"),
            O("api1", "api", region="us"),
            O("api2", "api", region="us", pool="q", egress=0.1),
        ],
        pools={"p": 1000.0, "q": [4.0, 1000.0, 0.0]},
    )


def test_what_is_missed_least_is_found_again_where_the_cost_is_weighed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small, "LEEWAYS", LEEWAYS[:1])  # counts are whole enough for the least
    answer = solve_component(scarce(), 1e-9)
    assert [(s.workload, s.period, s.missing) for s in answer.shortfalls] == [
        ("web", "t2", pytest.approx(0.3))
    ]
    assert answer.cost_usd == pytest.approx(3 + 4 + 1 + 1 + 1)
    assert answer.bound_usd == pytest.approx(answer.cost_usd, abs=1e-6)


@pytest.mark.parametrize("enough", [5e-5, 5.0])
def test_a_level_that_a_solver_loses_by_rounding_is_asked_again_with_more_leeway(enough: float) -> None:
    p, told = scarce(), list[float]()

    def losing(program: Program, gap_share: float, start: Floats | None) -> Run | None:
        """Finds nothing within what is missed least until there is enough leeway."""
        if not any(rows.name.startswith("least_missed") for rows in program.rows):
            return minimise(program, gap_share, start)
        told.append(float(program.row_upper[-1]) - 1.0 - 1e-6)
        return minimise(program, gap_share, start) if told[-1] > enough else None

    if enough > 1.0:
        with pytest.raises(SolverError, match="lost the least-missed placement"):
            by_priority(p, build(p, elastic=True), 1e-9, losing)
    else:
        found = by_priority(p, build(p, elastic=True), 1e-9, losing)
        assert found is not None
        assert found[1].objective == pytest.approx(10.0, abs=1e-2)
    assert told == pytest.approx(LEEWAYS[: len(told)], rel=1e-3)


def test_a_search_that_ends_early_loses_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is weighed from what is missed least on, and longer where nothing was found at all."""
    p, starts, nodes = scarce(), list[Floats | None](), list[int]()

    def ending(program: Program, gap_share: float, start: Floats | None) -> Run | None:
        starts.append(start)
        return minimise(program, gap_share, start)

    def impatient(program: Program, limits: Limits, start: Floats | None) -> Found:
        nodes.append(limits.nodes)
        found = searched(program, limits, start)
        return replace(found, values=None, status="Solution limit reached") if limits.nodes == 1 else found

    searched = highs.minimise
    monkeypatch.setattr(highs, "minimise", impatient)
    monkeypatch.setattr(small, "most_nodes", lambda _: 1)
    found = by_priority(p, build(p, elastic=True), 1e-9, ending)
    assert found is not None
    assert found[1].objective == pytest.approx(10.0, abs=1e-5)
    assert starts[0] is None
    assert all(start is not None for start in starts[1:])
    assert nodes == [1, small.MAX_NODES] * len(starts)


def test_of_many_each_goes_on_missing_what_was_found_and_the_bound_holds_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of two can be served: what is missed is the same, one is dearer, the bound that of the other."""
    p = problem(
        [W("a", demand=[1.0]), W("b", demand=[1.0])],
        [O("x", "a", price=5.0, pool="p"), O("y", "b", price=3.0, pool="p")],
        pools={"p": 1.0},
    )
    best = solve_component(p, 1e-9)
    assert (best.cost_usd, best.bound_usd) == (pytest.approx(3.0), pytest.approx(3.0, abs=1e-3))
    dearer = highs.minimise

    def unproven(program: Program, limits: Limits, start: Floats | None) -> Found:
        found = dearer(program, limits, start)
        if start is None and found.values is not None:
            found = replace(found, values=serving_a(program), status="Solution limit reached")
        return found

    def serving_a(program: Program) -> Floats:
        values = dearer(
            replace(program, cost=program.cost + in_favour(program)), Limits(0.0, 100, 10.0)
        ).values
        assert values is not None
        return values

    def in_favour(program: Program) -> Floats:
        weights = np.zeros(len(program.cost))
        weights[program.columns_of("s_meet_demand").ravel()] = [0.1, 0.0]
        return weights

    monkeypatch.setattr(highs, "minimise", unproven)
    monkeypatch.setattr(small, "MANY_COLUMNS", 0)
    found = solve_component(p, 1e-9)
    assert [(s.workload, s.missing) for s in found.shortfalls] == [("b", pytest.approx(1.0))]
    assert found.cost_usd == pytest.approx(5.0)
    assert found.bound_usd <= 3.0 + 1e-3
    assert found.stopped_by == "nodes"


@pytest.mark.parametrize(("small", "large"), [(7.0, 11.3), (6.5, 7.0), (3.0, 100.0), (1.1, 2.4)])
def test_even_parts_are_found_where_sizes_have_a_common_multiple(small: float, large: float) -> None:
    p = problem(
        W(demand=[5.0], max_region_share=0.5),
        [
            O("a", capacity=small),
            O("b", capacity=large, region="us"),
            O("barred", region="ap", most=0.0),
            O("without_limit", region="sa", pool="none"),
        ],
        pools={"none": 0.0},
    )
    answer = solve(p, gap_share=1e-9)
    assert answer.shortfalls == ()
    a, b = answer.placement.replicas[:2, 0]
    assert a * small == pytest.approx(b * large)


def test_a_share_just_above_even_parts_has_the_room_it_takes() -> None:
    p = problem(
        W(demand=[1.0], max_region_share=0.504),
        [O("a", capacity=10.0), O("b", capacity=10.2, region="us")],
    )
    assert solve(p).shortfalls == ()


@pytest.mark.parametrize("many", [1e-5, 1e4, 1e7, 1e8])
def test_units_of_demand_do_not_matter_in_a_shortage(many: float) -> None:
    p = scarce()
    p = replace(
        p,
        demand=p.demand * many,
        capacity=p.capacity * many,
        egress_usd_per_unit=p.egress_usd_per_unit / many,
    )
    answer = solve_component(p, 1e-9)
    assert [(s.workload, s.period, s.missing, s.wanted) for s in answer.shortfalls] == [
        ("web", "t2", pytest.approx(0.3 * many), pytest.approx(0.3 * many))
    ]
    assert answer.cost_usd == pytest.approx(10.0)
    assert answer.bound_usd == pytest.approx(10.0)


def test_very_many_very_small_replicas_serve_a_very_large_demand() -> None:
    answer = solve_component(problem(W(demand=[1e9]), [O("a", capacity=0.01)]), 1e-9)
    assert answer.shortfalls == ()
    assert answer.placement.replicas.ravel().tolist() == [10**11]
