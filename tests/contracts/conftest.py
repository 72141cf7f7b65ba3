"""Servers that take alerts."""

from __future__ import annotations

from tests.optimizer.alerting import hook, mail_server, no_proxy

__all__ = ["hook", "mail_server", "no_proxy"]
