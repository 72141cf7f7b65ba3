"""Less head-room where launches boot faster, and what a faster boot would save."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from optimizer.capacity import plan_capacity
from optimizer.forms import FORMS, TARGETS, USUAL_BOOT, booting_in, forms_for, past_of, quick
from optimizer.inputs import Inputs
from optimizer.minute_plan import Loop, loop_of
from optimizer.needs import look_ahead
from optimizer.reactive import LAST
from optimizer.replay.case import Case
from optimizer.replay.ours import minute_loop
from optimizer.schedule import DAY
from optimizer.simulate import simulate
from tests.optimizer.test_calibration import ramps, scattered
from tests.optimizer.test_simulate import world_with
from tests.optimizer.worlds import catalogue, history, option, settings, workload, world

HOUR = pd.Timedelta(hours=1)


def of(boot_s: float, load: np.ndarray) -> Inputs:
    """A service with such a past on one option."""
    options = catalogue(option("a", 2.0, boot_seconds=boot_s))
    web = workload(slo={"latency_ms": 2000, "target": 0.999})
    return world([web], options, [history(list(60 * load), interval_s=60)])


def loop(inputs: Inputs) -> Loop:
    (candidate,) = look_ahead(inputs, horizon=24 * HOUR, levels=[0.5]).candidates
    found = loop_of(candidate, inputs, "terms")
    assert found is not None
    return found


@pytest.mark.parametrize("form", [*FORMS, *TARGETS], ids=lambda f: f.name)
def test_head_room_shrinks_with_the_boot(form: object) -> None:
    hours = past_of(ramps(2), 5).hours
    for boot, share in ((5, 1.0), (2, 0.5), (0, 1 / 6)):
        usual, less = form.weights(hours), quick(form, boot).weights(hours)  # type: ignore[attr-defined]
        assert set(usual) <= set(less)
        for statistic, weight in less.items():
            level = 1.0 - share if statistic == form.level else 0.0  # type: ignore[attr-defined]
            np.testing.assert_allclose(weight, share * usual.get(statistic, 0.0) + level)
    again = quick(quick(form, 3), 1, 3).weights(hours)  # type: ignore[arg-type]
    once = quick(form, 1).weights(hours)  # type: ignore[arg-type]
    assert all(np.allclose(again[statistic], once[statistic]) for statistic in once)


def test_only_fast_boots_have_forms_with_less_head_room() -> None:
    assert forms_for(USUAL_BOOT) == FORMS
    assert len(forms_for(2)) == 2 * len(FORMS)
    hours = past_of(ramps(2), 1).hours
    assert all(list(f.weights(hours)) == [LAST] for f in forms_for(1, TARGETS))


def test_a_past_for_another_boot_is_the_past_read_with_it() -> None:
    load = ramps(3)
    found, expected = booting_in(past_of(load, 5), 2), past_of(load, 2)
    for form in FORMS:
        np.testing.assert_array_equal(found.needed(form), expected.needed(form))


def test_fast_boots_are_cheaper_in_the_exact_replay_and_keep_the_objective() -> None:
    load = ramps(8, seed=3)
    whole = world_with(load * 60, capacity=np.full((1, len(load)), 10.0))
    usual, fast = (
        simulate(case.world, minute_loop(case))
        for case in (
            Case(replace(whole, boot_s=np.array([boot_s])), 6 * DAY, np.array([0.999]))
            for boot_s in (300.0, 60.0)
        )
    )
    assert fast.cost_usd < 0.93 * usual.cost_usd
    assert fast.attainment() >= 0.999


def test_the_plan_says_what_a_faster_boot_would_save() -> None:
    inputs = of(300.0, ramps(6))
    found = loop(inputs)
    two, one = (share for _, share in found.faster_boots)
    monthly = found.fitted.usd_per_hour * 730
    assert one > two > 0.02
    told = plan_capacity(inputs, 24 * HOUR, settings())[0].reasons[-2].text
    expected = (
        f"a boots in 5 minutes; with images and weights at hand a boot of 2 minutes would save about "
        f"{two:.0%} ({two * monthly:,.0f} USD a month), a boot of 1 minute would save about {one:.0%} "
        f"({one * monthly:,.0f} USD a month)"
    )
    assert told == expected


@pytest.mark.parametrize(
    ("boot_s", "load"),
    [(60.0, ramps(6)), (300.0, scattered(1)), (300.0, np.zeros(5 * DAY))],
    ids=["boots in a minute", "short", "idle"],
)
def test_where_it_saves_nothing_or_nobody_knows_nothing_is_said(boot_s: float, load: np.ndarray) -> None:
    made = plan_capacity(of(boot_s, load), 24 * HOUR, settings())[0]
    assert not any(re.search("would save", reason.text) for reason in made.reasons)


def test_holding_for_the_sake_of_actions_is_not_taken_for_what_a_boot_saves() -> None:
    usual, held = (
        loop(
            world(
                [workload(slo={"latency_ms": 2000, "target": 0.999}, action_cost_usd=cost)],
                catalogue(option("a", 2.0, boot_seconds=300.0)),
                [history(list(60 * scattered(5)), interval_s=60)],
            )
        )
        for cost in (0.0, 2.0)
    )
    assert held.fitted.form.window_s > 0
    assert held.fitted.unheld.window_s == 0
    shares = [[share for _, share in found.faster_boots] for found in (usual, held)]
    assert shares[1] == pytest.approx(shares[0])
