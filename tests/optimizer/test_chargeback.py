"""Chargeback from a lake: the bill's sums, currencies, unit costs, and files that harm nobody."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from data.ingest import ingest
from data.lake import Lake
from optimizer import chargeback_files, pipeline
from optimizer.cli import app
from optimizer.errors import InputError
from tests.data.bills import NOW, focus_csv

ROWS = [
    {"Tags": '{"team": "search"}', "BilledCost": "1", "EffectiveCost": "0.123456789012345678"},
    {"Tags": '{"team": "=HYPERLINK(1)"}', "EffectiveCost": "-0.5", "ServiceName": "@SUM(A1)"},
    {"Tags": '{"team": "<b>x</b>"}', "EffectiveCost": "2"},
    {"Tags": "", "EffectiveCost": "3", "ChargeCategory": "Tax"},
    {"Tags": '{"team": "search"}', "EffectiveCost": "7", "BillingCurrency": "EUR"},
]
TOTAL_USD = Decimal("4.623456789012345678")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Lake.open(tmp_path / "lake") as lake:
        ingest(lake, focus_csv(tmp_path / "bill.csv", ROWS), loaded_at=NOW)
    return tmp_path


def fx(folder: Path, rate: str = "1.25") -> Path:
    path = folder / "fx.csv"
    path.write_text(f"date,base_currency,quote_currency,rate\n2026-05-01,EUR,USD,{rate}\n")
    return path


def test_the_sums_are_the_bills(workspace: Path) -> None:
    made = pipeline.chargeback(workspace, period="2026-05")
    assert made.totals == {"EUR": Decimal(7), "USD": TOTAL_USD}
    assert sum(cost for _, currency, cost, _ in made.by_owner() if currency == "USD") == TOTAL_USD
    owners = {owner for owner, *_ in made.by_owner()}
    assert owners == {"search", "=HYPERLINK(1)", "<b>x</b>", "unallocated"}


def test_billed_cost_where_that_is_asked_for(workspace: Path) -> None:
    (workspace / "trimtab.toml").write_text('[allocation]\nmetric = "billed"\n')
    made = pipeline.chargeback(workspace, period="2026-05")
    assert made.totals["USD"] == Decimal(1) + 3 * Decimal("1.5")


def test_rules_that_look_at_resources_and_tags(workspace: Path) -> None:
    (workspace / "trimtab.toml").write_text(
        '[[allocation.rules]]\nowner = "s"\ntag = {team = "sea*"}\n'
        '[[allocation.shared]]\nmatch = {category = "Tax"}\nsplit = "even"\n'
    )
    made = pipeline.chargeback(workspace, period="2026-05")
    assert {(share.owner, share.currency) for share in made.shares if share.shared_cost} == {("s", "USD")}
    assert made.totals["USD"] == TOTAL_USD


def test_one_currency_needs_its_rates(workspace: Path) -> None:
    with pytest.raises(InputError, match="no rate from EUR to USD"):
        pipeline.chargeback(workspace, period="2026-05", currency="USD")
    with Lake.open(workspace / "lake") as lake:
        (load,) = ingest(lake, fx(workspace), loaded_at=NOW)
        assert (load.table, load.rows) == ("fx_rates", 1)
    made = pipeline.chargeback(workspace, period="2026-05", currency="USD")
    assert made.totals == {"USD": TOTAL_USD + Decimal("8.75")}
    assert "1 EUR = 1.25" in made.notes[0]


@pytest.mark.parametrize("period", ["2026-13", "May", "2026-5-1"])
def test_a_period_is_a_month(workspace: Path, period: str) -> None:
    with pytest.raises(InputError, match="a month such as 2026-10"):
        pipeline.chargeback(workspace, period=period)


def test_a_month_without_charges_is_told(workspace: Path) -> None:
    with pytest.raises(InputError, match="a month whose bill was loaded"):
        pipeline.chargeback(workspace, period="2026-04")


def demand(folder: Path, share_known: float = 1.0) -> Path:
    """Hourly demand of one workload over the month's billed time: 10 requests and 40 tokens an hour."""
    hours = pd.date_range("2026-05-01", "2026-05-03 01:00", freq="1h", tz="UTC", inclusive="left")
    known = hours[: int(len(hours) * share_known)]
    frame = pd.DataFrame(
        {"ts": known, "workload": "web", "requests": 10.0, "tokens_in": 30.0, "tokens_out": 10.0}
    )
    frame.to_parquet(folder / "demand.parquet")
    return folder / "demand.parquet"


