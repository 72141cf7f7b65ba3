"""Servers that take alerts, and bills, made once for all who only read them."""

from __future__ import annotations

from tests.optimizer.alerting import hook, mail_server, no_proxy, open_hook
from tests.optimizer.broken_bill import broken
from tests.optimizer.daily_bills import load, steady

__all__ = ["broken", "hook", "load", "mail_server", "no_proxy", "open_hook", "steady"]
