"""Sentences about a plan: when work is done, what misses would cost."""

from __future__ import annotations

from datetime import UTC, datetime

from optimizer.placement_parts import MissCost, WorkRow, WorkRun
from optimizer.plan_words import miss_sentences, work_sentences


def test_work_is_told_with_its_deadline_and_its_hours() -> None:
    row = WorkRow(
        workload="training", deadline=datetime(2026, 5, 12, 22, tzinfo=UTC), work_units=40_000,
        units_per_day=30_000,
        runs=(WorkRun(period="00:00", units=10_000), WorkRun(period="06:00", units=20_000)),
    )  # fmt: skip
    idle = row.model_copy(update={"units_per_day": 0.0, "runs": ()})
    assert list(work_sentences([row, idle])) == [
        "training (due 2026-05-12 22:00 UTC) does 30,000 of 40,000 units: 10,000 at 00:00, 20,000 at 06:00",
        "training (due 2026-05-12 22:00 UTC) does 0 of 40,000 units: never",
    ]


def test_misses_are_told_as_a_cost_beside_all_others() -> None:
    row = MissCost(
        workload="chat", usd_per_1000_missed=2.5, days=30, covered_quantile=0.99,
        expected_usd_per_day=12.5, expected_usd_per_day_of_demand=2.0,
    )  # fmt: skip
    unknown = {"days": 0, "covered_quantile": None, "expected_usd_per_day_of_demand": 12.5}
    price = "misses are expected to cost chat USD 12.50 a day, at USD 2.5 per 1,000 missed requests"
    end = "while nothing is lost; no other cost counts this"
    by_loss = "2.00 by high demand, 10.50 by losses as in the last 30 days of history"
    by_demand = "12.50 by high demand, losses are not known"
    assert list(miss_sentences([row, row.model_copy(update=unknown)])) == [
        f"{price}: {by_loss}; it serves demand up to its 0.99 quantile {end}",
        f"{price}: {by_demand}; it serves less than the lowest demand {end}",
    ]
