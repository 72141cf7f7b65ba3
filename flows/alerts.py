"""What people should know of the bills, told to the channels of [alerts]."""

# No postponed annotations: a served flow is pickled without the names its signature would need later.

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from flows.steps import shown, step
from optimizer import pipeline
from optimizer.alerts import Delivery
from optimizer.config import load_settings
from optimizer.errors import TransientError


def has_channels(workspace: Path) -> bool:
    """Whether there is anyone to tell."""
    return bool(load_settings(workspace).alerts.channels)


@step("anomalies")
def tell_anomalies(workspace: Path, now: datetime) -> int:
    """Tell of incidents that no one has heard of; how many messages went out."""
    with shown("anomalies") as progress:
        _, told = pipeline.anomalies(workspace, now=now, tell=True, progress=progress)
    return sent(told)


@step("budgets")
def tell_budgets(workspace: Path, now: datetime) -> int:
    """Tell of budgets that will be overrun, where any are set; how many messages went out."""
    if not load_settings(workspace).budgets:
        return 0
    with shown("budgets") as progress:
        _, told = pipeline.budget(workspace, as_of=now, tell=True, progress=progress)
    return sent(told)


def sent(told: Sequence[Delivery]) -> int:
    """How many messages went out.

    Raises:
        TransientError: some did not; the next try tells only what is still untold.
    """
    failed = [f"{item.channel}: {item.detail}" for item in told if item.status == "failed"]
    if failed:
        reasons = "; ".join(dict.fromkeys(failed))
        raise TransientError(f"{len(failed)} alerts could not be delivered ({reasons}); they are tried again")
    return sum(item.status == "sent" for item in told)
