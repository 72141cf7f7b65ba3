"""Who takes part in a backtest, and which hardware a team is taken to be used to."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.replay.case import Case
from optimizer.replay.entrants import (
    CLAIRVOYANT,
    NAMES,
    SPOT,
    UsualPeak,
    entrants,
    usual_of,
    without_levers,
)
from optimizer.replay.levers import LEVERS
from optimizer.replay.reactive_rivals import StaticPeak
from tests.optimizer import worlds
from tests.optimizer.test_simulate import world_with

CHEAP_FIRST = world_with(np.ones(10), price_hourly=np.array([1.0, 2.0, 3.0, 0.5]))
CASE = Case(CHEAP_FIRST, 5, np.array([0.99]))


def options(*accelerators: str | None, more: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """o0, o1, ... on demand, and further ones that the workload may not use."""
    names = [
        *((f"o{i}", each) for i, each in enumerate(accelerators)),
        *((f"x{i}", e) for i, e in enumerate(more)),
    ]
    return [worlds.option(name, accelerator=each, instance_type=f"type-{name}") for name, each in names]


@pytest.mark.parametrize(
    ("accelerators", "more", "running", "usual"),
    [
        (("L4", "H100", "H100", "A10G"), (), {}, "o1"),
        (("L4", "H100", "A10G", "T4"), ("A10G", "A10G"), {}, "o2"),  # common, though not for this workload
        (("L4", "H100", "A10G", "RTX 4090"), ("RTX 4090", "RTX4090"), {}, "o3-is-none"),
        (("L4", "H100", "H100", "A10G"), (), {("w0", "o2"): 1, ("w0", "o0"): 5}, "o0"),
        (("L4", "H100", "H100", "A10G"), ("A10G",), {("w0", "x0"): 1}, "o3"),  # the same chip elsewhere
        (("L4", "H100", "H100", "A10G"), (), {("other", "o3"): 9}, "o1"),
        ((None, None, None, None), (), {}, "o3"),  # none is more common: the cheapest
    ],
)
def test_the_usual_hardware(
    accelerators: tuple[str | None, ...],
    more: tuple[str, ...],
    running: dict[tuple[str, str], int],
    usual: str,
) -> None:
    found = usual_of(CASE, worlds.catalogue(*options(*accelerators, more=more)), worlds.fleet(running))
    assert found.option_id == (usual if usual != "o3-is-none" else "o0")
    assert found.why == ("runs now" if running and ("other", "o3") not in running else
                         "the most common hardware on offer on demand")  # fmt: skip


def test_consumer_cards_alone_leave_the_cheapest() -> None:
    cards = worlds.catalogue(*options("GeForce RTX 3090", "RTX4090", "GTX 1080", "RTX 5090"))
    assert usual_of(CASE, cards, worlds.fleet()).option_id is None


def test_everyone_named_and_trimtab_at_other_targets() -> None:
    names = [each.name for each in entrants(NAMES, (None,), has_spot=True)]
    assert names[: len(NAMES) + 1] == [CLAIRVOYANT, *NAMES]
    assert names[len(NAMES) + 1 :] == [
        "trimtab-at-99",
        "trimtab-at-99.5",
        "trimtab-at-99.9",
        "trimtab-at-99.95",
    ]
    assert [e.name for e in entrants(["autoscaler"], (None,), has_spot=True)] == [CLAIRVOYANT, "autoscaler"]
    assert SPOT not in [e.name for e in entrants(NAMES, (None,), has_spot=False)]
    makers = [repr(each.maker) for each in entrants(NAMES, ("o1",), has_spot=True)[: len(NAMES) + 1]]
    assert len(set(makers)) == len(makers)  # a fingerprint tells them apart
    assert not any(" at 0x" in text for text in makers)


def test_each_workload_has_its_usual_hardware() -> None:
    prices = np.array([1.0, 2.0, 1.0, 2.0])
    two = world_with(np.ones((2, 10)), price_hourly=prices, option_workload=np.array([0, 0, 1, 1]))
    case = Case(two, 5, np.array([0.99, 0.99]))
    peak = UsualPeak(usual=("o1", "o3"))
    assert [peak.need(case, w).options.tolist() for w in (0, 1)] == [[1, 0], [3, 2]]
    assert peak.need(case, 1).replicas == pytest.approx(StaticPeak("o3").need(case, 1).replicas)
    wide = Case(CHEAP_FIRST, 5, np.array([0.99]))
    assert UsualPeak(usual=("o1",)).need(wide, 0).options[0] == 1
    assert UsualPeak(usual=(None,)).need(wide, 0).options[0] == 3


def test_levers_are_told_apart_and_share_a_goal() -> None:
    made = without_levers(("o1",), (0.99,))
    assert [each.name for each in made] == [f"trimtab-without-{lever}" for lever in LEVERS]
    assert {each.goal for each in made} == {(0.99,)}
    assert len({repr(each.maker) for each in made}) == len(made)
