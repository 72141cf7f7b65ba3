"""`trimtab init`: a workspace to start from, with every setting shown and commented."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from optimizer.config import FILE_NAME, Settings
from optimizer.errors import Fault, InputError

WORKLOADS = """\
# What runs and what it needs. One entry per service; the JSON Schema of this file is in the documentation.
workloads:
  - name: chat
    model: llm-8b                 # key into profiles.parquet: what one replica serves
    tier: interactive             # interactive | batch
    slo: {ttft_s: 2.0, tpot_ms: 60, target: 0.999}
    # Services that are not LLMs give  slo: {latency_ms: 200, target: 0.999}
    # Batch gives  work_units, deadline, preemptible  instead of an slo.
    # Pods that share nodes give  resources: {cpu: 0.5, memory_gib: 2}  and the catalogue what nodes have.
    placement: {regions: [], providers: []}   # empty = anywhere
"""


def init_workspace(directory: Path) -> list[Path]:
    """Write workloads.yaml and trimtab.toml; files that exist are kept.

    Raises:
        InputError: the folder cannot be made or written.
    """
    wanted = {directory / "workloads.yaml": WORKLOADS, directory / FILE_NAME: settings_text()}
    written = []
    try:
        for folder in (directory, directory / "history", directory / "plans"):
            folder.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            if not path.exists():
                path.write_text(text, encoding="utf-8")
                written.append(path)
    except OSError as error:
        found = f"{error.strerror} at {error.filename}"
        fault = Fault(str(directory), found, "a folder that can be made and written", "choose another")
        raise InputError([fault]) from error
    return written


def settings_text() -> str:
    """trimtab.toml with every key at its default, commented out, with its meaning."""
    lines = [
        "# Settings of Trimtab; every line shows the default. TRIMTAB_PLANNING__GAP_SHARE=0.01 in the",
        "# environment overrides gap_share under [planning].",
    ]
    lines += section_lines(Settings, "")
    lines += [
        "",
        "# Who pays for what: the first rule that matches names the owner; without rules the tags Owner,",
        "# owner, team, Team or CostCenter do.",
        "#   [[allocation.rules]]",
        '#   account = "data-*"',
        '#   owner = "data-platform"',
        "#   [[allocation.rules]]",
        '#   owner_from = "tag:team"',
        "#   [[allocation.shared]]",
        '#   match = {category = "Tax"}',
        '#   split = "proportional"   # or even, or fixed with shares = {search = 0.6, ads = 0.4}',
        "",
        "# What a month may cost: `trimtab budget` forecasts it, with --alert it tells what is raised.",
        "#   [[budgets]]",
        '#   name = "search"',
        '#   owner = "search"         # as `trimtab chargeback` names it; or a filter, such as service',
        "#   monthly_amount = 12000",
        "#   alarms = [{share = 0.8, probability = 0.9}, {share = 1.0, probability = 0.3}]",
        "#   [[costs.changes]]        # known beforehand: a price, a new service",
        '#   name = "new price list"',
        "#   day = 2027-01-01",
        '#   service = "Virtual Machines"',
        "#   factor = 1.05",
        "",
        "# Who is told. URLs and passwords are secrets: they stand in the environment, here only its name.",
        "#   [[alerts.channels]]",
        '#   name = "ops"',
        '#   kind = "slack"           # or webhook, or email with host, sender, to',
        '#   url_env = "OPS_HOOK_URL"',
        "#   [[alerts.silence]]",
        '#   key = "budget/search/*"',
        "#   until = 2027-01-01",
        "",
        "# Where `trimtab ingest` looks without --source: name = path.",
        "[sources]",
        '# bill = "exports/aws"',
    ]
    return "\n".join(lines) + "\n"


def section_lines(model: type[BaseModel], path: str) -> list[str]:
    """One table of the file: its own keys first, then the tables below it."""
    lines: list[str] = []
    tables = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables.append((name, field.annotation))
            continue
        default = field.get_default(call_default_factory=True)
        if field.description and name != "sources" and not isinstance(default, tuple):
            value = str(default).lower() if isinstance(default, bool) else repr(default)
            lines.append(f"# {name} = {value}   # {field.description}")
    head = ["", f"[{path}]"] if path else []
    below = [
        line for name, table in tables for line in section_lines(table, f"{path}.{name}" if path else name)
    ]
    return head + lines + below
