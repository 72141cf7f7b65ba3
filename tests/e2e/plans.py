"""What must hold of every capacity plan, judged from the file alone."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema

from optimizer.plan import json_schemas

REPO = Path(__file__).resolve().parents[2]
NAMES = {
    "capacity-plan/1": "capacity-plan-1.schema.json",
    "placement-plan/1": "placement-plan-1.schema.json",
}


def schema(name: str) -> dict[str, Any]:
    """The published schema; the one that would be published where the documents are not there."""
    path = REPO / "docs" / "schemas" / name
    made: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else json_schemas()[name]
    return made


def check(body: Mapping[str, Any], *, quota: Mapping[str, float] | None = None) -> None:
    """Assert what WORKSPACE promises of a plan: schema, hash, whole numbers, an unbroken horizon, quota."""
    jsonschema.validate(body, schema(NAMES[body["schema"]]))
    content = {key: value for key, value in body.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert hashlib.sha256(canonical.encode()).hexdigest() == body["hash"]
    assert body["expected_cost_usd"] >= 0
    assert body["proof"]["bound_usd"] <= body["proof"]["objective_usd"] + 1e-6
    if body["schema"] == "capacity-plan/1":
        check_allocations(body, quota or {})
        check_forecast(body)


def check_allocations(body: Mapping[str, Any], quota: Mapping[str, float]) -> None:
    """Rows of an option cover the horizon without a hole or an overlap."""
    begin = moment(body["as_of"])
    rows = defaultdict(list)
    for row in body["allocations"]:
        for count in ("replicas", "max_replicas"):
            assert type(row[count]) is int
            assert row[count] >= 0
        assert row["max_replicas"] >= row["replicas"]
        assert row["max_replicas"] <= quota.get(row["option_id"], float("inf"))
        assert moment(row["from"]) < moment(row["to"])
        rows[row["workload"], row["option_id"]].append((moment(row["from"]), moment(row["to"])))
    for spans in rows.values():
        assert spans == sorted(spans)
        assert spans[0][0] == begin
        assert (spans[-1][1] - begin).total_seconds() == round(body["horizon_hours"] * 3600)
        assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))


def check_forecast(body: Mapping[str, Any]) -> None:
    """Quantiles in order, over the whole horizon."""
    for row in body["forecast"]:
        assert 0 <= row["requests_p10"] <= row["requests_p50"] <= row["requests_p90"]
        assert moment(row["from"]) < moment(row["to"])


def moment(text: str) -> datetime:
    """A time of a plan; it has a zone."""
    value = datetime.fromisoformat(text)
    assert value.tzinfo is not None
    return value


def running(body: Mapping[str, Any], workload: str, at: datetime) -> dict[str, int]:
    """Replicas wished of each option at a moment."""
    counts: dict[str, int] = defaultdict(int)
    for row in body["allocations"]:
        if row["workload"] == workload and moment(row["from"]) <= at < moment(row["to"]):
            counts[row["option_id"]] += row["replicas"]
    return dict(counts)