WEB = """
workloads:
  - name: web
    owner: search
    model: m
    tier: interactive
    slo: {latency_ms: 100, target: 0.99}
"""


def test_unit_costs_where_demand_is_known(workspace: Path) -> None:
    (workspace / "workloads.yaml").write_text(WEB)
    with Lake.open(workspace / "lake") as lake:
        ingest(lake, demand(workspace), loaded_at=NOW)
    made = pipeline.chargeback(workspace, period="2026-05")
    eur, usd = made.unit_costs
    assert (eur.owner, eur.requests, eur.tokens) == ("search", 490.0, 1960.0)
    assert (eur.per_1000_requests, eur.per_1000_tokens) == (Decimal("14.285714286"), Decimal("3.571428571"))
    assert usd.per_1000_requests == Decimal("0.251952631")


def test_no_unit_cost_where_half_of_the_demand_is_unknown(workspace: Path) -> None:
    (workspace / "workloads.yaml").write_text(WEB)
    with Lake.open(workspace / "lake") as lake:
        ingest(lake, demand(workspace, 0.5), loaded_at=NOW)
    made = pipeline.chargeback(workspace, period="2026-05")
    assert made.unit_costs == ()
    assert made.notes == (
        "no unit cost for search: the demand of their workloads is not known for the whole month",
    )


# -- files -----------------------------------------------------------------------------------------


def test_csv_holds_no_formula_and_exact_amounts(workspace: Path) -> None:
    made = pipeline.chargeback(workspace, period="2026-05")
    chargeback_files.write(made, workspace / "c.csv", "csv")
    with (workspace / "c.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    texts = [cell for row in rows for name, cell in row.items() if not name.endswith(("_cost", "_saving"))]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)
    assert "'=HYPERLINK(1)" in texts
    assert "'@SUM(A1)" in texts
    assert sum(Decimal(row["total_cost"]) for row in rows if row["currency"] == "USD") == TOTAL_USD


def test_parquet_and_json_say_the_same(workspace: Path) -> None:
    made = pipeline.chargeback(workspace, period="2026-05")
    chargeback_files.write(made, workspace / "c.parquet", "parquet")
    chargeback_files.write(made, workspace / "c.json", "json")
    table = pq.read_table(workspace / "c.parquet")
    told = json.loads((workspace / "c.json").read_text())
    assert [Decimal(row["total_cost"]) for row in told["rows"]] == table.column("total_cost").to_pylist()
    assert told["totals"]["USD"] == str(TOTAL_USD)


def test_the_page_escapes_names(workspace: Path) -> None:
    made = pipeline.chargeback(workspace, period="2026-05")
    chargeback_files.write(made, workspace / "c.html", "html")
    page = (workspace / "c.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x" not in page
    assert "4.62 USD" in page


def test_the_command(workspace: Path) -> None:
    result = CliRunner().invoke(app, ["chargeback", "-w", str(workspace), "--period", "2026-05", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["totals"] == {"EUR": "7.000000000000000000", "USD": str(TOTAL_USD)}
    assert (workspace / "reports/chargeback-2026-05.csv").is_file()
    result = CliRunner().invoke(
        app, ["chargeback", "-w", str(workspace), "--period", "2026-05", "--format", "xls"]
    )
    assert result.exit_code == 2
    assert "csv or html or parquet or json" in result.stderr
