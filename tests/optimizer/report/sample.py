"""A small report made by hand: three providers, a gap, an unknown saving, a shortfall."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd

from optimizer.report.data import (
    FRAMES,
    Alternative,
    Headline,
    Prices,
    Recommendation,
    ReportData,
    Rule,
    Scarce,
    SolverFacts,
    Why,
    WhyNot,
    empty,
)
from tests.optimizer.commitment_cases import advised

AS_OF = datetime(2026, 5, 12, 3, tzinfo=UTC)


def frame(name: str, rows: list[tuple[object, ...]]) -> pd.DataFrame:
    columns = FRAMES[name]
    return pd.DataFrame(rows, columns=list(columns)).astype(dict(columns)) if rows else empty(name)


def demand(hour: int, scale: float) -> float:
    return scale * (1.5 + math.sin(2 * math.pi * (hour - 8) / 24) + 0.25 * math.sin(hour * 1.7))


def forecast_rows(
    workload: str, scale: float, start: pd.Timestamp, *, known: bool
) -> list[tuple[object, ...]]:
    origin = start
    rows: list[tuple[object, ...]] = []
    for hour in range(24):
        ds, middle = start + pd.Timedelta(hours=hour), demand(hour + 3, scale * 0.97)
        actual = demand(hour + 3, scale) if known and not 9 <= hour < 13 else math.nan
        rows.append(
            (
                workload,
                ds,
                middle * 0.8,
                middle,
                middle * 1.2,
                middle * 1.45,
                actual,
                origin,
                "pooled conformal",
            )
        )
    return rows


def forecasts(scales: dict[str, float]) -> pd.DataFrame:
    now = pd.Timestamp(AS_OF)
    rows = []
    for workload, scale in scales.items():
        rows += forecast_rows(workload, scale, now - pd.Timedelta(days=1), known=True)
        rows += forecast_rows(workload, scale, now, known=False)
    return frame("forecasts", rows)


def history(scales: dict[str, float]) -> pd.DataFrame:
    start = pd.Timestamp(AS_OF) - pd.Timedelta(days=4)
    hours = [hour for hour in range(96) if not 30 <= hour < 36 and not 81 <= hour < 85]
    return frame(
        "history",
        [
            (workload, start + pd.Timedelta(hours=hour), demand(hour + 3, scale))
            for workload, scale in scales.items()
            for hour in hours
        ],
    )


SPEND = [
    (month, provider, service, team, cost * factor, cost * factor * 0.94)
    for month, factor in (("2026-02", 0.9), ("2026-03", 1.0), ("2026-04", 1.12), ("2026-05", 0.4))
    for provider, service, team, cost in (
        ("AWS", "Amazon Elastic Compute Cloud", "inference", 48200.0),
        ("AWS", "Amazon Simple Storage Service", "platform", 6100.0),
        ("AWS", "Amazon Relational Database Service", "payments", 9050.5),
        ("Google Cloud", "Compute Engine", "search", 21400.0),
        ("Google Cloud", "BigQuery", "analytics", 7300.0),
        ("Microsoft Azure", "Virtual Machines", "batch", 12800.0),
        ("Microsoft Azure", "Azure Kubernetes Service", None, 3900.25),
        ("AWS", "AWS Support", None, -850.0),
    )
]

CAPACITY = [
    ("chat", "aws", "us-east-1", "g6e.xlarge", "on_demand", "aws-use1-g6e-od", 14.0, 6.0, 26.05, 11.17),
    ("chat", "aws", "us-east-1", "g6e.xlarge", "spot", "aws-use1-g6e-spot", 0.0, 5.0, 0.0, 4.1),
    ("chat", "gcp", "us-central1", "g2-standard-8", "on_demand", "gcp-usc1-g2-od", 0.0, 2.0, 0.0, 1.71),
    ("embed", "gcp", "europe-west4", "n2-standard-16", "on_demand", "gcp-euw4-n2-od", 9.0, 4.0, 7.7, 3.42),
    (
        "train",
        "azure",
        "westeurope",
        "Standard_ND96isr_H100_v5",
        "commitment",
        "az-weu-h100",
        2.0,
        2.0,
        178.3,
        178.3,
    ),
    ("train", "azure", "northeurope", "Standard_NC24ads_A100_v4", "spot", "az-neu-a100", 0.0, 0.0, 0.0, 0.0),
]

RECOMMENDATIONS = (
    Recommendation(
        "r-2", "rightsize", "Halve the embedding fleet", "gcp-euw4-n2-od", "search", 2400.0, 3124.0, 3300.0,
        "CPU stays under 22% at the 99% line of demand.", "low: replicas are stateless",
        "1 hour: change one number", False, (("CPU, 99% of hours", "22%"), ("Window", "14 days")),
    ),
    Recommendation(
        "r-1", "placement", "Move five chat replicas to spot, two to us-central1", "chat", "inference",
        4100.0, 6620.0, 7900.0,
        "Spot there was reclaimed 0.4 times per 1,000 hours; on-demand stays above half.",
        "medium: a reclaim costs up to 90 s of head-room", "half a day", True,
        (("Spot price", "$0.82 per hour"),),
    ),
    Recommendation(
        "r-3", "idle", "Delete six unattached disks", "vol-0a1b2c and 5 more", None, 212.0, 212.0, 212.0,
        "No read or write for 62 days.", "high: no snapshot exists", "10 minutes", False,
    ),
    Recommendation(
        "r-4", "commitment", "Commit $3.10 per hour on Compute Engine for one year", "billing account 01-AB",
        "platform", -150.0, None, 900.0, "Usage never fell below it in 90 days.",
        "medium: paid to the end, used or not", "1 hour", True,
    ),
)  # fmt: skip

WHY = Why(
    scarce=(
        Scarce("train: residency", "going without this rule", 61.4, 58.02),
        Scarce("quota:az-weu-h100", "one more unit of quota or spot capacity", 12.3, 11.85, "14:00, 18:00"),
        Scarce("compute-1y", "one more committed USD per hour, before its fee", 30.0, None),
    ),
    why_not=(
        WhyNot(
            "chat",
            ("gcp-usc1-l4-spot", "gcp-euw4-l4-od"),
            1.75,
            (
                Alternative(
                    "aws-use1-g6-od", "family", "gcp-euw4-l4-od", 3.02, "instances +4.10, scarce quota -1.08"
                ),
                Alternative("gcp-usc1-l4-od", "purchase", None, 41.5, "instances +41.50"),
            ),
        ),
    ),
    repair=("raise the limit of quota:az-weu-h100 by 1, from 2 to 3 at 14:00",),
    unused_usd_per_day=0.4,
)

FRESHNESS = [
    ("bill", "focus_2026-05.csv.gz", pd.Timestamp("2026-05-11T22:00Z"), 5.0, "billing period still open"),
    ("demand", "history/usage.parquet", pd.Timestamp("2026-05-12T02:00Z"), 1.0, "4 hours missing on 11 May"),
    ("fleet", "state.json", pd.Timestamp("2026-05-12T02:58Z"), 2 / 60, None),
    ("prices", "AWS public price list", pd.Timestamp("2026-04-30T00:00Z"), 291.0, "list prices"),
    ("prices", "Azure retail prices", None, None, "spot estimated from the average discount"),
]


def sample() -> ReportData:
    scales = {"chat": 40.0, "embed": 850.0}
    return ReportData(
        workspace="acme-production",
        as_of=AS_OF,
        currency="USD",
        headline=Headline(154_430.0, 144_474.0, 6712.0, 9956.0, 11412.0, 0.99, 0.0042),
        spend=frame("spend", SPEND),
        forecasts=forecasts(scales),
        history=history(scales),
        capacity=frame("capacity", CAPACITY),
        recommendations=RECOMMENDATIONS,
        solver=SolverFacts("optimal within the gap", 4749.6, 4729.65, 0.0042, "compact model, HiGHS", 24.0),
        freshness=frame("freshness", FRESHNESS),
        shortfalls=(
            "train: quota in westeurope is 2 instances, demand needs 3 on 14 May; ask for a higher quota.",
        ),
        notes=(
            "4 hours of metrics are missing on 11 May; they count as not known.",
            "Spot prices of Azure are estimated.",
        ),
        why=WHY,
        rules=(
            Rule("BilledCost of each load equals the provider's own invoice column", 9, 0),
            Rule("over a whole term, EffectiveCost of a commitment equals its BilledCost", 0, 0),
            Rule("no service costs more than its list price", 78, 2, ("service <Storage>, list_cost 1",)),
        ),
        prices=Prices((("contract", 12), ("discount", 40), ("list", 300)), 0.997, 11),
        commitments=(
            advised(),
            advised(
                commitment="gcp 3-year commitment, all upfront",
                upfront_usd=52_560.0,
                payback_months=20.4,
                is_estimated_price=False,
            ),
        ),
    )


def nothing() -> ReportData:
    """A new workspace: no bill, no forecast, no plan."""
    frames = {name: empty(name) for name in FRAMES}
    return ReportData("new", AS_OF, "USD", Headline(), recommendations=(), solver=None, **frames)
