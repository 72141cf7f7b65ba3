"""Versions of one export are told from pieces of one: by the charges they share.

Two versions side by side in a delivery must not be added, and a piece must not take the place of another.

Month-to-date exports that are saved under a new name every week repeat each other's charges, if not their
costs: of the time that both have, charges of one are found again in the other. Pieces of one export do not
repeat. Which version counts is not ours to guess, since the one that reaches furthest is not always the last.
What a manifest lists is one export, and not looked at.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data.billing.parts import Part, Replaces
from data.billing.replace import Compared
from data.billing.staged_bills import Bill, Delivered
from data.errors import Fault, InputError
from data.lake import Lake
from data.layouts import is_declared
from data.staging import FILE, readable

SAMPLE = 200  # different rows of the time that both have
ENOUGH = ((2, 0.5), (10, 0.2))  # rows found again, and their share: less may be chance
# What a charge is for; costs and tags are what a newer version changes.
IDENTITY = (
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription", "SubAccountId",
    "ResourceId", "SkuId", "SkuPriceId", "PricingQuantity", "ConsumedQuantity", "x_ExportTime", "x_LineId",
)  # fmt: skip
_Part = tuple[str, str, str | None]


@dataclass(frozen=True)
class _Piece:
    """What one file of a delivery holds of one account, month and dataset."""

    bill: Bill
    file: int
    first: datetime
    last: datetime
    n: int

    @property
    def name(self) -> str:
        return self.bill.staged.files[self.file].name

    def meets(self, other: _Piece) -> bool:
        return self.first <= other.last and other.first <= self.last


def refuse_two_versions(lake: Lake, delivery: Delivered) -> None:
    """Raise InputError for files of which one repeats the rows of another."""
    faults: dict[tuple[str, str], Fault] = {}
    for (account, month, _), pieces in _pieces(lake, delivery).items():
        for one, other in _to_compare(pieces):
            repeated, looked_at = _repeated(lake, one, other)
            if any(repeated >= rows and repeated >= share * looked_at for rows, share in ENOUGH):
                found = f"{repeated} of {looked_at} rows of {one.name} again in {other.name}"
                action = "ingest the newest alone, or with --replace if both are pieces of one bill"
                fault = Fault(f"account {account}, {month}", found, "one version of a bill", action)
                faults.setdefault((account, month), fault)
    if faults:
        raise InputError(list(faults.values()))


def _pieces(lake: Lake, delivery: Delivered) -> dict[_Part, list[_Piece]]:
    """The undeclared files by what they hold; only what more than one of them holds."""
    bills = [bill for bill in delivery.bills if not is_declared(bill.staged.files[0].batch)]
    found: dict[_Part, list[_Piece]] = defaultdict(list)
    if sum(len(bill.staged.files) for bill in bills) > 1:
        for bill in bills:
            for row in _spans(lake, bill):
                if row["first"] is not None:
                    key = (row["account"], row["month"], row["dataset"])
                    found[key].append(_Piece(bill, row["file"], row["first"], row["last"], row["n"]))
    return {key: pieces for key, pieces in found.items() if len(pieces) > 1}


def _spans(lake: Lake, bill: Bill) -> list[dict[str, Any]]:
    select = bill.fitted.select
    targets = {
        "account": select["BillingAccountId"],
        "month": f"strftime({select['BillingPeriodStart']}, '%Y-%m')",
        "dataset": f"({select.get('x_Dataset', 'NULL')})::VARCHAR",
        "start": select["ChargePeriodStart"],
        "file": FILE,
    }
    rows = bill.fitted.sql(bill.staged.relation, targets, strict=False)
    with readable(bill.staged):
        spans: list[dict[str, Any]] = lake.sql(
            f"SELECT file, account, month, dataset, min(start) AS first, max(start) AS last, count(*) AS n "
            f"FROM ({rows}) GROUP BY ALL ORDER BY ALL"
        ).to_pylist()
    return spans


def _to_compare(pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, _Piece]]:
    """Each with the next by name and with the largest: of many versions that is enough to find one."""
    ordered = sorted(pieces, key=lambda piece: piece.name)
    largest = max(ordered, key=lambda piece: piece.n)
    pairs = [*itertools.pairwise(ordered), *((one, largest) for one in ordered if one is not largest)]
    for pair in pairs:
        one, other = sorted(pair, key=lambda piece: piece.n)
        if one.meets(other):
            yield one, other


def _repeated(lake: Lake, one: _Piece, other: _Piece) -> tuple[int, int]:
    """How many of some rows of one file, of the time both have, are in the other, and how many those are."""
    span = {"first": max(one.first, other.first), "last": min(one.last, other.last)}
    with readable(one.bill.staged), readable(other.bill.staged):
        found = lake.sql(
            f"""
            WITH few AS (
                SELECT DISTINCT h FROM ({_hashes(one)}) WHERE start BETWEEN $first AND $last
                ORDER BY h LIMIT {SAMPLE}
            )
            SELECT count(DISTINCT h) AS repeated, (SELECT count(*) FROM few) AS looked_at
            FROM ({_hashes(other)}) WHERE h IN (FROM few)
            """,
            **span,
        ).to_pylist()[0]
    return found["repeated"], found["looked_at"]


def _hashes(piece: _Piece) -> str:
    select = piece.bill.fitted.select
    values = ", ".join(select.get(name, "NULL") for name in IDENTITY)
    targets = {"h": f"hash({values})", FILE: FILE, "start": select["ChargePeriodStart"]}
    rows = piece.bill.fitted.sql(piece.bill.staged.relation, targets, strict=False)
    return f"SELECT h, start FROM ({rows}) WHERE {FILE} = {piece.file}"


def refuse_strangers(lake: Lake, load_id: int, compared: Sequence[Compared]) -> None:
    """Raise InputError for parts that would take the place of other charges, or give way to them.

    A part that shares no charge with what the lake has of the same time is no other version of it, but a
    piece of the same bill, or something else altogether.
    """
    faults = []
    for found in compared:
        row = found.row
        same = [part for part in found.stored if part.dataset == row["dataset"]]
        is_judged = found.verdict.replaces in (Replaces.ALL, Replaces.DAYS, Replaces.HELD)
        if (
            is_judged
            and found.kind_before == row["kind"]
            and same
            and _strangers(lake, load_id, row, same[0])
        ):
            shown = f"account {row['account']}, {row['month']}"
            expected = "a version of what the lake has of the same time"
            action = (
                "ingest pieces of one bill together, from one folder; with --replace it takes their place"
            )
            faults.append(Fault(shown, "charges of which the lake has none", expected, action))
    if faults:
        raise InputError(faults)


def _strangers(lake: Lake, load_id: int, row: dict[str, Any], stored: Part) -> bool:
    span = {"first": max(row["first"], stored.first), "last": min(row["last"], stored.last)}
    names = {name: row[name] for name in ("source", "account", "month", "dataset")}
    key = ", ".join(f'"{name}"' for name in IDENTITY)
    rows = f"""
        SELECT hash({key}) AS h, "x_LoadId" = {load_id} AS is_new FROM charges
        WHERE "x_Source" = $source AND "BillingAccountId" = $account AND "x_Month" = $month
            AND "x_Dataset" IS NOT DISTINCT FROM $dataset AND "ChargePeriodStart" BETWEEN $first AND $last
    """
    found = lake.sql(
        f"""
        WITH few AS (SELECT DISTINCT h FROM ({rows}) WHERE is_new ORDER BY h LIMIT {SAMPLE})
        SELECT (SELECT count(*) FROM few) AS looked_at, count(DISTINCT h) AS stored,
            count(DISTINCT h) FILTER (WHERE h IN (FROM few)) AS repeated
        FROM ({rows}) WHERE NOT is_new
        """,
        **span,
        **names,
    ).to_pylist()[0]
    least = ENOUGH[-1][0]
    return bool(min(found["looked_at"], found["stored"]) >= least and not found["repeated"])
