"""Plans as values: the documents `capacity-plan/1` and `placement-plan/1`, their hash, reading and writing.

The models are the schema: docs/schemas/*.schema.json are made from them, and a plan is validated whenever
it is written or read. A plan holds no time of its making, so equal inputs give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from pydantic import Field, ValidationError

from optimizer.errors import Fault, InputError
from optimizer.node_parts import NodeRow, Sharing
from optimizer.placement_parts import (
    Certificate,
    CommitmentAdvice,
    Explanation,
    MissCost,
    Period,
    PlacementRow,
    RouteRow,
    WorkloadCost,
    WorkRow,
)
from optimizer.plan_parts import Allocation, AutoscaleRule, ForecastRow, PlanBase, Usd


class CapacityPlan(PlanBase):
    """Replicas per option and interval over the next horizon, for machines."""

    plan_schema: Literal["capacity-plan/1"] = Field("capacity-plan/1", alias="schema")
    horizon_hours: float = Field(gt=0)
    allocations: tuple[Allocation, ...]
    autoscale: dict[str, AutoscaleRule]
    forecast: tuple[ForecastRow, ...]


class PlacementPlan(PlanBase):
    """The joint plan over a typical day, for people. Costs are USD per typical day."""

    plan_schema: Literal["placement-plan/1"] = Field("placement-plan/1", alias="schema")
    periods: tuple[Period, ...]
    placements: tuple[PlacementRow, ...]
    workload_costs: tuple[WorkloadCost, ...]
    commitments: tuple[CommitmentAdvice, ...]
    sunk_usd: Usd
    routes: tuple[RouteRow, ...] = ()
    certificate: tuple[Certificate, ...] = ()
    explanation: Explanation | None = None
    work: tuple[WorkRow, ...] = ()
    miss_costs: tuple[MissCost, ...] = ()
    nodes: tuple[NodeRow, ...] = ()
    sharing: Sharing | None = None


MAKE_ONE = "make one with `trimtab plan`"
MAKE_PLACEMENT = "make one with `trimtab plan --kind placement`"
KINDS: dict[str, type[CapacityPlan] | type[PlacementPlan]] = {
    "capacity-plan/1": CapacityPlan,
    "placement-plan/1": PlacementPlan,
}


P = TypeVar("P", CapacityPlan, PlacementPlan)


def sealed(plan: P) -> P:
    """The plan with its hash: SHA-256 of its canonical JSON without the hash."""
    return plan.model_copy(update={"hash": content_hash(document(plan))})


def content_hash(body: dict[str, Any]) -> str:
    """SHA-256 of a plan document, whatever its own `hash` says."""
    content = {key: value for key, value in body.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def document(plan: CapacityPlan | PlacementPlan) -> dict[str, Any]:
    """The plan as it stands in a file; `schema` comes first."""
    body = plan.model_dump(mode="json", by_alias=True)
    return {"schema": body.pop("schema"), **body}


def write_plan(plan: CapacityPlan | PlacementPlan, path: Path) -> None:
    """Validate and write, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    type(plan).model_validate(document(plan))
    text = json.dumps(document(plan), indent=1, ensure_ascii=False) + "\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        found = f"{type(error).__name__} ({error.strerror})"
        fault = Fault(
            str(path), found, "a file that can be written", "choose another --out or free the place"
        )
        raise InputError([fault]) from error


@overload
def read_plan(path: Path) -> CapacityPlan | PlacementPlan: ...
@overload
def read_plan(path: Path, wanted: type[PlacementPlan]) -> PlacementPlan: ...
def read_plan(
    path: Path, wanted: type[CapacityPlan] | type[PlacementPlan] | None = None
) -> CapacityPlan | PlacementPlan:
    """Read, validate and check the hash.

    Args:
        path: a plan file.
        wanted: the only kind that will do; either by default.

    Raises:
        InputError: unreadable, not such a plan, not valid, or changed after it was made.
    """
    kinds = {name: kind for name, kind in KINDS.items() if wanted in (None, kind)}
    mend = MAKE_PLACEMENT if wanted is PlacementPlan else MAKE_ONE
    body = read_json(path, mend)
    name = body.get("schema") if isinstance(body, dict) else None
    if name not in kinds:
        raise InputError([Fault(str(path), f"schema {name!r}", " or ".join(kinds), mend)])
    try:
        plan = kinds[name].model_validate(body)
    except ValidationError as error:
        raise InputError([plan_fault(path, item) for item in error.errors()]) from error
    if plan.hash != content_hash(body):
        found, expected = f"hash {plan.hash[:12]}", f"{content_hash(body)[:12]} for this content"
        raise InputError([Fault(str(path), found, expected, "the plan was edited: make it anew")])
    return plan


def read_json(path: Path, mend: str) -> Any:
    """The content of a JSON file; `mend` is what to do where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError([Fault(str(path), str(error.strerror), "a plan file", mend)]) from error
    except ValueError as error:
        raise InputError([Fault(str(path), f"no JSON ({error})", "a plan file", mend)]) from error


def plan_fault(path: Path, item: Any) -> Fault:
    """One finding of the schema as a fault."""
    where = ".".join(str(part) for part in item["loc"])
    return Fault(str(path), f"{where} = {item.get('input')!r}"[:120], item["msg"], "make the plan anew")


def json_schemas() -> dict[str, dict[str, Any]]:
    """The published JSON Schemas by file name."""
    schemas = {}
    for name, kind in KINDS.items():
        file = name.replace("/", "-") + ".schema.json"
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": file}
        schemas[file] = head | kind.model_json_schema(by_alias=True, mode="serialization")
    return schemas
