"""What is odd about the rows of a bill but no reason to refuse it: counted, told with the load, kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data.billing.columns import COST_AND_USAGE
from data.lake import quoted

_FIRST_YEAR, _LAST_YEAR = 2000, 2099  # before the first there was no cloud
# A word that FOCUS does not know stands in its column or, where the rules of a format put another in its
# place, under the column's name in x_Extra.
_REPLACED_BY = {"ServiceCategory": "Other", "ChargeCategory": "Adjustment"}


def _is_unknown(name: str, allowed: tuple[str, ...]) -> str:
    test = f'"{name}" NOT IN ({", ".join(map(quoted, allowed))})'
    if name in _REPLACED_BY:
        test += f""" OR ("{name}" = '{_REPLACED_BY[name]}' AND map_contains("x_Extra", '{name}'))"""
    return test


_TESTS: dict[str, tuple[str, str]] = {
    **{
        f"odd_{column.name}": (
            _is_unknown(column.name, column.allowed),
            f"with a {column.name} that FOCUS does not know",
        )
        for column in COST_AND_USAGE
        if column.allowed
    },
    "odd_currency": (
        """NOT regexp_full_match("BillingCurrency", '[A-Z]{3}')""",
        "with a BillingCurrency that is no code of ISO 4217",
    ),
    "odd_tags": (
        """ trim("Tags") NOT LIKE '{%}' """,
        "with Tags that are no JSON object, so that no rule by tag matches",
    ),
    "odd_quantity": (
        '"ChargeCategory" = \'Usage\' AND "ChargeClass" IS NULL AND "ConsumedQuantity" < 0',
        "of usage with a negative quantity, and no correction",
    ),
    "odd_period": (
        '"ChargePeriodEnd" < "ChargePeriodStart" OR "BillingPeriodEnd" <= "BillingPeriodStart"',
        "with an end before the start",
    ),
    "odd_date": (
        """
            "ChargeCategory" = 'Usage' AND "ChargeClass" IS NULL
            AND ("ChargePeriodStart" < "BillingPeriodStart" - INTERVAL 35 DAY
                OR "ChargePeriodStart" >= "BillingPeriodEnd" + INTERVAL 2 DAY)
        """,
        "of usage far outside the billing period",
    ),
    "odd_year": (
        f'year("BillingPeriodStart") NOT BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR}',
        f"billed for a year before {_FIRST_YEAR} or after {_LAST_YEAR}",
    ),
}
COUNTS = ", ".join(f"count(*) FILTER (WHERE {test}) AS {name}" for name, (test, _) in _TESTS.items())


def notes(row: dict[str, Any]) -> Iterator[str]:
    """A sentence for each kind of oddity of a part, from the counts that `COUNTS` made."""
    for name, (_, text) in _TESTS.items():
        if row[name]:
            charges = "charge" if row[name] == 1 else "charges"
            yield f"{row['account']} {row['month']}: {row[name]} {charges} {text}"
    if len(row["costs"]) > 1:
        currencies = ", ".join(row["costs"])
        yield f"{row['account']} {row['month']}: charges in {currencies}, which are never added up"
