"""Compares the rows of a load with what the lake has of the same months, and puts them in its place."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa

from data.billing import flags
from data.billing.parts import PAIR, Part, Replaces, Verdict, judge
from data.fingerprint import fingerprint_sql
from data.lake import Lake
from data.loads import Status
from data.tables import CHARGES

_Row = TypeVar("_Row")
_KEY = ("source", "account", "month", "dataset")
_PART = """
    "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month, "x_Dataset" AS dataset
"""
_SAME_PERIOD = '"x_Source" = k.source AND "BillingAccountId" = k.account AND "x_Month" = k.month'
_SAME_PART = f'{_SAME_PERIOD} AND "x_Dataset" IS NOT DISTINCT FROM k.dataset'
_CONTENT = [name for name in CHARGES.names if name not in ("x_LoadId", "x_Row")]
_USAGE = "FILTER (WHERE \"ChargeCategory\" = 'Usage')"
_SPAN = f"""
    coalesce(min("ChargePeriodStart") {_USAGE}, min("ChargePeriodStart")) AS first,
    coalesce(max("ChargePeriodStart") {_USAGE}, max("ChargePeriodStart")) AS last,
    bool_and("x_ExportTime" IS NOT NULL OR "x_LineId" IS NOT NULL) AS is_append_only
"""
_COSTS = """
    count(*) AS row_count,
    sum("BilledCost") AS billed_cost,
    sum("EffectiveCost") AS effective_cost,
    sum("ListCost") AS list_cost
