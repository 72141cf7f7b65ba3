"""Files of one delivery that are older and newer versions of a bill, and files that are pieces of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.data.test_billing_azure import cost_file
from tests.data.test_billing_google import export
from tests.data.test_layouts import RUNS, azure_run

AZURE_FOCUS = {
    "BillingAccountId": "/providers/Microsoft.Billing/billingAccounts/8611537",
    "SubAccountId": "/subscriptions/sub-1", "InvoiceIssuerName": "Microsoft", "ProviderName": "Microsoft",
    "BillingPeriodStart": "2026-09-01T00:00:00Z", "BillingPeriodEnd": "2026-10-01T00:00:00Z",
    "ChargePeriodStart": "2026-09-04T00:00:00Z", "ChargePeriodEnd": "2026-09-05T00:00:00Z",
    "BilledCost": "2.4",
}  # fmt: skip


def hour(number: int, cost: int = 1) -> dict[str, str]:
    day, of_day = divmod(number, 24)
    return {
        "ChargePeriodStart": f"2026-05-{day + 1:02}T{of_day:02}:00:00Z",
        "ChargePeriodEnd": f"2026-05-{day + 1:02}T{of_day:02}:59:59Z", "BilledCost": str(cost),
        "ResourceId": f"i-{number}",
    }  # fmt: skip


def folder_of(root: Path, files: Mapping[str, Sequence[Mapping[str, str]]]) -> Path:
    root.mkdir()
    for name, rows in files.items():
        focus_csv(root / name, rows)
    return root


def billed(lake: Lake) -> Decimal:
    total: Decimal = lake.sql('SELECT sum("BilledCost") FROM charges').column(0)[0].as_py()
    return total


VERSIONS = {
    "to the 5th": {"may-05.csv": range(40), "may-12.csv": range(90)},
    "of a few rows": {"a.csv": range(3), "b.csv": range(90)},
    "windows that overlap": {"a.csv": range(60), "b.csv": range(50, 90)},
    # Named like numbered pieces of one file.
    "by date": {"cost-20260505.csv": range(40), "cost-20260512.csv": range(90)},
    "three of them": {"a.csv": range(40), "b.csv": range(70), "c.csv": range(90)},
}


@pytest.mark.parametrize("case", VERSIONS)
def test_month_to_date_versions_in_one_folder_are_not_added(lake: Lake, tmp_path: Path, case: str) -> None:
    files = {name: [hour(i, cost=2) for i in hours] for name, hours in VERSIONS[case].items()}
    files[max(files)] = [{**row, "BilledCost": "1"} for row in files[max(files)]]  # the newest at a new price
    folder = folder_of(tmp_path / "bills", files)
    before = lake.snapshot_id()
    with pytest.raises(InputError, match=r"\d+ of \d+ rows of .* again in .*one version") as caught:
        ingest(lake, folder, loaded_at=NOW)
    assert "--replace" in str(caught.value)
    assert lake.snapshot_id() == before
    ingest(lake, folder / max(files), loaded_at=NOW)
    assert billed(lake) == len(VERSIONS[case][max(files)])


def test_a_version_may_lack_a_column(lake: Lake, tmp_path: Path) -> None:
    rows = [hour(i) for i in range(40)]
    folder = folder_of(tmp_path / "bills", {"a.csv": rows})
    focus_csv(folder / "b.csv", rows, drop=["Tags", "ListCost"])
    with pytest.raises(InputError, match=r"40 of 40 rows of"):
        ingest(lake, folder, loaded_at=NOW)


def test_whoever_knows_better_says_so(lake: Lake, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "bills", {"a.csv": [hour(i) for i in range(40)], "b.csv": [hour(0)] * 40})
    ingest(lake, folder, loaded_at=NOW)  # one row of the first file 40 times is a single repeated row
    assert billed(lake) == 80


def test_versions_are_taken_together_where_told_to(lake: Lake, tmp_path: Path) -> None:
    rows = [hour(i) for i in range(40)]
    folder = folder_of(tmp_path / "bills", {"a.csv": rows, "b.csv": [*rows, hour(41)]})
    ingest(lake, folder, loaded_at=NOW, is_truth=True)
    assert billed(lake) == 81


@pytest.mark.parametrize(
    "files",
    [
        {"a.csv": range(0, 80, 2), "b.csv": range(1, 80, 2)},  # interleaved pieces
        {"part-000000.csv": range(40), "part-000001.csv": range(40, 90)},
    ],
)
def test_pieces_of_one_bill_add_up(lake: Lake, tmp_path: Path, files: Mapping[str, range]) -> None:
    made = {name: [hour(i, cost=i) for i in hours] for name, hours in files.items()}
    ingest(lake, folder_of(tmp_path / "bills", made), loaded_at=NOW)
    assert billed(lake) == sum(sum(hours) for hours in files.values())


def test_what_a_manifest_lists_is_one_export(lake: Lake, tmp_path: Path) -> None:
    names = ("part_0.csv", "part_1.csv")
    rows = [{"Date": f"09/{day:02}/2026", "CostInBillingCurrency": "1"} for day in range(1, 21)]
    parts = {name: cost_file(tmp_path / name, rows).read_text() for name in names}
    azure_run(tmp_path / "exports", RUNS[0], "2026-09-20T04:00:00Z", parts=parts)
    ingest(lake, tmp_path / "exports", loaded_at=NOW)
    assert billed(lake) == 40


@pytest.mark.parametrize("order", [("focus", "native"), ("native", "focus")])
def test_azures_focus_and_native_exports_name_one_account(
    lake: Lake, tmp_path: Path, order: Sequence[str]
) -> None:
    files = {
        "focus": focus_csv(tmp_path / "f.csv", [AZURE_FOCUS]),
        "native": cost_file(tmp_path / "n.csv", [{}]),
    }
    for name in order:
        ingest(lake, files[name], loaded_at=NOW)
    found = lake.sql('SELECT DISTINCT "BillingAccountId" AS a, "SubAccountId" AS s FROM charges').to_pylist()
    assert found == [{"a": "8611537", "s": "sub-1"}]
    assert billed(lake) == Decimal("2.4")


def test_a_customer_agreement_is_billed_by_profile(lake: Lake, tmp_path: Path) -> None:
    profile = {"billingProfileId": "ABCD-1", "billingProfileName": "Shops"}
    ingest(lake, cost_file(tmp_path / "n.csv", [profile]), loaded_at=NOW)
    path = {**AZURE_FOCUS, "BillingAccountId": f"{AZURE_FOCUS['BillingAccountId']}/billingProfiles/ABCD-1"}
    ingest(lake, focus_csv(tmp_path / "f.csv", [path]), loaded_at=NOW)
    assert billed(lake) == Decimal("2.4")
    ingest(lake, cost_file(tmp_path / "n.csv", [profile]), loaded_at=NOW)
    (row,) = lake.sql('SELECT "BillingAccountName" AS n, "BillingAccountType" AS t FROM charges').to_pylist()
    assert row == {"n": "Shops", "t": "Billing Profile"}


def test_an_export_time_of_google_may_come_in_several_deliveries(lake: Lake, tmp_path: Path) -> None:
    """As files by day of usage, and by project; each once more, which changes nothing."""
    rows = [
        {"usage_start_time": "2026-09-01T00:00:00", "project.id": "p-1", "cost": "1"},
        {"usage_start_time": "2026-09-02T00:00:00", "project.id": "p-1", "cost": "10"},
        {"usage_start_time": "2026-09-02T00:00:00", "project.id": "p-2", "cost": "100"},
        {"usage_start_time": "2026-09-02T00:00:00", "project.id": "", "cost": "1000", "cost_type": "tax"},
    ]
    files = [
        export(tmp_path / f"{number}.csv", [{"export_time": "2026-09-03T05:00:00", **row}])
        for number, row in enumerate(rows)
    ]
    for file in files * 2:
        ingest(lake, file, loaded_at=NOW)
    assert billed(lake) == 1111


def test_an_athena_report_has_its_data_beside_the_periods_folder(lake: Lake, tmp_path: Path) -> None:
    report = tmp_path / "bills/report"
    (report / "20260501-20260601").mkdir(parents=True)
    (report / "year=2026/month=5").mkdir(parents=True)
    focus_csv(report / "year=2026/month=5/r-1.csv", [hour(1)])
    manifest = {
        "assemblyId": "a-1", "reportName": "report", "reportKeys": ["bills/report/year=2026/month=5/r-1.csv"],
    }  # fmt: skip
    (report / "20260501-20260601/report-Manifest.json").write_text(json.dumps(manifest))
    ingest(lake, tmp_path / "bills", loaded_at=NOW)
    assert billed(lake) == 1
    # A file of the same name elsewhere is not the one that is listed.
    (report / "year=2026/month=5/r-1.csv").rename(tmp_path / "bills/r-1.csv")
    with pytest.raises(InputError, match="no file for bills/report/year=2026"):
        ingest(lake, tmp_path / "bills", loaded_at=NOW)


@pytest.mark.parametrize("second", [range(40, 80), range(10, 30)])
def test_pieces_one_after_the_other_are_refused_before_they_replace_each_other(
    lake: Lake, tmp_path: Path, second: range
) -> None:
    """Both halves are of the same days, as pieces of a file sorted by service are."""
    first = focus_csv(tmp_path / "1.csv", [hour(i) for i in range(40)])
    rows = [{**hour(i % 40), "ResourceId": f"other-{i}"} for i in second]
    ingest(lake, first, loaded_at=NOW)
    before = lake.snapshot_id()
    piece = focus_csv(tmp_path / "2.csv", rows)
    with pytest.raises(InputError, match="2026-05: found charges of which the lake has none; expected a ver"):
        ingest(lake, piece, loaded_at=NOW)
    assert lake.snapshot_id() == before
    (tmp_path / "both").mkdir()
    for file in (first, piece):
        file.rename(tmp_path / "both" / file.name)
    ingest(lake, tmp_path / "both", loaded_at=NOW)
    assert billed(lake) == 40 + len(second)


def test_charges_that_take_the_place_of_others_are_told_to(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, focus_csv(tmp_path / "1.csv", [hour(i) for i in range(40)]), loaded_at=NOW)
    other = [{**hour(i), "ResourceId": f"other-{i}"} for i in range(40)]
    ingest(lake, focus_csv(tmp_path / "2.csv", other[:39]), loaded_at=NOW, is_truth=True)
    assert billed(lake) == 39
