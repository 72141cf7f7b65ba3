"""Needs: the quantile asked for, a boot time ahead, room for bursts, work done by its deadline."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import InfeasibleError
from optimizer.inputs import Inputs
from optimizer.known import Beforehand, known_of
from optimizer.needs import Candidate, Outlook, look_ahead, needed, needs, tokens_of, with_queueing, work_rate
from tests.optimizer.worlds import AS_OF, batch, catalogue, history, option, steady, workload, world

HOUR = pd.Timedelta(hours=1)
LEVELS = [0.1, 0.5, 0.99]


def candidate_of(boot_s: float = 0.0, **changes: object) -> Candidate:
    pairs = catalogue(option("a", boot_seconds=boot_s)).assign(capacity=10.0, service_s=0.02)
    return Candidate(workload(**changes), pairs, pairs.iloc[0], None, history([1.0]))


def rising(slots: int = 12) -> Outlook:
    """Every slot one request/s more; another workload's slots stand between."""
    ds = pd.Series([AS_OF + timedelta(minutes=10 * k) for k in range(slots)], dtype="datetime64[us, UTC]")
    rate = np.arange(1.0, slots + 1)
    own = pd.DataFrame({"unique_id": "web", "ds": ds, "q0.5": rate, "q0.99": 10 * rate, "slot_s": 600.0})
    other = own.assign(unique_id="api", **{"q0.5": 1e6, "q0.99": 1e6})
    return Outlook((), {}, pd.concat([own, other]).sort_values("ds", ignore_index=True))


def starts(count: int = 2, step: pd.Timedelta = HOUR / 6) -> pd.DatetimeIndex:
    return pd.date_range(AS_OF, periods=count, freq=step, unit="us")


def told(inputs: Inputs) -> Beforehand:
    return Beforehand(known_of(inputs.workloads, inputs.as_of))


def test_the_quantile_asked_for_is_the_one_covered() -> None:
    c, step = candidate_of(), HOUR / 6
    for level, factor in ((0.5, 1.0), (0.99, 10.0)):
        assert needed(c, rising(), starts(), step, level).tolist() == pytest.approx([factor, 2 * factor])


@pytest.mark.parametrize(("boot_s", "expected"), [(0, 1.0), (1, 2.0), (600, 2.0), (601, 3.0), (99_999, 12.0)])
def test_what_starts_now_must_serve_what_comes_while_it_boots(boot_s: float, expected: float) -> None:
    assert needed(candidate_of(boot_s), rising(), starts(1), HOUR / 6, 0.5)[0] == pytest.approx(expected)


def test_room_for_bursts_is_for_those_who_wait() -> None:
    load = np.array([0.0, 5.0, 50.0])
    slo = {"latency_ms": 500, "target": 0.999}
    waits = candidate_of(burstiness=4.0, slo=slo)
    assert with_queueing(waits, load)[0] == 0.0
    assert (with_queueing(waits, load)[1:] > load[1:]).all()
    later = batch(work_units=1.0, deadline=AS_OF + timedelta(hours=1), slo=slo, burstiness=4.0)
    done = Candidate(later, waits.pairs, waits.reference, None, None)
    assert with_queueing(done, load).tolist() == load.tolist()


def test_a_slower_service_leaves_less_time_to_queue() -> None:
    slo = {"latency_ms": 100, "target": 0.999}
    quick, slow = (
        Candidate(workload(slo=slo, burstiness=2.0), c.pairs, c.reference.copy(), None, None)
        for c in (candidate_of(), candidate_of())
    )
    slow.reference["service_s"] = 0.0999
    room = [with_queueing(c, np.array([10.0]))[0] for c in (quick, slow)]
    assert 10.0 < room[0] < room[1] < np.inf


@settings(max_examples=60, deadline=None)
@given(hours=st.integers(1, 48), units=st.floats(1, 1e6), longer=st.integers(0, 12))
def test_work_is_done_by_a_deadline_on_the_grid(hours: int, units: float, longer: int) -> None:
    w = batch(work_units=units, deadline=AS_OF + timedelta(hours=hours))
    rate = work_rate(w, starts(hours + longer, HOUR))
    assert (rate * 3600.0).sum() == pytest.approx(units)
    assert (rate[hours:] == 0).all()


