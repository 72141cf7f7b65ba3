from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data import delivery
from data.errors import InputError
from data.ingest import Loads, ingest
from data.lake import Lake
from data.recognise import NotRecognised
from tests.data.bills import NOW, focus_csv

MAY = {"BillingPeriodStart": "2026-05-01T00:00:00Z", "BillingPeriodEnd": "2026-06-01T00:00:00Z"}
JUNE = {"BillingPeriodStart": "2026-06-01T00:00:00Z", "BillingPeriodEnd": "2026-07-01T00:00:00Z"}
USAGE = pd.DataFrame(
    {
        "ts": pd.date_range("2026-05-01", periods=4, freq="10min", tz="UTC"),
        "workload": "chat",
        "requests": [1.0, 2.0, 3.0, 4.0],
        "tokens_in": 10.0,
        "tokens_out": 5.0,
    }
)


def billed(lake: Lake) -> dict[tuple[str, str], Decimal]:
    """Billed cost per account and month."""
    rows = lake.sql(
        "SELECT BillingAccountId a, x_Month m, sum(BilledCost) s FROM charges GROUP BY ALL"
    ).to_pylist()
    return {(row["a"], row["m"]): row["s"] for row in rows}


def statuses(loads: Loads) -> list[str]:
    return [load.status for load in loads]


# -- what is replaced ------------------------------------------------------------------------------


def test_the_same_bill_twice_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    path = focus_csv(tmp_path / "b.csv", [{}, {"BilledCost": "2"}])
    assert statuses(ingest(lake, path, loaded_at=NOW)) == ["new"]
    before = lake.snapshot_id(), len(lake.read("loads"))
    later = ingest(lake, path, loaded_at=NOW + timedelta(days=1))
    assert statuses(later) == ["unchanged"]
    assert later[0].billed_cost == {"USD": Decimal("3.5")}
    assert (lake.snapshot_id(), len(lake.read("loads"))) == before


def test_the_order_and_the_name_of_a_bill_do_not_matter_but_repeated_rows_do(
    lake: Lake, tmp_path: Path
) -> None:
    ingest(lake, focus_csv(tmp_path / "a.csv", [{}, {"BilledCost": "2"}]), loaded_at=NOW)
    turned = focus_csv(tmp_path / "b.csv", [{"BilledCost": "2"}, {}])
    assert statuses(ingest(lake, turned, loaded_at=NOW)) == ["unchanged"]
    doubled = focus_csv(tmp_path / "c.csv", [{}, {}, {"BilledCost": "2"}, {"BilledCost": "2"}])
    assert statuses(ingest(lake, doubled, loaded_at=NOW)) == ["restated"]


def test_a_restatement_replaces_the_part_and_says_what_changed(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, focus_csv(tmp_path / "a.csv", [MAY, JUNE, {"BillingAccountId": "other"}]), loaded_at=NOW)
    (load,) = ingest(lake, focus_csv(tmp_path / "b.csv", [{**MAY, "BilledCost": "9"}, JUNE]), loaded_at=NOW)
    assert load.status == "restated"
    assert load.notes == ("123456789012 2026-05: billed 1.5 -> 9 USD",)
    assert billed(lake) == {
        ("123456789012", "2026-05"): Decimal(9),
        ("123456789012", "2026-06"): Decimal("1.5"),
        ("other", "2026-05"): Decimal("1.5"),
    }
    history = lake.read("loads_history")
    assert history["status"].tolist() == ["restated", "new"]
    assert history["billed_cost"].tolist() == [9.0, 4.5]
    third = ingest(lake, focus_csv(tmp_path / "a.csv", [MAY]), loaded_at=NOW)
    assert statuses(third) == ["restated"]


def test_only_what_changed_is_written(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, focus_csv(tmp_path / "a.csv", [MAY, JUNE]), loaded_at=NOW)
    ingest(lake, focus_csv(tmp_path / "a.csv", [MAY, {**JUNE, "BilledCost": "7"}]), loaded_at=NOW)
    assert lake.sql("SELECT x_Month, x_LoadId FROM charges ORDER BY 1").to_pylist() == [
        {"x_Month": "2026-05", "x_LoadId": 1},
        {"x_Month": "2026-06", "x_LoadId": 2},
    ]


