"""Moving to other options: what serves runs on until what takes its place has booted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.capacity import expected_cost, expected_costs, make, plan_capacity
from optimizer.control import Control
from optimizer.floors import Timeline
from optimizer.hand_over import HandOver, Move, Planned, with_hand_overs
from optimizer.inputs import Inputs
from optimizer.needs import Candidate
from optimizer.plan import CapacityPlan
from optimizer.replay.case import Case, Known
from optimizer.replay.history import world_of
from optimizer.replay.levers import on_option
from optimizer.replay.of_plan import orders_of
from optimizer.replay.ours import followed
from optimizer.simulate import simulate
from tests.optimizer import worlds
from tests.optimizer.test_capacity import replicas_at
from tests.optimizer.test_simulate import world_with
from tests.optimizer.worlds import AS_OF, catalogue, history, option, steady, workload, world

DEAR = option("dear", 2.0, boot_seconds=300.0, instance_type="slow")
CHEAP = option("cheap", 1.0, boot_seconds=300.0)


def moving(running: dict[tuple[str, str], int], **keys: Any) -> Inputs:
    """A service of 40 requests/s whose cheapest option is not the one that runs."""
    return world([workload(**keys)], catalogue(DEAR, CHEAP), [steady(40.0, days=3)], running=running)


def plan(inputs: Inputs) -> CapacityPlan:
    return plan_capacity(inputs, pd.Timedelta(hours=3), worlds.settings({}))[0]


def at(made: CapacityPlan, minutes: float) -> dict[str, int]:
    """Wished instances by option."""
    moment = AS_OF + timedelta(minutes=minutes)
    return {option_id: n for (_, option_id), n in replicas_at(made, moment).items() if n}


def test_what_serves_stays_until_what_takes_its_place_has_booted() -> None:
    made = plan(moving({("web", "dear"): 6}))
    now, later = at(made, 0), at(made, 6)
    assert now == at(made, 5.9)
    assert now["dear"] == now["cheap"] == 5  # 40 requests/s and head-room
    assert "dear" not in later
    (told,) = (r.text for r in made.reasons if "until" in r.text)
    assert told == "5 of dear stay for 6 minutes, until what takes their place serves"
    done = {(a.target.option_id, a.before.replicas, a.after.replicas) for a in made.actions}
    assert done == {("cheap", 0, 5), ("dear", 6, 5)}


def test_nothing_stays_once_what_is_planned_serves() -> None:
    alone = plan(moving({("web", "cheap"): 6, ("web", "dear"): 6}))
    assert "dear" not in at(alone, 0)
    assert not [r for r in alone.reasons if "until" in r.text]


def test_only_what_is_missing_stays() -> None:
    some = at(plan(moving({("web", "cheap"): 4, ("web", "dear"): 6})), 0)
    all_of_it = at(plan(moving({("web", "dear"): 20})), 0)
    assert some["dear"] == some["cheap"] - 4
    assert all_of_it["dear"] == all_of_it["cheap"]


def test_what_stays_is_paid_for_until_the_plan_ends_at_most() -> None:
    rows = catalogue(DEAR | {"boot_seconds": 93_600.0}, CHEAP | {"boot_seconds": 93_600.0})  # 26 hours
    made = plan(world([workload()], rows, [steady(40.0, days=3)], running={("web", "dear"): 6}))
    most = sum(a.max_replicas * {"dear": 2.0, "cheap": 1.0}[a.option_id] for a in made.allocations)
    assert {a.end for a in made.allocations} == {AS_OF + timedelta(hours=3)}
    assert made.expected_cost_usd <= 3 * most


def test_what_stays_is_part_of_what_its_workload_costs() -> None:
    made = make(moving({("web", "dear"): 6}), pd.Timedelta(hours=3), worlds.settings({}))
    assert made.handed["web"].usd > 0
    assert sum(expected_costs(made).values()) == pytest.approx(expected_cost(made))


def test_max_replicas_holds_while_a_workload_moves() -> None:
    made = plan(moving({("web", "dear"): 6}, max_replicas=8))
    for minutes in (0, 3, 7, 60):
        most = replicas_at(made, AS_OF + timedelta(minutes=minutes), most=True)
        assert sum(most.values()) <= 8
    assert sum(replicas_at(made, AS_OF + timedelta(minutes=7), most=True).values()) == 8
    (told,) = (r.text for r in made.reasons if "minutes" in r.text)
    assert told == (
        "3 of dear stay for 6 minutes, until what takes their place serves; max_replicas or a quota leaves "
        "no room for 40% of what is needed"
    )


def test_a_move_for_which_there_is_no_room_is_told() -> None:
    made = plan(moving({("web", "dear"): 5}, max_replicas=5))
    assert "dear" not in at(made, 0)
    (told,) = (r.text for r in made.reasons if "minutes" in r.text)
    assert told.startswith("for 6 minutes nothing stays of what runs; max_replicas or a quota leaves no room")


def test_an_option_that_may_not_serve_any_more_is_stopped() -> None:
    made = plan(moving({("web", "dear"): 6}, excluded=["dear"]))
    assert "dear" not in at(made, 0)


def test_a_fleet_of_nodes_hands_over_with_its_pods() -> None:
    keys = {"resources": {"cpu": 1.0, "memory_gib": 1.0}, "max_replicas": None}
    rows = [row | {"cpu": 4.0, "memory_gib": 16.0} for row in (DEAR, CHEAP)]
    inputs = world(
        [workload(**keys)], pd.DataFrame(catalogue(*rows)), [steady(40.0, days=3)],
        running={("web", "dear"): 2},
    )  # fmt: skip
    made = plan(inputs)
    (kept,) = (a for a in made.allocations if a.option_id == "dear" and a.replicas)
    assert kept.pods is not None
    assert kept.pods % kept.replicas == 0
    assert kept.end == AS_OF + timedelta(minutes=6)


@pytest.mark.parametrize("hands_over", [True, False])
def test_a_replay_of_the_plan_loses_nobody(hands_over: bool) -> None:
    """Played on what follows while the old fleet serves; without what stays five minutes are lost."""
    made = plan(moving({("web", "dear"): 6}))
    if not hands_over:
        made = made.model_copy(
            update={"allocations": tuple(a for a in made.allocations if a.option_id != "dear")}
        )
    follows = history([24_000.0] * (3 * 144 + 6), end=AS_OF + timedelta(hours=1))
    both = world([workload()], catalogue(DEAR, CHEAP), [follows], as_of=AS_OF + timedelta(hours=1))
    begin, end = pd.Timestamp(AS_OF) - pd.Timedelta(days=2), pd.Timestamp(AS_OF) + pd.Timedelta(hours=1)
    whole = world_of(both, ("web",), begin, end)
    case = Case(whole, 2 * 1440 - 10, target=np.array([0.999]))
    orders = orders_of(made, case)
    orders.replicas[whole.option_id.index("dear"), :10] = 6
    orders.needed[:, :10] = 0.0
    late = simulate(case.world, Known(orders)).late.sum()
    assert bool(late == 0) is hands_over


@given(
    ready=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9)),
    planned=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9)),
    quotas=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9)),
    most=st.none() | st.integers(1, 30),
    need=st.integers(0, 90),
)
@settings(max_examples=300)
def test_what_stays_is_enough_and_no_more_than_runs_and_may(
    ready: dict[str, int], planned: dict[str, int], quotas: dict[str, int], most: int | None, need: int
) -> None:
    pairs = pd.DataFrame(
        {"option_id": list("abcd"), "price_hourly": [2.0, 1.0, 1.0, 3.0], "capacity": [4.0, 1.0, 2.0, 3.0],
         "boot_seconds": [300.0, 60.0, 0.0, 600.0]}
    )  # fmt: skip
    unit = workload(max_replicas=most)
    candidate = Candidate(unit, pairs, pairs.iloc[0], None, None)
    left = {o: float(quota - planned.get(o, 0)) for o, quota in quotas.items()}
    used = float(sum(planned.values()))
    move = Move(candidate, ready, planned, float(need), used)
    kept = move.kept(left)
    capacity = dict(zip("abcd", (4, 1, 2, 3), strict=True))
    serving = sum(min(n, ready.get(o, 0)) * capacity[o] for o, n in planned.items())
    for o, count in kept.items():
        assert 0 < count <= ready[o] - planned.get(o, 0)
        assert count + planned.get(o, 0) <= max(quotas.get(o, np.inf), planned.get(o, 0))
    if most is not None and kept:
        assert used + sum(kept.values()) <= most
    total = serving + sum(count * capacity[o] for o, count in kept.items())
    if kept:  # one less of any would not do, or another could not be had
        assert total - need < max(capacity[o] for o in kept)
    if most is None and not quotas:
        reachable = serving + sum(n * capacity[o] for o, n in move.spare.items())
        assert total >= min(need, reachable)


def test_rows_are_cut_where_a_hand_over_ends() -> None:
    times = Timeline.of(pd.Timestamp(AS_OF), pd.Timedelta(hours=2), pd.Timedelta(hours=1))
    before = Planned(times, {("web", "new"): np.array([5, 2]), ("api", "new"): np.array([1, 1])}, {})
    found = {"web": HandOver("web", 75, {"old": 4}, {}, 0.0)}
    after = with_hand_overs(before, found, times.starts[0])
    assert [moment.minute for moment in after.times.starts] == [0, 0, 15]
    assert {key: row.tolist() for key, row in after.instances.items()} == {
        ("web", "new"): [5, 5, 2],
        ("web", "old"): [4, 4, 0],
        ("api", "new"): [1, 1, 1],
    }


@pytest.mark.parametrize("days", [("o1", "o0"), ("o0", "o1")])
def test_the_replayed_policy_hands_over_too(days: tuple[str, str]) -> None:
    """Even load on two options that serve alike, one a day."""
    load = world_with(np.full(4 * 1440, 600.0), price_hourly=np.array([1.0, 1.3]), boot_s=np.full(2, 270.0))
    case = Case(load, 2 * 1440, np.array([0.999]))
    seen: list[str] = []

    def chosen(workload: int, now: int, running: str) -> Control:
        seen.append(running)
        return on_option(case, workload, now, days[now // 1440 - 2])

    played = simulate(case.world, followed(case, chosen))
    assert seen == ["", days[0]]
    assert played.late.sum() == 0
    old, new = (load.option_id.index(name) for name in days)
    runs = (played.paid > 0).sum(axis=1)
    assert runs[old] == 1440 + 6  # the boot rounded up, and a minute
    assert runs[new] == 1440
