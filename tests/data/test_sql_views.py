"""Each view has a folder sql/<view> here: given.<table>.csv, expected.csv, perhaps parameters.json."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from data.lake import Lake
from data.tables import TABLES
from data.views import names, view_sql

CASES = Path(__file__).parent / "sql"
VIEWS = names()


def fill(lake: Lake, table: str, path: Path) -> None:
    """Put a CSV file into a table as it is; what it leaves out is missing."""
    names = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    options = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""]
    )
    values = ", ".join(f'"{name}"::{TABLES[table].column(name).kind.value} AS "{name}"' for name in names)
    with lake.transaction(), lake.registered(pacsv.read_csv(path, convert_options=options)) as incoming:
        lake.sql(f"INSERT INTO {table} BY NAME SELECT {values} FROM {incoming}")


def as_written(value: object) -> str:
    """A value as the expected files write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".") if value else "0"
    if isinstance(value, float):
        return f"{round(value, 9):g}"
    return str(value)


@pytest.mark.parametrize("view", VIEWS)
def test_view(lake: Lake, view: str) -> None:
    case = CASES / view
    for path in case.glob("given.*.csv"):
        fill(lake, path.name.split(".")[1], path)
    asked = case / "parameters.json"
    parameters = json.loads(asked.read_text()) if asked.exists() else {}
    rows = lake.arrow(view, **{k: moment(v) for k, v in parameters.items()})
    found = [rows.column_names, *([as_written(v) for v in row.values()] for row in rows.to_pylist())]
    with (case / "expected.csv").open(newline="", encoding="utf-8") as stream:
        assert found == list(csv.reader(stream))


def moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


@pytest.mark.parametrize("view", VIEWS)
def test_a_views_header_says_grain_units_and_source(view: str) -> None:
    header = "\n".join(line for line in view_sql(view).splitlines() if line.startswith("--"))
    for word in ("grain:", "units:", "source:"):
        assert word in header
    assert ("$" in view_sql(view).replace("'$.", "")) == ("parameters:" in header)


def test_monthly_spend_adds_up_to_the_bill(lake: Lake, shared: Path) -> None:
    from data.ingest import ingest
    from tests.data.bills import NOW

    (load,) = ingest(lake, shared / "billing_samples/focus/focus_synth_gcp_1_3_500rows.csv", loaded_at=NOW)
    months = lake.arrow("spend_by_month")
    assert {"USD": sum(months.column("billed_cost").to_pylist())} == load.billed_cost
    days = lake.read("daily_cost")
    assert days["billed_cost"].sum() == pytest.approx(float(load.billed_cost["USD"]), rel=1e-12)
    assert set(lake.read("resource_cost")["team"].dropna()) == {"team-data", "team-payments", "team-platform"}
