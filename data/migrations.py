"""How the lake's schema came to be what it is, step by step.

`schema_migrations` in the lake holds the steps it has taken. Opening an older lake takes the missing ones and
then adds every table and column of the dictionary that is not there yet, in one transaction; opening a newer
one is refused. A step is never edited once released: a change of the dictionary is a new step, even an empty
one (`steps_of_dictionary` in the tests fails until it is added).
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from data.errors import LakeError
from data.tables import TABLES, ddl

MIGRATIONS_TABLE = "schema_migrations"


class Sql(Protocol):
    """The one method a migration needs of the lake."""

    def sql(self, statement: str, /, **parameters: object) -> pa.Table:
        """Run one statement and give its rows."""


@dataclass(frozen=True)
class Migration:
    """One step: a name for people and what it does beyond adding tables and columns."""

    name: str
    apply: Callable[[Sql], None]


def _only_what_is_missing(_: Sql) -> None:
    """A step that needs nothing but the tables and columns the dictionary adds."""


def _charges_in_order_of_arrival(lake: Sql) -> None:
    """Charges are no longer split by source and month: writing is faster, and statistics find a month too."""
    tables = lake.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()")
    if "charges" in tables.column(0).to_pylist():
        lake.sql("ALTER TABLE charges RESET PARTITIONED BY")


MIGRATIONS: tuple[Migration, ...] = (
    Migration("first tables", _only_what_is_missing),
    Migration("billing periods, exchange rates, reconciliation", _charges_in_order_of_arrival),
    Migration("numbers of lines in append-only exports", _only_what_is_missing),
    Migration("scores of backtested forecasts", _only_what_is_missing),
    Migration("the model that plans after a backtest", _only_what_is_missing),
)


def pending(lake: Sql, migrations: tuple[Migration, ...]) -> int:
    """Number of steps the lake has still to take; LakeError if it has taken steps we do not know."""
    names = lake.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()")
    if MIGRATIONS_TABLE not in names.column(0).to_pylist():
        return len(migrations)
    taken = lake.sql(f"SELECT coalesce(max(version), 0) FROM {MIGRATIONS_TABLE}").column(0)[0].as_py()
    if taken > len(migrations):
        raise LakeError(
            f"the lake's schema is version {taken}; this Trimtab knows versions up to {len(migrations)}; "
            "upgrade Trimtab, or open another workspace"
        )
    return len(migrations) - int(taken)


def migrate(lake: Sql, migrations: tuple[Migration, ...]) -> None:
    """Take the pending steps. The caller holds the transaction."""
    due = pending(lake, migrations)
    if due == len(migrations):
        lake.sql(f"CREATE TABLE IF NOT EXISTS {MIGRATIONS_TABLE} (version BIGINT, name VARCHAR)")
    for version, step in list(enumerate(migrations, start=1))[len(migrations) - due :]:
        step.apply(lake)
        lake.sql(f"INSERT INTO {MIGRATIONS_TABLE} VALUES ($version, $name)", version=version, name=step.name)
    add_what_is_missing(lake)


def add_what_is_missing(lake: Sql) -> None:
    """Create the dictionary's tables and columns the lake lacks; nothing is ever dropped."""
    rows = lake.sql(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
    ).to_pylist()
    present: dict[str, set[str]] = {}
    for row in rows:
        present.setdefault(row["table_name"], set()).add(row["column_name"])
    for table in TABLES.values():
        if table.name not in present:
            lake.sql(ddl(table.name))
            continue
        for column in table.columns:
            if column.name not in present[table.name]:
                lake.sql(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {column.kind.value}')
