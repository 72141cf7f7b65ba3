"""What must hold for every problem: the optimum of an exhaustive search, honest bounds, and symmetries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.solve.compact import RULES, build
from optimizer.solve.small import minimise, solve_component
from tests.optimizer.brute_force import cheapest
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import UNLIMITED, O, W, problem, with_options, with_workloads

EXACT = 1e-9
TOP = 6


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def usd(solution: Solution) -> float | None:
    """Cost, or None where a shortage forced a rule to be missed."""
    return None if solution.shortfalls else solution.cost_usd


def never_more(low: Solution, high: Solution) -> bool:
    """The first is feasible wherever the second is, and costs no more."""
    if high.shortfalls:
        return True
    return not low.shortfalls and low.cost_usd <= high.cost_usd + 1e-6


@examples(150)
@given(tiny_problems())
def test_the_cost_is_that_of_an_exhaustive_search(p: Problem) -> None:
    best, found = cheapest(p, TOP), solve(p, gap_share=EXACT)
    assert (best is None) == bool(found.shortfalls)
    assert found.cost_usd == cost(p, found.placement)
    if best is not None:
        assert found.cost_usd == pytest.approx(best, abs=1e-6)
        assert found.bound_usd <= best + 1e-6
        assert check(p, found.placement) == ()


@examples(40)
@given(tiny_problems(with_commitments=True))
def test_so_it_is_with_commitments(p: Problem) -> None:
    best, found = cheapest(p, TOP), solve(p, gap_share=EXACT)
    assert usd(found) == (None if best is None else pytest.approx(best, abs=1e-6))


@examples(40)
@given(tiny_problems(), st.sampled_from([0.02, 0.2, 0.6]))
def test_the_bound_is_below_the_optimum_whatever_the_gap(p: Problem, gap_share: float) -> None:
    best, found = cheapest(p, TOP), solve(p, gap_share=gap_share)
    assert found.bound_usd <= found.cost_usd + 1e-6
    if best is not None:
        assert found.bound_usd <= best + 1e-6 <= found.cost_usd + 2e-6
        if p.commitments == ():  # cover can make the cost of a part negative
            assert found.gap_share <= gap_share + 1e-6


@examples(40)
@given(tiny_problems())
def test_pruning_dominated_options_never_moves_the_cost(p: Problem) -> None:
    assert_pruning_is_exact(p)


@st.composite
def alike(draw: st.DrawFn) -> Problem:
    """Problems whose options are near copies of one another, so that most of them are dominated."""
    base = draw(tiny_problems(most_options=3))
    twins = draw(st.lists(st.integers(0, len(base.option_id) - 1), min_size=1, max_size=3))
    p = with_options(base, [*range(len(base.option_id)), *twins])
    first = len(base.option_id)

    def varied(values: np.ndarray, *factors: float) -> np.ndarray:
        by = [1.0] * first + [draw(st.sampled_from(factors)) for _ in twins]
        return values * np.array(by)

    return replace(
        p,
        option_id=tuple(f"o{i}" for i in range(len(p.option_id))),
        price_hourly=varied(p.price_hourly, 1.0, 1.5, 2.0, 3.0),
        capacity=varied(p.capacity, 1.0, 0.5, 2.0),
        current_replicas=varied(p.current_replicas, 0.0, 1.0),
        migration_cost_usd=varied(p.migration_cost_usd, 1.0, 2.0),
    )


@examples(40)
@given(alike())
def test_pruning_is_exact_among_near_copies(p: Problem) -> None:
    assert_pruning_is_exact(p)


def assert_pruning_is_exact(p: Problem) -> None:
    whole, pruned = solve(p, gap_share=EXACT), solve(prune_dominated(p), gap_share=EXACT)
    assert usd(pruned) == (None if usd(whole) is None else pytest.approx(usd(whole), abs=1e-6))


@examples(25)
@given(tiny_problems())
def test_together_or_in_parts_is_the_same(p: Problem) -> None:
    whole, parts = solve_component(p, EXACT), solve(p, gap_share=EXACT)
    assert bool(whole.shortfalls) == bool(parts.shortfalls)
    if not whole.shortfalls:
        assert parts.cost_usd == pytest.approx(whole.cost_usd, abs=1e-6)
        assert parts.bound_usd == pytest.approx(whole.bound_usd, abs=1e-5)


DROPPED: dict[str, float] = {
    "max_spot_share": 1.0, "max_options": UNLIMITED, "min_regions": 1, "max_region_share": 1.0,
    "min_replicas": 0.0, "max_replicas": UNLIMITED, "min_on_demand_replicas": 0.0,
    "survive_region_loss": False, "pool_limit": UNLIMITED, "activation_cost_usd": 0.0,
    "migration_cost_usd": 0.0, "egress_usd_per_unit": 0.0,
}  # fmt: skip


@examples(40)
@given(tiny_problems(), st.sampled_from(sorted(DROPPED)))
def test_dropping_a_rule_or_a_cost_never_costs_more(p: Problem, name: str) -> None:
    free = np.full_like(getattr(p, name), DROPPED[name])
    assert never_more(solve(replace(p, **{name: free}), gap_share=EXACT), solve(p, gap_share=EXACT))


@examples(25)
@given(tiny_problems(), st.sampled_from([0.25, 3.0, 1000.0]))
def test_scaling_every_price_scales_the_cost(p: Problem, factor: float) -> None:
    prices = (
        "price_hourly", "egress_usd_per_unit", "activation_cost_usd", "migration_cost_usd",
        "covered_list_price", "fee_per_usd",
    )  # fmt: skip
    scaled = replace(p, **{name: getattr(p, name) * factor for name in prices})
    a, b = solve(p, gap_share=EXACT), solve(scaled, gap_share=EXACT)
    assert bool(a.shortfalls) == bool(b.shortfalls)
    if not a.shortfalls:
        assert b.cost_usd == pytest.approx(factor * a.cost_usd, rel=1e-6, abs=1e-6)


@examples(25)
@given(tiny_problems())
def test_an_option_more_never_costs_more(p: Problem) -> None:
    if len(p.option_id) <= len(p.workloads) or p.current_replicas[-1] > 0:
        return  # the last option is a workload's only one, or giving it up costs a migration
    fewer = with_options(p, range(len(p.option_id) - 1))
    if len(set(fewer.option_workload)) == len(p.workloads):
        assert never_more(solve(p, gap_share=EXACT), solve(fewer, gap_share=EXACT))


@examples(25)
@given(tiny_problems(), st.randoms(use_true_random=False))
def test_the_order_of_options_and_workloads_does_not_matter(p: Problem, random: object) -> None:
    rows = list(range(len(p.option_id)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    q = with_workloads(with_options(p, rows), list(range(len(p.workloads)))[::-1])
    a, b = solve(p, gap_share=EXACT), solve(q, gap_share=EXACT)
    assert usd(b) == (None if usd(a) is None else pytest.approx(usd(a), abs=1e-6))


@examples(12)
@given(tiny_problems())
def test_the_same_problem_gives_the_same_answer(p: Problem) -> None:
    a, b = solve(p), solve(p)
    assert np.array_equal(a.placement.replicas, b.placement.replicas)
    assert np.array_equal(a.placement.covered, b.placement.covered)
    assert (a.cost_usd, a.bound_usd, a.shortfalls) == (b.cost_usd, b.bound_usd, b.shortfalls)


@examples(50)
@given(tiny_problems())
def test_a_shortage_breaks_nothing_but_what_is_told(p: Problem) -> None:
    found = solve(p, gap_share=EXACT)
    told = {(s.rule, f"{s.workload},{s.period}") for s in found.shortfalls}
    assert {(v.rule, v.where) for v in check(p, found.placement)} == told
    assert check(p, found.placement, best_effort=True) == ()
    assert all(s.missing > 0 for s in found.shortfalls)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_model_without_a_rule_is_a_relaxation(rule: object) -> None:
    p = problem(
        W(demand=[4.0], max_spot_share=0.5, max_options=2, min_regions=2, max_region_share=0.6,
          min_replicas=3, min_on_demand_replicas=1, survive_region_loss=True),
        [O("a", capacity=2, pool="p", current=3, migration=2.0), O("b", capacity=3, region="us", price=2.0),
         O("s", purchase="spot", price=0.3)],
        pools={"p": 5.0},
    )  # fmt: skip
    whole = minimise(build(p), EXACT)
    part = minimise(build(p, tuple(other for other in RULES if other is not rule)), EXACT)
    assert whole is not None
    assert part is not None
    assert part.objective <= whole.objective + 1e-6
