"""Rules from a bill's own columns to ours, as SQL with placeholders, and the checks that follow from them.

A rule is SQL over `{text:column}`, `{money:column}` and `{time:column}`, the column in the format's canonical
spelling; a column the file lacks is NULL. A source column that is copied as it is has found a home. Every
other one goes to x_Extra, so that nothing of a bill is lost.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from data.columns import Table
from data.errors import Fault
from data.lake import Lake, quoted
from data.staging import ROW, Staged

FAULTS_PER_COLUMN = 5
_PLACE = re.compile(r"\{(text|money|time):([^{}]+)\}")
_READ = {"text": "{}", "money": "as_money({})", "time": "as_time({})"}
_EXPECTED = {
    "money": "a decimal number of at most 20 digits before the point",
    "time": "a time such as 2026-05-01T00:00:00Z",
}

# DuckDB reads 1_000 as a number; no bill means that.
_AS_MONEY = """
    CREATE OR REPLACE TEMP MACRO as_money(x) AS
    CASE WHEN NOT contains(x, '_') THEN TRY_CAST(x AS DECIMAL(38, 18)) END
"""
# FOCUS and the Cost and Usage Report are UTC by specification, so a time without zone is UTC. The pattern
# keeps out what the engine also takes for a time, such as 'infinity' and 'epoch'.
_AS_TIME = """
    CREATE OR REPLACE TEMP MACRO as_time(x) AS
    CASE WHEN x LIKE '____-__-__%' THEN TRY_CAST(x AS TIMESTAMPTZ) END
"""
# Digits after the point that count: 1.230e-2 has four.
_DECIMALS = """
    CREATE OR REPLACE TEMP MACRO decimals(x) AS
    length(rtrim(regexp_extract(x, '\\.(\\d+)', 1), '0'))
    - coalesce(TRY_CAST(regexp_extract(x, '[eE]([+-]?\\d+)$', 1) AS INTEGER), 0)
"""
MACROS = (_AS_MONEY, _AS_TIME, _DECIMALS)


@dataclass(frozen=True)
class Mapping:
    """The rules of one format: `rules` by target column, `extra` by x_Extra key.

    `consumed` names source columns that have a home although no rule copies them as they are.
    """

    kind: str
    rules: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)
    consumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """A mapping put on one file's columns: SQL per target, and which source column is read as which type."""

    select: dict[str, str]
    typed: tuple[tuple[int, str], ...]

    def sql(self, relation: str) -> str:
        """The SELECT of the mapped rows, each source column converted once.

        Beside the targets it counts, per row, `unreadable` values and `rounded` amounts (over 18 decimals,
        which DECIMAL(38,18) rounds half away from zero).
        """
        casts = "".join(f", {_READ[kind].format(f'c{i}')} AS {kind}_{i}" for i, kind in self.typed)
        unreadable = [f"(c{i} IS NOT NULL AND {kind}_{i} IS NULL)::INTEGER" for i, kind in self.typed]
        # Only long values and exponents can have so many decimals: the pattern is tried on few rows.
        rounded = [
            f"CASE WHEN length(c{i}) > 19 OR contains(c{i}, 'e') OR contains(c{i}, 'E') "
            f"THEN (decimals(c{i}) > 18)::INTEGER ELSE 0 END"
            for i, kind in self.typed
            if kind == "money"
        ]
        targets = ", ".join(f'{value} AS "{target}"' for target, value in self.select.items())
        return f"""
            SELECT {targets}, {_total(unreadable)} AS unreadable, {_total(rounded)} AS rounded
            FROM (SELECT *{casts} FROM {relation})
        """


def _total(counts: list[str]) -> str:
    return " + ".join(f"coalesce({count}, 0)" for count in counts) or "0"


def fit(mapping: Mapping, columns: Sequence[str], canonical: Callable[[str], str]) -> Fitted:
    """Put the file's columns into the rules."""
    index: dict[str, int] = {}
    for position, name in enumerate(columns):
        index.setdefault(canonical(name), position)
    typed: dict[tuple[int, str], None] = {}

    def fill(template: str) -> str:
        for kind, name in _PLACE.findall(template):
            if kind != "text" and name in index:
                typed[index[name], kind] = None
        return _PLACE.sub(
            lambda m: _READ[m[1]].format(f"c{index[m[2]]}") if m[2] in index else "NULL", template
        )

    select = {target: fill(rule) for target, rule in mapping.rules.items()}
    homes = {
        index[m[2]] for rule in mapping.rules.values() if (m := _PLACE.fullmatch(rule)) and m[2] in index
    }
    homes |= {index[name] for name in mapping.consumed if name in index}
    entries = {name: f"c{i}" for i, name in enumerate(columns) if i not in homes}
    entries |= {name: fill(template) for name, template in mapping.extra.items()}
    select["x_Extra"] = map_of(entries)
    return Fitted(select, tuple(typed))


