"""One text for what rows hold, whatever their order: how a load is known to be the same as an earlier one.

A sum of hashes does not depend on the order of the rows, and unlike xor it counts rows that repeat. The hash
is the engine's own, which may change with its version: rows are compared with rows of the lake, and a stored
fingerprint is only ever found again, never proof that something is new. It guards against nobody.
"""

from __future__ import annotations

from collections.abc import Sequence


def fingerprint_sql(columns: Sequence[str]) -> str:
    """SQL of an aggregate over rows with these columns: their number and the sum of their hashes."""
    values = ", ".join(f'"{name}"' for name in columns)
    return f"count(*) || ':' || coalesce(sum(hash({values})::HUGEINT), 0)"
