"""Prices of what is scarce against solving again: within the bounds that convexity gives."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.problem import Problem
from optimizer.solve.prices import PRECISE, relax
from optimizer.solve.scarce import dropped, scarcities, step_of
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import C, O, W, problem
from tests.optimizer.solve.test_decomposition import fleet, plain


def examples(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


def assert_within_convexity(p: Problem, step: float) -> None:
    """The bound is convex in a limit: a step saves at most its price here, at least its price there.

    The latter only where both are optima: column generation may stop before.
    """
    here = relax(p)
    assume(here is not None)
    more = replace(p, pool_limit=p.pool_limit + step)
    there = relax(more, near=here.prices)
    assert there is not None
    finite = np.isfinite(p.pool_limit)
    most, least = (float(found.prices.rent[finite].sum()) * step for found in (here, there))
    saved = here.bound_usd - there.bound_usd
    slack = 1e-6 + here.doubt_usd + there.doubt_usd + PRECISE * (abs(here.bound_usd) + 1)
    assert saved <= most + slack
    if here.source == there.source == "relaxed":
        assert least - slack <= saved


@examples(80)
@given(tiny_problems(), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_step_of_limits_saves_between_the_prices_on_both_sides(p: Problem, step: float) -> None:
    assert_within_convexity(p, step)


@examples(60)
@given(tiny_problems(most_options=3), st.sampled_from([0.5, 1.0, 2.0]))
def test_so_it_does_by_decomposition(p: Problem, step: float) -> None:
    assert_within_convexity(plain(p), step)


@examples(40)
@given(tiny_problems(with_commitments=True), st.sampled_from([0.2, 1.0]))
def test_so_does_a_step_of_commitments(p: Problem, step: float) -> None:
    here = relax(p)
    assume(here is not None)
    more = relax(replace(p, committed_usd_per_hour=p.committed_usd_per_hour + step))
    assert more is not None
    saved = here.bound_usd - more.bound_usd
    slack = 1e-6 + here.doubt_usd + more.doubt_usd + PRECISE * (abs(here.bound_usd) + 1)
    worth = [float(found.prices.worth.sum()) * step for found in (here, more)]
    assert saved <= worth[0] + slack
    if here.source == more.source == "relaxed":
        assert worth[1] - slack <= saved


def test_prices_of_a_fleet_bracket_what_steps_save() -> None:
    p = fleet(40)
    scarce = np.where(np.array(p.pools) == "a", 4.0, 0.0)[:, None]
    limits = [p.pool_limit + k * scarce for k in range(4)]
    found = [relax(replace(p, pool_limit=limit)) for limit in limits]
    for here, there in itertools.pairwise(found):
        assert here is not None
        assert there is not None
        saved, slack = here.bound_usd - there.bound_usd, 2 * PRECISE * abs(here.bound_usd)
        most, least = (4.0 * each.prices.rent[p.pools.index("a")].sum() for each in (here, there))
        assert least - slack <= saved <= most + slack


def test_the_dearest_are_confirmed_and_told_per_day() -> None:
    p = fleet(60)
    found = relax(p)
    assert found is not None
    told = {(each.kind, each.name): each for each in scarcities(p, found, rules=False)}
    pool = told["pool", "a"]
    assert pool.usd_per_day == pytest.approx(found.prices.rent[p.pools.index("a")].sum())
    assert pool.step == step_of(p, pool) == 4.0
    assert pool.confirmed_usd_per_day is not None
    assert 0 < pool.confirmed_usd_per_day <= pool.usd_per_day * (1 + 1e-3)
    assert told["commitment", "ri"].confirmed_usd_per_day == pytest.approx(
        told["commitment", "ri"].usd_per_day, rel=0.02
    )


def test_a_rule_costs_what_solving_without_it_saves() -> None:
    spot = O("s", price=0.25, purchase="spot")
    p = problem(W(demand=[4.0, 4.0], max_spot_share=0.5), [O("a"), spot], hours=[12.0, 36.0])
    found = relax(p)
    assert found is not None
    (rule,) = scarcities(p, found)
    free = relax(dropped(p, "max_spot_share", np.array([0])))
    assert free is not None
    assert (rule.kind, rule.name, rule.rule) == ("rule", "web", "max_spot_share")
    assert rule.usd_per_day == pytest.approx(2 * 24 * 0.75)
    assert rule.confirmed_usd_per_day == pytest.approx((found.bound_usd - free.bound_usd) / 2)


def test_periods_are_those_in_which_it_is_scarce() -> None:
    options = [O("cheap", pool="p", current=1), O("dear", price=3.0)]
    p = problem(W(demand=[4.0, 1.0, 6.0], max_options=2), options, pools={"p": 3.0}, hours=[8.0, 8.0, 8.0])
    found = relax(p)
    assert found is not None
    (pool,) = [each for each in scarcities(p, found) if each.kind == "pool"]
    assert pool.periods == ("t0", "t2")
    assert pool.confirmed_usd_per_day == pytest.approx(2 * 8 * 2.0)


def test_nothing_is_told_of_what_is_plentiful() -> None:
    p = problem(W(demand=[4.0]), [O("a", pool="p")], pools={"p": 9.0}, commitments=[C(covers={"p": (1, 1)})])
    found = relax(replace(p, committed_usd_per_hour=np.array([50.0])))
    assert found is not None
    assert scarcities(p, found) == ()
