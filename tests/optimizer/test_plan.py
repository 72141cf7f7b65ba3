"""Plans as values: their hash, their file, their schema; what was edited or cut short is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from optimizer.certificate import certify
from optimizer.errors import InputError
from optimizer.node_parts import NodeRow, NodeUse, Pods, Sharer, Sharing
from optimizer.placement_parts import MissCost, Period, PlacementRow, RouteRow, WorkloadCost, WorkRow, WorkRun
from optimizer.plan import (
    CapacityPlan,
    PlacementPlan,
    content_hash,
    document,
    json_schemas,
    read_plan,
    sealed,
    write_plan,
)
from optimizer.plan_parts import (
    Action,
    Allocation,
    AutoscaleRule,
    ForecastRow,
    Missing,
    Proof,
    Reason,
    Replicas,
    Target,
)
from tests.optimizer.commitment_cases import advised
from tests.optimizer.problems import O, W, placement, problem

REPO = Path(__file__).resolve().parents[2]
START = datetime(2026, 5, 12, 3, tzinfo=UTC)
END = START + timedelta(hours=1)
PROBLEM = problem(W(demand=[3.0]), [O("a")])


def common() -> dict[str, Any]:
    return {
        "as_of": START,
        "demand_quantile": 0.99,
        "expected_cost_usd": 12.5,
        "current_cost_usd": 20.0,
        "proof": Proof(
            objective_usd=13.0, bound_usd=12.9, gap_share=0.0077, stopped_by="gap", method="compact"
        ),
        "actions": (
            Action(
                id="web/a",
                target=Target(workload="web", option_id="a"),
                before=Replicas(replicas=1),
                after=Replicas(replicas=3),
                inverse=Replicas(replicas=1),
                preconditions=("1 replica is desired",),
                saving_usd_per_hour=-2.0,
                reason="demand grows",
                risk="none",
            ),
        ),
        "shortfalls": (Missing(rule="meet_demand", workload="web", period="t0", missing=1.0, wanted=4.0),),
        "reasons": (Reason(workload="web", text="cheapest – per request"),),
        "notes": ("a note",),
        "unpriced": ("old",),
        "fingerprint": "f" * 64,
    }


def capacity_plan() -> CapacityPlan:
    return sealed(
        CapacityPlan(
            **common(),
            horizon_hours=1.0,
            allocations=(
                Allocation(workload="web", option_id="a", start=START, end=END, replicas=3, max_replicas=9),
            ),
            autoscale={"web": AutoscaleRule(target_utilization=0.75, scale_down_window_s=1800)},
            forecast=(
                ForecastRow(
                    workload="web", start=START, end=END, requests_p10=1, requests_p50=2, requests_p90=3
                ),
            ),
        )
    )


def placement_plan() -> PlacementPlan:
    return sealed(
        PlacementPlan(
            **common(),
            periods=(Period(name="00:00", hours=24.0),),
            placements=(
                PlacementRow(
                    workload="web",
                    period="00:00",
                    option_id="a",
                    provider="aws",
                    region="eu",
                    instance_type="c8",
                    purchase="on_demand",
                    replicas=3,
                    price_hourly_usd=0.5,
                    price_as_of=None,
                    is_estimated_price=True,
                ),
            ),
            workload_costs=(
                WorkloadCost(
                    workload="web",
                    current_usd_per_day=None,
                    planned_usd_per_day=36.0,
                    planned_usd_per_day_low=30.0,
                    planned_usd_per_day_high=50.0,
                ),
            ),
            commitments=(advised(),),
            sunk_usd=0.0,
            routes=(
                RouteRow(
                    workload="web", origin="DE", period="t0", provider="aws", region="eu", served_share=1.0
                ),
            ),
            certificate=tuple(certify(PROBLEM, placement(PROBLEM, {"a": 3}))),
            work=(
                WorkRow(
                    workload="etl",
                    deadline=END,
                    work_units=90.0,
                    units_per_day=60.0,
                    runs=(WorkRun(period="00:00", units=60.0),),
                ),
            ),
            miss_costs=(
                MissCost(
                    workload="web",
                    usd_per_1000_missed=0.5,
                    days=9,
                    covered_quantile=None,
                    expected_usd_per_day=1.25,
                    expected_usd_per_day_of_demand=0.5,
                ),
            ),
            nodes=(packed(),),
            sharing=shared(),
        )
    )


def packed() -> NodeRow:
    """Two nodes with the same pods."""
    return NodeRow(
        period="00:00", option_id="n", provider="aws", region="eu", instance_type="m8", purchase="spot",
        workload=None, nodes=2, price_hourly_usd=0.4, price_as_of=START, is_estimated_price=False,
        cpu_share=0.9, memory_share=0.7, gpu_share=None, pods=(Pods(workload="api", replicas=3),),
    )  # fmt: skip


def shared() -> Sharing:
    """What sharing saves."""
    return Sharing(
        usd_per_day=19.2,
        alone_usd_per_day=None,
        use=NodeUse(cpu_share=0.9, memory_share=0.7, gpu_share=None),
        alone_use=None,
        workloads=(Sharer(workload="api", beside=("web",), usd_per_day=9.6, alone_usd_per_day=14.4),),
    )


PLANS = {"capacity": capacity_plan, "placement": placement_plan}
either = pytest.mark.parametrize("plan", [make() for make in PLANS.values()], ids=list(PLANS))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every number, text, truth value or null of a document."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path]


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 0.25
    return "other" if value is None else value + "x"


def edited(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copy: Any = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return dict(copy)


@either
def test_the_hash_covers_every_field_but_itself(plan: CapacityPlan | PlacementPlan) -> None:
    body = document(plan)
    paths = leaves(body)
    assert len(paths) > 30
    for path in paths:
        old: Any = body
        for key in path:
            old = old[key]
        same = content_hash(edited(body, path, changed(old))) == plan.hash
        assert same == (path == ("hash",)), path


@either
def test_a_row_more_or_less_changes_the_hash(plan: CapacityPlan | PlacementPlan) -> None:
    body = document(plan)
    for key, rows in body.items():
        if isinstance(rows, list):
            assert content_hash({**body, key: rows[:-1]}) != plan.hash
            assert content_hash({**body, key: [*rows, *rows]}) != plan.hash


@either
def test_written_and_read_again_it_is_the_same(plan: CapacityPlan | PlacementPlan, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "plan.json"
    write_plan(plan, path)
    assert read_plan(path) == plan
    first = path.read_bytes()
    write_plan(read_plan(path), path)
    assert path.read_bytes() == first
    assert first.startswith(b'{\n "schema"')
    assert [file.name for file in path.parent.iterdir()] == ["plan.json"]


def test_equal_inputs_give_equal_hashes_whatever_the_zone_of_the_times() -> None:
    elsewhere = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    plan = capacity_plan()
    moved = sealed(CapacityPlan(**{**dict(plan), "as_of": elsewhere, "hash": ""}))
    assert moved.hash == plan.hash


def put(tmp_path: Path, body: Any) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(body))
    return path


def refusal(path: Path, *wanted: type[PlacementPlan]) -> str:
    with pytest.raises(InputError) as error:
        read_plan(path, *wanted)
    return str(error.value)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    body = document(capacity_plan())
    more = edited(body, ("allocations", 0, "replicas"), 4)
    assert "the plan was edited" in refusal(put(tmp_path, more))
    assert "the plan was edited" in refusal(put(tmp_path, {**body, "hash": ""}))
    unsealed = edited(body, ("hash",), content_hash(more))
    assert "the plan was edited" in refusal(put(tmp_path, unsealed))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("as_of",), "2026-05-12T03:00:00", "a time without zone"),
        (("allocations", 0, "from"), "2026-05-12T03:00:00", "allocations.0.from"),
        (("expected_cost_usd",), float("nan"), "finite number"),
        (("proof", "bound_usd"), float("inf"), "finite number"),
        (("allocations", 0, "replicas"), -1, "greater than or equal to 0"),
        (("allocations", 0, "replicas"), 1.5, "integer"),
        (("proof", "stopped_by"), "luck", "'gap', 'rounds', 'nodes' or 'time'"),
        (("extra",), 1, "Extra inputs"),
        (("demand_quantile",), 1.0, "less than 1"),
    ],
)
def test_what_is_no_valid_plan_is_refused_even_with_a_fitting_hash(
    tmp_path: Path, path: tuple[Any, ...], value: Any, told: str
) -> None:
    body = edited(document(capacity_plan()), path, value)
    body["hash"] = content_hash(body)
    assert told in refusal(put(tmp_path, body))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": "capacity-plan/2"}', "\ud800"])
def test_what_is_no_plan_at_all_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    assert "make one with `trimtab plan`" in refusal(path)


def test_a_missing_file_a_folder_and_the_other_kind_are_refused(tmp_path: Path) -> None:
    assert "make one with" in refusal(tmp_path / "none.json")
    assert "make one with" in refusal(tmp_path)
    write_plan(capacity_plan(), tmp_path / "plan.json")
    for path in (tmp_path / "plan.json", tmp_path / "none.json"):
        assert "make one with `trimtab plan --kind placement`" in refusal(path, PlacementPlan)
    assert "expected placement-plan/1" in refusal(tmp_path / "plan.json", PlacementPlan)


def test_a_plan_cannot_hold_a_time_without_zone_or_a_number_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="without zone"):
        capacity_plan().model_validate({**document(capacity_plan()), "as_of": "2026-05-12T03:00:00"})
    with pytest.raises(ValidationError, match="finite"):
        Proof(objective_usd=float("nan"), bound_usd=0, gap_share=0, stopped_by="gap", method="")
    unchecked = capacity_plan().model_copy(update={"horizon_hours": float("nan")})
    with pytest.raises(ValidationError):
        write_plan(unchecked, tmp_path / "never.json")
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
from pathlib import Path
from optimizer.errors import InputError
from tests.optimizer.test_plan import placement_plan
from optimizer.plan import write_plan
plan, path = placement_plan(), Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_plan(plan, path)
except InputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_plan_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(capacity_plan(), path)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert read_plan(path) == capacity_plan()
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


def test_a_place_that_cannot_be_written_is_a_fault_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(InputError, match="choose another --out"):
        write_plan(capacity_plan(), tmp_path / "plan.json")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="choose another --out"):
        write_plan(capacity_plan(), tmp_path / "file" / "plan.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "plan.json"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_published_schemas_are_the_models(name: str) -> None:
    published = json.loads((REPO / "docs" / "schemas" / name).read_text())
    assert published == json_schemas()[name], "write docs/schemas anew from optimizer.plan.json_schemas()"


@either
def test_a_written_plan_keeps_to_its_published_schema(
    plan: CapacityPlan | PlacementPlan, tmp_path: Path
) -> None:
    write_plan(plan, tmp_path / "plan.json")
    body = json.loads((tmp_path / "plan.json").read_text())
    name = body["schema"].replace("/", "-") + ".schema.json"
    schema = json.loads((REPO / "docs" / "schemas" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(body)
    for broken in ({**body, "more": 1}, {key: body[key] for key in body if key != "as_of"}):
        assert not validator.is_valid(broken)