def _reference(kind: str, position: int | None) -> str:
    """How the SQL of `Fitted.sql` names a source column read as `kind`."""
    if position is None:
        return "NULL"
    return f"c{position}" if kind == "text" else f"{kind}_{position}"


def targets_of(mapping: Mapping, sources: Sequence[str]) -> set[str]:
    """The targets whose rules read one of the source columns (in canonical spelling)."""
    return {
        target
        for target, rule in mapping.rules.items()
        if any(name in sources for _, name in _PLACE.findall(rule))
    }


def map_of(entries: dict[str, str]) -> str:
    """SQL of a map from names to those expressions that have a value; NULL if none has."""
    if not entries:
        return "NULL::MAP(VARCHAR, VARCHAR)"
    items = ", ".join(f"{{'k': {quoted(name)}, 'v': {value}}}" for name, value in entries.items())
    filled = f"list_filter([{items}], lambda e: e.v IS NOT NULL)"
    return (
        f"CASE WHEN coalesce({', '.join(entries.values())}) IS NOT NULL THEN map_from_entries({filled}) END"
    )


def unreadable(lake: Lake, raw: Staged, fitted: Fitted) -> Iterator[Fault]:
    """A fault for each value that is there but is not of the type its rule reads."""
    wrong = {
        (i, kind): f"c{i} IS NOT NULL AND {_READ[kind].format(f'c{i}')} IS NULL" for i, kind in fitted.typed
    }
    if not wrong:
        return
    counts = ", ".join(f"count(*) FILTER (WHERE {test})" for test in wrong.values())
    found = lake.sql(f"SELECT {counts} FROM {raw.relation}")
    for position, ((i, kind), test) in enumerate(wrong.items()):
        count = int(found.column(position)[0].as_py())
        if count:
            sample = f"SELECT {ROW} AS r, c{i} AS v FROM {raw.numbered} WHERE {test} ORDER BY {ROW}"
            name = raw.file.columns[i]
            expected = _EXPECTED[kind]
            yield from _faults(lake, sample, count, where=raw.file.name, column=name, expected=expected)


def illegal(lake: Lake, relation: str, table: Table, where: str) -> Iterator[Fault]:
    """A fault for each missing value and each name the dictionary does not know, in rows already mapped."""
    tests: list[tuple[str, str, str]] = []
    for column in table.columns:
        name = f'"{column.name}"'
        if not column.nullable:
            tests.append((column.name, f"{name} IS NULL", "a value"))
        if column.allowed:
            names = ", ".join(quoted(value) for value in column.allowed)
            tests.append((column.name, f"{name} NOT IN ({names})", "one of " + ", ".join(column.allowed)))
    counts = ", ".join(f"count(*) FILTER (WHERE {test})" for _, test, _ in tests)
    found = lake.sql(f"SELECT {counts} FROM {relation}")
    for position, (column_name, test, expected) in enumerate(tests):
        count = int(found.column(position)[0].as_py())
        if count:
            sample = (
                f'SELECT "x_Row" AS r, "{column_name}"::VARCHAR AS v FROM {relation} WHERE {test} ORDER BY r'
            )
            yield from _faults(lake, sample, count, where=where, column=column_name, expected=expected)


def _faults(
    lake: Lake, sample: str, count: int, *, where: str, column: str, expected: str
) -> Iterator[Fault]:
    for row in lake.sql(f"{sample} LIMIT {FAULTS_PER_COLUMN}").to_pylist():
        value = "nothing" if row["v"] is None else repr(str(row["v"])[:80])
        yield Fault(where, value, expected, "correct the value or export again", int(row["r"]), column)
    if count > FAULTS_PER_COLUMN:
        found = f"{count - FAULTS_PER_COLUMN} more values of the same kind"
        yield Fault(where, found, expected, "correct them too", column=column)
