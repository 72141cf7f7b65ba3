"""Rules from a bill's own columns to ours, as SQL with placeholders.

A rule is SQL over `{text:column}`, `{money:column}`, `{time:column}` and `{date:column}`, the column in the
format's canonical spelling; a column the file lacks is NULL. A source column that is copied as it is has
found a home. Every other one goes to x_Extra, so that nothing of a bill is lost.
"""

# ruff: noqa: S608 - names in the SQL come from the data dictionary, never from input; values are bound
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from data.errors import Fault, InputError
from data.lake import quoted
from data.staging import Staged, is_nested, text_of

UNREADABLE = "unreadable value in a bill"
DECIMALS_KEPT = 18
_ABSENT = {
    "text": "NULL::VARCHAR",
    "money": "NULL::DECIMAL(38, 18)",
    "time": "NULL::TIMESTAMPTZ",
    "date": "NULL::TIMESTAMPTZ",
}
_ROUNDED_TEST = {
    "VARCHAR": "is_rounded({})",
    "FLOAT": "is_rounded({}::VARCHAR)",
    "DOUBLE": "is_float_rounded({})",
    "DECIMAL": "is_rounded({}::VARCHAR)",
}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
             "UBIGINT", "UHUGEINT")  # fmt: skip
_ZONELESS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
PLACE = re.compile(r"\{(text|money|time|date):([^{}]+)\}")
# DuckDB reads 1_000 as a number; no bill means that.
_AS_MONEY = """
    CREATE OR REPLACE TEMP MACRO as_money(x) AS
    CASE WHEN NOT contains(x, '_') THEN TRY_CAST(x AS DECIMAL(38, 18)) END
"""
# FOCUS and the Cost and Usage Report are UTC by specification, so a time without zone is UTC. The pattern
# keeps out what the engine also takes for a time, such as 'infinity' and 'epoch'.
_AS_TIME = """
    CREATE OR REPLACE TEMP MACRO as_time(x) AS
    CASE WHEN x LIKE '____-__-__%' THEN coalesce(
        TRY_CAST(x AS TIMESTAMPTZ),
        TRY_CAST(regexp_replace(x, '^(.{10}[T ][0-9]{2}:[0-9]{2})(Z|[+-].*)?$', '\\1:00\\2') AS TIMESTAMPTZ)
    ) END
"""
_AS_DATE = """
    CREATE OR REPLACE TEMP MACRO as_date(x) AS
    CASE
        WHEN x LIKE '____-__-__%' THEN TRY_CAST(x AS TIMESTAMPTZ)
        ELSE timezone('UTC', try_strptime(x, ['%m/%d/%Y', '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %I:%M:%S %p']))
    END
"""
# A time that Python's calendar has: the engine goes back to 290308 (BC).
_IN_YEARS = """
    CREATE OR REPLACE TEMP MACRO in_years(x) AS
    CASE WHEN x BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'
        THEN x END
"""
# Digits after the point that count: 1.230e-2 has four.
_DECIMALS = """
    CREATE OR REPLACE TEMP MACRO decimals(x) AS
    length(rtrim(regexp_extract(x, '\\.(\\d+)', 1), '0'))
    - coalesce(TRY_CAST(regexp_extract(x, '[eE]([+-]?\\d+)$', 1) AS INTEGER), 0)
"""
# Only long values and exponents can have so many decimals: the pattern is tried on few rows.
_IS_ROUNDED = """
    CREATE OR REPLACE TEMP MACRO is_rounded(x) AS
    CASE WHEN length(x) > 19 OR contains(x, 'e') OR contains(x, 'E') THEN decimals(x) > 18 ELSE false END
"""
# The shortest decimal that is the same float: 0.1 stays 0.1. A decimal of at most 15 digits that converts
# back to the float is that one, and is found without writing text; the others are few.
_FLOAT_AS_MONEY = """
    CREATE OR REPLACE TEMP MACRO float_as_money(x) AS
    CASE
        WHEN abs(x) < 0.002 THEN TRY_CAST(x AS DECIMAL(38, 18)) -- 18 decimals of it are an integer below 2^51
        WHEN abs(x) < 1000000 AND TRY_CAST(x AS DECIMAL(18, 9))::DOUBLE = x
        THEN TRY_CAST(x AS DECIMAL(18, 9))::DECIMAL(38, 18)
        WHEN abs(x) < 1 AND TRY_CAST(x AS DECIMAL(18, 15))::DOUBLE = x
        THEN TRY_CAST(x AS DECIMAL(18, 15))::DECIMAL(38, 18)
        ELSE TRY_CAST(x::VARCHAR AS DECIMAL(38, 18))
    END
"""
_IS_FLOAT_ROUNDED = """
    CREATE OR REPLACE TEMP MACRO is_float_rounded(x) AS
    CASE
        WHEN abs(x) >= 0.01 THEN false -- 17 digits end at the 18th decimal
        WHEN abs(x) < 0.002 THEN round(x, 18) <> x -- exact: 18 decimals of it are an integer below 2^51
        WHEN TRY_CAST(x AS DECIMAL(18, 15))::DOUBLE = x THEN false
        ELSE is_rounded(x::VARCHAR)
    END
"""
_REFUSE = f"""
    CREATE OR REPLACE TEMP MACRO refuse_if_present(x) AS
    CASE WHEN x IS NOT NULL THEN error({quoted(UNREADABLE)}) END
"""
# Labels as Google lists them, [{"key": k, "value": v}], as one object; a key of the first list wins. A list
# that names a key twice, or something without a key, stays as it is.
_LABELS = """
    CREATE OR REPLACE TEMP MACRO labels_map(x) AS
    CASE WHEN x LIKE '[%' AND json_valid(x)
        AND len(list_distinct(json_extract_string(x, '$[*].key'))) = json_array_length(x)
        THEN map(
            json_extract_string(x, '$[*].key')::VARCHAR[],
            CASE WHEN len(json_extract_string(x, '$[*].value')) = json_array_length(x)
                THEN json_extract_string(x, '$[*].value')::VARCHAR[]
                ELSE list_transform(
                    json_extract(x, '$[*]')::JSON[], lambda e: json_extract_string(e, '$.value')) END)
    END
"""
_LABELS_OBJECT = """
    CREATE OR REPLACE TEMP MACRO labels_object(first, second) AS
    nullif(to_json(map_concat(
        coalesce(labels_map(second), MAP([]::VARCHAR[], []::VARCHAR[])),
        coalesce(labels_map(first), MAP([]::VARCHAR[], []::VARCHAR[]))))::VARCHAR, '{}')
"""
_TAGS_OBJECT = """
    CREATE OR REPLACE TEMP MACRO tags_object(x) AS
    CASE WHEN x LIKE '[%' AND labels_map(x) IS NOT NULL THEN to_json(labels_map(x))::VARCHAR ELSE x END
"""
MACROS = (
    _LABELS,
    _LABELS_OBJECT,
    _TAGS_OBJECT,
    _AS_MONEY,
    _AS_TIME,
    _AS_DATE,
    _IN_YEARS,
    _DECIMALS,
    _IS_ROUNDED,
    _FLOAT_AS_MONEY,
    _IS_FLOAT_ROUNDED,
    _REFUSE,
)


