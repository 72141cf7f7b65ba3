"""The model in text: one golden .lp file per feature, and each rule shown to be the one that binds.

After a change that is meant, run with TRIMTAB_UPDATE_GOLDEN=1 and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from optimizer.caps import Caps
from optimizer.losses import Scenarios
from optimizer.problem import Problem
from optimizer.shift import Work
from optimizer.solve.compact import RULES, build, missed_levels, most_replicas
from optimizer.solve.lp_text import lp_text
from optimizer.solve.program import Program
from optimizer.solve.sharing import Sharing
from tests.optimizer.brute_force import cheapest, feasible
from tests.optimizer.problems import C, N, O, W, problem

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "lp"
REGIONS = (O("eu", capacity=2, price=1.0), O("us", capacity=3, price=2.0, region="us"))
SPOT = (O("firm", capacity=2, price=1.0), O("spot", capacity=2, price=0.4, purchase="spot"))

FEATURES: dict[str, Callable[[], Problem]] = {
    "meet_demand": lambda: problem(W(demand=[4, 6]), [O("a", capacity=2), O("b", capacity=5, price=2)]),
    "cap_spot": lambda: problem(W(demand=[4], max_spot_share=0.75), SPOT),
    "floor_on_demand": lambda: problem(W(demand=[4], min_on_demand_replicas=1), SPOT),
    "bound_replicas": lambda: problem(W(demand=[4], min_replicas=2, max_replicas=3), [O("a", capacity=4)]),
    "spread_regions": lambda: problem(W(demand=[4], min_regions=2), REGIONS),
    "max_region_share": lambda: problem(W(demand=[4], max_region_share=0.6), REGIONS),
    "survive_region": lambda: problem(W(demand=[4], survive_region_loss=True), REGIONS),
    "quota": lambda: problem(
        [W("web"), W("api", demand=[2])],
        [O("a", "web", pool="p", pool_units=2), O("b", "api", quota_pool="p")],
        pools={"p": 9},
    ),
    "commitments": lambda: problem(
        W(demand=[2, 3]),
        [O("a", pool="p", pool_units=2), O("spot", pool="p", purchase="spot")],
        commitments=[C(covers={"p": (0.3, 0.5)}, existing=0.6, offered=2.0, fee=0.9)],
        hours=[6.0, 18.0],
    ),
    "migration": lambda: problem(W(demand=[2, 3]), [O("a", current=3, migration=0.5), O("b", price=2)]),
    "activation": lambda: problem(
        W(demand=[2, 3], activation_cost_usd=7.0), [O("a", price=2, current=1), O("b")]
    ),
    "max_options": lambda: problem(W(demand=[2, 3], max_options=1), [O("a"), O("b", capacity=2, price=1.5)]),
    "egress": lambda: problem(W(demand=[4]), [O("a", capacity=3), O("b", price=0.9, egress=0.2)]),
    "routes": lambda: problem(
        W(demand=[4], origins={"DE": 0.75, "US": 0.25}, max_latency_ms=50),
        [O("a", latency_ms=5), O("b", region="us", egress=0.1)],
        rtt={("DE", "eu"): 10, ("DE", "us"): 40, ("US", "us"): 20, ("US", "eu"): 60},
        egress={("DE", "us"): 0.2},
    ),
    "survive_apart": lambda: problem(
        W(demand=[4], origins={"DE": 0.75, "US": 0.25}, max_latency_ms=50, survive_region_loss=True),
        [O("a"), O("b", region="us")],
        rtt={("DE", "eu"): 10, ("DE", "us"): 40, ("US", "us"): 20},
    ),
    "survive_zone": lambda: problem(
        W(demand=[4], survive_zone_loss=True, headroom_share=0.5),
        [O("a", zones=3), O("b", capacity=2), O("c", region="us")],
    ),
    "bound_options": lambda: problem(W(demand=[2, 3]), [O("a", fewest=1), O("b", most=(0, 2))]),
    "limit_ramps": lambda: problem(
        W(demand=[1, 5], max_ramp_replicas=2, ramp_from_current=True), [O("a", current=3), O("b")]
    ),
    "leave_out": lambda: problem(W(residency=["DE"]), [O("a", country="DE"), O("b", country="FR")]),
    "cap_usd": lambda: capped("usd", 9.0),
    "cap_kg_co2e": lambda: capped("kg_co2e", 9.0),
    "cap_changed_replicas": lambda: capped("changed_replicas", 2.0),
    "soft_cap": lambda: capped("usd", 9.0, priority=1.0),
    "priced_cap": lambda: capped("kg_co2e", 0.0, usd_per_unit=0.1),
    "scenarios": lambda: replace(
        problem(W(demand=[4, 2]), [O("a", pool="p"), O("b", price=1.2)], hours=[6.0, 18.0]),
        scenarios=Scenarios(
            ("calm", "storm"),
            np.array([0.75, 0.25]),
            np.array([[[0.0, 0.0]], [[0.5, 1.0]]]),
            np.array([[[1.0, 1.0]], [[1.0, 1.5]]]),
            np.array([2.0]),
        ),
    ),
    "work": lambda: replace(
        problem(W(demand=[0, 0, 0], max_spot_share=0.75), SPOT, hours=[6.0, 6.0, 12.0]),
        work=Work(np.array([20.0]), np.array([1]), np.array([2])),
    ),
    "work_egress": lambda: replace(
        problem(W(demand=[0, 0]), [O("a", egress=0.1)]),
        work=Work(np.array([3.0]), np.array([0]), np.array([1])),
    ),
    "share_nodes": lambda: problem(
        [W("web", demand=[2], max_per_node=1), W("api", demand=[3])],
        [
            O("web", "web", price=0.0, node="n", cpu=2.0, memory_gib=4.0),
            O("api", "api", price=0.0, node="n", cpu=1.0, memory_gib=8.0),
            O("alone", "api", price=0.5, capacity=2),
        ],
        nodes=[N("n", cpu=4.0, memory_gib=16.0, pool="p", pool_units=4.0)],
        pools={"p": 12},
    ),
    "elastic": lambda: problem(
        W(demand=[4], max_spot_share=0.5, min_replicas=3, min_regions=2, survive_region_loss=True),
        [O("a", quota_pool="p"), O("b", region="us", purchase="spot")],
        pools={"p": 1},
    ),
}


def capped(kind: str, limit: float, *, priority: float = np.nan, usd_per_unit: float = np.nan) -> Problem:
    """One of two workloads under a cap, over two periods."""
    p = problem(
        [W("web", demand=[4, 2]), W("api", demand=[1, 1])],
        [O("a", egress=0.1, current=3), O("b", price=2.0, current=1), O("c", "api")],
        hours=[6.0, 18.0],
    )
    terms = (np.array([value]) for value in (limit, priority, usd_per_unit))
    member = np.array([[True, False]])
    return replace(p, caps=Caps(("c",), (kind,), *terms, member, np.array([0.5, 0.2, 1.0])))


def model_of(feature: str) -> Program:
    """The program of a feature; that of a shortage minimises what is missed, nodes come with ways to pack."""
    p = FEATURES[feature]()
    if len(p.nodes):
        return Sharing(p).with_ways(build(p))
    if feature != "elastic":
        return build(p)
    program = build(p, elastic=True)
    return replace(program, cost=sum(weights for _, weights in missed_levels(p, program)))


@pytest.mark.parametrize("feature", FEATURES)
def test_the_model_of_one_feature_reads_as_before(feature: str) -> None:
    text = lp_text(model_of(feature))
    golden = GOLDEN / f"{feature}.lp"
    if os.environ.get("TRIMTAB_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text(), f"if this is meant: TRIMTAB_UPDATE_GOLDEN=1, then read {golden.name}"


def test_every_golden_file_belongs_to_a_feature() -> None:
    assert {file.stem for file in GOLDEN.glob("*.lp")} == set(FEATURES)


@pytest.mark.parametrize("feature", FEATURES)
def test_no_row_is_empty_and_no_bound_infinite(feature: str) -> None:
    program = model_of(feature)
    assert (np.diff(program.matrix.tocsr().indptr) > 0).all()
    assert "inf" not in (GOLDEN / f"{feature}.lp").read_text()


def test_without_rules_the_model_is_its_objective() -> None:
    program = build(FEATURES["quota"](), rules=())
    assert program.matrix.shape == (0, 2)
    assert lp_text(program).startswith("Minimize\n cost: n_0_0 + n_1_0\nSubject To\nBounds\n")


def test_rules_are_named_once() -> None:
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


def tight(p: Problem) -> list[int]:
    return most_replicas(p).astype(int).tolist()


@pytest.mark.parametrize(
    ("p", "tops"),
    [
        (problem(W(demand=[7, 3]), [O("a", capacity=2), O("b", capacity=9)]), [4, 1]),
        (problem(W(demand=[7], max_replicas=3), [O("a", capacity=2)]), [3]),
        (problem(W(demand=[0], min_replicas=2), [O("a")]), [2]),
        (problem(W(demand=[1], min_on_demand_replicas=5), [O("a"), O("b")]), [5, 5]),
        (problem(W(demand=[2]), [O("a", current=6, migration=1.0), O("b", current=6)]), [6, 2]),
        (problem(W(demand=[4], survive_region_loss=True), REGIONS), [2, 2]),
        (problem(W(demand=[6 * 0.1]), [O("a", capacity=0.1)]), [6]),
    ],
)
def test_no_more_replicas_than_could_pay(p: Problem, tops: list[int]) -> None:
    assert tight(p) == tops


@pytest.mark.parametrize("share", [0.5, 0.55, 0.67])
@pytest.mark.parametrize(("small", "large"), [(3.0, 5.0), (2.0, 7.0), (1.0, 10.0)])
def test_room_for_balance_admits_the_cheapest_balanced_placement(
    share: float, small: float, large: float
) -> None:
    p = problem(
        W(demand=[1.0], max_region_share=share),
        [O("eu", capacity=small, price=0.2), O("us", capacity=large, region="us")],
    )
    assert cheapest(p, 30) == cheapest(p, min(30, max(tight(p))))
    assert cheapest(p, 30) is not None


def test_balancing_a_fleet_that_is_dear_to_move_has_room() -> None:
    p = problem(
        W(demand=[1.0], max_region_share=0.5),
        [
            O("eu", capacity=10, current=5, migration=1000.0),
            O("us", capacity=1, region="us", price=0.01),
        ],
    )
    assert tight(p)[1] >= 50


def test_the_oracle_itself_by_hand() -> None:
    p = problem(W(demand=[4], max_spot_share=0.5, activation_cost_usd=1.0), SPOT)
    assert cheapest(p, 4) == pytest.approx(2.0 + 1.0)  # two firm; one of each would activate a second option
    counts = np.array(list(product(range(3), repeat=2)))
    assert counts[feasible(p, counts, 0)].tolist() == [[1, 1], [1, 2], [2, 0], [2, 1], [2, 2]]
    assert cheapest(problem(W(max_replicas=3), [O("a")]), 4) is None
