"""Rules inside a plan: checker, exhaustive search and model agree on tiny problems, each rule by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.check import BEST_EFFORT, check
from optimizer.errors import InfeasibleError
from optimizer.problem import Placement, Problem, cost
from optimizer.solve import Solution, prune_dominated, solve
from optimizer.solve.routing import freely_routed, routed_apart
from optimizer.solve.small import servable, share_out
from tests.optimizer.brute_force import cheapest, feasible
from tests.optimizer.brute_force_rules import ramped
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import O, W, problem, with_options
from tests.optimizer.ruled_instances import RULES, ruled_problems

EXACT = 1e-9
TOP = 6


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def placed(p: Problem, replicas: np.ndarray) -> Placement:
    """Counts with the best routing there is."""
    amounts = servable(p, replicas)
    served, routed = routed_apart(p, replicas, amounts, share_out(p, replicas, amounts))
    nothing = np.zeros((0, len(p.pools), len(p.periods)))
    return Placement(replicas, served, nothing, np.zeros(0), freely_routed(p, served, routed))


def found(p: Problem) -> Solution | None:
    """The answer; None where some workload or origin can be served by nothing."""
    try:
        return solve(p, gap_share=EXACT)
    except InfeasibleError:
        return None


@pytest.mark.parametrize("rule", RULES)
@examples(25)
@given(data=st.data())
def test_the_checker_passes_what_an_exhaustive_search_allows_and_nothing_else(
    rule: str, data: st.DataObject
) -> None:
    p = data.draw(ruled_problems(rules=(rule,)))
    counts = np.array(list(product(range(4), repeat=len(p.option_id))))
    allowed = [feasible(p, counts, t) for t in range(len(p.periods))]
    steps = set(ramped(p, [counts] * len(p.periods)))
    few = min(p.max_options[0], len(p.option_id))
    row = st.integers(0, len(counts) - 1)
    for rows in data.draw(st.lists(st.tuples(*[row] * len(allowed)), max_size=30)):
        replicas = counts[list(rows)].T
        fine = all(ok[row] for ok, row in zip(allowed, rows, strict=True)) and rows in steps
        fine &= (replicas.max(axis=1) > 0).sum() <= few
        broken = check(p, placed(p, replicas))
        assert (broken == ()) == fine, broken


@pytest.mark.parametrize("rule", [*RULES, "all"])
@examples(30)
@given(data=st.data())
def test_the_cost_is_that_of_an_exhaustive_search(rule: str, data: st.DataObject) -> None:
    p = data.draw(ruled_problems() if rule == "all" else ruled_problems(rules=(rule,)))
    best, answer = cheapest(p, TOP), found(p)
    if answer is None:
        assert (
            best is None or p.demand.max() == 0
        )  # nothing admissible is an error even where nothing is needed
        return
    assert answer.cost_usd == cost(p, answer.placement)
    assert (best is None) == bool(answer.shortfalls)
    if best is not None:
        assert answer.cost_usd == pytest.approx(best, abs=1e-6)
        assert answer.bound_usd <= best + 1e-6
        assert check(p, answer.placement) == ()
    else:
        assert {s.rule for s in answer.shortfalls} <= BEST_EFFORT
        assert check(p, answer.placement, best_effort=True) == ()


@examples(40)
@given(ruled_problems())
def test_pruning_dominated_options_never_moves_the_cost(p: Problem) -> None:
    whole = found(p)
    assume(whole is not None and not whole.shortfalls)
    pruned = found(prune_dominated(p))
    assert [pruned and pruned.cost_usd] == pytest.approx([whole and whole.cost_usd], abs=1e-6)


@examples(30)
@given(ruled_problems(), st.randoms(use_true_random=False))
def test_the_order_of_options_does_not_matter(p: Problem, random: object) -> None:
    order = list(range(len(p.option_id)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = found(p), found(with_options(p, order))
    assert (one is None) == (other is None)
    if one and other and not one.shortfalls:
        assert other.cost_usd == pytest.approx(one.cost_usd, abs=1e-6)


def mixed(most: float) -> Problem:
    """Three kinds of GPU, each in short supply: 11 requests/s take 5 + 4 + 2."""
    kinds = [O("h100", price=4.0, capacity=5, pool="h"), O("a100", price=3.4, capacity=4, pool="a")]
    small = [O("l4", price=1.9, capacity=2, pool="l"), O("t4", price=2.5, capacity=2)]
    return problem(W(demand=[11.0], max_options=most), [*kinds, *small], pools={"h": 1.0, "a": 1.0, "l": 2.0})


@pytest.mark.parametrize(("most", "used"), [(2, 2), (3, 3), (4, 3)])
def test_a_mix_of_more_than_two_kinds_is_found_where_it_is_cheapest(most: float, used: int) -> None:
    p = mixed(most)
    answer = solve(p, gap_share=EXACT)
    assert answer.cost_usd == pytest.approx(cheapest(p, 6))
    assert (answer.placement.replicas.max(axis=1) > 0).sum() == used
    assert check(p, answer.placement) == ()


@examples(40)
@given(tiny_problems(with_commitments=False), st.sampled_from([3.0, 4.0]))
def test_mixes_of_three_and_four_options_cost_what_an_exhaustive_search_says(p: Problem, most: float) -> None:
    p = replace(p, max_options=np.full(len(p.workloads), most))
    best, answer = cheapest(p, TOP), solve(p, gap_share=EXACT)
    assert (best is None) == bool(answer.shortfalls)
    if best is not None:
        assert answer.cost_usd == pytest.approx(best, abs=1e-6)


def test_a_dearer_option_is_worth_a_cheaper_route() -> None:
    options = [O("a"), O("b", price=1.2, region="us")]
    p = problem(W(demand=[2.0], origins={"DE": 1.0}), options, egress={("DE", "eu"): 0.3, ("DE", "us"): 0.2})
    assert solve(p).placement.replicas.tolist() == [[2], [0]]
    p = problem(W(demand=[2.0], origins={"DE": 1.0}), options, egress={("DE", "eu"): 0.3})
    assert solve(p).placement.replicas.tolist() == [[0], [2]]
    assert solve(p).cost_usd == pytest.approx(cheapest(p, 3))
