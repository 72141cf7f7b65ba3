"""What keeps a bill out of the lake: values that cannot be read or are missing, and times no bill has."""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from data.billing.columns import COST_AND_USAGE
from data.billing.mapping import PLACE, Fitted, Mapping
from data.columns import Kind
from data.errors import Fault
from data.lake import Lake
from data.staging import FILE, ROW, Staged, readable

FAULTS_PER_COLUMN = 5
FIRST_YEAR, END_YEAR = 1970, 2262  # times in nanoseconds end in April 2262
NEEDED = tuple(column.name for column in COST_AND_USAGE if not column.nullable)
TIMES = tuple(column.name for column in COST_AND_USAGE if column.kind is Kind.TIME)
_TIME = "a time such as 2026-05-01T00:00:00Z"
_EXPECTED = {
    "money": "a decimal number of at most 20 digits before the point",
    "time": _TIME,
    "date": "a date such as 2026-05-01 or 5/1/2026 (month first)",
}


def faults(
    lake: Lake, raw: Staged, fitted: Fitted, rules: Mapping, canonical: Callable[[str], str]
) -> list[Fault]:
    """Every value that cannot be read or is missing where there must be one.

    Raises InputError where the engine cannot read the values at all.
    """
    with readable(raw):
        found = unreadable(lake, raw, fitted)
        # A value that could not be read is missing as well: one fault for it is enough.
        judged = targets_of(rules, [canonical(fault.column) for fault in found if fault.column])
        missing = [name for name in NEEDED if name not in judged]
        return found + list(_mapped(lake, raw, fitted, missing))


def targets_of(mapping: Mapping, sources: Sequence[str]) -> set[str]:
    """The targets whose rules read one of the source columns (in canonical spelling)."""
    return {
        target
        for target, rule in mapping.rules.items()
        if any(name in sources for _, name in PLACE.findall(rule))
    }


def unreadable(lake: Lake, raw: Staged, fitted: Fitted) -> list[Fault]:
    """A fault for each value that is there but is not of the type its rule reads."""
    found: list[Fault] = []
    tests = [(read, f"c{read.position} IS NOT NULL AND {read.value} IS NULL") for read in fitted.reads]
    for (read, test), count in zip(tests, _counts(lake, raw.relation, [t for _, t in tests]), strict=True):
        if count:
            column = raw.columns[read.position]
            sample = f"SELECT {FILE}, {ROW}, c{read.position}::VARCHAR AS v FROM {raw.relation} WHERE {test}"
            found += _faults(lake, raw, sample, count, column=column, expected=_EXPECTED[read.kind])
    return found


def _mapped(lake: Lake, raw: Staged, fitted: Fitted, needed: Sequence[str]) -> Iterator[Fault]:
    """A fault for each missing value of `needed` and each time no bill has, of rows already mapped."""
    targets = {name: fitted.select[name] for name in NEEDED} | {FILE: FILE, ROW: ROW}
    mapped = f"({fitted.sql(raw.relation, targets, strict=False)})"
    tests = [(name, f'"{name}" IS NULL', "a value") for name in needed]
    tests += [(name, is_out_of_time(name), f"a time from {FIRST_YEAR} to {END_YEAR - 1}") for name in TIMES]
    counts = _counts(lake, mapped, [test for _, test, _ in tests])
    for (name, test, expected), count in zip(tests, counts, strict=True):
        if count:
            sample = f'SELECT {FILE}, {ROW}, "{name}"::VARCHAR AS v FROM {mapped} WHERE {test}'
            yield from _faults(lake, raw, sample, count, column=name, expected=expected)


def is_out_of_time(name: str) -> str:
    """SQL of whether a time of a mapped row is before there were bills or after what other tools hold."""
    return f"""("{name}" < TIMESTAMPTZ '{FIRST_YEAR}-01-01' OR "{name}" >= TIMESTAMPTZ '{END_YEAR}-01-01')"""


def _counts(lake: Lake, relation: str, tests: Sequence[str]) -> list[int]:
    if not tests:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE {test}) AS n{i}" for i, test in enumerate(tests))
    return [int(column[0].as_py()) for column in lake.sql(f"SELECT {counts} FROM {relation}").columns]


def _faults(
    lake: Lake, raw: Staged, sample: str, count: int, *, column: str, expected: str
) -> Iterator[Fault]:
    where = raw.name
    for row in lake.sql(f"{sample} ORDER BY {FILE}, {ROW} LIMIT {FAULTS_PER_COLUMN}").to_pylist():
        value = "nothing" if row["v"] is None else repr(str(row["v"])[:80])
        where = raw.files[row[FILE]].name
        yield Fault(where, value, expected, "correct the value or export again", int(row[ROW]), column)
    if count > FAULTS_PER_COLUMN:
        found = f"{count - FAULTS_PER_COLUMN} more values of the same kind"
        yield Fault(where, found, expected, "correct them too", column=column)
