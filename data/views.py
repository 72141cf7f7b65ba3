"""Named SQL views: one file each in data/sql, and the macros they share in data/sql/macros."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from data.errors import LakeError
from data.tables import TABLES

_FOLDER = resources.files("data").joinpath("sql")


def view_sql(view: str) -> str:
    """The text of a named view, or of a SELECT of a table's columns in the dictionary's order.

    A view stands before a table of the same name. Raises LakeError where there is neither.
    """
    file = _FOLDER.joinpath(f"{view}.sql")
    if file.is_file():
        return file.read_text(encoding="utf-8")
    if view in TABLES:
        columns = ", ".join(f'"{name}"' for name in TABLES[view].names)
        return f'SELECT {columns} FROM "{view}"'  # noqa: S608 - names of the dictionary
    known = ", ".join([*names(), *TABLES])
    raise LakeError(f"found no view {view!r}; expected one of {known}; correct the name")


def names() -> list[str]:
    """Names of the views, sorted."""
    return sorted(file.name.removesuffix(".sql") for file in _FOLDER.iterdir() if file.is_file())


def macros() -> Iterator[str]:
    """Statements that define the macros."""
    for file in sorted(_FOLDER.joinpath("macros").iterdir(), key=lambda file: file.name):
        yield file.read_text(encoding="utf-8")