@settings(max_examples=60, deadline=None)
@given(minutes=st.integers(1, 3000), units=st.floats(1, 1e6))
def test_work_is_never_late_whatever_the_deadline(minutes: int, units: float) -> None:
    deadline = AS_OF + timedelta(minutes=minutes)
    rate = work_rate(batch(work_units=units, deadline=deadline), starts(60, HOUR))
    left = [max(0.0, min(3600.0, minutes * 60 - 3600.0 * k)) for k in range(60)]
    assert (rate * left).sum() == pytest.approx(units)


def test_reasons_for_leaving_a_workload_as_it_is() -> None:
    stale = history([600.0] * 9, "stale", end=AS_OF - timedelta(days=29))
    unknown = history([np.nan] * 9, "unknown")
    blind = steady(1.0, "blind").assign(is_gap=True)
    late = batch("late", work_units=10.0, deadline=AS_OF)
    names = [workload(n) for n in ("stale", "unknown", "blind", "never")]
    kept = workload("kept", do_not_touch=True, excluded=["*"])  # would be infeasible if it were planned
    inputs = world([*names, late, kept], catalogue(option("a")), [stale, unknown, blind, steady(1.0, "kept")])
    outlook = look_ahead(inputs, horizon=HOUR, levels=LEVELS)
    assert outlook.candidates == ()
    assert set(outlook.held) == {"stale", "unknown", "blind", "never", "late", "kept"}
    assert "do_not_touch" in outlook.held["kept"]
    assert "deadline has passed" in outlook.held["late"]
    assert all("no demand seen" in outlook.held[n] for n in ("stale", "unknown", "blind", "never"))


def test_a_launch_is_planned_for_from_what_is_expected() -> None:
    new = workload("new", launch={"requests_per_s": 20.0, "like": "web"})
    inputs = world([workload(), new], catalogue(option("a")), [steady(5.0)])
    outlook = look_ahead(inputs, horizon=HOUR, levels=LEVELS, beforehand=told(inputs))
    assert outlook.held == {}
    by_name = {need.workload.name: need.demand for need in needs(outlook, starts(1), HOUR, level=0.5)}
    assert by_name["web"].tolist() == pytest.approx([5.0])
    assert by_name["new"].tolist() == pytest.approx([20.0])  # a steady day, as that of its like
    models = outlook.forecasts.groupby("unique_id")["model"].first()
    assert models["new"] == "expected"


def test_a_launch_counts_tokens_like_its_like() -> None:
    slo = {"ttft_s": 2.0, "tpot_ms": 60.0, "target": 0.5}
    old = workload("old", slo=slo)
    new = workload("new", slo=slo, launch={"requests_per_s": 1.0, "like": "old"})
    counted = history([600.0] * 20, "old", tokens=([6e5] * 20, [6e4] * 20))
    assert tokens_of(new, counted.iloc[:0], counted) == tokens_of(old, counted, counted)
    assert tokens_of(workload("x", slo=slo), counted.iloc[:0], counted) is None


def test_an_event_to_come_is_planned_for() -> None:
    sale = {"name": "sale", "start": AS_OF, "end": AS_OF + timedelta(hours=1), "factor": 3.0}
    inputs = world([workload(known_events=[sale])], catalogue(option("a")), [steady(5.0)])
    outlook = look_ahead(inputs, horizon=pd.Timedelta("2h"), levels=LEVELS, beforehand=told(inputs))
    hours = pd.date_range(AS_OF, periods=2, freq="1h")
    (need,) = needs(outlook, hours, HOUR, level=0.5)
    assert need.demand.tolist() == pytest.approx([15.0, 5.0])


