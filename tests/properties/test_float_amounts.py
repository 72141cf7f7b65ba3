"""Floats of a Parquet export become the shortest decimal that is the same float, to 18 decimals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.billing.mapping import MACROS
from data.lake import Lake

LAST_PLACE = Decimal("1e-18")
AMOUNTS = st.one_of(
    st.floats(min_value=-1e18, max_value=1e18, allow_nan=False),
    st.floats(min_value=-0.02, max_value=0.02, allow_nan=False),
    st.decimals(min_value=-(10**7), max_value=10**7, places=9, allow_nan=False).map(float),
    st.integers(-(10**9), 10**9).map(lambda n: n * 1.1e-9),  # what multiplying prices leaves behind
    st.sampled_from([0.1, 0.002, 0.01, 0.1 + 0.2, 1e-18, 5e-19, 1e6, 999999.999999999, 2.0**-30]),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with Lake.open(tmp_path_factory.mktemp("floats") / "lake") as opened:
        for macro in MACROS:
            opened.sql(macro)
        yield opened


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(AMOUNTS, min_size=1, max_size=200))
def test_a_float_keeps_its_digits(lake: Lake, values: list[float]) -> None:
    rows = pa.table({"n": list(range(len(values))), "x": pa.array(values, pa.float64())})
    with lake.registered(rows) as incoming:
        found = lake.sql(
            "SELECT x, float_as_money(x) AS money, coalesce(is_float_rounded(x), false) AS is_rounded "
            f"FROM {incoming} ORDER BY n"
        ).to_pylist()
    for row in found:
        exact = Decimal(repr(row["x"]))
        decimals = -int(exact.normalize().as_tuple().exponent) if exact else 0
        assert row["is_rounded"] == (decimals > 18), row
        if decimals > 18:
            assert abs(row["money"] - exact) <= LAST_PLACE, row
        else:
            assert row["money"] == exact, row


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e30])
def test_what_is_no_amount_is_missing(lake: Lake, tmp_path: Path, value: float) -> None:
    with lake.registered(pa.table({"x": pa.array([value], pa.float64())})) as incoming:
        found = lake.sql(f"SELECT float_as_money(x) AS money FROM {incoming}").to_pylist()
    assert found == [{"money": None}]
