"""What is kept of a replay: its numbers, the same over time, and what its fingerprint depends on."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import numpy as np
import pytest

from optimizer.backtest_runs import STRIP_POINTS, counted, each, play, read, task_of, write
from optimizer.replay.case import Case
from optimizer.replay.entrants import Entrant, Ours
from optimizer.simulate import simulate
from tests.optimizer.test_simulate import Path, world_with


def test_a_replay_in_which_nobody_is_served_is_wholly_late() -> None:
    played = counted(simulate(world_with(np.full(120, 30.1)), Path(np.zeros(120, dtype=int))))
    assert (played.cost_usd, played.worst_hour) == (0.0, 0.0)
    assert played.late == pytest.approx(played.requests)
    assert played.late <= played.requests  # sums round: no share is below 0
    assert played.strip.late_share == pytest.approx([1.0] * 120)


def test_a_strip_holds_the_highest_demand_and_the_least_capacity_of_its_steps() -> None:
    minutes = 2 * STRIP_POINTS + 1  # three a step
    load, wished = np.full(minutes, 30.0), np.full(minutes, 2)
    load[4], load[9:12], wished[7] = 90.0, np.nan, 1
    strip = counted(simulate(world_with(load, boot_s=np.zeros(1)), Path(wished))).strip
    assert strip.minutes == 3
    assert len(strip.demand) == len(strip.capacity) == len(strip.late_share) == -(-minutes // 3)
    assert strip.demand[:5] == [0.5, 1.5, 0.5, None, 0.5]
    assert strip.capacity[:4] == [2.0, 2.0, 1.0, 2.0]


def test_what_is_kept_is_read_as_it_was(tmp_path: pathlib.Path) -> None:
    load = np.full(120, 30.0)
    load[3] = np.nan
    played = each(simulate(world_with(load), Path(np.ones(120, dtype=int))))
    write(tmp_path / "one.json", played)
    assert read(tmp_path / "one.json") == played
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cost_usd": 1}', '{"strip": 3}', "\x00", "null", '{"workloads": [{}]}']
)
def test_what_cannot_be_read_counts_as_not_kept(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "one.json").write_text(text, encoding="utf-8")
    assert read(tmp_path / "one.json") is None
    assert read(tmp_path / "none.json") is None


def test_a_fingerprint_knows_everything_that_a_replay_depends_on() -> None:
    world = world_with(np.full(20, 30.0))
    case, ours = Case(world, 10, np.array([0.99])), Entrant("trimtab", Ours())
    key = task_of(case, ours, 0).key
    assert task_of(Case(world_with(np.full(20, 30.0)), 10, np.array([0.99])), ours, 0).key == key
    later = np.full(20, 30.0)
    later[-1] = 31.0
    others = [
        task_of(case, ours, 1),
        task_of(case, Entrant("trimtab-target", Ours(is_for_target=True)), 0),
        task_of(case, Entrant("trimtab-at-99.9", Ours(), 0.999), 0),
        task_of(case, Entrant("trimtab", Ours(), goal=(0.99,)), 0),
        task_of(replace(case, begin=11), ours, 0),
        task_of(replace(case, whole=world_with(later)), ours, 0),
        task_of(replace(case, whole=replace(world, price_hourly=np.array([1.01]))), ours, 0),
        task_of(replace(case, whole=replace(world, boot_s=np.array([301.0]))), ours, 0),
    ]
    assert len({key, *(task.key for task in others)}) == 1 + len(others)
    assert task_of(case, Entrant("trimtab-at-99", Ours(), 0.99), 0).key == key  # the same replay, other name


def test_workloads_of_one_replay_are_counted_each_by_itself() -> None:
    """One serves 30 requests a minute on one replica, the other 120 on one of two that it needs."""
    world = world_with([[30.0] * 60, [120.0] * 60], price_hourly=np.array([1.0, 5.0]))
    played = simulate(world, Path(np.ones((2, 60), dtype=int)))
    first, second = each(played)
    assert (first.cost_usd, second.cost_usd) == (pytest.approx(1.0), pytest.approx(5.0))
    assert first.cost_usd + second.cost_usd == pytest.approx(played.cost_usd)
    assert (first.requests, second.requests) == (1800.0, 7200.0)
    assert (first.late, first.worst_hour) == (0.0, 1.0)
    assert second.late > 3000.0
    assert second.worst_hour == pytest.approx(1.0 - second.late / second.requests)
    assert first.strip.demand[0] == 0.5
    assert second.strip.demand[0] == 2.0
    assert first.strip.capacity == second.strip.capacity == [1.0] * 60


def test_a_goal_adds_a_scale_and_its_cost() -> None:
    world = world_with(np.full(2880, 6000.0), boot_s=np.zeros(1))
    case = Case(world, 1440, np.array([0.99]))
    (plain,) = play(task_of(case, Entrant("trimtab", Ours()), 0))
    (found,) = play(task_of(case, Entrant("trimtab", Ours(), goal=(0.99,)), 0))
    assert (plain.scale, plain.cost_at_goal_usd) == (None, None)
    assert replace(found, scale=None, cost_at_goal_usd=None) == plain
    assert found.scale is not None
    assert found.cost_at_goal_usd is not None
    assert found.scale < 1.0
    assert found.cost_at_goal_usd == pytest.approx(24 * 100, rel=0.02)  # what is needed, and no more
