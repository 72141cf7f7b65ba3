"""Servers that take alerts, for the tests of whoever sends them."""

from __future__ import annotations

from tests.optimizer.alerting import hook, mail_server, no_proxy, open_hook

__all__ = ["hook", "mail_server", "no_proxy", "open_hook"]
