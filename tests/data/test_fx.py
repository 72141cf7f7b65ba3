"""Exchange rates from a file: read as they are, or refused with every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW

HEADER = "date,base,quote,rate\n"


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def test_rates_are_read(lake: Lake, tmp_path: Path) -> None:
    ingest(
        lake,
        write(tmp_path / "fx.csv", "2026-05-01,EUR,USD,1.08", "2026-05-01,JPY,USD,0.0065"),
        loaded_at=NOW,
    )
    rows = lake.sql("SELECT base_currency AS b, rate::VARCHAR AS r FROM fx_rates ORDER BY b").to_pylist()
    assert [(row["b"], float(row["r"])) for row in rows] == [("EUR", 1.08), ("JPY", 0.0065)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-05-01,EUR,USD,0", "row 1, column rate: found 0; expected a rate from 1e-08 to 1e+08"),
        ("2026-05-01,EUR,USD,-1", "row 1, column rate: found -1"),
        ("2026-05-01,EUR,USD,1e15", "row 1, column rate: found 1e15"),
        ("2026-05-01,EUR,USD,nan", "row 1, column rate: found"),
        ("01/05/2026,EUR,USD,1.08", "row 1, column date: found '01/05/2026'; expected a day as YYYY-MM-DD"),
        ("2026-05-01,eur,USD,1.08", "row 1, column base_currency: found 'eur'; expected an ISO 4217 code"),
        ("2026-05-01,EUR,EUR,2", "row 1: found EUR in EUR; expected two currencies"),
    ],
)
def test_what_no_rate_is_is_refused(lake: Lake, tmp_path: Path, row: str, message: str) -> None:
    before = lake.snapshot_id()
    with pytest.raises(InputError) as caught:
        ingest(lake, write(tmp_path / "fx.csv", row), loaded_at=NOW)
    assert any(f"fx.csv, {message}" in str(fault) for fault in caught.value.faults), caught.value.faults
    assert lake.snapshot_id() == before


def test_a_rate_given_twice_is_told_as_people_write_it(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "fx.csv", "2026-05-01,EUR,USD,1.08", "2026-05-01,EUR,USD,1.09")
    with pytest.raises(InputError, match=r"found 2026-05-01 00:00, EUR, USD a second time"):
        ingest(lake, path, loaded_at=NOW)
