"""A repair names what to relax; once it is, nothing is missed any more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.check import check
from optimizer.problem import Placement, Problem
from optimizer.solve import repair as repairing
from optimizer.solve import solve
from optimizer.solve.repair import Repair, apply_repair, repair, sentence
from optimizer.solve.small import share_out
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import O, W, problem
from tests.optimizer.solve.test_decomposition import fleet


def examples(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


def short(p: Problem) -> set[str]:
    return {shortfall.workload for shortfall in solve(p, gap_share=0.5).shortfalls}


def assert_repaired(p: Problem, found: Repair) -> None:
    assert found.steps
    after = solve(apply_repair(p, found), gap_share=0.5)
    assert after.shortfalls == ()
    assert check(apply_repair(p, found), after.placement) == ()


@examples(70)
@given(tiny_problems(), st.sampled_from([0.0, 0.5, 1.0]))
def test_applying_a_repair_makes_any_problem_feasible(p: Problem, scale: float) -> None:
    p = replace(p, pool_limit=p.pool_limit * scale if scale else np.zeros_like(p.pool_limit))
    missing = short(p)
    assume(missing)
    assert_repaired(p, repair(p, missing))


@examples(40)
@given(tiny_problems(), st.sampled_from([0.0, 0.5, 1.0]))
def test_so_does_one_that_is_found_period_by_period(p: Problem, scale: float) -> None:
    p = replace(p, pool_limit=p.pool_limit * scale if scale else np.zeros_like(p.pool_limit))
    missing = short(p)
    assume(missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repairing, "MOST_WHOLE", 0)
        assert_repaired(p, repair(p, missing))


@examples(25)
@given(tiny_problems())
def test_what_is_feasible_needs_none(p: Problem) -> None:
    assume(not short(p))
    assert not repair(p)


EU, US = O("eu", quota_pool="p"), O("us", region="us", quota_pool="q")


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (
            problem(W(demand=[4, 2]), [EU], pools={"p": 3}),
            "raise the limit of p by 1, from 3 to 4 at t0",
        ),
        (
            problem(W(demand=[4, 6, 5]), [EU], pools={"p": 3}),
            "raise the limit of p by 3, from 3 to 6 in every period",
        ),
        (problem(W(demand=[4], max_replicas=3), [EU]), "raise max_replicas of web from 3 to 4"),
        (
            problem(W(demand=[4], max_spot_share=0.5), [O("s", purchase="spot")]),
            "let spot carry 100.0% of web instead of 50.0%",
        ),
        (problem(W(demand=[4], min_regions=2), [EU]), "let web run in 1 regions instead of 2"),
        (
            problem(W(demand=[4], max_region_share=0.5), [EU]),
            "let one region hold 100.0% of web instead of 50.0%",
        ),
        (
            problem(W(demand=[4], survive_region_loss=True), [EU]),
            "give up that web survives the loss of a region",
        ),
        (
            problem(W(demand=[1], min_on_demand_replicas=2), [O("s", purchase="spot")]),
            "lower min_on_demand_replicas of web from 2 to 0",
        ),
        (
            problem(W(demand=[0], min_replicas=3, max_replicas=2), [EU]),
            "raise max_replicas of web from 2 to 3",
        ),
        (
            problem(W(demand=[4], min_regions=2, max_options=1), [EU, US]),
            "let web use 2 different options instead of 1",
        ),
    ],
)
def test_the_cheapest_way_out_is_told(p: Problem, expected: str) -> None:
    found = repair(p)
    assert [sentence(step, p) for step in found.steps] == [expected]
    assert_repaired(p, found)


def test_quotas_are_raised_before_what_only_spot_draws_on() -> None:
    options = [O("s", purchase="spot", pool="s"), O("a", pool="p")]
    found = repair(problem(W(demand=[9]), options, pools={"s": 3, "p": 2}))
    assert [(step.where, step.by) for step in found.steps] == [("p", 4.0)]


def test_an_option_kept_out_is_let_in_where_that_is_cheaper() -> None:
    p = problem(W(demand=[40]), [O("eu", pool="p"), O("us", region="us")], pools={"p": 1})
    p = replace(p, max_region_share=np.array([0.5]), min_regions=np.array([2]))
    found = repair(p, barred={1: "residency"})
    assert "allow us for web (residency keeps it out)" in [sentence(step, p) for step in found.steps]
    after = solve(apply_repair(p, found, barred={1: "residency"}))
    assert after.shortfalls == ()
    kept_out = problem(W(demand=[4]), [O("eu", pool="p"), O("us", region="us")], pools={"p": 3})
    found = repair(kept_out, barred={1: "residency"})
    assert [step.rule for step in found.steps] == ["within_pool"]
    assert apply_repair(kept_out, found, barred={1: "residency"}).option_id == ("eu",)


def test_many_workloads_are_repaired_by_little_more_than_is_missing() -> None:
    p = fleet(200)
    few = replace(p, pool_limit=np.where(np.isfinite(p.pool_limit), 0.2 * p.pool_limit, 800.0))
    found = repair(few)
    eased, n = apply_repair(few, found), np.rint(found.replicas).astype(np.int64)
    nothing = np.zeros((len(p.commitments), len(p.pools), len(p.periods)))
    placed = Placement(n, share_out(eased, n, eased.demand), nothing, np.zeros(len(p.commitments)))
    assert check(eased, placed) == ()
    assert {step.rule for step in found.steps} == {"within_pool"}
    # Each pool unit serves at most 0.95: less than this cannot do, and whole replicas take some more.
    least = float(few.demand.sum(axis=0).max()) / 0.95 - float(few.pool_limit.sum(axis=0).max())
    assert least <= sum(step.by for step in found.steps) <= 1.35 * least
