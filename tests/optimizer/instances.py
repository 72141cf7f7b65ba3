"""Hypothesis strategies for tiny problems with any mix of features, small enough for `brute_force`."""

from __future__ import annotations

from hypothesis import strategies as st

from optimizer.problem import Problem
from tests.optimizer.problems import UNLIMITED, C, O, W, problem

REGIONS = ("eu", "us", "ap")
POOLS = ("p", "q")
NAMES = "abcd"
UNITS = (1.0, 2.0)


def mostly(common: object, *rare: object) -> st.SearchStrategy:
    """The common value three times in four, so that most problems have an answer."""
    return st.sampled_from([common] * (3 * len(rare)) + list(rare))


@st.composite
def workloads(draw: st.DrawFn, name: str, periods: int) -> W:
    return W(
        name,
        demand=draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 3.5]), min_size=periods, max_size=periods)),
        max_spot_share=draw(mostly(1.0, 0.0, 0.5, 0.7)),
        max_options=draw(mostly(UNLIMITED, 1, 2)),
        activation_cost_usd=draw(mostly(0.0, 0.5, 5.0)),
        min_regions=draw(mostly(1, 2)),
        max_region_share=draw(mostly(1.0, 0.5, 0.6, 0.75)),
        min_replicas=draw(mostly(0, 1, 2)),
        max_replicas=draw(mostly(UNLIMITED, 2, 3)),
        min_on_demand_replicas=draw(mostly(0, 1)),
        survive_region_loss=draw(mostly(False, True)),
    )


@st.composite
def options(draw: st.DrawFn, name: str, owner: str) -> O:
    return O(
        name,
        workload=owner,
        price=draw(st.sampled_from([1.0, 1.3, 2.1, 3.0])),
        capacity=draw(st.sampled_from([1.0, 1.5, 2.0, 3.0])),
        region=draw(st.sampled_from(REGIONS)),
        purchase=draw(mostly("on_demand", "spot")),
        pool=draw(mostly(None, *POOLS)),
        pool_units=draw(st.sampled_from(UNITS)),
        quota_pool=draw(mostly(None, *POOLS)),
        egress=draw(mostly(0.0, 0.1, 0.4)),
        current=draw(mostly(0, 1, 2, 3)),
        migration=draw(mostly(0.0, 0.3, 4.0)),
    )


@st.composite
def commitments(draw: st.DrawFn, name: str, pools: list[str]) -> C:
    reached = draw(st.lists(st.sampled_from(pools), min_size=1, unique=True))
    rates = st.sampled_from([0.2, 0.3, 0.5])
    saved = st.sampled_from([0.4, 0.5])  # per unit; never more than any option's price per unit
    return C(
        name,
        covers={pool: (draw(rates), draw(saved)) for pool in reached},
        existing=draw(st.sampled_from([0.0, 0.4, 1.0])),
        offered=draw(st.sampled_from([0.0, 0.5, 9.0])),
        fee=draw(st.sampled_from([0.7, 1.0])),
    )


@st.composite
def tiny_problems(draw: st.DrawFn, *, most_options: int = 4, with_commitments: bool | None = None) -> Problem:
    """One or two workloads, up to four options, one or two periods."""
    periods = draw(st.integers(1, 2))
    owners = ["web", "etl"][: draw(st.integers(1, 2))]
    committed = draw(st.booleans()) if with_commitments is None else with_commitments
    count = draw(st.integers(max(2, len(owners)), 3 if committed else most_options))
    chosen = [draw(options(NAMES[i], owners[i % len(owners)])) for i in range(count)]
    pools = sorted({pool for o in chosen for pool in (o.pool, o.quota_pool) if pool})
    limit = st.sampled_from([2.0, 4.0, 6.0])
    limits = {pool: draw(st.one_of(st.just(UNLIMITED), limit)) for pool in pools}
    offers = []
    if committed and pools:
        offers = [draw(commitments(f"plan{c}", pools)) for c in range(draw(st.integers(1, 2)))]
    return problem(
        [draw(workloads(owner, periods)) for owner in owners],
        chosen,
        pools=limits,
        commitments=offers,
        hours=[1.0, 3.0][:periods],
    )
