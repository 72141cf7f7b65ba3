"""What is read from the compact model's answers: caps with egress, and shortages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.caps import Caps
from optimizer.check import check
from optimizer.problem import Problem, cap_use
from optimizer.solve import solve
from tests.optimizer.problems import O, W, problem

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
