"""Bills into the table charges: written once, checked where they lie, put in the place of what they replace.

Everything happens in one transaction. The rows go into the lake first, under the number of the load; then
every check reads them there, and what turns out to be wrong, or nothing new, is rolled back. So a bill is
read once and written once, however large. What a part of a bill replaces is decided in `data.billing.parts`.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from data import csv_text
from data.billing import flags, periods, replace
from data.billing.faults import TIMES, is_out_of_time
from data.billing.mapping import UNREADABLE
from data.billing.parts import Replaces, Verdict
from data.billing.repair import repaired
from data.billing.staged_bills import Bill, Delivered
from data.billing.two_exports import refuse_two_exports
from data.billing.versions import refuse_strangers, refuse_two_versions
from data.errors import Fault, InputError, LakeError
from data.lake import Lake
from data.loads import Load, Status, exact_sum, next_load_id, write_loads
from data.staging import readable
from data.tables import CHARGES

LARGEST_SUM = 2e19  # of one delivery: the sums of a few of them still fit DECIMAL(38,18)
_SUMMED = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_WORST_FIRST: tuple[Status, ...] = ("restated", "new", "unchanged")


class UnreadableBill(Exception):  # noqa: N818 - never leaves this module: it only ends the transaction
    """Some value of a bill cannot be read, or is missing; which ones is found out after the rollback."""

    def __init__(self, delivery: Delivered) -> None:
        super().__init__(UNREADABLE)
        self.delivery = delivery


@dataclass
class Judged:
    """A part of the delivery: what it holds, what it replaces and what that makes of it."""

    row: dict[str, Any]
    verdict: Verdict
    status: Status
    notes: list[str]


def load_bills(lake: Lake, delivery: Delivered, *, loaded_at: datetime, is_truth: bool = False) -> list[Load]:
    """Write the bills of a delivery; the caller holds the transaction.

    Files of one delivery that share a part (source, account, month, dataset) are that part together. Raises
    UnreadableBill, after which the caller rolls back and asks `faults_of`.
    """
    load_id = next_load_id(lake)
    refuse_two_exports(delivery)
    if not is_truth:
        refuse_two_versions(lake, delivery)
    try:
        for bill in delivery.bills:
            _insert(lake, delivery, bill, load_id)
    except LakeError as error:
        raise UnreadableBill(delivery) from error
    if _incomplete(lake, load_id):
        raise UnreadableBill(delivery)
    _refuse_too_large(lake, delivery, load_id)
    compared = replace.compare(lake, load_id, is_truth=is_truth)
    judged = [_judged(delivery, found) for found in compared]
    if not is_truth:
        refuse_strangers(lake, load_id, compared)
    changed = [part for part in judged if part.status != "unchanged"]
    replace.apply(lake, load_id, [(part.row, part.verdict, part.status) for part in judged])
    for part in changed:
        part.notes += filter(None, [replace.uneven(lake, part.row)])
    if changed:
        record = [row for part in changed for row in _records(part)]
        write_loads(lake, record, load_id=load_id, loaded_at=loaded_at, table="charges")
        periods.record(lake, [part.row for part in changed], load_id=load_id, loaded_at=loaded_at)
    return [*_summaries(judged), *(_empty(bill) for bill in delivery.empty())]


def faults_of(lake: Lake, delivery: Delivered) -> list[Fault]:
    """Every fault of every bill of a delivery."""
    return [fault for bill in delivery.bills for fault in bill.faults(lake)]


def refuse(lake: Lake, broken: UnreadableBill) -> Exception:
    """The error of a delivery that cannot be read; the transaction is over.

    Raises InputError for a value that stops the engine though every check of ours lets it pass.
    """
    faults = faults_of(lake, broken.delivery)
    if faults:
        return InputError(faults)
    for bill in broken.delivery.bills:
        with readable(bill.staged):
            lake.sql(f"SELECT count(COLUMNS(*)) FROM ({_rows(broken.delivery, bill, 0)})")
    return LakeError(f"{lake.root}: {broken.__cause__ or broken}")


def _insert(lake: Lake, delivery: Delivered, bill: Bill, load_id: int) -> None:
    """Write the mapped rows of one bill as they are."""
    lake.sql(f"INSERT INTO charges BY NAME {_rows(delivery, bill, load_id)}")


def _rows(delivery: Delivered, bill: Bill, load_id: int) -> str:
    """SQL of the mapped rows of one bill."""
    targets = {
        **bill.fitted.select,
        "x_Source": delivery.source_sql(bill),
        "x_Month": f"strftime({bill.fitted.select['BillingPeriodStart']}, '%Y-%m')",
        "x_LoadId": f"{load_id}::BIGINT",
        "x_Row": "source_row",
    }
    return repaired(bill.fitted.sql(bill.staged.relation, targets))


def _incomplete(lake: Lake, load_id: int) -> bool:
    """Whether a value of the rows just written is missing that must be there, or is no time of a bill."""
    missing = [f'"{column.name}" IS NULL' for column in CHARGES.columns if not column.nullable]
    tests = " OR ".join([*missing, *map(is_out_of_time, TIMES)])
    found = lake.sql(f'SELECT 1 FROM charges WHERE "x_LoadId" = $id AND ({tests}) LIMIT 1', id=load_id)
    return bool(found.num_rows)


def _refuse_too_large(lake: Lake, delivery: Delivered, load_id: int) -> None:
    """Raise InputError for amounts that cannot be added up: a sum has 20 digits before the point."""
    mine = 'FROM charges WHERE "x_LoadId" = $id'
    ends = ", ".join(f'greatest(max("{name}"), -min("{name}")) AS "{name}"' for name in _SUMMED)
    most = lake.sql(f"SELECT count(*) AS n, {ends} {mine}", id=load_id).to_pylist()[0]
    if all(float(most[name] or 0) * most["n"] < LARGEST_SUM for name in _SUMMED):
        return  # as nearly always; adding up takes four times as long
    sums = ", ".join(f'sum(abs("{name}"::DOUBLE)) AS "{name}"' for name in _SUMMED)
    found = lake.sql(f"SELECT {sums} {mine}", id=load_id).to_pylist()[0]
    names = ", ".join(bill.staged.name for bill in delivery.bills)
    action = "correct them or export it again"
    faults = [
        Fault(names, f"amounts that add up to {total:.3g}", f"less than {LARGEST_SUM:g}", action, column=name)
        for name, total in found.items()
        if total is not None and total >= LARGEST_SUM
    ]
    if faults:
        raise InputError(faults)


def _judged(delivery: Delivered, found: replace.Compared) -> Judged:
    row = found.row
    mine = delivery.by_part.get((row["account"], row["month"], row["dataset"]), [])
    bills = [delivery.bills[number] for number in sorted({one["bill"] for one in mine})]
    row["kind"] = "+".join(sorted({bill.fitted.kind for bill in bills}))
    row["file_names"] = ", ".join(sorted(file.name for bill in bills for file in bill.staged.files))
    row["native"] = {
        currency: exact_sum(one["native"] for one in mine if one["currency"] == currency)
        if all(one["native"] is not None for one in mine if one["currency"] == currency)
        else None
        for currency in row["costs"]
    }
    rounded = sum(one["rounded"] or 0 for one in mine)
    notes = (
        [f"{row['file_names']}: {rounded} amounts have over 18 decimals and were rounded"] if rounded else []
    )
    notes += [
        f"{file.name}: no line end after its last row; it may be cut short"
        for bill in bills
        for file in bill.staged.files
        if file.container == "csv" and csv_text.is_open_ended(file.path)
    ]
    notes += flags.notes(row)
    if found.verdict.replaces is Replaces.HELD:
        notes.append(
            f"{row['account']} {row['month']}: left as it is, since the delivery {found.verdict.reason}"
        )
        return Judged(row, found.verdict, "unchanged", notes)
    if found.status == "restated":
        notes += [_restatement(row, currency, found) for currency in row["costs"]]
    return Judged(row, found.verdict, found.status, notes)


def _restatement(row: dict[str, Any], currency: str, found: replace.Compared) -> str:
    """What the part cost before and after, and its format before if that was another."""
    old = exact_sum([found.billed_before.get(currency, Decimal(0))])
    was = f" (was {found.kind_before})" if found.kind_before not in (None, row["kind"]) else ""
    change = f"{plain(old)} -> {plain(found.billed_after[currency])} {currency}"
    return f"{row['account']} {row['month']}: billed {change}{was}"


def plain(amount: Decimal) -> str:
    """An amount without exponent and trailing zeros."""
    shown = f"{amount:f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"


def _records(part: Judged) -> Iterator[dict[str, Any]]:
    """Rows of `loads`: one per currency."""
    row = part.row
    for currency, costs in row["costs"].items():
        yield {
            **{name: row[name] for name in (
                "source", "account", "month", "dataset", "kind", "file_names", "period_start", "period_end",
                "content_hash", "snapshot_id")},
            **costs,
            "currency": currency,
            "native_cost": row["native"][currency],
            "status": part.status,
            "note": "; ".join(dict.fromkeys(part.notes)) or None,
        }  # fmt: skip


def _summaries(judged: Sequence[Judged]) -> Iterator[Load]:
    """One load per source and format of the delivery."""
    for source, kind in dict.fromkeys((part.row["source"], part.row["kind"]) for part in judged):
        mine = [part for part in judged if (part.row["source"], part.row["kind"]) == (source, kind)]
        statuses = {part.status for part in mine}
        rows = [part.row for part in mine]
        yield Load(
            source, kind, sum(costs["row_count"] for row in rows for costs in row["costs"].values()),
            min(row["period_start"] for row in rows), max(row["period_end"] for row in rows),
            _by_currency(rows, "billed_cost"), _by_currency(rows, "effective_cost"),
            next(name for name in _WORST_FIRST if name in statuses), "charges",
            files=tuple(sorted({name for row in rows for name in row["file_names"].split(", ")})),
            notes=tuple(dict.fromkeys(note for part in mine for note in part.notes)),
            is_held=all(part.verdict.replaces is Replaces.HELD for part in mine),
        )  # fmt: skip


def _by_currency(rows: Sequence[dict[str, Any]], column: str) -> dict[str, Decimal]:
    amounts: dict[str, list[Decimal]] = {}
    for row in rows:
        for currency, costs in row["costs"].items():
            amounts.setdefault(currency, []).append(costs[column])
    return {currency: exact_sum(values) for currency, values in amounts.items()}


def _empty(bill: Bill) -> Load:
    source = "aws" if bill.format.name.startswith("aws") else "unknown"
    names = tuple(file.name for file in bill.staged.files)
    return Load(source, bill.fitted.kind, 0, None, None, {}, {}, "empty", "charges", files=names)
