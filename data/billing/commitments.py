"""FOCUS Contract Commitment files into rows of contract_commitments."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from data.billing import faults, focus, mapping
from data.billing.sources import source_sql
from data.conform import conform
from data.errors import InputError
from data.formats import Format, RawFile
from data.lake import Lake
from data.staging import ROW, readable, staged
from data.tables import CONTRACT_COMMITMENTS

# Version 1.3 does not say who the contract is with. The id of the commitment usually does; where it does not,
# the other commitments of the file do.
_ISSUER = (
    'coalesce("InvoiceIssuerName", "ServiceProviderName", regexp_extract(lower("ContractCommitmentId"), '
    "'aws|microsoft|google|oracle'))"
)


def read_commitments(lake: Lake, file: RawFile, known: Format) -> pa.Table:
    """Checked rows of one file, without x_LoadId. Raises InputError with every fault."""
    rules = focus.contract_commitment(file.columns)
    lake.define(mapping.MACROS)
    with staged(lake, file) as raw, readable(raw):
        fitted = mapping.fit(rules, raw, known.canonical)
        wrong = faults.unreadable(lake, raw, fitted)
        if wrong:
            raise InputError(wrong)
        rows = lake.sql(
            f"""
            WITH rows AS (
                SELECT *, nullif({source_sql(_ISSUER)}, '') AS source
                FROM ({fitted.sql(raw.relation, fitted.select | {"x_Row": ROW}, strict=False)})
            )
            SELECT *, coalesce(source, mode(source) OVER (), 'unknown') AS "x_Source", 0 AS "x_LoadId"
            FROM rows
            ORDER BY "x_Row"
            """
        )
    return conform(replace(CONTRACT_COMMITMENTS, key=()), rows, where=file.name)


def latest_commitments(rows: pa.Table) -> tuple[pa.Table, int]:
    """The last row of each commitment, and how many others there were.

    A delivery may hold several exports; later files come later in `rows`.
    """
    keys = zip(*(rows.column(name).to_pylist() for name in CONTRACT_COMMITMENTS.key), strict=True)
    last = {key: position for position, key in enumerate(keys)}
    return rows.take(pa.array(sorted(last.values()), pa.int64())), rows.num_rows - len(last)
