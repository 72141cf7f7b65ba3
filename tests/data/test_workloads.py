"""`workloads.yaml`: defaults, rules between keys, and every fault with its line and path."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from data.errors import InputError
from data.workload_demand import Launch
from data.workloads import (
    Binding,
    Placement,
    Resources,
    Slo,
    SpotPolicy,
    Workload,
    WorkloadsFile,
    workloads_schema,
)
from data.workloads_yaml import parse_workloads, read_workloads
from data.yaml_strict import load_yaml

REPO = Path(__file__).parents[2]
SCHEMA = REPO / "docs" / "schemas" / "workloads.schema.json"
CHAT = "{name: chat, model: llm-8b, slo: {ttft_s: 2, tpot_ms: 60, target: 0.999}"

FULL = """\
workloads:
  - name: chat
    model: llm-8b
    tier: interactive
    slo: {ttft_s: 2.0, tpot_ms: 60, target: 0.999}
    timeout_s: 30
    burstiness: 4.0
    time_zone: Europe/Oslo
    holidays: DE-BY
    known_events:
      - {name: sale, start: 2026-11-27T00:00:00+01:00, end: 2026-11-28T00:00:00+01:00, factor: 2.5}
    launch: {requests_per_s: 3.5, like: embed}
    placement: {regions: [eu-west-1, eu-north-1], providers: [aws]}
    owner: search
    origins: {DE: 0.7, NO: 0.2, us-east-1: 0.1}
    residency: [DE, NO]
    max_rtt_ms: 80
    geo_routing: false
    min_regions: 2
    max_region_share: 0.6
    survive_region_loss: true
    survive_zone_loss: true
    headroom_share: 0.8
    max_ramp_replicas: 20
    min_replicas: 2
    max_replicas: 40
    spot: {max_share: 0.5, min_on_demand_replicas: 2}
    budget_usd_per_day: 900
    action_cost_usd: 0.25
    pinned: [aws-*-od]
    excluded: ["*h100*"]
    do_not_touch: true
    bindings:
      - {actuator: kubernetes, target: {namespace: prod, deployment: chat}, context: eu}
  - name: embed
    model: embedder
    tier: batch
    resources: {cpu: 0.5, memory_gib: 2, gpu: 0.25}
    placement: {dedicated_nodes: true, max_per_node: 4}
    work_units: 1e9
    deadline: 2026-06-01T06:00:00+02:00
    preemptible: true
