"""Demand, utilisation, prices, rates and commitments: any value in any column is loaded or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW

TIMES = ("2026-05-01T00:00:00+00:00", "2026-05-01T00:10:00+00:00")
ONES, SAME, NAMES, DAYS = ("1", "2"), ("a", "a"), ("a", "b"), ("2026-01-01", "2026-01-01")
FILES: dict[str, dict[str, tuple[str, ...]]] = {
    "demand": {"ts": TIMES, "workload": SAME, "requests": ONES, "tokens_in": ONES},
    "last hour": {"ts": ("9999-12-31T23:59:59+00:00",), "workload": ("w",), "requests": ("1",)},
    "trace": {
        "series_id": SAME, "ts_utc": TIMES, "requests": ONES, "client": SAME, "mean_input_tokens": ("5", "5"),
    },
    "offset": {"series_id": SAME, "offset_s": ("0", "600"), "requests": ONES},
    "log": {"series_id": SAME, "ts_utc": TIMES, "input_tokens": ONES, "output_tokens": ONES},
    "long": {"resource_id": SAME, "metric": SAME, "ts": TIMES, "value": ONES, "interval_s": ONES},
    "wide": {"vm_id": SAME, "ts_utc": TIMES, "interval_ms": ("60000", "60000"), "cpu": ONES},
    "spot": {"ts": TIMES, "pool": SAME, "capacity": ONES},
    "offers": {
        "provider": SAME, "region": SAME, "instance_type": NAMES, "price_hourly": ONES, "as_of": DAYS,
        "purchase": ("on_demand", "spot"),
    },
    "types": {
        "cloud": SAME, "instance_type": NAMES, "vcpu": ONES, "memory_gib": ONES, "gpu_count": ONES,
        "gpu_name": ("A100", "A100"), "gpu_memory_gib_each": ("80", "40"),
    },
    "regions": {"cloud": SAME, "region": NAMES, "country": ("US", "US"), "lat": ONES},
    "rates": {"date": DAYS, "base_currency": NAMES, "quote_currency": SAME, "rate": ONES},
    "commitments": {
        "ContractCommitmentId": NAMES, "ContractCommitmentCategory": ("Spend", "Usage"),
        "ContractCommitmentType": SAME, "ContractId": SAME, "ContractCommitmentPeriodStart": DAYS,
        "ContractPeriodStart": DAYS, "ContractCommitmentPeriodEnd": ("2027-01-01", "2027-01-01"),
        "ContractPeriodEnd": ("9999-12-31", "9999-12-31"),
    },
}  # fmt: skip
VALUES = (
    "", "NaN", "inf", "-1", "1.5", "1e30", "1e308", "1e999999999", "9" * 39, "9223372036854775808", "x",
    "true", "2026-05-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59+00:00", "now", "1700000000",
    "1600-01-01T00:00:00+00:00", "[1]", '"', "a\nb", "\0", "😀",
)  # fmt: skip
KINDS = (
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.float32(), pa.int64(), pa.bool_(),
    pa.date32(), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.decimal128(38, 10), pa.list_(pa.string()),
)  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with Lake.open(tmp_path_factory.mktemp("readers") / "lake") as opened:
        opened.sql("SET threads = 1")  # quicker for a few rows
        yield opened


def column(values: tuple[str, ...], kind: pa.DataType) -> pa.Array:
    """The values as a column of that type, or as text where they cannot be."""
    text = pa.array(values, pa.string())
    if pa.types.is_list(kind):
        return pa.array([[value] for value in values], kind)
    try:
        return text.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return text


CASES = st.sampled_from([(kind, name) for kind, table in FILES.items() for name in table])
WHICH = st.sampled_from([(0,), (1,), (0, 1)])


@settings(
    max_examples=35,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=CASES, value=st.sampled_from(VALUES), which=WHICH, typed=st.sampled_from(KINDS))
@example(case=("trace", "mean_input_tokens"), value="x", which=(0,), typed=pa.string())
@example(case=("wide", "interval_ms"), value="NaN", which=(1,), typed=pa.string())
@example(case=("wide", "interval_ms"), value="1e30", which=(0,), typed=pa.string())
@example(case=("log", "series_id"), value="", which=(0, 1), typed=pa.string())
@example(case=("log", "ts_utc"), value="1600-01-01T00:00:00+00:00", which=(0,), typed=pa.string())
@example(case=("types", "gpu_memory_gib_each"), value="x", which=(0,), typed=pa.string())
@example(case=("types", "gpu_name"), value="A100", which=(0,), typed=pa.string_view())
@example(case=("long", "interval_s"), value="1e999999999", which=(0,), typed=pa.string())
@example(case=("offers", "price_hourly"), value="9" * 39, which=(0,), typed=pa.string())
@example(case=("last hour", "requests"), value="2", which=(0,), typed=pa.string())
@example(
    case=("spot", "pool"), value="0001-01-01T00:00:00+14:00", which=(0,), typed=pa.timestamp("us", "UTC")
)
def test_any_value_in_any_column(
    lake: Lake,
    tmp_path: Path,
    *,
    case: tuple[str, str],
    value: str,
    which: tuple[int, ...],
    typed: pa.DataType,
) -> None:
    kind, name = case
    table = {**FILES[kind], name: tuple(value if i in which else x for i, x in enumerate(FILES[kind][name]))}
    arrays = {key: column(cells, typed if key == name else pa.string()) for key, cells in table.items()}
    pq.write_table(pa.table(arrays), tmp_path / "file")
    before = lake.snapshot_id()
    try:
        loads = ingest(lake, tmp_path / "file", loaded_at=NOW)
    except InputError as error:
        faults = error.faults
    else:
        assert all(load.rows for load in loads)
        return
    assert faults
    assert all(str(fault).isprintable() for fault in faults)
    assert lake.snapshot_id() == before
