"""The contract of every rival of a replay, and what each does in worlds that can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from inspect import isabstract

import numpy as np
import pytest

from optimizer.replay.case import Case
from optimizer.replay.entrants import UsualPeak
from optimizer.replay.hourly_rivals import Melange, SageServe, persistence
from optimizer.replay.hours import hourly, same_hour_before
from optimizer.replay.mix import cheapest_mix
from optimizer.replay.predictive_scaling import PredictiveScaling, forecast_hours
from optimizer.replay.reactive_rivals import Autoscaler, CarefulOperator, StaticPeak
from optimizer.replay.rivals import Rival
from optimizer.replay.spot_rivals import Hedge, SpotHedge
from optimizer.replay.wishes import firm_options
from optimizer.replay.world import NONE, World
from optimizer.simulate import Orders, Policy, Seen, simulate
from tests.optimizer.test_simulate import world_with

RIVALS = (
    StaticPeak(),
    StaticPeak(option_id="o1"),
    UsualPeak(usual=("o1", None)),
    Autoscaler(),
    Autoscaler(option_id="o1", window_s=1800),
    CarefulOperator(),
    PredictiveScaling(),
    PredictiveScaling(of="max", buffer_s=900),
    Melange(),
    SageServe(),
    SpotHedge(),
    SpotHedge(pools=2, extra_share=0.5, window_s=0),
)
OPTIONS = 10  # of both workloads: on demand o0, o1, o5, o6; spot o2-o3, o7-o8; committed o4, o9


def kinds(kind: type[Rival]) -> set[type[Rival]]:
    """Every rival of the package, and of no test."""
    found = {kind} if not isabstract(kind) and kind.__module__.startswith("optimizer.") else set()
    return found.union(*map(kinds, kind.__subclasses__()))


def test_every_rival_is_held_to_the_contract() -> None:
    assert kinds(Rival) == {type(rival) for rival in RIVALS}


@dataclass
class Listening:
    """A policy whose orders are written down minute by minute."""

    policy: Policy
    heard: list[np.ndarray]

    def orders(self, world: World, seen: Seen) -> Orders:
        given = self.policy.orders(world, seen)
        assert given.replicas.shape == given.most.shape
        assert given.replicas.shape[0] == len(world.option_id)
        assert given.needed.shape == (len(world.workloads), given.replicas.shape[1])
        assert given.replicas.dtype == given.most.dtype == np.int64
        assert (given.most >= given.replicas).all()
        assert (given.replicas >= 0).all()
        del self.heard[seen.minute :]
        self.heard.extend(np.concatenate([given.replicas, given.most, given.needed]).T)
        return given


def heard(rival: Rival, case: Case) -> np.ndarray:
    """(minute, everything ordered) of a replay."""
    listening = Listening(rival(case), [])
    simulate(case.world, listening, seed=1)
    return np.array(listening.heard)[: case.world.minutes]


def two_workloads(days: float = 1.3, begin: int = 1440 + 17) -> Case:
    """Two daily rhythms on five options each: two on demand, two spot in shared pools, one committed."""
    minutes, rng = int(days * 1440), np.random.default_rng(4)
    rhythm = 1.5 + np.sin(2 * np.pi * np.arange(minutes) / 1440)
    requests = 60 * np.stack([20 * rhythm, 5 * rhythm[::-1]]) * rng.gamma(50, 1 / 50, (2, minutes))
    requests[:, 100:110] = np.nan
    requests[0, begin + 90 : begin + 95] = np.nan
    stretched = 1.0 + 0.3 * np.sin(np.arange(minutes) / 100)
    world = world_with(
        requests,
        price_hourly=np.tile([1.0, 3.0, 0.3, 0.35, 0.5], 2),
        option_workload=np.repeat([0, 1], 5),
        capacity=np.outer(np.tile([1.0, 2.5, 1.0, 1.0, 1.0], 2), stretched),
        boot_s=np.tile([300.0, 200.0, 300.0, 300.0, 300.0], 2),
        wait_s=np.full((OPTIONS, minutes), 2.0),
        failures_per_1000h=np.full(OPTIONS, 5.0),
        is_committed=np.tile([False, False, False, False, True], 2),
        pool=np.tile([NONE, NONE, 0, 1, NONE], 2),
        pool_capacity=rng.integers(0, 25, (2, minutes // 30 + 1)).repeat(30, axis=1)[:, :minutes],
        quota_pool=np.tile([0, 1, NONE, NONE, NONE], 2),
        quota=np.array([30, 1000]),
        burstiness=np.full(2, 2.0),
    )
    return Case(world, begin, np.full(2, 0.99))


def with_another_future(case: Case, minute: int) -> Case:
    """The same until a minute of the replay; then other load, other requests and other pools."""
    world, at = case.whole, case.begin + minute
    changed = {
        name: np.concatenate([part[:, :at], 2 * part[:, at:] + 1], axis=1)
        for name, part in vars(world).items()
        if name in {"requests", "wait_s", "pool_capacity"}
    }
    capacity = np.concatenate([world.capacity[:, :at], 0.3 * world.capacity[:, at:]], axis=1)
    return replace(case, whole=replace(world, capacity=capacity, **changed))


@pytest.mark.parametrize("rival", RIVALS, ids=repr)
def test_no_rival_looks_ahead(rival: Rival) -> None:
    """Orders up to and of a minute are the same whatever that minute and those after it bring."""
    case = two_workloads()
    minute = 297  # within the time that the next hour's launches boot
    one, other = heard(rival, case), heard(rival, with_another_future(case, minute))
    np.testing.assert_array_equal(one[: minute + 1], other[: minute + 1])
    if not isinstance(rival, StaticPeak):
        assert (one[minute + 1 :] != other[minute + 1 :]).any()


@pytest.mark.parametrize("rival", RIVALS, ids=repr)
def test_a_rival_keeps_to_quotas_and_takes_no_commitment(rival: Rival) -> None:
    case = two_workloads()
    wishes = heard(rival, case)[:, :OPTIONS]
    for group, limit in enumerate(case.world.quota):
        assert wishes[:, case.world.quota_pool == group].sum(axis=1).max() <= limit
    assert not wishes[:, case.world.is_committed].any()
    assert wishes[:, case.world.option_workload == 1].any(axis=1).all()
    if not isinstance(rival, SpotHedge):
        assert not wishes[:, case.world.is_spot].any()


@pytest.mark.parametrize("rival", RIVALS, ids=repr)
def test_without_a_history_a_rival_still_decides(rival: Rival) -> None:
    case = replace(two_workloads(0.1), begin=0)
    assert heard(rival, case).shape[0] == case.world.minutes


@pytest.mark.parametrize("rival", RIVALS, ids=repr)
def test_a_sweep_turns_knobs_alone(rival: Rival) -> None:
    settings = rival.sweep()
    assert len(set(settings)) == len(settings) == np.prod([len(axis) for axis in rival.KNOBS.values()])
    assert {setting.option_id for setting in settings} == {rival.option_id}


def one_workload(busy: object, begin: int, **changes: object) -> Case:
    """A load in busy replicas of an option that serves 1 request/s; another, twice as large, costs 3 USD."""
    load = np.asarray(busy, dtype=float)
    options = {"price_hourly": np.array([1.0, 3.0]), "capacity": np.outer([1.0, 2.0], np.ones(len(load)))}
    return Case(world_with(60 * load, **(options | changes)), begin, np.array([0.99]))


def test_options_are_ranked_by_what_they_served_before_the_replay() -> None:
    """For 1 USD 1 request/s; for 3 USD at first 2 requests/s, later 8."""
    capacity = np.array([[1.0, 1, 1, 1, 1], [2.0, 2, 8, 8, 8]])
    case = one_workload(np.ones(5), 2, capacity=capacity)
    assert firm_options(case, 0).tolist() == [0, 1]
    assert firm_options(replace(case, begin=5), 0).tolist() == [1, 0]
    assert firm_options(case, 0, "o1").tolist() == [1, 0]


def test_a_static_peak_is_that_of_the_history() -> None:
    case = one_workload([3.0, 5.0, 9.0, 9.0], 2)
    assert heard(StaticPeak(), case)[:, :2].tolist() == [[6, 0], [6, 0]]
    assert heard(StaticPeak(option_id="o1"), case)[:, :2].tolist() == [[0, 3], [0, 3]]
    assert heard(StaticPeak(option_id="unknown"), case)[:, :2].tolist() == [[6, 0], [6, 0]]


def test_what_a_quota_leaves_over_goes_to_the_next_option() -> None:
    limited = {"quota_pool": np.array([0, NONE]), "quota": np.array([4])}
    case = one_workload([10.0, 10.0], 1, **limited)
    assert heard(StaticPeak(headroom=1.0), case)[:, :2].tolist() == [[4, 3]]


def test_an_autoscaler_follows_the_last_minute_and_waits_before_it_scales_in() -> None:
    case = one_workload([7.0, 14.0, 7.0, 7.0, 7.0, 0.0, 0.0], 1)
    assert heard(Autoscaler(window_s=0), case)[:, 0].tolist() == [10, 20, 10, 10, 10, 1]
    assert heard(Autoscaler(window_s=120), case)[:, 0].tolist() == [10, 20, 20, 20, 10, 10]


def test_a_careful_operator_keeps_a_floor() -> None:
    case = one_workload([2.0, 4.0, 6.0, 14.0, 1.0, 1.0], 3)
    operator = CarefulOperator(floor_q=0.5, target=0.5, window_s=0)
    assert heard(operator, case)[:, 0].tolist() == [12, 28, 8]


def test_hours_end_where_the_replay_begins() -> None:
    values = np.concatenate([np.full(10, 9.0), np.full(60, 1.0), np.arange(60.0), np.full(5, 7.0)])
    values[10] = np.nan
    assert hourly(values, 130, "max").tolist() == [1.0, 59.0, 7.0]
    assert hourly(values, 130, "mean").tolist() == [1.0, 29.5, 7.0]
    assert np.isnan(hourly(np.full(60, np.nan), 0, "max")).all()


def test_the_same_hour_of_days_before() -> None:
    load = np.arange(72.0)
    load[3] = np.nan
    found = same_hour_before(load, 2)
    assert np.isnan(found[:24]).all()
    assert found[[24, 48, 51]].tolist() == [0.0, 12.0, 27.0]


def test_predictive_scaling_forecasts_the_same_hour_times_the_drift() -> None:
    rhythm = np.where(np.arange(24) < 12, 10.0, 20.0)
    assert forecast_hours(np.tile(rhythm, 3), 14).tolist() == pytest.approx([10.0] * 12 + [20.0] * 2)
    doubled = np.concatenate([np.tile(rhythm, 3), 2 * rhythm])  # usual: 5/4 of the rhythm; the last day: 2
    np.testing.assert_allclose(forecast_hours(doubled, 2), [20.0, 20.0])
    week = np.tile(np.concatenate([np.full(24, 5.0), np.full(144, 10.0)]), 2)
    np.testing.assert_allclose(forecast_hours(week, 1), [5.0])
    assert forecast_hours(np.zeros(0), 2).tolist() == [0.0, 0.0]


def test_predictive_scaling_launches_before_the_hour() -> None:
    """Yesterday's third hour brought 8; it is ready for it today, ten minutes ahead."""
    busy = np.ones(2 * 1440)
    busy[120:180] = busy[1440 + 120 : 1440 + 180] = 8.0
    found = heard(PredictiveScaling(target=0.5, buffer_s=600), one_workload(busy, 1440))[:, 0]
    assert found[[0, 109, 110, 179, 186]].tolist() == [2, 2, 16, 16, 2]


