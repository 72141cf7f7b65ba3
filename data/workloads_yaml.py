"""Reading `workloads.yaml`: every fault of it at once, each with its line, its path and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from data.errors import Fault, InputError
from data.model_faults import Told, faults_of, path_of
from data.workloads import ClashError, Workload, WorkloadsFile
from data.yaml_strict import Key, load_yaml

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
    told = Told(document, where, WorkloadsFile)
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


def _names(value: object) -> Iterator[tuple[int, str]]:
    """Index and name of every workload that has one, whatever else is wrong with it."""
    items = value.get("workloads") if isinstance(value, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield index, item["name"]


def _repeated_names(named: list[tuple[int, str]], told: Told) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, name in named:
        if name in first:
            line = told.document.line(("workloads", first[name], "name"))
            found = f"{name!r} again (first in line {line})"
            path: Key = ("workloads", index, "name")
            yield told.at(path, found, "a name that is used once", "rename one of the two")
        first.setdefault(name, index)


def _unlike_any(workloads: tuple[Workload, ...], names: frozenset[str], told: Told) -> Iterator[Fault]:
    for index, workload in enumerate(workloads):
        like = workload.launch.like if workload.launch else None
        if like is not None and (like not in names or like == workload.name):
            path: Key = ("workloads", index, "launch", "like")
            yield told.at(path, repr(like), "the name of another workload", "correct it or leave it out")


def _faults_of(detail: ErrorDetails, told: Told) -> Iterator[Fault]:
    """Our faults for one of pydantic's."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ClashError):
        path = path_of(detail)
        for clash in cause.clashes:
            yield told.at((*path, *clash.key), clash.found, clash.expected, clash.action)
    else:
        yield from faults_of(detail, told)
