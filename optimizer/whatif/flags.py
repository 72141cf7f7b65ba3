"""A scenario from the command line: texts such as `chat=1.3`, every fault of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from data.model_faults import expectation
from data.nearest import hint
from optimizer.errors import Fault, InputError
from optimizer.whatif.change import Asked, flag
from optimizer.whatif.scenario import ANY, CHANGES, Scenario, SloChange

Texts = Mapping[str, Sequence[str] | str | None]  # by key of a scenario what the flag was given
FACTOR = "a factor, or PATTERN=FACTOR"


def scenario_of(texts: Texts, more: Sequence[Fault] = ()) -> tuple[Asked, ...]:
    """The scenario that flags say, none where they say nothing.

    Args:
        texts: by key.
        more: faults of other flags, told with those of these.

    Raises:
        InputError: every fault of every flag.
    """
    said: dict[str, Any] = {}
    faults = list(more)
    for key in CHANGES:
        given = texts.get(key)
        if not given:
            continue
        if isinstance(given, str):
            said[key] = given
        elif key not in READERS:
            said[key] = tuple(given)
        else:
            said[key] = pairs(key, given, faults)
    try:
        scenario = Scenario.model_validate({key: value for key, value in said.items() if value})
    except ValidationError as error:
        faults += [fault_of(item) for item in error.errors(include_url=False)]
    if faults:
        raise InputError(faults)
    return (Asked(scenario),) if scenario.changes else ()


def fault_of(item: ErrorDetails) -> Fault:
    """One of pydantic's findings at its flag."""
    where, name = flag(str(item["loc"][0])), str(item["loc"][-1])
    if item["type"] == "extra_forbidden":  # of an objective alone: other keys are flags
        return Fault(where, f"the unknown key {name!r}", "a key of slo", hint(name, SloChange.model_fields))
    return Fault(where, repr(item["input"]), expectation(item, Scenario), "correct it")


def pairs(key: str, texts: Sequence[str], faults: list[Fault]) -> dict[str, Any]:
    """Patterns with their values; what cannot be read is a fault."""
    found: dict[str, Any] = {}
    read, expected = READERS[key]
    for text in texts:
        pattern, equals, value = text.rpartition("=")
        try:
            name, meant = read(pattern.strip() if equals else of_all(key), value.strip())
        except ValueError:
            faults.append(Fault(flag(key), repr(text), expected, "correct it"))
            continue
        if name in found and not isinstance(meant, dict):
            faults.append(Fault(flag(key), f"{name!r} again", "each once", "remove one of the two"))
        found[name] = {**found.get(name, {}), **meant} if isinstance(meant, dict) else meant
    return found


def of_all(key: str) -> str:
    """The pattern of a value without any.

    Raises:
        ValueError: the same for everything would be a slip, such as one quota for all options.
    """
    if key == "quota":
        raise ValueError(key)
    return ANY


def number(text: str) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def of_factor(pattern: str, text: str) -> tuple[str, float]:
    """A factor on what a pattern fits."""
    return named(pattern), number(text)


def of_quota(pattern: str, text: str) -> tuple[str, int | None]:
    """A quota, or none."""
    return named(pattern), None if text in {"none", "null"} else int(text)


def of_slo(place: str, text: str) -> tuple[str, dict[str, float]]:
    """A key of the objective of what a pattern fits."""
    pattern, dot, key = place.rpartition(".")
    return named(pattern if dot else ANY), {named(key): number(text)}


def of_residency(pattern: str, text: str) -> tuple[str, tuple[str, ...]]:
    """Countries, or any."""
    countries = () if text == "any" else tuple(part.strip() for part in text.split(","))
    return named(pattern), countries


def named(text: str) -> str:
    """A name that is there.

    Raises:
        ValueError: it is empty.
    """
    if not text:
        raise ValueError(text)
    return text


READERS: Mapping[str, tuple[Callable[[str, str], tuple[str, Any]], str]] = {
    "demand": (of_factor, FACTOR),
    "price": (of_factor, FACTOR),
    "quota": (of_quota, "OPTION=INSTANCES, or OPTION=none"),
    "slo": (of_slo, "WORKLOAD.KEY=NUMBER, such as chat.ttft_s=1"),
    "residency": (of_residency, "WORKLOAD=COUNTRIES, such as chat=DE,FR, or WORKLOAD=any"),
}
