"""The demo workspace as files, and the truth behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.synthetic import cur_files, focus_files, traffic
from data.synthetic.bills import charges
from data.synthetic.commitments import commitments, contract_rows
from data.synthetic.fleet import resources, stable_uuid, utilisation
from data.synthetic.lines import csv_bytes
from data.synthetic.money import Calendar, usd
from data.synthetic.profiles import profiles
from data.synthetic.services import state, workloads_yaml
from data.synthetic.traffic import Span

DEFAULT_SEED = 7
DEFAULT_AS_OF = datetime(2026, 10, 15, tzinfo=UTC)  # later than every list price that ships with the package

Progress = Callable[[str, float], None]

SPOT_POOLS = (
    "aws/eu-west-1/g5.xlarge", "aws/us-east-1/c6i.4xlarge", "aws/us-east-1/g5.12xlarge",
    "aws/us-east-1/g5.xlarge", "aws/us-east-1/g6.xlarge", "aws/us-east-1/g6e.12xlarge",
    "aws/us-east-1/g6e.xlarge", "aws/us-east-1/m6i.4xlarge", "aws/us-east-1/m6i.xlarge",
    "aws/us-east-1/p4d.24xlarge", "aws/us-east-2/g6e.xlarge", "aws/us-east-2/p4d.24xlarge",
    "aws/us-west-2/g6e.xlarge", "aws/us-west-2/p4d.24xlarge", "azure/eastus/Standard_E16s_v5",
    "azure/eastus/Standard_NC24ads_A100_v4", "azure/eastus/Standard_NC40ads_H100_v5",
    "azure/northeurope/Standard_NC4as_T4_v3", "azure/westeurope/Standard_NC4as_T4_v3",
    "azure/westus2/Standard_NC24ads_A100_v4", "gcp/europe-west1/g2-standard-4",
    "gcp/europe-west4/g2-standard-4", "gcp/us-central1/a2-ultragpu-1g", "gcp/us-east4/a2-ultragpu-1g",
)  # fmt: skip

SETTINGS = """\
# Settings of this workspace. Every one has a default; `trimtab init` writes them all, commented.
"""

README = """\
# A demo workspace

Written by `trimtab demo`. The company, its bills, its traffic and its fleet are invented; the same seed
gives the same files. Instances are billed at public list prices. Throughputs in profiles.parquet are
synthetic, scaled by published FLOPS and memory bandwidth: only the 8B language model on A100 and H100 goes
back to measurements.

| file | content |
|---|---|
| workloads.yaml, state.json | eleven services of seven teams and the fleet they run on |
| profiles.parquet | throughput per model and accelerator or instance type |
| history/ | 35 days of demand, failures, preemptions and spot capacity |
| exports/aws, azure, gcp | bills: legacy Cost and Usage Report, FOCUS 1.0 Parquet, FOCUS 1.3 CSV |
| exports/contract_commitments.csv | the commitments behind them (FOCUS 1.3) |
| exports/utilisation/cpu.parquet | hourly utilisation of every instance |
"""


@dataclass(frozen=True)
class GroundTruth:
    """What is hidden in the demo. Resources are named by their ResourceId, months "YYYY-MM", money in USD."""

    idle: frozenset[str]
    oversized: frozenset[str]
    untagged: frozenset[str]
    gap: Span
    launch: Span
    fee_usd_per_hour: Mapping[str, Decimal]
    unused_usd_per_hour: Mapping[str, Decimal]
    invoices_usd: Mapping[tuple[str, str], Decimal]  # provider, month
    correction_usd: Mapping[tuple[str, str, str], Decimal]  # provider, month billed in, month corrected


def write_demo(
    root: Path, *, seed: int = DEFAULT_SEED, as_of: datetime = DEFAULT_AS_OF, progress: Progress | None = None
) -> None:
    """Fill a workspace folder with the demo's files; equal arguments give equal bytes.

    Args:
        root: the workspace; made if absent. Files of the demo that exist are overwritten, others are left.
        seed: of all random streams.
        as_of: the demo's present, UTC; history and bills end here.
        progress: told the name of each step before it, with the share of steps done.

    Raises:
        ValueError: `as_of` has no zone.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of.isoformat()} has no zone; give a time in UTC")
    tell = progress or (lambda _step, _share: None)
    tell("fleet and workloads", 0.0)
    fleet = resources(seed)
    _write_declarations(root, as_of)
    tell("demand history", 0.1)
    complete = traffic.demand(seed, as_of)
    _write_history(root, seed, as_of, complete)
    tell("utilisation", 0.3)
    _write_parquet(root / "exports/utilisation/cpu.parquet", utilisation(seed, as_of, complete, fleet))
    tell("bills", 0.5)
    _write_bills(root / "exports", seed, as_of, fleet)
    tell("done", 1.0)


