"""Runs inside the validators' environment: focus-data-toolkit over the tables of FOCUS 1.4 bundles.

    python lint_driver.py <folder of a bundle> …

A folder holds cost-and-usage.parquet, contract-commitment.parquet and billing-period.parquet. Prints JSON by
name of the folder: of each table what it is taken for and how often each rule of the lint is broken, as
"rule column"; of the bundle which checks ran and what they found. The command line says the same of 50
violations.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from focus_data_toolkit import cli
from focus_data_toolkit.schema import detect_focus_schema
from focus_data_toolkit.validate.bundle import validate_dataset_bundle


def judged(folder: Path) -> dict[str, object]:
    """Detect, lint and relate the tables of a folder."""
    tables: dict[str, object] = {}
    bundle: dict[str, list[dict[str, str]]] = {}
    for file in sorted(folder.glob("*.parquet")):
        dataset = cli.resolve_dataset(file.stem.replace("-", " "))
        rows = list(cli.read_source_rows(str(file), dataset=dataset))
        seen = detect_focus_schema(list(rows[0])).as_dict()
        broken = cli.lint_focus_1_4_structure(dataset, rows).violations
        tables[file.stem] = {
            "seen": [seen["dataset"], seen["detected_version"], seen["exact_match"]],
            "broken": Counter(f"{one.rule} {one.column}" for one in broken),
        }
        bundle[dataset] = rows
    return {"tables": tables, "bundle": validate_dataset_bundle(bundle).as_dict()}


if __name__ == "__main__":
    print(json.dumps({Path(name).name: judged(Path(name)) for name in sys.argv[1:]}, default=str))
