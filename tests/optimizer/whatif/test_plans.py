"""Plans in scenarios: what must hold between the plan as things are and the one in a scenario."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from optimizer.backtest_capacity import Question
from optimizer.capacity import expected_cost, expected_costs, make
from optimizer.config import Settings
from optimizer.errors import InfeasibleError
from optimizer.inputs import Inputs
from optimizer.whatif.compare import Answers, Compared, compare, doubts
from optimizer.whatif.plans import placed, scheduled
from optimizer.whatif.replays import replayed
from tests.optimizer import worlds
from tests.optimizer.test_pods import six
from tests.optimizer.whatif.scenes import change, committed, scene, tabled

GAP = 0.01  # that plans stop at, by default


def settings(**placement: Any) -> Settings:
    return worlds.settings(None, **placement).model_copy(update={"budgets": ()})


def answered(inputs: Inputs, *changes: Any, kind: str = "placement", **placement: Any) -> Answers:
    """What is, and scenarios beside it."""
    if kind == "placement":
        answer = lambda known, _: placed(known, settings(**placement))  # noqa: E731
    else:
        answer = lambda known, _: scheduled(known, settings(), pd.Timedelta(hours=6))  # noqa: E731
    return compare(inputs, changes, answer, progress=lambda _name, _done: None)


def asked(inputs: Inputs, *changes: Any, **how: Any) -> tuple[Compared, ...]:
    """Scenarios beside what is."""
    return answered(inputs, *changes, **how).scenarios


def usd(found: Compared, when: str) -> dict[str, float]:
    """Cost of each workload and of all."""
    rows = {row["workload"]: row[f"usd_per_day_{when}"] for row in found.rows}
    return {**rows, "all": found.totals[0][f"usd_per_day_{when}"]}


def running(found: Compared, workload: str) -> dict[str, int]:
    """Most replicas of each option that a workload runs in the scenario."""
    (row,) = (row for row in found.rows if row["workload"] == workload)
    return {run["option_id"]: run["most"] for run in row["runs_after"]}


@pytest.mark.parametrize("kind", ["placement", "capacity"])
def test_nothing_times_one_changes_no_number(kind: str) -> None:
    (found,) = asked(scene(), change(demand={"*": 1.0}, price={"*": 1.0}), kind=kind)
    for row in (*found.rows, *found.totals):
        assert row["change_share"] == 0.0
        pairs = [name.removesuffix("_before") for name in row if name.endswith("_before")]
        assert all(row[f"{name}_before"] == row[f"{name}_after"] for name in pairs)
    assert found.outcome.fingerprint == scene().fingerprint
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["placement", "capacity"])
@tried(max_examples=6, deadline=None)
@given(factor=st.floats(0.05, 20.0))
def test_prices_times_k_are_costs_times_k(kind: str, factor: float) -> None:
    (found,) = asked(scene(), change(price={"*": factor}), kind=kind, gap_share=1e-6)
    for name, before in usd(found, "before").items():
        assert usd(found, "after")[name] == pytest.approx(factor * before, rel=1e-6)


@pytest.mark.parametrize("region", ["us", "eu", "gcp/eu", "aws/*"])
def test_without_a_region_no_best_plan_is_cheaper(region: str) -> None:
    (found,) = asked(scene(), change(without_region=[region]))
    (total,) = found.totals
    assert total["objective_usd_after"] >= total["bound_usd_before"] - 1e-6
    gone = {"us": {"aws-us"}, "eu": {"aws-eu", "gcp-eu", "gcp-eu-big"}, "gcp/eu": {"gcp-eu", "gcp-eu-big"},
            "aws/*": {"aws-eu", "aws-us"}}[region]  # fmt: skip
    assert not gone & {*running(found, "web"), *running(found, "api")}


@pytest.mark.parametrize(("low", "more"), [(0, 2), (3, 3)])
def test_more_quota_is_never_dearer_than_the_gap_allows(low: int, more: int) -> None:
    less, plenty = asked(
        scene(), change(quota={"aws-us": low}), change(name="b", quota={"aws-us": low + more})
    )
    scarce, loose = less.totals[0]["objective_usd_after"], plenty.totals[0]["objective_usd_after"]
    assert loose <= scarce * (1.0 + 2 * GAP) + 1e-6
    for name in ("web", "api"):
        assert running(less, name).get("aws-us", 0) <= low


@pytest.mark.parametrize("price", [0.1, 0.99, 5.0])
def test_a_new_instance_type_is_never_dearer_than_the_gap_allows(price: float) -> None:
    new = worlds.catalogue(worlds.option("new", price, instance_type="huge"))
    fast = worlds.profiles({"huge": 10.0})
    both = tabled(catalog=new, profiles=fast)
    (found,) = asked(scene(), both)
    (total,) = found.totals
    assert total["objective_usd_after"] <= total["objective_usd_before"] * (1.0 + 2 * GAP) + 1e-6
    assert ("new" in running(found, "web")) == (price < 1.0)


def test_residency_leaves_those_countries_alone() -> None:
    (found,) = asked(scene(), change(residency={"web": ["DE"]}))
    assert set(running(found, "web")) == {"aws-eu"}
    assert set(running(found, "api")) == {"aws-us"}
    assert usd(found, "after")["web"] == pytest.approx(2 * usd(found, "before")["web"])


def test_more_demand_takes_more_replicas() -> None:
    (found,) = asked(scene(), change(demand={"web": 3.0}))
    assert running(found, "web")["aws-us"] == pytest.approx(3 * 5, abs=2)
    assert usd(found, "after")["api"] == usd(found, "before")["api"]


def test_what_nothing_may_serve_is_told_and_the_others_are_planned() -> None:
    (found,) = asked(scene(), change(residency={"web": ["JP"]}))
    assert list(found.outcome.impossible) == ["web"]
    assert "left after residency" in found.outcome.impossible["web"]
    before, (total,) = usd(found, "before"), found.totals
    assert usd(found, "after") == {"web": None, "api": before["api"], "all": before["api"]}
    assert (total["without"], total["usd_per_day_before"]) == (["web"], before["api"])
    assert "shortfalls_after" not in total


def test_a_world_without_any_option_is_an_answer_too() -> None:
    for kind in ("placement", "capacity"):
        (found,) = asked(scene(), change(without_region=["*"]), kind=kind)
        assert set(found.outcome.impossible) == {"web", "api"}


def test_what_is_impossible_already_is_no_scenario() -> None:
    base = scene(worlds.workload("web", residency=["JP"]), worlds.workload("api", residency=["FR"]))
    with pytest.raises(InfeasibleError) as told:
        asked(base, change(demand={"*": 2.0}))
    assert str(told.value).count("has no admissible option") == 2


def test_what_stays_as_it_is_needs_no_option() -> None:
    kept = worlds.workload("api", do_not_touch=True, residency=["US"])
    for kind in ("placement", "capacity"):
        (found,) = asked(scene(worlds.workload("web"), kept), change(residency={"api": ["JP"]}), kind=kind)
        assert found.outcome.impossible == {}
        assert found.totals[0]["left_as_is_usd_per_day_after"] == 24.0 * 3 * 2.0


def on_spot(**changes: Any) -> Inputs:
    """A world that one spot pool serves, which usually grants 50 instances and granted none of late."""
    spot = worlds.option("spot", 0.5, purchase="spot", pool="p")
    service = worlds.workload("web", spot={"max_share": 1.0})
    made = worlds.world([service], worlds.catalogue(spot), [worlds.steady(43.0, "web")])
    seen = pd.DataFrame({"ts": pd.Timestamp(worlds.AS_OF), "pool": ["p"], "capacity": [0.0]})
    return replace(
        made, spot_capacity={"p": 0.0}, usual_spot_capacity={"p": 50.0}, spot_history=seen, **changes
    )


def test_a_typical_day_knows_what_pools_usually_grant() -> None:
    assert placed(on_spot(), settings()).impossible == {}
    assert "spot_capacity" in scheduled(on_spot(), settings(), pd.Timedelta(hours=6)).impossible["web"]


def test_a_replay_of_spot_alone_is_an_answer(tmp_path: Path) -> None:
    begin = pd.Timestamp(worlds.AS_OF) - pd.Timedelta(hours=6)
    window = Question(begin, pd.Timestamp(worlds.AS_OF), ("trimtab",))
    found = replayed(on_spot(), worlds.fleet(), window, tmp_path, jobs=1, progress=lambda _: None)
    assert found.impossible == {"web": "web is not replayed: nothing on demand may serve it"}
    assert not list(tmp_path.iterdir())


def test_a_shortage_is_told_for_the_workload_that_misses() -> None:
    (found,) = asked(scene(), change(quota={"*": 1}))
    assert found.totals[0]["shortfalls_before"] == 0
    assert found.totals[0]["shortfalls_after"] >= 1
    told = [text for texts in found.outcome.shortfalls.values() for text in texts]
    assert any("nothing serves" in text for text in told)


def wavy_scene(**changes: Any) -> Inputs:
    """Days of minutes that a loop can be fitted to, a commitment, and a workload that stays as it is."""
    wave = 60.0 * 40.0 * (1.2 + np.sin(np.arange(4 * 1440) / 1440 * 2 * np.pi))
    noise = np.random.default_rng(7).lognormal(0, 0.1, len(wave))
    demand = pd.concat([worlds.history(list(wave * noise), name, interval_s=60) for name in ("web", "api")])
    declared = [worlds.workload("web"), worlds.workload("api"), worlds.workload("kept", do_not_touch=True)]
    running = worlds.fleet({("web", "aws-eu"): 9, ("kept", "aws-eu"): 2})
    made = scene(*declared, commitments=(committed(4.0),), fleet=running, **changes)
    return replace(made, demand=demand.sort_values(["workload", "ts"], ignore_index=True))


@pytest.mark.parametrize("kind", ["placement", "capacity"])
def test_costs_of_pods_add_up(kind: str) -> None:
    (found,) = asked(six(), change(demand={"*": 2.0}), kind=kind)
    for when in ("before", "after"):
        costs = usd(found, when)
        total = costs.pop("all")
        assert sum(costs.values()) == pytest.approx(total, abs=1e-4)
    assert found.totals[0]["change_share"] > 0.1


@pytest.mark.parametrize("kind", ["placement", "capacity"])
def test_costs_of_workloads_add_up(kind: str) -> None:
    (found,) = asked(wavy_scene(), change(without_region=["us"]), kind=kind)
    for when in ("before", "after"):
        rows = usd(found, when)
        left = found.totals[0][f"left_as_is_usd_per_day_{when}"]
        assert rows["web"] + rows["api"] + left == pytest.approx(rows["all"], abs=1e-4)
    if kind == "capacity":
        assert any(run["reach"] > run["most"] for row in found.rows for run in row["runs_after"])


def test_loops_on_an_option_beside_the_floors_cost_their_workload() -> None:
    made = make(wavy_scene(), pd.Timedelta(hours=6), settings())
    loops = {
        name: replace(
            loop,
            option_id="elsewhere",
            capacities={"elsewhere": loop.capacity},
            limits={"elsewhere": loop.limits[loop.option_id]},
        )
        for name, loop in made.loops.items()
    }
    assert set(loops) == {"web", "api"}
    for known in (made, replace(made, loops=loops)):
        assert sum(expected_costs(known).values()) == pytest.approx(expected_cost(known))
    floors = expected_costs(replace(made, loops={}))
    assert expected_costs(replace(made, loops=loops))["web"] > floors["web"]


def test_work_with_a_deadline_is_multiplied() -> None:
    work = worlds.batch("etl", work_units=2.0e6, deadline=worlds.AS_OF + timedelta(days=1))
    (found,) = asked(scene(worlds.workload("web"), work), change(demand={"etl": 2.0}))
    assert usd(found, "after")["etl"] == pytest.approx(2.0 * usd(found, "before")["etl"], rel=0.1)


@pytest.mark.parametrize(
    ("before", "after", "is_open"),
    [
        ((100.0, 98.0), (103.0, 99.0), True),
        ((100.0, 98.0), (103.0, 101.0), False),
        ((100.0, 98.0), (97.0, 90.0), False),
    ],
)
def test_gaps_that_leave_open_which_plan_is_dearer_are_told(
    before: tuple[float, float], after: tuple[float, float], is_open: bool
) -> None:
    row = {
        "objective_usd_before": before[0], "bound_usd_before": before[1], "change_share": 0.03,
        "objective_usd_after": after[0], "bound_usd_after": after[1],
    }  # fmt: skip
    assert len(list(doubts([row]))) == is_open
    assert not list(doubts([row | {"change_share": 0.0}]))