"""
# Commitments as an amortized export tells them: the rest of that export the actual one has already.
_COMMITMENT = '"CommitmentDiscountStatus" IS NOT NULL'
_OF_COMMITMENT = f"\"ChargeCategory\" = 'Usage' AND {_COMMITMENT}"
_PURCHASE = '"ChargeCategory" = \'Purchase\' AND "CommitmentDiscountId" IS NOT NULL'


@dataclass(frozen=True)
class Compared:
    """A part of the load (`row`), what it replaces, and what was there before (`stored`: of all datasets)."""

    row: dict[str, Any]
    verdict: Verdict
    stored: tuple[Part, ...]
    status: Status
    billed_before: dict[str, Decimal]
    billed_after: dict[str, Decimal]
    kind_before: str | None


def compare(lake: Lake, load_id: int, *, is_truth: bool) -> list[Compared]:
    """Every part of the load against the lake."""
    rows = _parts(lake, load_id)
    with lake.registered(_keys(rows)) as keys:
        stored = _grouped(_stored(lake, keys, load_id), lambda part: part.period)
        history = _grouped(_history(lake, keys), lambda load: _key(load)[:3])
        verdicts = [judge(_part(row), stored.get(_part(row).period, []), is_truth=is_truth) for row in rows]
    before = _victims(lake, load_id, list(zip(rows, verdicts, strict=True))) if stored else {}
    next_snapshot = lake.snapshot_id() + 1  # writers queue, so nothing comes in between
    return [
        _compared(
            {**row, "snapshot_id": next_snapshot},
            verdict,
            tuple(stored.get(_part(row).period, [])),
            before.get(_key(row)),
            history.get(_key(row)[:3], []),
        )
        for row, verdict in zip(rows, verdicts, strict=True)
    ]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _keys(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in _KEY})


def _parts(lake: Lake, load_id: int) -> list[dict[str, Any]]:
    """Span, fingerprint, flags and costs by currency of each part of the load."""
    mine = 'FROM charges WHERE "x_LoadId" = $id GROUP BY ALL'
    parts: list[dict[str, Any]] = lake.sql(
        f"""
        SELECT {_PART}, {_SPAN}, {fingerprint_sql(_CONTENT)} AS content_hash, {flags.COUNTS},
            min("BillingPeriodStart") AS period_start, max("BillingPeriodEnd") AS period_end,
            mode("InvoiceIssuerName") AS issuer
        {mine} ORDER BY ALL
        """,
        id=load_id,
    ).to_pylist()
    costs = lake.sql(
        f'SELECT {_PART}, "BillingCurrency" AS currency, {_COSTS} {mine} ORDER BY currency', id=load_id
    ).to_pylist()
    of_part = _grouped(costs, _key)
    for part in parts:
        part["costs"] = {
            cost["currency"]: {
                name: cost[name] for name in ("row_count", "billed_cost", "effective_cost", "list_cost")
            }
            for cost in of_part.get(_key(part), [])
        }
    return parts


def _grouped(
    rows: Sequence[_Row], key: Callable[[_Row], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[_Row]]:
    """Rows by key, in order: a bill may have thousands of parts."""
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _part(row: dict[str, Any]) -> Part:
    names = (row["source"], row["account"], row["month"], row["dataset"])
    return Part(*names, row["first"], row["last"], row["is_append_only"])


def _stored(lake: Lake, keys: str, load_id: int) -> list[Part]:
    """What the lake has of the delivered periods, by dataset."""
    periods = f"(SELECT DISTINCT source, account, month FROM {keys})"
    rows = lake.sql(
        f"""
        SELECT {_PART}, {_SPAN} FROM charges SEMI JOIN {periods} AS k ON {_SAME_PERIOD}
        WHERE "x_LoadId" <> $id GROUP BY ALL ORDER BY ALL
        """,
        id=load_id,
    )
    return [_part(row) for row in rows.to_pylist()]


def _history(lake: Lake, keys: str) -> list[dict[str, Any]]:
    """Earlier loads of the delivered parts, oldest first."""
    rows: list[dict[str, Any]] = lake.sql(
        f"""
        SELECT DISTINCT l.load_id, l.source, l.account, l.month, l.dataset, l.content_hash, l.kind
        FROM loads AS l SEMI JOIN {keys} AS k
            ON l.source = k.source AND l.account = k.account AND l.month = k.month
        WHERE l.table_name = 'charges' ORDER BY l.load_id
        """
    ).to_pylist()
    return rows


def _chosen(pairs: Sequence[tuple[dict[str, Any], Verdict]]) -> pa.Table:
    """The parts that take the place of something, with what they replace."""
    rows = [(row, verdict) for row, verdict in pairs if verdict.replaces is not Replaces.HELD]
    return pa.table(
        {
            **{name: pa.array([row[name] for row, _ in rows], pa.string()) for name in _KEY},
            "replaces": pa.array([verdict.replaces.value for _, verdict in rows], pa.string()),
            **{
                name: pa.array([row[name] for row, _ in rows], pa.timestamp("us", tz="UTC"))
                for name in ("first", "last")
            },
        }
    )


def _is_victim(load_id: int) -> str:
    """SQL of whether a row of charges `c` gives way to a part `k` of the load."""
    pair = ", ".join(f"'{name}'" for name in sorted(PAIR))
    is_pair = f'c."x_Dataset" IN ({pair}) AND k.dataset IN ({pair}) AND c."x_Dataset" <> k.dataset'
    # An export time may come in several deliveries, cut by day, project or service; it is never changed.
    names = ("x_ExportTime", "x_LineId", "ChargePeriodStart", "SubAccountId", "ServiceName")
    delivered = f'SELECT DISTINCT {_filled(names)} FROM charges WHERE "x_LoadId" = {load_id}'
    lines = f"({_filled(names, 'c.')}) IN ({delivered})"
    # A late row of an earlier day must not take what lies between with it.
    moment = f"""
        (c."BillingAccountId", c."ChargePeriodStart") IN (
            SELECT DISTINCT "BillingAccountId", "ChargePeriodStart" FROM charges WHERE "x_LoadId" = {load_id}
        )
    """
    return f"""
        c."x_LoadId" <> {load_id}
        AND {_SAME_PERIOD.replace('"x_', 'c."x_').replace('"Billing', 'c."Billing')}
        AND CASE k.replaces
            WHEN 'all' THEN NOT coalesce({is_pair}, false)
            WHEN 'days' THEN c."x_Dataset" IS NOT DISTINCT FROM k.dataset
                AND c."ChargePeriodStart" BETWEEN k.first AND k.last AND {moment}
            WHEN 'lines' THEN c."x_Dataset" IS NOT DISTINCT FROM k.dataset AND {lines}
            ELSE false
        END
    """


def _filled(names: Sequence[str], table: str = "") -> str:
    """SQL of columns as text to compare by, so that a missing value equals a missing value."""
    return ", ".join(f"coalesce({table}\"{name}\"::VARCHAR, '')" for name in names)


def _victims(
    lake: Lake, load_id: int, pairs: Sequence[tuple[dict[str, Any], Verdict]]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Fingerprint and billed cost of the rows that each part would replace, and of those that would stay."""
    part = ", ".join(f"k.{name}" for name in _KEY)
    with lake.registered(_chosen(pairs)) as keys:
        prints = lake.sql(
            f"SELECT {part}, {fingerprint_sql(_CONTENT)} AS content_hash "
            f"FROM charges AS c JOIN {keys} AS k ON {_is_victim(load_id)} GROUP BY ALL"
        ).to_pylist()
        billed = lake.sql(
            f"""
            SELECT {part}, c."BillingCurrency" AS currency, sum(c."BilledCost") AS total,
                sum(c."BilledCost") FILTER (WHERE NOT ({_is_victim(load_id)})) AS staying
            FROM charges AS c JOIN {keys} AS k ON c."x_LoadId" <> {load_id}
                AND c."x_Source" = k.source AND c."BillingAccountId" = k.account AND c."x_Month" = k.month
            GROUP BY ALL
            """
        ).to_pylist()
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in billed:
        entry = found.setdefault(_key(row), {"content_hash": None, "total": {}, "staying": {}})
        entry["total"][row["currency"]] = row["total"]
        entry["staying"][row["currency"]] = row["staying"] or Decimal(0)
    for row in prints:
        found[_key(row)]["content_hash"] = row["content_hash"]
    return found


