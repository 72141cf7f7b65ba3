"""Folders and archives that mean harm: paths, links, pipes, sizes, names. Nothing hangs, nothing gets out."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from data import archives
from data.delivery import NOT_A_FILE, Unpacked, unpacked
from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.data.exports import EXPORTS

BILL = b"a,b\n1,2\n"
Pack = Callable[..., Path]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with Lake.open(tmp_path_factory.mktemp("hostile") / "lake") as opened:
        opened.sql("SET threads = 1")  # quicker for a few rows
        yield opened


def zip_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same name twice
        for name, content in members:
            archive.writestr(name, content)
    return path


def tar_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            head = tarfile.TarInfo(name)
            head.size = len(content)
            archive.addfile(head, io.BytesIO(content))
    return path


def opened(path: Path, limit: int = 2**20) -> Unpacked:
    """What comes out of a delivery; afterwards its scratch folder is empty."""
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        with unpacked(path, scratch, limit=limit) as delivery:
            assert all(file.path.is_file() for file in delivery.files)
            return delivery
    finally:
        assert not list(scratch.iterdir())


def refused(path: Path, limit: int = 2**20) -> str:
    with pytest.raises(InputError) as error:
        opened(path, limit)
    assert all(str(fault).isprintable() for fault in error.value.faults)
    return str(error.value)


# -- archives --------------------------------------------------------------------------------------

PLACES = {
    "twice": (("a.csv", "a.csv"), "'a.csv' twice"),
    "twice under two spellings": (("b/a.csv", "b/./a.csv"), "'b/a.csv' twice"),
    "below a file": (("a", "a/b.csv"), "'a/b.csv' below a file"),
    "no name": ((".",), "expected the name of a file"),
    "too long": (("x" * 300,), "a path of 300 bytes"),
    "too deep": (("d/" * 600 + "a.csv",), "a path of 1205 bytes"),
    "a root of Windows": (("\\\\server\\a.csv",), "expected paths inside the archive"),
    "a drive": (("d:\\a.csv",), "expected paths inside the archive"),
}


@pytest.mark.parametrize("case", PLACES)
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_members_that_cannot_have_their_place(tmp_path: Path, pack: Pack, case: str) -> None:
    names, said = PLACES[case]
    assert said in refused(pack(tmp_path / "packed", *((name, BILL) for name in names)))


def test_archives_in_archives_are_opened_to_a_depth(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "a.zip", ("b.csv.gz", gzip.compress(BILL))).read_bytes()
    (file,) = opened(tar_of(tmp_path / "c.tar", ("a.zip", inner))).files
    assert file.name == "c.tar/a.zip/b.csv"
    deeper = tar_of(tmp_path / "c.tar", ("a.zip", inner)).read_bytes()
    assert "nested over 3 deep" in refused(zip_of(tmp_path / "d.zip", ("c.tar", deeper)))


def test_links_and_devices_are_never_made(tmp_path: Path) -> None:
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in kinds:
            head = tarfile.TarInfo(f"{kind.decode()}.csv")
            head.type, head.linkname = kind, "/etc/passwd"
            archive.addfile(head)
    delivery = opened(tmp_path / "a.tar")
    assert delivery.files == []
    assert [one.reason for one in delivery.skipped] == [NOT_A_FILE] * len(kinds)


def test_a_header_that_points_backwards_ends(tmp_path: Path) -> None:
    """Some versions of Python read such an archive for ever."""
    head = bytearray(tarfile.TarInfo("a.csv").tobuf(tarfile.GNU_FORMAT))
    head[124:136] = (b"\xff" * 12)[:10] + (-512).to_bytes(2, "big", signed=True)
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(bytes(head) + b"\0" * 1024)
    assert "damaged or truncated archive" in refused(tmp_path / "a.tar")


def test_what_an_archive_says_of_its_size_is_enough_to_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives.Budget, "copy", None)  # nothing is unpacked to find out
    head = tarfile.TarInfo("a.csv")
    head.size = 2**60
    (tmp_path / "a.tar").write_bytes(head.tobuf(tarfile.GNU_FORMAT) + BILL)
    assert "damaged or truncated archive" in refused(tmp_path / "a.tar")
    zip_of(tmp_path / "a.zip", ("a.csv", b"0" * 3_000_000))
    assert "once unpacked" in refused(tmp_path / "a.zip")


def test_what_it_does_not_say_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"0" * 3_000_000))
    assert "once unpacked" in refused(tmp_path / "a.gz")
    lie = zip_of(tmp_path / "a.zip", ("a.csv", b"0" * 3_000_000)).read_bytes()
    (tmp_path / "a.zip").write_bytes(lie.replace((3_000_000).to_bytes(4, "little"), b"\1\0\0\0"))
    assert "damaged or truncated archive" in refused(tmp_path / "a.zip")


def test_empty_files_count_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 6)
    inner = zip_of(tmp_path / "a.zip", *((str(i), b"") for i in range(4))).read_bytes()
    assert "files; expected at most 6" in refused(
        zip_of(tmp_path / "b.zip", ("1.zip", inner), ("2.zip", inner))
    )


@pytest.mark.parametrize("damage", ["cut", "checksum", "method", "encrypted", "no text", "no name"])
def test_a_zip_that_cannot_be_read(tmp_path: Path, damage: str) -> None:
    name = "ä.csv" if damage == "no text" else "a.csv"
    content = bytearray(zip_of(tmp_path / "a.zip", (name, BILL * 99)).read_bytes())
    central = content.index(b"PK\x01\x02")
    if damage == "cut":
        del content[central + 10 :]
    elif damage == "checksum":
        content[central + 16] ^= 0xFF
    elif damage == "method":
        content[central + 10] = content[8] = 9
    elif damage == "encrypted":
        content[central + 8] |= 1
        content[6] |= 1
    elif damage == "no text":
        content[central + 46] = 0xFF  # no UTF-8, though the flag says so
    else:
        content[central + 46] = content[30] = 0  # a name ends at its first zero
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip")


# -- folders ---------------------------------------------------------------------------------------


def test_pipes_devices_and_loops_do_not_hang(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_bytes(BILL)
    os.mkfifo(folder / "pipe.csv")
    (folder / "deep/loop").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "endless.csv").symlink_to("/dev/zero")
    delivery = opened(folder)
    assert [file.name for file in delivery.files] == ["a.csv"]
    left = {one.name for one in delivery.skipped if one.reason == NOT_A_FILE}
    assert left == {"pipe.csv", "deep/loop", "itself", "endless.csv"}
    for name in ("pipe.csv", "endless.csv"):
        assert "a pipe, socket or device" in refused(folder / name)
    assert "nothing there" in refused(folder / "itself")


def test_names_are_no_patterns_and_no_partitions(lake: Lake, tmp_path: Path) -> None:
    """The engine alone takes [1] for 1, * for every file, and BilledCost=9 for a column."""
    folder = tmp_path / "d"
    names = ["bill[1]", "bill1", "bill*", "b?", "it's", "a\nb", "{x,y}", "BilledCost=9/c0=9/json=9/x"]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for kind in ("focus", "focus parquet", "focus json"):
            row = {"BilledCost": "1", "ResourceId": f"{kind} {number}"}
            EXPORTS[kind].write(folder / f"{name}.{EXPORTS[kind].container}", [row])
    (load,) = ingest(lake, folder, loaded_at=NOW)
    assert load.billed_cost == {"USD": Decimal(3 * len(names))}
    held = lake.sql('SELECT count(DISTINCT "ResourceId") AS n FROM charges').to_pylist()
    assert held == [{"n": 3 * len(names)}]


def test_names_that_are_no_text_are_read_and_spelled_out(lake: Lake, tmp_path: Path) -> None:
    plain = focus_csv(tmp_path / "plain.csv", [{"BillingAccountId": "latin"}])
    (tmp_path / "d").mkdir()
    plain.rename(os.fsdecode(os.fsencode(tmp_path) + b"/d/M\xe4rz \x1b[31m.csv"))
    (load,) = ingest(lake, tmp_path / "d", loaded_at=NOW)
    assert load.files == ("M\\udce4rz \\x1b[31m.csv",)
    assert load.files[0] in lake.sql("SELECT file_names FROM loads").column(0).to_pylist()


def test_a_manifest_cannot_point_out_of_the_delivery(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    for key in ("/etc/passwd", "s3:///etc/passwd", "x" * 5000, "a\\u0000b", "\\ud800", "../../etc/passwd"):
        (folder / "x-manifest.json").write_text(f'{{"blobs": [{{"blobName": "{key}"}}]}}')
        assert "no file for" in refused(folder)
