"""Lists of plans of one period: thinned, they still hold an optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.instances import generated
from optimizer.problem import Problem
from optimizer.solve.components import restrict
from optimizer.solve.duals import Shared
from optimizer.solve.highs import Limits
from optimizer.solve.joint import choose
from optimizer.solve.listing import near_mixes
from optimizer.solve.plans import Pricing
from optimizer.solve.small import solve_component
from optimizer.solve.terms import terms_of

WORKLOADS = 6
EVERYTHING = 1e9  # USD of slack
EXACT = Limits(gap_share=1e-7, nodes=10_000, seconds=60.0)


def scarce(seed: int) -> Problem:
    """A few workloads with a few options each, tight limits, commitments of all sizes."""
    random = np.random.default_rng(seed)
    whole = generated(WORKLOADS, 1, seed)
    p = restrict(whole, np.arange(WORKLOADS), random.random(len(whole.option_id)) < 0.12).problem
    tight = 8.0 * random.integers(1, 9, p.pool_limit.shape)
    return replace(
        p,
        pool_limit=np.where(random.random(tight.shape) < 0.6, tight, p.pool_limit),
        committed_usd_per_hour=p.committed_usd_per_hour * random.uniform(2.0, 12.0),
    )


@pytest.mark.parametrize("seed", [0, 1, 3, 6, 7, 8, 10])
def test_a_thinned_list_of_all_plans_holds_an_optimum(seed: int) -> None:
    p = scarce(seed)
    terms, kinds = terms_of(p)
    shared, pricing = Shared.of(p, kinds), Pricing(terms, kinds)
    unpriced = np.zeros((len(kinds.limit), 1))
    least, _ = pricing(unpriced, left=shared.limit)
    mixes, is_whole = near_mixes(pricing, shared, unpriced, least, EVERYTHING)
    found, best = choose(mixes, shared, EXACT), solve_component(p, 1e-7)
    assert is_whole
    assert found is not None
    assert found.fits
    assert found.usd == pytest.approx(best.cost_usd, rel=1e-5)