"""


def workload(extra: str = "") -> Workload:
    (only,) = read_workloads(f"workloads: [{CHAT}{', ' + extra if extra else ''}}}]")
    return only


def told(text: str) -> list[str]:
    return [str(fault) for fault in parse_workloads(text).faults]


def told_of(extra: str, base: str = CHAT) -> list[str]:
    """Faults of one workload, without the file and row that all of them share."""
    prefix = "workloads.yaml, row 1, column workloads[0]."
    lines = told(f"workloads: [{base}, {extra}}}]")
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def test_every_key_is_read() -> None:
    chat, embed = read_workloads(FULL)
    assert chat.slo == Slo(ttft_s=2, tpot_ms=60, target=0.999)
    assert chat.placement == Placement(regions=("eu-west-1", "eu-north-1"), providers=("aws",))
    assert chat.origins == {"DE": 0.7, "NO": 0.2, "us-east-1": 0.1}
    assert chat.residency == ("DE", "NO")
    assert chat.spot == SpotPolicy(max_share=0.5, min_on_demand_replicas=2)
    assert chat.bindings[0].target == {"namespace": "prod", "deployment": "chat"}
    assert chat.bindings[0].model_extra == {"context": "eu"}
    assert chat.is_llm
    assert not embed.is_llm
    assert embed.deadline == datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert embed.work_units == 1e9
    assert embed.preemptible
    assert embed.resources == Resources(cpu=0.5, memory_gib=2, gpu=0.25)
    assert embed.placement == Placement(dedicated_nodes=True, max_per_node=4)
    (sale,) = chat.known_events
    assert (sale.start, sale.factor) == (datetime(2026, 11, 26, 23, tzinfo=UTC), 2.5)
    assert chat.launch == Launch(requests_per_s=3.5, like="embed")
    assert chat.model_fields_set | embed.model_fields_set == set(Workload.model_fields)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "time_zone: Europe/Atlantis",
            "time_zone: found 'Europe/Atlantis'; expected an IANA time zone",
        ),
        ("holidays: XX", "holidays: found 'XX'; expected a country, with or without a part of it, such"),
        ("holidays: DE-ZZ", "holidays: found 'DE-ZZ'; expected a country"),
        ("launch: {requests_per_s: 0}", "launch.requests_per_s: found 0; expected a number above 0"),
        (
            "launch: {requests_per_s: 1, like: other}",
            "launch.like: found 'other'; expected the name of another",
        ),
        (
            "launch: {requests_per_s: 1, like: chat}",
            "launch.like: found 'chat'; expected the name of another",
        ),
        (
            "known_events: [{name: x, start: 2026-05-02T00:00Z, end: 2026-05-01T00:00Z, factor: 2}]",
            "known_events[0]: found",
        ),
        (
            "known_events: [{name: x, start: 2026-05-01T00:00Z, end: 2026-05-02T00:00Z, factor: -1}]",
            "known_events[0].factor: found -1; expected a number of at least 0",
        ),
    ],
)
def test_what_is_wrong_with_demand_to_come_is_told(extra: str, message: str) -> None:
    (line,) = told_of(extra)
    assert line.startswith(message)


def test_defaults() -> None:
    """What a file that says only the necessary means."""
    given_keys = {"name", "model", "slo"}
    defaults = {key: value for key, value in workload().model_dump().items() if key not in given_keys}
    assert defaults == {
        "tier": "interactive",
        "timeout_s": 30,
        "burstiness": 1,
        "time_zone": "UTC",
        "holidays": None,
        "known_events": (),
        "launch": None,
        "resources": None,
        "placement": {"regions": (), "providers": (), "dedicated_nodes": False, "max_per_node": None},
        "owner": None,
        "origins": {},
        "residency": (),
        "max_rtt_ms": None,
        "geo_routing": True,
        "min_regions": 1,
        "max_region_share": 1,
        "survive_region_loss": False,
        "survive_zone_loss": False,
        "headroom_share": 1,
        "max_ramp_replicas": None,
        "min_replicas": 0,
        "max_replicas": None,
        "spot": {"max_share": 1, "min_on_demand_replicas": 0},
        "budget_usd_per_day": None,
        "action_cost_usd": 0,
        "pinned": (),
        "excluded": (),
        "do_not_touch": False,
        "bindings": (),
        "work_units": None,
        "deadline": None,
        "preemptible": False,
    }


def test_the_example(shared: Path) -> None:
    text = (shared / "workspaces" / "llm-8b" / "workloads.yaml").read_text()
    (chat,) = read_workloads(text)
    assert (chat.name, chat.model, chat.burstiness, chat.timeout_s) == ("chat", "llm-8b", 4, 30)


def test_a_workload_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        workload().min_replicas = 3  # type: ignore[misc]


LLM_OR_NOT = "expected ttft_s and tpot_ms for an LLM, or latency_ms for another service"


@pytest.mark.parametrize(
    ("slo", "found"),
    [
        ("{target: 0.9}", f"slo: found target alone; {LLM_OR_NOT}; give one of the two kinds in full"),
        ("{ttft_s: 2, target: 0.9}", f"slo: found ttft_s without the rest; {LLM_OR_NOT};"),
        ("{tpot_ms: 2, target: 0.9}", f"slo: found tpot_ms without the rest; {LLM_OR_NOT};"),
        (
            "{ttft_s: 2, tpot_ms: 2, latency_ms: 9, target: 0.9}",
            f"slo: found latency_ms together with tpot_ms and ttft_s; {LLM_OR_NOT};",
        ),
        ("{latency_ms: 9}", "slo.target: found nothing; expected share of requests that meet the objective"),
        ("{latency_ms: 0, target: 0.9}", "slo.latency_ms: found 0; expected a number above 0 (services"),
        ("{latency_ms: 9, target: 0}", "slo.target: found 0; expected a number above 0 (share"),
        ("{latency_ms: 9, target: 99.9}", "slo.target: found 99.9; expected a number of at most 1 (share"),
        ("{latency_ms: 9, target: .nan}", "slo.target: found nan; expected a"),
        ("{latency_ms: 9, target: '0.9'}", "slo.target: found '0.9'; expected a number (share"),
        ("{latency: 9, target: 0.9}", "slo.latency: found the unknown key 'latency'; expected 'latency_ms'"),
        ("fast", "slo: found 'fast'; expected keys with values (service level objective;"),
    ],
)
def test_objectives_that_are_incomplete_or_wrong(slo: str, found: str) -> None:
    (line,) = told_of(f"slo: {slo}", base="{name: web, model: web")
    assert line.startswith(found)


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ("min_replicas: -1", "min_replicas: found -1; expected a number of at least 0 (fewest replicas"),
        ("min_replicas: 1.5", "min_replicas: found 1.5; expected a whole number (fewest replicas"),
        ("min_replicas: true", "min_replicas: found true; expected a whole number (fewest replicas"),
        ("min_replicas: 9, max_replicas: 3", "max_replicas: found 3 with min_replicas 9; expected at least"),
        ("min_regions: 4, max_replicas: 3", "max_replicas: found 3 with min_regions 4; expected at least"),
        (
            "spot: {min_on_demand_replicas: 4}, max_replicas: 3",
            "max_replicas: found 3 with spot.min_on_demand_replicas 4;",
        ),
        (
            "spot: {max_share: 1.1}",
            "spot.max_share: found 1.1; expected a number of at most 1 (largest share",
        ),
        ("max_region_share: 0", "max_region_share: found 0; expected a number above 0"),
        (
            "max_region_share: 0.3, placement: {regions: [a, b, c]}",
            "max_region_share: found 0.3 with 3 in placement.regions; expected at least 4 regions;",
        ),
        ("min_regions: 2, placement: {regions: [a, a]}", "min_regions: found 2 with 1 in placement.regions;"),
        (
            "survive_region_loss: true, placement: {regions: [a]}",
            "survive_region_loss: found true with 1 in placement.regions; expected at least 2 regions;",
        ),
        ("survive_region_loss: yes", "survive_region_loss: found 'yes'; expected true or false (whether"),
        ("origins: {DE: 0.5, FR: 0.4}", "origins: found shares that sum to 0.9; expected a sum of 1;"),
        ("origins: {DE: 1.5, FR: -0.5}", "origins.DE: found 1.5; expected a number of at most 1"),
        ("residency: [de]", "residency[0]: found 'de'; expected two capital letters such as DE (countries"),
        ("residency: DE", "residency: found 'DE'; expected a list (countries"),
        ("residency: [DEU]", "residency[0]: found 'DEU'; expected two capital letters such as DE"),
        ("max_rtt_ms: -5", "max_rtt_ms: found -5; expected a number above 0"),
        ("burstiness: .inf", "burstiness: found inf; expected a finite number"),
        ("budget_usd_per_day: 0", "budget_usd_per_day: found 0; expected a number above 0"),
        (
            "pinned: [a], excluded: [a]",
            "excluded: found 'a', which is pinned too; expected one or the other;",
        ),
        ("excluded: ['']", "excluded[0]: found ''; expected text"),
        ("owner: ' me'", "owner: found ' me'; expected text without space at its ends"),
        ("tier: realtime", "tier: found 'realtime'; expected 'interactive' or 'batch'"),
        ("teir: batch", "teir: found the unknown key 'teir'; expected 'tier' (the nearest known key);"),
        ("work_units: 5", "work_units: found a key of batch work; expected tier: batch; remove work_units"),
        ("preemptible: true", "preemptible: found a key of batch work; expected tier: batch;"),
        ("bindings: [{target: x}]", "bindings[0].actuator: found nothing; expected name of the actuator"),
        ("bindings: [{actuator: x, target: 3}]", "bindings[0].target: found 3; expected"),
        ("placement: {region: [a]}", "placement.region: found the unknown key 'region'; expected 'regions'"),
    ],
)
def test_values_and_keys_that_do_not_go_together(extra: str, found: str) -> None:
    line = told_of(extra)[0]
    assert line.startswith(found)


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ("deadline: 2026-05-12T03:00:00Z", "work_units: found nothing; expected how much work there is"),
        ("work_units: 5", "deadline: found nothing; expected when it must be done"),
        (
            "work_units: 5, deadline: 2026-05-12T03:00:00",
            "deadline: found '2026-05-12T03:00:00'; expected a time with its zone, such as 2026-05-12",
        ),
        ("work_units: 5, deadline: 1778554800", "deadline: found 1778554800; expected a time with its zone"),
        ("work_units: 5, deadline: soon", "deadline: found 'soon'; expected an ISO 8601 time such"),
        ("work_units: 0, deadline: 2026-05-12T03:00:00Z", "work_units: found 0; expected a number above 0"),
    ],
)
def test_batch_work_needs_an_amount_and_a_deadline(extra: str, found: str) -> None:
    (line,) = told_of(extra, base="{name: train, model: m, tier: batch")
    assert line.startswith(found)


def test_thirds_sum_to_one() -> None:
    assert sum(workload("origins: {DE: 0.333333333, FR: 0.333333333, NL: 0.333333333}").origins.values()) < 1
    assert workload("max_region_share: 0.333333333, placement: {regions: [a, b, c]}").max_region_share < 1 / 3


NOTHING = "column workloads: found nothing; expected every workload, in any order; add it"
EMPTY = "column workloads: found []; expected at least one (every workload, in any order); correct it"
NEAREST = "found the unknown key 'workload'; expected 'workloads' (the nearest known key)"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [f"workloads.yaml, {NOTHING}"]),
        ("workloads: []", [f"workloads.yaml, row 1, {EMPTY}"]),
        (
            "workload: [{}]\n",
            [
                f"workloads.yaml, row 1, {NOTHING}",
                f"workloads.yaml, row 1, column workload: {NEAREST}; correct its name or remove it",
            ],
        ),
        ("- chat\n", ["workloads.yaml, row 1: found ['chat']; expected keys with values; correct it"]),
    ],
)
def test_files_of_another_shape(text: str, lines: list[str]) -> None:
    assert told(text) == lines


def test_all_faults_of_a_file_come_together_in_its_order() -> None:
    text = FULL.replace("target: 0.999", "target: 1.5").replace("name: embed", "name: chat")
    text = text.replace("owner: search", "owner: [search]").replace("preemptible: true", "model: again")
    assert [line.split(":")[0] for line in told(text)] == [
        "workloads.yaml, row 5, column workloads[0].slo.target",
        "workloads.yaml, row 14, column workloads[0].owner",
        "workloads.yaml, row 35, column workloads[1].name",
        "workloads.yaml, row 42, column workloads[1].model",
    ]
    with pytest.raises(InputError) as refused:
        read_workloads(text)
    assert len(refused.value.faults) == 4


def test_names_are_known_even_where_workloads_are_wrong() -> None:
    declared = parse_workloads("workloads: [{name: a}, {name: 3}, {model: m}, {name: b, tier: x}]")
    assert declared.names == {"a", "b"}
    assert declared.workloads == ()


def test_a_long_value_is_cut() -> None:
    (line,) = told_of(f"owner: [{', '.join(['someone'] * 50)}]")
    assert len(line) < 160


def test_clashes_are_told_outside_yaml_too() -> None:
    with pytest.raises(ValidationError, match="max_replicas: 1 with min_replicas 2; expected at least"):
        Workload(name="a", model="m", slo=Slo(latency_ms=1, target=0.9), min_replicas=2, max_replicas=1)


# ---- the published schema ----


def test_the_published_schema_is_that_of_the_code() -> None:
    """When this fails, write workloads_schema() to docs/schemas/workloads.schema.json and read the diff."""
    assert json.loads(SCHEMA.read_text()) == workloads_schema()


def test_the_schema_accepts_what_the_code_accepts() -> None:
    validator = jsonschema.Draft202012Validator(workloads_schema())
    document: Any = load_yaml(FULL, where="workloads.yaml").value
    validator.validate(document)
    document["workloads"][0]["teir"] = "batch"
    assert [error.validator for error in validator.iter_errors(document)] == ["additionalProperties"]


@pytest.mark.parametrize("model", [Workload, Slo, Placement, Resources, SpotPolicy, Binding, WorkloadsFile])
def test_every_key_says_what_it_means(model: type[BaseModel]) -> None:
    for name, key in model.model_fields.items():
        assert key.description, name
        is_optional = not key.is_required() and name not in {"ttft_s", "tpot_ms", "latency_ms", "slo"}
        is_batch_only = (key.description or "").startswith("Batch: ")
        assert not is_optional or is_batch_only or "Default: " in key.description, name


@given(
    name=st.from_regex(r"[a-z]([a-z0-9 -]{0,10}[a-z0-9])?", fullmatch=True),
    target=st.floats(1e-6, 1),
    latency_ms=st.floats(1e-3, 1e6),
    replicas=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(sorted),
    shares=st.lists(st.integers(1, 100), max_size=5),
)
def test_what_is_valid_reads_back_equal(
    name: str, target: float, latency_ms: float, replicas: list[int], shares: list[int]
) -> None:
    written = Workload(
        name=name,
        model="m",
        slo=Slo(latency_ms=latency_ms, target=target),
        min_replicas=replicas[0],
        max_replicas=max(1, replicas[1]),
        origins={f"region-{i}": share / sum(shares) for i, share in enumerate(shares)},
    )
    text = yaml.safe_dump({"workloads": [written.model_dump(mode="json", exclude_defaults=True)]})
    assert read_workloads(text) == (written,)
