"""Which form a series gets and by which factor; the rough replay beside the exact one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.calibration import (
    HALVINGS,
    MARGIN,
    MOST,
    WORTH_ANOTHER_YOUNG,
    Fitted,
    Service,
    few,
    fit,
    margin,
    play,
    preferred,
    rough_replay,
    smallest_factor,
    trusted,
)
from optimizer.forms import FORMS, past_of
from optimizer.reactive import LAST
from optimizer.schedule import DAY
from optimizer.simulate import simulate
from tests.optimizer.test_simulate import Path, world_with

ALL = slice(None)


def service(minutes: int, **changes: object) -> Service:
    """A replica that serves 10 requests/s for 2 USD an hour and takes five minutes to boot."""
    base = Service(np.full(minutes, 10.0), 2.0, 5, 2.0, 30.0, 1.0, 0.999)
    return replace(base, **changes)  # type: ignore[arg-type]


def ramps(days: int, seed: int = 0) -> np.ndarray:
    """Levels without a bound that hold for three hours, and half an hour of ramp between them."""
    levels = np.random.default_rng(seed).lognormal(4.8, 0.6, days * 8)
    begins = np.arange(len(levels)) * 180.0
    corners = np.stack([begins, begins + 150], axis=1).ravel()
    return np.asarray(np.interp(np.arange(days * DAY), corners, np.repeat(levels, 2)))


def jumps(days: int, seed: int = 0) -> np.ndarray:
    """Levels between bounds that change at once."""
    return np.repeat(np.random.default_rng(seed).uniform(80, 300, days * 12), 120)


def scattered(days: int, seed: int = 0) -> np.ndarray:
    """Minutes that scatter widely around a daily wave."""
    level = 100 + 40 * np.sin(np.arange(days * DAY) / DAY * 2 * np.pi)
    return np.asarray(np.maximum(0, np.random.default_rng(seed).normal(level, 3 * np.sqrt(level))))


def test_the_rough_replay_agrees_with_the_exact_one() -> None:
    rng = np.random.default_rng(2)
    load = 200 * (1 + 0.3 * np.sin(np.arange(2000) / 150)) * rng.normal(1, 0.03, 2000)
    for share in (1.02, 1.06, 1.15, 1.4):
        wished = np.ceil(load * share / 10.0).astype(int)
        late = np.zeros(len(load))
        mean = play(load, np.full(len(load), 10.0), wished * 10.0, 5, (2.0, 30.0, 1.0, 0.0), late)
        capacity = {"capacity": np.full((1, len(load)), 10.0)}
        exact = simulate(world_with(load * 60, burstiness=np.array([1.0]), **capacity), Path(wished))
        assert mean == pytest.approx(exact.paid.mean())
        assert 1 - late.sum() / (60 * load.sum()) == pytest.approx(exact.attainment(), abs=0.03)


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_failures_count_as_often_as_they_happen(replicas: int) -> None:
    """One failure in 20 hours of a replica: rough and exact replays agree on what comes late of it."""
    load = np.full(20 * DAY, 8.5 * replicas)
    share = 50 * 6 / (1000 * 60)  # a boot and a minute
    failing = rough_replay(
        load, np.full(len(load), 10.0 * replicas), service(len(load), lost_share=share), ALL
    )
    capacity = {"capacity": np.full((1, len(load)), 10.0), "burstiness": np.array([1.0])}
    whole = world_with(load * 60, failures_per_1000h=np.array([50.0]), **capacity)
    wished = Path(np.full(len(load), replicas))
    exact = np.mean([1 - simulate(whole, wished, seed=seed).attainment() for seed in range(2)])
    assert failing.late_share == pytest.approx(exact, rel=0.3)


def test_small_fleets_that_fail_often_get_a_spare_replica_and_calm_ones_none() -> None:
    load = np.full(6 * DAY, 17.0)
    past = past_of(load, 5)

    def at_night(**changes: object) -> tuple[float, float]:
        found = fit(load, service(len(load), burstiness=0.0, **changes))
        return float(np.ceil(past.needed(found.form)[-1] * found.factor / 10.0)), found.attainment

    assert at_night()[0] == 2.0
    assert at_night(lost_share=8e-5)[0] == 2.0  # once in 1,000 hours
    spare, kept = at_night(lost_share=1.7e-3)  # once in 50
    assert spare == 3.0
    assert kept >= 0.999


def test_every_kind_of_traffic_gets_its_form() -> None:
    chosen = [fit(kind(6), service(6 * DAY)).form.name for kind in (ramps, jumps, scattered)]
    assert chosen == ["ramp", "step", "noisy"]


@pytest.mark.parametrize("load", [ramps(6), scattered(6)], ids=["ramps", "scatter"])
def test_the_factor_keeps_the_objective_on_the_history_and_no_smaller_one_does(load: np.ndarray) -> None:
    asked = service(len(load))
    found = fit(load, asked)
    assert found.attainment >= asked.target
    span = slice(DAY, len(load))
    needed = past_of(load, 5).needed(found.form)[span]
    least = smallest_factor(load[span], needed, asked, span)
    assert found.factor >= least
    late = np.zeros(len(needed))
    play(load[span], asked.capacity[span], needed * (least - 0.05), 5, (2.0, 30.0, 1.0, 0.0), late)
    assert 1 - late.sum() / (60 * load[span].sum()) < asked.target


def test_giving_up_early_finds_the_factor_that_whole_replays_find() -> None:
    load = scattered(3)
    asked, span = service(len(load)), slice(DAY, len(load))
    load, needed = load[span], past_of(load, 5).needed(FORMS[0])[span]
    shares = {
        k: rough_replay(load, needed * k, asked, span).late_share
        for k in np.linspace(0, MOST, 2**HALVINGS + 1)
    }
    first = min(k for k, share in shares.items() if share <= 1 - asked.target)
    assert smallest_factor(load, needed, asked, span) == first
    assert rough_replay(load, needed * (first / 2), asked, span, at_most=0.001).late_share == 1.0
    whole = rough_replay(load, needed * first, asked, span, at_most=0.001)
    assert whole.late_share == shares[first]


def test_a_stricter_objective_never_costs_less() -> None:
    load = scattered(5)
    costs = [fit(load, service(len(load), target=t)).usd_per_hour for t in (0.99, 0.995, 0.999, 0.9995)]
    assert costs == sorted(costs)


def test_a_history_that_tells_nothing_gets_forms_as_they_are() -> None:
    for load in (np.full(120, 55.0), np.full(5 * DAY, np.nan), np.zeros(5 * DAY)):
        found = fit(load, service(len(load)))
        assert (found.form, found.factor) == (FORMS[0], 1.0 + MARGIN)
        assert np.isnan(found.attainment)
        assert found.usd_per_hour == pytest.approx(7 * 2.0 if np.nansum(load) > 0 else np.nan, nan_ok=True)


def test_a_factor_below_1_is_trusted_the_more_the_longer_the_history_and_the_more_hours_say_so() -> None:
    often, once = np.ones(30 * DAY), np.zeros(30 * DAY)
    once[500] = 9.0
    assert trusted(1.2, often, 3) == 1.2
    assert trusted(0.8, once, 2) > trusted(0.8, often, 2) > trusted(0.8, often, 28) > 0.8
    assert trusted(0.8, once, 28) > 0.93
    assert trusted(0.8, often, 28) == pytest.approx(0.82, abs=0.003)
    assert trusted(0.95, once, 2) > trusted(0.95, once, 20) > 0.95
    assert trusted(0.1, np.zeros(DAY), 1000) > 0.89  # calm all the time


def test_a_form_that_hardly_saves_is_left_for_those_before_it() -> None:
    def costing(usd: float) -> Fitted:
        return Fitted(FORMS[0], 1.0, usd, 1.0, 5)

    assert [preferred([costing(usd) for usd in costs]).usd_per_hour for costs in (
        (10.0, 9.95, 9.92), (10.0, 9.95, 9.85), (9.0, 10.0, 8.95), (10.0, 9.85, 9.8), (10.0, 9.8, 9.6))
    ] == [10.0, 9.85, 9.0, 9.85, 9.6]  # fmt: skip


def test_half_a_day_says_which_form_and_factor_but_neither_pools_nor_faster_boots() -> None:
    load = scattered(1)
    found = fit(load, service(len(load)))
    assert (found.form.name, found.days) == ("noisy", 0.5)
    assert found.attainment >= 0.999
    assert not found.is_settled
    assert fit(scattered(3), service(3 * DAY)).is_settled


def test_in_half_a_day_a_form_must_save_more_to_be_taken_before_others() -> None:
    forms = [Fitted(form, 1.0, usd, 1.0, 0.5) for form, usd in zip(FORMS, (10.0, 9.5, 8.5), strict=False)]
    assert preferred(forms[:2]).form == FORMS[1]
    assert preferred(forms[:2], WORTH_ANOTHER_YOUNG).form == FORMS[0]
    assert preferred(forms, WORTH_ANOTHER_YOUNG).form == FORMS[2]


def test_the_margin_is_that_of_few_episodes_and_few_days() -> None:
    one, many = np.zeros(30 * DAY), np.ones(30 * DAY)
    one[500] = 9.0
    assert margin(one, 5) == pytest.approx(MARGIN)
    assert margin(many, 30) < 0.2 * MARGIN
    assert margin(np.zeros(DAY), 1) == pytest.approx(MARGIN)
    assert (few(3, 6), few(24, 6)) == (1.0, 0.5)


def test_gaps_in_the_history_are_not_judged() -> None:
    load = ramps(5)
    load[2 * DAY : 2 * DAY + 300] = np.nan
    assert fit(load, service(len(load))).attainment >= 0.999


def test_weights_of_a_plain_autoscaler_are_its_target() -> None:
    from optimizer.forms import TARGETS

    hours = past_of(ramps(2), 5).hours
    for form in TARGETS:
        assert list(form.weights(hours)) == [LAST]
