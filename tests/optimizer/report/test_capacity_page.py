"""The page of a capacity backtest: the sentence on top, totals over workloads, names that mean harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.workloads import Workload
from optimizer.backtest_capacity import CapacityBacktest, Question, WorkloadCase, row
from optimizer.backtest_runs import Played, Strip
from optimizer.replay.case import Case
from optimizer.replay.entrants import NAMES, Entrant, Usual, entrants, without_levers
from optimizer.replay.levers import LEVERS
from optimizer.report.backtest_charts import PolicyPoint, levels
from optimizer.report.capacity_page import render, shown_workload, total, totals, verdict
from optimizer.report.levers import levers, told
from tests.optimizer import worlds
from tests.optimizer.report.test_render import ALLOWED, HOSTILE, Page
from tests.optimizer.test_simulate import START, world_with

COSTS = {"clairvoyant": 100.0, "trimtab": 130.0, "autoscaler": 120.0, "static-peak": 400.0}
AT_GOAL = {
    "trimtab-without-option": 140.0,
    "trimtab-without-floor": 96.0,
    **{f"trimtab-without-form-{name}": cost for name, cost in (("step", 150.0), ("ramp", 110.0))},
    "trimtab-without-form-smooth": 120.0,
    "trimtab-without-form-noisy": 130.0,
}
LATE = {"trimtab": 0.5, "autoscaler": 30.0}


def sample(
    names: tuple[str, ...] = ("chat",), policies: tuple[str, ...] = (), **question: object
) -> CapacityBacktest:
    """1,000 requests a workload at a target of 99.9 %; each workload costs twice the one before."""
    asked = Question(START, START + pd.Timedelta(days=1), policies, ablation=bool(question.get("ablation")))
    served, played, rows = [], {}, []
    for k, name in enumerate(names):
        case = Case(world_with(np.ones(20)), 10, np.array([0.999]))
        served.append(WorkloadCase(worlds.workload(name), case, Usual("o0", "runs now")))
        taking_part = entrants(asked.names, ("o0",), has_spot=k == 0)
        taking_part += without_levers(("o0",), (0.999,)) if asked.ablation else []
        for entrant in taking_part:
            played[name, entrant.name] = came(entrant, 2.0**k)
        rows += [row(served[-1], played, entrant.target or 0.999, entrant.name) for entrant in taking_part]
    made = CapacityBacktest(asked, tuple(served), pd.DataFrame(rows), played, ("a note",))
    return replace(made, question=replace(asked, **question))  # type: ignore[arg-type]


def came(entrant: Entrant, factor: float) -> Played:
    """What came of a policy."""
    strip = Strip(5, [1.0, None], [2.0, 2.0], [0.0, 0.5])
    cost = factor * COSTS.get(entrant.name, 200.0)
    bound = 90.0 * factor if entrant.maker is None else None
    at_goal = factor * AT_GOAL.get(entrant.name, 100.0) if entrant.goal else None
    late = LATE.get(entrant.name, 0.0)
    return Played(cost, 1000.0, late, 0.0, 1.0, 3, 4, 5, strip, bound, cost_at_goal_usd=at_goal)


def test_the_sentence_on_top() -> None:
    assert verdict(sample()) == (
        "On this day Trimtab would have cost $130 and kept 99.95% of requests in time; it kept the target of "
        "99.9%. A plain autoscaler would have cost $120 and kept 97%; it missed the target of 99.9%."
    )
    two = verdict(sample(("chat", "rank"), until=START + pd.Timedelta(days=7)))
    assert two.startswith("On these 7 days Trimtab would have cost $390 and kept 99.95%")
    assert "it kept the targets of all 2 workloads. A plain" in two
    assert two.endswith("it missed the target of 2 of 2 workloads.")
    assert verdict(sample(policies=("static-peak",))) == (
        "On this day static peak on the usual hardware would have cost $400 and kept 100% of requests in "
        "time; it kept the target of 99.9%."
    )
    assert "autoscaler at 70% would have cost $120" in verdict(sample(policies=("autoscaler",)))
    assert "plain" not in verdict(sample(policies=("autoscaler",)))


def test_totals_add_up_and_compare_with_the_same_workloads() -> None:
    found = totals(sample(("chat", "rank")))
    by_name = {each.policy: each for each in found}
    assert found[0].policy == "clairvoyant"
    assert [e.cost_usd for e in found[1:]] == sorted(e.cost_usd for e in found[1:])
    assert set(by_name) == {"clairvoyant", *NAMES}
    ours, hedge = by_name["trimtab"], by_name["spothedge"]
    assert (ours.workloads, ours.met, ours.cost_usd) == (2, 2, 390.0)
    assert ours.regret == pytest.approx(0.3)
    assert ours.over_bound == pytest.approx(390 / 270 - 1)
    assert (hedge.workloads, hedge.regret) == (
        1,
        pytest.approx(1.0),
    )  # beside the optimum of its one workload


def test_an_optimum_that_costs_nothing_leaves_regret_unknown() -> None:
    found = sample()
    free = {place: replace(one, cost_usd=0.0, bound_usd=0.0) for place, one in found.played.items()}
    nothing = total(
        replace(found, played=free), "trimtab", found.rows.loc[found.rows["policy"].eq("trimtab")]
    )
    assert np.isnan(nothing.regret)
    assert "not known" in render(replace(found, played=free))


def test_levers_are_ranked_by_what_the_same_share_in_time_costs_without_them() -> None:
    found = sample(("chat", "rank"), ablation=True)
    whole, first, *others = levers(found)
    assert (whole.lever, whole.cost_at_goal_usd, whole.worth) == ("whole", 300.0, 0.0)
    assert (first.lever, first.worth) == ("form-step", pytest.approx(0.5))
    assert (others[-1].lever, others[-1].worth) == ("floor", pytest.approx(-0.04))
    assert {each.lever for each in (whole, first, *others)} == set(LEVERS)
    assert told(found) == (
        "Without its choice of option, the same share in time would have cost 40% more; without its choice "
        "of form 10%. Here these only cost: floor from yesterday (−4%)."
    )
    page = render(found)
    assert page.count("<svg") == 3
    for each in (whole, first, *others):
        assert each.label in page
    plain = sample()
    assert (levers(plain), told(plain), render(plain).count("<svg")) == ([], "", 2)


def test_levers_are_compared_where_both_can_keep_the_share() -> None:
    found = sample(("chat", "rank"), ablation=True)
    lost = found.rows["workload"].eq("rank") & found.rows["policy"].eq("trimtab-without-floor")
    rows = found.rows.assign(cost_at_goal_usd=found.rows["cost_at_goal_usd"].mask(lost))
    floor = next(each for each in levers(replace(found, rows=rows)) if each.lever == "floor")
    assert (floor.workloads, floor.compared, floor.cost_at_goal_usd) == (2, 1, 96.0)
    assert floor.worth == pytest.approx(-0.04)
    never = rows.assign(cost_at_goal_usd=np.nan)
    assert told(replace(found, rows=never)) == ""
    assert "not known" in render(replace(found, rows=never))


def test_the_dearest_workload_is_drawn() -> None:
    assert shown_workload(sample(("chat", "rank"))).name == "rank"
    assert shown_workload(sample(("chat", "rank"), policies=("spothedge",))).name == "chat"


@pytest.mark.parametrize(
    ("others", "said"),
    [((), "No policy was replayed but the clairvoyant optimum."), (("autoscaler",), "autoscaler")],
)
def test_a_policy_that_was_left_out_is_not_what_the_page_is_about(others: tuple[str, ...], said: str) -> None:
    """No spot pool may serve the workload, so Trimtab with spot did not take part."""
    found = sample(policies=("trimtab-spot", *others))
    played = {key: one for key, one in found.played.items() if key[1] != "trimtab-spot"}
    found = replace(found, played=played, rows=found.rows.query("policy != 'trimtab-spot'"))
    assert said in verdict(found)
    assert said in render(found)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\ud800" not in name])  # YAML holds none
def test_a_page_of_names_that_mean_harm(name: str) -> None:
    found = sample()
    workload = Workload.model_construct(**{**dict(found.served[0].workload), "name": name})
    made = replace(
        found,
        served=(replace(found.served[0], workload=workload),),
        played={(name, policy): one for (_, policy), one in found.played.items()},
        rows=found.rows.assign(workload=name),
        notes=(name,),
    )
    page = Page(render(made))
    assert set(page.tags) <= ALLOWED
    assert {value for value in page.values("href") if not value.startswith("#")} == set()


def test_the_same_backtest_gives_the_same_page() -> None:
    assert render(sample()) == render(sample())


def test_labels_of_neighbours_take_turns() -> None:
    points = [PolicyPoint(number, 1.0, 0.1, "others") for number in ("1", "", "2", "3", "4")]
    assert levels(points) == [0, 0, 1, 2, 0]
