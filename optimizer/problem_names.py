"""Names in problem tables that nothing knows: tables, columns, pools and places.

A table or column that no problem has is a fault. Lists of quotas and of round trips name more than one
problem uses, so a pool or place that no option has is allowed and noted; it is a fault where it is most
likely a slip of a name that options do have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from data.nearest import hint, nearest
from data.sheet import ColumnRule, Sheet, shown
from optimizer.errors import Fault
from optimizer.problem_rules import (
    COMMITMENT_POOLS,
    LATENCY,
    NODES,
    OPTIONS,
    ORIGINS,
    POOLS,
    RULES,
    SCENARIO_DEMAND,
    SCENARIO_WEIGHTS,
    SCENARIOS,
)

INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")  # written where a frame has an index of its own
APART = re.compile(r"[\s._:/-]+")  # what separates the parts of a name
MOST_COMPARED = 20_000  # pairs of names: longer lists are compared by case and separators alone
NAMES_SHOWN = 3


@dataclass(frozen=True)
class Use:
    """Where the names of a column have their effect.

    Attributes:
        of: tables and columns that use such names.
        expected: what a name that has an effect is.
        unused: what is to be said of others; None where they have an effect of their own.
    """

    of: tuple[tuple[str, str], ...]
    expected: str
    unused: str | None


DRAWN = Use(
    tuple((table, column) for table in (OPTIONS, NODES) for column in ("pool", "quota_pool")),
    "a pool that options or nodes draw on",
    "no option or node draws on",
)
USES: dict[tuple[str, str], Use] = {
    (POOLS, "pool"): DRAWN,
    (COMMITMENT_POOLS, "pool"): DRAWN,
    (SCENARIOS, "pool"): DRAWN,
    (SCENARIO_WEIGHTS, "scenario"): Use(
        ((SCENARIOS, "scenario"), (SCENARIO_DEMAND, "scenario")),
        "a scenario in which something is lost or demanded",
        None,  # what is not lost elsewhere weighs here
    ),
    (LATENCY, "origin"): Use(
        ((ORIGINS, "origin"),), "an origin of origins.parquet", "no workload has the origin"
    ),
    (LATENCY, "provider"): Use(
        ((OPTIONS, "provider"),), "a provider of options.parquet", "no option has the provider"
    ),
    (LATENCY, "region"): Use(
        ((OPTIONS, "region"),), "a region of options.parquet", "no option has the region"
    ),
}


def unknown_tables(folder: Path) -> Iterator[Fault]:
    """Parquet files of the folder that are no table of a problem: what they say would be without effect."""
    known = {f"{name}.parquet" for name in RULES}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".parquet" and path.name not in known and not path.name.startswith("."):
            action = f"keep other files elsewhere; {hint(path.stem, RULES)}"
            yield Fault(path.name, "a table that problems do not have", "a table of the problem", action)


def check_columns(path: Path, sheet: Sheet, rules: Sequence[ColumnRule]) -> None:
    """Columns that have no rule: what they say would be without effect."""
    if sheet.frame.empty:  # nothing said, or not readable and told
        return
    known = [rule.name for rule in rules]
    for name in pq.read_schema(path).names:
        if name not in known and not INDEX_OF_PANDAS.fullmatch(name):
            found = f"the unknown column {shown(name)}"
            sheet.faults.append(Fault(sheet.where, found, "a column of this table", hint(name, known)))


def check_slips(sheets: Mapping[str, Sheet]) -> None:
    """Names that are most likely a slip of one in use."""
    for (table, column), use in USES.items():
        used = names_in_use(sheets, use)
        if used is not None and sheets[table].usable(column):
            refuse_slips(sheets[table], column, used, use.expected)


def refuse_slips(sheet: Sheet, column: str, used: Collection[str], expected: str) -> None:
    """Tell each slip once, with the name that was meant."""
    meant, values = slips(names_of(sheet, column), used), sheet.frame[column]
    first = (values.isin(list(meant)) & ~values.duplicated()).to_numpy(dtype=bool)

    def found(position: int) -> str:
        name = values.iloc[position]
        return f"{shown(name)} (did you mean {shown(meant[name])}?)"

    sheet.refuse(column, first, expected, "correct the name, or leave its rows out", found)


def slips(names: Collection[str], used: Collection[str]) -> dict[str, str]:
    """Names not in use with the one in use that each was probably meant to be.

    Such a name is one but for case and separators; or it is spelt like one that this column does not name
    itself. Names that differ in a number are different things.
    """
    same = {plain(name): name for name in used}
    unnamed = set(used) - set(names)
    unused = sorted(set(names) - set(used))
    is_compared = len(unused) * len(unnamed) <= MOST_COMPARED
    found = {}
    for name in unused:
        alike = [other for other in sorted(unnamed) if numbers(other) == numbers(name)] if is_compared else []
        meant = same.get(plain(name)) or nearest(name, alike)
        if meant is not None:
            found[name] = meant
    return found


def plain(name: str) -> str:
    """A name without its case, its separators all the same."""
    return APART.sub("-", name.casefold().strip())


def numbers(name: str) -> list[str]:
    """The numbers in a name."""
    return re.findall(r"\d+", name)


def without_effect(sheets: Mapping[str, Sheet]) -> tuple[str, ...]:
    """What names nothing that is in use, one sentence a column."""
    notes = []
    for (table, column), use in USES.items():
        unused = sorted(set(names_of(sheets[table], column)) - set(names_in_use(sheets, use) or ()))
        if use.unused is not None and unused:
            told = ", ".join(shown(name) for name in unused[:NAMES_SHOWN])
            more = f" and {len(unused) - NAMES_SHOWN:,} more" if len(unused) > NAMES_SHOWN else ""
            notes.append(f"{sheets[table].where}: {use.unused} {told}{more}: rows without effect")
    return tuple(notes)


def names_in_use(sheets: Mapping[str, Sheet], use: Use) -> set[str] | None:
    """Every name that the tables of a use have; None where one of them cannot be read."""
    if not all(sheets[table].usable(column) for table, column in use.of):
        return None
    return {name for table, column in use.of for name in names_of(sheets[table], column)}


def names_of(sheet: Sheet, column: str) -> list[str]:
    """The different names in a column."""
    return [str(name) for name in sheet.frame[column].dropna().unique()]