def _compared(
    row: dict[str, Any],
    verdict: Verdict,
    stored: tuple[Part, ...],
    before: dict[str, Any] | None,
    history: Sequence[dict[str, Any]],
) -> Compared:
    """`history` has the earlier loads of the part's account and month."""
    before = before or {"content_hash": None, "total": {}, "staying": {}}
    after = {
        currency: before["staying"].get(currency, Decimal(0)) + costs["billed_cost"]
        for currency, costs in row["costs"].items()
    }
    if verdict.replaces is Replaces.HELD or _is_same(row, before, history):
        status: Status = "unchanged"
    else:
        status = (
            "new" if verdict.replaces is Replaces.NOTHING or before["content_hash"] is None else "restated"
        )
    kinds = [load["kind"] for load in history]
    return Compared(row, verdict, stored, status, before["total"], after, kinds[-1] if kinds else None)


def _is_same(row: dict[str, Any], before: dict[str, Any], history: Sequence[dict[str, Any]]) -> bool:
    """Whether the lake has just these rows; of a pair it keeps a part only: there the last load tells.

    Provided that no other export has taken the place of the pair since.
    """
    if row["dataset"] in PAIR and before["content_hash"] is not None:
        since = max((n for n, load in enumerate(history, 1) if load["dataset"] not in PAIR), default=0)
        mine = [load for load in history[since:] if _key(load) == _key(row)]
        return bool(mine) and mine[-1]["content_hash"] == row["content_hash"]
    return bool(before["content_hash"] == row["content_hash"])


def apply(lake: Lake, load_id: int, judged: Sequence[tuple[dict[str, Any], Verdict, Status]]) -> None:
    """Remove what the changed parts replace, and the rows of the parts that change nothing."""
    changed = [(row, verdict) for row, verdict, status in judged if status != "unchanged"]
    same = [row for row, _, status in judged if status == "unchanged"]
    with lake.registered(_chosen(changed)) as keys:
        if any(verdict.replaces is not Replaces.NOTHING for _, verdict in changed):
            lake.sql(f"DELETE FROM charges AS c USING {keys} AS k WHERE {_is_victim(load_id)}")
    if same:
        with lake.registered(_keys(same)) as keys:
            lake.sql(f'DELETE FROM charges USING {keys} AS k WHERE "x_LoadId" = {load_id} AND {_SAME_PART}')
    for row, _ in changed:
        if row["dataset"] in PAIR:
            _complete(lake, row)


def _complete(lake: Lake, row: dict[str, Any]) -> None:
    """Where the lake has the actual and the amortized export of a month, take from each what the other lacks.

    Purchases and everything without a commitment come from the actual export, what commitments covered and
    what they left unused from the amortized one: BilledCost is the invoice, EffectiveCost spreads it, and
    nothing is there twice. Where one ends earlier, the days after that are the other's alone.
    """
    period = '"x_Source" = $source AND "BillingAccountId" = $account AND "x_Month" = $month'
    names = {name: row[name] for name in ("source", "account", "month")}
    found = lake.sql(f'SELECT DISTINCT "x_Dataset" AS d FROM charges WHERE {period}', **names)
    if not set(found.column(0).to_pylist()) >= PAIR:
        return
    for dataset, other, test in (
        ("amortized", "actual", f"NOT ({_OF_COMMITMENT})"),
        ("actual", "amortized", _OF_COMMITMENT),
    ):
        last = f"""
            SELECT max("ChargePeriodStart") {_USAGE} FROM charges WHERE {period} AND "x_Dataset" = '{other}'
        """
        lake.sql(
            f"DELETE FROM charges WHERE {period} AND \"x_Dataset\" = '{dataset}' AND {test} "
            f'AND "ChargePeriodStart" <= ({last})',
            **names,
        )
    lake.sql(
        f'UPDATE charges SET "EffectiveCost" = 0 WHERE {period} AND "x_Dataset" = \'actual\' '
        f'AND {_PURCHASE} AND "EffectiveCost" <> 0',
        **names,
    )


def uneven(lake: Lake, row: dict[str, Any]) -> str | None:
    """What to say where the actual and the amortized export of a month do not end together."""
    if row["dataset"] not in PAIR:
        return None
    ends = lake.sql(
        f"""
        SELECT "x_Dataset" AS dataset, max("ChargePeriodStart") {_USAGE} AS last FROM charges
        WHERE "x_Source" = $source AND "BillingAccountId" = $account AND "x_Month" = $month
        GROUP BY ALL HAVING last IS NOT NULL
        """,
        **{name: row[name] for name in ("source", "account", "month")},
    ).to_pylist()
    last = {one["dataset"]: one["last"].date() for one in ends}
    if not set(last) >= PAIR or last["actual"] == last["amortized"]:
        return None
    missing = (
        "what commitments cover costs nothing after that"
        if last["amortized"] < last["actual"]
        else "purchases after that are missing"
    )
    ends_at = f"actual ends {last['actual']}, amortized {last['amortized']}"
    return f"{row['account']} {row['month']}: {ends_at}: {missing}; export both again"
