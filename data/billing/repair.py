"""Costs a provider leaves at zero although the charge is not free.

Azure delivers ListCost and ContractedCost as 0 for reservation usage and marketplace charges; savings
computed from that are negative. A zero is replaced by the best figure the same row has, and x_Repaired says
so. A missing value stays missing, and usage that nobody pays for is free, not broken: the hours of a free
tier keep a contracted cost of 0 beside their list cost.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

_PAID = 'greatest("BilledCost", "EffectiveCost")'
_COVERED = "\"CommitmentDiscountStatus\" = 'Used'"
# A zero is broken where money is paid, or where the row has the other price of something that is not free.
_BROKEN = {
    "ContractedCost": f'({_PAID} > 0 OR ("ListCost" > 0 AND {_COVERED}))',
    "ListCost": f'({_PAID} > 0 OR "ContractedCost" > 0)',
}


def repaired(rows: str) -> str:
    """SQL of the mapped rows `rows` with zeros of ListCost and ContractedCost filled in."""
    contracted = _best(_times("ContractedUnitPrice"), '"ListCost"', _times("ListUnitPrice"))
    listed = _best(_times("ListUnitPrice"), _filled("ContractedCost", contracted))
    values = {"ContractedCost": contracted, "ListCost": listed}
    replaced = ", ".join(f'{_filled(name, value)} AS "{name}"' for name, value in values.items())
    said = ", ".join(f"CASE WHEN {_is_broken(name)} THEN '{name}' END" for name in values)
    repairs = f"nullif(concat_ws(', ', {said}), '')"
    return f'SELECT * REPLACE ({replaced}), {repairs} AS "x_Repaired" FROM ({rows})'


def _is_broken(name: str) -> str:
    return f'"ChargeCategory" = \'Usage\' AND "{name}" = 0 AND {_BROKEN[name]}'


def _filled(name: str, value: str) -> str:
    return f'CASE WHEN {_is_broken(name)} THEN {value} ELSE "{name}" END'


def _times(price: str) -> str:
    """SQL of the cost at a unit price, to 12 decimals: the product of two exact decimals can overflow."""
    product = f'TRY_CAST("{price}"::DOUBLE * "PricingQuantity"::DOUBLE AS DECIMAL(38, 12))'
    return f"TRY_CAST({product} AS DECIMAL(38, 18))"


def _best(*candidates: str) -> str:
    """SQL of the first candidate above 0, nearest in meaning first, but never less than what is paid."""
    above_zero = ", ".join(f"CASE WHEN {value} > 0 THEN {value} END" for value in candidates)
    return f"greatest(coalesce({above_zero}), {_PAID})"
