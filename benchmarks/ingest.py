"""Bills into the lake, against what others need for the same file.

Small CSV against reading it with pandas and adding up its cost exactly; large Parquet against a plain copy by
DuckDB, and against pandas and Polars doing the same mapping.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks import focus_file
from benchmarks.bill_copies import copied, with_pandas, with_polars
from benchmarks.inputs import GENERATED, bill_rows, demo_exports, shared
from benchmarks.registry import Benchmark, Contender, Prepared
from data.ingest import ingest
from data.lake import Lake
from data.loads import exact_sum

LOADED_AT = datetime(2026, 11, 16, tzinfo=UTC)
CUR = ("billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv",)
FOCUS = tuple(
    f"billing_samples/focus/focus_synth_{cloud}_1_3_500rows.csv" for cloud in ("aws", "azure", "gcp")
)


@dataclass(frozen=True)
class Bill:
    """A bill on disk, the columns of its cost and currency, and what the cost sums to."""

    path: Path
    cost: str
    currency: str
    total: Decimal


def prepare_cur(folder: Path, rows: int) -> Prepared:
    """The real report, repeated."""
    found = shared(*CUR)
    paths = found or sorted(demo_exports(folder).glob("aws/**/*.csv.gz"))[:1]
    return write_bill(
        folder, paths, rows, "lineItem/UnblendedCost", "lineItem/CurrencyCode", is_real=bool(found)
    )


def prepare_focus(folder: Path, rows: int) -> Prepared:
    """FOCUS 1.3 of three clouds, repeated."""
    found = shared(*FOCUS)
    paths = found or sorted(demo_exports(folder).glob("gcp/*.csv"))
    return write_bill(folder, paths, rows, "BilledCost", "BillingCurrency", is_real=bool(found))


def write_bill(
    folder: Path, paths: Sequence[Path], rows: int, cost: str, currency: str, *, is_real: bool
) -> Prepared:
    """One CSV of so many rows, and beside it what its cost sums to."""
    frame = bill_rows(paths, rows)
    frame.to_csv(folder / "bill.csv", index=False)
    facts = {"cost": cost, "currency": currency, "total": str(exact_sum(map(Decimal, frame[cost])))}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    names = ", ".join(path.name for path in paths) + ", repeated" if is_real else GENERATED
    return Prepared(names, rows, "rows")


def prepare_large(folder: Path, rows: int, *, amounts: str) -> Prepared:
    """FOCUS 1.4 in Parquet, all 65 columns."""
    total = focus_file.write(folder / "bill.parquet", rows, amounts=amounts)
    facts = {"cost": "BilledCost", "currency": "BillingCurrency", "total": str(total)}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return Prepared(f"FOCUS 1.4, 65 columns, amounts as {amounts}, generated", rows, "rows")


def load(folder: Path) -> Bill:
    """Where the bill lies and what must come out."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    path = next(path for path in folder.iterdir() if path.stem == "bill")
    return Bill(path, facts["cost"], facts["currency"], Decimal(facts["total"]))


def into_lake(bill: Bill) -> Decimal:
    """A new lake with the bill in it: recognised, checked, converted, stored, one snapshot."""
    with Lake.open(Path("lake")) as lake:
        loads = ingest(lake, bill.path, loaded_at=LOADED_AT)
    return exact_sum(amount for one in loads for amount in one.billed_cost.values())


def summed_by_pandas(bill: Bill) -> Decimal:
    """Every column read as text, cost added up as Decimal by currency; nothing checked or stored."""
    frame = pd.read_csv(bill.path, dtype=str)
    costs = frame[bill.cost].map(Decimal).groupby(frame[bill.currency]).agg(exact_sum)
    return exact_sum(costs)


def judge(bill: Bill, total: Decimal) -> dict[str, float]:
    """How far the billed sum is off the file's; exact is 0."""
    return {"sum error": float(abs(total - bill.total))}


SUBJECT = Contender("trimtab ingest", into_lake)
PEERS = (Contender("pandas + Decimal", summed_by_pandas),)
LARGE_SIZES = {"small": 1_000_000, "medium": 10_000_000, "large": 30_000_000}
LARGE_PEERS = (
    Contender("DuckDB copy", lambda bill: copied(bill.path)),
    Contender("Polars, same mapping", lambda bill: with_polars(bill.path)),
    Contender("pandas, same mapping", lambda bill: with_pandas(bill.path)),
)
BENCHMARKS = (
    Benchmark(
        name="ingest-cur",
        about="A legacy AWS Cost and Usage Report into a new lake.",
        sizes={"small": 1_281, "medium": 10_000, "large": 200_000},
        prepare=prepare_cur,
        load=load,
        judge=judge,
        subject=SUBJECT,
        peers=PEERS,
    ),
    Benchmark(
        name="ingest-focus",
        about="FOCUS 1.3 charges of three clouds into a new lake.",
        sizes={"small": 1_500, "medium": 10_000, "large": 200_000},
        prepare=prepare_focus,
        load=load,
        judge=judge,
        subject=SUBJECT,
        peers=PEERS,
    ),
    Benchmark(
        name="ingest-large",
        about="FOCUS 1.4 in Parquet, every column, amounts with nine decimals, into a new lake.",
        sizes=LARGE_SIZES,
        prepare=partial(prepare_large, amounts="DECIMAL(38, 9)"),
        load=load,
        judge=judge,
        subject=SUBJECT,
        peers=LARGE_PEERS,
    ),
    Benchmark(
        name="ingest-large-float",
        about="The same with amounts as floats, each kept as the shortest decimal that is the same float.",
        sizes=LARGE_SIZES,
        prepare=partial(prepare_large, amounts="DOUBLE"),
        load=load,
        judge=judge,
        subject=SUBJECT,
        peers=LARGE_PEERS,
    ),
)
