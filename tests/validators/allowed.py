"""The reviewed list of rules that may fail, and why: faults of a validator, facts an export does not hold."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Allowed:
    """Rules that may fail in every sample, or `only` in those of a format or of a name."""

    rules: tuple[str, ...]
    reason: str
    only: tuple[str, ...] = ()

    def holds(self, scopes: Set[str]) -> bool:
        """Whether it speaks of a sample with these names."""
        return not self.only or bool(scopes & set(self.only))


def read(path: Path) -> list[Allowed]:
    """The list of a file: tables [[allowed]] with rules, reason and perhaps only."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["allowed"]
    return [Allowed(tuple(one["rules"]), one["reason"], tuple(one.get("only", ()))) for one in entries]


def unexpected(listed: list[Allowed], scopes: Set[str], failing: Set[str]) -> set[str]:
    """What fails in a sample and is not on the list."""
    return set(failing) - {rule for one in listed if one.holds(scopes) for rule in one.rules}


def stale(listed: list[Allowed], samples: Mapping[frozenset[str], Set[str]]) -> Iterator[str]:
    """What the list allows although no sample fails it any more; `samples` has failing rules by scopes."""
    for one in listed:
        for scope in one.only or (None,):
            failing = {
                rule
                for scopes, rules in samples.items()
                if scope is None or scope in scopes
                for rule in rules
            }
            yield from (f"{rule} ({scope or 'everywhere'})" for rule in one.rules if rule not in failing)
