"""Quotas divided among loops: never more than there is, the neediest first, alike for plans and replays."""

from __future__ import annotations

import itertools
import pathlib
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.backtest_capacity import Question
from optimizer.backtest_cases import cases, together
from optimizer.capacity import make, plan_capacity
from optimizer.inputs import Inputs
from optimizer.plan import CapacityPlan
from optimizer.quota_shares import Claim, divided, shares
from optimizer.replay.case import Case
from optimizer.replay.ours import minute_loop
from tests.optimizer import worlds
from tests.optimizer.test_backtest_together import QUOTA, SHORT, WINDOW, played, wave
from tests.optimizer.worlds import AS_OF, option, workload

DEARER = (*SHORT, option("n", 1.4, boot_seconds=120.0))
SLO = {"latency_ms": 500, "target": 0.99}
WEIGHTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=6)
LOADS = st.floats(0.0, 1000.0)


def both(*rows: dict[str, object], names: tuple[str, ...] = ("a", "b"), **changes: object) -> Inputs:
    """Workloads whose peaks need ten replicas of type m each."""
    served = [workload(name, slo=SLO, **changes) for name in names]
    return worlds.world(served, worlds.catalogue(*rows), [wave(name) for name in names])


def plan(inputs: Inputs) -> CapacityPlan:
    return plan_capacity(inputs, pd.Timedelta(hours=24), worlds.settings())[0]


def joint(inputs: Inputs) -> Case:
    (group,) = together(cases(inputs, inputs.fleet, WINDOW)[0], inputs, WINDOW)
    return group.case


def most_at(made: CapacityPlan, option_id: str, moment: datetime) -> dict[str, int]:
    rows = [a for a in made.allocations if a.option_id == option_id and a.start <= moment < a.end]
    return {a.workload: a.max_replicas for a in rows}


def claims(*loads: float, dearer: float | None = 1.5, capacity: float = 10.0) -> list[Claim]:
    """Loops that need so many requests/s of option m, and have a dearer option without a quota."""
    names, usd = (("m",), (0.1,)) if dearer is None else (("m", "n"), (0.1, dearer))
    return [Claim(load, names, (capacity,) * len(names), usd) for load in loads]


def test_a_short_quota_leaves_nobody_late_who_may_go_to_a_dearer_option(tmp_path: pathlib.Path) -> None:
    found = played(
        both(*DEARER), tmp_path, Question(WINDOW.since, WINDOW.until, ("trimtab", "trimtab-target"))
    )
    for name, policy in itertools.product(("a", "b"), ("trimtab", "trimtab-target")):
        kept = found.played[name, policy]
        assert 1 - kept.late / kept.requests >= 0.99, (name, policy)


def test_what_loops_may_run_in_a_replay_adds_up_to_the_quota() -> None:
    case = joint(both(*DEARER))
    most = minute_loop(case).whole.most
    of_m = np.array([name == "m" for name in case.world.option_id])
    assert (most[of_m].sum(axis=0) == QUOTA).all()
    assert (most[of_m] == QUOTA / 2).all()


def test_shares_of_a_replay_know_only_what_was_before() -> None:
    case = joint(both(*DEARER))
    later = case.whole.requests.copy()
    later[0, case.begin :] *= 5.0
    changed = replace(case, whole=replace(case.whole, requests=later))
    np.testing.assert_array_equal(minute_loop(changed).whole.most, minute_loop(case).whole.most)


@pytest.mark.parametrize("quota", [3.0, 14.0, 25.5, 400.0])
def test_what_loops_may_run_in_a_plan_adds_up_to_the_quota(quota: float) -> None:
    made = plan(both(option("m", quota=quota), option("n", 1.4)))
    for hour in range(24):
        moment = AS_OF + timedelta(hours=hour)
        most = most_at(made, "m", moment)
        assert sum(most.values()) <= quota
        assert all(10 * (most.get(w, 0) + most_at(made, "n", moment).get(w, 0)) >= 100 for w in ("a", "b"))
    assert not made.notes


def test_max_replicas_gives_way_to_what_is_planned_for_others() -> None:
    """An event asks for more than the share of the one; the other goes on to the dearer option meanwhile."""
    event = {
        "start": AS_OF + timedelta(hours=6),
        "end": AS_OF + timedelta(hours=9),
        "factor": 3.0,
        "name": "e",
    }
    inputs = both(option("m", quota=14.0), option("n", 1.4))
    busy, other = inputs.workloads
    changed = busy.model_validate(busy.model_dump() | {"known_events": [event]})
    made = plan(replace(inputs, workloads=(changed, other)))
    moments = [AS_OF + timedelta(hours=hour, minutes=30) for hour in range(24)]
    sums = [sum(most_at(made, "m", moment).values()) for moment in moments]
    assert max(sums) <= 14
    assert all(10 * (most_at(made, "m", m).get("b", 0) + most_at(made, "n", m)["b"]) >= 100 for m in moments)


def test_what_stays_as_it_is_and_takes_of_a_quota_is_told() -> None:
    inputs = both(option("m", quota=14.0), option("n", 1.4))
    kept = workload("kept", do_not_touch=True)
    running = worlds.fleet({("kept", "m"): 3})
    made = plan(replace(inputs, workloads=(*inputs.workloads, kept), fleet=running))
    (note,) = [n for n in made.notes if "quota" in n]
    assert note.startswith("m: kept stays as it is with 3 of a quota of 14, of which others may want 14;")