@dataclass(frozen=True)
class Mapping:
    """The rules of one format: `rules` by target column, `extra` by x_Extra key.

    `consumed` names source columns that have a home although no rule copies them as they are. `native` is
    what the provider invoices for a row, in BillingCurrency, without any rule of ours.
    """

    kind: str
    rules: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)
    consumed: tuple[str, ...] = ()
    native: str = "NULL"


@dataclass(frozen=True)
class Read:
    """One source column read as a type; `alias` is the name under which rules see it."""

    position: int
    kind: str
    source: str

    @property
    def alias(self) -> str:
        """Name of the value in the SQL of the mapping."""
        return f"{self.kind}_{self.position}"

    @property
    def value(self) -> str:
        """SQL of the value; NULL where it is missing or unreadable."""
        return self._amount if self.kind == "money" else f"in_years({self._moment})"

    @property
    def _text(self) -> str:
        column = f"c{self.position}"
        return column if self.source == "VARCHAR" else f"{column}::VARCHAR"

    @property
    def _amount(self) -> str:
        column = f"c{self.position}"
        if self.source == "DOUBLE":
            return f"float_as_money({column})"
        is_exact = not is_nested(self.source) and self.source.startswith(("DECIMAL", *_INTEGERS))
        return f"TRY_CAST({column} AS DECIMAL(38, 18))" if is_exact else f"as_money({self._text})"

    @property
    def _moment(self) -> str:
        column = f"c{self.position}"
        if self.source == "TIMESTAMP WITH TIME ZONE":
            return column
        if self.source in _ZONELESS:
            return f"timezone('UTC', TRY_CAST({column} AS TIMESTAMP))"
        return f"as_{self.kind}({self._text})"

    @property
    def strict(self) -> str:
        """The same, but an unreadable value stops the statement."""
        return f"coalesce({self.value}, refuse_if_present(c{self.position}))"


