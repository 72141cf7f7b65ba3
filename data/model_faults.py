"""What pydantic finds wrong with a document of ours, as faults with line, path and meaning of the key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from data.errors import Fault
from data.nearest import nearest
from data.yaml_strict import Key, YamlDocument, dotted


@dataclass(frozen=True)
class Told:
    """Makes faults of one document: the path becomes the column, its line the row.

    Attributes:
        root: what the whole document is.
    """

    document: YamlDocument
    where: str
    root: type[BaseModel]

    def at(self, path: Key, found: str, expected: str, action: str) -> Fault:
        """A fault of the value at a path."""
        line = self.document.line(path)
        return Fault(self.where, found, expected, action, row=line, column=dotted(path) or None)


def path_of(detail: ErrorDetails) -> Key:
    """Where a finding is, as the document spells it."""
    return tuple(part for part in detail["loc"] if part not in _UNION_BRANCHES)


def faults_of(detail: ErrorDetails, told: Told) -> Iterator[Fault]:
    """Our faults for one of pydantic's."""
    path = path_of(detail)
    if detail["type"] == "extra_forbidden":
        yield _unknown_key(path, told)
    elif detail["type"] == "missing":
        yield told.at(path, "nothing", _meaning(path, told.root) or "a value", "add it")
    elif not (detail["type"] == "too_short" and detail["input"]):  # said of a list of which no item is valid
        yield told.at(path, _shown(detail["input"]), expectation(detail, told.root), "correct it")


_UNION_BRANCHES = frozenset({"constrained-str", "dict[str,any]"})  # pydantic adds them to a path

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_type": "a whole number",
    "less_than_equal": "a number of at most {le:g}",
    "literal_error": "{expected}",
    "model_type": "keys with values",
    "string_too_short": "text",
    "string_type": "text",
    "too_short": "at least one",
    "tuple_type": "a list",
    "value_error": "{error}",
}


def expectation(detail: ErrorDetails, root: type[BaseModel]) -> str:
    """What was wanted, with the meaning of the key behind it."""
    if detail["type"] == "string_pattern_mismatch":
        is_country = "[A-Z]" in detail["ctx"]["pattern"]
        wanted = "two capital letters such as DE" if is_country else "text without space at its ends"
    elif detail["type"] in _EXPECTED:
        wanted = _EXPECTED[detail["type"]].format(**detail.get("ctx", {}))
    else:
        wanted = detail["msg"].removeprefix("Input should be ")
    meaning = _meaning(path_of(detail), root)
    return f"{wanted} ({meaning})" if meaning else wanted


def _unknown_key(path: Key, told: Told) -> Fault:
    owner = _model_at(path[:-1], told.root)
    known = sorted(owner.model_fields) if owner else []
    near = nearest(str(path[-1]), known, alike=0)
    expected = f"{near!r} (the nearest known key)" if near else "a known key"
    return told.at(path, f"the unknown key {str(path[-1])!r}", expected, "correct its name or remove it")


def _meaning(path: Key, root: type[BaseModel]) -> str:
    """First sentence of what a key is for; of the list where the path ends in an item."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    owner = _model_at(path[:-1], root)
    if owner is None or not path or str(path[-1]) not in owner.model_fields:
        return ""
    description = owner.model_fields[str(path[-1])].description or ""
    sentence = " ".join(re.split(r"\.(?:\s|$)", description, maxsplit=1)[0].split())
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _model_at(path: Key, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model whose keys stand at a path of the file."""
    model: type[BaseModel] | None = root
    is_name = False  # whether the next part is a name that the file gives, no key of a model
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        if is_name:
            is_name = False
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
        is_name = field is not None and get_origin(field.annotation) is dict
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)


def _shown(value: object, limit: int = 60) -> str:
    """A value as a reader of the file knows it, cut to a length that fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