def test_loops_of_a_plan_have_their_shares_before_floors_are_planned() -> None:
    inputs = both(option("m", quota=14.0), option("n", 1.4, region="us"))
    stuck, free = inputs.workloads
    stuck = stuck.model_validate(stuck.model_dump() | {"placement": {"regions": ["eu"]}})
    found = make(replace(inputs, workloads=(stuck, free)), pd.Timedelta(hours=24), worlds.settings()).loops
    own, other = found["a"].limits["m"], found["b"].limits["m"]
    assert own >= 10
    assert own + other == 14
    assert found["b"].most(1.0)["n"] >= 10 - other  # what the share lacks


@pytest.mark.parametrize(("quota", "pools"), [(30, [4, 4]), (18, [3, 3]), (12, [0, 0]), (6, [0, 0])])
def test_a_short_share_is_short_of_what_stands_by_first(quota: int, pools: list[int]) -> None:
    """Two loops that run six replicas at most and have four stand by."""
    asked = [replace(claim, standby=4) for claim in claims(100.0, 100.0)]
    found = shares(asked, {"m": quota})
    assert [claim.pool(own, {"m": quota}) for claim, own in zip(asked, found, strict=True)] == pools
    (alone,) = shares(asked[:1], {"m": quota})
    assert asked[0].pool(alone, {"m": quota}) == 4


def test_who_has_nothing_else_comes_first_then_whoever_would_pay_most() -> None:
    (stuck,) = claims(60.0, dearer=None)
    (dear,) = claims(60.0, dearer=3.0)
    (cheap,) = claims(60.0, dearer=1.5)
    for order in itertools.permutations([(stuck, 6), (dear, 4), (cheap, 0)]):
        found = shares([claim for claim, _ in order], {"m": 10})
        assert [share["m"] for share in found] == [count for _, count in order]


def test_what_nothing_else_can_serve_comes_before_what_is_dear_elsewhere() -> None:
    """The second option serves all but 20 requests/s of the first loop; those are worth most."""
    first = Claim(60.0, ("m", "n"), (10.0, 10.0), (0.1, 0.2))
    second = Claim(60.0, ("m", "o"), (10.0, 10.0), (0.1, 9.0))
    found = shares([first, second], {"m": 5, "n": 4})
    assert found == [{"m": 2, "n": 4}, {"m": 3}]


def test_with_equal_stakes_shares_are_in_proportion() -> None:
    assert [share["m"] for share in shares(claims(30.0, 60.0), {"m": 6})] == [2, 4]
    assert [share["m"] for share in shares(claims(30.0, 60.0, dearer=None), {"m": 6})] == [2, 4]
    assert [share["m"] for share in shares(claims(30.0, 60.0), {"m": 90})] == [30, 60]
    assert [share["m"] for share in shares(claims(0.0, 0.0), {"m": 9})] == [5, 4]


@given(WEIGHTS, st.integers(0, 10**9))
def test_parts_add_up_and_a_larger_total_takes_nothing_away(weights: list[int], total: int) -> None:
    parts, more = divided(total, weights), divided(total + 1, weights)
    assert sum(parts) == total
    assert all(0 <= part <= larger for part, larger in zip(parts, more, strict=True))
    due = [total * weight / sum(weights) for weight in weights]
    assert all(part < share + 1 + 1e-6 for part, share in zip(parts, due, strict=True))
    assert total < len(weights) or min(parts) >= 1


@given(
    st.lists(
        st.tuples(LOADS, st.sampled_from([None, 0.2, 0.3, 5.0]), st.sampled_from([0.5, 10.0])), max_size=5
    ),
    st.integers(0, 300),
)
def test_shares_of_one_option_are_within_the_quota_and_grow_with_it(
    users: list[tuple[float, float | None, float]], quota: int
) -> None:
    asked = [claims(load, dearer=dearer, capacity=rate)[0] for load, dearer, rate in users]
    found, more = (shares(asked, {"m": limit}) for limit in (quota, quota + 1))
    assert sum(share["m"] for share in found) == (quota if asked else 0)
    assert all(0 <= own["m"] <= larger["m"] for own, larger in zip(found, more, strict=True))
    assert found == shares(asked, {"m": quota})


@given(LOADS, st.integers(0, 300), st.integers(0, 300))
def test_one_workload_has_the_whole_of_every_quota(load: float, first: int, second: int) -> None:
    alone = Claim(load, ("m", "n", "o"), (10.0, 5.0, 1.0), (0.1, 0.2, 0.3))
    assert shares([alone], {"m": first, "n": second}) == [{"m": first, "n": second}]


@given(
    st.lists(st.tuples(LOADS, st.permutations(["m", "n", "o"])), max_size=4),
    st.integers(0, 99),
    st.integers(0, 99),
)
def test_shares_of_several_options_are_within_quotas(
    users: list[tuple[float, list[str]]], first: int, second: int
) -> None:
    asked = [Claim(load, tuple(names), (10.0, 5.0, 1.0), (0.1, 0.2, 0.3)) for load, names in users]
    found = shares(asked, {"m": first, "n": second})
    for name, quota in (("m", first), ("n", second)):
        assert sum(share[name] for share in found) == (quota if users else 0)
        assert all(share[name] >= 0 for share in found)
