"""Statistics of past minutes, beside ones worked out minute by minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.reactive import CONSTANT, LAST, Statistic, needed_load, paths, utilization

KINDS = [
    LAST,
    CONSTANT,
    Statistic("mean", 300),
    Statistic("max", 900),
    Statistic("quantile", 600, 0.9),
    Statistic("quantile", 600),
]
LOADS = st.lists(st.one_of(st.floats(0, 1e4), st.just(np.nan)), min_size=1, max_size=60)


def by_hand(load: list[float], statistic: Statistic, minute: int) -> float:
    """One value from the definition; NaN where the window holds nothing that was counted."""
    if statistic.stat == "constant":
        return 1.0
    size = 1 if statistic.stat == "last" else statistic.window_s // 60
    seen = [x for x in load[max(0, minute - size) : minute] if not np.isnan(x)]
    if not seen:
        return float("nan")
    if statistic.stat == "quantile":
        return float(np.quantile(seen, 0.5 if statistic.q is None else statistic.q))
    return max(seen) if statistic.stat in ("last", "max") else float(np.mean(seen))


@given(LOADS, st.sampled_from(KINDS))
def test_a_statistic_is_what_its_definition_says_and_stays_where_nothing_is_known(
    load: list[float], statistic: Statistic
) -> None:
    found = paths(np.array(load), [statistic])[statistic]
    before = [by_hand(load, statistic, minute) for minute in range(len(load))]
    known = next((value for value in before if not np.isnan(value)), 0.0)
    for minute, value in enumerate(before):
        known = known if np.isnan(value) else value
        assert found[minute] == pytest.approx(known, rel=1e-9, abs=1e-6)


@given(LOADS, st.sampled_from(KINDS), st.integers(0, 59))
def test_what_comes_is_not_known(load: list[float], statistic: Statistic, minute: int) -> None:
    minute = min(minute, len(load) - 1)
    changed = [*load[:minute], *(7.0 for _ in load[minute:])]
    if all(np.isnan(x) for x in load[:minute]):
        return  # a replay begins with the first load there will be
    one, other = (paths(np.array(given), [statistic])[statistic][: minute + 1] for given in (load, changed))
    np.testing.assert_array_equal(one, other)


def test_weights_add_up_and_the_largest_need_is_held() -> None:
    load = np.array([10.0, 20.0, 5.0, 5.0, 5.0, 5.0])
    rule = {LAST: 0.5, Statistic("max", 120): 1.0, CONSTANT: 3.0}
    assert needed_load(load, rule).tolist() == [18.0, 18.0, 33.0, 25.5, 10.5, 10.5]
    assert needed_load(load, rule, window_s=120).tolist() == [18.0, 18.0, 33.0, 33.0, 33.0, 25.5]
    assert needed_load(load, utilization(0.5)).tolist() == [20.0, 20.0, 40.0, 10.0, 10.0, 10.0]
    assert needed_load(load, {LAST: -1.0}).tolist() == [0.0] * 6