def test_a_quantile_that_was_missed_is_raised() -> None:
    """Stored forecasts of the last day said half of what came."""
    inputs = world([workload()], catalogue(option("a")), [steady(5.0)])
    slots = pd.date_range(AS_OF - timedelta(days=1), periods=144, freq="10min", unit="us")
    past = pd.DataFrame({"unique_id": "web", "ds": slots, "quantile": 0.99, "value": 2.5})
    need = {}
    for name, rows in (("held", past.iloc[:0]), ("missed", past)):
        outlook = look_ahead(inputs, horizon=HOUR, levels=LEVELS, beforehand=Beforehand(past=rows))
        need[name] = needs(outlook, starts(1), HOUR, level=0.99)[0].demand[0]
    assert need["held"] == pytest.approx(5.0)
    trust = 72 * 0.01 / (72 * 0.01 + 4)  # 144 slots count as 72
    assert need["missed"] == pytest.approx(5.0 + 2.5 * trust)


def test_no_demand_is_zero_need_and_not_an_error() -> None:
    inputs = world([workload()], catalogue(option("a")), [steady(0.0)])
    outlook = look_ahead(inputs, horizon=HOUR, levels=LEVELS)
    (need,) = needs(outlook, starts(1), HOUR, level=0.99)
    assert need.demand.tolist() == [0.0]


def test_a_workload_that_nothing_may_serve_is_infeasible() -> None:
    inputs = world([workload(excluded=["a*"])], catalogue(option("a")), [steady(1.0)])
    with pytest.raises(InfeasibleError, match="excluded"):
        look_ahead(inputs, horizon=HOUR, levels=LEVELS)


def test_spot_of_unknown_capacity_is_not_used() -> None:
    rows = catalogue(option("od"), option("spot", 0.1, purchase="spot", pool="p"))
    inputs = world([workload(spot={"max_share": 1.0})], rows, [steady(1.0)])
    (planned,) = look_ahead(inputs, horizon=HOUR, levels=LEVELS).candidates
    assert planned.pairs["option_id"].tolist() == ["od"]


def llm_world(tokens: tuple[list[float], list[float]] | None) -> Candidate:
    slo = {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.999}
    rows = catalogue(option("a", accelerator="L4", accelerator_count=2.0))
    inputs = world([workload(slo=slo)], rows, [history([60.0] * 300, tokens=tokens)])
    chips = pd.DataFrame(
        {
            "model": "svc",
            "accelerator": "L4",
            "prefill_tps": 1000.0,
            "decode_tps": 100.0,
            "max_concurrency": 8.0,
            "tpot_ms": 50.0,
            "instance_type": pd.Series([None], dtype="str"),
            "rps": np.nan,
            "latency_ms": np.nan,
        }
    )
    inputs = type(inputs)(**{**vars(inputs), "profiles": chips})
    return look_ahead(inputs, horizon=HOUR, levels=LEVELS).candidates[0]


def test_tokens_say_what_a_replica_of_an_llm_serves() -> None:
    told = llm_world(([60.0 * 500] * 300, [60.0 * 50] * 300))
    assert told.reference["capacity"] == pytest.approx(2.0 / (500 / 1000 + 50 / 100))
    assert told.series is not None
    assert told.series["y"].dropna().tolist() == pytest.approx([0.1] * 300)


def test_without_token_counts_documented_ones_are_used() -> None:
    assert llm_world(None).reference["capacity"] == pytest.approx(2.0 / (800 / 1000 + 150 / 100))


def test_the_need_follows_as_of_to_the_second() -> None:
    as_of = datetime.fromisoformat("2026-05-12T03:07:41+00:00")
    inputs = world([workload()], catalogue(option("a")), [steady(3.0)], as_of=as_of)
    outlook = look_ahead(inputs, horizon=2 * HOUR, levels=LEVELS)
    begin = pd.date_range(as_of, periods=2, freq=HOUR, unit="us")
    (need,) = needs(outlook, begin, HOUR, level=0.5)
    assert outlook.forecasts["ds"].iloc[0] == pd.Timestamp(as_of)
    assert need.demand.tolist() == pytest.approx([3.0, 3.0], rel=1e-6)
