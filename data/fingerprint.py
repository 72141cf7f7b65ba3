"""One text for what rows hold, whatever their order: how a load is known to be the same as an earlier one.

A sum of hashes does not depend on the order of the rows, and unlike xor it counts rows that repeat. MD5
because it is the same in every version of the engine; it guards against nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

_BETWEEN, _MISSING = "chr(31)", "chr(30)"  # separators no export uses


def fingerprint_sql(columns: Sequence[str]) -> str:
    """SQL of an aggregate over rows with these columns: their number and the sum of their hashes."""
    values = ", ".join(f'coalesce("{name}"::VARCHAR, {_MISSING})' for name in columns)
    return f"count(*) || ':' || coalesce(sum(md5_number_lower(concat_ws({_BETWEEN}, {values}))::HUGEINT), 0)"
