from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.report.data import FRAMES, empty
from tests.optimizer.report.sample import AS_OF, RECOMMENDATIONS, nothing, sample


@pytest.mark.parametrize("name", FRAMES)
def test_an_empty_frame_has_columns_and_types(name: str) -> None:
    made = empty(name)
    assert made.empty
    assert {column: str(dtype) for column, dtype in made.dtypes.items()} == dict(FRAMES[name])


def test_every_fault_is_in_one_message() -> None:
    wrong = replace(
        RECOMMENDATIONS[0],
        kind="magic",
        risk="none",
        saving_usd_per_month_low=5.0,
        saving_usd_per_month_mid=1.0,
    )
    with pytest.raises(ValueError, match="not report data") as error:
        replace(
            sample(),
            as_of=AS_OF.replace(tzinfo=None),
            spend=empty("spend").drop(columns=["team", "month"]),
            recommendations=(wrong,),
        )
    for part in (
        "spend: missing month, team",
        "kind 'magic'",
        "risk 'none'",
        "low <= mid <= high",
        "without a zone",
    ):
        assert part in str(error.value)


def test_further_columns_are_fine() -> None:
    made = replace(nothing(), spend=empty("spend").assign(region=""))
    assert "region" in made.spend
