"""What people read of scenarios: only what differs, and nothing that is not so."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
import pytest

from optimizer.whatif.compare import Answers
from optimizer.whatif.question import PlanQuestion
from optimizer.whatif.screen import show
from tests.conftest import REPO
from tests.optimizer import worlds
from tests.optimizer.whatif.scenes import change, scene
from tests.optimizer.whatif.test_plans import answered

PLACEMENT = PlanQuestion("placement", worlds.AS_OF, pd.Timedelta(hours=24))


def shown(found: Answers, capsys: pytest.CaptureFixture[str]) -> str:
    show(found, PLACEMENT, ())
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "words", "not_there"),
    [
        (
            {"price": {"*": 0.01}},
            ["no longer: web: what serves its demand costs"],
            ["shortfall:", "infeasible"],
        ),
        (
            {"residency": {"web": ["JP"]}},
            ["infeasible: Workload 'web' has no admissible option", "all but web"],
            ["no longer", "proven gap"],
        ),
        (
            {"demand": {"web": 2.0}},
            ["shortfall: web: what serves"],
            ["all but", "no longer"],
        ),
        ({"demand": {"*": 1.0}}, ["the same", "0%"], ["no longer", "shortfall:", "→"]),
    ],
)
def test_what_is_missed_before_or_after_is_told_where_it_differs(
    keys: dict[str, Any], words: list[str], not_there: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    base = scene(worlds.workload("web", budget_usd_per_day=50.0), worlds.workload("api"))
    text = shown(answered(base, change(**keys)), capsys)
    assert not [each for each in words if each not in text]
    assert not [each for each in not_there if each in text]


def test_what_stays_as_it_is_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    base = scene(worlds.workload("web"), worlds.workload("api", do_not_touch=True))
    text = shown(answered(base, change(price={"*": 2.0})), capsys)
    (line,) = (line for line in text.splitlines() if line.startswith("left as they are"))
    assert line.split()[-3:] == ["144.00", "288.00", "-"]


def test_scenarios_stand_beside_each_other_first(capsys: pytest.CaptureFixture[str]) -> None:
    two = (change(name="dear", price={"*": 2.0}), change(name="far", residency={"web": ["JP"]}))
    lines = shown(answered(scene(), *two), capsys).splitlines()
    assert lines[1].split() == ["scenario", "before", "after", "change", "shortfalls"]
    assert lines[2].split()[0] == "dear"
    assert "+100%" in lines[2]
    assert lines[3].startswith("far, without web")


def test_the_whole_is_what_people_should_read(capsys: pytest.CaptureFixture[str]) -> None:
    base = scene(
        worlds.workload("web", budget_usd_per_day=50.0), worlds.workload("api"),
        worlds.workload("kept", do_not_touch=True),
        fleet=worlds.fleet({("web", "aws-us"): 5, ("kept", "aws-eu"): 2}),
    )  # fmt: skip
    scenarios = (
        change(name="black friday", demand={"web": 3.0}, quota={"aws-us": 12}),
        change(name="outage", without_region=["us"], residency={"api": ["US"]}),
        change(name="cheaper", price={"*": 0.5}, slo={"*": {"target": 0.9}}),
    )
    text = "\n".join(line.rstrip() for line in shown(answered(base, *scenarios), capsys).splitlines()) + "\n"
    golden = REPO / "tests/golden/whatif.txt"
    if os.environ.get("TRIMTAB_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), (
        "if this is meant: TRIMTAB_UPDATE_GOLDEN=1, then read it"
    )
