"""A workspace folder is read whole or refused whole; nothing later than the as-of moment gets through."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from data.errors import InputError
from data.history import MINUTE_US, known_interval
from data.workspace import WorkspaceFiles, read_workspace

GOLDEN = Path(__file__).parents[1] / "golden"
START = datetime(2026, 5, 11, tzinfo=UTC)
FRAMES = ("catalog", "profiles", "demand", "events", "spot_capacity", "fleet")

WORKLOADS = """\
workloads:
  - name: chat
    model: llm-8b
    slo: {ttft_s: 2.0, tpot_ms: 60, target: 0.999}
  - name: web
    model: web-app
    slo: {latency_ms: 200, target: 0.99}
"""


def times(count: int, minutes: float = 10, start: datetime = START) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq=timedelta(minutes=minutes), unit="us")


def usage(workload: str, count: int = 12, minutes: float = 10) -> pd.DataFrame:
    requests = np.arange(count) * 10.0 + 5
    columns = {"ts": times(count, minutes), "workload": workload, "requests": requests}
    return pd.DataFrame(columns).assign(tokens_in=requests * 800, tokens_out=requests * 150)


def catalog() -> pd.DataFrame:
    rows = [
        ("gpu-od", "aws", "us-east-1", "g6.xlarge", "L4", 1, "on_demand", 0.8, 300, 500.0, None, 1.0),
        ("gpu-spot", "aws", "us-east-1", "g6.xlarge", "L4", 1, "spot", 0.3, 300, None, "pool-a", 1.0),
        ("cpu-od", "gcp", "us-central1", "n2-standard-4", None, None, "on_demand", 0.2, None, None, "", None),
    ]
    names = ["option_id", "provider", "region", "instance_type", "accelerator", "accelerator_count"]
    names += ["purchase", "price_hourly", "boot_seconds", "quota", "pool", "failures_per_1000h"]
    return pd.DataFrame(rows, columns=names)


def profiles() -> pd.DataFrame:
    names = ["model", "accelerator", "prefill_tps", "decode_tps", "max_concurrency", "tpot_ms"]
    by_accelerator = pd.DataFrame([("llm-8b", "L4", 2200, 450, 24, 55)], columns=names)
    names = ["model", "instance_type", "rps", "latency_ms"]
    by_type = pd.DataFrame([("web-app", "n2-standard-4", 300, 20)], columns=names)
    return pd.concat([by_accelerator, by_type], ignore_index=True)


@dataclass
class Files:
    """A valid workspace before it is written; tests spoil one thing each."""

    workloads: str | bytes | None = WORKLOADS
    catalog: Any = field(default_factory=catalog)
    profiles: Any = field(default_factory=profiles)
    usage: Any = field(default_factory=lambda: pd.concat([usage("chat"), usage("web")], ignore_index=True))
    events: Any = field(
        default_factory=lambda: pd.DataFrame(
            {"ts": times(2), "workload": "chat", "option_id": "gpu-spot", "event": ["preempted", "failed"]}
        )
    )
    spot_capacity: Any = field(
        default_factory=lambda: pd.DataFrame({"ts": times(3, 5), "pool": "pool-a", "capacity": [4, 0, 9]})
    )
    state: Any = field(
        default_factory=lambda: {
            "as_of": "2026-05-11T01:00:00+00:00",
            "fleet": [
                {"workload": "chat", "option_id": "gpu-od", "desired": 3, "ready": 2, "pending": 1},
                {"workload": "web", "option_id": "cpu-od", "desired": 1, "ready": 1, "pending": 0},
            ],
        }
    )

    def write(self, root: Path) -> Path:
        (root / "history").mkdir(parents=True, exist_ok=True)
        state = self.state if isinstance(self.state, str | None) else json.dumps(self.state)
        for name, content in (("workloads.yaml", self.workloads), ("state.json", state)):
            if content is not None:
                (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        tables = {"catalog": self.catalog, "profiles": self.profiles, "history/usage": self.usage}
        tables |= {"history/events": self.events, "history/spot_capacity": self.spot_capacity}
        for name, table in tables.items():
            path = root / f"{name}.parquet"
            if isinstance(table, bytes):
                path.write_bytes(table)
            elif isinstance(table, pa.Table):
                pq.write_table(table, path)
            elif table is not None:
                table.to_parquet(path)
        return root


def faults(files: Files, root: Path, as_of: datetime | None = None) -> list[str]:
    with pytest.raises(InputError) as refused:
        read_workspace(files.write(root), as_of=as_of)
    assert refused.value.exit_code == 2
    return str(refused.value).splitlines()


def assert_same(left: WorkspaceFiles, right: WorkspaceFiles) -> None:
    for name in FRAMES:
        one, other = getattr(left, name), getattr(right, name)
        assert_frame_equal(one, other) if one is not None else other is None
    assert left.workloads == right.workloads
    assert left.state_as_of == right.state_as_of
    assert left.notes == right.notes


def cell(table: str, row: int, column: str, value: object) -> Callable[[Files], None]:
    """Spoil one cell."""

    def spoil(files: Files) -> None:
        frame = getattr(files, table)
        kept = frame[column].astype("object")
        kept.iloc[row] = value
        frame[column] = kept if isinstance(value, str) else kept.infer_objects()

    return spoil


def standby(row: int, price: float | None, seconds: float | None) -> Callable[[Files], None]:
    """One option that offers standby, of all of them."""

    def spoil(files: Files) -> None:
        none = [np.nan] * len(files.catalog)
        files.catalog = files.catalog.assign(standby_price_hourly=none, standby_boot_seconds=none)
        for name, value in (("standby_price_hourly", price), ("standby_boot_seconds", seconds)):
            files.catalog.loc[row, name] = np.nan if value is None else value

    return spoil


def column(table: str, name: str, value: Callable[[pd.Series], object]) -> Callable[[Files], None]:
    """Spoil one column."""

    def spoil(files: Files) -> None:
        frame = getattr(files, table)
        frame[name] = value(frame[name])

    return spoil


def without(table: str, name: str) -> Callable[[Files], None]:
    """Leave one column out."""
    return lambda files: setattr(files, table, getattr(files, table).drop(columns=name))


def again(table: str, row: int) -> Callable[[Files], None]:
    """Write one row a second time."""

    def spoil(files: Files) -> None:
        frame = getattr(files, table)
        setattr(files, table, pd.concat([frame, frame.iloc[[row]]], ignore_index=True))

    return spoil


def whole(table: str, value: object) -> Callable[[Files], None]:
    """Replace a file."""
    return lambda files: setattr(files, table, value)


def entry(row: int, **values: object) -> Callable[[Files], None]:
    """Change one entry of the live fleet; None removes a key."""

    def spoil(files: Files) -> None:
        files.state["fleet"][row] |= values
        for key in [key for key, value in values.items() if value is None]:
            del files.state["fleet"][row][key]

    return spoil


def off_grid(files: Files) -> None:
    files.usage.loc[3, "ts"] += timedelta(seconds=7)


def finer(files: Files) -> None:
    files.usage = pd.concat([usage("chat", minutes=0.5), usage("web")])


def coarser(files: Files) -> None:
    files.usage = pd.concat([usage("chat", minutes=90), usage("web")])


def nan_price(files: Files) -> None:
    """A real NaN, which is not a null to Arrow."""
    table = pa.Table.from_pandas(files.catalog)
    at = table.column_names.index("price_hourly")
    files.catalog = table.set_column(at, "price_hourly", pa.array([0.8, float("nan"), 0.2]))


def truncated(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet())[:-40]


def mixed_zones(files: Files) -> None:
    """The offset is there in most rows and missing in one."""
    texts = files.usage["ts"].map(pd.Timestamp.isoformat)
    files.usage["ts"] = texts.where(texts.index != 4, texts.str.removesuffix("+00:00"))


BAD: dict[str, Callable[[Files], None]] = {
    "no workloads.yaml": whole("workloads", None),
    "workloads.yaml is not text": whole("workloads", b"\xff\xfe\x00"),
    "repeated YAML key": whole("workloads", WORKLOADS + "    model: other\n"),
    "unknown key of a workload": whole("workloads", WORKLOADS + "    min_replica: 3\n"),
    "negative price": cell("catalog", 0, "price_hourly", -0.8),
    "NaN price": nan_price,
    "boot of ages": cell("catalog", 0, "boot_seconds", 1e300),
    "more requests than numbers hold": cell("usage", 3, "requests", 1e300),
    "infinite price": cell("catalog", 2, "price_hourly", float("inf")),
    "price as text": column(
        "catalog", "price_hourly", lambda prices: prices.astype("str").replace("0.3", "cheap")
    ),
    "price as a flag": column("catalog", "price_hourly", lambda prices: prices > 0.5),
    "no price": without("catalog", "price_hourly"),
    "provider as numbers": column("catalog", "provider", lambda providers: range(len(providers))),
    "repeated option": again("catalog", 1),
    "empty option_id": cell("catalog", 1, "option_id", ""),
    "unknown purchase": cell("catalog", 0, "purchase", "reserved"),
    "negative boot": cell("catalog", 1, "boot_seconds", -1),
    "standby without a price": standby(0, None, 60.0),
    "standby without a boot": standby(0, 0.1, None),
    "standby slower than a boot": standby(0, 0.1, 301.0),
    "standby of spot": standby(1, 0.1, 60.0),
    "negative standby": standby(0, -0.1, 60.0),
    "endless standby": standby(0, float("inf"), 60.0),
    "negative quota": cell("catalog", 0, "quota", -5),
    "negative failures": cell("catalog", 0, "failures_per_1000h", -0.1),
    "uncounted accelerator": cell("catalog", 0, "accelerator_count", None),
    "truncated catalogue": whole("catalog", truncated(catalog())),
    "empty catalogue": whole("catalog", b""),
    "CSV under a Parquet name": whole("catalog", catalog().to_csv().encode()),
    "profile of nothing": cell("profiles", 0, "accelerator", None),
    "profile of both kinds": cell("profiles", 0, "instance_type", "g6.xlarge"),
    "repeated profile": again("profiles", 0),
    "zero throughput": cell("profiles", 0, "decode_tps", 0),
    "incomplete profile": cell("profiles", 1, "rps", None),
    "missing profile": whole("profiles", profiles().iloc[1:]),
    "time without zone": column("usage", "ts", lambda ts: ts.dt.tz_localize(None)),
    "zone in most rows": mixed_zones,
    "time that is none": column("usage", "ts", lambda ts: ["yesterday", *ts.map(str)[1:]]),
    "time as a number": column("usage", "ts", lambda ts: ts.astype("int64")),
    "no time": cell("usage", 2, "ts", pd.NaT),
    "negative requests": cell("usage", 5, "requests", -1),
    "unknown requests": cell("usage", 5, "requests", None),
    "infinite tokens": cell("usage", 5, "tokens_out", float("inf")),
    "LLM demand without tokens": without("usage", "tokens_in"),
    "LLM row without tokens": cell("usage", 0, "tokens_in", None),
    "repeated interval": again("usage", 4),
    "uneven interval": off_grid,
    "intervals too short": finer,
    "intervals too long": coarser,
    "undeclared workload": cell("usage", 23, "workload", "ghost"),
    "event of an undeclared workload": cell("events", 1, "workload", "ghost"),
    "unknown event": cell("events", 0, "event", "rebooted"),
    "negative spot capacity": cell("spot_capacity", 2, "capacity", -9),
    "spot capacity without a pool": cell("spot_capacity", 1, "pool", None),
    "repeated observation of a pool": again("spot_capacity", 1),
    "state is not JSON": whole("state", "{"),
    "state of another shape": whole("state", []),
    "repeated key of the state": whole(
        "state", '{"as_of": "2026-05-11T00:00:00Z", "fleet": [], "fleet": []}'
    ),
    "NaN in the state": whole("state", '{"as_of": "2026-05-11T00:00:00Z", "fleet": [NaN]}'),
    "state without zone": lambda files: files.state.update(as_of="2026-05-11T01:00:00"),
    "negative replicas": entry(0, ready=-2),
    "replicas as text": entry(1, desired="1"),
    "replicas as a flag": entry(1, ready=True),
    "no pending": entry(1, pending=None),
    "fleet of an undeclared workload": entry(1, workload="ghost"),
    "repeated fleet": entry(1, workload="chat", option_id="gpu-od"),
}


MESSAGES = dict(line.split(" | ", 1) for line in (GOLDEN / "workspace_messages.txt").read_text().splitlines())


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_one_clear_line(case: str, tmp_path: Path) -> None:
    """Golden: the one line that each spoiled workspace gets; where Arrow speaks too, its beginning."""
    files = Files()
    BAD[case](files)
    (line,) = faults(files, tmp_path)
    expected = MESSAGES[case]
    assert line == expected or (expected.endswith(" …") and line.startswith(expected[:-1]))


def test_standby_is_read_where_an_option_offers_it(tmp_path: Path) -> None:
    offered, none = Files(), Files()
    standby(0, 0.1, 300.0)(offered)
    standby(0, None, None)(none)
    names = {"standby_price_hourly", "standby_boot_seconds"}
    read = read_workspace(offered.write(tmp_path / "offered")).catalog
    assert read is not None
    assert read.loc[0, sorted(names)].tolist() == [300.0, 0.1]
    assert read.loc[1:, sorted(names)].isna().to_numpy().all()
    for files in (none, Files()):
        read = read_workspace(files.write(tmp_path / str(id(files)))).catalog
        assert read is not None
        assert not names & set(read)


def test_every_message_has_its_case() -> None:
    assert MESSAGES.keys() == BAD.keys()


def test_a_file_that_is_no_parquet_says_how_much_is_there(tmp_path: Path) -> None:
    for content in (truncated(catalog()), b"option_id,price\n" * 9):
        (line,) = faults(Files(catalog=content), tmp_path)
        assert f"found {len(content):,} bytes of something else (" in line
        assert line.endswith("expected a complete Parquet file; write the file again")


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    Files(catalog=None).write(tmp_path)
    (tmp_path / "catalog.parquet").mkdir()
    with pytest.raises(InputError, match=r"^catalog.parquet: found a folder"):
        read_workspace(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere; expected a list of workloads"):
        read_workspace(tmp_path / "nowhere")


def test_a_moment_without_zone_is_refused(tmp_path: Path) -> None:
    naive = datetime(2026, 5, 11)  # noqa: DTZ001 - the fault under test
    (line,) = faults(Files(), tmp_path, naive)
    assert line.startswith("as-of: found 2026-05-11T00:00:00 without zone; expected a time with its zone;")


def test_five_rows_are_told_and_the_rest_is_counted(tmp_path: Path) -> None:
    files = Files()
    files.usage["requests"] = -1.0
    lines = faults(files, tmp_path)
    assert [f"row {row}," in line for row, line in enumerate(lines[:5], start=1)] == [True] * 5
    assert lines[5].startswith("history/usage.parquet, column requests: found 19 more rows like these;")
    assert len(lines) == 6


def test_report_of_many_faults(tmp_path: Path) -> None:
    """Golden: what a person with a bad day reads, whole."""
    files = Files(workloads=WORKLOADS.replace("target: 0.999", "target: 99.9") + "    teir: batch\n")
    for case in ("negative price", "repeated option", "unknown purchase", "incomplete profile"):
        BAD[case](files)
    for case in ("negative requests", "undeclared workload", "unknown event", "negative replicas"):
        BAD[case](files)
    files.spot_capacity = b""
    assert "\n".join(faults(files, tmp_path)) + "\n" == (GOLDEN / "workspace_faults.txt").read_text()


def test_a_valid_workspace_comes_back_as_it_was_written(tmp_path: Path) -> None:
    files = Files()
    read = read_workspace(files.write(tmp_path))
    assert [workload.name for workload in read.workloads] == ["chat", "web"]
    assert read.catalog is not None
    assert read.catalog["price_hourly"].tolist() == [0.8, 0.3, 0.2]
    assert read.catalog["boot_seconds"].tolist() == [300, 300, 300]
    assert read.catalog["quota"].isna().tolist() == [False, True, True]
    assert read.catalog["pool"].isna().tolist() == [True, False, True]
    assert read.demand is not None
    assert_frame_equal(read.demand[files.usage.columns], files.usage.astype({"workload": "str"}))
    assert read.demand["interval_s"].eq(600).all()
    assert not read.demand["is_gap"].any()
    assert str(read.demand["ts"].dtype) == "datetime64[us, UTC]"
    assert read.fleet is not None
    assert read.fleet.to_dict("records") == files.state["fleet"]
    assert read.state_as_of == datetime(2026, 5, 11, 1, tzinfo=UTC)
    assert read.notes == (
        "catalog.parquet: boot_seconds of 1 options is taken as 300",
        "catalog.parquet: failures_per_1000h of 1 options is left to the risk model",
    )


def test_only_workloads_are_required(tmp_path: Path) -> None:
    (tmp_path / "workloads.yaml").write_text(WORKLOADS)
    read = read_workspace(tmp_path)
    assert all(getattr(read, name) is None for name in FRAMES)
    absent = ["catalog.parquet", "profiles.parquet", "history/usage.parquet", "history/events.parquet"]
    absent += ["history/spot_capacity.parquet", "state.json"]
    assert [note.split(" is absent: ")[0] for note in read.notes] == absent


def test_further_columns_are_ignored(tmp_path: Path) -> None:
    files = Files()
    for name in ("catalog", "profiles", "usage", "events", "spot_capacity"):
        setattr(files, name, getattr(files, name).assign(colour=["red"] * len(getattr(files, name))))
    files.state["colour"] = "red"
    read = read_workspace(files.write(tmp_path / "more"))
    assert_same(read, read_workspace(Files().write(tmp_path / "plain")))


@pytest.mark.parametrize("name", ["catalog", "profiles", "usage", "events", "spot_capacity"])
def test_a_file_with_no_rows_may_have_any_column_types(name: str, tmp_path: Path) -> None:
    files = Files(workloads=WORKLOADS.replace("llm-8b", "web-app"))
    rows = getattr(files, name).iloc[:0]
    if name == "profiles":
        (line, _) = faults(Files(profiles=rows.astype("int64")), tmp_path)
        assert "(models: none)" in line
        return
    for number, empty in enumerate((rows.astype("bool"), rows.astype("object"), pd.DataFrame())):
        read = read_workspace(Files(**{name: empty}).write(tmp_path / str(number)))
        frame = getattr(read, "demand" if name == "usage" else name)
        full = getattr(read_workspace(Files().write(tmp_path)), "demand" if name == "usage" else name)
        assert_frame_equal(frame, full.iloc[:0])


def test_times_in_any_zone_or_text_with_offset_become_utc(tmp_path: Path) -> None:
    plain = read_workspace(Files().write(tmp_path / "utc")).demand
    assert plain is not None
    spellings: list[Callable[[pd.Series], pd.Series]] = [
        lambda ts: ts.dt.tz_convert("Europe/Berlin"),
        lambda ts: ts.dt.as_unit("ns").dt.tz_convert("Asia/Kolkata"),
        lambda ts: ts.map(pd.Timestamp.isoformat),
        lambda ts: ts.dt.strftime("%Y-%m-%d %H:%MZ"),
        lambda ts: ts.dt.tz_convert("Asia/Tokyo").map(pd.Timestamp.isoformat),
        lambda ts: pd.Series([f"{t:%Y-%m-%dT%H:%M}{['Z', '+00:00'][i % 2]}" for i, t in enumerate(ts)]),
    ]
    for number, spelling in enumerate(spellings):
        files = Files()
        files.usage["ts"] = spelling(files.usage["ts"])
        assert_frame_equal(read_workspace(files.write(tmp_path / str(number))).demand, plain)


def test_times_of_several_zones_in_one_column_are_refused(tmp_path: Path) -> None:
    files = Files()
    stamps = list(files.usage["ts"])
    files.usage["ts"] = [t.isoformat() for t in stamps[:-1]] + [
        stamps[-1].tz_convert("Asia/Tokyo").isoformat()
    ]
    with pytest.raises(InputError) as caught:
        read_workspace(files.write(tmp_path))
    (fault,) = caught.value.faults
    assert fault.row == len(stamps)
    assert fault.column == "ts"
    assert fault.found.endswith("+09:00 in another zone")
    assert fault.expected == "one zone, +00:00 as above"


def test_numbers_of_any_kind_and_encoded_text_are_read(tmp_path: Path) -> None:
    plain = read_workspace(Files().write(tmp_path / "plain"))
    files = Files()
    files.usage["workload"] = files.usage["workload"].astype("category")
    files.usage["requests"] = files.usage["requests"].astype("int32")
    table = pa.Table.from_pandas(files.usage)
    at = table.column_names.index("tokens_in")
    files.usage = table.set_column(at, "tokens_in", table["tokens_in"].cast(pa.decimal128(30, 6)))
    assert_same(read_workspace(files.write(tmp_path / "kinds")), plain)


def test_an_optional_column_that_says_nothing_may_have_any_type(tmp_path: Path) -> None:
    files = Files(profiles=profiles())
    table = pa.Table.from_pandas(files.catalog)
    at = table.column_names.index("pool")
    for number, nothing in enumerate((pa.array([np.nan] * 3), pa.nulls(3, pa.bool_()))):
        files.catalog = table.set_column(at, "pool", nothing)
        read = read_workspace(files.write(tmp_path / str(number)))
        assert read.catalog is not None
        assert read.catalog["pool"].isna().all()
        assert str(read.catalog["pool"].dtype) == "str"


def test_hours_that_were_counted_before_minutes_stay_hours(tmp_path: Path) -> None:
    hours = pd.date_range(START - timedelta(hours=30), periods=30, freq="1h", unit="us")
    minutes = pd.date_range(START, periods=90, freq="1min", unit="us")
    frame = (
        usage("chat")
        .iloc[:1]
        .drop(columns="ts")
        .merge(pd.DataFrame({"ts": hours.append(minutes)}), how="cross")
    )
    for minute, counted in ((90, 90), (62, 62), (50, 0)):  # an hour after, it is known that they are minutes
        end = START + timedelta(minutes=minute)
        read = read_workspace(Files(usage=frame).write(tmp_path / f"{minute}"), as_of=end)
        assert read.demand["interval_s"].tolist() == [3600] * 30 + [60] * counted
        assert not any("intervals of chat" in note for note in read.notes)


def test_missing_intervals_stay_missing_and_are_noted(tmp_path: Path) -> None:
    files = Files()
    files.usage = files.usage.drop(index=[3, 4, 7])
    read = read_workspace(files.write(tmp_path))
    assert read.demand is not None
    assert len(read.demand) == 21
    assert read.demand["interval_s"].eq(600).all()
    text = "history/usage.parquet: 3 of 12 intervals of chat are missing; they count as unknown, not as zero"
    assert text in read.notes


def test_intervals_marked_as_gaps_are_unknown_not_zero(tmp_path: Path) -> None:
    files = Files()
    files.usage["is_gap"] = files.usage.index == 2
    files.usage.loc[2, ["requests", "tokens_in", "tokens_out"]] = [0, np.nan, -1]
    read = read_workspace(files.write(tmp_path))
    assert read.demand is not None
    assert np.flatnonzero(read.demand["is_gap"]).tolist() == [2]
    assert read.demand.loc[2, ["requests", "tokens_in", "tokens_out"]].isna().all()


def test_no_requests_carry_no_tokens(tmp_path: Path) -> None:
    files = Files()
    files.usage.loc[2, ["requests", "tokens_in", "tokens_out"]] = [0, np.nan, np.nan]
    read = read_workspace(files.write(tmp_path))
    assert read.demand is not None
    assert read.demand.loc[2, ["requests", "tokens_in", "tokens_out"]].tolist() == [0, 0, 0]


def test_services_need_no_tokens(tmp_path: Path) -> None:
    web = usage("web").drop(columns=["tokens_in", "tokens_out"])
    read = read_workspace(Files(usage=web).write(tmp_path))
    assert read.demand is not None
    assert read.demand["tokens_in"].isna().all()


def test_an_undeclared_name_is_told_once_however_many_rows_it_has(tmp_path: Path) -> None:
    files = Files(usage=pd.concat([usage("chat"), usage("ghost"), usage("spectre", count=1)]))
    lines = faults(files, tmp_path)
    assert [line.split(";")[0].split(": ")[1] for line in lines] == ["found 'ghost'", "found 'spectre'"]


def test_undeclared_names_wait_until_the_declarations_can_be_read(tmp_path: Path) -> None:
    (line,) = faults(Files(workloads="workloads: ["), tmp_path)
    assert line.startswith("workloads.yaml, row 1: found text that is not YAML")


def test_an_unknown_option_of_the_fleet_is_a_note(tmp_path: Path) -> None:
    files = Files()
    entry(0, option_id="retired")(files)
    read = read_workspace(files.write(tmp_path))
    assert read.fleet is not None
    assert read.fleet["option_id"].tolist() == ["retired", "cpu-od"]
    assert "state.json: the catalogue does not hold retired; their cost is unknown" in read.notes


def test_the_slo_of_batch_work_is_noted(tmp_path: Path) -> None:
    batch = "    tier: batch\n    work_units: 5\n    deadline: 2026-06-01T00:00:00Z\n"
    read = read_workspace(Files(workloads=WORKLOADS + batch).write(tmp_path))
    assert "workloads.yaml: the slo of web is not used; batch work has a deadline" in read.notes


# ---- nothing later than the as-of moment ----


def test_a_row_counts_once_its_interval_is_over(tmp_path: Path) -> None:
    Files().write(tmp_path)
    for minutes, rows in ((110, 11), (119.99, 11), (120, 12), (500, 12)):
        demand = read_workspace(tmp_path, as_of=START + timedelta(minutes=minutes)).demand
        assert demand is not None
        assert demand["workload"].value_counts().to_dict() == {"chat": rows, "web": rows}


def test_events_and_spot_capacity_count_at_their_moment(tmp_path: Path) -> None:
    read = read_workspace(Files().write(tmp_path), as_of=START + timedelta(minutes=5))
    assert read.events is not None
    assert read.spot_capacity is not None
    assert read.events["ts"].tolist() == [pd.Timestamp(START)]
    assert read.spot_capacity["capacity"].tolist() == [4, 0]


def test_a_later_state_is_not_used(tmp_path: Path) -> None:
    files = Files()
    entry(0, workload="ghost", ready=-1)(files)
    before = START + timedelta(minutes=59)
    read = read_workspace(files.write(tmp_path), as_of=before)
    assert read.fleet is None
    assert read.state_as_of is None
    told = "state.json is of 2026-05-11T01:00:00+00:00, later than 2026-05-11T00:59:00+00:00: not used"
    assert told in read.notes
    assert len(faults(files, tmp_path, START + timedelta(hours=1))) == 2


def test_one_row_tells_no_interval(tmp_path: Path) -> None:
    read = read_workspace(Files(usage=usage("chat", count=1)).write(tmp_path))
    assert read.demand is not None
    assert read.demand.empty
    assert "history/usage.parquet: too few rows of chat to tell their interval; not used" in read.notes


def test_a_gap_at_the_start_of_a_short_history_does_not_coarsen_the_interval() -> None:
    """Only rows 0 and 10 have been over for an hour; the later ones are known to be 5 minutes apart."""
    starts = np.array([0, 10, *range(15, 70, 5)], dtype=np.int64) * MINUTE_US
    assert known_interval(starts, 70 * MINUTE_US) == 5 * MINUTE_US
    assert known_interval(starts[:2], 70 * MINUTE_US) == 10 * MINUTE_US


@given(
    interval=st.integers(1, 60),
    rows=st.integers(2, 200),
    seen=st.integers(-30, 15_000),
    drop=st.sets(st.integers(1, 199), max_size=20),
    planted=st.lists(st.integers(0, 400), max_size=6),
)
def test_interval_never_looks_at_rows_that_are_not_over(
    interval: int, rows: int, seen: int, drop: set[int], planted: list[int]
) -> None:
    starts = np.array([row * interval for row in range(rows) if row not in drop], dtype=np.int64)
    as_of, found = seen * MINUTE_US, known_interval(starts * MINUTE_US, seen * MINUTE_US)
    if not drop:
        assert found == (interval * MINUTE_US if (starts + interval <= seen).sum() > 1 else None)
    if found is None or found > 60 * MINUTE_US:
        return
    assert found % (interval * MINUTE_US) == 0
    known = starts[starts * MINUTE_US + found <= as_of] * MINUTE_US
    later = as_of - found + 1 + np.array(planted, dtype=np.int64) * MINUTE_US // 7
    assert known_interval(np.unique(np.concatenate([known, later])), as_of) == found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), minutes=st.integers(0, 130))
def test_what_comes_later_never_changes_what_is_read(
    data: st.DataObject, minutes: int, tmp_path: Path
) -> None:
    """Rows planted after the as-of moment, however bad, leave every frame and note as it was."""
    as_of = START + timedelta(minutes=minutes)
    plain = read_workspace(Files(catalog=None, profiles=None).write(tmp_path / "plain"), as_of=as_of)
    for name, interval in (("demand", 10), ("events", 0), ("spot_capacity", 0)):
        assert (getattr(plain, name)["ts"] + timedelta(minutes=interval) <= as_of).all()
    files = Files(catalog=None, profiles=None)
    begun = -599 if minutes >= 20 else 1  # a row that has begun but is not over is later, too
    name = data.draw(st.sampled_from(["chat", "web", "ghost"]))
    for table, soonest, values in (
        (
            "usage",
            1 if name == "ghost" else begun,
            {"requests": -1.0, "tokens_in": np.inf, "tokens_out": np.nan},
        ),
        ("events", 1, {"workload": name, "option_id": None, "event": "exploded"}),
        ("spot_capacity", 1, {"pool": None, "capacity": -1.0}),
    ):
        seconds = data.draw(st.lists(st.integers(soonest, 10**6), min_size=1, max_size=4), label=table)
        late = pd.DataFrame({"ts": [as_of + timedelta(seconds=second) for second in seconds]}).assign(
            **values
        )
        late = late.assign(workload=name) if table == "usage" else late
        planted = pd.concat([getattr(files, table), late], ignore_index=True)
        setattr(files, table, planted.iloc[::-1].sort_values("ts", kind="stable"))
    assert_same(plain, read_workspace(files.write(tmp_path / "planted"), as_of=as_of))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    interval=st.integers(1, 60),
    requests=st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=4, max_size=40),
    hole=st.integers(1, 60),
)
def test_valid_demand_reads_back_equal(
    interval: int, requests: list[float], hole: int, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"ts": times(len(requests), interval), "workload": "chat", "requests": requests})
    frame = frame.assign(tokens_in=frame["requests"] * 3, tokens_out=frame["requests"] / 7)
    frame = frame.drop(index=hole, errors="ignore") if hole != 2 else frame
    (tmp_path / "history").mkdir(exist_ok=True)
    (tmp_path / "workloads.yaml").write_text(WORKLOADS)
    frame.sample(frac=1, random_state=hole).to_parquet(tmp_path / "history" / "usage.parquet")
    read = read_workspace(tmp_path)
    assert read.demand is not None
    written = frame.reset_index(drop=True).astype({"workload": "str"})
    assert_frame_equal(read.demand[written.columns], written)


# ---- the real example ----


def test_the_example_with_a_real_trace(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(shared / "workspaces" / "llm-8b", tmp_path, dirs_exist_ok=True)
    trace = pd.read_parquet(shared / "datasets" / "traffic_llm_servegen_10min.parquet")
    trace = trace[(trace["series_id"] == "servegen_m-small") & ~trace["is_gap"]]
    requests = trace["requests"].to_numpy(dtype=float)
    history = pd.DataFrame(
        {
            "ts": pd.Timestamp(START) + pd.to_timedelta(trace["offset_s"].to_numpy(), unit="s"),
            "workload": "chat",
            "requests": requests,
            "tokens_in": requests * trace["mean_input_tokens"].to_numpy(),
            "tokens_out": requests * trace["mean_output_tokens"].to_numpy(),
        }
    )
    (tmp_path / "history").mkdir()
    history.to_parquet(tmp_path / "history" / "usage.parquet")
    as_of = START + timedelta(days=6)
    read = read_workspace(tmp_path, as_of=as_of)
    assert read.demand is not None
    assert read.catalog is not None
    assert read.profiles is not None
    assert len(read.catalog) == 13
    assert sorted(read.profiles["accelerator"]) == ["A100-80GB", "A10G", "H100", "L4", "L40S"]
    known = history[history["ts"] + timedelta(minutes=10) <= as_of]
    assert read.demand["requests"].sum() == known["requests"].sum()
    assert read.demand["interval_s"].eq(600).all()
    gaps = 6 * 144 - len(known)
    assert gaps == 0 or any(f"{gaps} of " in note or "intervals of chat" in note for note in read.notes)