def ground_truth(seed: int = DEFAULT_SEED, as_of: datetime = DEFAULT_AS_OF) -> GroundTruth:
    """What a good product should find in the demo of this seed."""
    fleet = resources(seed)
    rows = charges(seed, as_of, fleet)
    month = rows["BillingPeriodStart"].dt.strftime("%Y-%m")
    corrected = rows[rows["ChargeClass"] == "Correction"]
    contracts = commitments(as_of)
    return GroundTruth(
        idle=frozenset(fleet.loc[fleet["is_idle"], "resource_id"]),
        oversized=frozenset(fleet.loc[fleet["is_oversized"], "resource_id"]),
        untagged=frozenset(fleet.loc[fleet["tags"].isna(), "resource_id"]),
        gap=traffic.gap(as_of),
        launch=traffic.launch(as_of),
        fee_usd_per_hour={c.commitment_id: c.fee_per_hour for c in contracts},
        unused_usd_per_hour={c.commitment_id: c.unused_per_hour(fleet) for c in contracts},
        invoices_usd={
            (str(key[0]), str(key[1])): usd(int(billed))
            for key, billed in rows.groupby([rows["provider"], month])["BilledCost"].sum().items()
            if isinstance(key, tuple)
        },
        correction_usd={
            (
                str(row["provider"]),
                f"{row['BillingPeriodStart']:%Y-%m}",
                f"{row['ChargePeriodStart']:%Y-%m}",
            ): usd(int(row["BilledCost"]))
            for row in corrected.to_dict("records")
        },
    )


def _write_declarations(root: Path, as_of: datetime) -> None:
    root.mkdir(parents=True, exist_ok=True)
    texts = {
        "README.md": README,
        "trimtab.toml": SETTINGS,
        "workloads.yaml": workloads_yaml(as_of),
        "state.json": json.dumps(state(as_of), indent=2) + "\n",
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8", newline="\n")
    _write_parquet(root / "profiles.parquet", profiles())


def _write_history(root: Path, seed: int, as_of: datetime, complete: pd.DataFrame) -> None:
    capacity = traffic.spot_capacity(seed, as_of, SPOT_POOLS)
    _write_parquet(root / "history/usage.parquet", traffic.observed(complete, as_of))
    _write_parquet(root / "history/spot_capacity.parquet", capacity)
    _write_parquet(root / "history/events.parquet", traffic.events(seed, as_of, capacity))


def _write_bills(exports: Path, seed: int, as_of: datetime, fleet: pd.DataFrame) -> None:
    rows = charges(seed, as_of, fleet)
    months = [f"{month:%Y%m}" for month in Calendar.until(as_of).months]
    versions = [*months, f"{months[1]}-old"]
    assembly = {name: str(stable_uuid(seed, f"assembly {name}")) for name in versions}
    cur_files.write_aws(exports / "aws", rows, as_of, assembly)
    focus_files.write_azure(exports / "azure", rows, as_of)
    focus_files.write_gcp(exports / "gcp", rows, as_of)
    (exports / "contract_commitments.csv").write_bytes(csv_bytes(contract_rows(as_of)))


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Without pandas metadata, which holds library versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd")
