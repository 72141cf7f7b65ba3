"""Older and newer versions of one export side by side in a delivery, which must not be added.

Month-to-date exports that are saved under a new name every week repeat each other's rows: the first rows of
one are found again in the next. Pieces of one export do not. Which version counts is not ours to guess, since
the one that reaches furthest is not always the last. What a manifest lists is one export, and not looked at.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data.billing.staged_bills import Bill, Delivered
from data.errors import Fault, InputError
from data.lake import Lake
from data.layouts import is_declared
from data.staging import FILE, readable

FIRST_ROWS = 200
LEAST_REPEATED = 10  # rows; below that, equal rows may be chance
SHARE_REPEATED = 0.5  # of the first rows: a newer version corrects some of them
_SAME = (
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription", "SubAccountId",
    "ResourceId", "SkuId", "SkuPriceId", "PricingQuantity", "ConsumedQuantity", "BilledCost",
    "EffectiveCost", "Tags",
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
    faults = []
    for (account, month, _), pieces in _pieces(lake, delivery).items():
        for one, other in _to_compare(pieces):
            repeated, looked_at = _repeated(lake, one, other)
            if repeated >= LEAST_REPEATED and repeated >= SHARE_REPEATED * looked_at:
                found = f"{repeated} of the first {looked_at} rows of {one.name} again in {other.name}"
                action = "ingest the newest alone, or with --replace if both are pieces of one bill"
                expected = "one version of a bill"
                faults.append(Fault(f"account {account}, {month}", found, expected, action))
    if faults:
        raise InputError(faults)


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
    """How many different first rows of one file are rows of the other, and how many there are."""
    with readable(one.bill.staged), readable(other.bill.staged):
        found = lake.sql(
            f"""
            WITH few AS (SELECT DISTINCT h FROM ({_hashes(one)} ORDER BY source_row LIMIT {FIRST_ROWS}))
            SELECT count(DISTINCT h) AS repeated, (SELECT count(*) FROM few) AS looked_at
            FROM ({_hashes(other)}) WHERE h IN (FROM few)
            """
        ).to_pylist()[0]
    return found["repeated"], found["looked_at"]


def _hashes(piece: _Piece) -> str:
    select = piece.bill.fitted.select
    values = ", ".join(select[name] for name in _SAME)
    targets = {"h": f"hash({values})", FILE: FILE, "source_row": "source_row"}
    rows = piece.bill.fitted.sql(piece.bill.staged.relation, targets, strict=False)
    return f"SELECT h, source_row FROM ({rows}) WHERE {FILE} = {piece.file}"
