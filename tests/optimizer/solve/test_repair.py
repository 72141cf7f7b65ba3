"""A repair names what to relax; once it is, nothing is missed any more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.check import check
from optimizer.errors import InfeasibleError
from optimizer.losses import Scenarios
from optimizer.problem import Placement, Problem
from optimizer.solve import repair as repairing
from optimizer.solve import solve
from optimizer.solve.repair import repair
from optimizer.solve.repair_steps import Repair, apply_repair, sentence
from optimizer.solve.small import share_out
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import O, W, problem
from tests.optimizer.ruled_instances import ruled_problems
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


@examples(40)
@given(tiny_problems(), st.sampled_from([0.0, 0.5, 1.0]))
def test_applying_a_repair_makes_any_problem_feasible(p: Problem, scale: float) -> None:
    p = replace(p, pool_limit=p.pool_limit * scale if scale else np.zeros_like(p.pool_limit))
    missing = short(p)
    assume(missing)
    assert_repaired(p, repair(p, missing))


@examples(20)
@given(tiny_problems(), st.sampled_from([0.0, 0.5, 1.0]))
def test_so_does_one_that_is_found_period_by_period(p: Problem, scale: float) -> None:
    p = replace(p, pool_limit=p.pool_limit * scale if scale else np.zeros_like(p.pool_limit))
    missing = short(p)
    assume(missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repairing, "MOST_WHOLE", 0)
        assert_repaired(p, repair(p, missing))


@pytest.mark.parametrize("most_whole", [repairing.MOST_WHOLE, 0])
@examples(15)
@given(p=ruled_problems(rules=("routes",)), limit=st.sampled_from([0.0, 1.0, 2.0]))
def test_workloads_served_over_routes_are_repaired_too(p: Problem, limit: float, most_whole: int) -> None:
    assume(p.is_admissible.any())
    p = all_drawing_on_one_pool(p, limit)
    missing = short_if_any_serves(p)
    assume(missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repairing, "MOST_WHOLE", most_whole)
        assert_repaired(p, repair(p, missing))


def all_drawing_on_one_pool(p: Problem, limit: float) -> Problem:
    return replace(
        p, pools=("p",), pool=np.zeros(len(p.option_id), dtype=np.int64),
        pool_limit=np.full((1, len(p.periods)), limit), committed_rate=np.zeros((0, 1)),
        covered_list_price=np.zeros((0, 1)), scenarios=Scenarios.none(len(p.workloads), 1, len(p.periods)),
    )  # fmt: skip


def short_if_any_serves(p: Problem) -> set[str]:
    """What is short; nothing where some origin can be served by no option at all, which no repair changes."""
    try:
        return short(p)
    except InfeasibleError:
        return set()


@pytest.mark.parametrize("most_whole", [repairing.MOST_WHOLE, 0])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            [O("od", pool="p", fewest=[9, 5]), O("big", price=5.0, capacity=4.0, pool="q")],
            ["raise the limit of p by 6, from 3 to 9 in every period"],
        ),
        (
            [O("big", capacity=4.0, pool="p", fewest=[0, 9]), O("small", pool="p"), O("free", most=0)],
            ["raise the limit of p by 6, from 3 to 9 at t1"],
        ),
        (
            [O("od", pool="p", most=[2, 9])],
            ["raise the limit of p by 1, from 3 to 4 at t1"],
        ),
    ],
)
def test_limits_are_raised_for_pins(
    options: list[O], expected: list[str], most_whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "MOST_WHOLE", most_whole)
    p = problem(W(demand=[2, 4]), options, pools={"p": 3})
    found = repair(p)
    assert [sentence(step, p) for step in found.steps] == expected
    assert_repaired(p, found)


@pytest.mark.parametrize("most_whole", [repairing.MOST_WHOLE, 0])
@examples(15)
@given(p=ruled_problems(rules=("bounds",)), limit=st.sampled_from([0.0, 1.0, 2.0]))
def test_pinned_options_are_repaired_too(p: Problem, limit: float, most_whole: int) -> None:
    few_options = p.max_options[0] < len(p.option_id)  # pins may ask for more options than there may be
    assume(p.is_admissible.any() and not few_options)
    p = all_drawing_on_one_pool(p, limit)
    unlimited = replace(p, pool_limit=np.full_like(p.pool_limit, np.inf))
    assume(short_if_any_serves(p) and not short_if_any_serves(unlimited))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repairing, "MOST_WHOLE", most_whole)
        assert_repaired(p, repair(p))


NEAR_RTT, FAR_RTT = 10.0, 80.0
RTT = {(g, k): NEAR_RTT if g == k else FAR_RTT for g in ("eu", "us") for k in ("eu", "us")}
ROUTED = W(demand=[4], origins={"eu": 0.5, "us": 0.5}, max_latency_ms=50.0, max_options=1)


@pytest.mark.parametrize("most_whole", [repairing.MOST_WHOLE, 0])
@pytest.mark.parametrize(
    ("workload", "options", "rules"),
    [
        pytest.param(
            replace(ROUTED, max_options=2), [O("eu"), O("us", region="us", pool="p")], {"within_pool"},
            id="one is unlimited, and too far from an origin",
        ),
        pytest.param(
            replace(ROUTED, max_latency_ms=90.0, max_options=2),
            [O(f"a{a}", capacity=a, pool="p", latency_ms=5.0 if a == 2 else 70.0) for a in (1, 2, 4)],
            {"within_pool"},
            id="alike but for their service times",
        ),
        pytest.param(
            ROUTED, [O("eu", pool="p"), O("us", region="us", pool="p")], {"within_pool", "max_options"},
            id="no option alone reaches all",
        ),
    ],
)  # fmt: skip
def test_a_repair_reaches_every_origin(
    workload: W, options: list[O], rules: set[str], most_whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "MOST_WHOLE", most_whole)
    p = problem(workload, options, pools={"p": 0}, rtt=RTT)
    found = repair(p)
    assert {step.rule for step in found.steps} == rules
    assert_repaired(p, found)


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
