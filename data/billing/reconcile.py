"""Whether the charges in the lake are the invoice: rules over loads and charges, and what breaks them."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from data.lake import Lake

TOLERANCE = "0.000000001"  # of a sum against the provider's own column, in the invoice's currency
_KEY = "source, account, month, currency"


@dataclass(frozen=True)
class Check:
    """One rule, how many things it looked at, and the rows that break it (source, account, month, …)."""

    name: str
    about: str
    checked: int
    misses: pa.Table

    @property
    def holds(self) -> bool:
        """Whether nothing broke the rule."""
        return not self.misses.num_rows


def reconcile(lake: Lake) -> tuple[Check, ...]:
    """Every check over everything the lake has."""
    return tuple(_check(lake, *rule) for rule in RULES)


def _check(lake: Lake, name: str, about: str, rows: str, broken: str) -> Check:
    checked = int(lake.sql(f"SELECT count(*) FROM ({rows})").column(0)[0].as_py())
    misses = lake.sql(f"SELECT * FROM ({rows}) WHERE {broken} ORDER BY ALL LIMIT 100")
    return Check(name, about, checked, misses)


# The newest load of each part; an amortized export spreads the invoice instead of stating it.
_LOADS = """
    SELECT source, account, month, currency, dataset, load_id, kind, native_cost,
        CASE WHEN dataset = 'amortized' THEN effective_cost ELSE billed_cost END AS loaded_cost
    FROM loads
    WHERE table_name = 'charges' AND native_cost IS NOT NULL
    QUALIFY load_id = max(load_id) OVER (PARTITION BY source, account, month, dataset)
"""
_HELD = """
    SELECT l.source, l.account, l.month, l.currency, l.billed_cost AS loaded_cost, c.billed_cost AS held_cost
    FROM (
        SELECT source, account, month, currency, sum(billed_cost) AS billed_cost
        FROM loads
        WHERE table_name = 'charges'
        GROUP BY ALL
        HAVING count(*) = 1 AND any_value(dataset) IS NULL
    ) AS l
    LEFT JOIN (
        SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
            "BillingCurrency" AS currency, sum("BilledCost") AS billed_cost
        FROM charges
        GROUP BY ALL
    ) AS c USING (source, account, month, currency)
"""
# A term is over when the bill has a charge of the commitment up to its end and its purchase or first month.
_TERMS = """
    SELECT "x_Source" AS source, "BillingAccountId" AS account, max("x_Month") AS month,
        "BillingCurrency" AS currency, "CommitmentDiscountId" AS commitment,
        sum("BilledCost") AS billed_cost, sum("EffectiveCost") AS effective_cost
    FROM charges
    WHERE "CommitmentDiscountId" IN (
        SELECT "ContractCommitmentId" FROM contract_commitments AS k
        WHERE EXISTS (
            SELECT 1 FROM charges AS c
            WHERE c."CommitmentDiscountId" = k."ContractCommitmentId"
            GROUP BY ALL
            HAVING min(c."ChargePeriodStart") <= k."ContractCommitmentPeriodStart"
                AND max(c."ChargePeriodEnd") >= k."ContractCommitmentPeriodEnd"
        )
    )
    GROUP BY ALL
"""
_SAVINGS = """
    SELECT "x_Source" AS source, "BillingAccountId" AS account, "x_Month" AS month,
        "BillingCurrency" AS currency, "ServiceName" AS service, count(*) AS charges,
        sum("ListCost") AS list_cost, sum("EffectiveCost") AS effective_cost
    FROM charges
    WHERE "ChargeCategory" = 'Usage' AND "ChargeClass" IS NULL AND "ListCost" IS NOT NULL
        AND "EffectiveCost" > 0 AND "CommitmentDiscountStatus" IS DISTINCT FROM 'Unused'
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
        "the lake holds what the only load of a month brought",
        _HELD,
        f"held_cost IS NULL OR abs(held_cost - loaded_cost) > {TOLERANCE}",
    ),
    (
        "amortisation",
        "over a whole term, EffectiveCost of a commitment equals its BilledCost",
        _TERMS,
        "abs(effective_cost - billed_cost) > 0.005 * greatest(abs(billed_cost), 1)",
    ),
    (
        "savings",
        "no service costs more than its list price",
        _SAVINGS,
        "effective_cost > list_cost * 1.000001 + 0.01",
    ),
    ("list prices", "list and contracted costs are there, none was repaired", _REPAIRED, "repaired > 0"),
    (
        "one export",
        "no month is counted from two exports",
        _DOUBLE,
        "n > 1 AND datasets <> 'actual, amortized'",
    ),
)  # fmt: skip
