"""A scenario with its tables read, and where its faults are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.sheet import ColumnRule, Part, Sheet
from data.tabular import read_sheet_or_csv
from data.workloads import Workload
from data.workspace import CATALOG, PROFILE, catalog_part, profiles_part
from optimizer.errors import Fault, InputError
from optimizer.whatif.scenario import Scenario

PRICES = (
    ColumnRule("option_id", "text", "the name of an option"),
    ColumnRule("price_hourly", "number", "USD per instance-hour", minimum=0),
)


@dataclass(frozen=True)
class Asked:
    """A scenario as somebody wrote it.

    Attributes:
        file: that it stands in; None where flags say it.
    """

    scenario: Scenario
    file: Path | None = None

    def fault(self, key: str, found: str, expected: str, action: str, *, name: str | None = None) -> Fault:
        """A fault at the flag of a key, or at the key of the scenario in its file."""
        if self.file is None:
            return Fault(flag(key), found, expected, action)
        column = key if name is None else f"{key}.{name}"
        return Fault(f"{self.file}, scenario {self.scenario.name!r}", found, expected, action, column=column)

    def path(self, name: str) -> Path:
        """A table it names: beside the file, or from where the command runs."""
        return Path(name) if self.file is None else self.file.parent / name


def flag(key: str) -> str:
    """How a key is spelled on the command line."""
    return "--" + key.replace("_", "-")


@dataclass(frozen=True, eq=False)
class Change:
    """A scenario with its tables.

    Attributes:
        asked: the scenario.
        price_list: `option_id, price_hourly`; None where it has none.
        catalog: rows as in catalog.parquet.
        profiles: rows as in profiles.parquet.
        notes: what was defaulted in the tables.
    """

    asked: Asked
    price_list: pd.DataFrame | None = None
    catalog: pd.DataFrame | None = None
    profiles: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @property
    def scenario(self) -> Scenario:
        """What is otherwise."""
        return self.asked.scenario

    def says(self, key: str) -> bool:
        """Whether this is otherwise."""
        return key in self.scenario.changes


def read_change(asked: Asked, workloads: tuple[Workload, ...]) -> Change:
    """The scenario with every table it names.

    Raises:
        InputError: a table is wrong; every fault of all of them.
    """
    parts = dict(tables(asked, workloads))
    faults = [fault for part in parts.values() for fault in part.faults]
    if faults:
        raise InputError(faults)
    frames = {key: part.frame for key, part in parts.items()}
    return Change(asked, **frames, notes=tuple(note for part in parts.values() for note in part.notes))


def tables(asked: Asked, workloads: tuple[Workload, ...]) -> Iterator[tuple[str, Part]]:
    """Each table of a scenario, checked; one without rows is a fault."""
    said = asked.scenario
    readers: tuple[tuple[str, Sequence[ColumnRule], Callable[[Sheet], Part]], ...] = (
        ("price_list", PRICES, price_list_part),
        ("catalog", CATALOG, catalog_part),
        ("profiles", PROFILE, lambda sheet: profiles_part(sheet, workloads)),
    )
    for key, rules, check in readers:
        name = getattr(said, key)
        if name is None:
            continue
        sheet = read_sheet_or_csv(asked.path(name), name, rules)
        if sheet.frame.empty and not sheet.faults:
            sheet.faults.append(asked.fault(key, f"no row in {name}", "one row or more", "fill it in"))
        yield key, check(sheet)


def price_list_part(sheet: Sheet) -> Part:
    """Prices by option."""
    sheet.check(PRICES)
    sheet.unique("option_id")
    return Part(sheet.frame, tuple(sheet.faults))
