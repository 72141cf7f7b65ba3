"""The policy without one of its levers, and how it is scaled to keep a share in time."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.control import choose
from optimizer.forms import FORMS
from optimizer.replay.case import Case
from optimizer.replay.levers import LEVERS, MOST_SCALE, WHOLE, Without, rescaled
from optimizer.replay.ours import minute_loop
from optimizer.replay.tuning import in_time
from optimizer.simulate import simulate
from tests.optimizer.test_calibration import ramps
from tests.optimizer.test_simulate import Path, world_with

DAYS, DAY = 4, 1440


def case(**changes: object) -> Case:
    """Load in ramps on two options, the second dearer; the last day is played."""
    prices = {"price_hourly": np.array([1.0, 1.3]), "boot_s": np.full(2, 180.0), **changes}
    return Case(world_with(60 * ramps(DAYS), **prices), (DAYS - 1) * DAY, np.array([0.99]))


@pytest.fixture(scope="module")
def whole() -> Case:
    return case()


def needed(case: Case, lever: str) -> np.ndarray:
    return Without(lever, ("o1",))(case).whole.needed[0]


def test_nothing_taken_away_is_the_policy_itself(whole: Case) -> None:
    np.testing.assert_array_equal(needed(whole, WHOLE), minute_loop(whole).whole.needed[0])


@pytest.mark.parametrize("lever", [lever for lever in LEVERS if lever != WHOLE])
def test_every_lever_changes_what_is_ordered_unless_the_policy_does_without(whole: Case, lever: str) -> None:
    chosen = choose(whole.whole, 0, whole.begin, 0.99, FORMS).fitted
    orders = Without(lever, ("o1",))(whole).whole
    same = np.array_equal(orders.needed[0], needed(whole, WHOLE)) and bool((orders.most[0] > 0).all())
    assert same == (lever == f"form-{chosen.form.name.removesuffix(', quick boot')}")


def test_what_is_left_is_what_the_lever_says(whole: Case) -> None:
    chosen = choose(whole.whole, 0, whole.begin, 0.99, FORMS).fitted
    assert needed(whole, "factor") == pytest.approx(needed(whole, WHOLE) / chosen.factor)
    bare = needed(whole, WHOLE) / needed(whole, "margin")
    assert bare == pytest.approx(np.full(DAY, bare[0]))
    assert 1.0 < bare[0] < 1.1 + 1e-9  # the margin is a tenth at most
    held = needed(whole, "at-once")
    peak = int(held[: DAY - 15].argmax())
    assert held[peak + 1 : peak + 15].min() >= held[peak] * (1 - 1e-9)
    assert held[peak + 16] < held[peak]
    usual = Without("option", ("o1",))(whole).whole
    assert (usual.most[0].max(), usual.most[1].min() > 0) == (0, True)  # the cheaper one is never used
    nothing_usual = Without("option", (None,))(whole).whole
    np.testing.assert_array_equal(nothing_usual.needed[0], needed(whole, WHOLE))


def test_beside_a_standby_pool_the_margin_is_that_of_the_pool() -> None:
    offer = {"standby_price_hourly": np.full(2, 0.01), "standby_boot_s": np.full(2, 60.0)}
    pooled = case(boot_s=np.full(2, 300.0), **offer)
    orders = Without("margin")(pooled).whole
    assert orders.standby is not None
    assert orders.standby[0].min() > 0
    bare = needed(pooled, WHOLE) / orders.needed[0]
    assert bare == pytest.approx(np.full(DAY, bare[0]))
    assert 1.0 < bare[0] < 1.1 + 1e-9


def test_without_history_the_margin_is_all_there_is_to_take() -> None:
    new = Case(world_with(np.full(DAY, 600.0)), 0, np.array([0.99]))
    assert needed(new, WHOLE) == pytest.approx(1.1 * needed(new, "margin"))


def test_a_policy_is_scaled_to_the_least_that_keeps_a_share() -> None:
    """Two workloads that need 10 and 20 replicas all the time; the loop wants 15 and 10."""
    world = world_with([[600.0] * 60, [1200.0] * 60])
    needs = np.array([[15.0] * 60, [10.0] * 60])
    none = np.zeros((2, 60), dtype=int)
    loop = Path(none, none + 1000, needs)
    scales, played = rescaled(world, loop, np.array([1.0, 1.0]), seed=0)
    assert scales == pytest.approx([9 / 15, 19 / 10], rel=0.05)  # rounded up, 9.x are 10 replicas
    assert in_time(played) == [1.0, 1.0]
    assert played.cost_usd == pytest.approx(30.0)


def test_a_share_out_of_reach_has_no_scale() -> None:
    world = world_with([[600.0] * 60], boot_s=np.array([0.0]))
    loop = Path(np.zeros((1, 60), dtype=int), np.full((1, 60), 9), np.full((1, 60), 5.0))
    scales, played = rescaled(world, loop, np.array([0.99]), seed=0)
    assert np.isnan(scales).all()
    assert in_time(played)[0] < 0.99
    assert simulate(world, loop).cost_usd < 9 * MOST_SCALE
