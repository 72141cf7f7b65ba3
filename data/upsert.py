"""Writing what is not a bill: which rows a delivery replaces, and whether it changed anything.

A series in time replaces what the lake has of it between the delivery's first and last moment, so that a
longer history and a newer piece both fit in. Everything else replaces the rows of the same scope.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from data.fingerprint import fingerprint_sql
from data.lake import Lake
from data.loads import Status

_NOT_CONTENT = {"load_id", "x_LoadId", "x_Row"}


@dataclass(frozen=True)
class Scope:
    """The rows that belong together: equal in `equal`, and in the same span of `span` if that is given."""

    equal: tuple[str, ...]
    span: str | None = None


SCOPES: dict[str, Scope] = {
    "demand": Scope(("workload", "origin"), "ts"),
    "usage": Scope(("resource_id", "metric"), "ts"),
    "events": Scope(("workload",), "ts"),
    "spot_capacity": Scope(("pool",), "ts"),
    "offers": Scope(("provider", "source", "as_of")),
    "instance_types": Scope(("provider", "instance_type")),
    "regions": Scope(("provider", "region")),
    "profiles": Scope(("model", "accelerator", "instance_type")),
    "deployments": Scope(("as_of",)),
    "fx_rates": Scope(("date", "base_currency", "quote_currency")),
    "contract_commitments": Scope(("x_Source", "ContractCommitmentId")),
}


def upsert(lake: Lake, table: str, rows: pa.Table) -> tuple[Status, str]:
    """Put rows (as `conform` gives them) in the place of their scope; the caller holds the transaction.

    Writes nothing and says `unchanged` if the lake has just these rows; `restated` if a row it had is gone.
    The second result is the fingerprint of the rows.
    """
    scope = SCOPES[table]
    columns = [name for name in rows.column_names if name not in _NOT_CONTENT]
    content = ", ".join(f'"{name}"' for name in columns)
    with lake.registered(rows) as incoming:
        lake.sql(f"CREATE OR REPLACE TEMP TABLE incoming_scope AS {_scopes(scope, incoming)}")
        inside = f"FROM {table} AS t WHERE EXISTS (SELECT 1 FROM incoming_scope AS s WHERE {_matches(scope)})"
        lake.sql(f"CREATE OR REPLACE TEMP TABLE present AS SELECT {content} {inside}")
        before = _count(lake, "FROM present")
        content_hash = _fingerprint(lake, incoming, columns)
        if before and _fingerprint(lake, "present", columns) == content_hash:
            status: Status = "unchanged"
        else:
            gone = before and _count(lake, f"FROM (FROM present EXCEPT ALL SELECT {content} FROM {incoming})")
            status = "restated" if gone else "new"
            if before:
                lake.sql(f"DELETE {inside}")
            lake.sql(f"INSERT INTO {table} BY NAME SELECT * FROM {incoming}")
    lake.sql("DROP TABLE present")
    lake.sql("DROP TABLE incoming_scope")
    return status, content_hash


def _count(lake: Lake, source: str) -> int:
    return int(lake.sql(f"SELECT count(*) {source}").column(0)[0].as_py())


def _fingerprint(lake: Lake, relation: str, columns: list[str]) -> str:
    return str(lake.sql(f"SELECT {fingerprint_sql(columns)} FROM {relation}").column(0)[0].as_py())


def _scopes(scope: Scope, incoming: str) -> str:
    names = ", ".join(f'"{name}"' for name in scope.equal)
    if scope.span is None:
        return f"SELECT DISTINCT {names} FROM {incoming}"
    return (
        f'SELECT {names}, min("{scope.span}") AS lo, max("{scope.span}") AS hi FROM {incoming} GROUP BY ALL'
    )


def _matches(scope: Scope) -> str:
    tests = [f't."{name}" IS NOT DISTINCT FROM s."{name}"' for name in scope.equal]
    if scope.span is not None:
        tests.append(f't."{scope.span}" BETWEEN s.lo AND s.hi')
    return " AND ".join(tests)
