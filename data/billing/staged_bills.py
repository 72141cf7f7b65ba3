"""The bills of a delivery, staged and fitted with their rules, before anything is written.

One look at the columns that say whose bill it is tells the source of each account, the native sums and how
many amounts have to be rounded.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import pyarrow as pa

from data.billing import faults, mapping
from data.billing.columns import COST_AND_USAGE
from data.billing.importers import MACROS, RULES
from data.billing.mapping import Fitted, Mapping
from data.billing.sources import source_sql
from data.errors import Fault, InputError
from data.formats import Format, RawFile
from data.lake import Lake, quoted
from data.staging import Staged, readable, staged

PartKey = tuple[str | None, str | None, str | None]
_ISSUER = "InvoiceIssuerName"


@dataclass(frozen=True)
class BillFile:
    """A bill as delivered and the format its columns show."""

    file: RawFile
    format: Format


@dataclass(frozen=True)
class Bill:
    """Files of one export run, staged together, with their rules."""

    staged: Staged
    format: Format
    rules: Mapping
    fitted: Fitted

    def faults(self, lake: Lake) -> list[Fault]:
        """Everything that keeps the bill out of the lake."""
        return faults.faults(lake, self.staged, self.fitted, self.rules, self.format.canonical)


@dataclass(frozen=True)
class Delivered:
    """The bills of a delivery and what one look at them told.

    `parts` has a row per bill, account, month, dataset and currency: n (rows), native (sum), rounded.
    """

    bills: tuple[Bill, ...]
    parts: pa.Table
    source_of: dict[str, str]

    @cached_property
    def by_part(self) -> dict[PartKey, list[dict[str, Any]]]:
        """Rows of `parts` by account, month and dataset."""
        found: dict[PartKey, list[dict[str, Any]]] = {}
        for row in self.parts.to_pylist():
            found.setdefault((row["account"], row["month"], row["dataset"]), []).append(row)
        return found

    def empty(self) -> Iterator[Bill]:
        """Bills that have a known header and no row."""
        filled = set(self.parts.column("bill").to_pylist())
        return (bill for number, bill in enumerate(self.bills) if number not in filled)

    def source_sql(self, bill: Bill) -> str:
        """SQL of who bills a row of the bill."""
        if "x_Source" in bill.fitted.select:
            return bill.fitted.select["x_Source"]
        account = bill.fitted.select["BillingAccountId"]
        cases = " ".join(f"WHEN {quoted(a)} THEN {quoted(s)}" for a, s in sorted(self.source_of.items()))
        return f"CASE {account} {cases} END" if cases else "NULL"


@contextmanager
def delivered(lake: Lake, files: Sequence[BillFile]) -> Iterator[Delivered]:
    """Stage every bill for the length of the block. Raises InputError with what is no table."""
    lake.define(MACROS)
    wrong: list[Fault] = []
    bills: list[Bill] = []
    with ExitStack() as stack:
        for group in _runs(files):
            try:
                raw = stack.enter_context(staged(lake, *(item.file for item in group)))
            except InputError as error:
                wrong += error.faults
                continue
            known = group[0].format
            rules = _complete(RULES[known.name](raw.columns))
            bills.append(Bill(raw, known, rules, mapping.fit(rules, raw, known.canonical)))
        if wrong:
            raise InputError(wrong + [fault for bill in bills for fault in bill.faults(lake)])
        parts = pa.concat_tables([_numbered(_look(lake, bill), number) for number, bill in enumerate(bills)])
        yield Delivered(tuple(bills), parts, _sources(parts.to_pylist()))


def _complete(rules: Mapping) -> Mapping:
    """The rules with a missing value for each FOCUS column that has none."""
    absent = {column.name: f"NULL::{column.kind.value}" for column in COST_AND_USAGE}
    return replace(rules, rules={**absent, **rules.rules})


def _runs(files: Sequence[BillFile]) -> Iterator[list[BillFile]]:
    """Files of one export run with the same columns: some rules look at the whole run."""

    def run(item: BillFile) -> tuple[str, str, tuple[str, ...]]:
        return item.format.name, item.file.batch or item.file.name, item.file.columns

    for _, group in groupby(sorted(files, key=run), key=run):
        yield list(group)


def _numbered(table: pa.Table, number: int) -> pa.Table:
    return table.append_column("bill", pa.array([number] * table.num_rows, pa.int64()))


def _look(lake: Lake, bill: Bill) -> pa.Table:
    """Rows, native sums and rounded amounts per part and currency; unreadable values are missing."""
    select = bill.fitted.select
    issuer = (
        f"coalesce({select.get(_ISSUER, 'NULL')}, {select.get('ServiceProviderName', 'NULL')}, 'unknown')"
    )
    targets = {
        "account": select["BillingAccountId"],
        "month": f"strftime({select['BillingPeriodStart']}, '%Y-%m')",
        "dataset": f"({select.get('x_Dataset', 'NULL')})::VARCHAR",
        "currency": select["BillingCurrency"],
        "issuer": select.get("x_Source") or source_sql(issuer),
        "native": f"({bill.fitted.native})::DECIMAL(38, 18)",
        "rounded": bill.fitted.rounded,
    }
    rows = bill.fitted.sql(bill.staged.relation, targets, strict=False)
    with readable(bill.staged):
        return lake.sql(
            f"SELECT account, month, dataset, currency, issuer, count(*) AS n, sum(native) AS native, "
            f"sum(rounded)::BIGINT AS rounded FROM ({rows}) GROUP BY ALL"
        )


def _sources(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Who bills each account: by most of its rows, since resellers' lines are mixed in."""
    votes: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["account"] is not None:
            of_account = votes.setdefault(row["account"], {})
            of_account[row["issuer"]] = of_account.get(row["issuer"], 0) + row["n"]
    return {account: min(of, key=lambda name: (-of[name], name)) for account, of in votes.items()}
