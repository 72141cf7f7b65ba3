"""Workloads that can take capacity from each other are replayed in one world."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from data.workloads import Workload
from optimizer.backtest_capacity import CapacityBacktest, Question, backtest
from optimizer.backtest_cases import cases, joined, joint, said, together
from optimizer.backtest_runs import task_of
from optimizer.inputs import Inputs
from optimizer.replay.clairvoyant import clairvoyant
from optimizer.replay.entrants import NAMES, entrants
from optimizer.simulate import simulate
from tests.optimizer import worlds
from tests.optimizer.worlds import AS_OF, option

DAYS, QUOTA = 3, 14
SLO = {"latency_ms": 500, "target": 0.9}
WINDOW = Question(pd.Timestamp(AS_OF - timedelta(days=1)), pd.Timestamp(AS_OF))


def wave(name: str, peak: float = 100.0, *, days: float = DAYS) -> pd.DataFrame:
    """Requests/s that go up to a peak and down to a fifth of it once a day."""
    steps = np.arange(int(days * 144)) - int(days * 144)
    return worlds.history((0.6 - 0.4 * np.cos(2 * np.pi * steps / 144)) * peak * 600.0, name)  # type: ignore[arg-type]


def world(*rows: dict[str, object], names: tuple[str, ...] = ("a", "b"), **days: float) -> Inputs:
    """Workloads whose peaks need ten replicas of type m each."""
    workloads: list[Workload] = [worlds.workload(name, slo=SLO) for name in names]
    demand = [wave(name, days=days.get(name, DAYS)) for name in names]
    return worlds.world(workloads, worlds.catalogue(*rows), demand)


SHORT = (option("m", boot_seconds=120.0, quota=float(QUOTA)),)


def played(inputs: Inputs, folder: pathlib.Path, asked: Question = WINDOW) -> CapacityBacktest:
    return backtest(inputs, inputs.fleet, asked, folder, jobs=1, progress=lambda _: None)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> CapacityBacktest:
    return played(world(*SHORT), tmp_path_factory.mktemp("together"))


def test_links_join_through_others() -> None:
    assert joined([{"x"}, {"y"}, set(), {"y", "z"}, {"z", "x"}, set()]) == [[0, 1, 3, 4], [2], [5]]


@pytest.mark.parametrize(
    ("quota", "groups"),
    [(np.nan, [["a"], ["b"]]), (float(QUOTA), [["a", "b"]]), (59.0, [["a", "b"]]), (60.0, [["a"], ["b"]])],
)
def test_a_quota_joins_unless_it_holds_three_times_the_peaks(quota: float, groups: list[list[str]]) -> None:
    inputs = world(option("m", quota=quota))
    served, _ = cases(inputs, inputs.fleet, WINDOW)
    found = together(served, inputs, WINDOW)
    assert [[one.name for one in group.served] for group in found] == groups


def test_rules_that_no_replay_keeps_are_told() -> None:
    rules = {"a": {"max_replicas": 3}, "b": {}, "c": {"max_replicas": 8, "min_regions": 2}}
    made = worlds.world(
        [worlds.workload(name, slo=SLO, **keys) for name, keys in rules.items()],
        worlds.catalogue(option("m")),
        [wave(name) for name in rules],
    )
    served, _ = cases(made, made.fleet, replace(WINDOW, policies=("autoscaler",)))
    groups = together(served, made, WINDOW)
    assert said(groups, replace(WINDOW, policies=("autoscaler",))) == [
        "a: max_replicas of workloads.yaml is kept by no policy of a replay",
        "c: max_replicas and min_regions of workloads.yaml are kept by no policy of a replay",
    ]


def test_a_spot_pool_joins_those_that_may_use_it() -> None:
    rows = (option("m"), option("s", 0.3, purchase="spot", pool="p"))
    names = {"a": 1.0, "b": 0.0, "c": 0.5}
    workloads = [worlds.workload(name, slo=SLO, spot={"max_share": most}) for name, most in names.items()]
    seen = pd.DataFrame({"ts": [pd.Timestamp(AS_OF - timedelta(days=DAYS))], "pool": "p", "capacity": 9.0})
    made = worlds.world(workloads, worlds.catalogue(*rows), [wave(name) for name in names])
    inputs = replace(made, spot_history=seen)
    served, _ = cases(inputs, inputs.fleet, WINDOW)
    found = together(served, inputs, WINDOW)
    assert [[one.name for one in group.served] for group in found] == [["a", "c"], ["b"]]
    assert [group.has_spot for group in found] == [True, False]


def test_a_younger_workload_joins_with_what_is_known_of_it() -> None:
    inputs = world(*SHORT, b=2.0)
    served, _ = cases(inputs, inputs.fleet, WINDOW)
    assert [round(one.history_days, 2) for one in served] == [2.0, 1.0]
    (group,) = together(served, inputs, WINDOW)
    assert group.case.begin == served[0].case.begin
    assert group.case.target.tolist() == [0.9, 0.9]
    load = group.case.whole.load[1]
    assert np.isnan(load[:1440]).all()
    np.testing.assert_array_equal(load[1440:], served[1].case.whole.load[0])
    known = served[1].case
    quick = replace(known, whole=replace(known.whole, capacity=2 * known.whole.capacity))
    case = joint((served[0], replace(served[1], case=quick)), inputs, WINDOW)
    assert case.whole.capacity[:, 0].tolist() == [10.0, 20.0]  # unknown minutes are like those known
    assert case.whole.capacity[:, 1440].tolist() == [10.0, 10.0]


def test_together_they_get_less_than_each_by_itself(both: CapacityBacktest, tmp_path: pathlib.Path) -> None:
    alone = {name: played(world(*SHORT, names=(name,)), tmp_path) for name in ("a", "b")}
    for policy in ("trimtab", "autoscaler", "static-peak", "melange", "clairvoyant"):
        kept = [both.played[name, policy] for name in ("a", "b")]
        by_itself = [alone[name].played[name, policy] for name in ("a", "b")]
        assert sum(one.late for one in kept) > sum(one.late for one in by_itself) + 1000
    assert both.notes[-1] == "a, b share quotas or spot pools and were replayed together"
    assert not any("together" in note for one in alone.values() for note in one.notes)


def test_costs_add_up_to_the_bill_and_the_quota_is_never_exceeded(both: CapacityBacktest) -> None:
    inputs = world(*SHORT)
    served, _ = cases(inputs, inputs.fleet, WINDOW)
    (group,) = together(served, inputs, WINDOW)
    for entrant in entrants(NAMES, group.usual, has_spot=group.has_spot):
        case = task_of(group.case, entrant, 0).case
        policy = clairvoyant(case).policy if entrant.maker is None else entrant.maker(case)
        replayed = simulate(case.world, policy)
        assert replayed.paid.sum(axis=0).max() <= QUOTA, entrant.name
        bill = sum(both.played[name, entrant.name].cost_usd for name in ("a", "b"))
        assert bill == pytest.approx(replayed.cost_usd), entrant.name
        assert bill > 0
    best = [both.played[name, "clairvoyant"] for name in ("a", "b")]
    assert sum(one.bound_usd or np.inf for one in best) <= sum(one.cost_usd for one in best)


def test_levers_are_scaled_for_each_workload(tmp_path: pathlib.Path) -> None:
    asked = Question(WINDOW.since, WINDOW.until, ("trimtab",), ablation=True)
    found = played(world(*SHORT), tmp_path, asked)
    rows = found.rows.set_index(["workload", "policy"])
    for name in ("a", "b"):
        whole = rows.loc[(name, "trimtab-without-whole")]
        assert whole["cost_usd"] == rows.loc[(name, "trimtab"), "cost_usd"]
        assert whole["cost_at_goal_usd"] > 0
