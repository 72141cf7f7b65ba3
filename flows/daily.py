"""The product once a day: what is new, what will be needed, what to run, what to tell."""

# No postponed annotations: a served flow is pickled without the names its signature would need later.

from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AwareDatetime, PositiveFloat

from flows.alerts import has_channels, tell_anomalies, tell_budgets
from flows.ingest import configured_sources, ingest_each, raise_failures
from flows.plan import forecast_demand, make_plan
from flows.report import publish, write_report
from flows.steps import moment
from optimizer.layout import Layout


@flow(name="trimtab-daily")
def daily(workspace: Path, as_of: AwareDatetime | None = None, horizon_hours: PositiveFloat = 24.0) -> Path:
    """Ingest the configured sources, forecast, plan capacity and placement, report, and tell what is unusual.

    A source that cannot be read does not stop the plans: they are made from what is known, the report shows
    its age, and the run fails at its end so that someone looks. So does an alert that cannot be told. A
    workspace for its bills alone is not planned.

    Args:
        workspace: folder with workloads.yaml.
        as_of: nothing later is used; by default the moment the run was due.
        horizon_hours: how far the forecast and the capacity plan reach.
    """
    due, sources = as_of or moment(), configured_sources(workspace)
    if not sources:
        get_run_logger().info("no sources in trimtab.toml: the workspace's own files are used as they are")
    loaded = ingest_each(workspace, sources)
    placement = None
    if not Layout(workspace).is_for_bills_alone:
        forecast_demand(workspace, due, horizon_hours)
        make_plan(workspace, "capacity", due, horizon_hours)
        placement = make_plan(workspace, "placement", due, horizon_hours)
    made = write_report(workspace, placement, due)
    publish(made)
    told = []
    if has_channels(workspace):
        told = [tell(workspace, due, return_state=True) for tell in (tell_anomalies, tell_budgets)]
    raise_failures([*loaded, *told], "sources and alerts failed")
    return made.html
