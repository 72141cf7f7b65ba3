"""Settings chosen in hindsight, beside every setting there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from optimizer.replay.case import Case
from optimizer.replay.reactive_rivals import StaticPeak
from optimizer.replay.rivals import Knobs
from optimizer.replay.tuning import Outcome, Trials, leaders, tuned, tuned_each
from tests.optimizer.test_simulate import world_with


def steady(replicas: float, later: float, target: float = 0.99) -> Case:
    """So many busy replicas in the history and later."""
    minutes = np.concatenate([np.full(10, replicas), np.full(30, later)])
    return Case(world_with(60 * minutes), 10, np.array([target]))


@dataclass(frozen=True)
class TwoKnobs(StaticPeak):
    """Cost rises along both."""

    KNOBS: ClassVar[Knobs] = {"headroom": (0.5, 0.8, 1.0, 1.2, 1.5), "more": (0.0, 0.25, 0.5, 0.75)}

    more: float = 0.0

    def __call__(self, case: Case) -> object:  # type: ignore[override]
        return StaticPeak(self.option_id, self.headroom + self.more)(case)


def test_each_case_has_its_cheapest_setting_and_all_together_one() -> None:
    trials = Trials([steady(20, 15), steady(20, 22)])
    one, each = tuned(StaticPeak(), trials), tuned_each(StaticPeak(), trials)
    assert [found.rival.headroom for found in each] == [0.8, 1.1]
    assert one.rival == StaticPeak(headroom=1.1)
    assert one.meets
    assert one.cost_usd == pytest.approx((22 / 2, 22 / 2))
    assert each[0].cost_usd == pytest.approx((16 / 2,))


def test_it_finds_what_the_whole_sweep_finds_with_fewer_replays() -> None:
    trials = Trials([steady(20, 27)])
    found = tuned(TwoKnobs(), trials)
    tried = len(trials.made)
    every = [trials.outcome(setting, [0]) for setting in TwoKnobs().sweep()]
    assert found.rank == min(outcome.rank for outcome in every)
    assert found.cost_usd[0] == pytest.approx(28 / 2, abs=0.51)
    assert tried < len(every)


def test_it_looks_beside_the_best_and_beside_cheaper_ones_that_nearly_meet() -> None:
    came_to = {(0, 0): (10, 0.5), (0, 2): (20, 0.1), (2, 0): (30, 0.2), (2, 2): (40, 0.0), (4, 4): (50, 0.0)}
    tried = {
        place: Outcome(StaticPeak(), (usd,), (0.99 - short,), (short,))
        for place, (usd, short) in came_to.items()
    }
    assert leaders(tried) == [(2, 2), (0, 2), (2, 0)]
    assert leaders({(0, 0): tried[0, 0], (0, 2): tried[0, 2]}) == [(0, 2), (0, 0)]


def test_out_of_reach_is_said_and_what_misses_least_is_taken() -> None:
    found = tuned(StaticPeak(), Trials([steady(10, 50)], seeds=(0, 1)))
    assert not found.meets
    assert found.rival.headroom == StaticPeak.KNOBS["headroom"][-1]
    assert found.attainment[0] < 0.99
    assert found.short_share[0] == pytest.approx(0.99 - found.attainment[0])


def test_without_requests_nothing_is_missed() -> None:
    found = tuned(StaticPeak(), Trials([steady(10, 0)]))
    assert found.meets
    assert found.rival.headroom == StaticPeak.KNOBS["headroom"][0]