def test_chunks_of_one_export_add_up(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    for part in range(3):
        focus_csv(folder / f"part-{part}.csv", [{"BilledCost": str(part + 1)}])
    (load,) = ingest(lake, folder, loaded_at=NOW)
    assert (load.rows, load.billed_cost) == (3, {"USD": Decimal(6)})
    assert load.files == ("part-0.csv", "part-1.csv", "part-2.csv")
    assert lake.sql("SELECT x_Row FROM charges").column(0).to_pylist() == [1, 1, 1]
    assert statuses(ingest(lake, folder, loaded_at=NOW)) == ["unchanged"]


def test_another_export_of_the_same_account_takes_its_place(lake: Lake, tmp_path: Path) -> None:
    """Two formats of one bill would count twice if they stood side by side."""
    ingest(lake, focus_csv(tmp_path / "a.csv"), loaded_at=NOW)
    newer = focus_csv(
        tmp_path / "b.csv", [{"ServiceProviderName": "AWS", "BilledCost": "3"}], drop=["ProviderName"]
    )
    (load,) = ingest(lake, newer, loaded_at=NOW)
    assert load.notes == ("123456789012 2026-05: billed 1.5 -> 3 USD (was focus-1.0)",)
    assert billed(lake) == {("123456789012", "2026-05"): Decimal(3)}


# -- folders and archives --------------------------------------------------------------------------


def mixed_folder(root: Path) -> Path:
    folder = root / "mixed"
    (folder / "deep").mkdir(parents=True)
    focus_csv(folder / "bill.csv")
    USAGE.to_parquet(folder / "deep/usage.parquet")
    (folder / "state.json").write_text(
        json.dumps(
            {
                "as_of": "2026-05-02T00:00:00Z",
                "fleet": [{"workload": "chat", "option_id": "o", "desired": 2, "ready": 1, "pending": 1}],
            }
        )
    )
    (folder / "README.md").write_text("# about\nnothing, really\n")
    (folder / "logo.png").write_bytes(b"\x89PNG\xff\xfe")
    (folder / ".hidden").write_text("x")
    return folder


def zipped(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "zip", folder))


def tarred(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "tar", folder))


def gzipped(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "gztar", folder))


