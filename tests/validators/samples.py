"""Bills to validate: every export of the samples, each alone in a lake, as the view of FOCUS 1.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW
from tests.data.test_billing_cur import CASES, report
from tests.data.test_every_export import EXPORTS, as_cur_2

# What a report has beside the columns of `CASES`, so that a rule fails for the line's type alone.
COST, RATE = "pricing/publicOnDemandCost", "pricing/publicOnDemandRate"
BESIDE = {
    "product/sku": "ABCDEF", "pricing/RateCode": "ABCDEF.JRTCKXETXF.6YS6EN2CT7", "pricing/RateId": "4711",
    RATE: "0.1", "lineItem/LineItemDescription": "m5.large, an hour",
    "lineItem/NormalizedUsageAmount": "4", "reservation/TotalReservedNormalizedUnits": "2976",
    "product/operatingSystem": "Linux",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A delivery, by the name that the allow-list may call it.

    `files` are below the folder of real samples. `made` writes the delivery instead, from that folder or, if
    it `is_generated`, from nothing.
    """

    name: str
    files: tuple[str, ...] = ()
    made: Callable[[Path, Path], Path] | None = None
    is_generated: bool = False

    def delivery(self, shared: Path, scratch: Path) -> list[Path]:
        """What is to be ingested, in order."""
        if self.made is not None:
            return [self.made(shared, scratch)]
        return [shared / "billing_samples" / name for name in self.files]


def _cur_2(shared: Path, scratch: Path) -> Path:
    legacy = shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv"
    return as_cur_2(legacy, scratch / "cur_2.parquet")


def _line_types(_: Path, scratch: Path) -> Path:
    lines = [{**BESIDE, "lineItem/LineItemType": kind, **changes} for kind, (changes, _) in CASES.items()]
    for line in lines:
        if line.get(COST) == "":
            line[RATE] = ""
    return report(scratch / "line_types.csv", lines)


def _demo(cloud: str) -> Callable[[Path, Path], Path]:
    def made(_: Path, scratch: Path) -> Path:
        return scratch / "exports" / cloud  # put there by the tests

    return made


SMALL_EA = "azure/azure_ea_{}_small.csv"
GOOGLE = "synthetic_nise/gcp_standard_2026-{}.csv"
SAMPLES = (
    *(Sample(name, (name,)) for name in EXPORTS if not name.startswith("synthetic_nise/")),
    Sample("azure/azure_ea_amortized_small.csv", (SMALL_EA.format("amortized"),)),
    Sample("azure/azure_amortized_template.csv", ("azure/azure_amortized_template.csv",)),
    Sample("azure/actual and amortized", (SMALL_EA.format("actual"), SMALL_EA.format("amortized"))),
    Sample("synthetic_nise/azure", tuple(name for name in EXPORTS if name.startswith("synthetic_nise/"))),
    Sample("synthetic_nise/aws", ("synthetic_nise/aws_cur_legacy_with_manifest",)),
    Sample("synthetic_nise/gcp", (GOOGLE.format("09-28_to_10-01"), GOOGLE.format("10-01_to_10-03"))),
    Sample("cur 2.0", made=_cur_2),
    Sample("cur line types", made=_line_types, is_generated=True),
    Sample("demo/aws", made=_demo("aws"), is_generated=True),
    Sample("demo/azure", made=_demo("azure"), is_generated=True),
)


def write_view(sample: Sample, target: Path, *, lake: Lake, shared: Path, scratch: Path) -> set[str]:
    """Ingest a sample, write its charges as FOCUS 1.2 and leave the lake as it was.

    Returns the formats that were recognised. Making a lake for each takes longer than the rest.
    """
    with lake.transaction() as change:
        loads = [
            load for path in sample.delivery(shared, scratch) for load in ingest(lake, path, loaded_at=NOW)
        ]
        parts = lake.sql("SELECT DISTINCT x_Source AS source, x_Month AS period FROM charges ORDER BY ALL")
        views = [lake.arrow("focus_1_2", **part) for part in parts.to_pylist()]
        change.discard()
    pq.write_table(pa.concat_tables(views), target)
    return {load.kind for load in loads}
