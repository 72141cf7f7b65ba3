"""Shortfalls are told once per workload and rule, in words, with the worst and when."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.caps import DEFAULT_PRIORITY
from optimizer.period_words import when, whole_of
from optimizer.plan_parts import Missing
from optimizer.shortfalls import WORDS, sentence, sentences
from optimizer.solve.solution import Shortfall

DAY = ("00:00", "06:00", "12:00", "18:00")


def missed(rule: str, *amounts: tuple[str, float, float], workload: str = "web") -> list[Shortfall]:
    return [Shortfall(rule, workload, period, missing, wanted) for period, missing, wanted in amounts]


def test_blocks_are_told_together_with_the_worst_of_them() -> None:
    found = missed("meet_demand", *((block, 1.0 + k, 5.0 + k) for k, block in enumerate(DAY)))
    assert list(sentences(found, DAY)) == ["web, all day: nothing serves 4 of 8 units/s at 18:00, the worst"]
    assert list(sentences(found[:2], DAY)) == [
        "web at 00:00, 06:00: nothing serves 2 of 6 units/s at 06:00, the worst"
    ]


def test_each_workload_and_rule_has_its_own_line_in_the_order_found() -> None:
    few = missed("min_replicas", *((block, 1.0, 1.0) for block in DAY))
    wide = missed("max_region_share", ("12:00", 170.1, 396.9), workload="api")
    assert list(sentences([*few, *wide], DAY)) == [
        "web, all day: 0 replicas run, min_replicas asks for 1",
        "api at 12:00: one region holds 567 units/s, 170.1 more than max_region_share allows",
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("cap_usd", "team: 208.00 USD at list price, 108.00 above its cap of 100.00"),
        ("cap_kg_co2e", "team: 208 kg of CO2e, 108 above its cap of 100"),
        ("cap_changed_replicas", "team: 208 replicas changed, 108 above its cap of 100"),
    ],
)
def test_caps_say_what_is_used_and_what_is_above(rule: str, told: str) -> None:
    assert sentence(Shortfall(rule, "team", "all", 108.0, 100.0)) == told


def test_every_rule_that_may_be_missed_has_words() -> None:
    assert set(WORDS) | {"finish_work"} == set(DEFAULT_PRIORITY)


def test_what_has_a_sentence_of_its_own_keeps_it() -> None:
    row = Missing(rule="budget_usd_per_day", workload="web", period="all", missing=1, wanted=2, text="dear")
    assert list(sentences([row], DAY)) == ["dear"]


@pytest.mark.parametrize(
    ("periods", "every", "told"),
    [
        (DAY, DAY, "all day"),
        (DAY[:1], DAY[:1], "all day"),
        (DAY[:1], DAY, "at 00:00"),
        (DAY[:1], (), "at 00:00"),
        (tuple("abcd"), tuple("abcde"), "between a and d"),
        (tuple("abce"), tuple("abcde"), "4 times between a and e"),
        (tuple("abcd"), (), "4 times between a and d"),
    ],
)
def test_when(periods: tuple[str, ...], every: tuple[str, ...], told: str) -> None:
    assert when(periods, every) == told


def test_periods_that_are_no_day_are_not_called_one() -> None:
    assert whole_of(np.full(4, 6.0)) == "all day"
    assert when(DAY, DAY, whole_of(np.ones(4))) == "in every period"
    assert when(DAY[:1], DAY[:1], whole_of(np.ones(1))) == "at 00:00"


def test_a_rule_without_words_is_told_by_its_name() -> None:
    (told,) = sentences(missed("some_rule", ("12:00", 2.0, 3.0)))
    assert told == "web at 12:00: some_rule misses 2 of 3"