@pytest.mark.parametrize("pack", [lambda folder, _: folder, zipped, tarred, gzipped])
def test_a_folder_or_archive_is_one_delivery(
    lake: Lake, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    path = pack(mixed_folder(tmp_path), tmp_path / "packed")
    path = path.rename(tmp_path / "no-suffix-to-go-by") if path.is_file() else path
    before = lake.snapshot_id()
    loads = ingest(lake, path, loaded_at=NOW)
    assert {(load.table, load.rows, load.status) for load in loads} == {
        ("charges", 1, "new"),
        ("demand", 4, "new"),
        ("deployments", 1, "new"),
    }
    assert lake.snapshot_id() == before + 1
    assert {Path(skipped.name).name for skipped in loads.skipped} == {"README.md", "logo.png", ".hidden"}
    assert statuses(ingest(lake, path, loaded_at=NOW)) == ["unchanged"] * 3
    assert list(lake.scratch().glob("*/")) == []


def test_zips_inside_a_folder_are_opened(lake: Lake, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    focus_csv(inner / "b.csv")
    (tmp_path / "outer").mkdir()
    zipped(inner, tmp_path / "outer/month")
    assert statuses(ingest(lake, tmp_path / "outer", loaded_at=NOW)) == ["new"]


def test_our_own_lake_is_not_taken_for_a_delivery(lake: Lake, tmp_path: Path) -> None:
    focus_csv(tmp_path / "bill.csv")
    assert statuses(ingest(lake, tmp_path, loaded_at=NOW)) == ["new"]
    assert statuses(ingest(lake, tmp_path, loaded_at=NOW)) == ["unchanged"]


def test_one_bad_file_stops_the_whole_delivery_and_all_faults_are_told(lake: Lake, tmp_path: Path) -> None:
    folder = mixed_folder(tmp_path)
    focus_csv(folder / "bad.csv", [{"BilledCost": "x"}])
    USAGE.assign(requests=-1.0).to_parquet(folder / "bad.parquet")
    before = lake.snapshot_id()
    with pytest.raises(InputError) as error:
        ingest(lake, folder, loaded_at=NOW)
    assert {fault.where for fault in error.value.faults} == {"bad.csv", "bad.parquet"}
    assert lake.snapshot_id() == before


def test_an_empty_file_in_a_folder_is_a_fault_since_it_may_be_a_part(lake: Lake, tmp_path: Path) -> None:
    folder = mixed_folder(tmp_path)
    (folder / "part-2.csv").touch()
    with pytest.raises(InputError, match=r"part-2.csv: found an empty file"):
        ingest(lake, folder, loaded_at=NOW)


def test_a_folder_of_nothing_known(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(InputError, match="no files"):
        ingest(lake, tmp_path / "d", loaded_at=NOW)
    (tmp_path / "d/notes.txt").write_text("hello")
    with pytest.raises(NotRecognised):
        ingest(lake, tmp_path / "d/notes.txt", loaded_at=NOW)
    with pytest.raises(InputError, match=r"notes.txt: found columns hello"):
        ingest(lake, tmp_path / "d", loaded_at=NOW)
    with pytest.raises(InputError, match="found nothing there"):
        ingest(lake, tmp_path / "nowhere", loaded_at=NOW)


# -- archives that mean harm -----------------------------------------------------------------------


def tar_with(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            member.size = 1 if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"x") if member.isreg() else None)
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:/evil.csv"]
)
def test_paths_that_lead_out_of_the_archive_are_refused(lake: Lake, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    tar_with(tmp_path / "a.tar", tarfile.TarInfo(name))
    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(InputError, match="expected paths inside the archive"):
            ingest(lake, path, loaded_at=NOW)
    assert not list(tmp_path.rglob("evil.csv"))


def test_links_in_an_archive_are_not_followed(lake: Lake, tmp_path: Path) -> None:
    secret = focus_csv(tmp_path / "secret.csv")
    path = tar_with(tmp_path / "a.tar", link("bill.csv", str(secret)))
    with pytest.raises(InputError):
        ingest(lake, path, loaded_at=NOW)
    assert billed(lake) == {}


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"\0" * 5_000_000)
    opened = delivery.unpacked(tmp_path / "bomb.zip", tmp_path, limit=1_000_000)
    with pytest.raises(InputError, match="GiB once unpacked"), opened:
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.zip"]


def test_a_damaged_archive(lake: Lake, tmp_path: Path) -> None:
    for pack in (zipped, gzipped):
        path = pack(mixed_folder(tmp_path), tmp_path / "packed")
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with pytest.raises(InputError):
            ingest(lake, path, loaded_at=NOW)
        shutil.rmtree(tmp_path / "mixed")
    assert lake.read("charges").empty


# -- the rest --------------------------------------------------------------------------------------


def test_progress_rises_to_one(lake: Lake, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    ingest(
        lake, mixed_folder(tmp_path), loaded_at=NOW, progress=lambda step, share: told.append((step, share))
    )
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_contract_commitments(lake: Lake, shared: Path) -> None:
    path = shared / "billing_samples/focus/focus_synth_gcp_1_3_contract_commitment.csv"
    (load,) = ingest(lake, path, loaded_at=NOW)
    assert (load.table, load.rows, load.status) == ("contract_commitments", 140, "new")
    assert lake.sql("SELECT DISTINCT x_Source FROM contract_commitments").column(0).to_pylist() == ["gcp"]
    assert statuses(ingest(lake, path, loaded_at=NOW)) == ["unchanged"]


def test_every_real_bill_together(lake: Lake, shared: Path) -> None:
    loads = ingest(lake, shared / "billing_samples/focus", loaded_at=NOW)
    assert {(load.source, load.rows) for load in loads if load.table == "charges"} == {
        ("aws", 625),
        ("azure", 600),
        ("gcp", 600),
    }
    assert all("spec_examples" in s.name or "correction_set" in s.name for s in loads.skipped)
