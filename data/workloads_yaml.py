"""Reading `workloads.yaml`: every fault of it at once, each with its line, its path and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data.errors import Fault, InputError
from data.nearest import nearest
from data.workloads import ClashError, Workload, WorkloadsFile
from data.yaml_strict import Key, YamlDocument, dotted, load_yaml

FILE = "workloads.yaml"


@dataclass(frozen=True)
class Declared:
    """What a text declares: workloads when it has no fault; all names that could be read, in any case."""

    workloads: tuple[Workload, ...]
    names: frozenset[str]
    faults: tuple[Fault, ...]


def parse_workloads(text: str, *, where: str = FILE) -> Declared:
    """Read the text of a `workloads.yaml`; every fault of it is returned, with its line and path."""
    document = load_yaml(text, where=where)
    named = list(_names(document.value))
    names = frozenset(name for _, name in named)
    if document.value is None and document.faults:
        return Declared((), names, document.faults)
    told = _Told(document, where)
    faults = [*document.faults, *_repeated_names(named, told)]
    workloads: tuple[Workload, ...] = ()
    try:
        workloads = WorkloadsFile.model_validate({} if document.value is None else document.value).workloads
    except ValidationError as error:
        faults += [fault for detail in error.errors(include_url=False) for fault in _faults_of(detail, told)]
    faults += _unlike_any(workloads, names, told)
    faults.sort(key=lambda fault: fault.row or 0)
    return Declared(() if faults else workloads, names, tuple(faults))


def read_workloads(text: str, *, where: str = FILE) -> tuple[Workload, ...]:
    """The workloads of a text, or InputError with all its faults."""
    declared = parse_workloads(text, where=where)
    if declared.faults:
        raise InputError(declared.faults)
    return declared.workloads


@dataclass(frozen=True)
class _Told:
    """Makes faults of one document: the path becomes the column, its line the row."""

    document: YamlDocument
    where: str

    def at(self, path: Key, found: str, expected: str, action: str) -> Fault:
        line = self.document.line(path)
        return Fault(self.where, found, expected, action, row=line, column=dotted(path) or None)


def _names(value: object) -> Iterator[tuple[int, str]]:
    """Index and name of every workload that has one, whatever else is wrong with it."""
    items = value.get("workloads") if isinstance(value, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield index, item["name"]


def _repeated_names(named: list[tuple[int, str]], told: _Told) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, name in named:
        if name in first:
            line = told.document.line(("workloads", first[name], "name"))
            found = f"{name!r} again (first in line {line})"
            path: Key = ("workloads", index, "name")
            yield told.at(path, found, "a name that is used once", "rename one of the two")
        first.setdefault(name, index)


def _unlike_any(workloads: tuple[Workload, ...], names: frozenset[str], told: _Told) -> Iterator[Fault]:
    for index, workload in enumerate(workloads):
        like = workload.launch.like if workload.launch else None
        if like is not None and (like not in names or like == workload.name):
            path: Key = ("workloads", index, "launch", "like")
            yield told.at(path, repr(like), "the name of another workload", "correct it or leave it out")


def _faults_of(detail: ErrorDetails, told: _Told) -> Iterator[Fault]:
    """Our faults for one of pydantic's."""
    path: Key = tuple(part for part in detail["loc"] if part not in _UNION_BRANCHES)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ClashError):
        for clash in cause.clashes:
            yield told.at((*path, *clash.key), clash.found, clash.expected, clash.action)
    elif detail["type"] == "extra_forbidden":
        yield _unknown_key(path, told)
    elif detail["type"] == "missing":
        yield told.at(path, "nothing", _meaning(path) or "a value", "add it")
    elif not (detail["type"] == "too_short" and detail["input"]):  # said of a list of which no item is valid
        yield told.at(path, _shown(detail["input"]), _expectation(detail, path), "correct it")


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


def _expectation(detail: ErrorDetails, path: Key) -> str:
    """What was wanted, with the meaning of the key behind it."""
    if detail["type"] == "string_pattern_mismatch":
        is_country = "[A-Z]" in detail["ctx"]["pattern"]
        wanted = "two capital letters such as DE" if is_country else "text without space at its ends"
    elif detail["type"] in _EXPECTED:
        wanted = _EXPECTED[detail["type"]].format(**detail.get("ctx", {}))
    else:
        wanted = detail["msg"].removeprefix("Input should be ")
    meaning = _meaning(path)
    return f"{wanted} ({meaning})" if meaning else wanted


def _unknown_key(path: Key, told: _Told) -> Fault:
    owner = _model_at(path[:-1])
    known = sorted(owner.model_fields) if owner else []
    near = nearest(str(path[-1]), known, alike=0)
    expected = f"{near!r} (the nearest known key)" if near else "a known key"
    return told.at(path, f"the unknown key {str(path[-1])!r}", expected, "correct its name or remove it")


def _meaning(path: Key) -> str:
    """First sentence of what a key is for; of the list where the path ends in an item."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    owner = _model_at(path[:-1])
    if owner is None or not path or str(path[-1]) not in owner.model_fields:
        return ""
    description = owner.model_fields[str(path[-1])].description or ""
    sentence = re.split(r"\.(?:\s|$)", description, maxsplit=1)[0]
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _model_at(path: Key) -> type[BaseModel] | None:
    """The model whose keys stand at a path of the file."""
    model: type[BaseModel] | None = WorkloadsFile
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        model = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
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
