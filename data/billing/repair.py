"""Costs a provider leaves at zero although the charge is not free.

Azure delivers ListCost and ContractedCost as 0 for reservation usage and marketplace charges; savings
computed from that are negative. A zero is replaced by the best figure the same row has, and x_Repaired says
so. A missing value stays missing, and a charge that costs nothing at all is free, not broken.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

_PAID = 'greatest("BilledCost", "EffectiveCost")'
_BROKEN = """"ChargeCategory" = 'Usage' AND "{name}" = 0 AND greatest({others}) > 0"""
# From the price that is nearest in meaning to the one that is farthest.
_FROM = {
    "ContractedCost": ('"ContractedUnitPrice" * "PricingQuantity"', '"ListCost"'),
    "ListCost": ('"ListUnitPrice" * "PricingQuantity"', '"ContractedCost"'),
}


def repaired(rows: str) -> str:
    """SQL of the mapped rows `rows` with zeros of ListCost and ContractedCost filled in."""
    broken = {name: _broken(name) for name in _FROM}
    values = ", ".join(
        f'CASE WHEN {broken[name]} THEN {_best(name)} ELSE "{name}" END AS "{name}"' for name in _FROM
    )
    said = ", ".join(f"CASE WHEN {broken[name]} THEN '{name}' END" for name in _FROM)
    return (
        f"""SELECT * REPLACE ({values}), nullif(concat_ws(', ', {said}), '') AS "x_Repaired" FROM ({rows})"""
    )


def _broken(name: str) -> str:
    others = ["BilledCost", "EffectiveCost", *(other for other in _FROM if other != name)]
    return _BROKEN.format(name=name, others=", ".join(f'coalesce("{other}", 0)' for other in others))


def _best(name: str) -> str:
    candidates = ", ".join(f"CASE WHEN {value} > 0 THEN {value} END" for value in _FROM[name])
    return f"CAST(greatest(coalesce({candidates}), {_PAID}) AS DECIMAL(38, 18))"
