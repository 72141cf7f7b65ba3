"""The many spellings of Azure's cost columns, units and regions, as one."""

from __future__ import annotations

import re

_ALIASES = {
    "subscriptionguid": "subscriptionid",
    "usagedatetime": "date",
    "usagedate": "date",
    "pretaxcost": "cost",
    "costinbillingcurrency": "cost",
    "usagequantity": "quantity",
    "resourcerate": "effectiveprice",
    "instanceid": "resourceid",
    "instancename": "resourceid",
    "currency": "billingcurrency",
    "billingcurrencycode": "billingcurrency",
    "product": "productname",
    "resourcegroupname": "resourcegroup",
    "invoicesection": "invoicesectionname",
    "resourcelocationnormalized": "resourcelocation",
    "payasyougoprice": "paygprice",
}


def canonical(name: str) -> str:
    """One spelling per column: lower-case letters and digits; of "Kosten (CostInUsd)" what is in brackets."""
    english = re.search(r"\(([A-Za-z][A-Za-z0-9]+)\)\s*$", name)
    plain = re.sub(r"[^a-z0-9]", "", (english[1] if english else name).lower())
    return _ALIASES.get(plain, plain)


# -- units -----------------------------------------------------------------------------------------

_NUMBER = r"^\s*([0-9][0-9,]*\.?[0-9]*)"
_LETTER = _NUMBER + r"\s*([KMB])(?:[^A-Za-z]|$)"
_MULTIPLES = {"K": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def block_size_sql(unit: str) -> str:
    """SQL of how many units a price is for: 100 of "100 Hours", 10000 of "10K", 1 where no number leads."""
    number = f"TRY_CAST(replace(regexp_extract({unit}, '{_NUMBER}', 1), ',', '') AS DECIMAL(18, 3))"
    letter = f"regexp_extract({unit}, '{_LETTER}', 2)"
    cases = " ".join(f"WHEN '{name}' THEN {factor}" for name, factor in _MULTIPLES.items())
    return f"coalesce(nullif({number}, 0) * CASE {letter} {cases} ELSE 1 END, 1)"


def unit_sql(unit: str) -> str:
    """SQL of the unit without its block size: Hours of "100 Hours", Units of "10K", Units/Day of "1/Day"."""
    after_letter = f"regexp_replace({unit}, '{_NUMBER}\\s*[KMB]', '')"
    after_number = f"regexp_replace({unit}, '{_NUMBER}', '')"
    has_letter = f"regexp_matches({unit}, '{_LETTER}')"
    rest = f"trim(CASE WHEN {has_letter} THEN {after_letter} ELSE {after_number} END)"
    return f"CASE WHEN {rest} = '' THEN 'Units' WHEN {rest} LIKE '/%' THEN 'Units' || {rest} ELSE {rest} END"


# -- regions ---------------------------------------------------------------------------------------

_BEFORE = {  # the country stands before the direction in the region's id
    "ae": "uae", "at": "austria", "au": "australia", "be": "belgium", "br": "brazil", "ca": "canada",
    "ch": "switzerland", "cl": "chile", "cn": "china", "de": "germany", "dk": "denmark", "es": "spain",
    "fi": "finland", "fr": "france", "gr": "greece", "id": "indonesia", "il": "israel", "it": "italy",
    "ja": "japan", "kr": "korea", "mx": "mexico", "my": "malaysia", "no": "norway", "nz": "newzealand",
    "pl": "poland", "qa": "qatar", "se": "sweden", "tw": "taiwan", "za": "southafrica",
}  # fmt: skip
_AFTER = {"us": "us", "eu": "europe", "ap": "asia", "in": "india"}
_DIRECTIONS = "((?:north|south|east|west|central)+)"


def region_sql(name: str) -> str:
    """SQL of a region's id: eastus2 of "EastUS2", of "East US 2" and of "US East 2"."""
    plain = f"nullif(regexp_replace(lower({name}), '[^a-z0-9]', '', 'g'), '')"
    swapped = plain
    for short, country in _AFTER.items():
        swapped = f"regexp_replace({swapped}, '^{short}{_DIRECTIONS}([0-9]?)$', '\\1{country}\\2')"
    for short, country in _BEFORE.items():
        swapped = f"regexp_replace({swapped}, '^{short}{_DIRECTIONS}([0-9]?)$', '{country}\\1\\2')"
    return swapped
