"""Loops of many workloads: fitted by several processes they are those of one."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from optimizer import loops
from optimizer.errors import TrimtabError
from optimizer.inputs import Inputs
from optimizer.loops import loops_of
from optimizer.minute_plan import KINDS
from optimizer.needs import Candidate, look_ahead
from tests.optimizer.worlds import catalogue, history, option, workload, world

COUNT = 16


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """Waves of every size, each with its own noise; one workload runs the dearer option, one is too young."""
    day = 30_000.0 * (1.2 + np.sin(np.arange(144) / 144 * 2 * np.pi))
    random = np.random.default_rng(0)
    names = [f"w{i:02d}" for i in range(COUNT)]
    counted = [
        history(list(np.tile(day, 4) * random.lognormal(0, 0.2, 576) * (1 + i)), name)
        for i, name in enumerate(names)
    ]
    counted[-1] = counted[-1].tail(20)
    offered = catalogue(option("a", 1.5), option("b", 1.55))
    return world([workload(name) for name in names], offered, counted, running={("w03", "b"): 5})


def candidates(inputs: Inputs) -> tuple[Candidate, ...]:
    return look_ahead(inputs, horizon=pd.Timedelta(hours=1), levels=[0.5]).candidates


@pytest.mark.parametrize("kind", KINDS)
def test_loops_are_the_same_however_many_processes_fit_them(
    kind: str, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = candidates(inputs)
    alone = loops_of(asked, inputs, kind)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with mock.patch.object(loops, "processes", wraps=loops.processes) as begun:
        together = loops_of(asked, inputs, kind, few=1)
    assert begun.call_count == 1
    assert list(together) == list(alone) == [f"w{i:02d}" for i in range(COUNT - 1)]
    assert alone["w03"].option_id == "b"
    for name, loop in alone.items():
        other = together[name]
        assert (other.rule(), other.limits, other.capacities) == (loop.rule(), loop.limits, loop.capacities)
        np.testing.assert_array_equal(other.floor(600), loop.floor(600))
        assert (other.usd_per_unit, other.most(3.0)) == (loop.usd_per_unit, loop.most(3.0))


def test_an_ended_process_is_told(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(loops, "fitted_loop", end_at_once)
    with pytest.raises(TrimtabError, match="memory") as error:
        loops_of(candidates(inputs), inputs, "terms", few=1)
    assert isinstance(error.value.__cause__, BrokenProcessPool)


def end_at_once(_task: object, *, kind: str) -> None:
    """What a system does to a process when memory runs out."""
    os._exit(len(kind))


def test_few_workloads_start_no_process(inputs: Inputs) -> None:
    with mock.patch.object(loops, "processes", side_effect=AssertionError):
        assert len(loops_of(candidates(inputs), inputs, "target")) == COUNT - 1
