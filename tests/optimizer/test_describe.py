"""Plans in words: what is said about actions, shortfalls and prices is what the numbers say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.describe import change, cheapest_text, missing_rows, price_of, proof, reasons, scale_actions
from optimizer.needs import Candidate, Outlook
from optimizer.solve import Solution
from optimizer.solve.solution import last_reason
from tests.optimizer.problems import O, W, placement, problem
from tests.optimizer.worlds import AS_OF as NOW
from tests.optimizer.worlds import batch, catalogue, option, workload, world


def candidate(*rows: dict[str, object], tier: str = "interactive") -> Candidate:
    w = workload() if tier == "interactive" else batch(work_units=1.0, deadline=NOW)
    pairs = catalogue(*rows).assign(capacity=10.0)
    return Candidate(w, pairs, pairs.iloc[0], None, None)


def test_the_cheapest_option_is_named_with_how_it_is_bought_and_its_unit_price() -> None:
    text = cheapest_text(candidate(option("a", 3.6), option("b", 7.2, instance_type="big", purchase="spot")))
    assert text == (
        "of 2 admissible options m on-demand in eu is cheapest when full, 0.1 USD per 1,000 requests; "
        "the next type, big, costs 100% more"
    )


def test_batch_work_is_counted_in_units() -> None:
    assert "per 1,000 units of work" in cheapest_text(candidate(option("a"), tier="batch"))


def test_prices_that_round_to_no_difference_are_as_much() -> None:
    text = cheapest_text(candidate(option("a", 1.0), option("b", 1.001, instance_type="big")))
    assert text.endswith("the next type, big, costs as much")


@pytest.mark.parametrize("price", [0.0, 1.0])
def test_free_and_lonely_options_have_nothing_to_compare_with(price: float) -> None:
    rows = [option("a", price), *([option("b", 1.0, instance_type="big")] if price == 0 else [])]
    assert "next type" not in cheapest_text(candidate(*rows))


def test_the_unit_price_counts_capacity_not_the_instance() -> None:
    c = candidate(option("a", 1.0), option("b", 2.0, instance_type="big"))
    c = Candidate(c.workload, c.pairs.assign(capacity=[1.0, 10.0]), c.reference, None, None)
    assert "big on-demand in eu is cheapest" in cheapest_text(c)


def test_every_workload_has_one_reason() -> None:
    outlook = Outlook((candidate(option("a")),), {"kept": "do_not_touch is set"}, pd.DataFrame())
    told = {reason.workload: reason.text for reason in reasons(outlook, None)}
    assert set(told) == {"web", "kept"}
    assert told["kept"] == "left as it is: do_not_touch is set"


@settings(max_examples=100, deadline=None)
@given(before=st.integers(0, 99), after=st.integers(0, 99), price=st.floats(0, 100))
def test_a_change_can_be_undone_and_says_what_it_saves(before: int, after: int, price: float) -> None:
    action = change("web", "a", before, after, price)
    assert (action.before.replicas, action.after.replicas, action.inverse.replicas) == (before, after, before)
    assert action.saving_usd_per_hour == (before - after) * price
    assert str(before) in action.preconditions[0]
    assert ("denied" in action.risk) == (after > before)


@settings(max_examples=60, deadline=None)
@given(
    now=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    then=st.lists(st.integers(0, 4), min_size=2, max_size=2),
)
def test_actions_turn_the_present_fleet_into_the_first_interval(now: list[int], then: list[int]) -> None:
    p = problem(W(demand=(1.0, 1.0)), [O("a", current=now[0]), O("b", current=now[1], price=2.0)])
    placed = placement(p, {"a": [then[0], 9], "b": [then[1], 9]})
    running = {("web", "a"): now[0], ("web", "b"): now[1], ("web", "dropped"): now[2], ("other", "a"): 7}
    inputs = world([workload()], catalogue(option("dropped", 5.0)), running=running)
    actions = list(scale_actions(p, Solution(placed, 1.0, 1.0, (), "gap"), inputs))
    after = dict(running)
    for action in actions:
        after[action.target.workload, action.target.option_id] = action.after.replicas
        assert action.before.replicas != action.after.replicas
    assert after == {("web", "a"): then[0], ("web", "b"): then[1], ("web", "dropped"): 0, ("other", "a"): 7}
    saved = sum(action.saving_usd_per_hour for action in actions)
    assert saved == pytest.approx((now[0] - then[0]) + 2.0 * (now[1] - then[1]) + 5.0 * now[2])


def test_an_option_the_catalogue_lacks_has_no_known_price() -> None:
    inputs = world([workload()], catalogue(option("a", 3.0)))
    assert (price_of(inputs, "a"), price_of(inputs, "gone")) == (3.0, 0.0)


def test_nothing_planned_proves_nothing_and_misses_nothing() -> None:
    assert (proof(None).objective_usd, proof(None).gap_share, missing_rows(None)) == (0.0, 0.0, ())


@pytest.mark.parametrize("reason", ["gap", "rounds", "nodes", "time"])
def test_a_proof_takes_every_reason_that_a_solver_gives(reason: str) -> None:
    p = problem(W(), [O("a")])
    solution = Solution(placement(p, {"a": 1}), 1.0, 1.0, (), reason)
    assert last_reason(["gap", reason]) == reason
    assert proof(solution).stopped_by == reason


def test_the_proof_is_the_solvers_own() -> None:
    p = problem(W(demand=(1.0,)), [O("a")])
    told = proof(Solution(placement(p, {"a": 1}), 10.0, 9.0, (), "time"))
    assert (told.objective_usd, told.bound_usd, told.gap_share, told.stopped_by) == (10.0, 9.0, 0.1, "time")
    assert np.isclose(told.gap_share, (told.objective_usd - told.bound_usd) / told.objective_usd)
