"""The record of what loops promised: read by later plans alone, bounded, and no plan fails for its sake."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.promise_record import FILE, KEPT, TYPES, keep_promises, no_promises, read_promises
from tests.optimizer.worlds import AS_OF

HOUR = timedelta(hours=1)


def made(as_of: datetime, *names: str, **changes: object) -> pd.DataFrame:
    row = {
        "ends": pd.Timestamp(as_of + 24 * HOUR), "option_id": "a", "form": "ramp", "window_s": 0,
        "factor": 1.05, "more": 0.0, "target": 0.999, "version": current(),
    }  # fmt: skip
    rows = [{"as_of": pd.Timestamp(as_of), "workload": name, **row, **changes} for name in names or ("web",)]
    return pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)


def current() -> str:
    from importlib.metadata import version

    return version("trimtab")


def test_a_plan_reads_what_earlier_moments_promised_and_nothing_else(tmp_path: Path) -> None:
    for moment in (AS_OF, AS_OF - HOUR, AS_OF + HOUR):  # in any order
        keep_promises(tmp_path, made(moment, "web", "api"))
    for moment, count in ((AS_OF - HOUR, 0), (AS_OF, 2), (AS_OF + HOUR, 4), (AS_OF + 2 * HOUR, 6)):
        rows, notes = read_promises(tmp_path, moment)
        assert (len(rows), notes) == (count, [])
        assert rows.dtypes.to_dict() == no_promises().dtypes.to_dict()
    pd.testing.assert_frame_equal(rows.iloc[:2], made(AS_OF - HOUR, "api", "web"))


def test_a_plan_made_again_takes_its_own_place(tmp_path: Path) -> None:
    keep_promises(tmp_path, made(AS_OF, "web", "api"))
    once = (tmp_path / FILE).read_bytes()
    keep_promises(tmp_path, made(AS_OF, "web", "api"))
    assert (tmp_path / FILE).read_bytes() == once
    keep_promises(tmp_path, made(AS_OF, "web", factor=1.2))
    assert read_promises(tmp_path, AS_OF + HOUR)[0]["factor"].tolist() == [1.2]


def test_old_promises_go(tmp_path: Path) -> None:
    for hour in range(0, 24 * 20, 24):
        keep_promises(tmp_path, made(AS_OF + hour * HOUR))
    kept = pd.read_parquet(tmp_path / FILE)
    assert len(kept) == KEPT.days + 1
    assert kept["ends"].min() > kept["as_of"].max() - KEPT


@pytest.mark.parametrize("content", [b"", b"no parquet", None], ids=["empty", "nonsense", "columns"])
def test_a_record_that_cannot_be_read_is_told_and_begun_anew(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        made(AS_OF).drop(columns="factor").to_parquet(tmp_path / FILE)
    else:
        (tmp_path / FILE).write_bytes(content)
    rows, (note,) = read_promises(tmp_path, AS_OF + HOUR)
    assert rows.empty
    assert FILE in note
    assert "cannot be read" in note
    keep_promises(tmp_path, made(AS_OF))
    rows, notes = read_promises(tmp_path, AS_OF + HOUR)
    assert (len(rows), notes) == (1, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"factor": float("nan")}, "make no sense"),
        ({"factor": -1.0}, "make no sense"),
        ({"factor": float("inf")}, "make no sense"),
        ({"more": 7.0}, "make no sense"),
        ({"ends": pd.Timestamp(AS_OF)}, "make no sense"),
        ({"version": "99"}, "another version"),
    ],
)
def test_rows_that_make_no_sense_are_left_out_and_told(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    pd.concat([made(AS_OF, "web", **changes), made(AS_OF, "api")]).to_parquet(tmp_path / FILE)
    rows, (note,) = read_promises(tmp_path, AS_OF + HOUR)
    assert rows["workload"].tolist() == ["api"]
    assert f"1 of 2 promises {words if words.startswith('make') else 'are of ' + words}" in note


def test_a_record_that_is_not_there_is_no_word_worth(tmp_path: Path) -> None:
    assert read_promises(tmp_path / "nowhere", AS_OF)[1] == []
    keep_promises(tmp_path / "nowhere", no_promises())
    assert not (tmp_path / "nowhere").exists()


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError):
        keep_promises(tmp_path, made(AS_OF))
