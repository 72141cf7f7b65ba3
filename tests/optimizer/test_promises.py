"""What loops promised, judged by what came: the factor rises where they kept less, and only there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.calibration import Fitted, counted_days, fit, judgeable, rough_replay, safe_factor
from optimizer.capacity import judged_text, make
from optimizer.capacity_plan_rows import promised_rows
from optimizer.control import choose
from optimizer.forms import FORMS, Past, past_of
from optimizer.inputs import Inputs
from optimizer.minute_plan import Loop, loop_of
from optimizer.needs import candidate
from optimizer.promises import MOST_MORE, REHEARSED, Judged, Promise, judged, rehearsed
from optimizer.schedule import DAY
from tests.optimizer import worlds
from tests.optimizer.test_calibration import ramps, scattered, service
from tests.optimizer.test_simulate import world_with

DAYS = 12
STEP = FORMS[2]


def surprising(days: int = 14) -> np.ndarray:
    """Ten times a day load rises within six minutes, each day by a quarter more than the day before."""
    rng = np.random.default_rng(0)
    load = np.full(days * DAY, 200.0)
    for day in range(days):
        for begin in rng.integers(0, DAY - 60, 10):
            rise = 30.0 * 1.25**day * rng.lognormal(0, 0.3)
            load[day * DAY + begin :][:30] += rise * np.minimum(1.0, np.arange(30) / 6)
    return load


def of(load: np.ndarray, end: int, promises: tuple[Promise, ...] = (), form: int = 2) -> Judged | None:
    past = past_of(load, 5)
    now = Fitted(FORMS[form], 1.0, 1.0, 1.0, end / DAY)
    return judged(past, service(len(load)), end, now, promises)


def ordered(past: Past, factor: float) -> np.ndarray:
    return factor * past.needed(STEP)


def test_what_was_not_kept_is_fitted_by_what_was_known_at_the_time() -> None:
    load = scattered(7)
    past, asked, span = past_of(load, 5), service(len(load)), slice(0, 7 * DAY)
    found = rehearsed(past, asked, Fitted(STEP, 1.0, 1.0, 1.0, 6.0), span, np.ones(7 * DAY, dtype=bool))
    assert np.isnan(found[: 3 * DAY]).all()  # a day to look back on, a day to judge
    for begin in range(3 * DAY, 7 * DAY, REHEARSED):
        seen = judgeable(begin)
        known = load[seen]
        factor, _ = safe_factor(known, past.needed(STEP)[seen], asked, seen, counted_days(known))
        np.testing.assert_allclose(
            found[begin : begin + REHEARSED], ordered(past, factor)[begin:][:REHEARSED]
        )
    changed = load.copy()
    changed[5 * DAY :] *= 3.0
    other = rehearsed(
        past_of(changed, 5), asked, Fitted(STEP, 1.0, 1.0, 1.0, 6.0), span, np.ones(7 * DAY, bool)
    )
    np.testing.assert_array_equal(other[3 * DAY : 5 * DAY], found[3 * DAY : 5 * DAY])


def test_kept_promises_are_judged_as_they_were_ordered_the_later_one_in_force() -> None:
    load = scattered(6)
    load[: 2 * DAY] = load[5 * DAY :] = np.nan
    past, asked, end = past_of(load, 5), service(len(load)), 6 * DAY
    promises = (Promise(2 * DAY, 5 * DAY, STEP, 1.3, 0.0), Promise(4 * DAY, 5 * DAY, STEP, 0.9, 0.0))
    wanted = np.where(np.arange(end) < 4 * DAY, ordered(past, 1.3), ordered(past, 0.9))
    wanted[: 2 * DAY] = wanted[2 * DAY]  # nothing is judged before
    found = of(load, end, promises)
    expected = 1 - rough_replay(load, wanted, asked, slice(0, end)).late_share
    assert found is not None
    assert found.attainment == pytest.approx(expected)
    assert (found.days, found.kept_days) == (3.0, 3.0)


def test_promises_that_were_not_kept_day_after_day_raise_the_factor_to_what_would_have_kept_them() -> None:
    load = scattered(8)
    past, asked, end = past_of(load, 5), service(len(load)), 8 * DAY
    enough = fit(load, asked, forms=[STEP]).factor
    found = of(load, end, (Promise(0, end, STEP, 0.8 * enough, 0.0),))
    assert found is not None
    assert 0.0 < found.more <= MOST_MORE
    again = ordered(past, 0.8 * enough * (1 + found.more))
    assert rough_replay(load, again, asked, slice(0, end)).late_share <= 1 - asked.target
    raised = of(load, end, (Promise(0, end, STEP, 0.8 * enough * (1 + found.more), found.more),))
    assert raised is not None
    assert raised.more == pytest.approx(found.more)  # nothing is learned twice, nor forgotten by success
    assert raised.attainment > found.attainment
    kept = of(load, end, (Promise(0, end, STEP, enough, 0.0),))
    assert kept is not None
    assert kept.more == 0.0


def test_one_bad_day_may_be_chance_and_what_no_raise_helps_against_does_not_count() -> None:
    end = 8 * DAY
    load = scattered(8)
    enough = fit(load, service(end), forms=[STEP]).factor
    daily = [Promise(day * DAY, end, STEP, enough, 0.0) for day in range(8)]
    for bad in (1, 3):
        low = (*daily[:2], *(replace(p, factor=0.7 * enough) for p in daily[2 : 2 + bad]), *daily[2 + bad :])
        found = of(load, end, low)
        assert found is not None
        assert found.attainment < 0.999
        assert (found.more > 0) == (bad > 1)
    load = np.full(end, 200.0)
    promise = (Promise(0, end, FORMS[0], 1.05, 0.0),)
    for day in range(1, 8):  # gone before a replica has booted, every day
        load[day * DAY + 600 : day * DAY + 604] = 2000.0
    found = of(load, end, promise)
    assert found is not None
    assert found.attainment < 0.999
    assert found.more == 0.0


def test_minutes_that_nobody_counted_teach_nothing() -> None:
    load = scattered(8)
    end = len(load)
    low = (Promise(0, end, STEP, 0.8, 0.0),)
    assert of(load, end, low).more > 0  # type: ignore[union-attr]
    silent = load.copy()
    silent[int(0.9 * DAY) :] = np.nan
    assert of(silent, end, low) is None
    assert of(np.full(end, np.nan), end) is None
    assert of(np.zeros(end), end) is None
    assert of(load[: DAY // 2], DAY // 2, low) is None


def test_a_service_that_surprises_its_fits_gets_a_higher_factor() -> None:
    load = surprising()
    found = choose(world_with(60 * load), 0, len(load), 0.999, FORMS)
    assert found.judged is not None
    assert found.judged.attainment < 0.999
    assert found.judged.more > 0
    assert found.fitted.factor == pytest.approx(found.own_factor * (1 + found.judged.more))
    calm = choose(world_with(60 * ramps(DAYS)), 0, DAYS * DAY, 0.999, FORMS)
    assert calm.judged is not None
    assert calm.judged.more == 0.0


def known(load: np.ndarray, hours: int = 0) -> Inputs:
    """A service, some hours before all of its minutes have passed."""
    as_of = worlds.AS_OF - timedelta(hours=hours)
    web = worlds.workload(slo={"latency_ms": 2000, "target": 0.999})
    counted = worlds.history(list(60 * load[: len(load) - 60 * hours]), interval_s=60, end=as_of)
    options = worlds.catalogue(worlds.option("a", boot_seconds=300.0))
    return worlds.world([web], options, [counted], as_of=as_of)


def loop(inputs: Inputs, promises: pd.DataFrame) -> Loop:
    """As a plan makes it that knows some promises."""
    given = replace(inputs, promises=promises)
    (web,) = given.workloads
    found = loop_of(candidate(web, given.history_of("web"), given, given.context), given, "terms")
    assert found is not None
    assert found.judged is not None
    return found


def test_a_plan_judges_what_earlier_ones_promised_and_says_so() -> None:
    load = scattered(6)
    rows = promised_rows(make(known(load, hours=36), pd.Timedelta(hours=24), worlds.settings()))
    assert rows[["workload", "option_id", "more", "target"]].iloc[0].tolist() == ["web", "a", 0.0, 0.999]
    now = known(load)
    kept_days = [
        loop(now, given).judged.kept_days  # type: ignore[union-attr]
        for given in (rows, rows.assign(target=0.99), rows.assign(form="gone"), rows.assign(option_id="b"))
    ]
    assert kept_days == [1.0, 0.0, 0.0, 0.0]  # 24 of the 36 hours since
    days = [pd.Timestamp(worlds.AS_OF) - pd.Timedelta(days=day) for day in range(5, 0, -1)]
    low = pd.concat([rows.assign(as_of=t, ends=t + pd.Timedelta(days=1), factor=0.7) for t in days])
    raised, usual = loop(now, low), loop(now, rows)
    assert raised.fitted.factor == pytest.approx(usual.fitted.factor * (1 + raised.judged.more))  # type: ignore[union-attr]
    assert "as plans of the time ordered, loops kept 9" in judged_text(raised)
    assert "less than asked for" in judged_text(raised)
    assert "fitted by what was known at the time, loops kept 100.00%" in judged_text(usual)
