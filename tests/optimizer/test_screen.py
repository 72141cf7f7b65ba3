"""What the command line shows: lengths of time, money, tables, and summaries that are plain JSON."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from optimizer import screen
from optimizer.checkup import Finding
from optimizer.errors import InputError
from optimizer.terminal import visible


@pytest.mark.parametrize(
    ("text", "hours"), [("24h", 24), ("90min", 1.5), ("90m", 1.5), ("7d", 168), ("3600s", 1), (" 1h ", 1)]
)
def test_lengths_of_time(text: str, hours: float) -> None:
    assert screen.duration(text) == pd.Timedelta(hours=hours)


@pytest.mark.parametrize(
    "text",
    ["", "24", "0h", "-1h", "nan", "NaT", "inf", "1e3h", "1h30", "h", "1 fortnight", "36d", "9" * 30 + "h"],
)
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--horizon: found") as error:
        screen.duration(text)
    assert len(error.value.faults) == 1


@given(st.text(max_size=12))
def test_any_text_is_a_length_or_a_fault(text: str) -> None:
    try:
        value = screen.duration(text)
    except InputError:
        return
    assert pd.Timedelta(0) < value <= screen.LONGEST


def test_kinds() -> None:
    assert screen.plan_kind("placement") == "placement"
    with pytest.raises(InputError, match="capacity or placement"):
        screen.plan_kind("Capacity")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(None, 0, "not known"), (0.0, 0, "0 USD"), (1234567.891, 2, "1,234,567.89 USD"), (-5.0, 0, "-5 USD")],
)
def test_money(value: float | None, digits: int, text: str) -> None:
    assert screen.usd(value, digits) == text


def test_a_forecast_of_nothing() -> None:
    assert screen.forecast_summary(pd.DataFrame()) == {"series": 0, "rows": 0, "models": [], "notes": []}


def test_findings_are_json_and_faults_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = (
        Finding("fault", "x", "[bold]broken[/bold]"),
        Finding("ok", "y", "fine"),
        Finding("note", "z", "old"),
    )
    assert json.loads(json.dumps(screen.check_summary(findings)))["findings"][0]["level"] == "fault"
    seen = io.StringIO()
    monkeypatch.setattr(screen, "out", Console(file=seen, width=80))
    screen.show_findings(findings)
    lines = seen.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "note", "fault"]
    assert "[bold]broken[/bold]" in lines[2]


def test_hostile_names_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(screen, "out", Console(file=seen, width=200))
    ds = pd.date_range("2026-01-01", periods=2, freq="1h", tz="UTC")
    frame = pd.DataFrame({"unique_id": "[red]a[/x]", "ds": ds, "model": "m[1]", "q0.5": [1.0, 2.0]})
    screen.show_forecast(frame)
    assert "[red]a[/x]" in seen.getvalue()


def test_forecasts_are_shown_whole_and_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(screen, "out", Console(file=seen, width=80))
    ds = pd.date_range("2026-01-01", periods=2, freq="1h", tz="UTC")
    frame = pd.DataFrame({"unique_id": "realKnownCause/nyc_taxi", "ds": ds, "model": "ensemble+conformal"})
    screen.show_forecast(frame.assign(**{"q0.5": 1.6e4, "q0.9": 2.3e4, "q0.99": 2.5e4}))
    assert "…" not in seen.getvalue()
    assert seen.getvalue().count("2026-01-01") == 2
    assert max(map(len, seen.getvalue().splitlines())) <= 80
    assert "quantiles are means over the steps shown; times are UTC" in seen.getvalue()


def test_progress_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("work") as tell:
        tell("half", 0.5)
    assert capsys.readouterr() == ("", "")


HOSTILE = "\x1b]0;title\x07\x1b[31mred\u202egpj.exe\x9b"


def test_no_value_speaks_to_the_terminal() -> None:
    """In tables, in lines, with markup and without, and in errors; line ends and tabs stay."""
    shown = io.StringIO()
    console = screen.PlainConsole(file=shown, width=80)
    table = Table(HOSTILE, box=None)
    table.add_row(HOSTILE)
    for each in (table, HOSTILE, f"[bold]{HOSTILE}[/bold]"):
        console.print(each)
    console.print(HOSTILE, markup=False)
    for sign in "\x1b\x07\u202e\x9b":
        assert sign not in shown.getvalue()
    assert shown.getvalue().count("red") == 5
    assert visible("a\tb\nc é 漢 \x1b") == "a\tb\nc é 漢 \N{REPLACEMENT CHARACTER}"
