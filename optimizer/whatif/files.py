"""Files of what-if questions: scenarios that are read, and answers that are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data.model_faults import Told, faults_of
from data.yaml_strict import load_yaml
from optimizer.errors import Fault, InputError
from optimizer.layout import taking_place, writing_in
from optimizer.whatif.change import Asked
from optimizer.whatif.flags import Texts, scenario_of
from optimizer.whatif.scenario import CHANGES, Scenario, ScenariosFile


def scenarios_of(
    texts: Texts, file: Path | None, wrong: Sequence[Fault]
) -> tuple[tuple[Asked, ...], list[Fault]]:
    """Scenarios of flags or of a file, and every fault so far.

    Args:
        texts: by key what its flag was given.
        file: of scenarios.
        wrong: faults that are known already.
    """
    faults = list(wrong)
    asked: tuple[Asked, ...] = ()
    try:
        asked += scenario_of(texts)
    except InputError as error:
        faults += error.faults
    try:
        asked += read_scenarios(file) if file is not None else ()
    except InputError as error:
        faults += error.faults
    return asked, faults


def read_scenarios(file: Path) -> tuple[Asked, ...]:
    """The scenarios of a YAML file, in its order.

    Raises:
        InputError: every fault of it, with its line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = str(error.strerror if isinstance(error, OSError) else error)
        raise InputError([Fault(str(file), why, "YAML with scenarios", "correct the path")]) from error
    document = load_yaml(text, where=str(file))
    told = Told(document, str(file), ScenariosFile)
    faults = list(document.faults)
    found: tuple[Scenario, ...] = ()
    if document.value is not None or not faults:
        try:
            value = {} if document.value is None else document.value
            found = ScenariosFile.model_validate(value).scenarios
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                faults += faults_of(detail, told)
    faults += wrong_scenarios(found, told)
    if faults:
        raise InputError(sorted(faults, key=lambda fault: fault.row or 0))
    return tuple(Asked(scenario, file) for scenario in found)


def wrong_scenarios(scenarios: Sequence[Scenario], told: Told) -> Iterator[Fault]:
    """Names used twice, and scenarios in which nothing is otherwise."""
    names = [scenario.name for scenario in scenarios]
    for k, scenario in enumerate(scenarios):
        if scenario.name in names[:k]:
            expected, action = "a name that is used once", "rename one of the two"
            yield told.at(("scenarios", k, "name"), f"{scenario.name!r} again", expected, action)
        if not scenario.changes:
            expected = f"one or more of {', '.join(CHANGES)}"
            yield told.at(("scenarios", k), "nothing that is otherwise", expected, "add one")


def write(summary: Mapping[str, Any], path: Path) -> None:
    """Write answers as JSON: whole, or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    with taking_place(path) as draft, writing_in(path.parent):
        draft.write_text(text, encoding="utf-8", newline="\n")
