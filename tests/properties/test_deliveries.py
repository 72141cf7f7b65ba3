"""Bills delivered twice, late and in any order: the newest of everything counts, and nothing twice."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.data.exports import EXPORTS
from tests.data.test_billing_google import export

DAYS = 3  # the least with a first, a last and one between
SLOW = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def day_row(day: int, cost: int, account: str = "a") -> dict[str, str]:
    start = f"2026-05-{day:02}T00:00:00Z"
    return {
        "ChargePeriodStart": start, "ChargePeriodEnd": f"2026-05-{day:02}T23:00:00Z",
        "BilledCost": str(cost), "EffectiveCost": str(cost), "BillingAccountId": account,
    }  # fmt: skip


def held(lake: Lake) -> dict[tuple[str, int], Decimal]:
    rows = lake.sql(
        "SELECT BillingAccountId AS a, day(ChargePeriodStart) AS d, sum(BilledCost) AS b "
        "FROM charges GROUP BY ALL"
    ).to_pylist()
    return {(row["a"], row["d"]): row["b"] for row in rows}


@SLOW
@given(order=st.permutations(range(1, DAYS + 1)), again=st.lists(st.integers(1, DAYS), max_size=1))
def test_a_month_to_date_bill_ends_with_its_longest_version(
    empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("d")
    shutil.copytree(empty_lake, folder / "lake")
    with Lake.open(folder / "lake") as lake:
        for length in (*order, *again):
            # Each version corrects the day before its last, as real ones do.
            rows = [day_row(day, 100 * day + (length > day)) for day in range(1, length + 1)]
            ingest(lake, focus_csv(folder / f"{length}.csv", rows), loaded_at=NOW)
        assert held(lake) == {("a", day): Decimal(100 * day + (day < DAYS)) for day in range(1, DAYS + 1)}
        counted = lake.sql("SELECT count(*) FROM charges").column(0)[0].as_py()
        assert counted == DAYS


@SLOW
@given(
    order=st.permutations(range(1, DAYS + 1)),
    again=st.lists(st.integers(1, DAYS), max_size=1),
    accounts=st.sampled_from([("a",), ("a", "b")]),
)
def test_a_bill_in_pieces_is_whole_in_any_order(
    empty_lake: Path,
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    again: list[int],
    accounts: tuple[str, ...],
) -> None:
    folder = tmp_path_factory.mktemp("d")
    shutil.copytree(empty_lake, folder / "lake")
    with Lake.open(folder / "lake") as lake:
        for day in (*order, *again):
            rows = [day_row(day, day, account) for account in accounts]
            ingest(lake, focus_csv(folder / f"{day}.csv", rows), loaded_at=NOW)
        assert held(lake) == {(a, day): Decimal(day) for a in accounts for day in range(1, DAYS + 1)}


@SLOW
@given(
    order=st.permutations(range(DAYS)),
    again=st.lists(st.integers(0, DAYS - 1), max_size=1),
    late=st.booleans(),
)
def test_batches_of_an_append_only_export_add_up_in_any_order(
    empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int], late: bool
) -> None:
    folder = tmp_path_factory.mktemp("d")
    shutil.copytree(empty_lake, folder / "lake")
    with Lake.open(folder / "lake") as lake:
        for batch in (*order, *again):
            # A late batch brings more of the first day, which earlier batches had already.
            start = "2026-09-01" if late else f"2026-09-{batch + 1:02}"
            row = {
                "usage_start_time": f"{start}T00:00:00", "usage_end_time": f"{start}T01:00:00",
                "export_time": f"2026-09-{batch + 2:02}T05:00:00", "cost": str(10**batch),
            }  # fmt: skip
            ingest(lake, export(folder / f"{batch}.csv", [row]), loaded_at=NOW)
        total = lake.sql("SELECT sum(BilledCost) FROM charges").column(0)[0].as_py()
        assert total == Decimal("1" * DAYS)


@SLOW
@given(order=st.permutations(range(DAYS)), again=st.lists(st.integers(0, DAYS - 1), max_size=1))
def test_numbered_lines_add_up_in_any_order(
    empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("d")
    shutil.copytree(empty_lake, folder / "lake")
    oci = EXPORTS["oci"]
    with Lake.open(folder / "lake") as lake:
        for report in (*order, *again):
            # Each report brings an hour of its own, and late lines of an hour that others brought before.
            rows = [
                {
                    "lineItem/referenceNo": f"{report}-{hour}", "cost/myCost": str(10**report),
                    "lineItem/intervalUsageStart": f"2026-05-03T{hour:02}:00Z",
                    "lineItem/intervalUsageEnd": f"2026-05-03T{hour + 1:02}:00Z",
                }
                for hour in (0, report + 1)
            ]  # fmt: skip
            ingest(lake, oci.write(folder / f"{report}.csv", rows), loaded_at=NOW)
        total = lake.sql("SELECT sum(BilledCost) FROM charges").column(0)[0].as_py()
        assert total == Decimal("2" * DAYS)


def test_an_older_version_is_left_aside_unless_it_is_the_truth(empty_lake: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    long = focus_csv(tmp_path / "long.csv", [day_row(day, 2) for day in (1, 2, 3)])
    short = focus_csv(tmp_path / "short.csv", [day_row(day, 1) for day in (1, 2)])
    with Lake.open(tmp_path / "lake") as lake:
        ingest(lake, long, loaded_at=NOW)
        before = lake.snapshot_id()
        (load,) = ingest(lake, short, loaded_at=NOW)
        assert (load.status, lake.snapshot_id()) == ("unchanged", before)
        assert "an older version" in load.notes[0]
        (load,) = ingest(lake, short, loaded_at=NOW, is_truth=True)
        assert load.status == "restated"
        assert sum(held(lake).values()) == 2


def test_a_shrunk_file_of_the_same_days_counts_and_its_predecessor_is_not_lost(
    empty_lake: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    whole = [day_row(1, 1), day_row(1, 2), day_row(2, 4)]
    with Lake.open(tmp_path / "lake") as lake:
        ingest(lake, focus_csv(tmp_path / "a.csv", whole), loaded_at=NOW)
        before = lake.snapshot_id()
        (load,) = ingest(lake, focus_csv(tmp_path / "a.csv", whole[1:]), loaded_at=NOW)
        assert load.notes == ("a 2026-05: billed 7 -> 6 USD",)
        query = f"SELECT sum(BilledCost) FROM charges AT (VERSION => {before})"
        old = lake.sql(query).column(0)[0].as_py()
        assert old == 7


@pytest.mark.parametrize("order", [("focus", "google"), ("google", "focus")])
def test_two_exports_of_one_bill_are_never_added(
    empty_lake: Path, tmp_path: Path, order: tuple[str, ...]
) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    focus = {
        **day_row(3, 2), "BillingAccountId": "01AB-CD", "InvoiceIssuerName": "Google",
        "ProviderName": "Google", "BillingCurrency": "EUR",
    }  # fmt: skip
    native = {
        "usage_start_time": "2026-05-03T00:00:00", "usage_end_time": "2026-05-03T01:00:00",
        "invoice.month": "202605", "cost": "2",
    }  # fmt: skip
    files = {
        "focus": focus_csv(tmp_path / "f.csv", [focus]),
        "google": export(tmp_path / "g.csv", [native]),
    }
    with Lake.open(tmp_path / "lake") as lake:
        for name in order:
            ingest(lake, files[name], loaded_at=NOW)
        assert sum(held(lake).values()) == 2


def test_a_late_row_takes_nothing_with_it_that_lies_between(empty_lake: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    with Lake.open(tmp_path / "lake") as lake:
        ingest(lake, focus_csv(tmp_path / "a.csv", [day_row(day, 1) for day in range(1, 6)]), loaded_at=NOW)
        later = [day_row(2, 7), *(day_row(day, 1) for day in range(6, 9))]
        ingest(lake, focus_csv(tmp_path / "b.csv", later), loaded_at=NOW)
        assert held(lake) == {("a", day): Decimal(7 if day == 2 else 1) for day in range(1, 9)}


def test_a_native_and_a_focus_export_of_one_bill_in_one_delivery_are_refused(
    empty_lake: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    folder = tmp_path / "both"
    folder.mkdir()
    focus = {
        **day_row(3, 2), "BillingAccountId": "01AB-CD", "InvoiceIssuerName": "Google",
        "ProviderName": "Google", "BillingCurrency": "EUR",
    }  # fmt: skip
    native = {
        "usage_start_time": "2026-05-03T00:00:00", "usage_end_time": "2026-05-03T01:00:00",
        "invoice.month": "202605", "cost": "2",
    }  # fmt: skip
    focus_csv(folder / "f.csv", [focus])
    export(folder / "g.csv", [native])
    with Lake.open(tmp_path / "lake") as lake:
        before = lake.snapshot_id()
        with pytest.raises(InputError, match=r"account 01AB-CD, 2026-05: found focus \(f.csv\) and g.*g.csv"):
            ingest(lake, folder, loaded_at=NOW)
        assert lake.snapshot_id() == before


def test_a_copy_beside_the_file_counts_once(empty_lake: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_lake, tmp_path / "lake")
    folder = tmp_path / "folder"
    folder.mkdir()
    focus_csv(folder / "bill.csv", [day_row(1, 5)])
    shutil.copy(folder / "bill.csv", folder / "bill (copy).csv")
    with Lake.open(tmp_path / "lake") as lake:
        loads = ingest(lake, folder, loaded_at=NOW)
        assert held(lake) == {("a", 1): Decimal(5)}
        assert [item.reason for item in loads.skipped] == ["the same content as bill (copy).csv"]
