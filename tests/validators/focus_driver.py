"""Runs inside the validators' environment: focus-validator over many files in one process.

    python focus_driver.py <folder for results> <file.parquet> …

For each file `<name>.xml`, the JUnit report that the validator itself writes, and `<name>.json`, its details
by rule. The checks, their SQL and the verdicts are the validator's, but for one thing: conditions such as
"when ChargeClass is not Correction" are written to mean "has another value", and so the rules behind them (a
SKU has a price, unit price times quantity is cost, …) never look at an ordinary charge, which has no
ChargeClass. Here such a condition holds for these.

The rest is for speed, 6 s a file else: rules are read once, rows are put in a table that one thread reads,
and the id of a rule, which is asked for 300 000 times, does not take the long way through pydantic.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import duckdb
from focus_validator.config_objects import ModelRule
from focus_validator.data_loaders.data_loader import DataLoader
from focus_validator.outputter.outputter_unittest import UnittestOutputter
from focus_validator.validator import Validator

NARROW = "(ChargeClass IS NOT NULL AND ChargeClass <> 'Correction')"
MEANT = "(ChargeClass IS DISTINCT FROM 'Correction')"


def quick_ids() -> None:
    """Read the id of a rule where pydantic keeps it."""
    slow = ModelRule.rule_id
    quick = property(lambda rule: rule.__pydantic_private__["_rule_id"], slow.fset)  # type: ignore[attr-defined]
    ModelRule.rule_id = quick  # type: ignore[method-assign]


class Connection:
    """What the validator sees as its database."""

    def __init__(self) -> None:
        self._real = duckdb.connect(":memory:", config={"threads": 1})
        self.mended = 0

    def register(self, name: str, rows: object) -> None:
        self._real.register("given", rows)
        self._real.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        self._real.unregister("given")

    def execute(self, query: str, *parameters: object) -> Any:
        self.mended += query.count(NARROW)
        return self._real.execute(query.replace(NARROW, MEANT), *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def validate(validator: Validator, file: Path, folder: Path) -> None:
    """Write the report and the details of one file."""
    rules = validator.spec_rules
    rows = DataLoader(data_filename=str(file), column_types=rules.get_column_types()).load()
    connection = Connection()
    found = rules.validate(rows, connection=connection, data_filename=str(file), data_row_count=len(rows))
    if not connection.mended:
        sys.exit(f"no query has {NARROW}; this version of focus-validator words conditions otherwise")
    UnittestOutputter(str(folder / f"{file.stem}.xml")).write(found)
    details = {
        rule: {name: entry["details"].get(name) for name in ("violations", "message")}
        for rule, entry in found.by_rule_id.items()
    }
    (folder / f"{file.stem}.json").write_text(json.dumps(details, default=str), encoding="utf-8")


def main(folder: Path, files: list[Path]) -> None:
    """Validate every file against FOCUS 1.2 with all applicability criteria, offline."""
    logging.disable(logging.CRITICAL)
    quick_ids()
    validator = Validator(
        data_filename=None, output_destination=None, output_type="console", rules_version="1.2",
        focus_dataset="CostAndUsage", rules_block_remote_download=True, applicability_criteria="ALL",
    )  # fmt: skip
    validator.spec_rules.load()
    for file in files:
        validate(validator, file, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
