"""What is odd about the rows of a bill but no reason to refuse it: counted, told with the load, kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data.billing.columns import COST_AND_USAGE
from data.lake import quoted

_ALLOWED = {column.name: column.allowed for column in COST_AND_USAGE if column.allowed}
_TESTS: dict[str, tuple[str, str]] = {
    **{
        f"odd_{name}": (
            f'"{name}" NOT IN ({", ".join(map(quoted, allowed))})',
            f"charges have a {name} that FOCUS does not know",
        )
        for name, allowed in _ALLOWED.items()
        if name != "ServiceCategory"  # becomes Other in the rules of the format
    },
    "odd_quantity": (
        '"ChargeCategory" = \'Usage\' AND "ChargeClass" IS NULL AND "ConsumedQuantity" < 0',
        "usage charges have a negative quantity and are no corrections",
    ),
    "odd_period": (
        '"ChargePeriodEnd" < "ChargePeriodStart" OR "BillingPeriodEnd" <= "BillingPeriodStart"',
        "charges end before they start",
    ),
    "odd_date": (
        """
            "ChargeCategory" = 'Usage' AND "ChargeClass" IS NULL
            AND ("ChargePeriodStart" < "BillingPeriodStart" - INTERVAL 35 DAY
                OR "ChargePeriodStart" >= "BillingPeriodEnd" + INTERVAL 2 DAY)
        """,
        "usage charges lie far outside their billing period",
    ),
}
COUNTS = ", ".join(f"count(*) FILTER (WHERE {test}) AS {name}" for name, (test, _) in _TESTS.items())


def notes(row: dict[str, Any]) -> Iterator[str]:
    """A sentence for each kind of oddity of a part, from the counts that `COUNTS` made."""
    for name, (_, text) in _TESTS.items():
        if row[name]:
            yield f"{row['account']} {row['month']}: {row[name]} {text}"
    if len(row["costs"]) > 1:
        currencies = ", ".join(row["costs"])
        yield f"{row['account']} {row['month']}: charges in {currencies}, which are never added up"
