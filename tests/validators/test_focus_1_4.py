"""focus-data-toolkit on the tables of FOCUS 1.4 as the lake keeps them, each alone and all together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data.billing.columns import BILLING_PERIOD, CONTRACT_COMMITMENT, COST_AND_USAGE
from data.columns import Column
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW
from tests.demo_bills import DemoBills
from tests.validators import allowed
from tests.validators.environment import Environment

HERE = Path(__file__).parent
ALLOWED = allowed.read(HERE / "allowed_1_4.toml")
TABLES: dict[
    str, tuple[str, tuple[Column, ...], str]
] = {  # by dataset: table, columns, where a month is told
    "cost-and-usage": ("charges", COST_AND_USAGE, "x_Month"),
    "contract-commitment": ("contract_commitments", CONTRACT_COMMITMENT, "$month"),
    "billing-period": ("billing_periods", BILLING_PERIOD, "x_Month"),
}
SYNTHETIC = "focus/focus_synth_aws_1_3_{}.csv"
# What each lake holds, below the folder of real samples, and the month that is written.
LAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "providers": (
        (
            "azure/azure_ea_actual_small.csv", "azure/azure_ea_amortized_small.csv",
            "aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv", "oci/oci_cost_report_legacy_2023-11.csv",
        ),
        "2023-",
    ),
    "synthetic": ((SYNTHETIC.format("500rows"), SYNTHETIC.format("contract_commitment")), "2026-05"),
}  # fmt: skip
DEMO_MONTH = "2026-09"
CHECKS = {"unique_contract_commitment_ids", "contract_applied_fk", "billing_period_coverage"}


def write_bundle(lake: Lake, folder: Path, month: str) -> None:
    """The three tables with the columns of FOCUS 1.4 alone; an empty one is left out."""
    folder.mkdir()
    for dataset, (table, columns, column) in TABLES.items():
        names = ", ".join(f'"{one.name}"' for one in columns)
        rows = lake.sql(f"SELECT {names} FROM {table} WHERE {column} LIKE $month || '%'", month=month)
        if rows.num_rows:
            pq.write_table(rows, folder / f"{dataset}.parquet")


@pytest.fixture(scope="module")
def bundles(
    empty_lake: Path,
    demo_bills: DemoBills,
    real_samples: Path | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("focus_1_4")
    with Lake.open(demo_bills.lake, read_only=True) as lake:
        write_bundle(lake, root / "demo", DEMO_MONTH)
    deliveries: dict[str, tuple[list[Path], str]] = {}
    if real_samples is not None:
        real = real_samples / "billing_samples"
        deliveries = {name: ([real / file for file in files], m) for name, (files, m) in LAKES.items()}
    for name, (paths, month) in deliveries.items():
        shutil.copytree(empty_lake, root / f"lake {name}")
        with Lake.open(root / f"lake {name}") as lake:
            for path in paths:
                ingest(lake, path, loaded_at=NOW)
            write_bundle(lake, root / name, month)
    return {name: root / name for name in ("demo", *deliveries)}


@pytest.fixture(scope="module")
def judged(validators: Environment, bundles: dict[str, Path]) -> dict[str, Any]:
    """What the toolkit says, by lake."""
    said: dict[str, Any] = json.loads(validators.run(HERE / "lint_driver.py", *bundles.values()))
    return said


def broken(said: dict[str, Any]) -> set[str]:
    """What the lint found in the tables of a lake, as "dataset rule column"."""
    return {f"{dataset} {rule}" for dataset, table in said["tables"].items() for rule in table["broken"]}


@pytest.mark.parametrize("name", ["demo", *LAKES])
def test_tables_are_seen_for_what_they_are(judged: dict[str, Any], name: str) -> None:
    if name not in judged:
        pytest.skip("the real sample data is not beside the repository")
    for dataset, table in judged[name]["tables"].items():
        assert table["seen"] == [dataset.replace("-", " ").title().replace("And", "and"), "1.4", True]


@pytest.mark.parametrize("name", ["demo", *LAKES])
def test_the_lint_finds_only_what_is_allowed(judged: dict[str, Any], name: str) -> None:
    if name not in judged:
        pytest.skip("the real sample data is not beside the repository")
    assert not allowed.unexpected(ALLOWED, {name}, broken(judged[name])), judged[name]["tables"]


@pytest.mark.parametrize("name", ["demo", *LAKES])
def test_tables_agree_with_one_another(judged: dict[str, Any], name: str) -> None:
    if name not in judged:
        pytest.skip("the real sample data is not beside the repository")
    said = judged[name]["bundle"]
    assert said["ok"], said["diagnostics"]
    ran = CHECKS if "contract-commitment" in judged[name]["tables"] else {"billing_period_coverage"}
    assert ran <= set(said["checks_run"])


def test_no_allowance_is_stale(judged: dict[str, Any], real_samples: Path | None) -> None:
    if real_samples is None:
        pytest.skip("the real sample data is not beside the repository: most allowances are for it")
    unused = allowed.stale(ALLOWED, {frozenset({name}): broken(said) for name, said in judged.items()})
    assert not sorted(unused)


def test_the_command_line_says_the_same(
    validators: Environment, bundles: dict[str, Path], judged: dict[str, Any]
) -> None:
    """As many violations, of which it shows the first fifty."""
    file = bundles["demo"] / "contract-commitment.parquet"
    said = validators.run(
        "-c", "import sys; from focus_data_toolkit.cli import main; main(sys.argv[1:])", "validate",
        "--dataset", "contract-commitment", file,
    )  # fmt: skip
    counts = judged["demo"]["tables"]["contract-commitment"]["broken"]
    assert f"{sum(counts.values())} violation(s)" in said
