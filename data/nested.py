"""Nested columns as flat ones: the struct `service` with the field `description` is `service.description`.

Lists and maps stay whole, as JSON text. So one export has the same columns as CSV, JSON and Parquet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

MAX_COLUMNS = 2_000  # an object with more keys than this is a map, not a record
Path = tuple[str, ...]


@dataclass(frozen=True)
class Flat:
    """One flat column: its dotted name and where its values are."""

    name: str
    path: Path


def of_schema(schema: Iterable[pa.Field]) -> Iterator[Flat]:
    """The flat columns of an Arrow schema."""
    for field in schema:
        yield from _of_field(field, ())


def _of_field(field: pa.Field, above: Path) -> Iterator[Flat]:
    path = (*above, field.name)
    if pa.types.is_struct(field.type) and field.type.num_fields:
        for inner in field.type:
            yield from _of_field(inner, path)
    else:
        yield Flat(".".join(path), path)


def of_structure(structure: object, above: Path = ()) -> Iterator[Flat]:
    """The flat columns of a JSON structure: objects as mappings, everything else a leaf."""
    if isinstance(structure, Mapping) and structure and (len(structure) <= MAX_COLUMNS or not above):
        for name, inner in structure.items():
            yield from of_structure(inner, (*above, str(name)))
    elif above:
        yield Flat(".".join(above), above)


def merged(one: object, other: object) -> object:
    """The structure that has the keys of both records."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = dict.fromkeys((*one, *other))
        return {name: merged(one.get(name), other.get(name)) for name in names}
    return one if isinstance(one, Mapping) else other
