"""What others need to bring a large FOCUS file into shape: plain copies, and the same mapping by other means.

The mapping is ours in short: amounts as DECIMAL(38, 18), times in UTC, a ServiceCategory that FOCUS does not
know becomes Other, zeros of ListCost and ContractedCost repaired, month, source and row number added, the sum
of BilledCost checked against the file. They recognise nothing, keep no history, replace nothing and commit
to no catalog.
"""

from __future__ import annotations

import decimal
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.registry import Unavailable
from data.billing.columns import COST_AND_USAGE, SERVICE_CATEGORIES
from data.columns import Kind

TARGET = Path("copied.parquet")
AMOUNTS = tuple(column.name for column in COST_AND_USAGE if column.kind is Kind.DECIMAL)
TIMES = tuple(column.name for column in COST_AND_USAGE if column.kind is Kind.TIME)
MONEY = pa.decimal128(38, 18)
BATCH_ROWS = 122_880
POLARS_BYTES_PER_ROW = 740  # at its peak, measured with 10 million rows; it grows with them


def copied(source: Path) -> Decimal:
    """DuckDB's plain copy: every column read and written again, nothing looked at."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM read_parquet('{source}')) TO '{TARGET}' (FORMAT parquet)")
    return _total(TARGET)


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _total(path: Path) -> Decimal:
    """Sum of BilledCost, from one column: a fraction of a second."""
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT sum(BilledCost::DECIMAL(38, 18)) FROM '{path}'").fetchone()
    return Decimal(row[0]) if row else Decimal(0)


def with_pandas(source: Path) -> Decimal:
    """Batch by batch, since a large file does not fit into memory as one frame."""
    total = Decimal(0)
    writer: pq.ParquetWriter | None = None
    for table in _mapped_by_pandas(source):
        writer = writer or pq.ParquetWriter(TARGET, table.schema, compression="snappy")
        writer.write_table(table)
        with decimal.localcontext(prec=60):
            total += pc.sum(table["BilledCost"]).as_py()
    if writer is not None:
        writer.close()
    return total


def _mapped_by_pandas(source: Path) -> Iterator[pa.Table]:
    first_row = 1
    for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS):
        frame = batch.to_pandas(types_mapper=pd.ArrowDtype)
        is_known = frame["ServiceCategory"].isin(SERVICE_CATEGORIES)
        frame["ServiceCategory"] = frame["ServiceCategory"].where(is_known, "Other")
        is_usage = frame["ChargeCategory"].eq("Usage")
        paid = frame[["BilledCost", "EffectiveCost"]].max(axis=1)
        for name, other in (("ContractedCost", "ListCost"), ("ListCost", "ContractedCost")):
            is_broken = is_usage & frame[name].eq(0) & (paid.gt(0) | frame[other].gt(0))
            if is_broken.any():
                frame[name] = frame[name].where(~is_broken, frame[other].where(frame[other].gt(0), paid))
        frame["x_Month"] = frame["BillingPeriodStart"].dt.strftime("%Y-%m")
        frame["x_Source"] = "aws"
        frame["x_Row"] = np.arange(first_row, first_row + len(frame))
        first_row += len(frame)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for name in AMOUNTS:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, table[name].cast(pa.decimal128(38, 9)).cast(MONEY))
        yield table


def with_polars(source: Path) -> Decimal:
    """As one lazy query, streamed from file to file."""
    try:
        import polars as pl  # noqa: PLC0415 - a peer, not installed with the product
    except ImportError as error:
        raise Unavailable("polars is not installed (the extra dev)") from error
    needed, there = pq.read_metadata(source).num_rows * POLARS_BYTES_PER_ROW, memory_bytes()
    if needed > 0.8 * there:  # the system would end it, and perhaps others first
        raise Unavailable(f"needs about {needed / 2**30:.0f} GiB of the {there / 2**30:.0f} GiB here")
    usage = pl.col("ChargeCategory") == "Usage"
    paid = pl.max_horizontal("BilledCost", "EffectiveCost")

    def repaired(name: str, other: str) -> pl.Expr:
        broken = usage & (pl.col(name) == 0) & ((paid > 0) | (pl.col(other) > 0))
        best = pl.when(pl.col(other) > 0).then(pl.col(other)).otherwise(paid)
        return pl.when(broken).then(best).otherwise(pl.col(name)).cast(pl.Decimal(38, 18)).alias(name)

    rest = [name for name in AMOUNTS if name not in ("ContractedCost", "ListCost")]
    query = (
        pl.scan_parquet(source)
        .with_columns(
            pl.when(pl.col("ServiceCategory").is_in(SERVICE_CATEGORIES))
            .then(pl.col("ServiceCategory"))
            .otherwise(pl.lit("Other"))
            .alias("ServiceCategory"),
            repaired("ContractedCost", "ListCost"),
            repaired("ListCost", "ContractedCost"),
            *(pl.col(name).cast(pl.Decimal(38, 18)) for name in rest),
            pl.col("BillingPeriodStart").dt.strftime("%Y-%m").alias("x_Month"),
            pl.lit("aws").alias("x_Source"),
        )
        .with_row_index("x_Row", offset=1)
    )
    query.sink_parquet(TARGET, compression="snappy")
    return _total(TARGET)
