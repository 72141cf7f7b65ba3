"""Settings of alerts: how bad an incident is, who is told, what nobody wants to hear."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from optimizer.section import Section

VARIABLE = r"^([A-Za-z_][A-Za-z0-9_]*)?$"


class Anomalies(Section):
    """From when an incident is how bad (`trimtab anomalies --alert`)."""

    warning_amount: float = Field(
        100.0,
        gt=0,
        description="beyond the forecast, in the currency of the bill, from which it is a warning",
    )
    critical_amount: float = Field(1000.0, gt=0, description="from which it is critical")

    @model_validator(mode="after")
    def are_in_order(self) -> Self:
        """What is critical is more than what is a warning."""
        if self.critical_amount < self.warning_amount:
            raise ValueError("critical_amount must not be less than warning_amount")
        return self


class Channel(Section):
    """A table of `[[alerts.channels]]`. Secrets are named by an environment variable and never stand here."""

    name: str = Field(min_length=1, description="name of the channel")
    kind: Literal["webhook", "slack", "email"] = Field(
        description="JSON to any service, text that Slack and its like show, or e-mail"
    )
    url_env: str = Field(
        "", pattern=VARIABLE, description="environment variable with the URL (webhook, slack)"
    )
    to: tuple[str, ...] = Field((), description="addresses (email)")
    sender: str = Field("", description="address of the sender (email)")
    host: str = Field("", description="mail server (email)")
    port: int = Field(587, ge=1, le=65535, description="port of the mail server")
    starttls: bool = Field(default=True, description="refuse to send mail without encryption")
    user: str = Field("", description="user at the mail server; none: no log-in")
    password_env: str = Field("", pattern=VARIABLE, description="environment variable with the password")
    least_severity: Literal["info", "warning", "critical"] = Field(
        "info", description="what it wants to hear of"
    )

    @model_validator(mode="after")
    def has_what_its_kind_needs(self) -> Self:
        """A URL for the web, a server and addresses for mail."""
        needed = ("host", "sender", "to") if self.kind == "email" else ("url_env",)
        absent = [name for name in needed if not getattr(self, name)]
        if absent:
            raise ValueError(f"a channel of kind {self.kind} needs {', '.join(absent)}")
        if bool(self.user) != bool(self.password_env):
            raise ValueError("user and password_env belong together")
        return self


class Silence(Section):
    """A table of `[[alerts.silence]]`: alerts that nobody wants to hear of for a while."""

    key: str = Field(
        min_length=1, description="pattern of the alert's key (`*` and `?`), such as budget/search/*"
    )
    until: date = Field(description="first day on which it is told again, UTC")
    reason: str = Field("", description="why, for people")


class Alerts(Section):
    """Who is told, and how often."""

    repeat_hours: float = Field(24.0, gt=0, description="until the same alert is told again")
    max_per_hour: int = Field(
        10, ge=1, description="messages to one channel in an hour; the rest is summed up"
    )
    timeout_s: float = Field(10.0, gt=0, le=60, description="longest wait for a channel's answer")
    channels: tuple[Channel, ...] = Field((), description="tables [[alerts.channels]]")
    silence: tuple[Silence, ...] = Field((), description="tables [[alerts.silence]]")

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        """A channel is called by its name."""
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        return self
