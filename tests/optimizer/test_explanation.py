"""Placement plans say why: filters have a price, shortages a way out."""

from __future__ import annotations

import pytest

from optimizer.explanation import explained
from optimizer.placement import plan_placement
from optimizer.placement_parts import Explanation
from optimizer.solve import solve
from tests.optimizer import worlds
from tests.optimizer.problems import N, O, W, problem
from tests.optimizer.worlds import catalogue, option, steady, workload, world

EU = {"placement": {"regions": ["eu"]}}


def why(*options: dict[str, object], **changes: object) -> Explanation:
    made, _ = plan_placement(
        world([workload(**changes)], catalogue(*options), [steady(28.0)]), worlds.settings()
    )
    assert made.explanation is not None
    return made.explanation


def test_a_filter_costs_what_the_plan_without_it_saves() -> None:
    found = why(option("a", 2.0), option("us", 0.5, region="us"), **EU)
    (rule,) = [each for each in found.scarce if each.kind == "rule"]
    assert (rule.name, rule.rule) == ("web", "placement.regions")
    (told,) = found.why_not
    assert rule.usd_per_day == pytest.approx(told.usd_per_day * 0.75, rel=0.02)
    assert rule.confirmed_usd_per_day == pytest.approx(rule.usd_per_day, rel=1e-3)
    assert rule.text.startswith("placement.regions of web costs ")


def test_filters_that_keep_out_what_is_dear_cost_nothing() -> None:
    assert why(option("a", 2.0), option("us", 3.0, region="us"), **EU).scarce == ()


def test_a_shortage_is_ended_by_more_quota_or_by_what_a_filter_keeps_out() -> None:
    quota = why(option("a", 2.0, quota=2.0))
    assert [(step.rule, step.where, step.found) for step in quota.repair] == [("within_pool", "quota:a", 2.0)]
    assert (quota.prices, quota.why_not) == ("none", ())
    both = why(option("a", 2.0, quota=0.0), option("us", 2.0, region="us"), max_replicas=1, **EU)
    assert {step.rule for step in both.repair} >= {"max_replicas"}
    assert len(both.repair) > 1


def test_the_nearest_other_region_is_told_with_its_price() -> None:
    found = why(option("a", 2.0), option("us", 7.5, region="us", instance_type="big"))
    (told,) = found.why_not
    (other,) = told.alternatives
    assert (other.option_id, other.other) == ("us", "region")
    assert other.more_usd_per_day == pytest.approx(other.parts.instances + other.parts.change)
    assert other.more_usd_per_day > 0


def test_a_repair_all_day_says_so() -> None:
    (step,) = why(option("a", 2.0, quota=2.0)).repair
    assert step.text.endswith("all day")


def test_a_shortage_without_a_way_out_says_why() -> None:
    dear = why(option("a", 2.0), budget_usd_per_day=1.0)
    assert dear.repair == ()
    assert dear.no_repair is not None
    assert "only caps or budgets are missed" in dear.no_repair
    assert why(option("a", 2.0)).no_repair is None
    assert why(option("a", 2.0, quota=2.0)).no_repair is None


@pytest.mark.parametrize(("least", "prices"), [(2.0, "shared_nodes"), (200.0, "none")])
def test_shared_nodes_have_prices_of_their_own_word_and_no_repair(least: float, prices: str) -> None:
    options = [O("a", node="node", cpu=1.0, memory_gib=1.0)]
    p = problem([W("web", [least])], options, pools={"p": 3.0}, nodes=[N(pool="p")])
    told = explained(p, solve(p, gap_share=0.0))
    assert told.prices == prices
    assert (told.no_repair is None) == (least == 2.0)
    assert told.no_repair is None or "share nodes" in told.no_repair


@pytest.mark.parametrize("limits", [{}, {"max_rtt_ms": 50}])
def test_a_shortage_of_what_is_sent_from_origins_has_a_way_out_too(limits: dict[str, object]) -> None:
    w = workload(origins={"DE": 0.5, "FR": 0.5}, **limits)
    rtt = {(origin, "aws", "eu"): 20.0 for origin in ("DE", "FR")}
    inputs = world([w], catalogue(option("a", 2.0, quota=2.0)), [steady(28.0)])
    made, _ = plan_placement(worlds.without(inputs, rtt_ms=rtt), worlds.settings())
    assert made.explanation is not None
    assert [step.where for step in made.explanation.repair] == ["quota:a"]
