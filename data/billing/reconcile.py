"""Whether the charges in the lake are the invoice: rules over loads and charges, and what breaks them."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from data.lake import Lake
from data.views import view_sql

TOLERANCE = "0.000000001"  # of a sum against the provider's own column, in the invoice's currency
MISSES_KEPT = 100


@dataclass(frozen=True)
class Check:
    """One rule, how many things it looked at and how many broke it, and the first of these as rows.

    `misses` has at most `MISSES_KEPT` rows: source, account, month, currency and what the rule compares.
    """

    name: str
    about: str
    checked: int
    missed: int
    misses: pa.Table

    @property
    def holds(self) -> bool:
        """Whether nothing broke the rule."""
        return not self.missed


def reconcile(lake: Lake) -> tuple[Check, ...]:
    """Every check over everything the lake has."""
    return tuple(_check(lake, *rule) for rule in RULES)


def _check(lake: Lake, name: str, about: str, rows: str, broken: str) -> Check:
    found = lake.sql(f"SELECT *, coalesce({broken}, false) AS is_missed FROM ({rows}) ORDER BY ALL")
    missed = found.filter(found.column("is_missed")).drop_columns(["is_missed"])
    return Check(name, about, found.num_rows, missed.num_rows, missed.slice(0, MISSES_KEPT))


# The newest load of each part; an amortized export spreads the invoice instead of stating it.
_LOADS = """
    SELECT * EXCLUDE (newest)
    FROM (
        SELECT source, account, month, currency, dataset, load_id, kind, native_cost,
            CASE WHEN dataset = 'amortized' THEN effective_cost ELSE billed_cost END AS loaded_cost,
            max(load_id) OVER (PARTITION BY source, account, month, dataset) AS newest
        FROM loads
        WHERE table_name = 'charges'
    )
    WHERE load_id = newest AND native_cost IS NOT NULL
"""
# What the newest load of a month brought is there as it came; of two exports that complete each other only
# a part of each is kept.
_HELD = """
    SELECT l.source, l.account, l.month, l.currency, l.load_id, l.billed_cost AS loaded_cost,
        l.row_count AS loaded_rows, coalesce(c.billed_cost, 0) AS held_cost, coalesce(c.n, 0) AS held_rows
    FROM (
        SELECT *, max(load_id) OVER (PARTITION BY source, account, month) AS newest
        FROM loads
        WHERE table_name = 'charges'
    ) AS l
    LEFT JOIN (
        SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
            "BillingCurrency" AS currency, "x_LoadId" AS load_id, sum("BilledCost") AS billed_cost,
            count(*) AS n
        FROM charges
        GROUP BY ALL
    ) AS c USING (source, account, month, currency, load_id)
    WHERE l.load_id = l.newest AND l.dataset IS NULL
"""
_SAVINGS = """
    SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
        "BillingCurrency" AS currency, "ServiceName" AS service,
        count(*) FILTER (WHERE excess > 0) AS charges, sum(excess) AS above_list
    FROM (
        SELECT *, CASE WHEN "EffectiveCost" > "ListCost" * 1.000001 + 0.000001
            THEN "EffectiveCost" - "ListCost" ELSE 0 END AS excess
        FROM charges
        WHERE "ChargeCategory" = 'Usage' AND "ChargeClass" IS NULL AND "ListCost" IS NOT NULL
            AND "EffectiveCost" > 0 AND "CommitmentDiscountStatus" IS DISTINCT FROM 'Unused'
    )
    GROUP BY ALL
"""
_REPAIRED = """
    SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
        "BillingCurrency" AS currency, count("x_Repaired") AS repaired, count(*) AS charges
    FROM charges
    GROUP BY ALL
"""
_DOUBLE = """
    SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
        "BillingCurrency" AS currency,
        string_agg(DISTINCT "x_Dataset", ', ' ORDER BY "x_Dataset") AS datasets,
        count(DISTINCT coalesce("x_Dataset", '')) AS n
    FROM charges
    GROUP BY ALL
"""
RULES: tuple[tuple[str, str, str, str], ...] = (
    (
        "invoice",
        "BilledCost of each load equals the provider's own invoice column",
        _LOADS,
        f"abs(loaded_cost - native_cost) > {TOLERANCE}",
    ),
    (
        "kept",
        "the lake holds what the newest load of each month brought",
        _HELD,
        f"held_rows <> loaded_rows OR abs(held_cost - loaded_cost) > {TOLERANCE}",
    ),
    (
        # Rounding of hourly amounts stays far below a cent; a forgotten hour of a year is more than this.
        "amortisation",
        "over a term, or a month paid by the month, EffectiveCost of a commitment equals its BilledCost",
        f"SELECT * FROM (\n{view_sql('amortised_commitments')}\n)",
        "abs(effective_cost - billed_cost) > 0.01 + 0.0001 * abs(billed_cost)",
    ),
    ("savings", "no usage costs more than its list price", _SAVINGS, "above_list > 0.01"),
    ("list prices", "list and contracted costs are there, none was repaired", _REPAIRED, "repaired > 0"),
    (
        "one export",
        "no month is counted from two exports",
        _DOUBLE,
        "n > 1 AND datasets <> 'actual, amortized'",
    ),
)  # fmt: skip
