"""The report as files, and its head as an artifact beside the run."""

# No postponed annotations: a served flow is pickled without the names its signature would need later.

from datetime import datetime
from itertools import takewhile
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.steps import moment, shown, step
from optimizer import pipeline
from optimizer.report.text import markdown

ARTIFACT = "trimtab-report"
TOP = 10  # recommendations in the summary


@flow(name="trimtab-report")
def report(workspace: Path, placement: Path | None = None) -> Path:
    """Write report.html and report.md from a placement plan, by default plans/placement.json."""
    made = write_report(workspace, placement, moment())
    publish(made)
    return made.html


@step("report")
def write_report(workspace: Path, placement: Path | None, now: datetime) -> pipeline.Report:
    """Both files of the report."""
    with shown("report") as progress:
        return pipeline.report(workspace, placement=placement, now=now, progress=progress)


def publish(made: pipeline.Report) -> None:
    """Keep the report's summary as the artifact `trimtab-report` of this run."""
    summary = summary_of(made.markdown.read_text(encoding="utf-8"))
    files = f"Whole report: {markdown(made.html)} and {markdown(made.markdown)}"
    create_markdown_artifact(f"{summary}\n{files}\n", key=ARTIFACT, description="Headline and what to do")


def summary_of(text: str, top: int = TOP) -> str:
    """The report's head: headline numbers and the first recommendations, before its second section.

    The text is the report's own Markdown, in which names from outside are escaped already.
    """
    sections = 0

    def in_head(line: str) -> bool:
        nonlocal sections
        sections += line.startswith("## ")
        return sections < 2

    head = list(takewhile(in_head, text.splitlines()))
    numbered = [line for line in head if line.startswith("| ") and line[2:].split(" ", 1)[0].isdigit()]
    shown_lines = [line for line in head if line not in numbered[top:]]
    more = len(numbered) - top
    rest = [f"{more} more in the whole report.", ""] if more > 0 else []
    return "\n".join([*shown_lines, *rest])