def test_the_cheapest_mix_is_that_of_every_mix_there_is() -> None:
    world = world_with(
        np.ones((1, 3)),
        price_hourly=np.array([1.0, 1.9, 4.4]),
        capacity=np.outer([1.0, 2.0, 5.0], np.ones(3)),
        quota_pool=np.array([NONE, 0, NONE]),
        quota=np.array([1]),
    )
    counts = np.stack(np.meshgrid(*[range(12)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    counts = counts[counts[:, 1] <= 1]
    for need in (0.0, 0.5, 1.0, 3.7, 7.2, 11.0):
        found = cheapest_mix(world, np.arange(3), np.array([1.0, 2.0, 5.0]), np.array([need]))
        enough = counts[counts @ [1.0, 2.0, 5.0] >= need]
        assert found @ [1.0, 2.0, 5.0] >= need - 1e-9
        assert found @ world.price_hourly == pytest.approx((enough @ world.price_hourly).min())


def test_melange_keeps_the_mix_of_an_hour_until_the_next_has_booted() -> None:
    busy = np.repeat([2.0, 2.0, 6.0, 2.0], 60)
    found = heard(Melange(headroom=1.0), one_workload(busy, 60))[:, :2] @ [1, 2]
    assert found[:115].tolist() == [2] * 115
    assert found[115:].tolist() == [6] * 65  # the last hour's mix is known five minutes before it


def test_melange_remembers_the_hour_of_yesterday() -> None:
    busy = np.ones(2 * 1440)
    busy[120:180] = 8.0
    found = heard(Melange(headroom=1.0), one_workload(busy, 1440))[:, :2] @ [1, 2]
    assert found[[0, 114, 115, 179, 180, 1400]].tolist() == [1, 1, 8, 8, 1, 1]


def test_sageserve_adds_what_the_last_minute_asks_for() -> None:
    busy = np.ones(120)
    busy[90:] = 5.0
    found = heard(SageServe(headroom=1.0, target=0.5, window_s=0), one_workload(busy, 60))[:, 0]
    assert found.tolist() == [2] * 31 + [10] * 29


def test_a_deviation_lasts_as_it_did() -> None:
    assert persistence(np.array([8.0, 4.0, 2.0, np.nan, 4.0, 2.0])) == pytest.approx(0.5)
    assert persistence(np.array([1.0])) == 1.0


def spot_case(pool_capacity: object, **changes: object) -> Case:
    """Ten busy replicas on demand or in two pools."""
    granted = np.asarray(pool_capacity)
    options = {
        "price_hourly": np.array([1.0, 0.3, 0.4]),
        "capacity": np.ones((3, granted.shape[1])),
        "boot_s": np.full(3, 120.0),
        "pool": np.array([NONE, 0, 1]),
        "pool_capacity": granted,
        "wait_s": np.full((3, granted.shape[1]), 2.0),
    }
    return Case(world_with(np.full(granted.shape[1], 300.0), **(options | changes)), 1, np.array([0.99]))


def test_spothedge_spreads_and_ends_on_demand_when_spot_is_ready() -> None:
    found = heard(SpotHedge(target=0.5, extra_share=0.2), spot_case(np.full((2, 6), 50)))
    assert found[0, :3].tolist() == [10, 6, 6]  # 5 busy at 50 %: all of it on demand until spot is ready
    assert found[1:, :3].tolist() == [[0, 6, 6]] * 4


def test_spothedge_leaves_a_pool_that_reclaims_and_falls_back_on_demand() -> None:
    granted = np.full((3, 10), 50)
    granted[0, 4:] = 0
    three = {
        "price_hourly": np.array([1.0, 0.3, 0.4, 0.4]),
        "capacity": np.ones((4, 10)),
        "boot_s": np.full(4, 120.0),
        "pool": np.array([NONE, 0, 1, 2]),
        "wait_s": np.full((4, 10), 2.0),
    }
    found = heard(SpotHedge(target=0.5, extra_share=0.2), spot_case(granted, **three))
    assert found[3, :4].tolist() == [0, 4, 4, 4]
    assert found[4, :4].tolist() == [4, 0, 6, 6]  # what was lost, until its place is taken
    assert found[6:8, :4].tolist() == [[4, 0, 6, 6], [0, 0, 6, 6]]


def test_an_hour_that_nobody_counted_is_as_the_one_before() -> None:
    busy = np.full(240, 3.0)
    busy[60:180] = np.nan
    assert (heard(Melange(headroom=1.0), one_workload(busy, 60))[:, :2] @ [1, 2] == 3).all()


def test_a_pool_whose_launch_is_ready_gets_new_replicas_again() -> None:
    hedge, none = Hedge(np.array([0]), np.array([1, 2, 3])), np.zeros(4, dtype=np.int64)
    hedge.wishes = np.array([4, 4, 4])
    hedge.look(Seen(5, np.array([0, 0, 4, 4]), np.array([0, 1, 4, 4]), np.array([0, 3, 0, 0]), none))
    assert (hedge.is_active.tolist(), hedge.wishes.tolist()) == ([False, True, True], [1, 4, 4])
    hedge.look(Seen(6, np.array([0, 0, 4, 4]), np.array([0, 1, 4, 4]), none, none))
    assert hedge.is_active.tolist() == [False, True, True]
    hedge.look(Seen(7, np.array([0, 1, 4, 4]), np.array([0, 1, 4, 4]), none, none))
    assert hedge.is_active.tolist() == [True, True, True]


def test_spothedge_takes_no_pool_that_is_dearer_than_on_demand() -> None:
    dear = {"price_hourly": np.array([1.0, 1.3, 0.4])}
    found = heard(SpotHedge(target=0.5, extra_share=0.2), spot_case(np.full((2, 6), 50), **dear))
    assert found[1:, :3].tolist() == [[0, 0, 12]] * 4
