"""Workloads with rules that the kernel does not know, in large problems: kept, and bounded from below."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.instances import generated
from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.solve import solve, solver
from optimizer.solve.apart import can_relax, in_fractions, placed_apart, with_any_options, without_commitments
from optimizer.solve.components import restrict
from optimizer.solve.small import solve_component
from optimizer.solve.terms import is_plain
from tests.optimizer.problems import O, W, problem

UNLIMITED = float("inf")
RULES = {
    "two regions": {"min_regions": 2},
    "region loss": {"survive_region_loss": True, "max_options": 3.0},
    "three options": {"max_options": 3.0},
    "any options": {"max_options": UNLIMITED},
    "share of a region": {"max_region_share": 0.6},
}


def few(seed: int, periods: int, share: float = 0.12, workloads: int = 4) -> Problem:
    random = np.random.default_rng(seed)
    whole = generated(workloads, periods, seed)
    return restrict(whole, np.arange(workloads), random.random(len(whole.option_id)) < share).problem


def with_rule(p: Problem, rules: dict[str, float], which: slice) -> Problem:
    """The same where some workloads have a rule."""
    changed = {}
    for name, value in rules.items():
        array = getattr(p, name).copy()
        array[which] = value
        changed[name] = array
    return replace(p, **changed)


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("seed", [0, 1])
def test_the_bound_is_below_the_optimum_and_rules_are_kept(name: str, seed: int) -> None:
    p = with_rule(few(seed, periods=2), RULES[name], slice(0, 2))
    best, found = solve_component(p, 1e-6), placed_apart(p, gap_share=1e-3)
    assert can_relax(p)
    assert not is_plain(p).all()
    if best.shortfalls:
        assert found is None
        return
    assert found is not None
    assert check(p, found.placement) == ()
    assert cost(p, found.placement) == pytest.approx(found.cost_usd)
    assert found.bound_usd <= best.cost_usd + 1e-6
    assert best.cost_usd - 1e-6 <= found.cost_usd <= 1.1 * best.cost_usd


@pytest.mark.parametrize("size", [0.3, 1.0, 30.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_number_of_options_costs_at_least_its_bound(seed: int, size: float) -> None:
    p = without_commitments(with_rule(few(seed, periods=2), RULES["any options"], slice(None)))
    p = replace(p, pool_limit=np.full_like(p.pool_limit, np.inf), demand=size * p.demand)
    usd = p.price_hourly[:, None] * p.hours
    least = with_any_options(p, usd, np.arange(len(p.workloads)))
    for w in range(len(p.workloads)):
        best = solve_component(restrict(p, np.array([w])).problem, 1e-6)
        assert 0.5 * best.cost_usd <= least[w] <= best.cost_usd + 1e-6
        assert in_fractions(restrict(p, np.array([w])).problem, usd[p.options_of(w)]) <= best.cost_usd + 1e-6


def test_a_large_fleet_with_some_rules_needs_no_model_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "solved_part", None)
    p = with_rule(generated(40, 3), RULES["region loss"], slice(3, 4))
    p = with_rule(p, RULES["two regions"], slice(9, 10))
    found = solve(p)
    assert found.shortfalls == ()
    assert found.gap_share < 0.06


def test_unlimited_options_of_all_go_by_prices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "solved_part", None)
    p = with_rule(generated(40, 3), RULES["any options"], slice(None))
    pairs, found = solve(generated(40, 3)), solve(p)
    assert found.cost_usd <= pairs.cost_usd * (1 + 1e-9)
    assert pairs.bound_usd * 0.7 < found.bound_usd <= found.cost_usd


def test_shifting_work_is_left_to_the_compact_model() -> None:
    p = few(0, periods=2)
    p.work.amount[0], p.work.begin[0], p.work.end[0] = 3.0, 0, 1
    assert not can_relax(p)


def beside_plain(web: W, *options: O, **terms: object) -> Problem:
    """A workload with rules beside a plain one, on a pool that both draw on."""
    plain = W("plain", demand=[2.0 + t % 3 for t in range(len(web.demand))])
    both = [*options, O("p", "plain", pool="p"), O("q", "plain", price=1.9, capacity=2.0, pool="p")]
    return problem([web, plain], both, pools={"p": 1e4}, **terms)  # type: ignore[arg-type]


def placed(p: Problem) -> np.ndarray:
    """(I, T) replicas of a placement that keeps the rules and is held against a true bound."""
    best, found = solve_component(p, 1e-9), placed_apart(p, gap_share=1e-3)
    assert found is not None
    assert check(p, found.placement) == ()
    assert found.bound_usd <= best.cost_usd + 1e-6
    assert best.cost_usd - 1e-6 <= found.cost_usd
    return found.placement.replicas


def test_what_routes_decide_is_told_of_workloads_placed_apart() -> None:
    web = W(demand=[4.0, 6.0, 2.0, 8.0], origins={"DE": 0.5, "US": 0.5})
    options = O("eu", pool="p"), O("us", price=1.1, region="us", pool="p")
    p = beside_plain(web, *options, egress={("DE", "us"): 0.5, ("US", "eu"): 0.5})
    assert placed(p)[:2].tolist() == [[2, 3, 1, 4], [2, 3, 1, 4]]


def test_upper_bounds_of_options_leave_their_number_as_it_is() -> None:
    web = W(demand=[0.5, 2.5, 0.5, 2.5], max_options=1)
    options = O("big", price=2.0, capacity=3.0, pool="p", most=9), O("small", price=0.8, pool="p", most=9)
    assert placed(beside_plain(web, *options))[:2].tolist() == [[0, 0, 0, 0], [1, 3, 1, 3]]


def test_pins_of_options_stay_beside_what_is_chosen() -> None:
    web = W(demand=[0.5, 2.5, 0.5, 2.5], max_options=2)
    big = O("big", price=2.0, capacity=3.0, pool="p", fewest=(0, 0, 0, 1))
    assert placed(beside_plain(web, big, O("small", price=0.5, pool="p")))[:2].tolist() == [
        [0, 0, 0, 1],
        [1, 3, 1, 0],
    ]


def test_a_workload_with_rules_and_no_demand_runs_nothing() -> None:
    web = W(demand=[0.0] * 4, survive_region_loss=True)
    options = O("eu", pool="p"), O("us", price=1.1, region="us", pool="p")
    assert not placed(beside_plain(web, *options))[:2].any()


@pytest.mark.parametrize("options", [float("inf"), 1])
def test_a_ramp_begins_at_the_whole_present_fleet(options: float) -> None:
    web = W(demand=[1.0] * 4, max_ramp_replicas=1, ramp_from_current=True, max_options=options)
    dear = O("old", price=9.0, current=3, pool="p")
    p = beside_plain(web, O("a", pool="p"), O("b", price=1.1, pool="p"), dear)
    assert placed(p)[:3].tolist() == [[2, 1, 1, 1], [0] * 4, [0] * 4]


def test_what_runs_now_may_stay_where_moving_costs() -> None:
    web = W(demand=[2.0], min_regions=1, max_ramp_replicas=9)
    dear = O("old", price=1.5, current=2, migration=9.0, pool="p")
    p = beside_plain(web, O("a", pool="p"), O("b", price=1.1, pool="p"), dear)
    assert placed(p)[:3].tolist() == [[0], [0], [2]]


def test_a_fleet_that_may_not_stay_counts_in_the_ramp_and_not_in_the_bound() -> None:
    web = W(demand=[5.0, 4.0], max_ramp_replicas=2, ramp_from_current=True, residency=("DE",))
    away = O("away", price=0.1, region="us", country="US", current=3, migration=2.0, pool="p")
    p = beside_plain(
        web, O("home", country="DE", pool="p"), O("near", price=1.1, country="DE", pool="p"), away
    )
    assert can_relax(p)
    assert placed(p)[:3].tolist() == [[5, 4], [0, 0], [0, 0]]
    found = placed_apart(p, gap_share=1e-3)
    assert found is not None
    assert found.bound_usd == pytest.approx(found.cost_usd)