@dataclass(frozen=True)
class Fitted:
    """A mapping put on the columns of a staged file: SQL per target, source columns read as a type."""

    kind: str
    select: dict[str, str]
    native: str
    reads: tuple[Read, ...]

    def sql(self, relation: str, targets: dict[str, str] | None = None, *, strict: bool = True) -> str:
        """The SELECT of the mapped rows (or of `targets` of them), each source column converted once."""
        wanted = self.select if targets is None else targets
        named = ", ".join(f'{value} AS "{target}"' for target, value in wanted.items())
        return f"SELECT {named} FROM ({self.read(relation, ' '.join(wanted.values()), strict=strict)})"

    def read(self, relation: str, used: str, *, strict: bool) -> str:
        """The source columns and those typed values that the SQL `used` speaks of."""
        casts = "".join(
            f", {read.strict if strict else read.value} AS {read.alias}"
            for read in self.reads
            if re.search(rf"\b{read.alias}\b", used)
        )
        return f"SELECT *{casts} FROM {relation}"

    @property
    def rounded(self) -> str:
        """SQL of the number of amounts in a row that have over 18 decimals, which DECIMAL(38,18) rounds."""
        counts = [
            f"coalesce({_ROUNDED_TEST[kind].format(f'c{read.position}')}, false)"
            for read in self.reads
            if read.kind == "money"
            and (kind := read.source.partition("(")[0]) in _ROUNDED_TEST
            and not _has_room(read.source)
        ]
        return " + ".join(f"{count}::INTEGER" for count in counts) or "0"


def _has_room(source: str) -> bool:
    """Whether a type has no more decimals than we keep: then none is looked for, row by row."""
    scale = re.fullmatch(r"DECIMAL\(\d+,\s*(\d+)\)", source)
    return scale is not None and int(scale[1]) <= DECIMALS_KEPT


def fit(mapping: Mapping, staged: Staged, canonical: Callable[[str], str]) -> Fitted:
    """Put the file's columns into the rules. Raises InputError for a name that would be read as a rule."""
    index: dict[str, int] = {}
    for position, name in enumerate(staged.columns):
        index.setdefault(canonical(name), position)
    _refuse_braces(mapping, staged, index)
    reads: dict[str, Read] = {}

    def value_of(kind: str, name: str) -> str:
        if name not in index:
            return _ABSENT[kind]
        position = index[name]
        if kind == "text":
            return text_of(f"c{position}", staged.types[position])
        read = Read(position, kind, staged.types[position])
        reads[read.alias] = read
        return read.alias

    def fill(template: str) -> str:
        return PLACE.sub(lambda m: value_of(m[1], m[2]), template)

    select = {target: fill(rule) for target, rule in mapping.rules.items()}
    homes = {index[m[2]] for rule in mapping.rules.values() if (m := PLACE.fullmatch(rule)) and m[2] in index}
    homes |= {index[name] for name in mapping.consumed if name in index}
    entries = {
        name: text_of(f"c{i}", staged.types[i]) for i, name in enumerate(staged.columns) if i not in homes
    }
    entries |= {name: fill(template) for name, template in mapping.extra.items()}
    select["x_Extra"] = map_of(entries)
    return Fitted(mapping.kind, select, fill(mapping.native), tuple(reads.values()))


def _refuse_braces(mapping: Mapping, staged: Staged, index: dict[str, int]) -> None:
    """Raise InputError for a name with braces that a rule speaks of: what follows a brace would be SQL."""
    faults = [
        Fault(staged.name, "braces in a name", "a name without { and }", "rename it", None, staged.columns[i])
        for name, i in index.items()
        if ("{" in name or "}" in name) and any(name in rule for rule in mapping.rules.values())
    ]
    if faults:
        raise InputError(faults)


def map_of(entries: dict[str, str]) -> str:
    """SQL of a map from names to those expressions that have a value; NULL if none has."""
    if not entries:
        return "NULL::MAP(VARCHAR, VARCHAR)"
    items = ", ".join(f"{{'k': {_literal(name)}, 'v': {value}}}" for name, value in entries.items())
    filled = f"list_filter([{items}], lambda e: e.v IS NOT NULL)"
    return (
        f"CASE WHEN coalesce({', '.join(entries.values())}) IS NOT NULL THEN map_from_entries({filled}) END"
    )


def _literal(name: str) -> str:
    """A name of the file as SQL that has no braces of its own: in a rule these would be a placeholder."""
    return re.sub(r"[{}]", lambda brace: f"' || chr({ord(brace[0])}) || '", quoted(name))
