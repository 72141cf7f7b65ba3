"""Nodes in the report: rows of a plan as one row per option and owner, and what the page says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optimizer.node_parts import NodeRow, NodeUse, Pods, Sharer, Sharing
from optimizer.plan_words import sharing_sentences
from optimizer.report.render import render
from optimizer.report.shared_nodes import node_groups
from tests.optimizer.report.sample import nothing, sample

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "report"


def row(period: str, nodes: int, pods: dict[str, int], **changes: Any) -> NodeRow:
    held = tuple(Pods(workload=name, replicas=count) for name, count in pods.items())
    return NodeRow.model_validate(
        {
            "period": period, "option_id": "eu-m8", "provider": "aws", "region": "eu-west-1",
            "instance_type": "m7i.2xlarge", "purchase": "on_demand", "workload": None, "nodes": nodes,
            "price_hourly_usd": 0.4, "price_as_of": None, "is_estimated_price": False, "cpu_share": 0.9,
            "memory_share": 0.6, "gpu_share": None, "pods": held,
        }
        | changes
    )  # fmt: skip


ROWS = (
    row("00:00", 1, {"api": 2, "web": 1}),
    row("00:00", 1, {"api": 1}, cpu_share=0.3),
    row("12:00", 1, {"api": 4}),
    row("00:00", 2, {"mail": 3}, workload="mail", price_hourly_usd=1.0, gpu_share=0.5),
    row("12:00", 2, {"mail": 3}, workload="mail", price_hourly_usd=1.0, gpu_share=0.5),
)


def sharing(alone: float | None = 27.12) -> Sharing:
    alone_use = None if alone is None else NodeUse(cpu_share=0.47, memory_share=0.33, gpu_share=None)
    return Sharing(
        usd_per_day=14.4,
        alone_usd_per_day=alone,
        use=NodeUse(cpu_share=0.7, memory_share=0.6, gpu_share=None),
        alone_use=alone_use,
        workloads=(
            Sharer(
                workload="api", beside=("web",), usd_per_day=10.4, alone_usd_per_day=alone and alone - 10.0
            ),
            Sharer(workload="web", beside=("api",), usd_per_day=4.0, alone_usd_per_day=alone and 10.0),
        ),
    )


def test_rows_of_an_option_and_owner_are_one() -> None:
    mail, shared = node_groups(ROWS)
    assert (mail.owner, mail.low, mail.high, mail.usd_per_hour) == ("mail", 2, 2, 2.0)
    assert (shared.owner, shared.low, shared.high) == ("shared", 1, 2)
    assert shared.usd_per_hour == pytest.approx(0.6)
    assert shared.cpu_share == pytest.approx(0.7)
    assert (shared.gpu_share, mail.gpu_share) == (None, 0.5)
    assert shared.pods == (("api", 4), ("web", 1))


def test_the_section_reads_as_it_should() -> None:
    """To accept a change on purpose: write `shown` to the golden file and read the difference."""
    plain = render(replace(sample(), nodes=ROWS, sharing=sharing())).markdown
    shown = plain[plain.index("## Nodes and") : plain.index("## Commitments worth")]
    assert shown == (GOLDEN / "nodes.md").read_text(encoding="utf-8")


def test_the_page_has_the_section_and_a_way_to_it() -> None:
    page = render(replace(sample(), nodes=ROWS, sharing=sharing(None))).html
    assert '<a href="#nodes">Nodes</a>' in page
    assert "limits leave no room for nodes of their own" in page
    assert 'id="nodes"' not in render(nothing()).html


def test_the_screen_says_what_sharing_saves() -> None:
    assert list(sharing_sentences(sharing())) == [
        "2 workloads on shared nodes: 14.40 USD a day, 70% of CPUs and 60% of memory requested",
        "on nodes of their own: 27.12 USD a day, 47% of CPUs and 33% of memory requested",
    ]
    assert (
        list(sharing_sentences(sharing(None)))[1]
        == "on nodes of their own they find no room within the limits"
    )
    assert list(sharing_sentences(None)) == []
